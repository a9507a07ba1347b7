package writer

import (
	"context"
	"crypto/sha256"
	"errors"
	"regexp"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/writer/intake"
)

const (
	maxToken = 1 << 10
	maxKey   = 256
	// ingestedAt is the column that the server fills with the time of arrival
	// when the table has it and the rows do not.
	ingestedAt = "_ingested_at"
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
	state, err := s.cfg.Catalog.Channel(ctx, r.table.ID, r.channel)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return errNotOpen(r.channel)
	case err != nil:
		return err
	case state.Epoch != r.epoch:
		return &catalog.ChannelError{Kind: catalog.ChannelFenced, State: state}
	case r.offset < state.NextOffset:
		return s.duplicate(state)
	}
	return nil
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
	if err = s.decode(r, m, received); err != nil {
		return err
	}
	s.metrics.received(wireBytes(m), r.good)
	m.Rows = nil
	for _, line := range r.bad {
		r.bytes += int64(len(line.Payload))
	}
	for _, b := range r.batches {
		r.bytes += parquet.BatchBytes(b)
	}
	// Rows are held as they are, and once more in the order of partitions and
	// encoded while their group is written.
	if err = h.resize(2 * r.bytes); err != nil {
		return err
	}
	r.hold = h
	return nil
}

func wireBytes(m *firnv1.AppendRequest) int {
	return len(m.GetArrowIpc()) + len(m.GetNdjson())
}

func (s *Service) decode(r *request, m *firnv1.AppendRequest, received time.Time) error {
	schema := r.table.Metadata.CurrentSchema()
	r.schemaID = schema.ID
	limits := intake.Limits{Memory: s.cfg.BatchMemory}
	if rows, ok := m.Rows.(*firnv1.AppendRequest_Ndjson); ok {
		return r.decodeJSON(rows.Ndjson, m.BadRows, received, limits)
	}
	rows, err := intake.DecodeArrow(m.GetArrowIpc(), limits)
	if err != nil {
		return err
	}
	defer rows.Release()
	if rows.Count == 0 {
		return invalid("the request has no rows")
	}
	conform, err := s.conformers.get(r.table, rows.Schema, s.cfg.BatchMemory)
	if err != nil {
		return err
	}
	faulty := &batchError{}
	for _, b := range rows.Batches {
		out, err := conform.Conform(b)
		if bad, ok := errors.AsType[*parquet.RowError](err); ok {
			faulty.add(bad, r.good)
			r.good += b.NumRows()
			continue
		}
		if err != nil {
			return err
		}
		filled, err := fillIngestedAt(out, rows.Schema, received)
		if err != nil {
			return err
		}
		r.batches = append(r.batches, filled)
		r.good += b.NumRows()
	}
	if faulty.total > 0 {
		return faulty
	}
	return nil
}

func (e *batchError) add(bad *parquet.RowError, before int64) {
	e.total += uint64(len(bad.Rows))
	for _, f := range bad.Faults {
		if len(e.faults) < parquet.MaxFaults {
			f.Row += before
			e.faults = append(e.faults, f)
		}
	}
}

func (r *request) decodeJSON(text string, mode firnv1.BadRows, received time.Time, limits intake.Limits) error {
	schema, err := parquet.ArrowSchema(r.table.Metadata.CurrentSchema())
	if err != nil {
		return err
	}
	fill := map[string]func(array.Builder){}
	if at := schema.FieldIndices(ingestedAt); len(at) == 1 && isInstant(schema.Field(at[0]).Type) {
		unit := schema.Field(at[0]).Type.(*arrow.TimestampType).Unit
		fill[ingestedAt] = func(b array.Builder) { b.(*array.TimestampBuilder).Append(instant(received, unit)) }
	}
	rows, err := intake.DecodeNDJSON(text, schema, fill, limits)
	if err != nil {
		return err
	}
	if rows.Bad > 0 && mode != firnv1.BadRows_BAD_ROWS_QUARANTINE {
		rows.Release()
		return &batchError{faults: rows.Faults, total: uint64(rows.Bad)}
	}
	if rows.Good+rows.Bad == 0 {
		return invalid("the request has no rows")
	}
	if rows.Batch != nil {
		r.batches = []arrow.RecordBatch{rows.Batch}
	}
	r.good, r.bad = rows.Good, rows.BadLines
	return nil
}

func isInstant(t arrow.DataType) bool {
	ts, ok := t.(*arrow.TimestampType)
	return ok && ts.TimeZone != ""
}

func instant(t time.Time, unit arrow.TimeUnit) arrow.Timestamp {
	if unit == arrow.Nanosecond {
		return arrow.Timestamp(t.UnixNano())
	}
	return arrow.Timestamp(t.UnixMicro())
}

// fillIngestedAt sets the time of arrival where the sender did not. It takes b
// over.
func fillIngestedAt(b arrow.RecordBatch, sent *arrow.Schema, received time.Time) (arrow.RecordBatch, error) {
	at := b.Schema().FieldIndices(ingestedAt)
	if len(at) != 1 || len(sent.FieldIndices(ingestedAt)) > 0 || !isInstant(b.Schema().Field(at[0]).Type) {
		return b, nil
	}
	defer b.Release()
	typ := b.Schema().Field(at[0]).Type.(*arrow.TimestampType)
	column := constantInstant(typ, instant(received, typ.Unit), int(b.NumRows()))
	defer column.Release()
	return b.SetColumn(at[0], column)
}

func constantInstant(typ *arrow.TimestampType, v arrow.Timestamp, n int) arrow.Array {
	b := array.NewTimestampBuilder(memory.DefaultAllocator, typ)
	defer b.Release()
	b.Reserve(n)
	for range n {
		b.UnsafeAppend(v)
	}
	return b.NewArray()
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
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
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
	s.mu.Lock()
	c := s.collectors[t.ID]
	if c != nil && s.draining {
		c = nil
	}
	var marker *request
	if c != nil {
		marker = c.mark()
	}
	s.mu.Unlock()
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
