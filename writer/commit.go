package writer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// commitGroup commits what prepare made and answers everyone. A channel that
// was fenced or moved since prepare looked is taken out, and the others'
// rows are written and committed again without it.
func (s *Service) commitGroup(ctx context.Context, g *group) {
	defer s.answerMarkers(g)
	known := true
	defer func() {
		if known { // otherwise the files are held until the process ends
			g.hold.Release()
		}
	}()
	for len(g.requests) > 0 {
		start := time.Now()
		committed, err := s.commit(ctx, g.transaction())
		if err == nil {
			s.metrics.committed(g, time.Since(start))
			s.answer(g, committed)
			break
		}
		channel, ok := errors.AsType[*catalog.ChannelError](err)
		if !ok || !s.drop(g, channel.State) {
			known = !errors.Is(err, catalog.ErrUnknownOutcome)
			s.fail(ctx, g, g.requests, err)
			break
		}
		g.id = uuid.NewString()
		if err := s.writeFiles(ctx, g); err != nil {
			s.fail(ctx, g, g.requests, err)
			break
		}
	}
	s.answerLate(ctx, g)
}

// drop answers the requests of a channel that refused to advance and takes
// them out of the group. It answers false when the channel is not in it.
func (s *Service) drop(g *group, state catalog.Channel) bool {
	kept := g.requests[:0:0]
	for _, r := range g.requests {
		if r.channel == "" || r.channel != state.Name {
			kept = append(kept, r)
			continue
		}
		// Several requests may have been chained: the channel may have the first,
		// and wait for the next.
		r.finish(nil, cmp.Or(s.standing(r, state), errAgain))
	}
	found := len(kept) < len(g.requests)
	g.requests = kept
	g.advances = slices.DeleteFunc(slices.Clone(g.advances), func(a catalog.ChannelAdvance) bool { return a.Channel == state.Name })
	return found
}

func (g *group) transaction() catalog.Transaction {
	change := catalog.TableChange{Table: g.table.ID}
	if len(g.files) > 0 {
		change.Snapshot = appendOf(g.files, map[string]string{"firn.batches": fmt.Sprint(len(g.requests))})
	}
	tx := catalog.Transaction{ID: g.id, Actor: "ingest", Tables: []catalog.TableChange{change}, Channels: g.advances}
	if g.side != nil {
		tx.Tables = append(tx.Tables, catalog.TableChange{Table: g.side.table.ID, Snapshot: appendOf(g.side.files, nil)})
	}
	for _, r := range g.requests {
		if r.key != nil {
			tx.Idempotency = r.key
		}
	}
	return tx
}

func appendOf(files []iceberg.DataFile, summary map[string]string) *catalog.SnapshotChange {
	change := &catalog.SnapshotChange{Operation: table.OpAppend, Summary: summary}
	for _, f := range files {
		change.Added = append(change.Added, catalog.FileEntry{File: f})
	}
	return change
}

// commitAttempts bounds the asking again about one commit.
const commitAttempts = 4

// commit commits, asking again with the same id while the outcome is unknown:
// an id is applied at most once. An unknown outcome is settled by success, or
// by a channel that refuses (the first attempt had the same condition on it),
// and by nothing else: that a later attempt did not happen, or could not ask,
// says nothing about the first.
func (s *Service) commit(ctx context.Context, tx catalog.Transaction) (catalog.Committed, error) {
	var unknown error
	wait := 20 * time.Millisecond
	for attempt := 1; ; attempt++ {
		committed, err := s.cfg.Catalog.Commit(ctx, tx)
		_, refused := errors.AsType[*catalog.ChannelError](err)
		switch {
		case err == nil || refused:
			return committed, err
		case errors.Is(err, catalog.ErrUnknownOutcome):
			unknown = err
		case unknown == nil:
			return committed, err
		}
		if attempt == commitAttempts {
			return committed, unknown
		}
		s.metrics.unknown()
		s.cfg.Logger.WarnContext(ctx, "commit outcome unknown, asking again", "commit_id", tx.ID, "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return committed, unknown
		case <-time.After(wait):
			wait *= 4
		}
	}
}

// answer tells everyone in a committed group.
func (s *Service) answer(g *group, committed catalog.Committed) {
	var snapshot, sequence int64
	for _, t := range committed.Tables {
		if t.Table == g.table.ID {
			snapshot, sequence = t.SnapshotID, t.SequenceNumber
		}
	}
	if g.answering != nil {
		g.answering(len(g.requests))
	}
	for _, r := range g.requests {
		out := &firnv1.AppendResponse{
			SnapshotId: snapshot, SequenceNumber: sequence,
			Rows: uint64(r.good), Quarantined: uint64(len(r.bad)), Duplicate: committed.Duplicate && r.key != nil,
		}
		if r.channel != "" {
			out.NextOffset = r.offset + r.rows()
		}
		r.finish(out, nil)
	}
	g.requests = nil
}

// answerLate tells repeats of rows whose first copy was under way.
func (s *Service) answerLate(ctx context.Context, g *group) {
	for _, r := range g.late {
		state, err := s.channel(ctx, g.table.ID, r.channel)
		if err == nil {
			// Where the channel expects these very rows, their first copy failed.
			err = cmp.Or(s.standing(r, state), g.failure, errAgain)
		}
		r.finish(nil, err)
	}
	g.late = nil
}

func (s *Service) answerMarkers(g *group) {
	for _, r := range g.markers {
		r.finish(nil, nil)
	}
}
