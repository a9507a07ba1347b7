package lake_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/internal/lake/laketest"
)

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

// No filter may leave out a file that has a row which matches: compared with
// iceberg-go's scan over random filters on a table with NULLs, NaN, several
// specs and transforms.
func TestPruningLeavesNoRowOut(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "name", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 3, Name: "day", Type: iceberg.PrimitiveTypes.Date},
		iceberg.NestedField{ID: 4, Name: "dec", Type: iceberg.DecimalTypeOf(9, 2)},
		iceberg.NestedField{ID: 5, Name: "small", Type: iceberg.PrimitiveTypes.Int32},
	)
	spec := iceberg.NewPartitionSpecID(0,
		iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "id_bucket", Transform: iceberg.BucketTransform{NumBuckets: 3}},
		iceberg.PartitionField{SourceIDs: []int{2}, FieldID: 1001, Name: "name_trunc", Transform: iceberg.TruncateTransform{Width: 1}},
		iceberg.PartitionField{SourceIDs: []int{3}, FieldID: 1002, Name: "day_month", Transform: iceberg.MonthTransform{}})
	f := laketest.New(t, schema, &spec, nil)
	rows := func(from int) string {
		var out []string
		for i := from; i < from+12; i++ {
			name, day := fmt.Sprintf("%q", string(rune('a'+i%4))+fmt.Sprint(i)), fmt.Sprintf(`"2026-%02d-11"`, 1+i%3)
			if i%5 == 0 {
				name = "null"
			}
			if i%7 == 0 {
				day = "null"
			}
			out = append(out, fmt.Sprintf(`{"id": %d, "name": %s, "day": %s, "dec": "%d.25", "small": %d}`, i, name, day, i-10, i%6))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	f.Append(rows(0))
	f.Append(rows(12))
	f.Append(rows(24))
	pruned := 0
	rapid.Check(t, func(rt *rapid.T) {
		filter := randomFilter(rt, 2)
		scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, filter)
		if err != nil {
			rt.Fatalf("%s: %v", filter, err)
		}
		pruned += scan.Pruned
		kept := map[string]bool{}
		for _, file := range scan.Files {
			kept[file.Data.FilePath()] = true
		}
		tasks, err := f.Iceberg().Scan(table.WithRowFilter(filter)).PlanFiles(t.Context())
		if err != nil {
			rt.Fatalf("%s: %v", filter, err)
		}
		for _, task := range tasks {
			if !kept[task.File.FilePath()] {
				rt.Fatalf("%s: iceberg-go reads %s, we do not", filter, task.File.FilePath())
			}
		}
	})
	require.Positive(t, pruned)
}

// Bounds written before a column was widened are still read: iceberg-go 0.7.0
// ends a scan with an error there.
func TestPruningAfterPromotion(t *testing.T) {
	f := laketest.New(t, iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "i", Type: iceberg.PrimitiveTypes.Int32},
		iceberg.NestedField{ID: 2, Name: "f", Type: iceberg.PrimitiveTypes.Float32}), nil, nil)
	f.Append(`[{"i": 1, "f": 1.5}, {"i": 5, "f": 2.5}]`)
	f.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).
			UpdateColumn([]string{"i"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.PrimitiveTypes.Int64, Valid: true}}).
			UpdateColumn([]string{"f"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.PrimitiveTypes.Float64, Valid: true}}).Commit()
	})
	f.Append(`[{"i": 50000000000, "f": 7.5}]`)
	for _, c := range []struct {
		filter iceberg.BooleanExpression
		files  int
	}{
		{iceberg.EqualTo(iceberg.Reference("i"), int64(3)), 1},
		{iceberg.GreaterThan(iceberg.Reference("i"), int64(5)), 1},
		{iceberg.GreaterThan(iceberg.Reference("i"), int64(0)), 2},
		{iceberg.LessThan(iceberg.Reference("f"), 1.0), 0},
		{iceberg.LessThan(iceberg.Reference("f"), 2.0), 1},
	} {
		scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, c.filter)
		require.NoError(t, err)
		require.Len(t, scan.Files, c.files, "%s", c.filter)
	}
}

func randomFilter(rt *rapid.T, depth int) iceberg.BooleanExpression {
	if depth > 0 {
		switch rapid.IntRange(0, 3).Draw(rt, "shape") {
		case 0:
			return iceberg.NewAnd(randomFilter(rt, depth-1), randomFilter(rt, depth-1))
		case 1:
			return iceberg.NewOr(randomFilter(rt, depth-1), randomFilter(rt, depth-1))
		case 2:
			return iceberg.NewNot(randomFilter(rt, depth-1))
		}
	}
	column := rapid.SampledFrom([]string{"id", "name", "day", "dec", "small"}).Draw(rt, "column")
	ref := iceberg.Reference(column)
	var lit iceberg.Literal
	n := rapid.Int64Range(-3, 40).Draw(rt, "n")
	switch column {
	case "id":
		lit = iceberg.NewLiteral(n)
	case "small":
		lit = iceberg.NewLiteral(int32(n % 7))
	case "name":
		lit = iceberg.NewLiteral(rapid.SampledFrom([]string{"a", "a4", "b1", "c", "d3", "", "z"}).Draw(rt, "s"))
	case "day":
		lit = iceberg.NewLiteral(iceberg.Date(20454 + n*5))
	case "dec":
		lit = iceberg.NewLiteral(fmt.Sprintf("%d.25", n-10))
	}
	switch op := rapid.SampledFrom([]iceberg.Operation{iceberg.OpEQ, iceberg.OpNEQ, iceberg.OpLT, iceberg.OpLTEQ, iceberg.OpGT, iceberg.OpGTEQ, iceberg.OpIsNull, iceberg.OpNotNull, iceberg.OpStartsWith}).Draw(rt, "op"); op {
	case iceberg.OpIsNull, iceberg.OpNotNull:
		return iceberg.UnaryPredicate(op, ref)
	case iceberg.OpStartsWith:
		if column == "name" {
			return iceberg.LiteralPredicate(op, ref, lit)
		}
		return iceberg.LiteralPredicate(iceberg.OpEQ, ref, lit)
	default:
		return iceberg.LiteralPredicate(op, ref, lit)
	}
}
