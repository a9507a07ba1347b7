package rewrite

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go/table/dv"

	"github.com/firnlake/firn/internal/duck"
	firnparquet "github.com/firnlake/firn/internal/parquet"
)

// places are rows, as positions in files that have numbers.
type places map[int]*dv.RoaringPositionBitmap

func (p places) has(file int, pos int64) bool {
	return pos >= 0 && p[file] != nil && p[file].Contains(uint64(pos))
}

// add says whether the row was not there before.
func (p places) add(file int, pos int64) bool {
	if pos < 0 || p.has(file, pos) {
		return false
	}
	if p[file] == nil {
		p[file] = dv.NewRoaringPositionBitmap()
	}
	p[file].Set(uint64(pos))
	return true
}

func (p places) merge(o places) {
	for file, pos := range o.all() {
		p.add(file, pos)
	}
}

func (p places) count() (n int64) {
	for _, m := range p {
		n += m.Cardinality()
	}
	return n
}

// all are the rows in order of file and position.
func (p places) all() iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		for _, file := range slices.Sorted(maps.Keys(p)) {
			for pos := range p[file].Positions() {
				if !yield(file, int64(pos)) {
					return
				}
			}
		}
	}
}

// write makes a Parquet file (i, loc, p) of the rows: number and location of the
// file, and position.
func (p places) write(path string, locations []string) error {
	return writePlaces(path, locations, p.all())
}

// writeNumbers makes one of locations alone.
func writeNumbers(path string, locations []string) error {
	return writePlaces(path, locations, func(yield func(int, int64) bool) {
		for i := range locations {
			if !yield(i, 0) {
				return
			}
		}
	})
}

const placesAtOnce = 1 << 18

func writePlaces(path string, locations []string, all iter.Seq2[int, int64]) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Int64},
		{Name: "loc", Type: arrow.BinaryTypes.String},
		{Name: "p", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	w, err := pqarrow.NewFileWriter(schema, f, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		f.Close()
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	flush := func() error {
		rec := b.NewRecordBatch()
		defer rec.Release()
		return w.Write(rec)
	}
	for i, pos := range all {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(locations[i])
		b.Field(2).(*array.Int64Builder).Append(pos)
		if b.Field(0).Len() >= placesAtOnce {
			if err := flush(); err != nil {
				_ = w.Close()
				return err
			}
		}
	}
	if err := flush(); err != nil {
		_ = w.Close()
		return err
	}
	return w.Close() // and f
}

// numbers answers the rows of a statement whose columns are all BIGINT.
func (w *Worker) numbers(ctx context.Context, job duck.Job) iter.Seq2[[]int64, error] {
	return func(yield func([]int64, error) bool) {
		res, err := w.cfg.Pool.Query(ctx, job)
		if err != nil {
			yield(nil, err)
			return
		}
		defer res.Release()
		for b, err := range firnparquet.Records(res) {
			if err != nil {
				yield(nil, err)
				return
			}
			row := make([]int64, b.NumCols())
			for r := range int(b.NumRows()) {
				for c := range row {
					values, ok := b.Column(c).(*array.Int64)
					if !ok || values.IsNull(r) {
						yield(nil, fmt.Errorf("column %q is no number", b.ColumnName(c)))
						return
					}
					row[c] = values.Value(r)
				}
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}
