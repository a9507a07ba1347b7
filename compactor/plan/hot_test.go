package plan_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
)

func codes(h plan.Hot) (out []string) {
	for _, s := range h.Signals {
		out = append(out, s.Code)
	}
	return out
}

// hottest answers what is known of one country's partition, whether it is hot or not.
func hottest(d plan.Distribution, country string) plan.Hot {
	for _, h := range d.Hot {
		if *h.Values["country"] == country {
			return h
		}
	}
	return plan.Hot{}
}

func TestHotPartitions(t *testing.T) {
	p := plan.DefaultPolicy()
	countries := []string{"UK", "France", "Italy", "Spain", "Norway", "Malta", "Japan", "Chile", "Peru", "Oman"}
	for _, c := range []struct {
		name  string
		build func(h *plan.Health, l *log)
		want  []string // signals of UK
	}{
		{"even", func(h *plan.Health, l *log) {
			for range 40 {
				var all []catalog.PartitionDelta
				for _, c := range countries {
					all = append(all, delta(c, 1, 200<<20))
				}
				h.Apply(l.next("append", all...))
			}
		}, nil},
		{"by size", func(h *plan.Health, l *log) {
			h.Apply(l.next("append", delta("UK", 50, 200<<20), delta("France", 1, 200<<20), delta("Italy", 1, 200<<20)))
		}, []string{"size"}},
		{"by size, but one of two", func(h *plan.Health, l *log) {
			h.Apply(l.next("append", delta("UK", 50, 200<<20), delta("France", 1, 1<<20)))
		}, nil},
		{"by commits", func(h *plan.Health, l *log) {
			for i := range 40 {
				h.Apply(l.next("append", delta("UK", 1, 200<<20)))
				if i%4 == 0 {
					h.Apply(l.next("append", delta(countries[1+i/4%9], 6, 200<<20)))
				}
			}
		}, []string{"commits"}},
		{"by fragments", func(h *plan.Health, l *log) {
			for range 40 {
				h.Apply(l.next("append", delta("UK", 1, 1<<20)))
			}
		}, []string{"fragments"}},
		{"fragments that are joined in time", func(h *plan.Health, l *log) {
			for range 10 {
				h.Apply(l.next("append", delta("UK", 4, 1<<20)))
				h.Apply(l.next("replace", delta("UK", -4, 1<<20), delta("UK", 1, 4<<20)))
			}
		}, nil},
		{"by conflicts", func(h *plan.Health, l *log) {
			h.Apply(l.next("append", delta("UK", 1, 200<<20)))
			for i := range 10 {
				for key := range h.Partitions {
					h.Compacted(key, i%4 == 0, l.at)
				}
			}
		}, []string{"conflicts"}},
		{"by reads", func(h *plan.Health, l *log) {
			for _, c := range countries {
				h.Apply(l.next("append", delta(c, 1, 200<<20)))
			}
			uk := hotKey(h, "UK")
			for i := range 30 {
				keys := []string{uk}
				if i%5 == 0 {
					keys = []string{hotKey(h, countries[1+i/5])}
				}
				h.Scanned(keys, nil, 1, l.at)
			}
		}, []string{"reads"}},
		{"long ago", func(h *plan.Health, l *log) {
			for range 40 {
				h.Apply(l.next("append", delta("UK", 1, 1<<20)))
			}
			l.at = l.at.Add(3 * time.Hour)
			h.Apply(l.next("append", delta("France", 1, 1<<20), delta("Italy", 1, 1<<20)))
		}, []string{"size"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, l := plan.NewHealth(uuid.New()), &log{at: start}
			c.build(h, l)
			d := h.Hot(p, l.at)
			if got := codes(hottest(d, "UK")); !slices.Equal(got, c.want) {
				t.Errorf("signals %v, want %v", got, c.want)
			}
			for _, other := range d.Hot {
				if *other.Values["country"] != "UK" {
					t.Errorf("%s is hot: %v", *other.Values["country"], other.Signals)
				}
			}
		})
	}
}

func hotKey(h *plan.Health, country string) string {
	for k, p := range h.Partitions {
		if *p.Values["country"] == country {
			return k
		}
	}
	return ""
}

func TestGini(t *testing.T) {
	for _, c := range []struct {
		sizes []int64
		want  float64
	}{
		{[]int64{5, 5, 5, 5}, 0},
		{[]int64{0, 0, 0, 12}, 0.75},
		{[]int64{1, 2, 3}, 2.0 / 9},
	} {
		h, l := plan.NewHealth(uuid.New()), &log{at: start}
		for i, s := range c.sizes {
			d := delta(fmt.Sprint(i), 1, 1<<20)
			d.AddedBytes = s << 20
			h.Apply(l.next("append", d))
		}
		if got := h.Hot(plan.DefaultPolicy(), start).Gini; math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v: %g, want %g", c.sizes, got, c.want)
		}
	}
}

// Counts halve, also across a clone and a time that goes back.
func TestHeatCools(t *testing.T) {
	var h plan.Heat
	h.Add(start, plan.Heat{Commits: 8})
	h.Add(start.Add(-time.Minute), plan.Heat{Commits: 8})
	if got := h.As(start.Add(2 * plan.HalfLife)).Commits; math.Abs(got-4) > 1e-9 {
		t.Errorf("%g commits after two half lives, want 4", got)
	}
}

func rung(rungs []plan.Rung, s plan.Step) plan.Rung {
	for _, r := range rungs {
		if r.Step == s {
			return r
		}
	}
	return plan.Rung{}
}

func TestLadder(t *testing.T) {
	p := plan.DefaultPolicy()
	hot := plan.Hot{Files: 40, Bytes: 5 << 30}
	deep := plan.Facts{Transactions: 3, Lookups: []plan.Lookup{{Column: "customer", Depth: 40, Equal: true}}}
	for _, c := range []struct {
		name   string
		adjust func(p *plan.Policy, h *plan.Hot, f *plan.Facts)
		step   plan.Step
		want   plan.State
		text   string
	}{
		{"grouped", nil, plan.StepGroup, plan.StateOn, "3.0 transactions share a commit"},
		{"deep", nil, plan.StepCluster, plan.StateReady, "of 40 files, a lookup opens 40.0 by customer"},
		{"shallow", func(_ *plan.Policy, _ *plan.Hot, f *plan.Facts) {
			f.Lookups = []plan.Lookup{{Column: "customer", Depth: 1.2}}
		}, plan.StepCluster, plan.StateOn, "laid out well"},
		{"written to", func(_ *plan.Policy, h *plan.Hot, _ *plan.Facts) { h.Active, h.Held = true, true }, plan.StepCluster, plan.StateWaits, "no writer came for 10s"},
		{"written to: fragments", func(_ *plan.Policy, h *plan.Hot, _ *plan.Facts) { h.Active, h.Held = true, true }, plan.StepFragments, plan.StateOn, "joined by copying"},
		{"off", func(p *plan.Policy, _ *plan.Hot, _ *plan.Facts) { p.HotFix = plan.FixOff }, plan.StepCluster, plan.StateAsks, "is off"},
		{"nobody reads", func(_ *plan.Policy, _ *plan.Hot, f *plan.Facts) { f.Lookups = nil }, plan.StepCluster, plan.StateNeeds, "why"},
		{"bucket unasked", nil, plan.StepBucket, plan.StateAsks, "bucket[32] of customer"},
		{"bucket allowed", func(p *plan.Policy, _ *plan.Hot, _ *plan.Facts) { p.HotFix = plan.FixSpec }, plan.StepBucket, plan.StateReady, "bucket[32] of customer"},
		{"bucket there", func(_ *plan.Policy, _ *plan.Hot, f *plan.Facts) { f.Lookups[0].Bucketed = true }, plan.StepBucket, plan.StateOn, "has a bucket"},
		{"ranges only", func(_ *plan.Policy, _ *plan.Hot, f *plan.Facts) { f.Lookups[0].Equal = false }, plan.StepBucket, plan.StateIdle, "single values"},
		{"too small", func(_ *plan.Policy, h *plan.Hot, _ *plan.Facts) { h.Bytes = 200 << 20 }, plan.StepBucket, plan.StateIdle, "no two buckets"},
		{"local disk", func(_ *plan.Policy, _ *plan.Hot, f *plan.Facts) { f.Local = true }, plan.StepPaths, plan.StateIdle, "disk"},
		{"remote", nil, plan.StepPaths, plan.StateAsks, plan.PropertyObjectPaths},
		{"hashed", func(_ *plan.Policy, _ *plan.Hot, f *plan.Facts) { f.ObjectPaths = true }, plan.StepPaths, plan.StateOn, "hashed"},
		{"few partitions", nil, plan.StepCoarsen, plan.StateIdle, "not too many"},
		{"many", func(_ *plan.Policy, _ *plan.Hot, f *plan.Facts) { f.Coarser = "month instead of day" }, plan.StepCoarsen, plan.StateAsks, "month instead of day"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, h, f := p, hot, deep
			f.Lookups = slices.Clone(f.Lookups)
			if c.adjust != nil {
				c.adjust(&p, &h, &f)
			}
			rungs := p.Ladder(h, f, "why")
			if len(rungs) != len(plan.Rungs) {
				t.Fatalf("%d rungs", len(rungs))
			}
			if r := rung(rungs, c.step); r.State != c.want || !strings.Contains(r.Reason, c.text) {
				t.Errorf("%+v, want %s and %q", r, c.want, c.text)
			}
		})
	}
}

// What rows are laid out by: what the owner says, else the table's order, else what
// scans want.
func TestClusterColumns(t *testing.T) {
	p, h := plan.DefaultPolicy(), plan.NewHealth(uuid.New())
	if columns, why := p.ClusterColumns(h.Demand, start); columns != nil || !strings.Contains(why, "no scan is known") {
		t.Error(columns, why)
	}
	h.Scanned(nil, []plan.Filter{{Column: "customer", Equal: true}, {Column: "rare"}}, 1, start)
	h.Scanned(nil, []plan.Filter{{Column: "customer", Equal: true}, {Column: "day of"}}, 9, start)
	columns, _ := p.ClusterColumns(h.Demand, start)
	if !slices.Equal(columns, []string{"customer", "day of"}) {
		t.Error(columns)
	}
	if got := plan.ClusterOrder(columns); !slices.Equal(got, []string{`hilbert("customer", "day of")`}) {
		t.Error(got)
	}
	p.Sort = []string{"at DESC"}
	if columns, _ := p.ClusterColumns(h.Demand, start); !slices.Equal(columns, []string{"at"}) {
		t.Error(columns)
	}
	p, err := plan.PolicyOf(p, map[string]string{plan.PropertyHotColumns: `id, "a, b"`, plan.PropertyHotFix: "spec"})
	if columns, _ := p.ClusterColumns(h.Demand, start); err != nil || !slices.Equal(columns, []string{"id", "a, b"}) || p.HotFix != plan.FixSpec {
		t.Error(columns, err)
	}
	for key, bad := range map[string]string{plan.PropertyHotColumns: "lower(id)", plan.PropertyHotFix: "yes"} {
		if _, err := plan.PolicyOf(p, map[string]string{key: bad}); err == nil {
			t.Errorf("%s = %s is taken", key, bad)
		}
	}
}

// Writers that never pause hold nothing back for longer than an hour, and deletes are
// not left to readers.
func TestHotPartitionsAreHeldBackForAnHour(t *testing.T) {
	p := plan.DefaultPolicy()
	h, l := plan.NewHealth(uuid.New()), &log{at: start}
	for range 40 {
		h.Apply(l.next("append", delta("UK", 1, 1<<20)))
	}
	key := hotKey(h, "UK")
	if !h.HoldsBack(p, l.at)[key] {
		t.Fatal("not held back")
	}
	anew := plan.NewHealth(h.Table) // as after a rollback
	for range 40 {
		anew.Add(0, map[string]*string{"country": new("UK")}, 1<<20, 1, false, l.at)
	}
	if anew.Inherit(h); !anew.HoldsBack(p, l.at)[key] {
		t.Error("not held back when its files were counted anew")
	}
	many := delta("UK", 0, 1)
	many.AddedDeletes = int64(4 * p.MaxDeletes)
	deleted := h.Clone()
	if !deleted.Apply(l.next("delete", many)) || deleted.HoldsBack(p, l.at)[key] {
		t.Error("held back with many deletes")
	}
	if d := plan.Jobs([]plan.Table{{ID: h.Table, Health: deleted, Policy: p}}, plan.Budget{}, l.at); len(d.Proposals) == 0 {
		t.Error(d.WhyNot)
	}
	l.n--
	for l.at.Before(start.Add(time.Hour)) {
		if !h.HoldsBack(p, l.at)[key] {
			t.Fatal("not held back after", l.at.Sub(start))
		}
		l.at = l.at.Add(5 * time.Second)
		h.Apply(l.next("append", delta("UK", 1, 1<<20)))
		h.Settle(p, l.at, h.HoldsBack(p, l.at))
	}
	if h.HoldsBack(p, l.at)[key] {
		t.Error("held back for more than an hour")
	}
	l.at = l.at.Add(2 * time.Minute)
	h.Apply(l.next("append", delta("UK", 1, 1<<20)))
	if !h.HoldsBack(p, l.at)[key] {
		t.Error("not held back anew after a pause")
	}
}

// While writers are in a hot partition, its small files are joined by copying and
// deletes wait; once they are gone, or after an hour, everything is done.
func TestHotPartitionsAreHeldBack(t *testing.T) {
	p := plan.DefaultPolicy()
	h, l := plan.NewHealth(uuid.New()), &log{at: start}
	for i := range 40 {
		d := delta("UK", 1, 1<<20)
		if i < 10 {
			d.AddedDeletes = 1
		}
		h.Apply(l.next("append", d))
	}
	key := hotKey(h, "UK")
	wait := h.HoldsBack(p, start)
	if !wait[key] {
		t.Fatal("not held back")
	}
	var files []plan.File
	for i := range 40 {
		f := plan.File{Path: fmt.Sprint(i), Partition: h.Partitions[key].Values, Bytes: 1 << 20, Rows: 100, Sequence: int64(i)}
		if i < 10 {
			f.Deletes, f.Deleted = 1, 90
		}
		files = append(files, f)
	}
	p.Sort = []string{"id"}
	c := plan.Groups(files, p, plan.Scope{HeldBack: wait})
	if len(c.Groups) != 1 || c.Groups[0].Tier != plan.Fuse || len(c.Groups[0].Files) != 30 || !strings.Contains(c.WhyNot, "hot partition") {
		t.Errorf("held back: %s", c)
	}
	c = plan.Groups(files, p, plan.Scope{})
	if len(c.Groups) != 1 || c.Groups[0].Tier != plan.Rewrite || len(c.Groups[0].Files) != 40 {
		t.Errorf("not held back: %s", c)
	}
	h.Settle(p, start, wait)
	cool := start.Add(p.Quiet)
	if wait := h.HoldsBack(p, cool); wait[key] {
		t.Error("held back without a writer")
	}
	if d := plan.Jobs([]plan.Table{{ID: h.Table, Health: h, Policy: p}}, plan.Budget{}, cool); len(d.Proposals) == 0 {
		t.Error("deletes are forgotten: ", d.WhyNot)
	}
}

// A partition is proposed once it is cool and two files' worth, and again when it
// has grown by half.
func TestRebalanceIsProposed(t *testing.T) {
	p := plan.DefaultPolicy()
	p.HotColumns = []string{"id"}
	h, l := plan.NewHealth(uuid.New()), &log{at: start}
	h.Apply(l.next("append", delta("UK", 20, 128<<20), delta("France", 1, 1<<20), delta("Italy", 1, 1<<20)))
	key := hotKey(h, "UK")
	proposed := func(at time.Time) bool {
		d := plan.Jobs([]plan.Table{{ID: h.Table, Health: h, Policy: p}}, plan.Budget{}, at)
		return slices.ContainsFunc(d.Proposals, func(p plan.Proposal) bool { return p.Kind == plan.Rebalance })
	}
	cool := start.Add(time.Minute)
	if proposed(start) || !proposed(cool) {
		t.Error("not when it is cool")
	}
	lost := func() string {
		return fmt.Sprint(h.Report(p, 1, cool).Reasons)
	}
	h.Balanced(key, p.HotColumns, false, cool)
	if proposed(cool) {
		t.Error("again, though nothing came")
	}
	if !strings.Contains(lost(), "a rebalance cools it") {
		t.Error("a look is no cure:", lost())
	}
	h.Balanced(key, p.HotColumns, true, cool)
	if lost() != "[]" {
		t.Error("laid out, and still:", lost())
	}
	l.at = cool
	h.Apply(l.next("append", delta("UK", 11, 128<<20)))
	if proposed(cool) || !proposed(cool.Add(time.Minute)) {
		t.Error("not when it has grown")
	}
	if !strings.Contains(lost(), "country=UK is hot") {
		t.Error("it has grown:", lost())
	}
	h.Balanced(key, p.HotColumns, true, cool)
	p.HotColumns = []string{"customer"}
	if proposed(cool.Add(time.Minute)) || !proposed(cool.Add(25*time.Hour)) {
		t.Error("not when rows are looked up by another column, a day later")
	}
	p.HotFix = plan.FixOff
	if proposed(cool.Add(time.Minute)) {
		t.Error("though it is off")
	}
}
