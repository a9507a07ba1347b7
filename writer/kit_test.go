package writer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"google.golang.org/protobuf/proto"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/writer"
)

// kit is a writer over a real catalog and a real bucket, behind real HTTP.
type kit struct {
	t       testing.TB
	store   *faultyStore
	catalog *catalog.Catalog
	bucket  *objstore.Bucket
	service *writer.Service
	client  firnv1connect.IngestServiceClient
	url     string
	// drain ends the service and waits.
	drain func()
}

var eventsRef = &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "events"}

// kitConfig is what a kit stands on; the zero value is a store in memory and a
// fresh bucket.
type kitConfig struct {
	store  catalog.Store
	bucket *objstore.Bucket
	writer func(*writer.Config)
}

func newKit(t testing.TB, change func(*writer.Config)) *kit {
	t.Helper()
	return newKitOn(t, kitConfig{writer: change})
}

func newKitOn(t testing.TB, on kitConfig) *kit {
	t.Helper()
	if on.store == nil {
		on.store = memstore.New()
	}
	if on.bucket == nil {
		on.bucket = objstoretest.New(t)
	}
	k := &kit{t: t, store: &faultyStore{Store: on.store}, bucket: on.bucket}
	c, err := catalog.New(catalog.Config{Store: k.store, Bucket: k.bucket, MaxSnapshots: 50})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	k.catalog = c
	if err := c.EnsureNamespace(t.Context(), catalog.Namespace{"bronze"}); err != nil {
		t.Fatal(err)
	}
	k.createTable("events", 2)
	cfg := writer.Config{Catalog: c, Bucket: k.bucket}
	if on.writer != nil {
		on.writer(&cfg)
	}
	if k.service, err = writer.New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.service.Run(ctx) }()
	var ended atomic.Bool
	k.drain = func() {
		if ended.CompareAndSwap(false, true) {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle(k.service.Handler())
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	k.url = server.URL
	t.Cleanup(func() { k.drain(); server.Close() })
	k.client = firnv1connect.NewIngestServiceClient(server.Client(), server.URL)
	return k
}

func eventsSchema() *iceberg.Schema {
	p := iceberg.PrimitiveTypes
	return iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "who", Type: p.String},
		iceberg.NestedField{ID: 2, Name: "n", Type: p.Int64, Required: true},
		iceberg.NestedField{ID: 3, Name: "amount", Type: iceberg.DecimalTypeOf(12, 2)},
		iceberg.NestedField{ID: 4, Name: "at", Type: p.TimestampTz},
		iceberg.NestedField{ID: 5, Name: "_ingested_at", Type: p.TimestampTz, Required: true},
	)
}

func (k *kit) createTable(name string, format int) *catalog.Table {
	k.t.Helper()
	spec := iceberg.NewPartitionSpec(iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "who", Transform: iceberg.IdentityTransform{}})
	t, err := k.catalog.CreateTable(context.Background(), catalog.NewTable{
		Ident: catalog.Ident{Namespace: catalog.Namespace{"bronze"}, Name: name}, Schema: eventsSchema(), Spec: &spec,
		Properties: iceberg.Properties{"format-version": fmt.Sprint(format)},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return t
}

// rows encodes n rows of one contributor, numbered from first, as Arrow IPC.
func rows(t testing.TB, who string, first, n int) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "who", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "n", Type: arrow.PrimitiveTypes.Int32},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range n {
		b.Field(0).(*array.StringBuilder).Append(who)
		b.Field(1).(*array.Int32Builder).Append(int32(first + i))
	}
	return stream(t, b.NewRecordBatch())
}

func stream(t testing.TB, batches ...arrow.RecordBatch) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(batches[0].Schema()))
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func arrowRows(data []byte) *firnv1.AppendRequest {
	return &firnv1.AppendRequest{Table: eventsRef, Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: data}}
}

func jsonRows(text string) *firnv1.AppendRequest {
	return &firnv1.AppendRequest{Table: eventsRef, Rows: &firnv1.AppendRequest_Ndjson{Ndjson: text}}
}

func (k *kit) open(channel string) *firnv1.OpenChannelResponse {
	k.t.Helper()
	out, err := k.client.OpenChannel(context.Background(), connect.NewRequest(&firnv1.OpenChannelRequest{Table: eventsRef, Channel: channel}))
	if err != nil {
		k.t.Fatalf("open channel %s: %v", channel, err)
	}
	return out.Msg
}

func (k *kit) append(m *firnv1.AppendRequest) (*firnv1.AppendResponse, error) {
	out, err := k.client.Append(context.Background(), connect.NewRequest(m))
	if err != nil {
		return nil, err
	}
	return out.Msg, nil
}

func (k *kit) mustAppend(m *firnv1.AppendRequest) *firnv1.AppendResponse {
	k.t.Helper()
	out, err := k.append(m)
	if err != nil {
		k.t.Fatalf("append: %v", err)
	}
	return out
}

// scan reads a table back the way a stranger does: iceberg-go from the bucket.
func (k *kit) scan(name string) arrow.Table {
	k.t.Helper()
	t := k.load(name)
	fs := func(context.Context) (iceio.IO, error) { return k.bucket.FileIO(), nil }
	ice, err := table.NewFromLocation(context.Background(), []string{"bronze", name}, t.MetadataLocation, fs, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	out, err := ice.Scan().ToArrowTable(context.Background())
	if err != nil {
		k.t.Fatalf("scan %s: %v", name, err)
	}
	return out
}

func (k *kit) load(name string) *catalog.Table {
	k.t.Helper()
	t, err := k.catalog.LoadTable(context.Background(), catalog.Ident{Namespace: catalog.Namespace{"bronze"}, Name: name})
	if err != nil {
		k.t.Fatal(err)
	}
	return t
}

// numbers counts how often each (who, n) is in the events table.
func (k *kit) numbers() map[string]int {
	k.t.Helper()
	out := map[string]int{}
	if k.load("events").CurrentSnapshot() == nil {
		return out
	}
	tbl := k.scan("events")
	r := array.NewTableReader(tbl, 0)
	defer r.Release()
	for r.Next() {
		b := r.RecordBatch()
		who, n := b.Column(0), b.Column(1).(*array.Int64)
		for i := range int(b.NumRows()) {
			name := "NULL"
			if who.IsValid(i) {
				name = who.ValueStr(i)
			}
			out[fmt.Sprintf("%s/%d", name, n.Value(i))]++
		}
		at := b.Column(4)
		if at.NullN() > 0 {
			k.t.Error("_ingested_at is null")
		}
	}
	return out
}

// exactly checks that each row of who from first on is there once, and nothing
// else of who.
func exactly(t testing.TB, got map[string]int, who string, n int) {
	t.Helper()
	for i := range n {
		if c := got[fmt.Sprintf("%s/%d", who, i)]; c != 1 {
			t.Errorf("row %s/%d is there %d times", who, i, c)
		}
	}
}

func code(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}

// detail finds the first error detail of m's type.
func detail[T proto.Message](t testing.TB, err error) T {
	t.Helper()
	var zero T
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		t.Fatalf("%v is no connect error", err)
	}
	for _, d := range e.Details() {
		v, err := d.Value()
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := v.(T); ok {
			return m
		}
	}
	t.Fatalf("%v has no %T detail", err, zero)
	return zero
}

func asConnect(err error) *connect.Error {
	e, _ := errors.AsType[*connect.Error](err)
	return e
}

func rowName(who string, n int) string { return fmt.Sprintf("%s/%d", who, n) }

func waited(ms int) <-chan time.Time { return time.After(time.Duration(ms) * time.Millisecond) }

func httpClient() *http.Client { return &http.Client{} }
