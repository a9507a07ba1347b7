package parquet_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/firnlake/firn/internal/parquet"
)

// everything is a schema with every type a v2 table can have.
func everything() *iceberg.Schema {
	id := 0
	next := func() int { id++; return id }
	opt := func(name string, t iceberg.Type) iceberg.NestedField {
		return iceberg.NestedField{ID: next(), Name: name, Type: t}
	}
	p := iceberg.PrimitiveTypes
	fields := []iceberg.NestedField{
		{ID: next(), Name: "id", Type: p.Int64, Required: true},
		opt("bool", p.Bool), opt("int", p.Int32), opt("long", p.Int64), opt("float", p.Float32), opt("double", p.Float64),
		opt("dec9", iceberg.DecimalTypeOf(9, 2)), opt("dec18", iceberg.DecimalTypeOf(18, 6)), opt("dec38", iceberg.DecimalTypeOf(38, 10)),
		opt("date", p.Date), opt("time", p.Time), opt("ts", p.Timestamp), opt("tstz", p.TimestampTz),
		opt("string", p.String), opt("binary", p.Binary), opt("fixed", iceberg.FixedTypeOf(5)), opt("uuid", p.UUID),
	}
	fields = append(fields,
		opt("struct", &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: next(), Name: "a", Type: p.Int32, Required: true},
			opt("b", p.String),
			opt("inner", &iceberg.StructType{FieldList: []iceberg.NestedField{opt("c", p.Float64)}}),
		}}),
		opt("list", &iceberg.ListType{ElementID: next(), Element: p.String}),
		opt("list_required", &iceberg.ListType{ElementID: next(), Element: p.Int64, ElementRequired: true}),
		opt("map", &iceberg.MapType{KeyID: next(), KeyType: p.String, ValueID: next(), ValueType: iceberg.DecimalTypeOf(12, 3)}),
		opt("deep", &iceberg.ListType{ElementID: next(), Element: &iceberg.StructType{FieldList: []iceberg.NestedField{
			opt("k", p.Int32), opt("v", &iceberg.ListType{ElementID: next(), Element: p.Date}),
		}}}),
	)
	return iceberg.NewSchema(0, fields...)
}

// someRows fills a batch with random values, extremes and nulls.
func someRows(t testing.TB, schema *iceberg.Schema, rows int, seed uint64) arrow.RecordBatch {
	t.Helper()
	as, err := parquet.ArrowSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	b := array.NewRecordBuilder(memory.DefaultAllocator, as)
	defer b.Release()
	for row := range rows {
		for i, f := range as.Fields() {
			if f.Name == "id" {
				b.Field(i).(*array.Int64Builder).Append(int64(row))
				continue
			}
			appendRandom(rng, b.Field(i), f.Type, f.Nullable)
		}
	}
	return b.NewRecordBatch()
}

func appendRandom(rng *rand.Rand, b array.Builder, t arrow.DataType, nullable bool) {
	if nullable && rng.IntN(5) == 0 {
		b.AppendNull()
		return
	}
	extreme := rng.IntN(4) == 0
	pick := func(lo, hi int64) int64 {
		if extreme {
			return []int64{lo, hi, 0, -1, 1}[rng.IntN(5)]
		}
		return rng.Int64N(2000) - 1000
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(rng.IntN(2) == 0)
	case *array.Int32Builder:
		b.Append(int32(pick(math.MinInt32, math.MaxInt32)))
	case *array.Int64Builder:
		b.Append(pick(math.MinInt64, math.MaxInt64))
	case *array.Float32Builder:
		b.Append([]float32{0, -1.5, math.MaxFloat32, -math.MaxFloat32, float32(rng.NormFloat64())}[rng.IntN(5)])
	case *array.Float64Builder:
		b.Append([]float64{0, -1.5, math.MaxFloat64, math.Inf(-1), rng.NormFloat64()}[rng.IntN(5)])
	case *array.Decimal128Builder:
		n := decimal128.FromI64(rng.Int64N(2000) - 1000)
		if most := decimal128.GetMaxValue(t.(*arrow.Decimal128Type).Precision); extreme {
			n = []decimal128.Num{most, most.Negate(), {}}[rng.IntN(3)]
		}
		b.Append(n)
	case *array.Date32Builder:
		b.Append(arrow.Date32(pick(-719162, 2932896)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(rng.Int64N(86_400_000_000)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(pick(-62135596800000000, 253402300799999999)))
	case *array.StringBuilder:
		b.Append([]string{"", "null", "Ä😀", strings.Repeat("z", 40), fmt.Sprint(rng.IntN(100))}[rng.IntN(5)])
	case *array.BinaryBuilder:
		b.Append([][]byte{{}, {0}, {0xff, 0xff}, bytes.Repeat([]byte{0xff}, 30), []byte("abc")}[rng.IntN(5)])
	case *array.FixedSizeBinaryBuilder:
		b.Append([]byte{byte(rng.IntN(256)), 1, 2, 3, byte(rng.IntN(256))})
	case *extensions.UUIDBuilder:
		var raw [16]byte
		binary.BigEndian.PutUint64(raw[:], rng.Uint64())
		b.Append(uuid.UUID(raw))
	case *array.StructBuilder:
		b.Append(true)
		for i, f := range t.(*arrow.StructType).Fields() {
			appendRandom(rng, b.FieldBuilder(i), f.Type, f.Nullable)
		}
	case *array.ListBuilder:
		b.Append(true)
		elem := t.(*arrow.ListType).ElemField()
		for range rng.IntN(4) {
			appendRandom(rng, b.ValueBuilder(), elem.Type, elem.Nullable)
		}
	case *array.MapBuilder:
		b.Append(true)
		m := t.(*arrow.MapType)
		for i := range rng.IntN(4) {
			b.KeyBuilder().(*array.StringBuilder).Append(fmt.Sprint("k", i))
			appendRandom(rng, b.ItemBuilder(), m.ItemType(), m.ItemField().Nullable)
		}
	default:
		panic(fmt.Sprintf("no random values for %T", b))
	}
}

func readBack(t testing.TB, data []byte) arrow.Table {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	fr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := fr.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

// texts renders a column so that equal values are equal texts.
func texts(col *arrow.Chunked) []string {
	var out []string
	for _, c := range col.Chunks() {
		for i := range c.Len() {
			if c.IsNull(i) {
				out = append(out, "NULL")
				continue
			}
			out = append(out, c.ValueStr(i))
		}
	}
	return out
}

func TestRoundTripEveryType(t *testing.T) {
	schema := everything()
	for _, opts := range []parquet.FileOptions{
		{Schema: schema},
		{Schema: schema, MergeReady: true},
		{Schema: schema, MergeReady: true, Codec: parquet.Snappy},
		{Schema: schema, Codec: parquet.LZ4, RowGroupBytes: 4 << 10},
		{Schema: schema, Codec: parquet.Gzip},
		{Schema: schema, Codec: parquet.Uncompressed},
	} {
		t.Run(fmt.Sprintf("codec=%s merge=%t groups=%d", opts.Codec, opts.MergeReady, opts.RowGroupBytes), func(t *testing.T) {
			batches := []arrow.RecordBatch{someRows(t, schema, 200, 1), someRows(t, schema, 1, 2), someRows(t, schema, 300, 3).NewSlice(17, 250)}
			var buf bytes.Buffer
			enc, err := parquet.Encode(t.Context(), &buf, batches, opts)
			if err != nil {
				t.Fatal(err)
			}
			if enc.Rows != 434 || enc.Bytes != int64(buf.Len()) {
				t.Fatalf("encoded %d rows, %d bytes of %d", enc.Rows, enc.Bytes, buf.Len())
			}
			if opts.RowGroupBytes > 0 && enc.Metadata.NumRowGroups() < 3 {
				t.Errorf("%d row groups, want several", enc.Metadata.NumRowGroups())
			}
			want := array.NewTableFromRecords(batches[0].Schema(), batches)
			got := readBack(t, buf.Bytes())
			for i := range int(want.NumCols()) {
				w, g := texts(want.Column(i).Data()), texts(got.Column(i).Data())
				if !slices.Equal(w, g) {
					t.Errorf("column %s differs", want.Column(i).Name())
				}
			}
			for i := range enc.Metadata.Schema.NumColumns() {
				if enc.Metadata.Schema.Column(i).SchemaNode().FieldID() <= 0 {
					t.Errorf("column %s has no field id", enc.Metadata.Schema.Column(i).Path())
				}
			}
			for g := range enc.Metadata.NumRowGroups() {
				for c := range enc.Metadata.Schema.NumColumns() {
					chunk, err := enc.Metadata.RowGroup(g).ColumnChunk(c)
					if err != nil {
						t.Fatal(err)
					}
					if opts.MergeReady && chunk.HasDictionaryPage() {
						t.Errorf("merge-ready chunk %s has a dictionary", enc.Metadata.Schema.Column(c).Path())
					}
				}
			}
		})
	}
}

// TestMetricsAreTrue compares the DataFile with counts and bounds computed from
// the rows themselves.
func TestMetricsAreTrue(t *testing.T) {
	schema := everything()
	batch := someRows(t, schema, 500, 42)
	path := filepath.Join(t.TempDir(), "f.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	opts := parquet.FileOptions{Schema: schema, RowGroupBytes: 16 << 10, Properties: iceberg.Properties{"write.metadata.metrics.default": "full"}}
	if _, err := parquet.Encode(t.Context(), f, []arrow.RecordBatch{batch}, opts); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	df, err := parquet.DataFileFromPath(t.Context(), opts, path, "s3://b/f.parquet")
	if err != nil {
		t.Fatal(err)
	}
	if df.Count() != 500 || df.FilePath() != "s3://b/f.parquet" {
		t.Fatalf("count %d path %s", df.Count(), df.FilePath())
	}
	for i, field := range schema.Fields() {
		typ, ok := field.Type.(iceberg.PrimitiveType)
		if !ok {
			continue
		}
		col := batch.Column(i)
		if got := df.NullValueCounts()[field.ID]; got != int64(col.NullN()) {
			t.Errorf("%s: %d nulls, want %d", field.Name, got, col.NullN())
		}
		if got := df.ValueCounts()[field.ID]; got != 500 {
			t.Errorf("%s: %d values", field.Name, got)
		}
		lo, hi := bound(t, typ, df.LowerBoundValues()[field.ID]), bound(t, typ, df.UpperBoundValues()[field.ID])
		if lo == nil || hi == nil {
			if field.Name != "string" && field.Name != "binary" { // their least value is empty, which has no bound
				t.Errorf("%s: no bounds", field.Name)
			}
			continue
		}
		hitLo, hitHi := false, false
		for row := range col.Len() {
			if col.IsNull(row) {
				continue
			}
			v := comparableOf(col, row)
			if less(v, lo) || less(hi, v) {
				t.Fatalf("%s: value %v outside [%v, %v]", field.Name, v, lo, hi)
			}
			hitLo, hitHi = hitLo || !less(lo, v), hitHi || !less(v, hi)
		}
		if !hitLo || !hitHi {
			t.Errorf("%s: bounds [%v, %v] are not reached", field.Name, lo, hi)
		}
	}
}

func bound(t *testing.T, typ iceberg.PrimitiveType, raw []byte) any {
	t.Helper()
	if raw == nil {
		return nil
	}
	lit, err := iceberg.LiteralFromBytes(typ, raw)
	if err != nil {
		t.Fatal(err)
	}
	switch v := lit.Any().(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case int32:
		return int64(v)
	case int64:
		return v
	case float32:
		return float64(v)
	case float64:
		return v
	case iceberg.Date:
		return int64(v)
	case iceberg.Time:
		return int64(v)
	case iceberg.Timestamp:
		return int64(v)
	case iceberg.Decimal:
		return v.Val
	case string:
		return v
	case []byte:
		return string(v)
	case uuid.UUID:
		return string(v[:])
	}
	t.Fatalf("bound of %T", lit.Any())
	return nil
}

func comparableOf(a arrow.Array, i int) any {
	switch a := a.(type) {
	case *array.Boolean:
		if a.Value(i) {
			return int64(1)
		}
		return int64(0)
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Float32:
		return float64(a.Value(i))
	case *array.Float64:
		return a.Value(i)
	case *array.Date32:
		return int64(a.Value(i))
	case *array.Time64:
		return int64(a.Value(i))
	case *array.Timestamp:
		return int64(a.Value(i))
	case *array.Decimal128:
		return a.Value(i)
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		return string(a.Value(i))
	case *array.FixedSizeBinary:
		return string(a.Value(i))
	case *extensions.UUIDArray:
		u := a.Value(i)
		return string(u[:])
	}
	panic(fmt.Sprintf("%T", a))
}

func less(a, b any) bool {
	switch a := a.(type) {
	case int64:
		return a < b.(int64)
	case float64:
		return a < b.(float64)
	case string:
		return a < b.(string)
	case decimal128.Num:
		return a.Less(b.(decimal128.Num))
	}
	panic(fmt.Sprintf("%T", a))
}

// TestNoBoundsFromHalfTheRows: a row group whose statistics lack min and max
// (only NaN, or texts too long for statistics) must not leave the bounds of the
// other groups standing: they would prune its rows away.
func TestNoBoundsFromHalfTheRows(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "f", Type: iceberg.PrimitiveTypes.Float64},
		iceberg.NestedField{ID: 2, Name: "s", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 3, Name: "n", Type: iceberg.PrimitiveTypes.Int64},
	)
	as, err := parquet.ArrowSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, as)
	for i := range 2000 {
		if i < 1000 {
			b.Field(0).(*array.Float64Builder).Append(float64(i))
			b.Field(1).(*array.StringBuilder).Append("short")
			b.Field(2).(*array.Int64Builder).Append(int64(i))
			continue
		}
		b.Field(0).(*array.Float64Builder).Append(math.NaN())
		b.Field(1).(*array.StringBuilder).Append(strings.Repeat("z", 5000))
		b.Field(2).AppendNull()
	}
	batch := b.NewRecordBatch()
	var buf bytes.Buffer
	opts := parquet.FileOptions{Schema: schema}
	first, second := batch.NewSlice(0, 1000), batch.NewSlice(1000, 2000)
	opts.RowGroupBytes = (parquet.BatchBytes(first) + parquet.BatchBytes(second)) / 2
	enc, err := parquet.Encode(t.Context(), &buf, []arrow.RecordBatch{batch}, opts)
	if err != nil {
		t.Fatal(err)
	}
	if enc.Metadata.NumRowGroups() != 2 {
		t.Fatalf("%d row groups, the test needs 2", enc.Metadata.NumRowGroups())
	}
	df, err := parquet.DataFile(opts, "s3://b/f", enc.Bytes, enc.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []int{1, 2} {
		if lo, ok := df.LowerBoundValues()[id]; ok {
			t.Errorf("column %d has lower bound %x taken from half of its rows", id, lo)
		}
		if hi, ok := df.UpperBoundValues()[id]; ok {
			t.Errorf("column %d has upper bound %x taken from half of its rows", id, hi)
		}
	}
	if _, ok := df.LowerBoundValues()[3]; !ok {
		t.Error("column n lost its bounds: nulls do not matter")
	}
}
