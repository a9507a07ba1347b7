package writer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// group is a micro-batch whose files are in the bucket, ready to commit.
type group struct {
	table    *catalog.Table
	requests []*request // accepted, in order; their rows are in files
	markers  []*request // callers of Flush
	// late are repeats of rows in this group or in a commit under way; they
	// are answered when the outcome is known.
	late     []*request
	files    []iceberg.DataFile
	side     *sideTable
	advances []catalog.ChannelAdvance
	// id is the commit id.
	id string
	// answering, if set, is told how many requests are answered next.
	answering func(requests int)
}

// prepare checks a micro-batch's channels and writes its files. Requests that
// cannot be part of it are answered here.
func (s *Service) prepare(ctx context.Context, id uuid.UUID, requests []*request, ahead *positions) *group {
	g := &group{id: uuid.NewString()}
	rest := requests[:0:0]
	for _, r := range requests {
		if r.flushes() {
			g.markers = append(g.markers, r)
			continue
		}
		rest = append(rest, r)
	}
	if err := s.load(ctx, g, id, rest); err != nil {
		s.failAll(rest, err)
		return g
	}
	s.admitChannels(ctx, g, g.requests, ahead)
	if err := s.writeFiles(ctx, g); err != nil {
		s.failAll(g.requests, fmt.Errorf("%w: %w", errNotStored, err))
		g.requests, g.advances = nil, nil
		return g
	}
	ahead.advance(g.advances)
	return g
}

func (s *Service) failAll(requests []*request, err error) {
	for _, r := range requests {
		r.finish(nil, err)
	}
}

// load reads the table's head and fits rows to it that were fitted to an
// older schema.
func (s *Service) load(ctx context.Context, g *group, id uuid.UUID, requests []*request) error {
	if len(requests) == 0 {
		return nil
	}
	t, err := s.cfg.Catalog.LoadTableID(ctx, id)
	if err != nil {
		return err
	}
	g.table = t
	schema := t.Metadata.CurrentSchema()
	for _, r := range requests {
		if r.schemaID != schema.ID {
			if err := r.refit(schema); err != nil {
				r.finish(nil, err)
				continue
			}
		}
		g.requests = append(g.requests, r)
	}
	return nil
}

// refit conforms the rows to a schema that came after theirs.
func (r *request) refit(schema *iceberg.Schema) error {
	for i, b := range r.batches {
		c, err := parquet.NewConformer(b.Schema(), schema, parquet.ConformOptions{})
		if err != nil {
			return err
		}
		out, err := c.Conform(b)
		if err != nil {
			return err
		}
		b.Release()
		r.batches[i] = out
	}
	r.schemaID = schema.ID
	return nil
}

// admitChannels keeps the requests that continue their channel, in the order
// of their offsets, and makes one advance of each channel. The others are
// answered, or set aside until the commit is known.
func (s *Service) admitChannels(ctx context.Context, g *group, requests []*request, ahead *positions) {
	byChannel := map[string][]*request{}
	var names []string
	g.requests = nil
	for _, r := range requests {
		if r.channel == "" {
			g.requests = append(g.requests, r)
			continue
		}
		if byChannel[r.channel] == nil {
			names = append(names, r.channel)
		}
		byChannel[r.channel] = append(byChannel[r.channel], r)
	}
	for _, name := range names {
		chain := byChannel[name]
		state, err := s.cfg.Catalog.Channel(ctx, g.table.ID, name)
		if errors.Is(err, catalog.ErrNotFound) {
			err = errNotOpen(name)
		}
		if err != nil {
			s.failAll(chain, err)
			continue
		}
		s.admitChain(g, state, chain, ahead)
	}
}

func (s *Service) admitChain(g *group, state catalog.Channel, chain []*request, ahead *positions) {
	slices.SortStableFunc(chain, func(a, b *request) int { return cmp.Compare(a.offset, b.offset) })
	next := ahead.of(state)
	advance := catalog.ChannelAdvance{Table: g.table.ID, Channel: state.Name, Epoch: state.Epoch, From: next}
	for _, r := range chain {
		switch {
		case r.epoch != state.Epoch:
			r.finish(nil, &catalog.ChannelError{Kind: catalog.ChannelFenced, State: state})
		case r.offset < next:
			if r.offset < state.NextOffset {
				r.finish(nil, s.duplicate(state))
			} else {
				g.late = append(g.late, r)
			}
		case r.offset > next:
			state := state
			state.NextOffset = next
			r.finish(nil, &catalog.ChannelError{Kind: catalog.ChannelGap, State: state})
		default:
			next += r.rows()
			advance.Token = r.token
			g.requests = append(g.requests, r)
		}
	}
	if next > advance.From {
		advance.To = next
		g.advances = append(g.advances, advance)
	}
}

func errNotOpen(channel string) error {
	return &notOpenError{channel}
}

type notOpenError struct{ channel string }

func (e *notOpenError) Error() string {
	return fmt.Sprintf("channel %s is not open: call OpenChannel first and send its epoch and offset", e.channel)
}

// writeFiles clusters the rows of all requests together, so that each
// partition gets one file, and puts them.
func (s *Service) writeFiles(ctx context.Context, g *group) error {
	if len(g.requests) == 0 {
		return nil
	}
	var batches []arrow.RecordBatch
	for _, r := range g.requests {
		batches = append(batches, r.batches...)
	}
	g.files = nil
	if len(batches) > 0 {
		start := time.Now()
		meta := g.table.Metadata
		parts, err := parquet.Cluster(batches, meta.CurrentSchema(), meta.PartitionSpec())
		if err != nil {
			return err
		}
		g.files, err = parquet.WriteClustered(ctx, s.cfg.Bucket, meta, s.cfg.Catalog.DataPath(g.table), parts, s.writeOptions())
		if err != nil {
			return err
		}
		s.metrics.encoded(g.files, time.Since(start))
	}
	side, err := s.writeSide(ctx, g)
	if err != nil {
		return err
	}
	g.side = side
	return nil
}

// writeOptions makes what lands merge-ready: many small files that the
// compactor fuses without decoding.
func (s *Service) writeOptions() parquet.WriteOptions {
	return parquet.WriteOptions{MergeReady: true, Workers: s.cfg.Encoders}
}

// commitGroup commits what prepare made and answers everyone. A channel that
// was fenced or moved since prepare looked is taken out, and the others'
// rows are written and committed again without it.
func (s *Service) commitGroup(ctx context.Context, g *group) {
	defer s.answerMarkers(g)
	for len(g.requests) > 0 {
		start := time.Now()
		committed, err := s.commit(ctx, g.transaction())
		if err == nil {
			s.metrics.committed(g, time.Since(start))
			s.answer(g, committed)
			break
		}
		channel, ok := errors.AsType[*catalog.ChannelError](err)
		if !ok || !g.drop(channel) {
			s.failAll(g.requests, err)
			break
		}
		g.id = uuid.NewString()
		if err := s.writeFiles(ctx, g); err != nil {
			s.failAll(g.requests, err)
			break
		}
	}
	s.answerLate(ctx, g)
}

// drop answers the requests of a channel that refused to advance and takes
// them out of the group. It answers false when the channel is not in it.
func (g *group) drop(e *catalog.ChannelError) bool {
	found := false
	kept := g.requests[:0:0]
	for _, r := range g.requests {
		if r.channel != e.State.Name || r.channel == "" {
			kept = append(kept, r)
			continue
		}
		found = true
		// Several requests may have been chained: those that the channel has
		// are duplicates, whatever the first one was.
		kind := e.Kind
		if kind != catalog.ChannelFenced {
			switch {
			case r.offset < e.State.NextOffset:
				kind = catalog.ChannelDuplicate
			default:
				kind = catalog.ChannelGap
			}
		}
		r.finish(nil, &catalog.ChannelError{Kind: kind, State: e.State})
	}
	g.requests = kept
	g.advances = slices.DeleteFunc(slices.Clone(g.advances), func(a catalog.ChannelAdvance) bool { return a.Channel == e.State.Name })
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
		state, err := s.cfg.Catalog.Channel(ctx, g.table.ID, r.channel)
		switch {
		case err != nil:
			r.finish(nil, err)
		case r.epoch != state.Epoch:
			r.finish(nil, &catalog.ChannelError{Kind: catalog.ChannelFenced, State: state})
		case r.offset < state.NextOffset:
			r.finish(nil, s.duplicate(state))
		default:
			r.finish(nil, &catalog.ChannelError{Kind: catalog.ChannelGap, State: state})
		}
	}
	g.late = nil
}

func (s *Service) answerMarkers(g *group) {
	for _, r := range g.markers {
		r.finish(nil, nil)
	}
}

// duplicate is the answer to rows that a channel has.
func (s *Service) duplicate(state catalog.Channel) error {
	s.duplicates.add(state.Table, state.Name)
	return &duplicateError{state}
}
