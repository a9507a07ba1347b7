package parquet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/parquet"
)

func spec(t testing.TB, schema *iceberg.Schema, fields ...string) iceberg.PartitionSpec {
	t.Helper()
	var out []iceberg.PartitionField
	for i, f := range fields {
		column, transform, _ := strings.Cut(f, "/")
		source, ok := schema.FindFieldByName(column)
		if !ok {
			t.Fatalf("no column %s", column)
		}
		tr, err := iceberg.ParseTransform(transform)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, iceberg.PartitionField{SourceIDs: []int{source.ID}, FieldID: 1000 + i, Name: fmt.Sprint("p", i), Transform: tr})
	}
	return iceberg.NewPartitionSpecID(1, out...)
}

// TestClusterByEveryTransform compares partition values with iceberg's own
// literal transforms, row by row.
func TestClusterByEveryTransform(t *testing.T) {
	schema := everything()
	cases := []string{
		"string/identity", "string/bucket[7]", "string/truncate[2]", "binary/identity", "binary/bucket[5]", "binary/truncate[1]",
		"int/identity", "int/bucket[3]", "int/truncate[10]", "long/identity", "long/bucket[16]", "long/truncate[100]",
		"dec18/identity", "dec18/bucket[4]", "dec18/truncate[50]", "dec38/bucket[4]",
		"date/identity", "date/year", "date/month", "date/day", "date/bucket[4]",
		"ts/year", "ts/month", "ts/day", "ts/hour", "ts/bucket[4]", "tstz/day", "tstz/hour", "tstz/identity",
		"time/identity", "time/bucket[3]", "uuid/identity", "uuid/bucket[8]", "fixed/identity", "fixed/bucket[8]",
		"bool/identity", "float/identity", "double/identity", "long/void", "struct.a/identity", "struct.inner.c/identity",
	}
	for _, c := range cases {
		t.Run(c, func(t *testing.T) {
			sp := spec(t, schema, c)
			column, transform, _ := strings.Cut(c, "/")
			source, _ := schema.FindFieldByName(column)
			tr, _ := iceberg.ParseTransform(transform)
			batches := []arrow.RecordBatch{someRows(t, schema, 300, 5), someRows(t, schema, 100, 6)}
			parts, err := parquet.Cluster(batches, schema, sp)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			total := int64(0)
			for _, p := range parts {
				text := fmt.Sprintf("%T %v", p.Values[1000], p.Values[1000])
				if seen[text] {
					t.Errorf("partition %s comes twice", text)
				}
				seen[text] = true
				for _, b := range p.Batches {
					total += b.NumRows()
					for row := range int(b.NumRows()) {
						want := "<nil> <nil>"
						if lit := literalAt(b, column, source.Type, row); lit != nil {
							if out := tr.Apply(iceberg.Optional[iceberg.Literal]{Valid: true, Val: lit}); out.Valid {
								v := out.Val.Any()
								if n, ok := v.(int32); ok && transform == "day" {
									v = iceberg.Date(n)
								}
								want = fmt.Sprintf("%T %v", v, v)
							}
						}
						if text != want {
							t.Fatalf("a row of partition %s lies in %s", want, text)
						}
					}
				}
			}
			if total != 400 {
				t.Errorf("%d rows of 400", total)
			}
		})
	}
}

// literalAt reads one source value as iceberg's own literal, nil for NULL.
func literalAt(b arrow.RecordBatch, column string, typ iceberg.Type, row int) iceberg.Literal {
	path := strings.Split(column, ".")
	a := b.Column(b.Schema().FieldIndices(path[0])[0])
	for _, name := range path[1:] {
		if a.IsNull(row) {
			return nil
		}
		at, _ := a.DataType().(*arrow.StructType).FieldIdx(name)
		a = a.(*array.Struct).Field(at)
	}
	if a.IsNull(row) {
		return nil
	}
	switch a := a.(type) {
	case *array.String:
		return iceberg.NewLiteral(a.Value(row))
	case *array.Binary:
		return iceberg.NewLiteral(slices.Clone(a.Value(row)))
	case *array.FixedSizeBinary:
		lit, err := iceberg.NewLiteral(slices.Clone(a.Value(row))).To(typ)
		if err != nil {
			panic(err)
		}
		return lit
	case *array.Boolean:
		return iceberg.NewLiteral(a.Value(row))
	case *array.Int32:
		return iceberg.NewLiteral(a.Value(row))
	case *array.Int64:
		return iceberg.NewLiteral(a.Value(row))
	case *array.Float32:
		return iceberg.NewLiteral(a.Value(row))
	case *array.Float64:
		return iceberg.NewLiteral(a.Value(row))
	case *array.Date32:
		return iceberg.NewLiteral(iceberg.Date(a.Value(row)))
	case *array.Time64:
		return iceberg.NewLiteral(iceberg.Time(a.Value(row)))
	case *array.Timestamp:
		return iceberg.NewLiteral(iceberg.Timestamp(a.Value(row)))
	case *array.Decimal128:
		return iceberg.NewLiteral(iceberg.Decimal{Val: a.Value(row), Scale: int(a.DataType().(*arrow.Decimal128Type).Scale)})
	case *extensions.UUIDArray:
		return iceberg.NewLiteral(a.Value(row))
	}
	panic(fmt.Sprintf("%T", a))
}

// TestClusterKeepsRows: over random rows and two fields, every row comes out
// once, in order within its partition, and NULL is not "null".
func TestClusterKeepsRows(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "who", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 2, Name: "n", Type: iceberg.PrimitiveTypes.Int64, Required: true},
		iceberg.NestedField{ID: 3, Name: "tags", Type: &iceberg.ListType{ElementID: 4, Element: iceberg.PrimitiveTypes.String}},
	)
	as, err := parquet.ArrowSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	sp := spec(t, schema, "who/identity", "n/bucket[3]")
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"null", "", "a", "__HIVE_DEFAULT_PARTITION__", "a/b"}
	var batches []arrow.RecordBatch
	type row struct{ who, tags string }
	var rows []row
	for range 20 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, as)
		for range rng.IntN(50) {
			who := rng.IntN(len(names) + 1)
			r := row{who: "\x00NULL", tags: "NULL"}
			if who == len(names) {
				b.Field(0).AppendNull()
			} else {
				r.who = names[who]
				b.Field(0).(*array.StringBuilder).Append(r.who)
			}
			b.Field(1).(*array.Int64Builder).Append(int64(len(rows)))
			list := b.Field(2).(*array.ListBuilder)
			if rng.IntN(3) == 0 {
				list.AppendNull()
			} else {
				list.Append(true)
				r.tags = ""
				for range rng.IntN(3) {
					list.ValueBuilder().(*array.StringBuilder).Append(fmt.Sprint("t", len(rows)))
					r.tags += fmt.Sprint("t", len(rows), ",")
				}
			}
			rows = append(rows, r)
		}
		batches = append(batches, b.NewRecordBatch())
	}
	parts, err := parquet.Cluster(batches, schema, sp)
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, len(rows))
	for _, p := range parts {
		last := int64(-1)
		for _, b := range p.Batches {
			for i := range int(b.NumRows()) {
				n := b.Column(1).(*array.Int64).Value(i)
				if n <= last || seen[n] {
					t.Fatalf("row %d after %d (seen %t)", n, last, seen[n])
				}
				last, seen[n] = n, true
				who := "\x00NULL"
				if col := b.Column(0).(*array.String); col.IsValid(i) {
					who = col.Value(i)
				}
				want := any(who)
				if who == "\x00NULL" {
					want = nil
				}
				if who != rows[n].who || p.Values[1000] != want {
					t.Fatalf("row %d of %q lies in partition %v", n, rows[n].who, p.Values[1000])
				}
				tags := "NULL"
				if list := b.Column(2).(*array.List); list.IsValid(i) {
					tags = ""
					from, to := list.ValueOffsets(i)
					for at := from; at < to; at++ {
						tags += list.ListValues().(*array.String).Value(int(at)) + ","
					}
				}
				if tags != rows[n].tags {
					t.Fatalf("row %d has tags %q, want %q", n, tags, rows[n].tags)
				}
			}
		}
	}
	for n, ok := range seen {
		if !ok {
			t.Errorf("row %d is lost", n)
		}
	}
}

func TestClusterRefusesWhatItCannotPartitionBy(t *testing.T) {
	schema := everything()
	for c, want := range map[string]string{
		"string/zorder[3]": "not known here", "list.element/identity": "list or map", "double/bucket[3]": "cannot be applied",
	} {
		if _, err := parquet.Cluster(nil, schema, spec(t, schema, c)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", c, err, want)
		}
	}
}
