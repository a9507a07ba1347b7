package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
)

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// log makes events of one table that follow on each other.
type log struct {
	n  int64
	at time.Time
}

func (l *log) next(op string, deltas ...catalog.PartitionDelta) catalog.Event {
	l.n++
	return catalog.Event{Position: fmt.Sprintf("%016x", l.n), At: l.at, Kind: catalog.EventCommit, SnapshotID: l.n, ParentID: l.n - 1, Operation: op, Partitions: deltas}
}

func delta(country string, files int64, bytes int64) catalog.PartitionDelta {
	d := catalog.PartitionDelta{Partition: map[string]*string{"country": &country}, Sizes: map[int]int64{plan.Log2(bytes): files}}
	if files > 0 {
		d.AddedFiles, d.AddedBytes = files, files*bytes
	} else {
		d.RemovedFiles, d.RemovedBytes = -files, -files*bytes
	}
	return d
}

func TestHealthFollowsTheLog(t *testing.T) {
	h, l, p := plan.NewHealth(uuid.New()), &log{at: start}, plan.DefaultPolicy()
	for range 8 {
		if !h.Apply(l.next("append", delta("France", 2, 1<<20), delta("Italy", 1, 1<<20), delta("United Kingdom", 1, 60<<20))) {
			t.Fatal("does not follow")
		}
	}
	r := h.Report(p, 8, start)
	if r.Files != 32 || r.SmallFiles != 32 || r.Partitions != 3 || r.Bytes != 24<<20+480<<20 {
		t.Errorf("%+v", r)
	}
	if len(r.Hot) != 1 || *r.Hot[0].Values["country"] != "United Kingdom" || r.Hot[0].CommitShare != 1 {
		t.Errorf("hot partition not seen: %+v", r.Hot)
	}
	if text := fmt.Sprint(r.Reasons); !strings.Contains(text, "country=United Kingdom is hot: 95.2 % of the bytes, 30 times the median partition") {
		t.Error(text)
	}
	again := h.Clone()
	again.Apply(catalog.Event{Position: h.Position, SnapshotID: 99})
	if again.SnapshotID == 99 {
		t.Error("applied an event twice")
	}
	h.Apply(l.next("replace", delta("France", -16, 1<<20), delta("France", 1, 16<<20)))
	if r := h.Report(p, 8, start); r.Files != 17 {
		t.Errorf("after a compaction: %+v", r)
	}
	if h.Apply(catalog.Event{Position: "f", SnapshotID: 1000, ParentID: 3}) {
		t.Error("a rollback went unnoticed")
	}
}

// The planner may settle a partition before the log tells of the compaction
// that it did: what came after is still new.
func TestFilesAfterACompactionAreNew(t *testing.T) {
	h, l, p := plan.NewHealth(uuid.New()), &log{at: start}, plan.DefaultPolicy()
	h.Apply(l.next("append", delta("France", 30, 1<<20)))
	h.Settle(p, start, nil)
	h.Apply(l.next("replace", delta("France", -30, 1<<20), delta("France", 1, 30<<20)))
	propose := func() int {
		return len(plan.Jobs([]plan.Table{{ID: h.Table, Health: h, Policy: p}}, plan.Budget{}, start).Proposals)
	}
	if propose() != 0 {
		t.Error("one file is proposed")
	}
	h.Apply(l.next("append", delta("France", 5, 1<<20)))
	if propose() != 1 {
		t.Error("new files are not seen")
	}
}

func TestScoreHasAReasonForEveryPoint(t *testing.T) {
	h, l := plan.NewHealth(uuid.New()), &log{at: start}
	for i := range 30 {
		d := delta(fmt.Sprint("c", i%5), 3, 1<<20)
		d.AddedDeletes = 1
		h.Apply(l.next("append", d, delta("hot", 1, 300<<20)))
	}
	r := h.Report(plan.DefaultPolicy(), 500, start)
	lost := 0
	for _, x := range r.Reasons {
		lost += x.Points
	}
	if r.Score != 100-lost || len(r.Reasons) != 5 {
		t.Errorf("score %d, points lost %d: %+v", r.Score, lost, r.Reasons)
	}
	if r := plan.NewHealth(uuid.New()).Report(plan.DefaultPolicy(), 1, start); r.Score != 100 {
		t.Errorf("an empty table has score %d", r.Score)
	}
}

func TestJobs(t *testing.T) {
	table := func(name string, p plan.Policy, deltas ...catalog.PartitionDelta) plan.Table {
		h, l := plan.NewHealth(uuid.New()), &log{at: start}
		for _, d := range deltas {
			h.Apply(l.next("append", d))
		}
		return plan.Table{ID: h.Table, Ident: catalog.Ident{Namespace: catalog.Namespace{"a"}, Name: name}, Health: h, Policy: p, Snapshots: 1}
	}
	p := plan.DefaultPolicy()
	off := p
	off.Enabled = false
	soon, later, late := start.Add(time.Second), start.Add(11*time.Second), start.Add(200*time.Second)
	few := table("few", p, delta("France", 3, 1<<20))
	settled := table("settled", p, delta("France", 3, 1<<20))
	settled.Health.Settle(p, later, nil)
	final := table("final", p, delta("France", 3, 1<<20))
	final.Health.Settle(p, late, nil)
	active := table("active", p, delta("France", 9, 1<<20))
	active.Active = map[plan.Kind]bool{plan.Compact: true}
	pinned := table("pinned", p, delta("France", 9, 1<<20))
	pinned.Pinned = true
	snaps := table("snaps", p)
	snaps.Snapshots = 260
	big := table("big", p, delta("France", 9, 1<<20))
	huge := table("huge", p, delta("France", 900, 60<<20))
	cases := []struct {
		name   string
		tables []plan.Table
		budget plan.Budget
		now    time.Time
		want   string // proposals, then why-not texts
	}{
		{"few files in a busy partition wait", []plan.Table{few}, plan.Budget{}, soon, "; no partition has 5 small files"},
		{"and are joined when it is quiet", []plan.Table{few}, plan.Budget{}, later, "compact a.few"},
		{"what was left alone is no reason", []plan.Table{settled}, plan.Budget{}, later, "; no partition"},
		{"until it has long been quiet", []plan.Table{settled}, plan.Budget{}, late, "compact a.settled"},
		{"once", []plan.Table{final}, plan.Budget{}, late.Add(time.Hour), "; no partition"},
		{"a promotion's target waits for more", []plan.Table{pinned}, plan.Budget{}, soon, "; no partition has 20 small files"},
		{"or for quiet", []plan.Table{pinned}, plan.Budget{}, later, "compact a.pinned"},
		{"one job at a time", []plan.Table{active}, plan.Budget{}, soon, "; a job is queued"},
		{"switched off", []plan.Table{table("off", off, delta("France", 9, 1<<20))}, plan.Budget{}, soon, "; switched off"},
		{"snapshots", []plan.Table{snaps}, plan.Budget{}, soon, "expire a.snaps"},
		{"best first, budget", []plan.Table{huge, big}, plan.Budget{Jobs: 1}, soon, "compact a.big; its turn comes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := plan.Jobs(c.tables, c.budget, c.now)
			var got []string
			for _, p := range d.Proposals {
				got = append(got, fmt.Sprint(p.Kind, " ", p.Ident))
			}
			text := strings.Join(got, ", ")
			for _, why := range d.WhyNot {
				text += "; " + why
			}
			if !strings.HasPrefix(text, c.want) {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

func TestPolicyOf(t *testing.T) {
	p, err := plan.PolicyOf(plan.DefaultPolicy(), map[string]string{plan.PropertyTarget: "1048576", plan.PropertySort: "a, b DESC", plan.PropertyQuiet: "3s", plan.PropertyRowHash: "false"})
	if err != nil || p.Target != 1<<20 || len(p.Sort) != 2 || p.Quiet != 3*time.Second || p.RowHash {
		t.Errorf("%+v, %v", p, err)
	}
	for key, value := range map[string]string{plan.PropertyTarget: "big", plan.PropertyQuiet: "10", plan.PropertyMinFiles: "1", plan.PropertyDeleteRatio: "NaN"} {
		if _, err := plan.PolicyOf(plan.DefaultPolicy(), map[string]string{key: value}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s = %s: %v", key, value, err)
		}
	}
}

// BenchmarkApply is a commit to 10,000 partitions' health: it costs what the
// commit touched.
func BenchmarkApply(b *testing.B) {
	for _, touched := range []int{1, 10, 100} {
		b.Run(fmt.Sprint("touched=", touched), func(b *testing.B) {
			h, l := plan.NewHealth(uuid.New()), &log{at: start}
			for i := range 10_000 {
				h.Apply(l.next("append", delta(fmt.Sprint("p", i), 3, 1<<20)))
			}
			events := make([]catalog.Event, 2)
			for i := range events {
				var all []catalog.PartitionDelta
				for j := range touched {
					n := int64(1 - 2*i) // added, then removed
					all = append(all, delta(fmt.Sprint("p", j*7), n, 1<<20))
				}
				events[i] = catalog.Event{At: start, Operation: "append", Partitions: all}
			}
			n := l.n
			for i := 0; b.Loop(); i++ {
				e := events[i%2]
				n++
				e.Position, e.SnapshotID, e.ParentID = fmt.Sprintf("%016x", n), n, n-1
				if !h.Apply(e) {
					b.Fatal("does not follow")
				}
			}
		})
	}
}

// BenchmarkLook is what it costs to look at a table: what changed since the last
// look, however many partitions there are. A clone, and the first look, are of all.
func BenchmarkLook(b *testing.B) {
	for _, partitions := range []int{10_000, 100_000} {
		h, l := plan.NewHealth(uuid.New()), &log{at: start}
		for i := range partitions {
			h.Apply(l.next("append", delta(fmt.Sprint("p", i), 3, 1<<20)))
		}
		p, now := plan.DefaultPolicy(), start
		look := func(h *plan.Health) {
			h.Settling(time.Minute, now)
			in := plan.Table{ID: h.Table, Health: h, Policy: p, Reads: h.Reads(p, now)}
			h.Report(p, 1, now)
			plan.Jobs([]plan.Table{in}, plan.Budget{}, now)
		}
		change := func(touched int) {
			var all []catalog.PartitionDelta
			for j := range touched {
				all = append(all, delta(fmt.Sprint("p", j*7), int64(1-2*(l.n%2)), 1<<20))
			}
			now = now.Add(10 * time.Millisecond)
			l.at = now
			if !h.Apply(l.next("append", all...)) {
				b.Fatal("does not follow")
			}
			look(h)
		}
		for _, c := range []struct {
			name string
			step func()
		}{
			{"clone", func() { h.Clone() }},
			{"first", func() { look(h.Clone()) }},
			{"unchanged", func() { look(h) }},
			{"changed=1", func() { change(1) }},
			{"changed=100", func() { change(100) }},
		} {
			b.Run(fmt.Sprintf("partitions=%d/%s", partitions, c.name), func(b *testing.B) {
				look(h)
				for b.Loop() {
					c.step()
				}
			})
		}
	}
}
