package rpc

import (
	"context"

	connectrpc "connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/firnlake/firn/catalog"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

const (
	// eventPage is how many events are read at once when most are skipped.
	eventPage = 1000
	// eventReach bounds how far back newest-first looks for one table.
	eventReach = 20_000
)

// ListEvents reads the commit log.
func (s *Service) ListEvents(ctx context.Context, req *connectrpc.Request[firnv1.ListEventsRequest]) (*connectrpc.Response[firnv1.ListEventsResponse], error) {
	events, err := s.events(ctx, req.Msg)
	if err != nil {
		return nil, s.fail(ctx, "list events", err)
	}
	out := &firnv1.ListEventsResponse{Events: make([]*firnv1.Event, len(events))}
	for i, e := range events {
		out.Events[i] = event(e)
	}
	return connectrpc.NewResponse(out), nil
}

func (s *Service) events(ctx context.Context, msg *firnv1.ListEventsRequest) ([]catalog.Event, error) {
	want := limit(msg.GetLimit(), 100, 10_000)
	if msg.GetTable() == nil {
		if msg.GetNewestFirst() {
			return s.cat.Latest(ctx, want)
		}
		return s.cat.Events(ctx, msg.GetAfter(), want)
	}
	t, err := s.load(ctx, msg.GetTable())
	if err != nil {
		return nil, err
	}
	if msg.GetNewestFirst() {
		return s.latestOf(ctx, t.ID, want)
	}
	var out []catalog.Event
	for after := msg.GetAfter(); len(out) < want; {
		batch, err := s.cat.Events(ctx, after, eventPage)
		if err != nil {
			return nil, err
		}
		for _, e := range batch {
			if after = e.Position; e.Table == t.ID && len(out) < want {
				out = append(out, e)
			}
		}
		if len(batch) < eventPage {
			break
		}
	}
	return out, nil
}

// latestOf looks further and further back until it has enough events of one
// table, the log ends, or eventReach events were read.
func (s *Service) latestOf(ctx context.Context, id uuid.UUID, want int) ([]catalog.Event, error) {
	for reach := eventPage; ; reach *= 4 {
		reach = min(reach, eventReach)
		batch, err := s.cat.Latest(ctx, reach)
		if err != nil {
			return nil, err
		}
		var out []catalog.Event
		for _, e := range batch {
			if e.Table == id && len(out) < want {
				out = append(out, e)
			}
		}
		if len(out) == want || len(batch) < reach || reach == eventReach {
			return out, nil
		}
	}
}

func event(e catalog.Event) *firnv1.Event {
	out := &firnv1.Event{
		Position: e.Position, At: timestamppb.New(e.At), Kind: e.Kind, SnapshotId: e.SnapshotID,
		Operation: e.Operation, Actor: e.Actor, CommitId: e.CommitID, Summary: e.Summary,
	}
	if e.Table != uuid.Nil {
		out.Table, out.TableUuid = ref(e.Ident), e.Table.String()
	}
	return out
}
