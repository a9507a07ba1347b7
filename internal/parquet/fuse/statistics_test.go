package fuse_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

// one file for each group of values of one column, without dictionaries.
func column[T any](t *testing.T, typ arrow.DataType, add func(array.Builder, T), groups [][]T, opts ...[]parquet.WriterProperty) [][]byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{field(1, "v", typ)}, nil)
	var files [][]byte
	for i, g := range groups {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for _, v := range g {
			add(b.Field(0), v)
		}
		props := []parquet.WriterProperty{parquet.WithDictionaryDefault(false)}
		if i < len(opts) {
			props = append(props, opts[i]...)
		}
		files = append(files, encode(t, []arrow.RecordBatch{b.NewRecordBatch()}, props...))
	}
	return files
}

// The statistics of a fused file equal those that a writer computes over the
// same rows in one file.
func TestStatisticsEqualThoseOfOneWriter(t *testing.T) {
	dec := func(b array.Builder, v int64) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(v)) }
	cases := map[string]func(t *testing.T, groups [][]int64) [][]byte{
		"decimal9": func(t *testing.T, g [][]int64) [][]byte {
			return column(t, &arrow.Decimal128Type{Precision: 9, Scale: 2}, dec, g)
		},
		"decimal18": func(t *testing.T, g [][]int64) [][]byte {
			return column(t, &arrow.Decimal128Type{Precision: 18, Scale: 2}, dec, g)
		},
		"decimal38": func(t *testing.T, g [][]int64) [][]byte {
			return column(t, &arrow.Decimal128Type{Precision: 38, Scale: 2}, dec, g)
		},
		"int32": func(t *testing.T, g [][]int64) [][]byte {
			return column(t, arrow.PrimitiveTypes.Int32, func(b array.Builder, v int64) { b.(*array.Int32Builder).Append(int32(v)) }, g)
		},
		"uint32": func(t *testing.T, g [][]int64) [][]byte {
			return column(t, arrow.PrimitiveTypes.Uint32, func(b array.Builder, v int64) { b.(*array.Uint32Builder).Append(uint32(v)) }, g)
		},
		"uint64": func(t *testing.T, g [][]int64) [][]byte {
			return column(t, arrow.PrimitiveTypes.Uint64, func(b array.Builder, v int64) { b.(*array.Uint64Builder).Append(uint64(v)) }, g)
		},
		"double": func(t *testing.T, g [][]int64) [][]byte {
			return column(t, arrow.PrimitiveTypes.Float64, func(b array.Builder, v int64) { b.(*array.Float64Builder).Append(float64(v)) }, g)
		},
		"text": func(t *testing.T, g [][]int64) [][]byte {
			return column(t, arrow.BinaryTypes.String, func(b array.Builder, v int64) { b.(*array.StringBuilder).Append(string(rune(0x20 + v&0x3fff))) }, g)
		},
	}
	for name, files := range cases {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(11, 12))
			for range 20 {
				var groups [][]int64
				var all []int64
				for range 4 {
					g := make([]int64, 1+rng.IntN(5))
					for i := range g {
						g[i] = rng.Int64N(2000) - 1000
					}
					groups, all = append(groups, g), append(all, g...)
				}
				out, _ := fuseAll(t, files(t, groups), fuse.Options{})
				got := statsOf(t, out)
				want := statsOf(t, files(t, [][]int64{all})[0])
				if !bytes.Equal(got.min, want.min) || !bytes.Equal(got.max, want.max) || *got.nulls != *want.nulls {
					t.Fatalf("%v: got %x..%x, one writer says %x..%x", groups, got.min, got.max, want.min, want.max)
				}
			}
		})
	}
}

type stats struct {
	min, max []byte
	nulls    *int64
}

func statsOf(t *testing.T, data []byte) stats {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.MetaData().RowGroups); n != 1 {
		t.Fatalf("%d row groups", n)
	}
	s := r.MetaData().RowGroups[0].Columns[0].MetaData.Statistics
	if s == nil {
		return stats{}
	}
	return stats{s.MinValue, s.MaxValue, s.NullCount}
}

func TestStatisticsThatAreNotKnownAreAbsent(t *testing.T) {
	nullable := func(b array.Builder, v *int64) {
		if v == nil {
			b.AppendNull()
			return
		}
		b.(*array.Int64Builder).Append(*v)
	}
	ints := func(t *testing.T, groups [][]*int64, opts ...[]parquet.WriterProperty) stats {
		out, _ := fuseAll(t, column(t, arrow.PrimitiveTypes.Int64, nullable, groups, opts...), fuse.Options{})
		return statsOf(t, out)
	}
	t.Run("a chunk of nulls takes no bounds away and is counted", func(t *testing.T) {
		s := ints(t, [][]*int64{{new(int64(5)), nil}, {nil, nil}, {new(int64(-3))}})
		if s.nulls == nil || *s.nulls != 3 || len(s.min) == 0 || int8(s.min[0]) != -3 || s.max[0] != 5 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("one input without statistics takes them all away", func(t *testing.T) {
		s := ints(t, [][]*int64{{new(int64(5))}, {new(int64(100))}}, nil, []parquet.WriterProperty{parquet.WithStats(false)})
		if s.min != nil || s.max != nil || s.nulls != nil {
			t.Errorf("%+v", s)
		}
	})
	t.Run("zeros widen to both signs", func(t *testing.T) {
		add := func(b array.Builder, v float64) { b.(*array.Float64Builder).Append(v) }
		out, _ := fuseAll(t, column(t, arrow.PrimitiveTypes.Float64, add, [][]float64{{0}, {math.Copysign(0, -1)}}), fuse.Options{})
		s := statsOf(t, out)
		if s.min[7] != 0x80 || s.max[7] != 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("only NaN means no bounds", func(t *testing.T) {
		add := func(b array.Builder, v float64) { b.(*array.Float64Builder).Append(v) }
		out, _ := fuseAll(t, column(t, arrow.PrimitiveTypes.Float64, add, [][]float64{{1}, {math.NaN()}}), fuse.Options{})
		if s := statsOf(t, out); s.min != nil || s.max != nil {
			t.Errorf("%+v", s)
		}
	})
}
