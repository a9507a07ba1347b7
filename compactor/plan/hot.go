package plan

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Hot is a partition that stands out, and by what.
type Hot struct {
	Key     string
	SpecID  int
	Values  map[string]*string
	Files   int64
	Bytes   int64
	Signals []Signal
	// Share of the table's bytes, and Ratio of its bytes to the median partition's.
	Share, Ratio float64
	// CommitShare of the table's commits of late that touched it, ReadShare of its
	// scans that had to open files of it, ConflictShare of its own compactions that
	// lost against a writer. 0 to 1.
	CommitShare, ReadShare, ConflictShare float64
	// Fragments that writers add and that compactions take away, in files a minute.
	Added, Joined float64
	// Active: a writer was here within Policy.Quiet. Held: so that nothing heavier is
	// done here than joining by copying.
	Active, Held bool
}

// Signal is one way in which a partition stands out.
type Signal struct {
	Code    string // size, commits, fragments, conflicts, reads
	Message string
}

// Distribution is how evenly a table's bytes lie in its partitions.
type Distribution struct {
	Partitions int
	// Skew is the largest partition over the median one. Gini is 0 where all are
	// equal and nears 1 where one has everything.
	Skew, Gini float64
	// Hot partitions, the one with most bytes first.
	Hot []Hot
}

// What makes a partition hot.
const (
	hotPartitions = 3   // a table with fewer has nothing to compare with
	hotRatio      = 10  // times the median's bytes
	hotShare      = 0.3 // of the bytes
	hotPart       = 0.5 // of the commits, or of the scans
	hotMean       = 4   // times the mean share of them
	hotEvents     = 20  // commits, scans or fragments of late: fewer prove nothing
	hotConflicts  = 0.1 // of the compactions
	hotRuns       = 5   // compactions of late
	fewestReads   = 0.5 // of late, for a partition to count as one that is read
)

// nearly allows for sums of many that are equal but for rounding.
const nearly = 1 - 1e-9

// Hot finds the partitions that stand out: by their bytes, by the share of commits
// or of scans that they take, by fragments that come faster than they are joined,
// by compactions that lose against writers.
func (h *Health) Hot(p Policy, now time.Time) Distribution {
	d := h.hot(p, now)
	if l := h.ledger; l.bytes.count > 0 {
		d.Gini = gini(l.bytes.all(), l.sums.bytes)
	}
	return d
}

// hot is that without the Gini coefficient, which is of all partitions: it costs
// what changed and what is hot.
func (h *Health) hot(p Policy, now time.Time) Distribution {
	l := h.lookAs(p, now)
	d := Distribution{Partitions: len(h.Partitions)}
	if len(h.Partitions) == 0 {
		return d
	}
	l.cool(h)
	candidates := maps.Clone(l.warm)
	for i := 1; float64(i) <= 1/hotShare; i++ {
		if i <= l.bytes.count {
			candidates[l.bytes.at(l.bytes.count-i).key] = true
		}
	}
	total := l.sums.bytes
	of := l.heat.As(now)
	commits, reads := of.Commits*nearly, of.Reads*nearly
	median := max(l.bytes.at((l.bytes.count-1)/2).n, 1)
	d.Skew = float64(l.bytes.most().n) / float64(median)
	n := float64(len(h.Partitions))
	all := h.Heat.As(now)
	few := len(h.Partitions) < hotPartitions
	for key := range candidates {
		q := h.Partitions[key]
		heat := q.Heat.As(now)
		hot := Hot{
			Key: key, SpecID: q.SpecID, Values: q.Values, Files: q.Files, Bytes: q.Bytes,
			Share: share(q.Bytes, total), Ratio: float64(q.Bytes) / float64(median),
			CommitShare: part(heat.Commits, all.Commits), ReadShare: part(heat.Reads, all.Reads),
			ConflictShare: part(heat.Conflicts, heat.Compactions),
			Added:         perMinute(heat.Fragments), Joined: perMinute(heat.Joined),
			Active: !q.Changed.IsZero() && now.Sub(q.Changed) < p.Quiet, Held: !q.Changed.IsZero() && q.held(p, now),
		}
		// Few partitions have any: nothing is spelled for the others.
		signal := func(code, format string, args ...any) {
			hot.Signals = append(hot.Signals, Signal{code, fmt.Sprintf(format, args...)})
		}
		if !few && hot.Ratio >= hotRatio && hot.Share >= hotShare {
			signal("size", "%.1f %% of the bytes, %.0f times the median partition", 100*hot.Share, hot.Ratio)
		}
		if !few && all.Commits >= hotEvents && hot.CommitShare >= hotPart && heat.Commits >= hotMean*commits/n {
			signal("commits", "%.0f %% of the commits of late", 100*hot.CommitShare)
		}
		if heat.Fragments >= hotEvents && heat.Joined < heat.Fragments/2 && q.small(p) >= int64(p.MinFiles) {
			signal("fragments", "%.0f new files a minute, %.0f joined", hot.Added, hot.Joined)
		}
		if heat.Compactions >= hotRuns && hot.ConflictShare >= hotConflicts {
			signal("conflicts", "%.0f %% of its compactions lost against a writer", 100*hot.ConflictShare)
		}
		if !few && all.Reads >= hotEvents && hot.ReadShare >= hotPart && heat.Reads >= hotMean*reads/n {
			signal("reads", "%.0f %% of the scans of late", 100*hot.ReadShare)
		}
		if len(hot.Signals) > 0 {
			d.Hot = append(d.Hot, hot)
		}
	}
	slices.SortFunc(d.Hot, func(a, b Hot) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(PartitionText(a.Values), PartitionText(b.Values)), cmp.Compare(a.Key, b.Key))
	})
	return d
}

// part is a share of events, which may have been counted at different times.
func part(some, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return math.Min(1, some/whole)
}

// gini of sizes in rising order.
func gini(sorted []int64, total int64) float64 {
	if total <= 0 {
		return 0
	}
	var weighted float64
	for i, v := range sorted {
		weighted += float64(i+1) * float64(v)
	}
	n := float64(len(sorted))
	return math.Max(0, 2*weighted/(n*float64(total))-(n+1)/n)
}

// Inherit takes over what files cannot tell from a health of the same table that
// was kept until now.
func (h *Health) Inherit(old *Health) {
	if old == nil {
		return
	}
	h.Heat, h.Demand = old.Heat, maps.Clone(old.Demand)
	h.Waiting = old.Waiting
	h.ledger = nil
	h.Commits = max(h.Commits, old.Commits)
	for key, p := range h.Partitions {
		if q := old.Partitions[key]; q != nil {
			p.Heat, p.Busy, p.Balanced, p.Commits = q.Heat, q.Busy, q.Balanced, q.Commits
		}
	}
}

// Reads are how often each partition was read in an hour of late, by its key.
func (h *Health) Reads(p Policy, now time.Time) map[string]float64 {
	var out map[string]float64
	l := h.lookAs(p, now)
	l.cool(h)
	for key := range l.warm {
		if n := h.Partitions[key].Heat.As(now).Reads; n >= fewestReads {
			if out == nil {
				out = map[string]float64{}
			}
			out[key] = 60 * perMinute(n)
		}
	}
	return out
}
