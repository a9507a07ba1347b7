package plan

import (
	"cmp"
	"fmt"
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
}

// Budget bounds what runs at once, over all tables.
type Budget struct {
	// Jobs is how many proposals may be answered.
	Jobs int
	// OrphanEvery is the least time between two removals on one table.
	OrphanEvery time.Duration
}

// Decision is what Jobs answers: proposals, best first, and for each table
// without a compaction the reason.
type Decision struct {
	Proposals []Proposal
	WhyNot    map[uuid.UUID]string
}

const (
	bytesPerSecond = 400 << 20 // what a fusion moves, roughly
	jobSeconds     = 0.2       // what a job costs whatever its size
	tidyEvery      = 100       // commits after which manifests are looked at
)

// Jobs decides what is worth doing now. Priority is files saved per second of
// work, growing with the time that a table has waited, so that small tables do
// not starve.
func Jobs(tables []Table, b Budget, now time.Time) Decision {
	d := Decision{WhyNot: map[uuid.UUID]string{}}
	for _, t := range tables {
		if p, why := t.compact(now); why != "" {
			d.WhyNot[t.ID] = why
		} else {
			d.Proposals = append(d.Proposals, p)
		}
		if p, ok := t.expire(now); ok {
			d.Proposals = append(d.Proposals, p)
		}
		if p, ok := t.manifests(now); ok {
			d.Proposals = append(d.Proposals, p)
		}
		if p, ok := t.orphans(b, now); ok {
			d.Proposals = append(d.Proposals, p)
		}
	}
	slices.SortFunc(d.Proposals, func(a, b Proposal) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Ident.String(), b.Ident.String()), cmp.Compare(a.Kind, b.Kind))
	})
	if b.Jobs > 0 && len(d.Proposals) > b.Jobs {
		for _, p := range d.Proposals[b.Jobs:] {
			if p.Kind == Compact {
				d.WhyNot[p.Table] = fmt.Sprintf("its turn comes after %s with more benefit per second", count(int64(b.Jobs), "job"))
			}
		}
		d.Proposals = d.Proposals[:b.Jobs]
	}
	return d
}

func (t Table) held(k Kind, now time.Time) string {
	if t.Active[k] {
		return "a job is queued or running already"
	}
	if until := t.NotBefore[k]; now.Before(until) {
		return fmt.Sprintf("the last job failed or lost against writers; tried again after %s", until.UTC().Format(time.TimeOnly))
	}
	return ""
}

func (t Table) compact(now time.Time) (Proposal, string) {
	if !t.Policy.Enabled {
		return Proposal{}, fmt.Sprintf("switched off by the table property %s", PropertyEnabled)
	}
	if t.Health == nil {
		return Proposal{}, "its files were not counted yet"
	}
	if why := t.held(Compact, now); why != "" {
		return Proposal{}, why
	}
	least, dirt := int64(t.Policy.MinFiles), int64(t.Policy.MaxDeletes)
	if t.Pinned {
		least, dirt = 4*least, 4*dirt
	}
	var saved, bytes, partitions, most int64
	var waited time.Duration
	for _, q := range t.Health.Partitions {
		small := q.small(t.Policy)
		fresh := q.Files - q.Settled
		idle := now.Sub(q.Changed)
		quiet := idle >= t.Policy.Quiet
		deletes := q.Deletes - q.SettledDeletes
		dirty := deletes >= dirt || quiet && deletes > 0
		enough := fresh > 0 && (small >= least && fresh >= least-1 || quiet && small >= 2) ||
			!q.Final && small >= 2 && idle >= longQuiet*t.Policy.Quiet
		old := t.Policy.Reshape && q.SpecID != t.Policy.SpecID && fresh > 0
		most = max(most, small)
		if !enough && !dirty && !old {
			continue
		}
		partitions++
		saved += max(small-1, 0) + q.Deletes
		bytes += q.Bytes
		if !q.Since.IsZero() {
			waited = max(waited, now.Sub(q.Since))
		}
	}
	if partitions == 0 {
		return Proposal{}, fmt.Sprintf("no partition has %d small files that are new (the most is %d), nor 2 without a commit for %s",
			least, most, t.Policy.Quiet)
	}
	seconds := jobSeconds + float64(bytes)/bytesPerSecond
	return Proposal{
		Table: t.ID, Ident: t.Ident, Kind: Compact,
		Priority: float64(saved) / seconds * (1 + waited.Minutes()),
		Reason:   fmt.Sprintf("%s can go in %s", count(saved, "file"), count(partitions, "partition")),
	}, ""
}

func (t Table) expire(now time.Time) (Proposal, bool) {
	if t.held(Expire, now) != "" || t.Snapshots <= t.Policy.MinKeep {
		return Proposal{}, false
	}
	p := Proposal{Table: t.ID, Ident: t.Ident, Kind: Expire, Priority: 1}
	// A tenth of slack, so that a busy table is not expired at each commit.
	over := t.Snapshots - t.Policy.MaxSnapshots
	switch {
	case over > t.Policy.MaxSnapshots/10:
		p.Reason = fmt.Sprintf("%d snapshots, the policy keeps %d", t.Snapshots, t.Policy.MaxSnapshots)
		p.Priority += float64(over)
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
		Table: t.ID, Ident: t.Ident, Kind: Manifests, Priority: 0.5,
		Reason: fmt.Sprintf("%d commits since they were looked at", t.SinceTidy),
	}, true
}

func (t Table) orphans(b Budget, now time.Time) (Proposal, bool) {
	if !t.Unreachable || t.held(Orphans, now) != "" || now.Sub(t.LastOrphans) < b.OrphanEvery {
		return Proposal{}, false
	}
	return Proposal{Table: t.ID, Ident: t.Ident, Kind: Orphans, Priority: 0.5, Reason: "files may have become unreachable"}, true
}
