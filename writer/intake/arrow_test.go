package intake_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/parquet"
	"github.com/firnlake/firn/writer/intake"
)

func sample(n int) arrow.RecordBatch {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "d", Type: dict, Nullable: true},
		{Name: "v", Type: arrow.BinaryTypes.StringView, Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
		{Name: "st", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true}), Nullable: true},
		{Name: "nothing", Type: arrow.Null, Nullable: true},
		{Name: "f", Type: arrow.FixedSizeListOf(2, arrow.FixedWidthTypes.Boolean), Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%3 == 0 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(strings.Repeat("x", i%7))
		}
		if err := b.Field(2).(*array.BinaryDictionaryBuilder).AppendString([]string{"a", "b"}[i%2]); err != nil {
			panic(err)
		}
		b.Field(3).(*array.StringViewBuilder).Append(strings.Repeat("v", i%20))
		l := b.Field(4).(*array.ListBuilder)
		l.Append(true)
		l.ValueBuilder().(*array.Int32Builder).Append(int32(i))
		st := b.Field(5).(*array.StructBuilder)
		st.Append(true)
		st.FieldBuilder(0).(*array.Float64Builder).Append(float64(i))
		b.Field(6).AppendNull()
		f := b.Field(7).(*array.FixedSizeListBuilder)
		f.Append(true)
		f.ValueBuilder().(*array.BooleanBuilder).AppendValues([]bool{true, false}, nil)
	}
	return b.NewRecordBatch()
}

func encode(t testing.TB, b arrow.RecordBatch, n int, opts ...ipc.Option) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, append(opts, ipc.WithSchema(b.Schema()))...)
	for range n {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestDecodeArrow(t *testing.T) {
	want := sample(100)
	for name, opts := range map[string][]ipc.Option{"plain": nil, "lz4": {ipc.WithLZ4()}, "zstd": {ipc.WithZstd()}} {
		rows, err := intake.DecodeArrow(encode(t, want, 3, opts...), intake.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if rows.Count != 300 || len(rows.Batches) != 3 {
			t.Fatalf("%s: %d rows in %d batches", name, rows.Count, len(rows.Batches))
		}
		for _, b := range rows.Batches {
			if !array.RecordEqual(b, want) {
				t.Errorf("%s: rows differ", name)
			}
		}
		rows.Release()
	}
}

// patch copies data with one 32-bit word changed.
func patch(data []byte, at int, v uint32) []byte {
	out := bytes.Clone(data)
	binary.LittleEndian.PutUint32(out[at:], v)
	return out
}

// TestEveryWordOfAStream replaces each aligned word of a small stream by
// extremes. None may end the process, and what is accepted must be readable.
func TestEveryWordOfAStream(t *testing.T) {
	schema := everySchema()
	for _, opts := range [][]ipc.Option{nil, {ipc.WithZstd()}, {ipc.WithLZ4()}} {
		data := encode(t, sample(5), 1, opts...)
		accepted := 0
		for at := 0; at+4 <= len(data); at += 4 {
			for _, v := range []uint32{0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x00ffffff, 0xfffffffc, 0x40000000} {
				accepted += use(t, patch(data, at, v), schema)
			}
		}
		t.Logf("%d bytes, %d changed streams accepted", len(data), accepted)
	}
	data := encode(t, sample(5), 1)
	for n := range len(data) {
		use(t, data[:n], schema)
	}
}

func everySchema() *iceberg.Schema {
	p := iceberg.PrimitiveTypes
	return iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "n", Type: p.Int64}, iceberg.NestedField{ID: 2, Name: "s", Type: p.String},
		iceberg.NestedField{ID: 3, Name: "d", Type: p.String}, iceberg.NestedField{ID: 4, Name: "v", Type: p.String},
		iceberg.NestedField{ID: 5, Name: "l", Type: &iceberg.ListType{ElementID: 15, Element: p.Int64}},
		iceberg.NestedField{ID: 6, Name: "st", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 16, Name: "x", Type: p.Float64}}}},
		iceberg.NestedField{ID: 7, Name: "nothing", Type: p.Date},
		iceberg.NestedField{ID: 8, Name: "f", Type: &iceberg.ListType{ElementID: 18, Element: p.Bool}},
	)
}

// use does with a stream what the service does, and reads every value.
func use(t testing.TB, data []byte, schema *iceberg.Schema) int {
	limits := intake.Limits{Memory: 16 << 20, Rows: 100_000}
	rows, err := intake.DecodeArrow(data, limits)
	if err != nil {
		if !errors.Is(err, intake.ErrMalformed) && !errors.As(err, new(*parquet.LimitError)) {
			t.Errorf("untyped error: %v", err)
		}
		return 0
	}
	defer rows.Release()
	for _, b := range rows.Batches {
		c, err := parquet.NewConformer(b.Schema(), schema, parquet.ConformOptions{CheckText: true, MaxBytes: limits.Memory})
		if err != nil {
			return 1
		}
		out, err := c.Conform(b)
		if err != nil {
			var faulty *parquet.RowError
			if !errors.As(err, &faulty) && !errors.As(err, new(*parquet.LimitError)) {
				t.Errorf("conform: %v", err)
			}
			return 1
		}
		var buf bytes.Buffer
		if _, err := parquet.Encode(t.Context(), &buf, []arrow.RecordBatch{out}, parquet.FileOptions{Schema: schema, MergeReady: true}); err != nil {
			t.Errorf("encode: %v", err)
		}
		out.Release()
	}
	return 1
}

func TestHostileArrow(t *testing.T) {
	plain := encode(t, sample(5), 1)
	zeros := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	zeros.Append(make([]byte, 200<<20))
	bombArray := zeros.NewArray()
	bomb := encode(t, array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "b", Type: arrow.BinaryTypes.Binary}}, nil), []arrow.Array{bombArray}, 1), 1, ipc.WithZstd())
	if len(bomb) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	message := func(meta []byte, body int64) []byte {
		_ = body
		out := binary.LittleEndian.AppendUint32(nil, 0xffffffff)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(meta)))
		return append(out, meta...)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                         {nil, "it is empty"},
		"text":                          {[]byte("hello, world"), "declares"},
		"json":                          {[]byte(`{"a":1}`), "declares"},
		"file format":                   {append([]byte("ARROW1\x00\x00"), plain...), "declares"},
		"only the end":                  {[]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, "no schema"},
		"metadata of 2 GB":              {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0}, "declares"},
		"metadata length -1":            {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "declares"},
		"garbage metadata":              {message(bytes.Repeat([]byte{0xfe}, 64), 0), "root"},
		"zero metadata":                 {message(make([]byte, 64), 0), ""},
		"a bomb of 200 MB in few bytes": {bomb, "declares 209715200 bytes"},
	} {
		_, err := intake.DecodeArrow(c.data, intake.Limits{Memory: 64 << 20})
		if err == nil || !errors.Is(err, intake.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := intake.DecodeArrow(encode(t, sample(1000), 1), intake.Limits{Rows: 999}); err == nil || !strings.Contains(err.Error(), "rows") {
		t.Errorf("too many rows: %v", err)
	}
	if _, err := intake.DecodeArrow(encode(t, sample(10_000), 1), intake.Limits{Memory: 10_000}); !errors.As(err, new(*parquet.LimitError)) {
		t.Errorf("too much memory: %v", err)
	}
}

// TestTerabytesInThreeHundredBytes builds the message that ends a process which
// trusts it: a valid schema, then a batch whose body length is 2^50.
func TestTerabytesInThreeHundredBytes(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	b.Field(0).(*array.Int64Builder).Append(7)
	data := encode(t, b.NewRecordBatch(), 1)
	found := false
	for at := 0; at+8 <= len(data); at += 4 {
		for _, size := range []uint64{1 << 50, 1 << 40, math.MaxInt64, 1 << 63} {
			evil := bytes.Clone(data)
			binary.LittleEndian.PutUint64(evil[at:], size)
			if _, err := intake.DecodeArrow(evil, intake.Limits{Memory: 1 << 20}); err != nil && strings.Contains(err.Error(), "declares a body") {
				found = true
			}
		}
	}
	if !found {
		t.Error("no place in the stream was its body length")
	}
}

func FuzzDecodeArrow(f *testing.F) {
	for _, opts := range [][]ipc.Option{nil, {ipc.WithZstd()}, {ipc.WithLZ4()}} {
		f.Add(encode(f, sample(5), 1, opts...))
	}
	schema := everySchema()
	f.Fuzz(func(t *testing.T, data []byte) { use(t, data, schema) })
}

func FuzzDecodeNDJSON(f *testing.F) {
	f.Add(`{"n":1,"s":"a","l":[1,null],"st":{"x":1.5}}`)
	f.Add("{\"n\":\"12\"}\n{\"f\":[true]}\nnull\n[]")
	schema, err := parquet.ArrowSchema(everySchema())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := intake.DecodeNDJSON(text, schema, nil, len(text)%2 == 0, intake.Limits{Memory: 16 << 20})
		if err != nil {
			return
		}
		if rows.Batch != nil && rows.Batch.NumRows() != rows.Good {
			t.Errorf("%d rows, %d good", rows.Batch.NumRows(), rows.Good)
		}
		rows.Release()
	})
}
