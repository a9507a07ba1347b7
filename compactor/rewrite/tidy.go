package rewrite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/lake"
)

// Tidied is what was done to a table's metadata, or would be.
type Tidied struct {
	// Dangling are delete files that applied to no data file any more.
	Dangling []string
	// Manifests says what became of the manifests.
	Manifests catalog.Reclustered
}

// PlanTidy answers what [Worker.Tidy] would do.
func (w *Worker) PlanTidy(ctx context.Context, t *catalog.Table, all bool) (out Tidied, err error) {
	if out.Dangling, err = w.unused(ctx, t); err != nil {
		return out, err
	}
	out.Manifests, err = w.cfg.Catalog.Recluster(ctx, t.ID, catalog.ReclusterOptions{All: all, DryRun: true})
	return out, err
}

// Tidy removes the delete files that apply to nothing, and rewrites manifests that
// are too many or hold too many partitions each; with all, wherever anything is
// saved. No row is read and none changes. A conflict is
// [catalog.ErrCommitConflict]: what was committed before it stands.
func (w *Worker) Tidy(ctx context.Context, t *catalog.Table, all bool) (out Tidied, err error) {
	found, err := w.unused(ctx, t)
	if err != nil {
		return out, err
	}
	if len(found) > 0 {
		base := t.CurrentSnapshot().SnapshotID
		if err := w.replace(ctx, t, &catalog.SnapshotChange{Base: &base, Removed: found, Summary: map[string]string{"firn.tier": "dangling deletes"}}); err != nil {
			return out, fmt.Errorf("remove dangling deletes of %s: %w", t.Ident, err)
		}
		out.Dangling = found
	}
	m, err := w.cfg.Catalog.Recluster(ctx, t.ID, catalog.ReclusterOptions{All: all})
	if _, changed := errors.AsType[*catalog.EntriesError](err); changed {
		err = fmt.Errorf("%w: %w", ErrProof, err)
	}
	if err != nil || m.Swap == nil {
		out.Manifests = m
		return out, err
	}
	change := &catalog.SnapshotChange{Base: &m.Base, Manifests: m.Swap, Summary: map[string]string{"firn.tier": "manifests"}}
	if err := w.replace(ctx, t, change); err != nil {
		return out, fmt.Errorf("swap manifests of %s: %w", t.Ident, err)
	}
	out.Manifests = m
	return out, nil
}

func (w *Worker) replace(ctx context.Context, t *catalog.Table, change *catalog.SnapshotChange) error {
	change.Operation = table.OpReplace
	_, err := Commit(ctx, w.cfg.Catalog, catalog.Transaction{
		ID: uuid.NewString(), Actor: catalog.ActorCompactor,
		Tables: []catalog.TableChange{{Table: t.ID, Snapshot: change}},
	})
	return err
}

// unused answers the live delete files of the head that a reader applies to no data
// file: their data files are gone, or all that is left in their partition is
// younger. It is safe to let them go, also beside commits: a file that comes later
// is younger still, or takes the place of one that is live now, to which they would
// have applied.
func (w *Worker) unused(ctx context.Context, t *catalog.Table) ([]string, error) {
	scan, err := w.cfg.Lake.Plan(ctx, t.Metadata, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("look for dangling deletes of %s: %w", t.Ident, err)
	}
	applies := map[string]bool{}
	for _, f := range scan.Files {
		for _, d := range f.Deletes {
			applies[vectorKey(d)] = true
		}
	}
	var out []string
	for e, err := range w.cfg.Lake.Entries(ctx, t.Metadata, 0) {
		if err != nil {
			return nil, fmt.Errorf("look for dangling deletes of %s: %w", t.Ident, err)
		}
		if e.Data.ContentType() == iceberg.EntryContentData {
			continue
		}
		if key := vectorKey(lake.DeleteFile{Data: e.Data}); !applies[key] {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
