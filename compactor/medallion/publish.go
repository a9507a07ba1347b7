package medallion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
)

type dataFiles = []iceberg.DataFile

// What a promotion writes into the summary of the target's snapshot: the
// watermark travels with the table through rollback and replication.
const (
	summaryModel     = "firn.model"
	summaryRun       = "firn.run-id"
	summaryHash      = "firn.definition-hash"
	summarySource    = "firn.source"
	summaryWatermark = "firn.watermark.snapshot-id"
	summarySequence  = "firn.watermark.sequence-number"
	summaryLaw       = "firn.conservation"
)

// WatermarkTag is the tag on a source that pins the snapshot up to which a
// model has read it. Expiry stops at the oldest tag of this kind.
func WatermarkTag(model string) string { return catalog.WatermarkTagPrefix + model }

// publish commits a run: target, side tables, the tag on the source, the
// watermark and the run record, in one transaction.
func (s *Service) publish(ctx context.Context, p *publication) error {
	m, run, d := p.definition.Model, p.run, p.delta
	tx := catalog.Transaction{ID: uuid.NewString(), Actor: "promote:" + m.Name}
	if p.target != nil && !p.target.empty() {
		change, err := s.targetChange(ctx, p)
		if err != nil {
			return err
		}
		tx.Tables = append(tx.Tables, change)
	}
	for _, side := range p.sides {
		tx.Tables = append(tx.Tables, catalog.TableChange{Table: side.table.ID, Snapshot: &catalog.SnapshotChange{
			Operation: table.OpAppend, Added: entries(side.files), Summary: map[string]string{summaryModel: m.Name, summaryRun: run.ID},
		}})
	}
	tx.Tables = append(tx.Tables, pin(d.source.ID, WatermarkTag(m.Name), d.to))
	if d.changesTo != 0 {
		tx.Tables = append(tx.Tables, pin(d.changes.ID, WatermarkTag(m.Name), d.changesTo))
	}

	next := watermark{
		Format: 1, Model: m.Name, Source: m.Source, Table: d.source.ID, Snapshot: d.to, Sequence: d.toSequence,
		Changes: d.changesTo, SourceLive: p.sourceLive, RunID: run.ID, At: s.cfg.Now().UTC(), Totals: p.watermark.Totals.plus(run),
	}
	if d.quiet {
		next.SourceLive, next.Totals = p.watermark.SourceLive, p.watermark.Totals
	}
	run.State, run.EndedAt = RunSucceeded, s.cfg.Now().UTC()
	if d.quiet {
		run.State = RunUpToDate
	}
	wm, err := json.Marshal(next)
	if err != nil {
		return err
	}
	tx.Records = append(tx.Records, catalog.Record{Key: s.watermarkKey(m.Name), Expect: &p.version, Value: wm})
	if !d.quiet {
		record, err := json.Marshal(run)
		if err != nil {
			return err
		}
		tx.Records = append(tx.Records, catalog.Record{Key: s.runKey(run.ID), Value: record})
	}
	done, err := s.commit(ctx, tx)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, t := range done.Tables {
		if p.target != nil && t.Table == p.target.target.ID {
			run.SnapshotID = t.SnapshotID
		}
	}
	return nil
}

// keptRuns bounds the run records in the store.
const keptRuns = 5000

// afterCommit completes the record of a committed run with what only the commit
// knew: its snapshot and how long it took. Losing that loses nothing else. Now
// and then the oldest records go.
func (s *Service) afterCommit(ctx context.Context, run *Run) {
	batch := catalog.Batch{}
	if record, err := json.Marshal(run); err == nil {
		batch.Then = append(batch.Then, catalog.Op{Key: s.runKey(run.ID), Value: record})
	}
	if s.commits.Add(1)%100 == 1 {
		_, kvs, err := s.cfg.Store.Scan(ctx, catalog.Range{Prefix: s.runKey(""), Limit: keptRuns + 1000, Reverse: true})
		if err == nil && len(kvs) > keptRuns {
			for _, kv := range kvs[keptRuns:] {
				batch.Then = append(batch.Then, catalog.Op{Key: kv.Key, Delete: true})
			}
		}
	}
	if _, err := s.cfg.Store.Apply(ctx, batch); err != nil {
		s.cfg.Logger.WarnContext(ctx, "run record not completed", "run", run.ID, "error", err)
	}
}

// targetChange is the change of the target: pinned to the head that the run was
// computed from.
func (s *Service) targetChange(ctx context.Context, p *publication) (catalog.TableChange, error) {
	m, run, st := p.definition.Model, p.run, p.target
	gone, err := s.dangling(ctx, p.before, st)
	if err != nil {
		return catalog.TableChange{}, err
	}
	change := &catalog.SnapshotChange{
		Operation: table.OpAppend, Pin: true,
		Added:   append(entries(st.added), entries(st.deletes)...),
		Removed: append(slices.Clip(st.removed), gone...),
		Summary: map[string]string{
			summaryModel: m.Name, summaryRun: run.ID, summaryHash: m.Hashes.Definition, summarySource: m.Source,
			summaryWatermark: strconv.FormatInt(p.delta.to, 10), summarySequence: strconv.FormatInt(p.delta.toSequence, 10),
		},
	}
	if m.Mode != ModeAggregate {
		change.Summary[summaryLaw] = fmt.Sprintf("read=%d live_before=%d live_after=%d superseded=%d stale=%d deleted=%d quarantined=%d dropped=%d filtered=%d",
			run.Read, run.LiveBefore, run.LiveAfter, run.Superseded, run.Stale, run.Deleted, run.Quarantined, run.Dropped, run.Filtered)
	}
	switch {
	case len(change.Removed) == 0 && len(st.deletes) == 0:
	case len(st.added) == 0 && len(st.removed) == 0:
		change.Operation = table.OpDelete
	default:
		change.Operation = table.OpOverwrite
	}
	if head := st.target.CurrentSnapshot(); head != nil {
		change.Base = &head.SnapshotID
	}
	return catalog.TableChange{Table: st.target.ID, Snapshot: change}, nil
}

func entries(files dataFiles) []catalog.FileEntry {
	out := make([]catalog.FileEntry, len(files))
	for i, f := range files {
		out[i] = catalog.FileEntry{File: f}
	}
	return out
}

func pin(id uuid.UUID, tag string, snapshot int64) catalog.TableChange {
	return catalog.TableChange{Table: id, Updates: []table.Update{table.NewSetSnapshotRefUpdate(tag, snapshot, table.TagRef, 0, 0, 0)}}
}

// pinFirst tags the source before a model's first run reads it: until there is
// a watermark nothing else keeps expiry from what the run is about to read. A
// tag that stands already, of a run that came to nothing, keeps as much or more.
func (s *Service) pinFirst(ctx context.Context, m *Compiled, d *delta) error {
	change := pin(d.source.ID, WatermarkTag(m.Name), d.to)
	change.Requirements = []table.Requirement{table.AssertRefSnapshotID(WatermarkTag(m.Name), nil)}
	tx := catalog.Transaction{ID: uuid.NewString(), Actor: "promote:" + m.Name, Tables: []catalog.TableChange{change}}
	if _, err := s.commit(ctx, tx); err != nil && !errors.Is(err, catalog.ErrCommitConflict) {
		return fmt.Errorf("pin snapshot %d of %s: %w", d.to, m.Source, err)
	}
	return nil
}

// commit asks again while the outcome is unknown: the transaction's id makes
// that safe. It ends when ctx does; the commit may then still have happened,
// and the next run finds out by the watermark.
func (s *Service) commit(ctx context.Context, tx catalog.Transaction) (catalog.Committed, error) {
	tx.If = append(tx.If, jobs.Fence(ctx)...)
	wait := 20 * time.Millisecond
	for {
		done, err := s.committer.Commit(ctx, tx)
		if err == nil || !errors.Is(err, catalog.ErrUnknownOutcome) || ctx.Err() != nil {
			return done, err
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, time.Second)
		case <-ctx.Done():
			return done, err
		}
	}
}
