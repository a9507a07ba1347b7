package writer

import (
	"context"
	"errors"
	"sync"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/firnlake/firn/catalog"
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

// channel reads a channel that must be open.
func (s *Service) channel(ctx context.Context, table uuid.UUID, name string) (catalog.Channel, error) {
	state, err := s.cfg.Catalog.Channel(ctx, table, name)
	if errors.Is(err, catalog.ErrNotFound) {
		err = &notOpenError{name}
	}
	return state, err
}

// standing is what a channel's state says about rows sent through it: they
// are a fenced client's, or there, or rows are missing before them; nil when
// they are those that the channel expects.
func (s *Service) standing(r *request, state catalog.Channel) error {
	switch {
	case r.epoch != state.Epoch:
		return &catalog.ChannelError{Kind: catalog.ChannelFenced, State: state}
	case r.offset < state.NextOffset:
		s.duplicates.add(state.Table, state.Name)
		return &catalog.ChannelError{Kind: catalog.ChannelDuplicate, State: state}
	case r.offset > state.NextOffset:
		return &catalog.ChannelError{Kind: catalog.ChannelGap, State: state}
	}
	return nil
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
