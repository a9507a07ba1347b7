package writer_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlake/firn/catalog"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/writer"
)

func TestAppendIsCommittedWhenAcknowledged(t *testing.T) {
	overStores(t, appendIsCommittedWhenAcknowledged)
}

func appendIsCommittedWhenAcknowledged(t *testing.T, k *kit) {
	ack := k.mustAppend(arrowRows(rows(t, "a", 0, 10)))
	if ack.Rows != 10 || ack.SnapshotId == 0 {
		t.Fatalf("ack %v", ack)
	}
	head := k.load("events").CurrentSnapshot()
	if head == nil || head.SnapshotID != ack.SnapshotId || head.SequenceNumber != ack.SequenceNumber {
		t.Fatalf("head %v, ack %v", head, ack)
	}
	exactly(t, k.numbers(), "a", 10)
}

func TestFormatV3(t *testing.T) {
	k := newKit(t, nil)
	k.createTable("v3", 3)
	m := arrowRows(rows(t, "a", 0, 10))
	m.Table = &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "v3"}
	k.mustAppend(m)
	if n := k.scan("v3").NumRows(); n != 10 {
		t.Errorf("%d rows", n)
	}
}

func TestChannel(t *testing.T) { overStores(t, channel) }

func channel(t *testing.T, k *kit) {
	ch := k.open("c1")
	if ch.NextOffset != 0 {
		t.Fatalf("fresh channel at %d", ch.NextOffset)
	}
	send := func(epoch, offset uint64, n int) (*firnv1.AppendResponse, error) {
		m := arrowRows(rows(t, "c1", int(offset), n))
		m.Channel, m.Epoch, m.Offset, m.Token = "c1", epoch, offset, fmt.Sprint("t", offset)
		return k.append(m)
	}
	first, err := send(ch.Epoch, 0, 10)
	if err != nil || first.NextOffset != 10 {
		t.Fatalf("%v %v", first, err)
	}
	t.Run("duplicate", func(t *testing.T) {
		_, err := send(ch.Epoch, 0, 10)
		if code(err) != connect.CodeAlreadyExists {
			t.Fatal(err)
		}
		d := detail[*firnv1.AppendResponse](t, err)
		if !d.Duplicate || d.NextOffset != 10 || d.SnapshotId != first.SnapshotId || d.SequenceNumber != first.SequenceNumber || first.SequenceNumber == 0 {
			t.Errorf("detail %v, first ack %v", d, first)
		}
	})
	t.Run("gap", func(t *testing.T) {
		_, err := send(ch.Epoch, 20, 10)
		if code(err) != connect.CodeOutOfRange {
			t.Fatal(err)
		}
		if d := detail[*firnv1.ChannelState](t, err); d.NextOffset != 10 {
			t.Errorf("detail %v", d)
		}
	})
	t.Run("reopen fences", func(t *testing.T) {
		again := k.open("c1")
		if again.NextOffset != 10 || again.LastToken != "t0" || again.Epoch <= ch.Epoch {
			t.Fatalf("reopened %v", again)
		}
		_, err := send(ch.Epoch, 10, 10)
		if code(err) != connect.CodeFailedPrecondition {
			t.Fatal(err)
		}
		if d := detail[*firnv1.ChannelState](t, err); d.Epoch != again.Epoch || d.NextOffset != 10 {
			t.Errorf("detail %v", d)
		}
		if _, err := send(again.Epoch, 10, 10); err != nil {
			t.Error(err)
		}
	})
	t.Run("never opened", func(t *testing.T) {
		m := arrowRows(rows(t, "x", 0, 1))
		m.Channel, m.Epoch = "nobody", 1
		if _, err := k.append(m); code(err) != connect.CodeFailedPrecondition {
			t.Error(err)
		}
	})
	exactly(t, k.numbers(), "c1", 20)
	list, err := k.client.ListChannels(t.Context(), connect.NewRequest(&firnv1.ListChannelsRequest{Table: eventsRef}))
	if err != nil || len(list.Msg.Channels) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	c := list.Msg.Channels[0]
	if c.Channel != "c1" || c.NextOffset != 20 || c.Duplicates != 1 || c.LastToken != "t10" || c.Table.Name != "events" {
		t.Errorf("listed %v", c)
	}
}

func TestIdempotencyKey(t *testing.T) { overStores(t, idempotencyKey) }

func idempotencyKey(t *testing.T, k *kit) {
	m := func(who string) *firnv1.AppendRequest {
		m := arrowRows(rows(t, who, 0, 5))
		m.IdempotencyKey = "k1"
		return m
	}
	first := k.mustAppend(m("a"))
	again := k.mustAppend(m("a"))
	if !again.Duplicate || again.SnapshotId != first.SnapshotId || again.Rows != 5 {
		t.Errorf("again %v, first %v", again, first)
	}
	if _, err := k.append(m("b")); code(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "another request") {
		t.Errorf("the key for other rows: %v", err)
	}
	exactly(t, k.numbers(), "a", 5)
}

// TestThousandChannels sends from 1,000 channels at once, each batch twice,
// and finds every row once and few files.
func TestThousandChannels(t *testing.T) { overStores(t, thousandChannels) }

func thousandChannels(t *testing.T, k *kit) {
	channels, batches := 1000, 3
	if testing.Short() {
		channels = 200
	}
	var wg sync.WaitGroup
	for c := range channels {
		wg.Go(func() {
			name := fmt.Sprintf("c%04d", c)
			ch := k.open(name)
			for b := range batches {
				for range 2 {
					m := arrowRows(rows(t, "who", c*1000+b*2, 2))
					m.Channel, m.Epoch, m.Offset = name, ch.Epoch, uint64(b*2)
					for {
						_, err := k.append(m)
						if code(err) == connect.CodeResourceExhausted {
							time.Sleep(time.Duration(detail[*firnv1.RetryHint](t, err).RetryAfterMs) * time.Millisecond)
							continue
						}
						if err != nil && code(err) != connect.CodeAlreadyExists {
							t.Errorf("%s: %v", name, err)
						}
						break
					}
				}
			}
		})
	}
	wg.Wait()
	got := k.numbers()
	for c := range channels {
		for i := range batches * 2 {
			if n := got[fmt.Sprintf("who/%d", c*1000+i)]; n != 1 {
				t.Errorf("row %d of channel %d is there %d times", i, c, n)
			}
		}
	}
	if len(got) != channels*batches*2 {
		t.Errorf("%d rows, want %d", len(got), channels*batches*2)
	}
	files := k.load("events").CurrentSnapshot().Summary.Properties["total-data-files"]
	t.Logf("%d appends became %s files", channels*batches, files)
}

// TestOneBadChannelDoesNotFailOthers has three requests in one micro-batch: a
// good channel's, the same again, and one of a channel that is fenced between
// the check and the commit.
func TestOneBadChannelDoesNotFailOthers(t *testing.T) { overStores(t, oneBadChannelDoesNotFailOthers) }

func oneBadChannelDoesNotFailOthers(t *testing.T, k *kit) {
	good, bad := k.open("good"), k.open("bad")
	hold, entered := make(chan struct{}), make(chan struct{})
	c := &hooked{Catalog: k.catalog, before: func(call int, tx catalog.Transaction) {
		switch call {
		case 1:
			close(entered)
			<-hold
		case 2:
			if len(tx.Channels) != 2 {
				t.Errorf("the micro-batch advances %d channels, the test needs 2", len(tx.Channels))
			}
			k.open("bad")
		}
	}}
	s, err := writer.New(writer.Config{Catalog: c, Bucket: k.bucket, GroupWait: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	send := func(channel string, epoch uint64) error {
		m := arrowRows(rows(t, cmp.Or(channel, "first"), 0, 5))
		m.Channel, m.Epoch = channel, epoch
		_, err := s.Append(context.Background(), connect.NewRequest(m))
		return err
	}
	// The first commit is held, so that the others wait together.
	results := make([]error, 4)
	var wg sync.WaitGroup
	wg.Go(func() { results[0] = send("", 0) })
	<-entered
	wg.Go(func() { results[1] = send("good", good.Epoch) })
	wg.Go(func() { results[2] = send("good", good.Epoch) })
	wg.Go(func() { results[3] = send("bad", bad.Epoch) })
	for s.Waiting() < 3 {
		<-waited(1)
	}
	close(hold)
	wg.Wait()
	if results[0] != nil {
		t.Errorf("first: %v", results[0])
	}
	if results[1] != nil {
		results[1], results[2] = results[2], results[1]
	}
	if results[1] != nil || code(results[2]) != connect.CodeAlreadyExists {
		t.Errorf("good channel: %v; again: %v", results[1], results[2])
	} else if d := detail[*firnv1.AppendResponse](t, results[2]); d.NextOffset != 5 || d.SnapshotId == 0 {
		t.Errorf("again: %v", d)
	}
	if code(results[3]) != connect.CodeFailedPrecondition {
		t.Errorf("fenced channel: %v", results[3])
	}
	got := k.numbers()
	exactly(t, got, "first", 5)
	exactly(t, got, "good", 5)
	if len(got) != 10 {
		t.Errorf("%d rows, want 10: %v", len(got), got)
	}
}

// hooked runs a hook before each commit.
type hooked struct {
	*catalog.Catalog
	calls  atomic.Int64
	before func(call int, tx catalog.Transaction)
}

func (h *hooked) Commit(ctx context.Context, tx catalog.Transaction) (catalog.Committed, error) {
	h.before(int(h.calls.Add(1)), tx)
	return h.Catalog.Commit(ctx, tx)
}

func TestRowErrors(t *testing.T) { overStores(t, rowErrors) }

func rowErrors(t *testing.T, k *kit) {
	t.Run("json", func(t *testing.T) {
		_, err := k.append(jsonRows(`{"who":"a","n":1}
{"who":"a","n":"x"}

{"who":"a"}
{"who":"a","n":2,"amuont":"1.00"}
not json
{"who":"a","n":3,"amount":"1.001"}`))
		if code(err) != connect.CodeInvalidArgument {
			t.Fatal(err)
		}
		d := detail[*firnv1.RowErrors](t, err)
		want := []string{
			"1 n: is text; the column is long",
			"2 n: is required and must not be null",
			"3 amuont: the table has no such column (did you mean amount?)",
			"4 : not valid JSON at byte 0: unexpected 'n'",
			"5 amount: 1.001 is not exact in decimal(12,2), or out of its range",
		}
		var got []string
		for _, e := range d.Errors {
			got = append(got, fmt.Sprintf("%d %s: %s", e.Row, e.Column, e.Message))
		}
		if d.Total != 5 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("total %d\ngot  %q\nwant %q", d.Total, got, want)
		}
	})
	t.Run("arrow", func(t *testing.T) {
		_, err := k.append(&firnv1.AppendRequest{Table: eventsRef, Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: wrongColumns(t)}})
		if code(err) != connect.CodeInvalidArgument {
			t.Fatal(err)
		}
		d := detail[*firnv1.RowErrors](t, err)
		if len(d.Errors) != 2 || d.Errors[0].Column != "Who" || d.Errors[1].Column != "n" {
			t.Errorf("got %v", d)
		}
	})
	if n := len(k.numbers()); n != 0 {
		t.Errorf("%d rows were committed", n)
	}
}

func TestQuarantine(t *testing.T) { overStores(t, quarantine) }

func quarantine(t *testing.T, k *kit) {
	ch := k.open("c")
	m := jsonRows("{\"who\":\"a\",\"n\":0,\"amount\":1.25,\"at\":\"2026-01-31T12:00:00+01:00\"}\n{\"who\":\"a\",\"n\":1.5}\n{\"who\":null,\"n\":1}\n")
	m.Channel, m.Epoch, m.BadRows = "c", ch.Epoch, firnv1.BadRows_BAD_ROWS_QUARANTINE
	ack := k.mustAppend(m)
	if ack.Rows != 2 || ack.Quarantined != 1 || ack.NextOffset != 3 {
		t.Fatalf("ack %v", ack)
	}
	// All rows faulty: still one commit, and the channel goes on.
	m = jsonRows("{}")
	m.Channel, m.Epoch, m.Offset, m.BadRows = "c", ch.Epoch, 3, firnv1.BadRows_BAD_ROWS_QUARANTINE
	if ack = k.mustAppend(m); ack.Rows != 0 || ack.Quarantined != 1 || ack.NextOffset != 4 {
		t.Fatalf("ack %v", ack)
	}
	got := k.numbers()
	if len(got) != 2 || got["a/0"] != 1 || got["NULL/1"] != 1 {
		t.Errorf("rows %v", got)
	}
	side := k.scan("events__quarantine")
	if side.NumRows() != 2 {
		t.Fatalf("%d quarantined rows", side.NumRows())
	}
	var texts []string
	r := array.NewTableReader(side, 0)
	for r.Next() {
		b := r.RecordBatch()
		for i := range int(b.NumRows()) {
			texts = append(texts, fmt.Sprint(b.Column(0).ValueStr(i), b.Column(3).ValueStr(i), b.Column(8).ValueStr(i)))
		}
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{`n: 1.5 is not a whole number in the range of long`, "c:1", `{"who":"a","n":1.5}`, "c:3", "n: is required"} {
		if !strings.Contains(all, want) {
			t.Errorf("quarantine lacks %q:\n%s", want, all)
		}
	}
}

func TestBadRequests(t *testing.T) {
	k := newKit(t, func(c *writer.Config) { c.RequestBytes = 1 << 20 })
	good := rows(t, "a", 0, 1)
	for name, c := range map[string]struct {
		change func(*firnv1.AppendRequest)
		want   connect.Code
	}{
		"no table":               {func(m *firnv1.AppendRequest) { m.Table = nil }, connect.CodeInvalidArgument},
		"unknown table":          {func(m *firnv1.AppendRequest) { m.Table = &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "x"} }, connect.CodeNotFound},
		"hostile table":          {func(m *firnv1.AppendRequest) { m.Table = &firnv1.TableRef{Namespace: []string{"../.."}, Name: "\x00"} }, connect.CodeInvalidArgument},
		"no rows set":            {func(m *firnv1.AppendRequest) { m.Rows = nil }, connect.CodeInvalidArgument},
		"hostile channel":        {func(m *firnv1.AppendRequest) { m.Channel = "../x" }, connect.CodeInvalidArgument},
		"long channel":           {func(m *firnv1.AppendRequest) { m.Channel = strings.Repeat("x", 129) }, connect.CodeInvalidArgument},
		"offset without channel": {func(m *firnv1.AppendRequest) { m.Offset = 7 }, connect.CodeInvalidArgument},
		"channel and key":        {func(m *firnv1.AppendRequest) { m.Channel, m.IdempotencyKey = "c", "k" }, connect.CodeInvalidArgument},
		"long token":             {func(m *firnv1.AppendRequest) { m.Token = strings.Repeat("x", 2000) }, connect.CodeInvalidArgument},
		"long key":               {func(m *firnv1.AppendRequest) { m.IdempotencyKey = strings.Repeat("x", 300) }, connect.CodeInvalidArgument},
		"arrow with quarantine":  {func(m *firnv1.AppendRequest) { m.BadRows = firnv1.BadRows_BAD_ROWS_QUARANTINE }, connect.CodeInvalidArgument},
		"empty json":             {func(m *firnv1.AppendRequest) { m.Rows = &firnv1.AppendRequest_Ndjson{Ndjson: "\n \n"} }, connect.CodeInvalidArgument},
		"not arrow":              {func(m *firnv1.AppendRequest) { m.Rows = &firnv1.AppendRequest_ArrowIpc{ArrowIpc: []byte("hello")} }, connect.CodeInvalidArgument},
		"larger than the request": {func(m *firnv1.AppendRequest) {
			m.Rows = &firnv1.AppendRequest_Ndjson{Ndjson: strings.Repeat("x", 2<<20)}
		}, connect.CodeResourceExhausted},
	} {
		m := arrowRows(good)
		c.change(m)
		if _, err := k.append(m); code(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	k.mustAppend(arrowRows(good))
}

func TestPlainHTTP(t *testing.T) {
	k := newKit(t, nil)
	body := `{"table":{"namespace":["bronze"],"name":"events"},"ndjson":"{\"who\":\"curl\",\"n\":0}\n"}`
	res, err := http.Post(k.url+"/firn.v1.IngestService/Append", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 || !strings.Contains(string(text), `"rows":"1"`) {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	exactly(t, k.numbers(), "curl", 1)
}

func TestFlush(t *testing.T) { overStores(t, flush) }

func flush(t *testing.T, k *kit) {
	out, err := k.client.Flush(t.Context(), connect.NewRequest(&firnv1.FlushRequest{Table: eventsRef}))
	if err != nil || out.Msg.SnapshotId != 0 {
		t.Fatalf("flush of an empty table: %v %v", out, err)
	}
	ack := k.mustAppend(arrowRows(rows(t, "a", 0, 1)))
	out, err = k.client.Flush(t.Context(), connect.NewRequest(&firnv1.FlushRequest{Table: eventsRef}))
	if err != nil || out.Msg.SnapshotId != ack.SnapshotId {
		t.Fatalf("flush %v %v, ack %v", out, err, ack)
	}
}
