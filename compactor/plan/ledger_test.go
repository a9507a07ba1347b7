package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
)

// seen is all that a look at a table tells, as text.
func seen(h *plan.Health, p plan.Policy, pinned bool, now time.Time) []string {
	in := plan.Table{ID: h.Table, Health: h, Policy: p, Pinned: pinned, Reads: h.Reads(p, now)}
	out := []string{fmt.Sprintf("settling %v", h.Settling(20*p.Quiet+time.Minute, now))}
	r := h.Report(p, 1, now)
	hot := r.Hot
	r.Hot = nil
	out = append(out, fmt.Sprintf("report %+v", r))
	for _, x := range hot {
		out = append(out, fmt.Sprintf("hot %s %v held %v", x.Key, codes(x), x.Held))
	}
	out = append(out, fmt.Sprint("held back ", h.HoldsBack(p, now)))
	for _, key := range slices.Sorted(maps.Keys(in.Reads)) {
		out = append(out, fmt.Sprintf("reads of %s %.6g", key, in.Reads[key]))
	}
	d := plan.Jobs([]plan.Table{in}, plan.Budget{}, now)
	for _, x := range d.Proposals {
		out = append(out, fmt.Sprintf("%s: %s; %d bytes, %.6g s, benefit %.6g", x.Kind, x.Reason, x.Bytes, x.Seconds, x.Benefit))
	}
	return append(out, d.WhyNot[h.Table], fmt.Sprintf("gini %.6g", h.Hot(p, now).Gini))
}

// anew is the same health as a process that starts has it.
func anew(t *testing.T, h *plan.Health) *plan.Health {
	t.Helper()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out := &plan.Health{}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// signals finds hot partitions by going through all of them.
func signals(h *plan.Health, p plan.Policy, now time.Time) map[string][]string {
	var sizes []int64
	var total int64
	var commits, reads float64
	for _, q := range h.Partitions {
		sizes = append(sizes, q.Bytes)
		total += q.Bytes
		commits += q.Heat.As(now).Commits
		reads += q.Heat.As(now).Reads
	}
	out := map[string][]string{}
	if len(sizes) == 0 {
		return out
	}
	slices.Sort(sizes)
	median, n, all := max(sizes[(len(sizes)-1)/2], 1), float64(len(sizes)), h.Heat.As(now)
	often := func(some, whole, sum float64) bool {
		return len(sizes) >= 3 && whole >= 20 && some/whole >= 0.5 && some >= 4*sum/n*(1-1e-9)
	}
	for key, q := range h.Partitions {
		var small int64
		for class, files := range q.Sizes {
			if int64(3)<<class/2 <= p.Small() {
				small += files
			}
		}
		heat := q.Heat.As(now)
		for _, s := range []struct {
			code string
			is   bool
		}{
			{"size", len(sizes) >= 3 && q.Bytes >= 10*median && float64(q.Bytes) >= 0.3*float64(total)},
			{"commits", often(heat.Commits, all.Commits, commits)},
			{"fragments", heat.Fragments >= 20 && heat.Joined < heat.Fragments/2 && small >= int64(p.MinFiles)},
			{"conflicts", heat.Compactions >= 5 && heat.Conflicts/heat.Compactions >= 0.1},
			{"reads", often(heat.Reads, all.Reads, reads)},
		} {
			if s.is {
				out[key] = append(out[key], s.code)
			}
		}
	}
	return out
}

// What is kept from look to look is what a look at everything finds, whatever
// happened in between.
func TestLooksAreWhatALookAtEverythingFinds(t *testing.T) {
	hots, works := 0, 0
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 7))
		h, l := plan.NewHealth(uuid.New()), &log{at: start}
		p, pinned := plan.DefaultPolicy(), false
		partitions := 1 + rng.IntN(40)
		if seed == 0 {
			partitions = 1200 // of several blocks
		}
		name := func() string { return fmt.Sprint("p", int(float64(partitions)*math.Pow(rng.Float64(), 3))) }
		for range 150 {
			switch n := rng.IntN(24); {
			case n < 8:
				var all []catalog.PartitionDelta
				for country := range some(name, 1+rng.IntN(max(1, partitions/8))) {
					d := delta(country, 1+rng.Int64N(4), 1<<(10+rng.IntN(20)))
					d.AddedDeletes = rng.Int64N(3) / 2
					all = append(all, d)
				}
				h.Apply(l.next("append", all...))
			case n < 10:
				for range 12 + rng.IntN(20) {
					h.Apply(l.next("append", delta("p0", 1, 1<<20)))
				}
			case n < 13: // a compaction, or a delete of everything
				keys := slices.Sorted(maps.Keys(h.Partitions))
				if len(keys) == 0 {
					continue
				}
				key := keys[rng.IntN(len(keys))]
				q := h.Partitions[key]
				d := catalog.PartitionDelta{Partition: q.Values, RemovedFiles: q.Files, RemovedBytes: q.Bytes, RemovedDeletes: q.Deletes, Sizes: map[int]int64{}}
				for class, files := range q.Sizes {
					d.Sizes[class] = -files
				}
				if rng.IntN(3) > 0 {
					d.AddedFiles, d.AddedBytes = 1, q.Bytes
					d.Sizes[plan.Log2(q.Bytes)]++
				}
				if !h.Apply(l.next("replace", d)) {
					t.Fatal("does not follow")
				}
				h.Compacted(key, rng.IntN(4) == 0, l.at)
			case n < 15:
				h.Scanned(slices.Collect(maps.Keys(some(func() string { return plan.Key(0, delta(name(), 1, 1).Partition) }, 3))), nil, float64(1+rng.IntN(9)), l.at)
			case n < 17:
				h.Settle(p, l.at, h.HoldsBack(p, l.at))
			case n < 18:
				p.MinFiles, p.Quiet, p.Reshape = 2+rng.IntN(6), time.Duration(1+rng.IntN(30))*time.Second, rng.IntN(2) == 0
				p.SpecID, pinned = rng.IntN(2), rng.IntN(3) == 0
				h.Hold(p)
			default:
				l.at = l.at.Add(time.Duration(math.Exp2(rng.Float64()*14)) * time.Second / 2)
			}
			now := l.at
			if rng.IntN(20) == 0 {
				now = now.Add(-time.Second) // a clock may be set back
			}
			got, want := seen(h, p, pinned, now), seen(anew(t, h), p, pinned, now)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: kept\n%s\nof everything\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			hot := map[string][]string{}
			for _, x := range h.Hot(p, now).Hot {
				hot[x.Key] = codes(x)
			}
			if want := signals(h, p, now); !reflect.DeepEqual(hot, want) {
				t.Fatalf("seed %d: hot %v, want %v", seed, hot, want)
			}
			hots += len(hot)
			works += strings.Count(strings.Join(got, "\n"), "compact: ")
		}
	}
	if hots < 1000 || works < 1000 {
		t.Errorf("shows little: %d hot, %d compactions", hots, works)
	}
}

// some are so many names at most.
func some(name func() string, n int) map[string]bool {
	out := map[string]bool{}
	for range n {
		out[name()] = true
	}
	return out
}

// The comparison above turns red when a change goes past the methods.
func TestALookThatMissesAChangeIsSeen(t *testing.T) {
	p := plan.DefaultPolicy()
	for what, change := range map[string]func(*plan.Partition){
		"files": func(q *plan.Partition) { q.Files++ },
		"bytes": func(q *plan.Partition) { q.Bytes += 1 << 30 },
		"heat":  func(q *plan.Partition) { q.Heat.Add(start, plan.Heat{Fragments: 30}) },
		"final": func(q *plan.Partition) { q.Final = false },
	} {
		h, l := plan.NewHealth(uuid.New()), &log{at: start}
		for i := range 9 {
			h.Apply(l.next("append", delta(fmt.Sprint("p", i), 7, 1<<20)))
		}
		late := start.Add(time.Minute)
		h.Settle(p, start.Add(time.Hour), nil)
		seen(h, p, false, late)
		change(h.Partitions[hotKey(h, "p1")])
		if slices.Equal(seen(h, p, false, late), seen(anew(t, h), p, false, late)) {
			t.Errorf("%s: a change past the methods is not seen", what)
		}
	}
}
