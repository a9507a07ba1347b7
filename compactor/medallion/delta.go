package medallion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/lake"
)

// delta is what a run has to read: the rows of the source after the watermark.
type delta struct {
	source *catalog.Table
	// from and to are snapshots of the source; from 0 is the beginning.
	from, to   int64
	toSequence int64
	// rows are the added rows of an append-only source. For an upsert source
	// they are the rows of its change table; nil means everything (from 0).
	rows *lake.Scan
	// changes is the head of the source's change table.
	changes *catalog.Table
	// changesTo is the snapshot of changes that belongs to to.
	changesTo int64
	// more tells that the source goes on after to.
	more bool
	// upToDate: nothing is new.
	upToDate bool
	// quiet: snapshots are new, rows are not (compaction).
	quiet bool
}

func (s *Service) load(ctx context.Context, name string) (*catalog.Table, error) {
	id, err := catalog.ParseIdent(name)
	if err != nil {
		return nil, err
	}
	t, err := s.cfg.Catalog.LoadTable(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, fmt.Errorf("table %s is gone: apply the project again to create it: %w", name, err)
	}
	return t, err
}

// read answers what is new for a model.
func (s *Service) read(ctx context.Context, m *Compiled, w watermark) (*delta, error) {
	if m.SourceMode == ModeUpsert {
		return s.readChanges(ctx, m, w)
	}
	src, err := s.load(ctx, m.Source)
	if err != nil {
		return nil, err
	}
	d := &delta{source: src, from: w.Snapshot}
	head := src.CurrentSnapshot()
	if err := sameSource(m, w, src); err != nil {
		return nil, err
	}
	if head == nil || head.SnapshotID == w.Snapshot {
		if head == nil && w.Snapshot != 0 {
			return nil, rolledBack(m, w)
		}
		d.upToDate = true
		return d, nil
	}
	d.to, d.toSequence, d.more = s.cut(src.Metadata, w.Snapshot)
	if w.Snapshot == 0 {
		d.rows, err = s.cfg.Lake.Plan(ctx, src.Metadata, d.to, nil)
	} else {
		d.rows, err = s.cfg.Lake.Added(ctx, src.Metadata, w.Snapshot, d.to)
	}
	if err != nil {
		return nil, deltaError(m, w, err)
	}
	d.quiet = len(d.rows.Files) == 0
	return d, nil
}

// sameSource refuses a source that was dropped and made anew.
func sameSource(m *Compiled, w watermark, src *catalog.Table) error {
	if w.Snapshot != 0 && w.Table != (uuid.UUID{}) && w.Table != src.ID {
		return fmt.Errorf("the source %s is another table than the one %s has read (it was dropped and made anew): apply with --rebuild to compute %s from the new table", m.Source, m.Name, m.Name)
	}
	return nil
}

func rolledBack(m *Compiled, w watermark) error {
	return fmt.Errorf("the source %s was rolled back behind the watermark of %s (snapshot %d): rows already promoted are no longer in it, and going on would keep them; roll the source forward to snapshot %d, or apply with --rebuild to compute %s anew: %w",
		m.Source, m.Name, w.Snapshot, w.Snapshot, m.Name, lake.ErrNotAncestor)
}

func deltaError(m *Compiled, w watermark, err error) error {
	switch {
	case errors.Is(err, lake.ErrNotAncestor):
		return rolledBack(m, w)
	case errors.Is(err, lake.ErrChainBroken):
		return fmt.Errorf("snapshots of %s after the watermark of %s (snapshot %d) have expired, so what was added since cannot be told apart from what was compacted: apply with --rebuild to compute %s anew, and keep snapshots longer than runs are apart: %w", m.Source, m.Name, w.Snapshot, m.Name, err)
	case errors.Is(err, lake.ErrNotAppendOnly):
		return fmt.Errorf("rows of %s were changed or removed after the watermark of %s, and it is declared append-only: roll the source back to snapshot %d, or apply with --rebuild to compute %s from what is there now: %w", m.Source, m.Name, w.Snapshot, m.Name, err)
	}
	return fmt.Errorf("read what is new in %s: %w", m.Source, err)
}

// cut answers how far a run reads: whole snapshots after from, until the rows
// of a batch are reached, and at least one snapshot.
func (s *Service) cut(meta table.Metadata, from int64) (to, sequence int64, more bool) {
	type link struct {
		id, sequence, rows int64
	}
	var chain []link // newest first
	snapshot := meta.CurrentSnapshot()
	for snapshot != nil && snapshot.SnapshotID != from {
		l := link{id: snapshot.SnapshotID, sequence: snapshot.SequenceNumber}
		var parent *table.Snapshot
		if snapshot.ParentSnapshotID != nil {
			parent = meta.SnapshotByID(*snapshot.ParentSnapshotID)
		}
		switch {
		case parent == nil && from == 0:
			l.rows = summaryCount(snapshot, "total-records")
		case snapshot.Summary == nil || snapshot.Summary.Operation == table.OpAppend:
			l.rows = summaryCount(snapshot, "added-records")
		}
		chain = append(chain, l)
		snapshot = parent
	}
	var rows int64
	for i, c := range slices.Backward(chain) {
		rows += c.rows
		if i < len(chain)-1 && rows > s.cfg.BatchRows {
			return to, sequence, true
		}
		to, sequence = c.id, c.sequence
	}
	return to, sequence, false
}

func summaryCount(snapshot *table.Snapshot, key string) int64 {
	if snapshot == nil || snapshot.Summary == nil {
		return 0
	}
	n, err := strconv.ParseInt(snapshot.Summary.Properties[key], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// readChanges answers what changed in an upsert source, from its change table.
func (s *Service) readChanges(ctx context.Context, m *Compiled, w watermark) (*delta, error) {
	src, changes, err := s.loadPair(ctx, m.Source)
	if err != nil {
		return nil, err
	}
	if err := sameSource(m, w, src); err != nil {
		return nil, err
	}
	d := &delta{source: src, changes: changes, from: w.Snapshot}
	head := src.CurrentSnapshot()
	if head == nil {
		if w.Snapshot != 0 {
			return nil, rolledBack(m, w)
		}
		d.upToDate = true
		return d, nil
	}
	d.to, d.toSequence = head.SnapshotID, head.SequenceNumber
	if c := changes.CurrentSnapshot(); c != nil {
		d.changesTo = c.SnapshotID
	}
	if head.SnapshotID == w.Snapshot {
		d.upToDate = true
		return d, nil
	}
	if w.Snapshot == 0 {
		return d, nil
	}
	if err := s.onlyOurs(m, w, src.Metadata); err != nil {
		return nil, err
	}
	if d.changesTo == w.Changes {
		d.quiet = true
		return d, nil
	}
	// A watermark of 0 in the change table: the source was there before its
	// first change.
	if w.Changes == 0 {
		d.rows, err = s.cfg.Lake.Plan(ctx, changes.Metadata, d.changesTo, nil)
	} else {
		d.rows, err = s.cfg.Lake.Added(ctx, changes.Metadata, w.Changes, d.changesTo)
	}
	if err != nil {
		return nil, deltaError(m, w, fmt.Errorf("%s%s: %w", m.Source, sideChanges, err))
	}
	d.quiet = len(d.rows.Files) == 0
	return d, nil
}

// loadPair loads an upsert and its change table as they stood at one moment:
// promotions commit both at once.
func (s *Service) loadPair(ctx context.Context, name string) (target, changes *catalog.Table, err error) {
	target, err = s.load(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	for {
		if changes, err = s.load(ctx, name+sideChanges); err != nil {
			return nil, nil, err
		}
		again, err := s.load(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		if again.Version == target.Version {
			return target, changes, nil
		}
		target = again
		if err := ctx.Err(); err != nil {
			return nil, nil, context.Cause(ctx)
		}
	}
}

// onlyOurs checks that since the watermark the source was changed by its own
// model and by compactions only: the change table knows nothing of other
// writers.
func (s *Service) onlyOurs(m *Compiled, w watermark, meta table.Metadata) error {
	for snapshot := meta.CurrentSnapshot(); ; {
		if snapshot.SnapshotID == w.Snapshot {
			return nil
		}
		operation, model := table.OpAppend, ""
		if snapshot.Summary != nil {
			operation, model = snapshot.Summary.Operation, snapshot.Summary.Properties[summaryModel]
		}
		if operation != table.OpReplace && model != m.Source {
			return fmt.Errorf("%s was changed by someone else than its model (snapshot %d, %s), so %s cannot tell which groups changed: roll it back to snapshot %d, or apply with --rebuild", m.Source, snapshot.SnapshotID, operation, m.Name, w.Snapshot)
		}
		if snapshot.ParentSnapshotID == nil {
			return rolledBack(m, w)
		}
		parent := meta.SnapshotByID(*snapshot.ParentSnapshotID)
		if parent == nil {
			// Expired in between. Sequence numbers tell a rollback; foreign
			// changes are found by the count of rows (see runAggregate).
			if meta.SnapshotByID(w.Snapshot) == nil || snapshot.SequenceNumber > w.Sequence {
				return nil
			}
			return rolledBack(m, w)
		}
		snapshot = parent
	}
}

// pendingRows estimates the source rows that the next run would read.
func (s *Service) pendingRows(ctx context.Context, m *Compiled) int64 {
	w, _, err := s.watermark(ctx, m.Name)
	if err != nil {
		return 0
	}
	name := m.Source
	from := w.Snapshot
	if m.SourceMode == ModeUpsert && w.Snapshot != 0 {
		name, from = m.Source+sideChanges, w.Changes
	}
	t, err := s.load(ctx, name)
	if err != nil {
		return 0
	}
	head := t.CurrentSnapshot()
	if head == nil || head.SnapshotID == from {
		return 0
	}
	was := t.Metadata.SnapshotByID(from)
	if was == nil {
		return summaryCount(head, "total-records")
	}
	return max(0, summaryCount(head, "total-records")-summaryCount(was, "total-records"))
}
