package lake_test

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lake/laketest"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

func TestMain(m *testing.M) {
	duck.WorkerMain()
	os.Exit(objstoretest.Main(m))
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
	maps.Copy(out, props)
	return out
}

func TestEmptyTable(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, nil)
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	require.Empty(t, scan.Files)
	rows := f.Query(scan, lake.RelationOptions{WithFile: true, WithSequence: true, WithRowID: true}, "DESCRIBE t")
	require.Len(t, rows, 8)
	require.Empty(t, f.Query(scan, lake.RelationOptions{}, "FROM t"))
}

func TestAppendsAndTimeTravel(t *testing.T) {
	f := laketest.New(t, simpleSchema(), byPart(), nil)
	first := f.Append(simpleRows(0, 10, "a"))
	f.Append(simpleRows(10, 25, "b"))
	f.Same(25)
	require.Len(t, f.Rows(first), 10)
	require.Equal(t, f.Reference(first), f.Rows(first))
	_, err := f.Lake.Plan(t.Context(), f.Meta, 42, nil)
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
			{ID: 16, Name: "x y", Type: iceberg.PrimitiveTypes.Int32}, {ID: 17, Name: "z", Type: iceberg.PrimitiveTypes.String},
		}}},
	)
	f := laketest.New(t, schema, nil, nil)
	f.Append(`[{"b": true, "i": 1, "l": 9007199254740993, "f": 1.5, "d": 2.25, "dec": "123456789012345.678", "day": "2026-02-28", "ts": "2026-02-28T23:59:59.999999",
		"tz": "2026-02-28T23:59:59.999999Z", "s": "ü\u0000x", "odd \"name'; --": "o", "file_row_number": 7, "list": [1, null], "st": {"x y": 5, "z": null}}, {"i": 2}]`)
	f.Same(2)
}

func TestPositionDeletes(t *testing.T) {
	for _, version := range []string{"2", "3"} { // position delete files, deletion vectors
		t.Run("v"+version, func(t *testing.T) {
			f := laketest.New(t, simpleSchema(), byPart(), withVersion(version, mergeOnRead))
			f.Append(simpleRows(0, 100, "a"))
			f.Append(simpleRows(100, 200, "b"))
			f.Append(simpleRows(200, 300, "a"))
			f.Delete(iceberg.LessThan(iceberg.Reference("id"), int64(5)))
			before := f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(150)))
			f.Same(294)
			f.Delete(iceberg.GreaterThanEqual(iceberg.Reference("id"), int64(290)))
			f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(6)))
			f.Same(283)
			require.Len(t, f.Rows(before), 294)
			scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
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
			rows := f.Query(scan, lake.RelationOptions{WithFile: true, WithSequence: true, WithRowID: version == "3"},
				"SELECT count(*) AS n, count(DISTINCT _file) AS files, min(_pos) AS low, max(_pos) AS high, count(_seq) AS seqs FROM t WHERE id < 200")
			require.Equal(t, []map[string]any{{"n": int64(193), "files": int64(2), "low": int64(0), "high": int64(99), "seqs": int64(193)}}, rows)
		})
	}
}

// TestOneLargeFile: the file without rows that brings DuckDB's threads to a single
// large one changes nothing: no row, position, file or id.
func TestOneLargeFile(t *testing.T) {
	const rows = 130_000
	f := laketest.New(t, simpleSchema(), nil, withVersion("3", mergeOnRead))
	f.Append(simpleRows(0, rows, "a"))
	sums := "SELECT count(*) AS n, sum(id)::BIGINT AS s FROM t"
	all := "SELECT count(*) AS n, count(DISTINCT _file) AS files, min(_pos) AS low, max(_pos) AS high, count(DISTINCT _row_id) AS ids, sum(_pos - id)::BIGINT AS off FROM t"
	options := lake.RelationOptions{WithFile: true, WithRowID: true}
	plan := func() *lake.Scan {
		scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
		require.NoError(t, err)
		require.Len(t, scan.Files, 1)
		return scan
	}
	require.Equal(t, []map[string]any{{"n": int64(rows), "s": int64(rows) * (rows - 1) / 2}}, f.Query(plan(), lake.RelationOptions{}, sums))
	require.Equal(t, []map[string]any{{"n": int64(rows), "files": int64(1), "low": int64(0), "high": int64(rows - 1), "ids": int64(rows), "off": int64(0)}}, f.Query(plan(), options, all))
	rel, err := f.Lake.Relation(t.Context(), plan(), lake.RelationOptions{})
	require.NoError(t, err)
	require.Len(t, rel.Paths, 2, "the file, and one without rows")
	rel.Release()
	f.Delete(iceberg.LessThan(iceberg.Reference("id"), int64(5)))
	require.Equal(t, []map[string]any{{"n": int64(rows - 5), "files": int64(1), "low": int64(5), "high": int64(rows - 1), "ids": int64(rows - 5), "off": int64(0)}}, f.Query(plan(), options, all))
}

// lower spells the formats of files as DuckDB does.
type lower struct{ iceberg.DataFile }

func (l lower) FileFormat() iceberg.FileFormat {
	return iceberg.FileFormat(strings.ToLower(string(l.DataFile.FileFormat())))
}

func TestFormatsInLowerCase(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		f := laketest.New(t, simpleSchema(), nil, withVersion(version, mergeOnRead))
		f.Append(simpleRows(0, 10, "a"))
		f.Append(simpleRows(10, 20, "a"))
		f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(3)))
		f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(13)))
		scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
		require.NoError(t, err)
		deletes := 0
		for i := range scan.Files {
			scan.Files[i].Data = lower{scan.Files[i].Data}
			for j := range scan.Files[i].Deletes {
				scan.Files[i].Deletes[j].Data = lower{scan.Files[i].Deletes[j].Data}
				deletes++
			}
		}
		require.Positive(t, deletes)
		require.Len(t, f.Query(scan, lake.RelationOptions{}, "FROM t"), 18, "format %s", version)
	}
}

func TestRowIDs(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, withVersion("3", mergeOnRead))
	f.Append(simpleRows(0, 10, "a"))
	f.Append(simpleRows(10, 20, "b"))
	f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(3)))
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	rows := f.Query(scan, lake.RelationOptions{WithRowID: true}, "SELECT count(*) AS n, count(DISTINCT _row_id) AS ids, count(_last_updated_sequence_number) AS seqs, min(_last_updated_sequence_number) AS low, max(_last_updated_sequence_number) AS high FROM t")
	require.Equal(t, []map[string]any{{"n": int64(19), "ids": int64(19), "seqs": int64(19), "low": int64(1), "high": int64(2)}}, rows)
}

func TestEqualityDeletes(t *testing.T) {
	f := laketest.New(t, simpleSchema(), byPart(), withVersion("2", mergeOnRead))
	f.Append(simpleRows(0, 10, "a"))
	f.Append(simpleRows(0, 10, "b"))
	f.EqualityDelete([]int{1, 3}, `[{"id": 1, "part": "a"}, {"id": 2, "part": "a"}, {"id": 7, "part": "b"}]`, "id", "part")
	f.Same(17)
	f.Append(simpleRows(1, 3, "a")) // younger than the delete: they stay
	f.Same(19)
	f.Delete(iceberg.EqualTo(iceberg.Reference("name"), "n9"))
	f.Same(17)
	f.Append(`[{"id": null, "name": null, "part": "a"}, {"id": null, "name": "x", "part": null}]`)
	f.EqualityDelete([]int{2}, `[{"name": "n3", "part": "a"}, {"name": null, "part": "a"}]`, "name", "part")
	f.Same(17)
	// Only the columns asked for, though deletes need others.
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	require.Len(t, f.Query(scan, lake.RelationOptions{Columns: []string{"part"}}, "FROM t"), 17)
}

// Deletes that apply in their partition, and those that apply everywhere: each row
// is looked up in them, not compared with each.
func TestEqualityDeletesAreLookedUp(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, withVersion("2", mergeOnRead))
	f.Append(simpleRows(0, 10, "a"))
	f.Append(simpleRows(0, 10, "b"))
	f.EqualityDelete([]int{1}, `[{"id": 1}, {"id": 2}, {"id": null}]`, "id")
	f.Append(simpleRows(1, 3, "a")) // younger: they stay until the next
	f.Same(18)
	f.EqualityDelete([]int{1}, `[{"id": 2}, {"id": 7}]`, "id")
	f.Same(15)
	// The table is divided now, and has deletes of both kinds.
	f.Change(func(tx *table.Transaction) error { return tx.UpdateSpec(true).AddIdentity("part").Commit() })
	f.Append(simpleRows(20, 24, "a"))
	f.Append(simpleRows(20, 24, "b"))
	f.EqualityDelete([]int{1, 3}, `[{"id": 20, "part": "a"}, {"id": 21, "part": "b"}]`, "id", "part")
	f.Same(21)
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	rel, err := f.Lake.Relation(t.Context(), scan, lake.RelationOptions{})
	require.NoError(t, err)
	defer rel.Release()
	rows, err := f.Pool.Exec(t.Context(), duck.Job{Setup: rel.Setup, SQL: "EXPLAIN FROM " + rel.SQL, Read: rel.Paths})
	require.NoError(t, err)
	plan := fmt.Sprint(rows)
	require.Contains(t, plan, "HASH_JOIN")
	require.NotContains(t, plan, "NL_JOIN", plan)
	require.NotContains(t, plan, "NESTED_LOOP", plan)
}

func TestSchemaEvolution(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "a", Type: iceberg.PrimitiveTypes.Int32},
		iceberg.NestedField{ID: 2, Name: "b", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 3, Name: "c", Type: iceberg.PrimitiveTypes.Float32},
		iceberg.NestedField{ID: 4, Name: "d", Type: iceberg.DecimalTypeOf(9, 2)},
	)
	f := laketest.New(t, schema, nil, nil)
	first := f.Append(`[{"a": 1, "b": "x", "c": 1.5, "d": "1.25"}]`)
	f.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).
			UpdateColumn([]string{"a"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.PrimitiveTypes.Int64, Valid: true}}).
			UpdateColumn([]string{"c"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.PrimitiveTypes.Float64, Valid: true}}).
			UpdateColumn([]string{"d"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.DecimalTypeOf(18, 2), Valid: true}}).
			RenameColumn([]string{"b"}, "bb").
			AddColumn([]string{"e"}, iceberg.PrimitiveTypes.String, "", false, nil).Commit()
	})
	f.Append(`[{"a": 5000000000, "bb": "y", "c": 2.5, "d": "12345678901.25", "e": "new"}]`)
	f.Same(2)
	require.Equal(t, []string{"map[a:1 b:x c:1.5 d:1.25]"}, f.Rows(first))
	// A dropped column's name comes back as another column: old files have
	// none of it.
	f.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).DeleteColumn([]string{"e"}).Commit()
	})
	f.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).AddColumn([]string{"e"}, iceberg.PrimitiveTypes.String, "", false, nil).Commit()
	})
	f.Append(`[{"a": 3, "bb": "z", "c": 3.5, "d": "3.25", "e": "newer"}]`)
	f.Same(3)
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	require.Equal(t, []map[string]any{{"e": "newer"}}, f.Query(scan, lake.RelationOptions{Columns: []string{"e"}}, "FROM t WHERE e IS NOT NULL"))
}

// A file may have none of the fields that a struct has now; where it was NULL,
// it stays.
func TestStructWithOtherFieldsOnly(t *testing.T) {
	f := laketest.New(t, iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "s", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: 3, Name: "deep", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 4, Name: "x", Type: iceberg.PrimitiveTypes.Binary}}}},
		}}},
	), nil, nil)
	f.Append(`[{"id": 1, "s": {"deep": {"x": "AAECaGVsbG8="}}}, {"id": 2, "s": null}, {"id": 3, "s": {"deep": null}}, {"id": 4, "s": {"deep": {"x": null}}}]`)
	f.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).AddColumn([]string{"s", "deep", "y"}, iceberg.PrimitiveTypes.Int32, "", false, nil).DeleteColumn([]string{"s", "deep", "x"}).Commit()
	})
	f.Append(`[{"id": 5, "s": {"deep": {"y": 5}}}]`)
	require.Equal(t, []string{
		"map[id:1 s:map[deep:map[y:<nil>]]]", "map[id:2 s:<nil>]", "map[id:3 s:map[deep:<nil>]]",
		"map[id:4 s:map[deep:map[y:<nil>]]]", "map[id:5 s:map[deep:map[y:5]]]",
	}, f.Rows(0))
}

func TestNestedEvolution(t *testing.T) {
	inner := &iceberg.StructType{FieldList: []iceberg.NestedField{
		{ID: 11, Name: "x", Type: iceberg.PrimitiveTypes.Int32}, {ID: 12, Name: "y", Type: iceberg.PrimitiveTypes.String},
	}}
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "s", Type: inner},
	)
	f := laketest.New(t, schema, nil, nil)
	f.Append(`[{"id": 1, "s": {"x": 10, "y": "old"}}, {"id": 2, "s": null}]`)
	f.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).AddColumn([]string{"s", "z"}, iceberg.PrimitiveTypes.Int64, "", false, nil).Commit()
	})
	f.Append(`[{"id": 3, "s": {"x": 11, "y": "mid", "z": 4}}]`)
	f.Same(3)
	// Renamed inside: DuckDB alone would answer NULL.
	f.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).RenameColumn([]string{"s", "y"}, "yy").Commit()
	})
	f.Append(`[{"id": 4, "s": {"x": 12, "yy": "new", "z": 5}}]`)
	rows := f.Rows(0)
	require.Equal(t, []string{
		"map[id:1 s:map[x:10 yy:old z:<nil>]]", "map[id:2 s:<nil>]",
		"map[id:3 s:map[x:11 yy:mid z:4]]", "map[id:4 s:map[x:12 yy:new z:5]]",
	}, rows)
	require.Equal(t, f.Reference(0), rows)
}
