package writer_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/writer"
)

func wrongColumns(t testing.TB) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "Who", Type: arrow.BinaryTypes.String}, {Name: "n", Type: arrow.PrimitiveTypes.Float64}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	b.Field(0).(*array.StringBuilder).Append("a")
	b.Field(1).(*array.Float64Builder).Append(1)
	return stream(t, b.NewRecordBatch())
}

// stall holds commits until release is called.
func (k *kit) stall() (entered <-chan struct{}, release func()) {
	hold, in := make(chan struct{}), make(chan struct{}, 100)
	k.store.InjectApply(func(b catalog.Batch) memstore.Fault {
		if touchesTable(b) {
			in <- struct{}{}
			<-hold
		}
		return memstore.Fault{}
	})
	var once sync.Once
	release = func() { once.Do(func() { close(hold) }) }
	k.t.Cleanup(release)
	return in, release
}

// TestBackpressure: while commits stall, what does not fit into the budget is
// refused with a hint, and succeeds later.
func TestBackpressure(t *testing.T) {
	k := newKit(t, func(c *writer.Config) { c.MemoryBytes, c.ContributorBytes = 4<<20, 4<<20 })
	entered, release := k.stall()
	var wg sync.WaitGroup
	var acked sync.Map
	send := func(i int) error {
		_, err := k.append(arrowRows(rows(t, "a", i*20_000, 20_000)))
		return err
	}
	wg.Go(func() {
		if err := send(0); err != nil {
			t.Error(err)
		}
		acked.Store(0, true)
	})
	<-entered
	var refused *connect.Error
	for i := 1; i < 50 && refused == nil; i++ {
		results := make(chan error, 1)
		wg.Go(func() {
			err := send(i)
			results <- err
			if err == nil {
				acked.Store(i, true)
			}
		})
		select {
		case err := <-results:
			if code(err) != connect.CodeResourceExhausted {
				t.Fatalf("got %v", err)
			}
			if d := detail[*firnv1.RetryHint](t, err); d.RetryAfterMs == 0 {
				t.Error("no hint")
			}
			e := asConnect(err)
			if e.Meta().Get("Retry-After") == "" {
				t.Error("no Retry-After header")
			}
			refused = e
		case <-waited(50):
		}
	}
	if refused == nil {
		t.Fatal("nothing was refused")
	}
	release()
	wg.Wait()
	if err := send(60); err != nil {
		t.Errorf("after the stall: %v", err)
	}
	got := k.numbers()
	acked.Range(func(i, _ any) bool {
		for n := range 20_000 {
			if got[rowName("a", i.(int)*20_000+n)] != 1 {
				t.Errorf("acknowledged row %d is not there once", i.(int)*20_000+n)
				return false
			}
		}
		return true
	})
}

func TestContributorQuota(t *testing.T) {
	k := newKit(t, func(c *writer.Config) { c.ContributorBytes = 256 << 10 })
	noisy, quiet := k.open("noisy"), k.open("quiet")
	m := arrowRows(rows(t, "noisy", 0, 100_000))
	m.Channel, m.Epoch = "noisy", noisy.Epoch
	if _, err := k.append(m); code(err) != connect.CodeResourceExhausted {
		t.Errorf("noisy: %v", err)
	}
	m = arrowRows(rows(t, "quiet", 0, 10))
	m.Channel, m.Epoch = "quiet", quiet.Epoch
	if _, err := k.append(m); err != nil {
		t.Errorf("quiet: %v", err)
	}
}

// TestDrain: what was accepted before the end is committed and answered; what
// comes after is refused.
func TestDrain(t *testing.T) { overStores(t, drain) }

func drain(t *testing.T, k *kit) {
	entered, release := k.stall()
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if _, err := k.append(arrowRows(rows(t, "a", i*10, 10))); err != nil {
				t.Errorf("append %d: %v", i, err)
			}
		})
		if i == 0 {
			<-entered
		}
	}
	for k.service.Waiting() < 4 {
		<-waited(1)
	}
	drained := make(chan struct{})
	go func() { k.drain(); close(drained) }()
	for !k.service.Draining() {
		<-waited(1)
	}
	if _, err := k.append(arrowRows(rows(t, "late", 0, 1))); code(err) != connect.CodeUnavailable {
		t.Errorf("late append: %v", err)
	}
	// What waits is not committed yet, so that is no answer.
	if _, err := k.client.Flush(t.Context(), connect.NewRequest(&firnv1.FlushRequest{Table: eventsRef})); code(err) != connect.CodeUnavailable {
		t.Errorf("late flush: %v", err)
	}
	select {
	case <-drained:
		t.Error("drained while a commit was held")
	default:
	}
	release()
	<-drained
	wg.Wait()
	exactly(t, k.numbers(), "a", 50)
}

// TestCompressionBombs: a small body must not cost a large one's memory.
func TestCompressionBombs(t *testing.T) {
	k := newKit(t, nil)
	for _, opt := range []connect.ClientOption{connect.WithSendGzip()} {
		c := firnv1connect.NewIngestServiceClient(httpClient(), k.url, opt)
		bomb := &firnv1.AppendRequest{Table: eventsRef, Rows: &firnv1.AppendRequest_Ndjson{Ndjson: string(bytes.Repeat([]byte{' '}, 60<<20))}}
		_, err := c.Append(context.Background(), connect.NewRequest(bomb))
		if got := code(err); got != connect.CodeResourceExhausted && got != connect.CodeInvalidArgument {
			t.Errorf("bomb: %v", err)
		}
		if err == nil || k.service.HeldBytes() != 0 {
			t.Errorf("%d bytes are still held", k.service.HeldBytes())
		}
		good := arrowRows(rows(t, "gz", 0, 100))
		if _, err := c.Append(context.Background(), connect.NewRequest(good)); err != nil {
			t.Errorf("gzip: %v", err)
		}
	}
}
