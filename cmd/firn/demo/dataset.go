package demo

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// sourceColumns are the eight columns of Online Retail, in the file's order.
var sourceColumns = []string{"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}

// feed is what one contributor sends: its rows in time order, one micro-batch
// for each day on which it has rows.
type feed struct {
	contributor string
	batches     []arrow.RecordBatch
	rows        int64
}

// dataset is the source file, read once: as feeds, and as plain columns for
// the independent account.
type dataset struct {
	rows  int64
	feeds []feed
	table arrow.RecordBatch
}

func loadDataset(ctx context.Context, path string) (*dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the source data: %w", err)
	}
	defer f.Close()
	tbl, err := pqarrow.ReadTable(ctx, f, parquet.NewReaderProperties(nil), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, fmt.Errorf("read the source data %s: %w", path, err)
	}
	defer tbl.Release()
	record, err := oneRecord(tbl)
	if err != nil {
		return nil, err
	}
	feeds, err := split(ctx, record)
	if err != nil {
		return nil, err
	}
	return &dataset{rows: record.NumRows(), feeds: feeds, table: record}, nil
}

// oneRecord joins the chunks of the eight source columns.
func oneRecord(tbl arrow.Table) (arrow.RecordBatch, error) {
	fields := make([]arrow.Field, len(sourceColumns))
	columns := make([]arrow.Array, len(sourceColumns))
	for i, name := range sourceColumns {
		at := tbl.Schema().FieldIndices(name)
		if len(at) != 1 {
			return nil, fmt.Errorf("the source data has no column %s", name)
		}
		joined, err := array.Concatenate(tbl.Column(at[0]).Data().Chunks(), memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("join column %s: %w", name, err)
		}
		fields[i] = arrow.Field{Name: name, Type: joined.DataType(), Nullable: true}
		columns[i] = joined
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, tbl.NumRows()), nil
}

// split cuts the rows into feeds. Within a feed rows are in time order, and
// rows of the same minute keep the file's order.
func split(ctx context.Context, record arrow.RecordBatch) ([]feed, error) {
	country, ok := record.Column(7).(*array.String)
	if !ok {
		return nil, fmt.Errorf("column Country has type %s, not string", record.Column(7).DataType())
	}
	invoiced, ok := record.Column(4).(*array.Timestamp)
	if !ok {
		return nil, fmt.Errorf("column InvoiceDate has type %s, not timestamp", record.Column(4).DataType())
	}
	unit := invoiced.DataType().(*arrow.TimestampType).Unit
	day := func(row int64) int64 {
		return int64(time.Duration(invoiced.Value(int(row))) * unit.Multiplier() / (24 * time.Hour))
	}
	byContributor := map[string][]int64{}
	for row := range record.NumRows() {
		name := country.Value(int(row))
		byContributor[name] = append(byContributor[name], row)
	}
	var feeds []feed
	for name, rows := range byContributor {
		slices.SortStableFunc(rows, func(a, b int64) int {
			return cmp.Compare(invoiced.Value(int(a)), invoiced.Value(int(b)))
		})
		f := feed{contributor: name, rows: int64(len(rows))}
		for begin := 0; begin < len(rows); {
			end := begin
			for end < len(rows) && day(rows[end]) == day(rows[begin]) {
				end++
			}
			batch, err := take(ctx, record, name, rows[begin:end])
			if err != nil {
				return nil, err
			}
			f.batches = append(f.batches, batch)
			begin = end
		}
		feeds = append(feeds, f)
	}
	slices.SortFunc(feeds, func(a, b feed) int { return cmp.Compare(b.rows, a.rows) })
	return feeds, nil
}

// take is the micro-batch of one contributor: who sent it, the position of
// each row in the source file, and the eight columns untouched.
func take(ctx context.Context, record arrow.RecordBatch, contributor string, rows []int64) (arrow.RecordBatch, error) {
	positions := array.NewInt64Builder(memory.DefaultAllocator)
	positions.AppendValues(rows, nil)
	indices := positions.NewArray()
	names := array.NewStringBuilder(memory.DefaultAllocator)
	for range rows {
		names.Append(contributor)
	}
	fields := []arrow.Field{
		{Name: "contributor", Type: arrow.BinaryTypes.String},
		{Name: "row_no", Type: arrow.PrimitiveTypes.Int64},
	}
	columns := []arrow.Array{names.NewArray(), indices}
	for i, field := range record.Schema().Fields() {
		column, err := compute.TakeArray(ctx, record.Column(i), indices)
		if err != nil {
			return nil, fmt.Errorf("cut column %s: %w", field.Name, err)
		}
		fields = append(fields, field)
		columns = append(columns, column)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, int64(len(rows))), nil
}
