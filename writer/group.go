package writer

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/parquet"
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
	// hold spares the files of the group from the removal of orphans until its
	// commit is known.
	hold *objstore.Hold
	// failure is why the group's requests were not committed, nil while they may be.
	failure error
	// answering, if set, is told how many requests are answered next.
	answering func(requests int)
}

// prepare checks a micro-batch's channels and writes its files. Requests that
// cannot be part of it are answered here.
func (s *Service) prepare(ctx context.Context, id uuid.UUID, requests []*request, ahead *positions) *group {
	g := &group{id: uuid.NewString(), hold: s.cfg.Bucket.NewHold()}
	rest := requests[:0:0]
	for _, r := range requests {
		if r.flushes() {
			g.markers = append(g.markers, r)
			continue
		}
		rest = append(rest, r)
	}
	if err := s.load(ctx, g, id, rest); err != nil {
		s.fail(ctx, g, rest, err)
		return g
	}
	s.admitChannels(ctx, g, g.requests, ahead)
	if err := s.writeFiles(ctx, g); err != nil {
		s.fail(ctx, g, g.requests, err)
		return g
	}
	ahead.advance(g.advances)
	return g
}

// fail answers requests that fail together. What the log must know of it is
// said once, not by each of them.
func (s *Service) fail(ctx context.Context, g *group, requests []*request, err error) {
	if _, reason := s.translate(err); reason != "" && len(requests) > 0 {
		s.logFailure(ctx, reason, err, slog.String("operation", "append"), slog.String("table", requests[0].table.Ident.String()),
			slog.String("commit_id", g.id), slog.Int("requests", len(requests)))
		err = loggedError{err}
	}
	g.failure = err
	for _, r := range requests {
		r.finish(nil, err)
	}
	g.requests, g.advances = nil, nil
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
		state, err := s.channel(ctx, g.table.ID, name)
		if err != nil {
			for _, r := range chain {
				r.finish(nil, err)
			}
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
		forecast := state
		forecast.NextOffset = next
		switch {
		case r.epoch != state.Epoch, r.offset < state.NextOffset:
			r.finish(nil, s.standing(r, state))
		case r.offset < next:
			g.late = append(g.late, r)
		case r.offset > next:
			r.finish(nil, s.standing(r, forecast))
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

// writeFiles clusters the rows of all requests together, so that each
// partition gets one file, and puts them.
func (s *Service) writeFiles(ctx context.Context, g *group) error {
	if len(g.requests) == 0 {
		return nil
	}
	ctx = g.hold.Context(ctx)
	g.files = nil
	var batches []arrow.RecordBatch
	for _, r := range g.requests {
		batches = append(batches, r.batches...)
	}
	if len(batches) > 0 {
		start := time.Now()
		meta := g.table.Metadata
		parts, err := parquet.Cluster(batches, meta.CurrentSchema(), meta.PartitionSpec())
		if err != nil {
			return fmt.Errorf("cluster rows of %s: %w", g.table.Ident, err)
		}
		g.files, err = parquet.WriteClustered(ctx, s.cfg.Bucket, meta, s.cfg.Catalog.DataPath(g.table), parts, s.writeOptions())
		if err != nil {
			return fmt.Errorf("%w: table %s: %w", errNotStored, g.table.Ident, err)
		}
		s.metrics.encoded(g.files, time.Since(start))
	}
	side, err := s.writeSide(ctx, g)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotStored, err)
	}
	g.side = side
	return nil
}

// writeOptions makes what lands merge-ready: many small files that the
// compactor fuses without decoding.
func (s *Service) writeOptions() parquet.WriteOptions {
	return parquet.WriteOptions{MergeReady: true, Workers: s.cfg.Encoders}
}
