package plan

import (
	"math"
	"time"

	"github.com/firnlake/firn/catalog"
)

// HalfLife is the time in which a count of [Heat] loses half of its weight, so
// that it tells of the last half hour and forgets the day before.
const HalfLife = 10 * time.Minute

// Heat is what happened to a partition, or to a table, of late. Every count
// halves each HalfLife.
type Heat struct {
	At time.Time `json:"at,omitzero"`
	// Commits of writers, and Transactions that shared them: more where group
	// commit was at work. Only tables count Transactions.
	Commits      float64 `json:"commits,omitempty"`
	Transactions float64 `json:"transactions,omitempty"`
	// Fragments are data files that writers added; Joined are those that
	// compactions took away.
	Fragments float64 `json:"fragments,omitempty"`
	Joined    float64 `json:"joined,omitempty"`
	// Compactions that worked here, and those of them that lost against a writer.
	Compactions float64 `json:"compactions,omitempty"`
	Conflicts   float64 `json:"conflicts,omitempty"`
	// Reads are scans that had to open files here.
	Reads float64 `json:"reads,omitempty"`
}

// As is the heat at a later time.
func (h Heat) As(now time.Time) Heat {
	if h.At.IsZero() || !now.After(h.At) {
		h.At = now
		return h
	}
	k := math.Exp2(-float64(now.Sub(h.At)) / float64(HalfLife))
	h.At = now
	for _, n := range []*float64{&h.Commits, &h.Transactions, &h.Fragments, &h.Joined, &h.Compactions, &h.Conflicts, &h.Reads} {
		*n *= k
	}
	return h
}

// Add counts what happened at a time.
func (h *Heat) Add(at time.Time, o Heat) {
	if at.Before(h.At) {
		at = h.At // clocks of several processes differ
	}
	*h = h.As(at)
	h.Commits += o.Commits
	h.Transactions += o.Transactions
	h.Fragments += o.Fragments
	h.Joined += o.Joined
	h.Compactions += o.Compactions
	h.Conflicts += o.Conflicts
	h.Reads += o.Reads
}

// perMinute is the steady rate that leads to a count.
func perMinute(count float64) float64 { return count * math.Ln2 / HalfLife.Minutes() }

// pause without a commit, and a partition that was busy is busy anew.
const pause = time.Minute

// warm counts a commit in the heat of one of its partitions, before the partition
// is changed.
func (h *Health) warm(p *Partition, d catalog.PartitionDelta, at time.Time, own bool) {
	if own {
		p.Heat.Add(at, Heat{Joined: float64(d.RemovedFiles)})
		return
	}
	p.Heat.Add(at, Heat{Commits: 1, Fragments: float64(d.AddedFiles)})
	if at.Sub(p.Changed) >= pause {
		p.Busy = at
	}
	h.Heat.Add(at, Heat{Fragments: float64(d.AddedFiles)})
}

// Compacted counts a compaction of a partition, and whether it lost against a
// writer.
func (h *Health) Compacted(key string, lost bool, at time.Time) {
	if p := h.Partitions[key]; p != nil {
		heat := Heat{Compactions: 1}
		if lost {
			heat.Conflicts = 1
		}
		h.touch(key)
		p.Heat.Add(at, heat)
	}
}

// Filter is a column that a scan selected rows by.
type Filter struct {
	Column string
	// Equal: the column was compared with single values.
	Equal bool
}

// Demand is how often a column selected rows of late; Equal with single values.
type Demand struct {
	At     time.Time `json:"at"`
	Weight float64   `json:"weight"`
	Equal  float64   `json:"equal,omitempty"`
}

// demandHalfLife: what people ask for changes by the week, not by the minute.
const demandHalfLife = 7 * 24 * time.Hour

// maxDemands bounds the columns that are remembered.
const maxDemands = 64

// Scanned counts scans that opened files of partitions, by their keys (none: it is
// not known which), and selected rows by columns.
func (h *Health) Scanned(keys []string, filters []Filter, times float64, at time.Time) {
	if len(keys) > 0 {
		h.Heat.Add(at, Heat{Reads: times})
	}
	for _, k := range keys {
		if p := h.Partitions[k]; p != nil {
			h.touch(k)
			p.Heat.Add(at, Heat{Reads: times})
		}
	}
	for _, f := range filters {
		if h.Demand == nil {
			h.Demand = map[string]Demand{}
		}
		d, known := h.Demand[f.Column]
		if !known && len(h.Demand) >= maxDemands {
			continue
		}
		d = d.as(at)
		d.Weight += times
		if f.Equal {
			d.Equal += times
		}
		h.Demand[f.Column] = d
	}
}

func (d Demand) as(now time.Time) Demand {
	if !d.At.IsZero() && now.After(d.At) {
		k := math.Exp2(-float64(now.Sub(d.At)) / float64(demandHalfLife))
		d.Weight, d.Equal = d.Weight*k, d.Equal*k
	}
	d.At = now
	return d
}
