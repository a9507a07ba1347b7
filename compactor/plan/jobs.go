package plan

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// Kind of a maintenance job.
type Kind string

// The kinds that the planner proposes.
const (
	Compact Kind = "compact"
	Expire  Kind = "expire"
	Orphans Kind = "orphans"
	// Manifests are sorted by partition, and delete files that apply to nothing go.
	Manifests Kind = "manifests"
)

// Table is all that [Jobs] needs to know of a table.
type Table struct {
	ID     uuid.UUID
	Ident  catalog.Ident
	Health *Health
	Policy Policy
	// Pinned: the table's writer commits against the head it has read (a
	// promotion), and does its work again when a compaction comes in between.
	// Such a table waits for four times as much, or for quiet.
	Pinned bool
	// Snapshots in the metadata, and the time of the oldest.
	Snapshots int
	Oldest    time.Time
	// SinceTidy counts the commits since manifests and delete files were looked at.
	SinceTidy int64
	// Active kinds have a job queued or running.
	Active map[Kind]bool
	// NotBefore holds a kind back after a failure.
	NotBefore map[Kind]time.Time
	// Waits says of kinds why their policy cannot be read; see [Effective.Waits].
	Waits map[Kind]string
	// Bounds are the scopes of the limits that hold for the table, the nearest
	// first; Budget has their accounts.
	Bounds []string
	// Waiting is since when a kind has been worth doing and was not begun: what
	// [Decision.Deferred] answered before.
	Waiting map[Kind]time.Time
	// Reads are how often a partition was read in an hour, by its key, where that
	// is known.
	Reads map[string]float64
	// Unreachable: files may have become unreachable (an expiry, a failed
	// job) since the last removal of orphans, at LastOrphans.
	Unreachable bool
	LastOrphans time.Time
}

// Proposal is a job worth doing.
type Proposal struct {
	Table    uuid.UUID
	Ident    catalog.Ident
	Kind     Kind
	Priority float64
	Reason   string
	// Bytes that it will read, and Seconds that it will take, by an estimate.
	Bytes   int64
	Seconds float64
	// Benefit is files that readers no longer open, weighed by how much is read.
	Benefit float64
	// Held is why a deferred proposal has to wait.
	Held string
}

// Budget bounds what runs at once, over all tables.
type Budget struct {
	// Jobs is how many proposals may be answered; 0 is any number, less is none.
	Jobs int
	// OrphanEvery is the least time between two removals on one table.
	OrphanEvery time.Duration
	// Accounts of the levels that have limits, by scope.
	Accounts map[string]Account
	// Rates at which jobs work here.
	Rates Rates
}

// Decision is what Jobs answers: proposals, best first; what is worth doing and
// has to wait; and for each table either the proposal of a compaction or the
// reason why there is none.
type Decision struct {
	Proposals []Proposal
	Deferred  []Proposal
	WhyNot    map[uuid.UUID]string
}

const tidyEvery = 100 // commits after which manifests are looked at

// doubling is the wait that counts as much as twice the benefit per second.
const doubling = 15 * time.Second

// rank orders proposals: by benefit per second of work, and by how long they have
// waited. It does not change while one waits, in the queue or here. What waits is
// overtaken only by what came up at most log2(best benefit per second) doublings
// after it: with a million files saved a second, five minutes.
func rank(perSecond float64, since time.Time) float64 {
	return doubling.Seconds()*math.Log2(1+max(perSecond, 0)) - float64(since.UnixMilli())/1000
}

// Jobs decides what is worth doing now. What is best is the most files saved per
// second of work, for partitions that are read most; what has waited gains on it,
// so that small tables do not starve. Limits of a level hold for all that is
// proposed here together.
func Jobs(tables []Table, b Budget, now time.Time) Decision {
	weighed := make([]Weighed, len(tables))
	for i, t := range tables {
		weighed[i] = t.Weigh(b, now)
	}
	return Choose(weighed, b, now)
}

// Weighed is what is worth doing on one table.
type Weighed struct {
	Table     uuid.UUID
	Bounds    []string
	Proposals []Proposal
	// WhyNot says why there is no proposal of a compaction.
	WhyNot string
}

// Weigh finds what is worth doing on a table. It is the part of [Jobs] that looks at
// its health, and costs what changed there since the last look.
func (t Table) Weigh(b Budget, now time.Time) Weighed {
	w := Weighed{Table: t.ID, Bounds: t.Bounds}
	add := func(p Proposal) {
		since := now
		if at, ok := t.Waiting[p.Kind]; ok && at.Before(now) {
			since = at
		}
		p.Priority = rank(p.Benefit/max(p.Seconds, 0.001), since)
		if open, opens := t.Policy.Windows.Open(now); !open {
			p.Held = fmt.Sprintf("outside of its windows, %s (%s); the next one opens at %s", t.Policy.Windows, PropertyWindows, opens.UTC().Format("Mon 15:04 UTC"))
		}
		w.Proposals = append(w.Proposals, p)
	}
	if p, why := t.compact(b.Rates, now); why != "" {
		w.WhyNot = why
	} else {
		add(p)
	}
	if p, ok := t.expire(now); ok {
		add(p)
	}
	if p, ok := t.manifests(now); ok {
		add(p)
	}
	if p, ok := t.rebalance(b.Rates, now); ok {
		add(p)
	}
	if p, ok := t.orphans(b, now); ok {
		add(p)
	}
	return w
}

// Choose decides which of the tables' proposals are done now.
func Choose(tables []Weighed, b Budget, now time.Time) Decision {
	d := Decision{WhyNot: map[uuid.UUID]string{}}
	bounds := map[uuid.UUID][]string{}
	var all []Proposal
	for _, w := range tables {
		bounds[w.Table] = w.Bounds
		all = append(all, w.Proposals...)
		if w.WhyNot != "" {
			d.WhyNot[w.Table] = w.WhyNot
		}
	}
	slices.SortFunc(all, func(a, b Proposal) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Ident.String(), b.Ident.String()), cmp.Compare(a.Kind, b.Kind))
	})
	accounts := maps.Clone(b.Accounts)
	for _, p := range all {
		bounds := bounds[p.Table]
		if p.Kind != Compact && p.Kind != Rebalance {
			bounds = nil
		}
		for _, scope := range bounds {
			if h := accounts[scope].holds(now); h != nil && p.Held == "" {
				p.Held = h.Text
			}
		}
		if p.Held == "" && b.Jobs != 0 && len(d.Proposals) >= b.Jobs {
			p.Held = "the queue is full: its turn comes when a job has ended"
			if b.Jobs > 0 {
				p.Held = fmt.Sprintf("its turn comes after %s with more benefit per second", count(int64(b.Jobs), "job"))
			}
		}
		if p.Held == "" {
			for _, scope := range bounds {
				// A job reads no more than what is left: see Allowance.
				a := accounts[scope]
				a.Active++
				a.Used = append(slices.Clone(a.Used), Spent{At: now, Bytes: p.Bytes, Seconds: p.Seconds})
				accounts[scope] = a
			}
			d.Proposals = append(d.Proposals, p)
			continue
		}
		d.Deferred = append(d.Deferred, p)
		if p.Kind == Compact {
			d.WhyNot[p.Table] = p.Held
		}
	}
	return d
}

func (t Table) held(k Kind, now time.Time) string {
	if t.Active[k] {
		return "a job is queued or running already"
	}
	if until := t.NotBefore[k]; now.Before(until) {
		return fmt.Sprintf("the last job failed or lost against writers; tried again after %s", clock(until))
	}
	return t.Waits[k]
}

func (t Table) compact(rates Rates, now time.Time) (Proposal, string) {
	if t.Waits[Compact] == "" && !t.Policy.Enabled {
		return Proposal{}, fmt.Sprintf("switched off by the property %s", PropertyEnabled)
	}
	if t.Health == nil {
		return Proposal{}, "its files were not counted yet"
	}
	if why := t.held(Compact, now); why != "" {
		return Proposal{}, why
	}
	l := t.Health.look(t.Policy, t.Pinned, now)
	todo := l.todo.clone()
	back := t.Health.HoldsBack(t.Policy, now)
	for key := range back {
		todo.add(l.entries[key].verdict, -1)
		todo.add(t.Health.Partitions[key].judge(t.Policy, t.Pinned, true, now), 1)
	}
	if todo.partitions == 0 {
		return Proposal{}, fmt.Sprintf("no partition has %d small files that are new (the most is %d), nor 2 without a commit for %s",
			least(t.Policy, t.Pinned), l.small.most().n, t.Policy.Quiet)
	}
	p := Proposal{Table: t.ID, Ident: t.Ident, Kind: Compact, Benefit: float64(todo.gone)}
	for _, key := range slices.Sorted(maps.Keys(t.Reads)) {
		// A file that nobody reads is worth one; each doubling of the reads one more.
		v := l.entries[key].verdict
		if q := t.Health.Partitions[key]; q != nil && back[key] {
			v = q.judge(t.Policy, t.Pinned, true, now)
		}
		if v.work {
			p.Benefit += float64(v.gone) * math.Log2(1+max(t.Reads[key], 0))
		}
	}
	for _, tier := range []Tier{Fuse, Rewrite, Reshape} {
		if load := todo.tiers[tier]; load.partitions > 0 {
			p.Bytes += load.bytes
			p.Seconds += rates.Seconds(tier, load.bytes)
		}
	}
	saved, partitions := todo.gone, todo.partitions
	p.Reason = fmt.Sprintf("%s can go in %s", count(saved, "file"), count(partitions, "partition"))
	if saved == 0 {
		p.Benefit = 1
		p.Reason = fmt.Sprintf("files of an old partition spec, or too large, in %s", count(partitions, "partition"))
	}
	return p, ""
}

// least is how many small files a busy partition must hold before they are joined.
func least(p Policy, pinned bool) int64 {
	if pinned {
		return 4 * int64(p.MinFiles)
	}
	return int64(p.MinFiles)
}

// judge says what a compaction has to do in a partition. Time changes it when the
// partition has been quiet for Policy.Quiet, and for [longQuiet] times that.
func (q *Partition) judge(p Policy, pinned, heldBack bool, now time.Time) verdict {
	least, dirt := least(p, pinned), int64(p.MaxDeletes)
	if pinned {
		dirt *= 4
	}
	small := q.small(p)
	fresh := q.Files - q.Settled
	idle := now.Sub(q.Changed)
	quiet := idle >= p.Quiet
	deletes := q.Deletes - q.SettledDeletes
	dirty := (deletes >= dirt || quiet && deletes > 0) && !heldBack
	enough := fresh > 0 && (small >= least && fresh >= least-1 || quiet && small >= 2) ||
		!q.Final && small >= 2 && idle >= longQuiet*p.Quiet
	old := p.Reshape && q.SpecID != p.SpecID && fresh > 0
	split := fresh > 0 && q.oversized(p) > 0 && !heldBack
	if !enough && !dirty && !old && !split {
		return verdict{}
	}
	v := verdict{work: true, gone: max(small-1, 0) + q.Deletes}
	switch {
	case old:
		v.tier, v.bytes = Reshape, q.Bytes
	case dirty, split && v.gone == 0:
		v.tier, v.bytes = Rewrite, q.Bytes
	case p.fuses(1):
		v.tier, v.bytes = Fuse, q.smallBytes(p)
	default:
		v.tier, v.bytes = Rewrite, q.smallBytes(p)
	}
	return v
}

func (t Table) expire(now time.Time) (Proposal, bool) {
	if t.held(Expire, now) != "" || t.Snapshots <= t.Policy.MinKeep {
		return Proposal{}, false
	}
	p := Proposal{Table: t.ID, Ident: t.Ident, Kind: Expire, Benefit: 1, Seconds: 1}
	// A tenth of slack, so that a busy table is not expired at each commit.
	over := t.Snapshots - t.Policy.MaxSnapshots
	switch {
	case over > t.Policy.MaxSnapshots/10:
		p.Reason = fmt.Sprintf("%d snapshots, the policy keeps %d", t.Snapshots, t.Policy.MaxSnapshots)
		p.Benefit += float64(over)
	case t.Policy.MaxAge > 0 && !t.Oldest.IsZero() && now.Sub(t.Oldest) > t.Policy.MaxAge+t.Policy.MaxAge/10:
		p.Reason = fmt.Sprintf("its oldest snapshot is %s old, the policy keeps %s", now.Sub(t.Oldest).Round(time.Second), t.Policy.MaxAge)
	default:
		return Proposal{}, false
	}
	return p, true
}

func (t Table) manifests(now time.Time) (Proposal, bool) {
	if !t.Policy.Enabled || t.SinceTidy < tidyEvery || t.held(Manifests, now) != "" {
		return Proposal{}, false
	}
	return Proposal{
		Table: t.ID, Ident: t.Ident, Kind: Manifests, Benefit: 0.5, Seconds: 1,
		Reason: fmt.Sprintf("%d commits since they were looked at", t.SinceTidy),
	}, true
}

func (t Table) orphans(b Budget, now time.Time) (Proposal, bool) {
	if !t.Unreachable || t.held(Orphans, now) != "" || now.Sub(t.LastOrphans) < b.OrphanEvery {
		return Proposal{}, false
	}
	return Proposal{Table: t.ID, Ident: t.Ident, Kind: Orphans, Benefit: 0.5, Seconds: 1, Reason: "files may have become unreachable"}, true
}
