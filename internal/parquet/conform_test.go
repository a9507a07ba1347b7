package parquet_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/parquet"
)

// column makes a one-column batch from JSON values.
func column(t *testing.T, name string, typ arrow.DataType, values string) arrow.RecordBatch {
	t.Helper()
	a, _, err := array.FromJSON(memory.DefaultAllocator, typ, strings.NewReader(values))
	if err != nil {
		t.Fatalf("%s from %s: %v", typ, values, err)
	}
	return array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: name, Type: typ, Nullable: true}}, nil), []arrow.Array{a}, int64(a.Len()))
}

func TestConform(t *testing.T) {
	p := iceberg.PrimitiveTypes
	list := func(e iceberg.Type) iceberg.Type { return &iceberg.ListType{ElementID: 9, Element: e} }
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.BinaryTypes.String}
	ts := func(u arrow.TimeUnit, zone string) arrow.DataType {
		return &arrow.TimestampType{Unit: u, TimeZone: zone}
	}
	for _, c := range []struct {
		name   string
		from   arrow.DataType
		values string
		to     iceberg.Type
		want   string // the values, or "row N: ..." of the first fault, or "schema: ..."
	}{
		{"same", arrow.PrimitiveTypes.Int64, `[1, null]`, p.Int64, "1 NULL"},
		{"int8 to int", arrow.PrimitiveTypes.Int8, `[-128, null]`, p.Int32, "-128 NULL"},
		{"int to long", arrow.PrimitiveTypes.Int32, `[-2147483648]`, p.Int64, "-2147483648"},
		{"uint32 to long", arrow.PrimitiveTypes.Uint32, `[4294967295]`, p.Int64, "4294967295"},
		{"uint32 to int", arrow.PrimitiveTypes.Uint32, `[1]`, p.Int32, "schema: is uint32 in the rows and int in the table"},
		{"uint64 to long", arrow.PrimitiveTypes.Uint64, `[1]`, p.Int64, "schema: is uint64 in the rows and long in the table"},
		{"long to int", arrow.PrimitiveTypes.Int64, `[1]`, p.Int32, "schema: is long in the rows and int in the table"},
		{"double to float", arrow.PrimitiveTypes.Float64, `[1]`, p.Float32, "schema: is double in the rows and float in the table"},
		{"float to double", arrow.PrimitiveTypes.Float32, `[1.5]`, p.Float64, "1.5"},
		{"long to double", arrow.PrimitiveTypes.Int64, `[1]`, p.Float64, "schema: is long in the rows and double in the table"},
		{"text to long", arrow.BinaryTypes.String, `["1"]`, p.Int64, "schema: is string in the rows and long in the table"},
		{"large text", arrow.BinaryTypes.LargeString, `["a", null, ""]`, p.String, "a NULL "},
		{"view text", arrow.BinaryTypes.StringView, `["a", null, "longer than twelve bytes"]`, p.String, "a NULL longer than twelve bytes"},
		{"dictionary text", dict, `["a", null, "b", "a"]`, p.String, "a NULL b a"},
		{"large binary", arrow.BinaryTypes.LargeBinary, `["YWI="]`, p.Binary, "YWI="},
		{"fixed to binary", &arrow.FixedSizeBinaryType{ByteWidth: 2}, `["YWI="]`, p.Binary, "YWI="},
		{"binary to fixed", arrow.BinaryTypes.Binary, `["YWI=", "YQ=="]`, iceberg.FixedTypeOf(2), "row 1: the value has the wrong length"},
		{"fixed width", &arrow.FixedSizeBinaryType{ByteWidth: 3}, `["YWJj"]`, iceberg.FixedTypeOf(2), "schema: is fixed_size_binary[3] in the rows and fixed_size_binary[2] in the table"},
		{"date64", arrow.FixedWidthTypes.Date64, `["1970-01-02"]`, p.Date, "1970-01-02"},
		{"seconds", ts(arrow.Second, "UTC"), `["2026-01-31T12:00:00Z"]`, p.TimestampTz, "2026-01-31T12:00:00Z"},
		{"nanoseconds exact", ts(arrow.Nanosecond, ""), `["2026-01-31T12:00:00.000001"]`, p.Timestamp, "2026-01-31T12:00:00.000001"},
		{"nanoseconds lost", ts(arrow.Nanosecond, ""), `["2026-01-31T12:00:00.000001", "2026-01-31T12:00:00.000000001"]`, p.Timestamp, "row 1: the timestamp is not exact"},
		{"seconds out of range", ts(arrow.Second, ""), `[9223372036854775]`, p.Timestamp, "row 0: the timestamp is not exact in the table's unit, or out of its range"},
		{"other zone", ts(arrow.Microsecond, "Europe/Berlin"), `["2026-01-31T12:00:00Z"]`, p.TimestampTz, "2026-01-31T12:00:00Z"},
		{"zone missing", ts(arrow.Microsecond, ""), `[1]`, p.TimestampTz, "schema: is timestamp in the rows and timestamptz in the table; send timestamps with time zone UTC"},
		{"zone too much", ts(arrow.Microsecond, "UTC"), `[1]`, p.Timestamp, "schema: is timestamptz in the rows and timestamp in the table; send timestamps without a time zone"},
		{"time32", &arrow.Time32Type{Unit: arrow.Second}, `["12:00:01"]`, p.Time, "12:00:01.000000"},
		{"decimal wider", &arrow.Decimal128Type{Precision: 5, Scale: 2}, `["123.45", "-0.01"]`, iceberg.DecimalTypeOf(18, 4), "123.45 -0.01"},
		{"decimal inexact", &arrow.Decimal128Type{Precision: 5, Scale: 2}, `["123.40", "123.45"]`, iceberg.DecimalTypeOf(18, 1), "row 1: the decimal is not exact"},
		{"decimal too large", &arrow.Decimal128Type{Precision: 10, Scale: 0}, `["99", "100"]`, iceberg.DecimalTypeOf(2, 0), "row 1: the decimal is not exact"},
		{"decimal256", &arrow.Decimal256Type{Precision: 50, Scale: 2}, `["1.50"]`, iceberg.DecimalTypeOf(9, 2), "1.5"},
		{"decimal from long", arrow.PrimitiveTypes.Int64, `[1]`, iceberg.DecimalTypeOf(9, 2), "schema: is long in the rows and decimal(9,2) in the table"},
		{"null column", arrow.Null, `[null, null]`, p.Date, "NULL NULL"},
		{"list", arrow.ListOf(arrow.PrimitiveTypes.Int32), `[[1, null], null, []]`, list(p.Int64), "[1,null] NULL []"},
		{"large list", arrow.LargeListOf(arrow.BinaryTypes.StringView), `[["a"], null, ["b", "c"]]`, list(p.String), `["a"] NULL ["b","c"]`},
		{"fixed list", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int8), `[[1, 2], null, [3, 4]]`, list(p.Int32), "[1,2] NULL [3,4]"},
		{"list fault", arrow.ListOf(&arrow.Decimal128Type{Precision: 5, Scale: 2}), `[["1.00"], ["1.00", "1.01"]]`, list(iceberg.DecimalTypeOf(9, 0)), "row 1: the decimal is not exact"},
		{"list element type", arrow.ListOf(arrow.BinaryTypes.String), `[["1"]]`, list(p.Int64), "schema: element: is string in the rows and long in the table"},
		{
			"struct order", arrow.StructOf(arrow.Field{Name: "b", Type: arrow.PrimitiveTypes.Int8, Nullable: true}, arrow.Field{Name: "a", Type: arrow.BinaryTypes.LargeString, Nullable: true}),
			`[{"b": 1, "a": "x"}, null]`, &iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 11, Name: "a", Type: p.String}, {ID: 12, Name: "b", Type: p.Int64}, {ID: 13, Name: "c", Type: p.Date}}},
			`{"a":"x","b":1,"c":null} NULL`,
		},
		{
			"struct unknown", arrow.StructOf(arrow.Field{Name: "aa", Type: arrow.BinaryTypes.String, Nullable: true}), `[{"aa": "x"}]`,
			&iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 11, Name: "a", Type: p.String}}}, "schema: the table's struct has no field aa (did you mean a?)",
		},
		{
			"struct required", arrow.StructOf(arrow.Field{Name: "a", Type: arrow.BinaryTypes.String, Nullable: true}), `[{"a": "x"}, null, {"a": null}]`,
			&iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 11, Name: "a", Type: p.String, Required: true}}}, "row 2: is required and must not be null",
		},
		{
			"map", arrow.MapOf(arrow.BinaryTypes.LargeString, arrow.PrimitiveTypes.Int32), `[[{"key": "a", "value": 1}], null, []]`,
			&iceberg.MapType{KeyID: 21, KeyType: p.String, ValueID: 22, ValueType: p.Int64}, `[{"key":"a","value":1}] NULL []`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			schema := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "x", Type: c.to})
			batch := column(t, "x", c.from, c.values)
			// The same rows as a slice of longer arrays must give the same.
			for _, b := range []arrow.RecordBatch{batch, secondHalf(t, batch)} {
				if got := conformText(t, b, schema); !strings.HasPrefix(got, c.want) {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			}
		})
	}
}

// secondHalf is b again, at the end of arrays twice as long.
func secondHalf(t *testing.T, b arrow.RecordBatch) arrow.RecordBatch {
	t.Helper()
	if b.Column(0).DataType().ID() == arrow.FIXED_SIZE_LIST {
		return b // Concatenate leaves out the values of null lists, which these must have
	}
	a, err := array.Concatenate([]arrow.Array{b.Column(0), b.Column(0)}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return array.NewRecordBatch(b.Schema(), []arrow.Array{a}, int64(a.Len())).NewSlice(b.NumRows(), 2*b.NumRows())
}

func conformText(t *testing.T, b arrow.RecordBatch, schema *iceberg.Schema) string {
	t.Helper()
	c, err := parquet.NewConformer(b.Schema(), schema, parquet.ConformOptions{CheckText: true})
	if e, ok := errors.AsType[*parquet.SchemaError](err); ok {
		return "schema: " + e.Faults[0].Message
	} else if err != nil {
		t.Fatal(err)
	}
	out, err := c.Conform(b)
	if e, ok := errors.AsType[*parquet.RowError](err); ok {
		return fmt.Sprintf("row %d: %s", e.Faults[0].Row, e.Faults[0].Message)
	} else if err != nil {
		t.Fatal(err)
	}
	defer out.Release()
	var parts []string
	for i := range out.Column(0).Len() {
		v := out.Column(0).ValueStr(i)
		if out.Column(0).IsNull(i) {
			v = "NULL"
		}
		parts = append(parts, v)
	}
	return strings.Join(parts, " ")
}

func TestConformNamesColumns(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "customer_id", Type: iceberg.PrimitiveTypes.Int64, Required: true},
		iceberg.NestedField{ID: 2, Name: "amount", Type: iceberg.PrimitiveTypes.Float64},
		iceberg.NestedField{ID: 3, Name: "when", Type: iceberg.PrimitiveTypes.Date, Required: true},
	)
	src := arrow.NewSchema([]arrow.Field{
		{Name: "Customer_Id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amuont", Type: arrow.PrimitiveTypes.Float64},
		{Name: "zzz", Type: arrow.PrimitiveTypes.Float64},
		{Name: "when", Type: arrow.BinaryTypes.String},
		{Name: "when", Type: arrow.BinaryTypes.String},
	}, nil)
	_, err := parquet.NewConformer(src, schema, parquet.ConformOptions{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"column Customer_Id: the table has no such column (did you mean customer_id?)",
		"column amuont: the table has no such column (did you mean amount?)",
		"column zzz: the table has no such column;",
		"column when: occurs more than once",
		"column when: is string in the rows and date in the table",
		"column customer_id: is required (long) and missing",
	} {
		if !strings.Contains(err.Error()+";", want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestConformChecksText(t *testing.T) {
	schema := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "x", Type: iceberg.PrimitiveTypes.String})
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues([]string{"good", "\xff", "Ä"[:1], "Ä"[1:], "good"}, nil)
	a := b.NewArray()
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.BinaryTypes.String}}, nil), []arrow.Array{a}, int64(a.Len()))
	c, err := parquet.NewConformer(batch.Schema(), schema, parquet.ConformOptions{CheckText: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Conform(batch)
	e, ok := errors.AsType[*parquet.RowError](err)
	if !ok || len(e.Rows) != 3 || e.Rows[0] != 1 || e.Rows[2] != 3 {
		t.Fatalf("got %v (%v)", err, e)
	}
	// Two halves of a rune side by side are valid as a whole and not each.
	_, err = c.Conform(batch.NewSlice(2, 4))
	if e, ok := errors.AsType[*parquet.RowError](err); !ok || len(e.Rows) != 2 {
		t.Errorf("split rune: %v", err)
	}
}

// TestConformBoundsMemory: a few bytes of dictionary must not become gigabytes.
func TestConformBoundsMemory(t *testing.T) {
	schema := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "x", Type: iceberg.PrimitiveTypes.String})
	values := array.NewStringBuilder(memory.DefaultAllocator)
	values.Append(strings.Repeat("x", 1<<20))
	indices := array.NewInt32Builder(memory.DefaultAllocator)
	indices.AppendValues(make([]int32, 100_000), nil) // 100 GB once decoded
	typ := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	a := array.NewDictionaryArray(typ, indices.NewArray(), values.NewArray())
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "x", Type: typ}}, nil), []arrow.Array{a}, int64(a.Len()))
	c, err := parquet.NewConformer(batch.Schema(), schema, parquet.ConformOptions{CheckText: true, MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Conform(batch); !errors.As(err, new(*parquet.LimitError)) {
		t.Fatalf("got %v, want a limit", err)
	}
}

func TestCappedAllocator(t *testing.T) {
	c := parquet.CappedAllocator(1000)
	kept := c.Allocate(600)
	err := c.Guard(func() error { c.Allocate(500); return nil })
	if !errors.As(err, new(*parquet.LimitError)) {
		t.Fatalf("got %v", err)
	}
	if c.Used() != 600 {
		t.Errorf("%d bytes in use, want 600", c.Used())
	}
	c.Free(kept)
	if c.Used() != 0 {
		t.Errorf("%d bytes in use after Free", c.Used())
	}
	for _, size := range []int{-1, 1 << 62} {
		if err := parquet.CappedAllocator(10).Guard(func() error { parquet.CappedAllocator(10).Allocate(size); return nil }); err == nil {
			t.Errorf("allocation of %d: no error", size)
		}
	}
}
