package writer

import (
	"context"
	"errors"
	"sync"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// OpenChannel implements the IngestService.
func (s *Service) OpenChannel(ctx context.Context, req *connect.Request[firnv1.OpenChannelRequest]) (*connect.Response[firnv1.OpenChannelResponse], error) {
	state, err := s.openChannel(ctx, req.Msg)
	if err != nil {
		return nil, s.rpcError(ctx, "open channel", err)
	}
	return connect.NewResponse(&firnv1.OpenChannelResponse{
		Epoch: state.Epoch, NextOffset: state.NextOffset, LastToken: state.Token,
	}), nil
}

func (s *Service) openChannel(ctx context.Context, m *firnv1.OpenChannelRequest) (catalog.Channel, error) {
	if !channelName.MatchString(m.Channel) {
		return catalog.Channel{}, invalid("a channel name is 1 to 128 characters of A-Z a-z 0-9 . _ : -")
	}
	if !s.begin() {
		return catalog.Channel{}, errDraining
	}
	defer s.working.Done()
	t, err := s.loadTable(ctx, m.Table)
	if err != nil {
		return catalog.Channel{}, err
	}
	return s.cfg.Catalog.OpenChannel(ctx, t.ID, m.Channel)
}

// ListChannels implements the IngestService.
func (s *Service) ListChannels(ctx context.Context, req *connect.Request[firnv1.ListChannelsRequest]) (*connect.Response[firnv1.ListChannelsResponse], error) {
	out, err := s.listChannels(ctx, req.Msg)
	if err != nil {
		return nil, s.rpcError(ctx, "list channels", err)
	}
	return connect.NewResponse(out), nil
}

func (s *Service) listChannels(ctx context.Context, m *firnv1.ListChannelsRequest) (*firnv1.ListChannelsResponse, error) {
	var only *uuid.UUID
	if m.Table != nil {
		t, err := s.loadTable(ctx, m.Table)
		if err != nil {
			return nil, err
		}
		only = &t.ID
	}
	channels, err := s.cfg.Catalog.Channels(ctx, only)
	if err != nil {
		return nil, err
	}
	names := map[uuid.UUID]*firnv1.TableRef{}
	out := &firnv1.ListChannelsResponse{}
	for _, c := range channels {
		ref, ok := names[c.Table]
		if !ok {
			t, err := s.cfg.Catalog.LoadTableID(ctx, c.Table)
			if err != nil && !errors.Is(err, catalog.ErrNotFound) {
				return nil, err
			}
			if err == nil {
				ref = &firnv1.TableRef{Namespace: t.Ident.Namespace, Name: t.Ident.Name}
			}
			names[c.Table] = ref
		}
		if ref == nil {
			continue // dropped in the meantime
		}
		out.Channels = append(out.Channels, &firnv1.Channel{
			Table: ref, Channel: c.Name, Epoch: c.Epoch, NextOffset: c.NextOffset, LastToken: c.Token,
			SnapshotId: c.SnapshotID, UpdatedAt: timestamppb.New(c.UpdatedAt), Duplicates: s.duplicates.of(c.Table, c.Name),
		})
	}
	return out, nil
}

// duplicateCounter counts refused repeats by channel, since the start.
type duplicateCounter struct {
	mu    sync.Mutex
	count map[uuid.UUID]map[string]uint64
}

func (d *duplicateCounter) add(table uuid.UUID, channel string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count == nil {
		d.count = map[uuid.UUID]map[string]uint64{}
	}
	if d.count[table] == nil {
		d.count[table] = map[string]uint64{}
	}
	d.count[table][channel]++
}

func (d *duplicateCounter) of(table uuid.UUID, channel string) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[table][channel]
}

// conformerCache keeps how recent schemas fit recent tables: binding two
// schemas costs more than a small batch.
type conformerCache struct {
	mu    sync.Mutex
	cache map[conformerKey][]*parquet.Conformer
}

type conformerKey struct {
	table  uuid.UUID
	schema int
}

const (
	conformersPerTable = 8
	conformedTables    = 256
)

func (c *conformerCache) get(t *catalog.Table, sent *arrow.Schema, limit int64) (*parquet.Conformer, error) {
	key := conformerKey{t.ID, t.Metadata.CurrentSchema().ID}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range c.cache[key] {
		if known.Source().Equal(sent) {
			return known, nil
		}
	}
	fresh, err := parquet.NewConformer(sent, t.Metadata.CurrentSchema(), parquet.ConformOptions{
		CheckText: true, MaxBytes: limit,
		Fill: map[string]func(int) arrow.Array{ingestedAt: unfilled(t)},
	})
	if err != nil {
		return nil, err
	}
	if c.cache == nil || len(c.cache) > conformedTables {
		c.cache = map[conformerKey][]*parquet.Conformer{}
	}
	kept := append([]*parquet.Conformer{fresh}, c.cache[key]...)
	c.cache[key] = kept[:min(len(kept), conformersPerTable)]
	return fresh, nil
}

// unfilled stands in for a missing `_ingested_at` until fillIngestedAt sets it;
// nil when the table's column is not an instant, so that it counts as missing.
func unfilled(t *catalog.Table) func(int) arrow.Array {
	schema, err := parquet.ArrowSchema(t.Metadata.CurrentSchema())
	if err != nil {
		return nil
	}
	at := schema.FieldIndices(ingestedAt)
	if len(at) != 1 || !isInstant(schema.Field(at[0]).Type) {
		return nil
	}
	typ := schema.Field(at[0]).Type.(*arrow.TimestampType)
	return func(n int) arrow.Array { return constantInstant(typ, 0, n) }
}
