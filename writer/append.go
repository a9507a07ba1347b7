package writer

import (
	"context"
	"crypto/sha256"
	"regexp"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

const (
	maxToken = 1 << 10
	maxKey   = 256
)

var channelName = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// Append implements the IngestService.
func (s *Service) Append(ctx context.Context, req *connect.Request[firnv1.AppendRequest]) (*connect.Response[firnv1.AppendResponse], error) {
	answer, err := s.append(ctx, req.Msg)
	if err != nil {
		return nil, s.rpcError(ctx, "append", err)
	}
	return connect.NewResponse(answer), nil
}

func (s *Service) append(ctx context.Context, m *firnv1.AppendRequest) (*firnv1.AppendResponse, error) {
	received := s.cfg.Now()
	if err := checkAppend(m); err != nil {
		return nil, err
	}
	t, err := s.loadTable(ctx, m.Table)
	if err != nil {
		return nil, err
	}
	r := &request{
		table: t, channel: m.Channel, epoch: m.Epoch, offset: m.Offset, token: m.Token,
		received: time.Now(), done: make(chan outcome, 1),
	}
	if err := s.precheck(ctx, r); err != nil {
		return nil, err
	}
	if m.IdempotencyKey != "" {
		r.key = idempotencyOf(t.ID, m)
	}
	if err := s.admit(ctx, r, m, received); err != nil {
		return nil, err
	}
	if err := s.submit(r); err != nil {
		r.finish(nil, err)
	}
	select {
	case out := <-r.done:
		return out.answer, out.err
	case <-ctx.Done():
		// The rows are on their way all the same; sending them again with the
		// same offset or key finds out.
		return nil, context.Cause(ctx)
	}
}

func checkAppend(m *firnv1.AppendRequest) error {
	switch {
	case m.Channel != "" && !channelName.MatchString(m.Channel):
		return invalid("a channel name is 1 to 128 characters of A-Z a-z 0-9 . _ : -")
	case m.Channel == "" && (m.Offset != 0 || m.Epoch != 0):
		return invalid("offset and epoch belong to a channel; name the channel")
	case m.Channel != "" && m.IdempotencyKey != "":
		return invalid("send either a channel with an offset or an idempotency key: the offset already makes the append safe to repeat")
	case len(m.Token) > maxToken:
		return invalid("the token has %d bytes; the most is %d", len(m.Token), maxToken)
	case len(m.IdempotencyKey) > maxKey:
		return invalid("the idempotency key has %d bytes; the most is %d", len(m.IdempotencyKey), maxKey)
	case m.Rows == nil:
		return invalid("the request has no rows: set arrow_ipc or ndjson")
	}
	if _, arrow := m.Rows.(*firnv1.AppendRequest_ArrowIpc); arrow && m.BadRows == firnv1.BadRows_BAD_ROWS_QUARANTINE {
		return invalid("faulty rows can be quarantined from ndjson only: Arrow rows have their types already")
	}
	return nil
}

func (s *Service) loadTable(ctx context.Context, ref *firnv1.TableRef) (*catalog.Table, error) {
	ident := catalog.Ident{Namespace: ref.GetNamespace(), Name: ref.GetName()}
	if err := ident.Validate(); err != nil {
		return nil, err
	}
	return s.cfg.Catalog.LoadTable(ctx, ident)
}

// precheck answers repeats and fenced clients before any work is done for
// them. The committer decides; this only saves effort.
func (s *Service) precheck(ctx context.Context, r *request) error {
	if r.channel == "" {
		return nil
	}
	state, err := s.channel(ctx, r.table.ID, r.channel)
	if err != nil {
		return err
	}
	if r.epoch == state.Epoch && r.offset >= state.NextOffset {
		return nil // what is missing before the rows may be under way
	}
	return s.standing(r, state)
}

func idempotencyOf(id uuid.UUID, m *firnv1.AppendRequest) *catalog.IdempotencyKey {
	h := sha256.New()
	h.Write([]byte{byte(m.BadRows)})
	switch rows := m.Rows.(type) {
	case *firnv1.AppendRequest_ArrowIpc:
		h.Write([]byte("arrow\x00"))
		h.Write(rows.ArrowIpc)
	case *firnv1.AppendRequest_Ndjson:
		h.Write([]byte("ndjson\x00"))
		h.Write([]byte(rows.Ndjson))
	}
	return &catalog.IdempotencyKey{Scope: "ingest/" + id.String(), Key: m.IdempotencyKey, RequestHash: [32]byte(h.Sum(nil))}
}

// perDecoded is what a byte of decoded rows costs until it is committed: rows
// are held as they are, and once more in the order of partitions and encoded
// while their group is written.
const perDecoded = 2

// admit decodes and checks the rows and reserves memory for them. On an error
// nothing is held.
func (s *Service) admit(ctx context.Context, r *request, m *firnv1.AppendRequest, received time.Time) (err error) {
	h := &hold{b: s.budget}
	// The reservation for the request's body becomes one for its rows.
	if body, ok := ctx.Value(holdKey{}).(*hold); ok {
		h = body.handOver()
	}
	defer func() {
		if err != nil {
			s.metrics.refuse(err)
			for _, b := range r.batches {
				b.Release()
			}
			r.batches = nil
			h.release()
		}
	}()
	if err = h.resize(perByte * int64(wireBytes(m))); err != nil {
		return err
	}
	if err = h.charge(r.table.ID.String() + "/" + r.channel); err != nil {
		return err
	}
	if err = s.decode(r, m, received, h); err != nil {
		return err
	}
	s.metrics.received(wireBytes(m), r.good)
	m.Rows = nil
	for _, line := range r.bad {
		r.bytes += line.Bytes()
	}
	for _, b := range r.batches {
		r.bytes += parquet.BatchBytes(b)
	}
	if err = h.resize(perDecoded * r.bytes); err != nil {
		return err
	}
	r.hold = h
	return nil
}

func wireBytes(m *firnv1.AppendRequest) int {
	return len(m.GetArrowIpc()) + len(m.GetNdjson())
}

// submit hands the request to its table's micro-batches, or commits it by
// itself when it has an idempotency key: a transaction has one key.
func (s *Service) submit(r *request) error {
	if r.key == nil {
		return s.enqueue(r)
	}
	if !s.begin() {
		return errDraining
	}
	go func() {
		defer s.working.Done()
		s.solo <- struct{}{}
		defer func() { <-s.solo }()
		ctx, cancel := s.commitContext()
		defer cancel()
		s.commitGroup(ctx, s.prepare(ctx, r.table.ID, []*request{r}, newPositions()))
	}()
	return nil
}

// Flush implements the IngestService.
func (s *Service) Flush(ctx context.Context, req *connect.Request[firnv1.FlushRequest]) (*connect.Response[firnv1.FlushResponse], error) {
	t, err := s.loadTable(ctx, req.Msg.Table)
	if err != nil {
		return nil, s.rpcError(ctx, "flush", err)
	}
	marker, err := s.mark(t.ID)
	if err != nil {
		return nil, s.rpcError(ctx, "flush", err)
	}
	if marker != nil {
		select {
		case <-marker.done:
		case <-ctx.Done():
			return nil, s.rpcError(ctx, "flush", context.Cause(ctx))
		}
	}
	if t, err = s.cfg.Catalog.LoadTableID(ctx, t.ID); err != nil {
		return nil, s.rpcError(ctx, "flush", err)
	}
	out := &firnv1.FlushResponse{}
	if head := t.CurrentSnapshot(); head != nil {
		out.SnapshotId = head.SnapshotID
	}
	return connect.NewResponse(out), nil
}
