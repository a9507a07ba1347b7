package kills

import (
	"context"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// feed is what one contributor sends through its channel: row i of the channel
// is row positions[i] of the source file. A keyed feed goes to a table of its
// own without a channel, each batch under an idempotency key.
type feed struct {
	keyed       bool
	contributor string
	channel     string
	positions   []int64
	rows        arrow.RecordBatch
	batch       int // rows of a batch; the last may have fewer
}

// batchAt is the batch that begins at an offset of the channel; ok is false
// when none does.
func (f *feed) batchAt(from uint64) (to uint64, ok bool) {
	n, size := uint64(len(f.positions)), uint64(f.batch)
	if from%size != 0 && from != n || from > n {
		return 0, false
	}
	return min(from+size, n), true
}

// source is the published file, cut into feeds.
type source struct {
	rows  int64
	feeds []*feed
}

// readSource reads the file. Of each feed at most limit rows are taken; 0 takes
// all.
func readSource(ctx context.Context, path string, limit int) (*source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the source data: %w", err)
	}
	defer file.Close()
	table, err := pqarrow.ReadTable(ctx, file, parquet.NewReaderProperties(nil), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, fmt.Errorf("read the source data: %w", err)
	}
	defer table.Release()
	fields, columns := make([]arrow.Field, table.NumCols()), make([]arrow.Array, table.NumCols())
	country := -1
	for i := range columns {
		if columns[i], err = array.Concatenate(table.Column(i).Data().Chunks(), memory.DefaultAllocator); err != nil {
			return nil, fmt.Errorf("read the source data: %w", err)
		}
		fields[i] = arrow.Field{Name: table.Schema().Field(i).Name, Type: columns[i].DataType(), Nullable: true}
		if fields[i].Name == "Country" {
			country = i
		}
	}
	if country < 0 {
		return nil, fmt.Errorf("the source data has no column Country: %s", table.Schema())
	}
	all := array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, table.NumRows())
	s := &source{}
	byName := map[string]*feed{}
	for row := range int(table.NumRows()) {
		name := columns[country].ValueStr(row)
		f := byName[name]
		if f == nil {
			f = &feed{contributor: name, channel: channelName(name)}
			byName[name] = f
			s.feeds = append(s.feeds, f)
		}
		if limit == 0 || len(f.positions) < limit {
			f.positions = append(f.positions, int64(row))
			s.rows++
		}
	}
	for _, f := range s.feeds {
		f.batch = min(max(len(f.positions)/40, 5), 1500)
		if err := f.take(ctx, all); err != nil {
			return nil, fmt.Errorf("cut the source data: %w", err)
		}
	}
	return s, nil
}

// take makes the rows to send: who sends, the position in the file, and the
// columns untouched.
func (f *feed) take(ctx context.Context, all arrow.RecordBatch) error {
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	builder.AppendValues(f.positions, nil)
	positions := builder.NewArray()
	names := array.NewStringBuilder(memory.DefaultAllocator)
	for range f.positions {
		names.Append(f.contributor)
	}
	fields := []arrow.Field{{Name: "contributor", Type: arrow.BinaryTypes.String}, {Name: "row_no", Type: arrow.PrimitiveTypes.Int64}}
	columns := []arrow.Array{names.NewArray(), positions}
	for i, field := range all.Schema().Fields() {
		column, err := compute.TakeArray(ctx, all.Column(i), positions)
		if err != nil {
			return err
		}
		fields, columns = append(fields, field), append(columns, column)
	}
	f.rows = array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, int64(len(f.positions)))
	return nil
}

// keyedSource is one keyed feed; position and row are the same number.
func keyedSource(rows int) *source {
	f := &feed{keyed: true, contributor: "keyed", channel: "keyed", batch: 25}
	for i := range rows {
		f.positions = append(f.positions, int64(i))
	}
	return &source{rows: int64(rows), feeds: []*feed{f}}
}

// lines are rows of a keyed feed as JSON.
func (f *feed) lines(from, to uint64) (out []string) {
	for _, p := range f.positions[from:to] {
		out = append(out, fmt.Sprintf(`{"id":%d}`, p))
	}
	return out
}

// channelName keeps to the characters that a channel may have.
func channelName(contributor string) string {
	name := []byte("contributor-" + contributor)
	for i, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			name[i] = '-'
		}
	}
	return string(name)
}
