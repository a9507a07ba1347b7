package rewrite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
)

// isWatermark: the tag pins how far a model has read the table, and the model
// still needs every snapshot after it.
func isWatermark(tag string) bool { return strings.HasPrefix(tag, catalog.WatermarkTagPrefix) }

// Expiry is which snapshots of a table go, and why not more.
type Expiry struct {
	Remove []int64
	WhyNot string
}

// PlanExpiry chooses snapshots by number and age. What stays in any case: the
// snapshot of every branch and tag, the newest MinKeep of each branch, and all
// that came after the oldest watermark.
func PlanExpiry(meta table.Metadata, p plan.Policy, now time.Time) Expiry {
	keep := map[int64]bool{}
	heldBy := ""
	var watermark int64 // sequence number of the oldest
	for name, ref := range meta.Refs() {
		keep[ref.SnapshotID] = true
		snap := meta.SnapshotByID(ref.SnapshotID)
		if snap == nil {
			continue
		}
		switch {
		case ref.SnapshotRefType == table.BranchRef:
			branch := p
			if ref.MinSnapshotsToKeep != nil {
				branch.MinKeep = *ref.MinSnapshotsToKeep
			}
			if ref.MaxSnapshotAgeMs != nil {
				branch.MaxAge = time.Duration(*ref.MaxSnapshotAgeMs) * time.Millisecond
			}
			keepBranch(meta, snap, branch, now, keep)
		case isWatermark(name) && (heldBy == "" || snap.SequenceNumber < watermark):
			heldBy, watermark = name, snap.SequenceNumber
		}
	}
	var out Expiry
	held := 0
	for _, s := range meta.Snapshots() {
		switch {
		case keep[s.SnapshotID]:
		case heldBy != "" && s.SequenceNumber >= watermark:
			held++
		default:
			out.Remove = append(out.Remove, s.SnapshotID)
		}
	}
	slices.Sort(out.Remove)
	switch {
	case held > 0:
		out.WhyNot = fmt.Sprintf("%d snapshots stay because the model behind tag %s has not read them yet", held, heldBy)
	case len(out.Remove) == 0:
		out.WhyNot = fmt.Sprintf("all %d snapshots are among the newest %d and younger than %s, or carry a branch or tag", len(meta.Snapshots()), p.MaxSnapshots, p.MaxAge)
	}
	return out
}

// keepBranch marks what a branch keeps: its newest ancestors, until there are
// too many or they are too old.
func keepBranch(meta table.Metadata, head *table.Snapshot, p plan.Policy, now time.Time, keep map[int64]bool) {
	n := 0
	for s := head; s != nil; n++ {
		old := p.MaxAge > 0 && now.Sub(time.UnixMilli(s.TimestampMs)) > p.MaxAge
		if n >= p.MinKeep && (old || n >= p.MaxSnapshots) {
			return
		}
		keep[s.SnapshotID] = true
		if s.ParentSnapshotID == nil {
			return
		}
		s = meta.SnapshotByID(*s.ParentSnapshotID)
	}
}

// unreferenced is a requirement of an expiry: since it was planned, nobody has
// made a branch or tag on a snapshot that goes. iceberg-go would drop the ref
// silently.
type unreferenced struct{ ids []int64 }

func (unreferenced) GetType() string { return "firn-assert-unreferenced" }

func (u unreferenced) Validate(meta table.Metadata) error {
	if meta == nil {
		return nil
	}
	for name, ref := range meta.Refs() {
		if slices.Contains(u.ids, ref.SnapshotID) {
			return fmt.Errorf("%s %q was set on snapshot %d meanwhile", ref.SnapshotRefType, name, ref.SnapshotID)
		}
	}
	return nil
}

// Expire removes snapshots from the metadata. Files stay; [Worker.Orphans]
// removes those that nothing reaches any more.
func (w *Worker) Expire(ctx context.Context, t *catalog.Table, p plan.Policy) (Expiry, error) {
	e := PlanExpiry(t.Metadata, p, w.cfg.Now())
	if len(e.Remove) == 0 {
		return e, nil
	}
	_, err := Commit(ctx, w.cfg.Catalog, catalog.Transaction{
		ID: uuid.NewString(), Actor: catalog.ActorCompactor,
		Tables: []catalog.TableChange{{
			Table:        t.ID,
			Requirements: []table.Requirement{unreferenced{e.Remove}},
			// false: files are removed by us, and not by iceberg-go.
			Updates: []table.Update{table.NewRemoveSnapshotsUpdate(e.Remove, false)},
		}},
	})
	if err != nil {
		return e, fmt.Errorf("expire snapshots of %s: %w", t.Ident, err)
	}
	return e, nil
}
