package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Cluster groups the files of one partition to be laid out by an order: all of
// them that are of the given spec, whatever their size, in groups as large as a
// sort can take. At least two files' worth of rows, or there is nothing to divide.
func (p Policy) Cluster(files []File, order []string, reason string) []Group {
	p.Sort = order
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Path, b.Path))
	})
	var groups []Group
	for _, part := range p.runs(files) {
		g := p.group(part, p.outputs(part), reason)
		if len(part) < 2 && g.Outputs < 2 {
			continue
		}
		g.Tier = Rewrite
		groups = append(groups, g)
	}
	return groups
}

// Regroup groups files to be moved into the partitions of the table's present spec.
func (p Policy) Regroup(files []File) []Group { return p.reshapes(files, nil) }

// heldDeletes times [Policy.MaxDeletes] delete files, and a partition is no longer
// held back: readers apply them.
const heldDeletes = 4

// held says that nothing heavier than joining by copying is to be done in a hot
// partition: writers are at work there, for less than patience, and its deletes can
// wait.
func (q *Partition) held(p Policy, now time.Time) bool {
	return now.Sub(q.Changed) < p.Quiet && now.Sub(q.Busy) < patience && q.Deletes-q.SettledDeletes < int64(heldDeletes*p.MaxDeletes)
}

// HoldsBack are the hot partitions that are held back, by key: see [StepFragments].
func (h *Health) HoldsBack(p Policy, now time.Time) map[string]bool {
	out := map[string]bool{}
	for _, hot := range h.hot(p, now).Hot {
		if hot.Held {
			out[hot.Key] = true
		}
	}
	return out
}

// rebalance proposes to look at hot partitions that have grown since they were
// last looked at, once no writer is there, or has been for too long.
func (t Table) rebalance(rates Rates, now time.Time) (Proposal, bool) {
	if t.Health == nil || !t.Policy.Enabled || t.Policy.HotFix == FixOff || t.held(Rebalance, now) != "" {
		return Proposal{}, false
	}
	columns, _ := t.Policy.ClusterColumns(t.Health.Demand, now)
	if len(columns) == 0 {
		return Proposal{}, false
	}
	d := t.Health.hot(t.Policy, now)
	p := Proposal{Table: t.ID, Ident: t.Ident, Kind: Rebalance}
	var which []string
	for _, hot := range d.Hot {
		if hot.Held || hot.Files < 2 || hot.Bytes < 2*t.Policy.Target || !t.Health.Partitions[hot.Key].Balanced.open(hot.Bytes, columns, now) {
			continue
		}
		which = append(which, PartitionText(hot.Values))
		p.Bytes += hot.Bytes
		p.Benefit += float64(hot.Files)
	}
	if len(which) == 0 {
		return Proposal{}, false
	}
	p.Seconds = rates.Seconds(Rewrite, p.Bytes)
	p.Reason = fmt.Sprintf("hot: %s with %s", strings.Join(which[:min(3, len(which))], "; "), Size(p.Bytes))
	return p, true
}

// Balance is when a hot partition was last looked at: how large it was, and the
// columns that it was to be laid out by.
type Balance struct {
	At    time.Time `json:"at"`
	Bytes int64     `json:"bytes"`
	By    string    `json:"by,omitempty"`
	// Laid: its rows were laid out by them then.
	Laid bool `json:"laid,omitempty"`
}

// rethink is the least time after which other columns are a reason to look again.
const rethink = 24 * time.Hour

// open says whether a partition is worth another look.
func (b *Balance) open(bytes int64, columns []string, now time.Time) bool {
	return b == nil || float64(bytes) >= regrowth*float64(b.Bytes) ||
		b.By != strings.Join(columns, ",") && now.Sub(b.At) >= rethink
}

// cooled says that the rows of a hot partition were laid out by what scans select by,
// and that it has not grown much since.
func (q *Partition) cooled() bool {
	b := q.Balanced
	return b != nil && b.Laid && float64(q.Bytes) < regrowth*float64(b.Bytes)
}

// Balanced records that a hot partition was looked at, to be laid out by columns, and
// whether it is.
func (h *Health) Balanced(key string, columns []string, laid bool, now time.Time) {
	if p := h.Partitions[key]; p != nil {
		p.Balanced = &Balance{At: now, Bytes: p.Bytes, By: strings.Join(columns, ","), Laid: laid}
	}
}
