package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/firnlake/firn/integration/bench/readings"
)

// retailColumns are bronze.invoice_lines_raw without the time of arrival.
var retailColumns = []column{
	{"contributor", "string"},
	{"row_no", "long"},
	{"InvoiceNo", "string"},
	{"StockCode", "string"},
	{"Description", "string"},
	{"Quantity", "long"},
	{"InvoiceDate", "timestamp"},
	{"UnitPrice", "double"},
	{"CustomerID", "double"},
	{"Country", "string"},
}

// retail is Online Retail, 541,909 real rows, in the file's order.
type retail struct{ all arrow.RecordBatch }

func readRetail(ctx context.Context, path string) (*retail, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tbl, err := pqarrow.ReadTable(ctx, f, pq.NewReaderProperties(nil), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer tbl.Release()
	var fields []arrow.Field
	var columns []arrow.Array
	for _, c := range retailColumns[2:] {
		at := tbl.Schema().FieldIndices(c.name)
		if len(at) != 1 {
			return nil, fmt.Errorf("%s has no column %s", path, c.name)
		}
		joined, err := array.Concatenate(tbl.Column(at[0]).Data().Chunks(), memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		fields = append(fields, arrow.Field{Name: c.name, Type: joined.DataType(), Nullable: true})
		columns = append(columns, joined)
	}
	return &retail{array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, tbl.NumRows())}, nil
}

// take makes a batch of the rows, as a contributor sends it.
func (r *retail) take(ctx context.Context, contributor string, rows []int64) (arrow.RecordBatch, error) {
	positions := array.NewInt64Builder(memory.DefaultAllocator)
	positions.AppendValues(rows, nil)
	names := array.NewStringBuilder(memory.DefaultAllocator)
	for range rows {
		names.Append(contributor)
	}
	columns := []arrow.Array{names.NewArray(), positions.NewArray()}
	fields := []arrow.Field{{Name: "contributor", Type: arrow.BinaryTypes.String}, {Name: "row_no", Type: arrow.PrimitiveTypes.Int64}}
	for i, field := range r.all.Schema().Fields() {
		taken, err := compute.TakeArray(ctx, r.all.Column(i), columns[1])
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", field.Name, err)
		}
		fields, columns = append(fields, field), append(columns, taken)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, int64(len(rows))), nil
}

// batches are n batches of size rows each, which one contributor sends.
func (r *retail) batches(ctx context.Context, contributor string, n, size int) ([]arrow.RecordBatch, error) {
	var out []arrow.RecordBatch
	for i := range n {
		rows := make([]int64, size)
		for j := range rows {
			rows[j] = (int64(i)*int64(size) + int64(j)) % r.all.NumRows()
		}
		batch, err := r.take(ctx, contributor, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, batch)
	}
	return out, nil
}

// byCountry is the whole file as its contributors send it, in batches of at
// most size rows.
func (r *retail) byCountry(ctx context.Context, size int) ([]arrow.RecordBatch, error) {
	country, ok := r.all.Column(7).(*array.String)
	if !ok {
		return nil, fmt.Errorf("column Country is %s", r.all.Column(7).DataType())
	}
	rows := map[string][]int64{}
	var names []string
	for i := range r.all.NumRows() {
		name := country.Value(int(i))
		if rows[name] == nil {
			names = append(names, name)
		}
		rows[name] = append(rows[name], i)
	}
	var out []arrow.RecordBatch
	for _, name := range names {
		for part := range slices.Chunk(rows[name], size) {
			batch, err := r.take(ctx, name, part)
			if err != nil {
				return nil, err
			}
			out = append(out, batch)
		}
	}
	return out, nil
}

// readingColumns are those of readings.Batch.
func readingColumns() []column {
	out := make([]column, len(readings.Columns))
	for i, c := range readings.Columns {
		out[i] = column{c.Name, c.Type}
	}
	return out
}

// stream is a batch as a complete Arrow IPC stream.
func stream(b arrow.RecordBatch) ([]byte, error) {
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(b.Schema()))
	if err := w.Write(b); err != nil {
		return nil, err
	}
	err := w.Close()
	return buf.Bytes(), err
}
