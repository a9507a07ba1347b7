package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// applyUpdates applies what a client asks for to the current metadata, and
// judges the result by comparing it with what was there: nothing that a client
// sends is trusted, whatever update carries it.
func (p *plan) applyUpdates(ctx context.Context, r *request, updates []table.Update) error {
	added, err := p.checkFresh(updates)
	if err != nil {
		return err
	}
	before := p.cur
	err = p.update(func(b *table.MetadataBuilder) error {
		for _, u := range updates {
			if err := apply(b, u, before.Schemas()); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrInvalid, u.Action(), err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.checkChanged(before, updates); err != nil {
		return err
	}
	if err := checkColumns(p.cur.Schemas(), before.Schemas()...); err != nil {
		return err
	}
	if slices.ContainsFunc(updates, func(u table.Update) bool {
		return u.Action() == table.UpdateAddSnapshot || u.Action() == table.UpdateRemoveSnapshots
	}) {
		p.line = lineOf(p.cur)
	}
	for _, id := range added {
		if s := p.cur.SnapshotByID(id); s != nil { // nil: removed again by the same commit
			if err := p.foreignSnapshot(ctx, s, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkFresh: a snapshot that was made on an older head is a conflict, which the builder
// would call invalid. It returns the snapshots that are added, in order.
func (p *plan) checkFresh(updates []table.Update) (added []int64, err error) {
	known := map[int64]bool{} // what the updates before have added
	for _, u := range updates {
		if u.Action() != table.UpdateAddSnapshot {
			continue
		}
		w, err := wire[struct {
			Snapshot table.Snapshot `json:"snapshot"`
		}](u)
		if err != nil {
			return nil, fmt.Errorf("%w: add-snapshot: %w", ErrInvalid, err)
		}
		s := w.Snapshot
		stale := func(why string) error {
			return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("snapshot %d %s; refresh and try again", s.SnapshotID, why)}
		}
		switch {
		case s.ManifestList == "":
			return nil, fmt.Errorf("%w: snapshot %d has no manifest list", ErrInvalid, s.SnapshotID)
		case p.cur.SnapshotByID(s.SnapshotID) != nil:
			return nil, stale("exists already")
		case p.cur.Version() > 1 && s.SequenceNumber <= p.cur.LastSequenceNumber():
			return nil, stale(fmt.Sprintf("has sequence number %d, the table is at %d", s.SequenceNumber, p.cur.LastSequenceNumber()))
		case p.cur.Version() >= 3 && s.FirstRowID != nil && *s.FirstRowID < p.cur.NextRowID():
			return nil, stale(fmt.Sprintf("begins at row id %d, the table is at %d", *s.FirstRowID, p.cur.NextRowID()))
		case s.ParentSnapshotID != nil && !known[*s.ParentSnapshotID] && p.cur.SnapshotByID(*s.ParentSnapshotID) == nil:
			return nil, stale("has an unknown parent")
		}
		if err := p.c.checkInside("manifest list", s.ManifestList, p.cur.Location()); err != nil {
			return nil, err
		}
		known[s.SnapshotID] = true
		added = append(added, s.SnapshotID)
	}
	return added, nil
}

// checkChanged compares the metadata before and after, before any I/O.
func (p *plan) checkChanged(before table.Metadata, updates []table.Update) error {
	after := p.cur
	if after.TableUUID() != p.id {
		return fmt.Errorf("%w: the uuid of a table cannot change", ErrInvalid)
	}
	if strings.TrimSuffix(after.Location(), "/") != strings.TrimSuffix(before.Location(), "/") {
		return fmt.Errorf("%w: the location of a table is chosen by the server and cannot change", ErrInvalid)
	}
	changed := maps.Clone(after.Properties())
	maps.DeleteFunc(changed, func(k, v string) bool { old, ok := before.Properties()[k]; return ok && old == v })
	if err := p.c.checkProperties(changed, after.Location()); err != nil {
		return err
	}
	known := map[string]bool{}
	for s := range before.Statistics() {
		known[s.StatisticsPath] = true
	}
	for s := range before.PartitionStatistics() {
		known[s.StatisticsPath] = true
	}
	for s := range after.Statistics() {
		if !known[s.StatisticsPath] {
			if err := p.c.checkInside("statistics file", s.StatisticsPath, after.Location()); err != nil {
				return err
			}
		}
	}
	for s := range after.PartitionStatistics() {
		if !known[s.StatisticsPath] {
			if err := p.c.checkInside("statistics file", s.StatisticsPath, after.Location()); err != nil {
				return err
			}
		}
	}
	return p.checkRefs(before, updates)
}

// checkRefs: refs leave only by name, and main only moves along its lineage:
// back to an ancestor, or on to a snapshot whose ancestry holds the old head (or
// begins anew).
func (p *plan) checkRefs(before table.Metadata, updates []table.Update) error {
	after := maps.Collect(p.cur.Refs())
	removedByName := slices.ContainsFunc(updates, func(u table.Update) bool { return u.Action() == table.UpdateRemoveSnapshotRef })
	for name, ref := range before.Refs() {
		if _, ok := after[name]; !ok && !removedByName {
			return fmt.Errorf("%w: snapshot %d is held by ref %q; remove the ref first", ErrInvalid, ref.SnapshotID, clip(name))
		}
	}
	old, head := before.CurrentSnapshot(), p.cur.CurrentSnapshot()
	if old == nil || head == nil || before.SnapshotByID(head.SnapshotID) != nil {
		return nil
	}
	for s := head; ; {
		if s.SnapshotID == old.SnapshotID || s.ParentSnapshotID == nil {
			return nil
		}
		next := p.cur.SnapshotByID(*s.ParentSnapshotID)
		if next == nil || before.SnapshotByID(next.SnapshotID) != nil && next.SnapshotID != old.SnapshotID {
			return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("snapshot %d was not made from the head %d; refresh and try again", head.SnapshotID, old.SnapshotID)}
		}
		s = next
	}
}

// foreignSnapshot reads what another engine wrote: every location must be the
// table's own, the files must balance, and the event needs the partitions.
func (p *plan) foreignSnapshot(ctx context.Context, s *table.Snapshot, r *request) error {
	list, err := p.c.readList(ctx, s)
	if err != nil {
		return fmt.Errorf("%w: snapshot %d: %w", ErrInvalid, s.SnapshotID, err)
	}
	var parent *table.Snapshot
	if s.ParentSnapshotID != nil {
		parent = p.cur.SnapshotByID(*s.ParentSnapshotID)
	}
	old, err := p.parentList(ctx, parent)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(old))
	for _, m := range old {
		known[m.FilePath()] = true
	}
	var fresh []iceberg.ManifestFile
	for _, m := range list {
		if known[m.FilePath()] {
			continue
		}
		if err := p.c.checkInside("manifest", m.FilePath(), p.cur.Location()); err != nil {
			return err
		}
		if p.cur.PartitionSpecByID(int(m.PartitionSpecID())) == nil {
			return fmt.Errorf("%w: manifest %s names partition spec %d, which the table has not", ErrInvalid, m.FilePath(), m.PartitionSpecID())
		}
		fresh = append(fresh, m)
	}
	entries, err := p.c.readAll(ctx, fresh, true)
	if err != nil {
		return fmt.Errorf("%w: snapshot %d: %w", ErrInvalid, s.SnapshotID, err)
	}
	lost, err := p.lost(ctx, old, list)
	if err != nil {
		return err
	}
	d := newDeltas(p.cur)
	for _, of := range entries {
		for _, e := range of {
			if err := p.c.checkInside("file", e.DataFile().FilePath(), p.cur.Location()); err != nil {
				return err
			}
			switch {
			case e.SnapshotID() != s.SnapshotID:
			case e.Status() == iceberg.EntryStatusADDED:
				d.add(e.DataFile())
			case e.Status() == iceberg.EntryStatusDELETED && lost[fileKey(e.DataFile())]:
				d.remove(e.DataFile())
			}
		}
	}
	if parent != nil || s.ParentSnapshotID == nil {
		if err := checkBalance(old, list, d); err != nil {
			return fmt.Errorf("%w: snapshot %d: %w", ErrInvalid, s.SnapshotID, err)
		}
	}
	p.lists[s.ManifestList] = list
	p.added(s, d, []*request{r})
	return nil
}

// lost are the files that were live in the manifests which a new list leaves out.
// A removal counts only of such: DuckDB, when it rewrites a manifest, removes
// once more what an earlier snapshot had removed.
func (p *plan) lost(ctx context.Context, old, list manifestList) (map[string]bool, error) {
	stays := make(map[string]bool, len(list))
	for _, m := range list {
		stays[m.FilePath()] = true
	}
	var left []iceberg.ManifestFile
	for _, m := range old {
		if !stays[m.FilePath()] {
			left = append(left, m)
		}
	}
	entries, err := p.c.readAll(ctx, left, false)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, of := range entries {
		for _, e := range of {
			out[fileKey(e.DataFile())] = true
		}
	}
	return out, nil
}

// checkSnapshots validates all locations behind snapshots: lists, manifests, files.
func (c *Catalog) checkSnapshots(ctx context.Context, meta table.Metadata, snapshots []table.Snapshot) error {
	seen := map[string]bool{}
	for _, s := range snapshots {
		if s.ManifestList == "" {
			return fmt.Errorf("%w: snapshot %d has no manifest list", ErrInvalid, s.SnapshotID)
		}
		if err := c.checkInside("manifest list", s.ManifestList, meta.Location()); err != nil {
			return err
		}
		list, err := c.readList(ctx, &s)
		if err != nil {
			return fmt.Errorf("%w: snapshot %d: %w", ErrInvalid, s.SnapshotID, err)
		}
		var fresh []iceberg.ManifestFile
		for _, m := range list {
			if seen[m.FilePath()] {
				continue
			}
			seen[m.FilePath()] = true
			if err := c.checkInside("manifest", m.FilePath(), meta.Location()); err != nil {
				return err
			}
			fresh = append(fresh, m)
		}
		entries, err := c.readAll(ctx, fresh, false)
		if err != nil {
			return fmt.Errorf("%w: snapshot %d: %w", ErrInvalid, s.SnapshotID, err)
		}
		for _, of := range entries {
			for _, e := range of {
				if err := c.checkInside("file", e.DataFile().FilePath(), meta.Location()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
