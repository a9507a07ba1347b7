package plan

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Reason is why a table lost points.
type Reason struct {
	Code    string // small_files, delete_files, skew, snapshots, oversized
	Points  int
	Message string
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
	// Hot is the partition that holds or receives most, nil when none stands out.
	Hot *Hot
}

// Hot is a partition that stands out.
type Hot struct {
	Values      map[string]*string
	Share       float64 // of the table's bytes
	CommitShare float64 // of the commits that touched any partition
	Ratio       float64 // its bytes over the median partition's
}

const (
	hotRatio = 10  // times the median
	hotShare = 0.3 // of bytes or of commits
)

// Report judges a table. snapshots is the number that its metadata holds.
func (h *Health) Report(p Policy, snapshots int) Report {
	r := Report{Score: 100, Partitions: len(h.Partitions)}
	var excess, deletes, oversized int64
	for _, q := range h.Partitions {
		r.Files += q.Files
		r.Bytes += q.Bytes
		r.SmallFiles += q.small(p)
		excess += q.excess(p)
		deletes += q.Deletes
		oversized += q.oversized(p)
	}
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
	if h.hot(&r); r.Hot != nil {
		r.lose("skew", 15*r.Hot.Share, fmt.Sprintf("%s holds %.1f %% of the bytes, %.0f times the median partition, and takes part in %.0f %% of the commits; group commit and fusing keep it readable, a bucket or a time field in the partition spec would split it",
			PartitionText(r.Hot.Values), 100*r.Hot.Share, r.Hot.Ratio, 100*r.Hot.CommitShare))
	}
	if p.MaxSnapshots > 0 && snapshots > p.MaxSnapshots {
		r.lose("snapshots", 10*math.Min(1, float64(snapshots-p.MaxSnapshots)/float64(p.MaxSnapshots)), fmt.Sprintf("%d snapshots are kept, the policy wants %d; an expiry removes the rest", snapshots, p.MaxSnapshots))
	}
	return r
}

func (r *Report) lose(code string, points float64, message string) {
	n := max(1, int(math.Round(points)))
	r.Score = max(0, r.Score-n)
	r.Reasons = append(r.Reasons, Reason{code, n, message})
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int { return cmp.Compare(b.Points, a.Points) })
}

// hot finds the partition that stands out by bytes.
func (h *Health) hot(r *Report) {
	if len(h.Partitions) < 3 {
		return
	}
	all := slices.SortedFunc(maps.Values(h.Partitions), func(a, b *Partition) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(PartitionText(a.Values), PartitionText(b.Values)))
	})
	median := all[len(all)/2].Bytes
	top := all[0]
	r.Skew = float64(top.Bytes) / float64(max(median, 1))
	// A partition's share of commits: of the commits to the table, how many
	// touched it.
	hot := Hot{Values: top.Values, Share: share(top.Bytes, r.Bytes), CommitShare: math.Min(1, share(top.Commits, h.Commits)), Ratio: r.Skew}
	if r.Skew >= hotRatio && hot.Share >= hotShare {
		r.Hot = &hot
	}
}

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
