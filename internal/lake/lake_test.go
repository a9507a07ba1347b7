package lake_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	duck.WorkerMain()
	os.Exit(m.Run())
}

func simpleSchema() *iceberg.Schema {
	return iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "name", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 3, Name: "part", Type: iceberg.PrimitiveTypes.String},
	)
}

func byPart() *iceberg.PartitionSpec {
	spec := iceberg.NewPartitionSpecID(0, iceberg.PartitionField{SourceIDs: []int{3}, FieldID: 1000, Name: "part", Transform: iceberg.IdentityTransform{}})
	return &spec
}

func simpleRows(from, to int, part string) string {
	var rows []string
	for i := from; i < to; i++ {
		rows = append(rows, fmt.Sprintf(`{"id": %d, "name": "n%d", "part": %q}`, i, i, part))
	}
	return "[" + strings.Join(rows, ",") + "]"
}

var mergeOnRead = iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead}

func withVersion(v string, props iceberg.Properties) iceberg.Properties {
	out := iceberg.Properties{table.PropertyFormatVersion: v}
	for k, val := range props {
		out[k] = val
	}
	return out
}

func TestEmptyTable(t *testing.T) {
	f := newFixture(t, simpleSchema(), nil, nil)
	scan, err := f.lake.Plan(t.Context(), f.meta, 0, nil)
	require.NoError(t, err)
	require.Empty(t, scan.Files)
	rows := f.query(scan, lake.RelationOptions{WithFile: true, WithSequence: true, WithRowID: true}, "DESCRIBE t")
	require.Len(t, rows, 8)
	require.Empty(t, f.query(scan, lake.RelationOptions{}, "FROM t"))
}

func TestAppendsAndTimeTravel(t *testing.T) {
	f := newFixture(t, simpleSchema(), byPart(), nil)
	first := f.append(simpleRows(0, 10, "a"))
	f.append(simpleRows(10, 25, "b"))
	f.same(25)
	require.Len(t, f.rows(first), 10)
	require.Equal(t, f.reference(first), f.rows(first))
	_, err := f.lake.Plan(t.Context(), f.meta, 42, nil)
	require.ErrorIs(t, err, lake.ErrNoSnapshot)
}

func TestAllTypes(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "b", Type: iceberg.PrimitiveTypes.Bool},
		iceberg.NestedField{ID: 2, Name: "i", Type: iceberg.PrimitiveTypes.Int32},
		iceberg.NestedField{ID: 3, Name: "l", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 4, Name: "f", Type: iceberg.PrimitiveTypes.Float32},
		iceberg.NestedField{ID: 5, Name: "d", Type: iceberg.PrimitiveTypes.Float64},
		iceberg.NestedField{ID: 6, Name: "dec", Type: iceberg.DecimalTypeOf(18, 3)},
		iceberg.NestedField{ID: 7, Name: "day", Type: iceberg.PrimitiveTypes.Date},
		iceberg.NestedField{ID: 8, Name: "ts", Type: iceberg.PrimitiveTypes.Timestamp},
		iceberg.NestedField{ID: 9, Name: "tz", Type: iceberg.PrimitiveTypes.TimestampTz},
		iceberg.NestedField{ID: 10, Name: "s", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 11, Name: "odd \"name'; --", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 12, Name: "file_row_number", Type: iceberg.PrimitiveTypes.Int32},
		iceberg.NestedField{ID: 13, Name: "list", Type: &iceberg.ListType{ElementID: 14, Element: iceberg.PrimitiveTypes.Int64}},
		iceberg.NestedField{ID: 15, Name: "st", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: 16, Name: "x y", Type: iceberg.PrimitiveTypes.Int32}, {ID: 17, Name: "z", Type: iceberg.PrimitiveTypes.String}}}},
	)
	f := newFixture(t, schema, nil, nil)
	f.append(`[{"b": true, "i": 1, "l": 9007199254740993, "f": 1.5, "d": 2.25, "dec": "123456789012345.678", "day": "2026-02-28", "ts": "2026-02-28T23:59:59.999999",
		"tz": "2026-02-28T23:59:59.999999Z", "s": "ü\u0000x", "odd \"name'; --": "o", "file_row_number": 7, "list": [1, null], "st": {"x y": 5, "z": null}}, {"i": 2}]`)
	f.same(2)
}

func TestPositionDeletes(t *testing.T) {
	for _, version := range []string{"2", "3"} { // position delete files, deletion vectors
		t.Run("v"+version, func(t *testing.T) {
			f := newFixture(t, simpleSchema(), byPart(), withVersion(version, mergeOnRead))
			f.append(simpleRows(0, 100, "a"))
			f.append(simpleRows(100, 200, "b"))
			f.append(simpleRows(200, 300, "a"))
			f.delete(iceberg.LessThan(iceberg.Reference("id"), int64(5)))
			before := f.delete(iceberg.EqualTo(iceberg.Reference("id"), int64(150)))
			f.same(294)
			f.delete(iceberg.GreaterThanEqual(iceberg.Reference("id"), int64(290)))
			f.delete(iceberg.EqualTo(iceberg.Reference("id"), int64(6)))
			f.same(283)
			require.Len(t, f.rows(before), 294)
			scan, err := f.lake.Plan(t.Context(), f.meta, 0, nil)
			require.NoError(t, err)
			deletes := 0
			for _, file := range scan.Files {
				deletes += len(file.Deletes)
				for _, d := range file.Deletes {
					require.Equal(t, version == "3", d.Data.ContentOffset() != nil)
				}
			}
			require.Positive(t, deletes)
			// The positions that remain are the file's own.
			rows := f.query(scan, lake.RelationOptions{WithFile: true, WithSequence: true, WithRowID: version == "3"},
				"SELECT count(*) AS n, count(DISTINCT _file) AS files, min(_pos) AS low, max(_pos) AS high, count(_seq) AS seqs FROM t WHERE id < 200")
			require.Equal(t, []map[string]any{{"n": int64(193), "files": int64(2), "low": int64(0), "high": int64(99), "seqs": int64(193)}}, rows)
		})
	}
}

func TestRowIDs(t *testing.T) {
	f := newFixture(t, simpleSchema(), nil, withVersion("3", mergeOnRead))
	f.append(simpleRows(0, 10, "a"))
	f.append(simpleRows(10, 20, "b"))
	f.delete(iceberg.EqualTo(iceberg.Reference("id"), int64(3)))
	scan, err := f.lake.Plan(t.Context(), f.meta, 0, nil)
	require.NoError(t, err)
	rows := f.query(scan, lake.RelationOptions{WithRowID: true}, "SELECT count(*) AS n, count(DISTINCT _row_id) AS ids, count(_last_updated_sequence_number) AS seqs, min(_last_updated_sequence_number) AS low, max(_last_updated_sequence_number) AS high FROM t")
	require.Equal(t, []map[string]any{{"n": int64(19), "ids": int64(19), "seqs": int64(19), "low": int64(1), "high": int64(2)}}, rows)
}

func TestEqualityDeletes(t *testing.T) {
	f := newFixture(t, simpleSchema(), byPart(), withVersion("2", mergeOnRead))
	f.append(simpleRows(0, 10, "a"))
	f.append(simpleRows(0, 10, "b"))
	f.equalityDelete([]int{1, 3}, `[{"id": 1, "part": "a"}, {"id": 2, "part": "a"}, {"id": 7, "part": "b"}]`, "id", "part")
	f.same(17)
	f.append(simpleRows(1, 3, "a")) // younger than the delete: they stay
	f.same(19)
	f.delete(iceberg.EqualTo(iceberg.Reference("name"), "n9"))
	f.same(17)
	f.append(`[{"id": null, "name": null, "part": "a"}, {"id": null, "name": "x", "part": null}]`)
	f.equalityDelete([]int{2}, `[{"name": "n3", "part": "a"}, {"name": null, "part": "a"}]`, "name", "part")
	f.same(17)
	// Only the columns asked for, though deletes need others.
	scan, err := f.lake.Plan(t.Context(), f.meta, 0, nil)
	require.NoError(t, err)
	require.Len(t, f.query(scan, lake.RelationOptions{Columns: []string{"part"}}, "FROM t"), 17)
}

func TestSchemaEvolution(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "a", Type: iceberg.PrimitiveTypes.Int32},
		iceberg.NestedField{ID: 2, Name: "b", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 3, Name: "c", Type: iceberg.PrimitiveTypes.Float32},
		iceberg.NestedField{ID: 4, Name: "d", Type: iceberg.DecimalTypeOf(9, 2)},
	)
	f := newFixture(t, schema, nil, nil)
	first := f.append(`[{"a": 1, "b": "x", "c": 1.5, "d": "1.25"}]`)
	f.change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).
			UpdateColumn([]string{"a"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.PrimitiveTypes.Int64, Valid: true}}).
			UpdateColumn([]string{"c"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.PrimitiveTypes.Float64, Valid: true}}).
			UpdateColumn([]string{"d"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.DecimalTypeOf(18, 2), Valid: true}}).
			RenameColumn([]string{"b"}, "bb").
			AddColumn([]string{"e"}, iceberg.PrimitiveTypes.String, "", false, nil).Commit()
	})
	f.append(`[{"a": 5000000000, "bb": "y", "c": 2.5, "d": "12345678901.25", "e": "new"}]`)
	f.same(2)
	require.Equal(t, []string{"map[a:1 b:x c:1.5 d:1.25]"}, f.rows(first))
	// A dropped column's name comes back as another column: old files have
	// none of it.
	f.change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).DeleteColumn([]string{"e"}).Commit()
	})
	f.change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).AddColumn([]string{"e"}, iceberg.PrimitiveTypes.String, "", false, nil).Commit()
	})
	f.append(`[{"a": 3, "bb": "z", "c": 3.5, "d": "3.25", "e": "newer"}]`)
	f.same(3)
	scan, err := f.lake.Plan(t.Context(), f.meta, 0, nil)
	require.NoError(t, err)
	require.Equal(t, []map[string]any{{"e": "newer"}}, f.query(scan, lake.RelationOptions{Columns: []string{"e"}}, "FROM t WHERE e IS NOT NULL"))
}

func TestNestedEvolution(t *testing.T) {
	inner := &iceberg.StructType{FieldList: []iceberg.NestedField{
		{ID: 11, Name: "x", Type: iceberg.PrimitiveTypes.Int32}, {ID: 12, Name: "y", Type: iceberg.PrimitiveTypes.String}}}
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "s", Type: inner},
	)
	f := newFixture(t, schema, nil, nil)
	f.append(`[{"id": 1, "s": {"x": 10, "y": "old"}}, {"id": 2, "s": null}]`)
	f.change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).AddColumn([]string{"s", "z"}, iceberg.PrimitiveTypes.Int64, "", false, nil).Commit()
	})
	f.append(`[{"id": 3, "s": {"x": 11, "y": "mid", "z": 4}}]`)
	f.same(3)
	// Renamed inside: DuckDB alone would answer NULL.
	f.change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).RenameColumn([]string{"s", "y"}, "yy").Commit()
	})
	f.append(`[{"id": 4, "s": {"x": 12, "yy": "new", "z": 5}}]`)
	rows := f.rows(0)
	require.Equal(t, []string{
		"map[id:1 s:map[x:10 yy:old z:<nil>]]", "map[id:2 s:<nil>]",
		"map[id:3 s:map[x:11 yy:mid z:4]]", "map[id:4 s:map[x:12 yy:new z:5]]",
	}, rows)
	require.Equal(t, f.reference(0), rows)
}
