package plan

import (
	"container/heap"
	"maps"
	"time"
)

// ledger is what a look at a table needs of its partitions: sums, and lists of those
// that must be looked at one by one. It follows from Health.Partitions and the time
// alone, and is kept up with what was touched since the last look, so that a look
// costs what changed and not what exists.
type ledger struct {
	policy Policy
	pinned bool
	at     time.Time // of the last look: verdicts are as of then
	// touched since then, by key.
	touched map[string]bool
	entries map[string]entry
	sums    entry
	todo    todo
	// bytes and number of small files of the partitions.
	bytes, small ranks
	// heat is the sum over partitions.
	heat Heat
	// warm are those to which enough happens that they may be hot, or are read.
	warm map[string]bool
	// marks are when time alone changes verdicts; marked is the next one of each.
	marks  marks
	marked map[string]time.Time
}

// entry is how a partition was counted.
type entry struct {
	files, bytes, deletes    int64
	small, excess, oversized int64
	heat                     Heat
	verdict                  verdict
}

// verdict is what a compaction has to do in a partition, if anything.
type verdict struct {
	work  bool
	gone  int64 // files
	tier  Tier
	bytes int64
}

// todo is the sum of verdicts.
type todo struct {
	partitions, gone int64
	tiers            map[Tier]load
}

type load struct{ partitions, bytes int64 }

func (d *todo) add(v verdict, times int64) {
	if !v.work {
		return
	}
	d.partitions += times
	d.gone += times * v.gone
	l := d.tiers[v.tier]
	d.tiers[v.tier] = load{l.partitions + times, l.bytes + times*v.bytes}
}

func (d todo) clone() todo {
	d.tiers = maps.Clone(d.tiers)
	return d
}

// Partitions below all of these are neither hot nor read: see [Health.Hot] and
// [Health.Reads].
const (
	warmCommits     = 0.9 * hotPart * hotEvents
	warmFragments   = 0.9 * hotEvents
	warmCompactions = 0.9 * hotRuns
	warmReads       = 0.9 * fewestReads
)

func (h Heat) warm(now time.Time) bool {
	h = h.As(now)
	return h.Commits >= warmCommits || h.Fragments >= warmFragments || h.Compactions >= warmCompactions || h.Reads >= warmReads
}

// touch takes note that a partition changed, came or went.
func (h *Health) touch(key string) {
	if h.ledger != nil {
		h.ledger.touched[key] = true
	}
	if h.recent != nil {
		h.recent[key] = true
	}
}

// look brings the ledger up to a time. It is made anew where another policy holds,
// or time went back.
func (h *Health) look(p Policy, pinned bool, now time.Time) *ledger {
	l := h.ledger
	if l == nil || !l.policy.judgesAs(p) || l.pinned != pinned || now.Before(l.at) {
		l = &ledger{
			policy: p, pinned: pinned, touched: make(map[string]bool, len(h.Partitions)), entries: make(map[string]entry, len(h.Partitions)),
			todo: todo{tiers: map[Tier]load{}}, warm: map[string]bool{}, marked: make(map[string]time.Time, len(h.Partitions)),
		}
		h.ledger = l
		for key := range h.Partitions {
			l.touched[key] = true
		}
	}
	l.at = now
	for len(l.marks) > 0 && !l.marks[0].at.After(now) {
		m := heap.Pop(&l.marks).(mark)
		if l.marked[m.key].Equal(m.at) {
			delete(l.marked, m.key)
		}
		l.touched[m.key] = true
	}
	for key := range l.touched {
		l.count(key, h.Partitions[key])
	}
	clear(l.touched)
	return l
}

// lookAs is a look by whoever does not care whether the table is pinned.
func (h *Health) lookAs(p Policy, now time.Time) *ledger {
	return h.look(p, h.ledger != nil && h.ledger.pinned, now)
}

// judgesAs says that another policy leads to the same ledger.
func (p Policy) judgesAs(o Policy) bool {
	return p.Target == o.Target && p.MinFiles == o.MinFiles && p.MaxDeletes == o.MaxDeletes && p.Quiet == o.Quiet &&
		p.Reshape == o.Reshape && p.SpecID == o.SpecID && p.fuses(1) == o.fuses(1)
}

// count puts a partition in the place of what it was; nil: it is gone.
func (l *ledger) count(key string, q *Partition) {
	old, known := l.entries[key]
	if known {
		l.sums.add(old, -1)
		l.todo.add(old.verdict, -1)
		l.bytes.remove(ranked{old.bytes, key})
		l.small.remove(ranked{old.small, key})
	}
	if q == nil {
		delete(l.entries, key)
		delete(l.warm, key)
		l.heat.swap(old.heat, Heat{})
		return
	}
	e := entry{
		files: q.Files, bytes: q.Bytes, deletes: q.Deletes, small: q.small(l.policy), excess: q.excess(l.policy), oversized: q.oversized(l.policy),
		heat: q.Heat, verdict: q.judge(l.policy, l.pinned, false, l.at),
	}
	l.entries[key] = e
	l.sums.add(e, 1)
	l.todo.add(e.verdict, 1)
	l.bytes.add(ranked{e.bytes, key})
	l.small.add(ranked{e.small, key})
	l.heat.swap(old.heat, e.heat)
	if delete(l.warm, key); q.Heat.warm(l.at) {
		l.warm[key] = true
	}
	for _, times := range []time.Duration{1, longQuiet} {
		at := q.Changed.Add(times * l.policy.Quiet)
		if !at.After(l.at) {
			continue
		}
		if next, ok := l.marked[key]; !ok || at.Before(next) {
			l.marked[key] = at
			heap.Push(&l.marks, mark{at, key})
		}
		break
	}
}

func (e *entry) add(o entry, times int64) {
	e.files += times * o.files
	e.bytes += times * o.bytes
	e.deletes += times * o.deletes
	e.small += times * o.small
	e.excess += times * o.excess
	e.oversized += times * o.oversized
}

// swap replaces one summand of commits and reads by another.
func (h *Heat) swap(old, now Heat) {
	at := h.At
	for _, o := range []Heat{old, now} {
		if o.At.After(at) {
			at = o.At
		}
	}
	old, now, *h = old.As(at), now.As(at), h.As(at)
	h.Commits = max(0, h.Commits+now.Commits-old.Commits)
	h.Reads = max(0, h.Reads+now.Reads-old.Reads)
}

// cool forgets who is no longer warm.
func (l *ledger) cool(h *Health) {
	maps.DeleteFunc(l.warm, func(key string, _ bool) bool { return !h.Partitions[key].Heat.warm(l.at) })
}

// mark is a time at which a verdict may change.
type mark struct {
	at  time.Time
	key string
}

// marks is a heap, the next one first.
type marks []mark

func (m marks) Len() int           { return len(m) }
func (m marks) Less(i, j int) bool { return m[i].at.Before(m[j].at) }
func (m marks) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }

// Push is for [heap.Push].
func (m *marks) Push(x any) { *m = append(*m, x.(mark)) }

// Pop is for [heap.Pop].
func (m *marks) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// Settling says that a partition with something to join changed within so long, and
// was not looked at for good: it may pass one of the marks of quietness.
func (h *Health) Settling(within time.Duration, now time.Time) bool {
	if h.recent == nil || within > h.within {
		h.recent = make(map[string]bool, len(h.Partitions))
		for key := range h.Partitions {
			h.recent[key] = true
		}
	}
	h.within = within
	for key := range h.recent {
		if q := h.Partitions[key]; q != nil && !q.Final && q.Files+q.Deletes > 1 && now.Sub(q.Changed) < within {
			return true
		}
		delete(h.recent, key) // until it is touched
	}
	return false
}
