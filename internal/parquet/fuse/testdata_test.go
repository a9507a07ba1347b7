package fuse_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

func field(id int, name string, t arrow.DataType) arrow.Field {
	return arrow.Field{
		Name: name, Type: t, Nullable: true,
		Metadata: arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{fmt.Sprint(id)}),
	}
}

// everyType is a schema with all that Iceberg tables hold, nested ones too.
var everyType = arrow.NewSchema([]arrow.Field{
	field(1, "flag", arrow.FixedWidthTypes.Boolean),
	field(2, "small", arrow.PrimitiveTypes.Int32),
	field(3, "big", arrow.PrimitiveTypes.Int64),
	field(4, "single", arrow.PrimitiveTypes.Float32),
	field(5, "double", arrow.PrimitiveTypes.Float64),
	field(6, "text", arrow.BinaryTypes.String),
	field(7, "bytes", arrow.BinaryTypes.Binary),
	field(8, "day", arrow.FixedWidthTypes.Date32),
	field(9, "clock", arrow.FixedWidthTypes.Time64us),
	field(10, "at", &arrow.TimestampType{Unit: arrow.Microsecond}),
	field(11, "at_utc", arrow.FixedWidthTypes.Timestamp_us),
	field(12, "price", &arrow.Decimal128Type{Precision: 9, Scale: 2}),
	field(13, "amount", &arrow.Decimal128Type{Precision: 18, Scale: 3}),
	field(14, "wide", &arrow.Decimal128Type{Precision: 38, Scale: 10}),
	field(15, "fixed", &arrow.FixedSizeBinaryType{ByteWidth: 16}),
	field(16, "tags", arrow.ListOfField(field(17, "element", arrow.BinaryTypes.String))),
	field(18, "place", arrow.StructOf(field(19, "lat", arrow.PrimitiveTypes.Float64), field(20, "near", arrow.ListOfField(field(21, "element", arrow.PrimitiveTypes.Int64))))),
	field(22, "attrs", arrow.MapOfFields(arrow.Field{Name: "key", Type: arrow.BinaryTypes.String, Metadata: arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{"23"})}, field(24, "value", arrow.PrimitiveTypes.Int32))),
	field(25, "nothing", arrow.PrimitiveTypes.Int64),
}, nil)

// batch makes rows with nulls, NaN, both zeros and negative numbers.
func batch(rng *rand.Rand, schema *arrow.Schema, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for range rows {
		for i, f := range b.Fields() {
			if schema.Field(i).Name == "nothing" {
				f.AppendNull()
				continue
			}
			appendRandom(rng, f)
		}
	}
	return b.NewRecordBatch()
}

func appendRandom(rng *rand.Rand, b array.Builder) {
	if rng.IntN(7) == 0 {
		b.AppendNull()
		return
	}
	word := func() string { return fmt.Sprintf("w%x", rng.IntN(1<<(1+rng.IntN(20)))) }
	real := func() float64 {
		return []float64{math.NaN(), 0, math.Copysign(0, -1), rng.NormFloat64() * 1e6, math.Inf(1)}[min(rng.IntN(40), 3)]
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(rng.IntN(2) == 0)
	case *array.Int32Builder:
		b.Append(int32(rng.Uint32()))
	case *array.Int64Builder:
		b.Append(int64(rng.Uint64()))
	case *array.Float32Builder:
		b.Append(float32(real()))
	case *array.Float64Builder:
		b.Append(real())
	case *array.StringBuilder:
		b.Append(word())
	case *array.BinaryBuilder:
		b.Append([]byte{byte(rng.Uint32()), byte(rng.Uint32())})
	case *array.Date32Builder:
		b.Append(arrow.Date32(rng.IntN(40000) - 20000))
	case *array.Time64Builder:
		b.Append(arrow.Time64(rng.Int64N(86400e6)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(rng.Int64N(4e15) - 2e15))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(rng.Int64N(2e8) - 1e8))
	case *array.FixedSizeBinaryBuilder:
		v := make([]byte, 16)
		for i := range v {
			v[i] = byte(rng.Uint32())
		}
		b.Append(v)
	case *array.ListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			appendRandom(rng, b.ValueBuilder())
		}
	case *array.MapBuilder:
		b.Append(true)
		for i := range rng.IntN(4) {
			b.KeyBuilder().(*array.StringBuilder).Append(fmt.Sprint("k", i))
			appendRandom(rng, b.ItemBuilder())
		}
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			appendRandom(rng, b.FieldBuilder(i))
		}
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
}

// encode writes batches as one Parquet file, a row group each.
func encode(t testing.TB, batches []arrow.RecordBatch, opts ...parquet.WriterProperty) []byte {
	t.Helper()
	var buf bytes.Buffer
	opts = append([]parquet.WriterProperty{parquet.WithDataPageSize(2 << 10), parquet.WithBatchSize(64)}, opts...)
	w, err := pqarrow.NewFileWriter(batches[0].Schema(), &buf, parquet.NewWriterProperties(opts...), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
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

func decode(t testing.TB, data []byte) arrow.Table {
	t.Helper()
	tbl, err := pqarrow.ReadTable(t.Context(), bytes.NewReader(data), nil, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return tbl
}

func sources(files [][]byte) []fuse.Source {
	out := make([]fuse.Source, len(files))
	for i, f := range files {
		out[i] = fuse.Source{Name: fmt.Sprint("file ", i), R: bytes.NewReader(f), Size: int64(len(f))}
	}
	return out
}

func fuseAll(t testing.TB, files [][]byte, o fuse.Options) ([]byte, *fuse.Result) {
	t.Helper()
	plan, err := fuse.NewPlan(t.Context(), sources(files), o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	res, err := plan.Write(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	if err := fuse.Verify(bytes.NewReader(out.Bytes()), int64(out.Len()), res); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), res
}

// sameRows compares a fused file with its inputs through the decoder.
func sameRows(t testing.TB, fused []byte, files [][]byte) {
	t.Helper()
	got := decode(t, fused)
	sameColumns(t, got, files, int(got.NumCols()))
}

// sameColumns compares the first columns.
func sameColumns(t testing.TB, got arrow.Table, files [][]byte, columns int) {
	t.Helper()
	var inputs []arrow.Table
	rows := int64(0)
	for _, f := range files {
		in := decode(t, f)
		inputs = append(inputs, in)
		rows += in.NumRows()
	}
	if got.NumRows() != rows {
		t.Fatalf("%d rows, inputs have %d", got.NumRows(), rows)
	}
	for c := range columns {
		var chunks []arrow.Array
		for _, in := range inputs {
			chunks = append(chunks, in.Column(c).Data().Chunks()...)
		}
		want := arrow.NewChunked(got.Column(c).DataType(), chunks)
		if !array.ChunkedApproxEqual(got.Column(c).Data(), want, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
			t.Errorf("column %q differs", got.Column(c).Name())
		}
	}
}
