package plan_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
)

// anyPolicy is a policy with the properties that matter to Jobs and Groups.
func anyPolicy(t *rapid.T) plan.Policy {
	p := plan.DefaultPolicy()
	p.Enabled = rapid.IntRange(0, 9).Draw(t, "enabled") > 0
	p.Target = rapid.SampledFrom([]int64{1 << 20, 32 << 20, 128 << 20}).Draw(t, "target")
	p.MinFiles = rapid.IntRange(2, 9).Draw(t, "min files")
	p.Reshape = rapid.Bool().Draw(t, "reshape")
	p.SpecID = rapid.IntRange(0, 1).Draw(t, "spec")
	p.MaxJobBytes = rapid.SampledFrom([]int64{1 << 20, 1 << 30, 8 << 30}).Draw(t, "job")
	if rapid.IntRange(0, 4).Draw(t, "windows") == 0 {
		p.Windows, _ = plan.ParseWindows("22:00-06:00")
	}
	return p
}

// anyTable is a table with a random history.
func anyTable(t *rapid.T, i int) plan.Table {
	id := uuid.NewSHA1(uuid.Nil, []byte{byte(i), byte(i >> 8)})
	out := plan.Table{ID: id, Ident: catalog.Ident{Namespace: catalog.Namespace{"a"}, Name: fmt.Sprint("t", i)}, Policy: anyPolicy(t), Snapshots: rapid.IntRange(0, 400).Draw(t, "snapshots")}
	if rapid.IntRange(0, 9).Draw(t, "counted") > 0 {
		h, l := plan.NewHealth(id), &log{at: start}
		for range rapid.IntRange(0, 6).Draw(t, "commits") {
			d := delta(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "partition"), rapid.Int64Range(1, 9).Draw(t, "files"), rapid.Int64Range(1, 400<<20).Draw(t, "bytes"))
			d.AddedDeletes = rapid.Int64Range(0, 6).Draw(t, "deletes")
			d.SpecID = rapid.IntRange(0, 1).Draw(t, "spec")
			h.Apply(l.next("append", d))
			l.at = l.at.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "later")) * time.Second)
			if rapid.IntRange(0, 3).Draw(t, "settle") == 0 {
				h.Settle(out.Policy, l.at, nil)
			}
		}
		out.Health = h
	}
	if rapid.IntRange(0, 5).Draw(t, "active") == 0 {
		out.Active = map[plan.Kind]bool{plan.Compact: true}
	}
	if rapid.IntRange(0, 5).Draw(t, "rests") == 0 {
		out.NotBefore = map[plan.Kind]time.Time{plan.Compact: start.Add(time.Hour)}
	}
	if rapid.IntRange(0, 5).Draw(t, "waits") == 0 {
		out.Waits = map[plan.Kind]string{plan.Compact: "its policy cannot be read"}
	}
	out.Bounds = rapid.SampledFrom([][]string{nil, {"w"}, {"n", "w"}}).Draw(t, "bounds")
	out.Pinned = rapid.Bool().Draw(t, "pinned")
	out.Unreachable = rapid.Bool().Draw(t, "unreachable")
	out.SinceTidy = rapid.Int64Range(0, 200).Draw(t, "since tidy")
	return out
}

// Every table has exactly one of a proposed compaction and a reason why there is
// none; what is deferred has the same reason; and no limit is passed.
func TestEveryTableHasAnAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tables []plan.Table
		for i := range rapid.IntRange(1, 12).Draw(t, "tables") {
			tables = append(tables, anyTable(t, i))
		}
		now := start.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "now")) * time.Second)
		jobs := rapid.Int64Range(0, 3).Draw(t, "max jobs")
		b := plan.Budget{Jobs: rapid.IntRange(-1, 6).Draw(t, "jobs"), Accounts: map[string]plan.Account{
			"w": {Bound: plan.Bound{Origin: "warehouse", Limits: plan.Limits{Jobs: jobs, BytesPerHour: rapid.Int64Range(0, 1<<30).Draw(t, "bytes")}}},
			"n": {Bound: plan.Bound{Origin: "namespace a", Limits: plan.Limits{SecondsPerHour: rapid.Int64Range(0, 3).Draw(t, "seconds")}}},
		}}
		d := plan.Jobs(tables, b, now)
		proposed := map[uuid.UUID]int{}
		inWarehouse := int64(0)
		for i, p := range d.Proposals {
			if i > 0 && p.Priority > d.Proposals[i-1].Priority {
				t.Fatal("not the best first")
			}
			if p.Held != "" || p.Reason == "" || math.IsNaN(p.Priority) {
				t.Fatalf("%+v", p)
			}
			if p.Kind == plan.Compact {
				proposed[p.Table]++
				for _, in := range tables {
					if in.ID == p.Table && len(in.Bounds) > 0 {
						inWarehouse++
					}
				}
			}
		}
		if b.Jobs != 0 && len(d.Proposals) > max(b.Jobs, 0) {
			t.Fatalf("%d proposals of at most %d", len(d.Proposals), b.Jobs)
		}
		if jobs > 0 && inWarehouse > jobs {
			t.Fatalf("%d jobs of at most %d", inWarehouse, jobs)
		}
		for _, p := range d.Deferred {
			if p.Held == "" || p.Kind == plan.Compact && d.WhyNot[p.Table] != p.Held {
				t.Fatalf("deferred without a reason: %+v", p)
			}
		}
		for _, in := range tables {
			why := d.WhyNot[in.ID]
			if (why == "") != (proposed[in.ID] == 1) {
				t.Fatalf("%s: %d proposals, why not %q", in.Ident, proposed[in.ID], why)
			}
		}
	})
}

// And a plan from files either has groups or says why not.
func TestEveryPlanHasAnAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files, p, s := anyFiles(t)
		c := plan.Groups(files, p, s)
		if c.WhyNot == "" {
			t.Fatalf("a plan of %d groups says nothing of the rest", len(c.Groups))
		}
		seen := map[string]bool{}
		for _, g := range c.Groups {
			if g.Reason == "" || len(g.Files) == 0 {
				t.Fatalf("%+v", g)
			}
			for _, f := range g.Files {
				if seen[f.Path] {
					t.Fatalf("%s is in two groups", f.Path)
				}
				seen[f.Path] = true
				if g.Tier != plan.Reshape && plan.Key(f.SpecID, f.Partition) != plan.Key(g.SpecID, g.Partition) {
					t.Fatalf("a group crosses partitions: %+v", g)
				}
				if f.Deletes > 0 && g.Tier == plan.Fuse {
					t.Fatal("deletes are not applied")
				}
			}
		}
	})
}

func anyFiles(t *rapid.T) ([]plan.File, plan.Policy, plan.Scope) {
	p := anyPolicy(t)
	p.Windows = plan.Windows{}
	p.AllowFuse = rapid.Bool().Draw(t, "fuse")
	if rapid.IntRange(0, 3).Draw(t, "sorted") == 0 {
		p.Sort = []string{"a"}
	}
	var files []plan.File
	for range rapid.IntRange(0, 6).Draw(t, "kinds") {
		n := rapid.IntRange(1, 40).Draw(t, "files")
		low := rapid.Int64Range(1000, 3*p.Target).Draw(t, "low")
		spread := rapid.Int64Range(0, p.Target).Draw(t, "spread")
		part := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "partition")
		spec := rapid.IntRange(0, 1).Draw(t, "spec")
		deletes := max(0, rapid.IntRange(-3, 8).Draw(t, "deletes"))
		share := rapid.SampledFrom([]float64{0, 0.01, 0.3, 1}).Draw(t, "deleted")
		for i := range n {
			f := plan.File{Path: fmt.Sprintf("f%04d", len(files)), SpecID: spec, Partition: map[string]*string{"p": &part}, Bytes: low + spread*int64(i)/int64(n), Deletes: deletes, Sequence: int64(len(files))}
			f.Rows = max(f.Bytes/100, 1)
			if deletes > 0 {
				f.Deleted = int64(share * float64(f.Rows))
			}
			files = append(files, f)
		}
	}
	s := plan.Scope{Full: rapid.Bool().Draw(t, "full")}
	if rapid.Bool().Draw(t, "quiet") {
		d := time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds")) * time.Second
		s.QuietFor = func(string) time.Duration { return d }
	}
	return files, p, s
}

// Planning and compacting in turn come to rest, and in rest nothing is planned
// again: a rewrite leaves the candidate set. Inputs are read a bounded number of
// times on the way.
func TestAnyTableComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files, p, s := anyFiles(t)
		var total, read int64
		for _, f := range files {
			total += f.Bytes
		}
		generation := map[string]int{}
		whole := 0 // rounds that left nothing out for its size
		for round := 0; ; round++ {
			c := plan.Groups(files, p, s)
			if len(c.Groups) == 0 {
				break
			}
			if round == 2000 {
				t.Fatalf("never at rest:\n%s", c)
			}
			for _, g := range c.Groups {
				read += g.Bytes
			}
			before := len(files)
			files = applied(files, c, p, round, generation)
			if !c.Truncated {
				whole++
			}
			if whole > 6 {
				t.Fatalf("round %d still finds something:\n%s(%d files before)", round, c, before)
			}
		}
		most := 0
		for _, f := range files {
			most = max(most, generation[f.Path])
		}
		if most > 8 {
			t.Fatalf("a file was rewritten %d times without anything new", most)
		}
		if total > 0 && read > 8*total {
			t.Fatalf("%s were read of a table of %s", plan.Size(read), plan.Size(total))
		}
		if again := plan.Groups(files, p, s); len(again.Groups) > 0 {
			t.Fatalf("rest is not rest:\n%s", again)
		}
	})
}

// applied is a model of what a rewrite leaves: outputs without deletes, as large
// as their inputs without what was deleted.
func applied(files []plan.File, c plan.Compaction, p plan.Policy, round int, generation map[string]int) []plan.File {
	gone := map[string]bool{}
	var out []plan.File
	for i, g := range c.Groups {
		deepest := 0
		var bytes, rows int64
		for _, f := range g.Files {
			gone[f.Path] = true
			deepest = max(deepest, generation[f.Path])
			left := f.Rows - f.Deleted
			rows += left
			bytes += f.Bytes / f.Rows * left
		}
		if rows == 0 {
			continue
		}
		spec := g.SpecID
		if g.Tier == plan.Reshape {
			spec = p.SpecID
		}
		for j := range g.Outputs {
			f := plan.File{Path: fmt.Sprintf("o%d-%d-%d", round, i, j), SpecID: spec, Partition: g.Partition, Bytes: max(bytes/int64(g.Outputs), 1), Rows: max(rows/int64(g.Outputs), 1), Sequence: int64(1e6 + round)}
			generation[f.Path] = deepest + 1
			out = append(out, f)
		}
	}
	for _, f := range files {
		if !gone[f.Path] {
			out = append(out, f)
		}
	}
	return out
}

// While files arrive one by one, each byte is rewritten a logarithmic number of
// times, and the number of files stays logarithmic too.
func TestStreamingIsLogarithmic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.DefaultPolicy()
		p.MinFiles = rapid.IntRange(2, 9).Draw(t, "min files")
		p.Growth = rapid.Float64Range(1, 4).Draw(t, "growth")
		low := rapid.Int64Range(10_000, 1<<20).Draw(t, "bytes")
		n := rapid.IntRange(50, 1500).Draw(t, "commits")
		var files []plan.File
		var arrived, read int64
		most := 0
		generation := map[string]int{}
		for i := range n {
			b := low + int64(i*7919%1000)*low/1000
			files = append(files, plan.File{Path: fmt.Sprintf("f%05d", i), Bytes: b, Rows: b/100 + 1, Sequence: int64(i)})
			arrived += b
			c := plan.Groups(files, p, plan.Scope{})
			for _, g := range c.Groups {
				read += g.Bytes
			}
			if len(c.Groups) > 0 {
				files = applied(files, c, p, i, generation)
			}
			most = max(most, len(files))
		}
		// A file that is g times what is new is read each time it grows by a g-th.
		perDoubling := 1 / math.Log2(1+1/p.Growth)
		depth := math.Log2(float64(min(arrived, p.Target))/float64(low)) + 2
		if float64(read) > (1+perDoubling*depth)*float64(arrived) {
			t.Fatalf("%d commits: %s were read for %s, %.1f times; %.1f doublings", n, plan.Size(read), plan.Size(arrived), float64(read)/float64(arrived), depth)
		}
		if full := arrived/p.Small() + 1; float64(most) > float64(full)+float64(p.MinFiles+1)*depth {
			t.Fatalf("%d files at once, %d of them full", most, full)
		}
	})
}

// Whatever others do, a small table's turn comes: nobody overtakes it that came up
// later than a fixed time after it.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := busy("small", 5)
		n := rapid.IntRange(1, 20).Draw(t, "others")
		places := rapid.IntRange(1, 3).Draw(t, "places")
		files := rapid.Int64Range(100, 1<<20).Draw(t, "their files")
		seconds := rapid.IntRange(1, 60).Draw(t, "seconds a round")
		// A million files saved a second are worth 20 doublings of 15 s.
		longest := 5*time.Minute + time.Duration(n)*time.Duration(seconds)*time.Second/time.Duration(places) + time.Duration(seconds)*time.Second
		waiting := map[plan.Kind]time.Time{}
		for round, now := 0, start.Add(time.Second); ; round, now = round+1, now.Add(time.Duration(seconds)*time.Second) {
			small.Waiting = waiting
			tables := []plan.Table{small}
			for i := range n {
				// Each is served, and has as many new files the next time.
				other := busy(fmt.Sprint("other", i), files)
				tables = append(tables, other)
			}
			d := plan.Jobs(tables, plan.Budget{Jobs: places}, now)
			if d.WhyNot[small.ID] == "" {
				return
			}
			if !strings.Contains(d.WhyNot[small.ID], "more benefit per second") {
				t.Fatal(d.WhyNot[small.ID])
			}
			if waiting[plan.Compact].IsZero() {
				waiting = map[plan.Kind]time.Time{plan.Compact: now}
			}
			if now.Sub(start) > longest {
				t.Fatalf("not served in %d rounds, %s", round, now.Sub(start))
			}
		}
	})
}

// Of two tables with as much to gain, the one that is read comes first; of two
// that are read as much, the one that costs less.
func TestBenefitIsPerSecondAndByHeat(t *testing.T) {
	first := func(a, b plan.Table, r plan.Rates) string {
		return plan.Jobs([]plan.Table{a, b}, plan.Budget{Rates: r}, start.Add(time.Second)).Proposals[0].Ident.Name
	}
	a, b := busy("a", 9), busy("b", 9)
	for key := range b.Health.Partitions {
		b.Reads = map[string]float64{key: 100}
	}
	if got := first(a, b, nil); got != "b" {
		t.Errorf("%s comes before what is read", got)
	}
	b.Reads = nil
	a.Policy.Sort = []string{"id"} // must be rewritten
	if got := first(a, b, nil); got != "b" {
		t.Errorf("%s is dearer and comes first", got)
	}
	// Where rewriting is measured to be faster, the other way.
	r := plan.Rates{plan.Fuse: {BytesPerSecond: 1 << 20, JobSeconds: 1}, plan.Rewrite: {BytesPerSecond: 1 << 30, JobSeconds: 0.1}}
	if got := first(a, b, r); got != "a" {
		t.Errorf("%s comes first against what was measured", got)
	}
}

// Rates follow what is measured, one leap at a time, within sane limits.
func TestRates(t *testing.T) {
	var r plan.Rates
	for range 60 {
		r = r.Observe(plan.Rewrite, 1<<30, 10*time.Second)
		r = r.Observe(plan.Rewrite, 1<<10, 2*time.Second)
	}
	got := r.Of(plan.Rewrite)
	if got.BytesPerSecond < 100<<20 || got.BytesPerSecond > 150<<20 || got.JobSeconds < 1.5 || got.JobSeconds > 2.5 || got.Samples != 120 {
		t.Errorf("%+v", got)
	}
	if s := r.Seconds(plan.Rewrite, 1<<30); s < 9 || s > 12 {
		t.Errorf("a job of 1 GiB is thought to take %.1f s, it takes 10", s)
	}
	one := r.Observe(plan.Rewrite, 1<<30, time.Hour).Of(plan.Rewrite)
	if one.BytesPerSecond < got.BytesPerSecond*0.8 {
		t.Errorf("one slow job halves the rate: %+v", one)
	}
	if r.Of(plan.Fuse).Samples != 0 {
		t.Error("one tier's jobs are another's samples")
	}
	rapid.Check(t, func(t *rapid.T) {
		var r plan.Rates
		for range rapid.IntRange(1, 60).Draw(t, "jobs") {
			tier := rapid.SampledFrom([]plan.Tier{plan.Fuse, plan.Rewrite, plan.Reshape}).Draw(t, "tier")
			r = r.Observe(tier, rapid.Int64Range(-1, 1<<50).Draw(t, "bytes"), time.Duration(rapid.Int64Range(-1, 1<<50).Draw(t, "took")))
		}
		for tier := range r {
			got := r.Of(tier)
			if !(got.BytesPerSecond >= 1<<20 && got.BytesPerSecond <= 8<<30 && got.JobSeconds >= 0.01 && got.JobSeconds <= 60) {
				t.Fatalf("%+v", got)
			}
		}
	})
}

// A score is 100 less the points of its reasons, or 0 where these are more; each
// reason has its numbers, and one thing to do.
func TestEveryPointHasAReason(t *testing.T) {
	actions := map[string]bool{"compact": true, "expire": true, "rebalance": true}
	rapid.Check(t, func(t *rapid.T) {
		in := anyTable(t, 1)
		h := in.Health
		if h == nil {
			h = plan.NewHealth(in.ID)
		}
		l := &log{n: h.SnapshotID, at: start}
		for i := range rapid.SampledFrom([]int{0, 3, 150}).Draw(t, "more partitions") {
			h.Apply(l.next("append", delta(fmt.Sprint("x", i), rapid.Int64Range(1, 4).Draw(t, "files"), rapid.Int64Range(1, 400<<20).Draw(t, "bytes"))))
		}
		r := h.Report(in.Policy, in.Snapshots, start)
		lost := 0
		seen := map[string]bool{}
		for _, x := range r.Reasons {
			lost += x.Points
			if x.Points < 1 || seen[x.Code] || !strings.ContainsAny(x.Message, "0123456789") || !actions[x.Action] {
				t.Fatalf("%+v", x)
			}
			seen[x.Code] = true
		}
		if r.Score != max(0, 100-lost) {
			t.Fatalf("score %d, points %d", r.Score, lost)
		}
		if lost > 110 {
			t.Fatalf("%d points of 100: the weights do not fit", lost)
		}
	})
}

func TestOverPartitionedIsSeen(t *testing.T) {
	h, l := plan.NewHealth(uuid.New()), &log{at: start}
	for i := range 200 {
		h.Apply(l.next("append", delta(fmt.Sprint("d", i), 1, 1<<20)))
	}
	r := h.Report(plan.DefaultPolicy(), 1, start)
	if len(r.Reasons) != 1 || r.Reasons[0].Code != "over_partitioned" || r.Reasons[0].Action != "rebalance" || r.Score != 85 ||
		!strings.HasPrefix(r.Reasons[0].Message, "200 partitions hold 1.0 MiB on average, of a target of 128 MiB") {
		t.Errorf("%+v", r)
	}
}

func TestOversizedIsProposed(t *testing.T) {
	h, l := plan.NewHealth(uuid.New()), &log{at: start}
	h.Apply(l.next("append", delta("a", 1, 2<<30)))
	in := plan.Table{ID: h.Table, Health: h, Policy: plan.DefaultPolicy()}
	now := start.Add(time.Hour)
	d := plan.Jobs([]plan.Table{in}, plan.Budget{}, now)
	if len(d.Proposals) != 1 || d.Proposals[0].Bytes != 2<<30 {
		t.Errorf("%+v", d)
	}
	h.Settle(in.Policy, now, nil)
	if d := plan.Jobs([]plan.Table{in}, plan.Budget{}, now); len(d.Proposals) != 0 {
		t.Error("proposed again after it was looked at")
	}
}
