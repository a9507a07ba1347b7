package hot

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// Load is the rows of one table, in the order in which they come.
type Load struct {
	Name, Text string
	Columns    []*firnv1.Column
	// Partition column, and its value that is hot.
	Partition, Hot string
	// Lookups are the columns that queries select by, the most frequent first, with
	// values that are there.
	Lookups []Values
	// Target is the size that data files should have, in bytes: one that makes some
	// dozens of the hot partition.
	Target  int64
	Batches []arrow.RecordBatch
}

// Values of a column.
type Values struct {
	Column string
	Of     []any
}

// Rows of all batches.
func (l *Load) Rows() (n int64) {
	for _, b := range l.Batches {
		n += b.NumRows()
	}
	return n
}

// Payload is a batch as an Arrow IPC stream.
func Payload(b arrow.RecordBatch) ([]byte, error) {
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(b.Schema()))
	if err := w.Write(b); err != nil {
		return nil, err
	}
	return out.Bytes(), w.Close()
}

// Retail is Online Retail, day by day, partitioned by country.
func Retail(ctx context.Context, path string) (*Load, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("source data: %w", err)
	}
	defer f.Close()
	tbl, err := pqarrow.ReadTable(ctx, f, parquet.NewReaderProperties(nil), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, fmt.Errorf("source data %s: %w", path, err)
	}
	defer tbl.Release()
	l := &Load{
		Name: "retail", Text: "Online Retail, a commit a day, partitioned by Country", Partition: "Country", Hot: "United Kingdom", Target: 256 << 10,
	}
	columns := make([]arrow.Array, tbl.NumCols())
	fields := make([]arrow.Field, tbl.NumCols())
	types := map[arrow.Type]string{arrow.STRING: "string", arrow.INT64: "long", arrow.TIMESTAMP: "timestamp", arrow.FLOAT64: "double"}
	for i := range columns {
		field := tbl.Schema().Field(i)
		if columns[i], err = array.Concatenate(tbl.Column(i).Data().Chunks(), memory.DefaultAllocator); err != nil {
			return nil, err
		}
		if field.Name == "CustomerID" { // numbers, read as floats since some are missing
			if columns[i], err = compute.CastArray(ctx, columns[i], compute.SafeCastOptions(arrow.PrimitiveTypes.Int64)); err != nil {
				return nil, err
			}
		}
		fields[i] = arrow.Field{Name: field.Name, Type: columns[i].DataType(), Nullable: true}
		l.Columns = append(l.Columns, &firnv1.Column{Name: field.Name, Type: types[columns[i].DataType().ID()]})
	}
	all := array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, tbl.NumRows())
	at := columns[all.Schema().FieldIndices("InvoiceDate")[0]].(*array.Timestamp)
	begin := int64(0)
	day := func(i int64) int64 { return int64(at.Value(int(i))) / int64(24*time.Hour/time.Microsecond) }
	for i := int64(1); i <= all.NumRows(); i++ {
		if i == all.NumRows() || day(i) != day(begin) {
			l.Batches = append(l.Batches, all.NewSlice(begin, i))
			begin = i
		}
	}
	country := columns[all.Schema().FieldIndices("Country")[0]].(*array.String)
	pick := func(name string, value func(i int) any) Values {
		v := Values{Column: name}
		column, seen := columns[all.Schema().FieldIndices(name)[0]], map[any]bool{}
		for i := 0; i < column.Len() && len(v.Of) < lookups; i += column.Len() / (3 * lookups) {
			if x := value(i); country.Value(i) == l.Hot && column.IsValid(i) && !seen[x] {
				seen[x] = true
				v.Of = append(v.Of, x)
			}
		}
		return v
	}
	customer := columns[all.Schema().FieldIndices("CustomerID")[0]].(*array.Int64)
	stock := columns[all.Schema().FieldIndices("StockCode")[0]].(*array.String)
	l.Lookups = []Values{
		pick("CustomerID", func(i int) any { return customer.Value(i) }),
		pick("StockCode", func(i int) any { return stock.Value(i) }),
	}
	return l, nil
}

// lookups of each column.
const lookups = 24

// Zipf is orders of 100 tenants, of which the k-th has a share of about k^-1.5: the
// first has 41 %, the median one 0.1 %.
func Zipf(commits, rows int) *Load {
	l := &Load{
		Name: "zipf", Text: "orders of 100 tenants, Zipf 1.5", Partition: "tenant", Hot: "tenant 0", Target: 1 << 20,
		Columns: []*firnv1.Column{{Name: "tenant", Type: "string"}, {Name: "order_id", Type: "long"}, {Name: "at", Type: "timestamp"}, {Name: "amount", Type: "double"}},
		Lookups: []Values{{Column: "order_id"}},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var sums []float64
	total := 0.0
	for k := range 100 {
		total += math.Pow(float64(k+1), -1.5)
		sums = append(sums, total)
	}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "tenant", Type: arrow.BinaryTypes.String},
		{Name: "order_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
		{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
	}, nil)
	for c := range commits {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i := range rows {
			x, k := rng.Float64()*total, 0
			for sums[k] < x {
				k++
			}
			id := rng.Int64N(1 << 40)
			if k == 0 && i%100 == 0 && len(l.Lookups[0].Of) < lookups {
				l.Lookups[0].Of = append(l.Lookups[0].Of, id)
			}
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprint("tenant ", k))
			b.Field(1).(*array.Int64Builder).Append(id)
			b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(1_780_000_000_000_000 + int64(c)*1e9 + int64(i)*1e5))
			b.Field(3).(*array.Float64Builder).Append(math.Round(rng.ExpFloat64()*10000) / 100)
		}
		l.Batches = append(l.Batches, b.NewRecordBatch())
	}
	return l
}
