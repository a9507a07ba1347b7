package plan

import (
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// Health is what the planner knows of a table without looking at its files:
// sums for each partition, kept up from the commit log. It is a plain value
// that is stored as JSON. Partitions are changed by its methods only. It is for one
// goroutine at a time, also to look at: what a look found is kept for the next.
type Health struct {
	Table uuid.UUID `json:"table"`
	// Position in the commit log up to which Health is right.
	Position   string                `json:"position"`
	SnapshotID int64                 `json:"snapshot_id"`
	Partitions map[string]*Partition `json:"partitions"`
	Commits    int64                 `json:"commits"`
	// Policy is the fingerprint of the one by which partitions were settled.
	Policy string `json:"policy,omitempty"`
	// Waiting is since when kinds of jobs have been worth doing and could not be
	// begun: see [Table.Waiting].
	Waiting map[Kind]time.Time `json:"waiting,omitempty"`
	// Heat of the whole table, and the columns that its scans select rows by.
	Heat   Heat              `json:"heat,omitzero"`
	Demand map[string]Demand `json:"demand,omitempty"`

	// What follows from the above, so that a look costs what changed: made when it is
	// missing.
	ledger *ledger
	recent map[string]bool // see Settling
	within time.Duration
}

// Partition is the sums over the live files of one partition.
type Partition struct {
	SpecID  int                `json:"spec_id"`
	Values  map[string]*string `json:"values,omitempty"`
	Files   int64              `json:"files"`
	Bytes   int64              `json:"bytes"`
	Rows    int64              `json:"rows"`
	Deletes int64              `json:"deletes,omitempty"`
	// Sizes maps log2 of a file's size to the number of files.
	Sizes map[int]int64 `json:"sizes"`
	// Commits that added data here, and the time of the last one.
	Commits int64     `json:"commits"`
	Changed time.Time `json:"changed"`
	// Since is when the partition first held more than one small file after it
	// was last found in order.
	Since time.Time `json:"since"`
	// Settled is the number of files that the last look at them left alone, or
	// fewer if some went since; only more are a reason to look again.
	Settled int64 `json:"settled,omitempty"`
	// SettledDeletes is the same for delete files.
	SettledDeletes int64 `json:"settled_deletes,omitempty"`
	// Final: that look came when the partition had long been quiet, so that
	// time alone is no reason to look again.
	Final bool `json:"final,omitempty"`
	// Heat is what happened here of late.
	Heat Heat `json:"heat,omitzero"`
	// Busy is since when writers have come without a pause.
	Busy time.Time `json:"busy,omitzero"`
	// Balanced is when it was last looked at as a hot one; nil: never.
	Balanced *Balance `json:"balanced,omitempty"`
}

// NewHealth is the health of a table without files.
func NewHealth(table uuid.UUID) *Health {
	return &Health{Table: table, Partitions: map[string]*Partition{}}
}

// Clone is a copy that shares nothing. It costs what exists: for what takes long, not
// for a look.
func (h *Health) Clone() *Health {
	c := *h
	c.ledger, c.recent = nil, nil
	c.Waiting = maps.Clone(h.Waiting)
	c.Partitions = make(map[string]*Partition, len(h.Partitions))
	c.Demand = maps.Clone(h.Demand)
	for k, p := range h.Partitions {
		q := *p
		q.Sizes = maps.Clone(p.Sizes)
		c.Partitions[k] = &q
	}
	return &c
}

// at answers a partition to be changed.
func (h *Health) at(k string, specID int, values map[string]*string) *Partition {
	h.touch(k)
	p := h.Partitions[k]
	if p == nil {
		p = &Partition{SpecID: specID, Values: values, Sizes: map[int]int64{}}
		h.Partitions[k] = p
	}
	return p
}

// Apply brings the health up to a commit. It says false when the event does
// not follow on what the health knows (a rollback, a moved branch): then the
// health must be counted again from the files.
func (h *Health) Apply(e catalog.Event) bool {
	if e.Position <= h.Position {
		return true // known already
	}
	h.Position = e.Position
	if e.Head != 0 && e.Head == h.SnapshotID {
		return true // of another branch, or of no files
	}
	if e.SnapshotID == 0 || e.SnapshotID == h.SnapshotID {
		// Without a snapshot main can only have been moved to another.
		return e.Head == 0 || e.Head == h.SnapshotID
	}
	if e.ParentID != h.SnapshotID {
		return false
	}
	h.SnapshotID = e.SnapshotID
	own := e.Operation == "replace"
	if !own {
		h.Commits++
	}
	if !own {
		h.Heat.Add(e.At, Heat{Commits: 1, Transactions: float64(max(e.Commits, 1))})
	}
	for _, d := range e.Partitions {
		key := Key(d.SpecID, d.Partition)
		p := h.at(key, d.SpecID, d.Partition)
		h.warm(p, d, e.At, own)
		p.Files += d.AddedFiles - d.RemovedFiles
		p.Bytes += d.AddedBytes - d.RemovedBytes
		p.Rows += d.AddedRows - d.RemovedRows
		p.Deletes += d.AddedDeletes - d.RemovedDeletes
		for size, n := range d.Sizes {
			if p.Sizes[size] += n; p.Sizes[size] == 0 {
				delete(p.Sizes, size)
			}
		}
		if !own {
			p.Commits++
			p.Changed = e.At
			p.Final = false
			if p.Since.IsZero() {
				p.Since = e.At
			}
		}
		p.Settled, p.SettledDeletes = min(p.Settled, p.Files), min(p.SettledDeletes, p.Deletes)
		if p.Files == 0 && p.Deletes == 0 {
			delete(h.Partitions, key)
		}
		if p.Files < 0 {
			return false
		}
	}
	return true
}

// Add counts one live file; for a health that is built from manifests.
func (h *Health) Add(specID int, values map[string]*string, bytes, rows int64, deletes bool, at time.Time) {
	p := h.at(Key(specID, values), specID, values)
	p.Changed = at
	p.Since = at
	if deletes {
		p.Deletes++
		return
	}
	p.Files++
	p.Bytes += bytes
	p.Rows += rows
	p.Sizes[Log2(bytes)]++
}

// Hold takes note of the policy that holds. When it differs from the one before,
// what was settled by that is open again.
func (h *Health) Hold(p Policy) (changed bool) {
	was, is := h.Policy, p.Fingerprint()
	if h.Policy = is; was == "" || was == is {
		return false
	}
	for key, q := range h.Partitions {
		q.Settled, q.SettledDeletes, q.Final, q.Balanced = 0, 0, false, nil
		h.touch(key)
	}
	return true
}

// Settle records that the files of the table were looked at and that what is
// left needs no work now. Partitions that changed since looked stay as they are; in
// those that were held back, deletes are still to be applied.
func (h *Health) Settle(p Policy, looked time.Time, heldBack map[string]bool) {
	for key, q := range h.Partitions {
		if !q.Changed.After(looked) {
			q.Settled = q.Files
			if !heldBack[key] {
				q.SettledDeletes = q.Deletes
			}
			q.Final = looked.Sub(q.Changed) >= longQuiet*p.Quiet
			q.Since = time.Time{}
			h.touch(key)
		}
	}
}

// longQuiet times Policy.Quiet without a commit, and a partition is joined
// whatever it costs: it will not happen again soon.
const longQuiet = 10

// Log2 is the size class of a file.
func Log2(n int64) (class int) {
	for ; n > 1; n >>= 1 {
		class++
	}
	return class
}

// small counts small files by size class: a class counts where its middle is
// below the limit.
func (q *Partition) small(p Policy) (n int64) {
	for class, files := range q.Sizes {
		if class < 62 && int64(3)<<class/2 <= p.Small() {
			n += files
		}
	}
	return n
}

// smallBytes is about how many bytes the small files hold, from their size classes.
func (q *Partition) smallBytes(p Policy) (n int64) {
	for class, files := range q.Sizes {
		if class < 40 && int64(3)<<class/2 <= p.Small() {
			n += files * (int64(3) << class / 2)
		}
	}
	return min(n, q.Bytes)
}

func (q *Partition) oversized(p Policy) (n int64) {
	for class, files := range q.Sizes {
		if class >= 62 || int64(1)<<class >= p.Oversized() {
			n += files
		}
	}
	return n
}

// excess is how many files the partition has beyond what its bytes need.
func (q *Partition) excess(p Policy) int64 {
	return max(0, q.Files-max(1, (q.Bytes+p.Target-1)/p.Target))
}
