package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Reason is why a table lost points.
type Reason struct {
	Code   string // small_files, delete_files, skew, over_partitioned, snapshots, oversized
	Points int
	// Message says what was measured, and what helps.
	Message string
	// Action is the one thing that helps: compact, expire, or rebalance.
	Action string
}

// Report is a table's health for people.
type Report struct {
	Score       int // 100 is healthy
	Reasons     []Reason
	SmallFiles  int64
	Files       int64
	Bytes       int64
	AverageFile int64
	Partitions  int
	// Skew is the largest partition over the median one, by bytes.
	Skew float64
	// Hot partitions, the largest first.
	Hot []Hot
}

// What helps against each.
var remedies = map[string]string{
	"small_files": "compact", "delete_files": "compact", "oversized": "compact",
	"skew": "rebalance", "over_partitioned": "rebalance", "snapshots": "expire",
}

// Report judges a table. snapshots is the number that its metadata holds.
func (h *Health) Report(p Policy, snapshots int, now time.Time) Report {
	r := Report{Score: 100, Partitions: len(h.Partitions)}
	sums := h.lookAs(p, now).sums
	r.Files, r.Bytes, r.SmallFiles = sums.files, sums.bytes, sums.small
	excess, deletes, oversized := sums.excess, sums.deletes, sums.oversized
	if r.Files > 0 {
		r.AverageFile = r.Bytes / r.Files
	}
	if excess > 0 {
		r.lose("small_files", 40*share(excess, r.Files), fmt.Sprintf("%d files where %d of %s would do, %s on average; a compaction joins them",
			r.Files, r.Files-excess, Size(p.Target), Size(r.AverageFile)))
	}
	if deletes > 0 {
		r.lose("delete_files", 20*math.Min(1, share(deletes, r.Files)), fmt.Sprintf("%s to apply at each read of %s; a compaction applies them for good",
			count(deletes, "delete file"), count(r.Files, "data file")))
	}
	if oversized > 0 {
		r.lose("oversized", 10*share(oversized, r.Files), fmt.Sprintf("%s over %s; a compaction splits them", count(oversized, "file"), Size(p.Oversized())))
	}
	d := h.hot(p, now)
	r.Skew, r.Hot = d.Skew, d.Hot
	if i := slices.IndexFunc(r.Hot, func(hot Hot) bool { return !h.Partitions[hot.Key].cooled() }); i >= 0 {
		hot := r.Hot[i]
		var why []string
		for _, s := range hot.Signals {
			why = append(why, s.Message)
		}
		points, helps := 15*max(hot.Share, hot.CommitShare/2), "a rebalance cools it"
		if hot.Bytes < 2*p.Target {
			points, helps = points/3, fmt.Sprintf("with less than two files of %s it is divided only when a step of rebalance is asked for", Size(p.Target))
		}
		r.lose("skew", points, fmt.Sprintf("%s is hot: %s; %s", PartitionText(hot.Values), strings.Join(why, "; "), helps))
	}
	if why, crowded := h.crowded(p, sums.bytes); crowded {
		r.lose("over_partitioned", 15, why+"; no compaction joins files of two partitions, a coarser partition spec would")
	}
	if p.MaxSnapshots > 0 && snapshots > p.MaxSnapshots {
		r.lose("snapshots", 10*math.Min(1, float64(snapshots-p.MaxSnapshots)/float64(p.MaxSnapshots)), fmt.Sprintf("%d snapshots are kept, the policy wants %d; an expiry removes the rest", snapshots, p.MaxSnapshots))
	}
	return r
}

func (r *Report) lose(code string, points float64, message string) {
	n := max(1, int(math.Round(points)))
	r.Score = max(0, r.Score-n)
	r.Reasons = append(r.Reasons, Reason{code, n, message, remedies[code]})
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int { return cmp.Compare(b.Points, a.Points) })
}

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
