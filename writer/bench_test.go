package writer_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// invoiceLines makes rows like those of a retail feed: a contributor, numbers,
// repetitive and free text.
func invoiceLines(contributor string, first, n int) arrow.RecordBatch {
	s := arrow.BinaryTypes.String
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "contributor", Type: s},
		{Name: "row_no", Type: arrow.PrimitiveTypes.Int64},
		{Name: "invoice_no", Type: s},
		{Name: "stock_code", Type: s},
		{Name: "description", Type: s},
		{Name: "quantity", Type: arrow.PrimitiveTypes.Int64},
		{Name: "invoice_date", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
		{Name: "unit_price", Type: arrow.PrimitiveTypes.Float64},
		{Name: "customer_id", Type: arrow.PrimitiveTypes.Float64},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	text := func(i int, v string) { b.Field(i).(*array.StringBuilder).Append(v) }
	for i := first; i < first+n; i++ {
		text(0, contributor)
		b.Field(1).(*array.Int64Builder).Append(int64(i))
		text(2, fmt.Sprint(536365+i/21))
		text(3, fmt.Sprintf("%05d%c", 10000+(i*7919)%4000, 'A'+i%3))
		text(4, fmt.Sprintf("SET OF %d WHITE HANGING HEART T-LIGHT HOLDER %d", i%12, (i*7919)%4000))
		b.Field(5).(*array.Int64Builder).Append(int64(i * 31 % 200))
		b.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(1291190000000000 + int64(i/21)*60000000))
		b.Field(7).(*array.Float64Builder).Append(float64(i*17%1000) / 100)
		b.Field(8).(*array.Float64Builder).Append(float64(12346 + i/40%4000))
	}
	return b.NewRecordBatch()
}

func invoiceSchema() *iceberg.Schema {
	p := iceberg.PrimitiveTypes
	f := func(id int, name string, t iceberg.Type) iceberg.NestedField {
		return iceberg.NestedField{ID: id, Name: name, Type: t}
	}
	return iceberg.NewSchema(0, f(1, "contributor", p.String), f(2, "row_no", p.Int64), f(3, "invoice_no", p.String),
		f(4, "stock_code", p.String), f(5, "description", p.String), f(6, "quantity", p.Int64), f(7, "invoice_date", p.Timestamp),
		f(8, "unit_price", p.Float64), f(9, "customer_id", p.Float64), f(10, "_ingested_at", p.TimestampTz))
}

// bareEncode is the peer: a stock arrow-go Parquet encode of the same batches
// to memory, with arrow-go's own defaults and zstd.
func bareEncode(b testing.TB, batches []arrow.RecordBatch) {
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(batches[0].Schema(), &buf,
		pq.NewWriterProperties(pq.WithCompression(compress.Codecs.Zstd), pq.WithCompressionLevel(1)), pqarrow.DefaultWriterProps())
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range batches {
		if err := w.WriteBuffered(batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkIngest measures rows from client to committed, over HTTP, beside a
// bare encode of the same batches. "ratio" is ingest's speed in terms of the
// bare encode's; above 0.8 is the bar.
func BenchmarkIngest(b *testing.B) {
	for _, size := range []int{1_000, 20_000} {
		for _, clients := range []int{1, 8} {
			b.Run(fmt.Sprintf("rows=%d/clients=%d", size, clients), func(b *testing.B) {
				k := newKit(b, nil)
				ref := createInvoices(b, k)
				perClient := 200_000 / size
				var batches []arrow.RecordBatch
				var payloads [][]byte
				var bytesIn int64
				for i := range perClient {
					batch := invoiceLines("United Kingdom", i*size, size)
					batches = append(batches, batch)
					payloads = append(payloads, stream(b, batch))
					bytesIn += parquet.BatchBytes(batch)
				}
				var bare, total time.Duration
				rows := 0
				for b.Loop() {
					start := time.Now()
					var wg sync.WaitGroup
					for range clients {
						wg.Go(func() {
							bareEncode(b, batches)
						})
					}
					wg.Wait()
					bare += time.Since(start)
					start = time.Now()
					for range clients {
						wg.Go(func() {
							for _, p := range payloads {
								m := &firnv1.AppendRequest{Table: ref, Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: p}}
								if _, err := k.client.Append(context.Background(), connect.NewRequest(m)); err != nil {
									b.Error(err)
								}
							}
						})
					}
					wg.Wait()
					total += time.Since(start)
					rows += clients * perClient * size
				}
				b.ReportMetric(float64(rows)/total.Seconds(), "rows/s")
				b.ReportMetric(float64(rows)/float64(perClient*size)*float64(bytesIn)/1e6/total.Seconds(), "MB/s")
				b.ReportMetric(float64(rows)/float64(perClient*size)*float64(bytesIn)/1e6/bare.Seconds(), "bareMB/s")
				b.ReportMetric(bare.Seconds()/total.Seconds(), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkAcks measures acknowledged micro-batches of two rows a second on
// one table, from 1,000 channels.
func BenchmarkAcks(b *testing.B) {
	const channels = 1000
	k := newKit(b, nil)
	var epochs [channels]uint64
	for c := range channels {
		epochs[c] = k.open(fmt.Sprint("c", c)).Epoch
	}
	payload := rows(b, "who", 0, 2)
	var mu sync.Mutex
	var worst time.Duration
	offset, acks := uint64(0), 0
	start := time.Now()
	for b.Loop() {
		var wg sync.WaitGroup
		for c := range channels {
			wg.Go(func() {
				m := arrowRows(payload)
				m.Channel, m.Epoch, m.Offset = fmt.Sprint("c", c), epochs[c], offset
				sent := time.Now()
				if _, err := k.append(m); err != nil {
					b.Error(err)
				}
				mu.Lock()
				worst = max(worst, time.Since(sent))
				mu.Unlock()
			})
		}
		wg.Wait()
		offset += 2
		acks += channels
	}
	b.ReportMetric(float64(acks)/time.Since(start).Seconds(), "acks/s")
	b.ReportMetric(float64(worst.Milliseconds()), "worst-ms")
	b.ReportMetric(0, "ns/op")
}

func createInvoices(b testing.TB, k *kit) *firnv1.TableRef {
	b.Helper()
	spec := iceberg.NewPartitionSpec(iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "contributor", Transform: iceberg.IdentityTransform{}})
	if _, err := k.catalog.CreateTable(context.Background(), catalog.NewTable{
		Ident:  catalog.Ident{Namespace: catalog.Namespace{"bronze"}, Name: "invoices"},
		Schema: invoiceSchema(), Spec: &spec,
	}); err != nil {
		b.Fatal(err)
	}
	return &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "invoices"}
}
