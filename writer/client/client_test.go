package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/writer/client"
)

// ledger is a server that keeps one channel's rows, with the semantics of the
// IngestService, and goes wrong as told.
type ledger struct {
	firnv1connect.IngestServiceClient
	epoch uint64
	rows  []string
	token string
	// fault is asked before each append; after tells to apply it first.
	fault func(call int) (err error, after bool)
	calls int
	keys  map[string]bool
}

func (l *ledger) OpenChannel(context.Context, *connect.Request[firnv1.OpenChannelRequest]) (*connect.Response[firnv1.OpenChannelResponse], error) {
	l.epoch++
	return connect.NewResponse(&firnv1.OpenChannelResponse{Epoch: l.epoch, NextOffset: uint64(len(l.rows)), LastToken: l.token}), nil
}

func (l *ledger) Append(_ context.Context, req *connect.Request[firnv1.AppendRequest]) (*connect.Response[firnv1.AppendResponse], error) {
	l.calls++
	var fault error
	after := false
	if l.fault != nil {
		fault, after = l.fault(l.calls)
	}
	if fault != nil && !after {
		return nil, fault
	}
	out, err := l.apply(req.Msg)
	if fault != nil {
		return nil, fault
	}
	return out, err
}

func (l *ledger) apply(m *firnv1.AppendRequest) (*connect.Response[firnv1.AppendResponse], error) {
	rows := rowsOf(m)
	if m.IdempotencyKey != "" {
		if l.keys[m.IdempotencyKey] {
			return connect.NewResponse(&firnv1.AppendResponse{Rows: uint64(len(rows)), Duplicate: true}), nil
		}
		l.keys[m.IdempotencyKey] = true
	} else {
		state := &firnv1.ChannelState{Epoch: l.epoch, NextOffset: uint64(len(l.rows))}
		switch {
		case m.Epoch != l.epoch:
			return nil, failed(connect.CodeFailedPrecondition, state)
		case m.Offset < uint64(len(l.rows)):
			return nil, failed(connect.CodeAlreadyExists, &firnv1.AppendResponse{NextOffset: uint64(len(l.rows)), Duplicate: true})
		case m.Offset > uint64(len(l.rows)):
			return nil, failed(connect.CodeOutOfRange, state)
		}
	}
	l.rows = append(l.rows, rows...)
	l.token = m.Token
	return connect.NewResponse(&firnv1.AppendResponse{Rows: uint64(len(rows)), NextOffset: uint64(len(l.rows))}), nil
}

func failed(code connect.Code, d proto.Message) error {
	e := connect.NewError(code, errors.New("refused"))
	detail, _ := connect.NewErrorDetail(d)
	e.AddDetail(detail)
	return e
}

func rowsOf(m *firnv1.AppendRequest) []string {
	if text := m.GetNdjson(); text != "" {
		return strings.Split(text, "\n")
	}
	var out []string
	r, err := ipc.NewReader(strings.NewReader(string(m.GetArrowIpc())))
	if err != nil {
		panic(err)
	}
	for r.Next() {
		col := r.RecordBatch().Column(0)
		for i := range col.Len() {
			out = append(out, col.ValueStr(i))
		}
	}
	return out
}

func open(t *testing.T, l *ledger, change func(*client.Config)) *client.Client {
	t.Helper()
	l.keys = map[string]bool{}
	cfg := client.Config{Ingest: l, Table: &firnv1.TableRef{Namespace: []string{"a"}, Name: "b"}, Channel: "c", BatchRows: 10, Patience: time.Minute}
	if change != nil {
		change(&cfg)
	}
	c, err := client.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func numbers(n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil))
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
	}
	return b.NewRecordBatch()
}

func source(batches ...arrow.RecordBatch) func(func(arrow.RecordBatch, error) bool) {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, b := range batches {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func check(t *testing.T, l *ledger, n int) {
	t.Helper()
	if len(l.rows) != n {
		t.Fatalf("%d rows, want %d", len(l.rows), n)
	}
	for i, r := range l.rows {
		if r != fmt.Sprint(i) {
			t.Fatalf("row %d is %s", i, r)
		}
	}
}

// TestRetries: whatever goes wrong, before or after the rows landed, they are
// there once, in order.
func TestRetries(t *testing.T) {
	for name, fault := range map[string]func(int) (error, bool){
		"none": nil,
		"busy": func(n int) (error, bool) {
			if n%3 != 0 {
				return failed(connect.CodeResourceExhausted, &firnv1.RetryHint{RetryAfterMs: 1}), false
			}
			return nil, false
		},
		"lost answers": func(n int) (error, bool) {
			if n%2 == 1 {
				return connect.NewError(connect.CodeUnavailable, errors.New("gone")), true
			}
			return nil, false
		},
		"lost requests": func(n int) (error, bool) {
			if n%2 == 1 {
				return connect.NewError(connect.CodeUnknown, errors.New("gone")), false
			}
			return nil, false
		},
	} {
		for _, compress := range []bool{false, true} {
			l := &ledger{fault: fault}
			c := open(t, l, func(c *client.Config) { c.Compress = compress })
			stats, err := c.IngestRecords(t.Context(), source(numbers(45)), nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			check(t, l, 45)
			if c.NextOffset() != 45 || (fault != nil && stats.Retries == 0) {
				t.Errorf("%s: offset %d, stats %+v", name, c.NextOffset(), stats)
			}
		}
	}
}

func TestResume(t *testing.T) {
	l := &ledger{}
	c := open(t, l, nil)
	if _, err := c.IngestRecords(t.Context(), source(numbers(25)), nil); err != nil {
		t.Fatal(err)
	}
	// A restarted sender with the whole source sends only the rest.
	c = open(t, l, nil)
	stats, err := c.IngestRecords(t.Context(), source(numbers(40)), nil)
	if err != nil || stats.Skipped != 25 || stats.Rows != 15 {
		t.Fatalf("%+v %v", stats, err)
	}
	check(t, l, 40)
	if _, err := open(t, l, nil).IngestRecords(t.Context(), source(numbers(5)), nil); err == nil || !strings.Contains(err.Error(), "35 rows more than the source") {
		t.Errorf("shorter source: %v", err)
	}
}

// TestOtherCuts: a batch of which the server has a part is sent in part.
func TestOtherCuts(t *testing.T) {
	l := &ledger{}
	c := open(t, l, nil)
	for i := range 7 {
		l.rows = append(l.rows, fmt.Sprint(i))
	}
	if ack, err := c.SendArrow(t.Context(), numbers(12), "tok"); err != nil || ack.Rows != 5 || ack.NextOffset != 12 {
		t.Fatalf("%+v %v", ack, err)
	}
	check(t, l, 12)
	if l.token != "tok" || c.Token() != "tok" {
		t.Errorf("token %q", l.token)
	}
}

func TestFencedAndGap(t *testing.T) {
	l := &ledger{}
	c := open(t, l, nil)
	other := open(t, l, nil)
	if _, err := c.SendLines(t.Context(), []string{"0"}, ""); !errors.Is(err, client.ErrFenced) {
		t.Fatalf("got %v", err)
	}
	if _, err := other.SendLines(t.Context(), []string{"0"}, ""); err != nil {
		t.Fatal(err)
	}
	if err := c.Reopen(t.Context()); err != nil || c.NextOffset() != 1 {
		t.Fatalf("reopen: %v, offset %d", err, c.NextOffset())
	}
	l.rows = nil // a server that lost rows must not be papered over
	var gap *client.GapError
	if _, err := c.SendLines(t.Context(), []string{"1"}, ""); !errors.As(err, &gap) || gap.NextOffset != 0 {
		t.Errorf("got %v", err)
	}
}

func TestGivesUp(t *testing.T) {
	l := &ledger{fault: func(int) (error, bool) { return connect.NewError(connect.CodeUnavailable, errors.New("down")), false }}
	retries := 0
	c := open(t, l, func(c *client.Config) {
		c.Patience = 100 * time.Millisecond
		c.OnRetry = func(client.Retry) { retries++ }
	})
	if _, err := c.SendLines(t.Context(), []string{"0"}, ""); err == nil || !strings.Contains(err.Error(), "gave up") || retries == 0 {
		t.Errorf("got %v after %d retries", err, retries)
	}
	l.fault = func(int) (error, bool) {
		return failed(connect.CodeInvalidArgument, &firnv1.RowErrors{Total: 3}), false
	}
	if _, err := c.SendLines(t.Context(), []string{"0"}, ""); client.RowErrors(err).GetTotal() != 3 {
		t.Errorf("got %v", err)
	}
}

func TestLines(t *testing.T) {
	l := &ledger{}
	c := open(t, l, func(c *client.Config) { c.Channel = "" })
	var text strings.Builder
	for i := range 33 {
		fmt.Fprintf(&text, "%d\r\n\n", i)
	}
	l.fault = func(n int) (error, bool) {
		if n == 2 {
			return connect.NewError(connect.CodeUnavailable, errors.New("gone")), true
		}
		return nil, false
	}
	stats, err := c.IngestLines(t.Context(), strings.NewReader(text.String()), nil)
	if err != nil || stats.Rows != 33 || stats.Batches != 4 || stats.Duplicates != 1 {
		t.Fatalf("%+v %v", stats, err)
	}
	check(t, l, 33)
}

// The wait between attempts doubles up to MaxWait, and half of it more by
// chance.
func TestMaxWaitBoundsTheWait(t *testing.T) {
	l := &ledger{fault: func(call int) (error, bool) {
		if call <= 8 {
			return connect.NewError(connect.CodeUnavailable, errors.New("down")), false
		}
		return nil, false
	}}
	var waits []time.Duration
	c := open(t, l, func(cfg *client.Config) {
		cfg.MaxWait = 60 * time.Millisecond
		cfg.OnRetry = func(r client.Retry) { waits = append(waits, r.Wait) }
	})
	if _, err := c.SendLines(t.Context(), []string{`{"id":1}`}, ""); err != nil {
		t.Fatal(err)
	}
	if len(waits) != 8 {
		t.Fatalf("%d waits", len(waits))
	}
	for _, w := range waits {
		if w < 50*time.Millisecond || w > 91*time.Millisecond {
			t.Fatalf("waited %s", w)
		}
	}
}
