package lake_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lake/laketest"
)

const ownIDs = ", FIELD_IDS {id: 1, name: 2}"

func mapped(mapping string) iceberg.Properties {
	return iceberg.Properties{table.DefaultNameMappingKey: mapping}
}

// Rule 1: what the file lacks and its partition has by identity.
func TestPartitionValuesThatAreNotInTheFile(t *testing.T) {
	const mapping = `[{"field-id": 1, "names": ["id"]}, {"field-id": 2, "names": ["name"]}, {"field-id": 3, "names": ["part"]}]`
	for name, c := range map[string]struct {
		options string
		props   iceberg.Properties
	}{
		"field ids":                     {ownIDs, nil},
		"field ids and a mapping":       {ownIDs, mapped(mapping)},
		"no field ids, only a mapping":  {"", mapped(mapping)},
		"some field ids, and a mapping": {", FIELD_IDS {id: 1}", mapped(mapping)},
	} {
		t.Run(name, func(t *testing.T) {
			f := laketest.New(t, simpleSchema(), byPart(), c.props)
			f.Append(simpleRows(0, 2, "own"))
			f.Import("SELECT 10 + range AS id, 'i' || range AS name FROM range(2)", c.options, map[int]any{1000: "a"})
			f.Import("SELECT 20 AS id, 'j' AS name", c.options, map[int]any{1000: "it's"})
			f.Import("SELECT 30 AS id, 'k' AS name", c.options, map[int]any{1000: nil})
			f.Import("SELECT 40 AS id, 'l' AS name", c.options, map[int]any{1000: ""})
			want := []string{
				"map[id:0 name:n0 part:own]", "map[id:1 name:n1 part:own]", "map[id:10 name:i0 part:a]", "map[id:11 name:i1 part:a]",
				"map[id:20 name:j part:it's]", "map[id:30 name:k part:<nil>]", "map[id:40 name:l part:]",
			}
			require.Equal(t, want, f.Rows(0))
			scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
			require.NoError(t, err)
			// Alone, in a filter, and beside the hidden columns.
			require.Equal(t, []map[string]any{{"part": "a"}, {"part": "a"}}, f.Query(scan, lake.RelationOptions{Columns: []string{"part"}}, "FROM t WHERE part = 'a'"))
			require.Equal(t, []map[string]any{{"part": "a", "_pos": int64(1), "_seq": int64(2)}},
				f.Query(scan, lake.RelationOptions{WithFile: true, WithSequence: true}, "SELECT part, _pos, _seq FROM t WHERE id = 11"))
			require.Equal(t, []map[string]any{{"n": int64(7)}}, f.Query(scan, lake.RelationOptions{Columns: []string{}}, "SELECT count(*) AS n FROM t"))
			scan, err = f.Lake.Plan(t.Context(), f.Meta, 0, iceberg.EqualTo(iceberg.Reference("part"), "a"))
			require.NoError(t, err)
			require.Len(t, scan.Files, 1)
		})
	}
}

// The type of every column that can be a partition's, as its value is in a
// manifest.
func TestPartitionValuesOfAllTypes(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "flag", Type: iceberg.PrimitiveTypes.Bool},
		iceberg.NestedField{ID: 3, Name: "whole", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 4, Name: "day", Type: iceberg.PrimitiveTypes.Date},
		iceberg.NestedField{ID: 5, Name: "small", Type: iceberg.PrimitiveTypes.Int32},
		iceberg.NestedField{ID: 6, Name: "ratio", Type: iceberg.PrimitiveTypes.Float64},
		iceberg.NestedField{ID: 7, Name: "blob", Type: iceberg.PrimitiveTypes.Binary},
	)
	var parts []iceberg.PartitionField
	for i, f := range schema.Fields()[1:] {
		parts = append(parts, iceberg.PartitionField{SourceIDs: []int{f.ID}, FieldID: 1000 + i, Name: f.Name, Transform: iceberg.IdentityTransform{}})
	}
	spec := iceberg.NewPartitionSpecID(0, parts...)
	f := laketest.New(t, schema, &spec, nil)
	f.Import("SELECT 1 AS id", ", FIELD_IDS {id: 1}", map[int]any{
		1000: true, 1001: int64(9007199254740993), 1002: iceberg.Date(20_000), 1003: int32(-3), 1004: 0.1, 1005: []byte{0, '\'', 255},
	})
	require.Equal(t, []string{"map[blob:[0 39 255] day:2024-10-04 00:00:00 +0000 UTC flag:true id:1 ratio:0.1 small:-3 whole:9007199254740993]"}, f.Rows(0))
}

// A value that is in the file is the file's, whatever the partition says; and a
// transform other than identity says nothing.
func TestPartitionValuesThatSayNothing(t *testing.T) {
	f := laketest.New(t, simpleSchema(), byPart(), nil)
	f.Import("SELECT 1 AS id, 'x' AS name, 'file' AS part", ", FIELD_IDS {id: 1, name: 2, part: 3}", map[int]any{1000: "partition"})
	require.Equal(t, []string{"map[id:1 name:x part:file]"}, f.Rows(0))

	cut := iceberg.NewPartitionSpecID(0, iceberg.PartitionField{SourceIDs: []int{3}, FieldID: 1000, Name: "p", Transform: iceberg.TruncateTransform{Width: 1}})
	f = f.Sibling(simpleSchema(), &cut, nil)
	f.Import("SELECT 1 AS id, 'x' AS name", ownIDs, map[int]any{1000: "p"})
	require.Equal(t, []string{"map[id:1 name:x part:<nil>]"}, f.Rows(0))
}

// Deletes find rows whose columns are in the partition only.
func TestDeletesOverPartitionValues(t *testing.T) {
	f := laketest.New(t, simpleSchema(), byPart(), withVersion("2", mergeOnRead))
	f.Append(simpleRows(0, 4, "a"))
	f.Import("SELECT range AS id, 'i' || range AS name FROM range(4)", ownIDs, map[int]any{1000: "a"})
	f.Import("SELECT range AS id, 'j' || range AS name FROM range(4)", ownIDs, map[int]any{1000: "b"})
	f.EqualityDelete([]int{1, 3}, `[{"id": 1, "part": "a"}, {"id": 2, "part": "a"}]`, "id", "part")
	require.Equal(t, []string{
		"map[id:0 name:i0 part:a]", "map[id:0 name:j0 part:b]", "map[id:0 name:n0 part:a]", "map[id:1 name:j1 part:b]", "map[id:2 name:j2 part:b]",
		"map[id:3 name:i3 part:a]", "map[id:3 name:j3 part:b]", "map[id:3 name:n3 part:a]",
	}, f.Rows(0))
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	require.Len(t, f.Query(scan, lake.RelationOptions{Columns: []string{"name"}}, "FROM t"), 8)
}

// Rule 2: columns without field ids, by any of their names, also inside of
// others.
func TestNameMapping(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "s", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: 3, Name: "x", Type: iceberg.PrimitiveTypes.Int64}, {ID: 4, Name: "y", Type: iceberg.PrimitiveTypes.String},
		}}},
		iceberg.NestedField{ID: 5, Name: "list", Type: &iceberg.ListType{ElementID: 6, Element: &iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 7, Name: "z", Type: iceberg.PrimitiveTypes.Int32}}}}},
		iceberg.NestedField{ID: 8, Name: "map", Type: &iceberg.MapType{KeyID: 9, KeyType: iceberg.PrimitiveTypes.String, ValueID: 10, ValueType: &iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 11, Name: "v", Type: iceberg.PrimitiveTypes.Int64}}}}},
		iceberg.NestedField{ID: 12, Name: "other", Type: iceberg.PrimitiveTypes.String},
	)
	f := laketest.New(t, schema, nil, mapped(`[
		{"field-id": 1, "names": ["id", "key"]},
		{"field-id": 2, "names": ["s", "pair"], "fields": [{"field-id": 3, "names": ["x", "first"]}, {"field-id": 4, "names": ["y", "second"]}]},
		{"field-id": 5, "names": ["list"], "fields": [{"field-id": 6, "names": ["element"], "fields": [{"field-id": 7, "names": ["zed"]}]}]},
		{"field-id": 8, "names": ["map"], "fields": [{"field-id": 9, "names": ["key"]}, {"field-id": 10, "names": ["value"], "fields": [{"field-id": 11, "names": ["vee"]}]}]}]`))
	// Old names; new ones, where "x" is now another column's; one that no
	// mapping knows.
	f.Import("SELECT 1 AS key, {'second': 'b', 'first': 2} AS pair, [{'zed': 3}] AS list, MAP {'k': {'vee': 4}} AS map, 'no' AS other", "", nil)
	f.Import("SELECT {'x': 6, 'y': 'c'} AS s, 5 AS id", "", nil)
	require.Equal(t, []string{
		"map[id:1 list:[map[z:3]] map:[map[key:k value:map[v:4]]] other:<nil> s:map[x:2 y:b]]",
		"map[id:5 list:<nil> map:<nil> other:<nil> s:map[x:6 y:c]]",
	}, f.Rows(0))
}

// A field id counts more than a name.
func TestFieldIDsBeforeNames(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, mapped(`[{"field-id": 1, "names": ["id"]}, {"field-id": 2, "names": ["name", "title"]}, {"field-id": 3, "names": ["part"]}]`))
	f.Import("SELECT 1 AS id, 'id' AS label, 'name' AS title, 'p' AS part", ", FIELD_IDS {id: 1, label: 2}", nil)
	require.Equal(t, []string{"map[id:1 name:id part:p]"}, f.Rows(0))
}

func TestFilesThatNobodyCanName(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, nil)
	f.Import("SELECT 1 AS id, 'x' AS name, 'p' AS part", "", nil)
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	_, err = f.Lake.Relation(t.Context(), scan, lake.RelationOptions{})
	require.ErrorIs(t, err, lake.ErrUnsupported)
	require.ErrorContains(t, err, "schema.name-mapping.default")
	require.ErrorContains(t, err, scan.Files[0].Data.FilePath())

	f = f.Sibling(simpleSchema(), nil, mapped(`{"field-id": 1}`))
	f.Import("SELECT 1 AS id", "", nil)
	scan, err = f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	_, err = f.Lake.Relation(t.Context(), scan, lake.RelationOptions{})
	require.ErrorContains(t, err, "is no name mapping")
}

// Rule 3: the initial default of a column that the file lacks and its partition
// does not have; rule 4: NULL.
func TestInitialDefaults(t *testing.T) {
	dec, _ := decimal128.FromString("12.345", 18, 3)
	defaults := []iceberg.NestedField{
		{ID: 2, Name: "flag", Type: iceberg.PrimitiveTypes.Bool, InitialDefault: true},
		{ID: 3, Name: "whole", Type: iceberg.PrimitiveTypes.Int64, InitialDefault: float64(1e15)}, // as JSON has it
		{ID: 4, Name: "text", Type: iceberg.PrimitiveTypes.String, InitialDefault: "it's"},
		{ID: 5, Name: "empty", Type: iceberg.PrimitiveTypes.String, InitialDefault: ""},
		{ID: 6, Name: "money", Type: iceberg.DecimalTypeOf(18, 3), InitialDefault: iceberg.Decimal{Val: dec, Scale: 3}},
		{ID: 7, Name: "price", Type: iceberg.DecimalTypeOf(18, 3), InitialDefault: "0.005"},
		{ID: 8, Name: "day", Type: iceberg.PrimitiveTypes.Date, InitialDefault: "2026-02-28"},
		{ID: 9, Name: "tz", Type: iceberg.PrimitiveTypes.TimestampTz, InitialDefault: "2026-02-28T23:59:59.5+00:00"},
		{ID: 10, Name: "blob", Type: iceberg.PrimitiveTypes.Binary, InitialDefault: "00ff27"},
		{ID: 11, Name: "ratio", Type: iceberg.PrimitiveTypes.Float64, InitialDefault: 0.1},
		{ID: 12, Name: "none", Type: iceberg.PrimitiveTypes.String},
		{ID: 13, Name: "st", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: 14, Name: "a", Type: iceberg.PrimitiveTypes.Int32, InitialDefault: float64(7)}, {ID: 15, Name: "b", Type: iceberg.PrimitiveTypes.String},
		}}, InitialDefault: map[string]any{}},
		{ID: 16, Name: "old", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: 17, Name: "was", Type: iceberg.PrimitiveTypes.Int32}, {ID: 18, Name: "added", Type: iceberg.PrimitiveTypes.Int32, InitialDefault: float64(9)},
		}}},
	}
	id := iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64}
	schema := iceberg.NewSchema(0, append([]iceberg.NestedField{id}, defaults...)...)
	const want = "map[blob:[0 255 39] day:2026-02-28 00:00:00 +0000 UTC empty: flag:true id:1 money:12.345 none:<nil> old:map[added:9 was:1] price:0.005 ratio:0.1 st:map[a:7 b:<nil>] text:it's tz:2026-02-28 23:59:59.5 +0000 UTC whole:1000000000000000]"
	for name, c := range map[string]struct {
		options string
		props   iceberg.Properties
	}{
		"field ids":    {", FIELD_IDS {id: 1, old: {__duckdb_field_id: 16, was: 17}}", withVersion("3", nil)},
		"name mapping": {"", withVersion("3", mapped(`[{"field-id": 1, "names": ["id"]}, {"field-id": 16, "names": ["old"], "fields": [{"field-id": 17, "names": ["was"]}]}]`))},
	} {
		t.Run(name, func(t *testing.T) {
			f := laketest.New(t, schema, nil, c.props)
			f.Import("SELECT 1 AS id, {'was': 1::INTEGER} AS old", c.options, nil)
			require.Equal(t, []string{want}, f.Rows(0))
		})
	}
	t.Run("after the partition", func(t *testing.T) {
		f := laketest.New(t, schema, new(iceberg.NewPartitionSpecID(0, iceberg.PartitionField{SourceIDs: []int{4}, FieldID: 1000, Name: "text", Transform: iceberg.IdentityTransform{}})), withVersion("3", nil))
		f.Import("SELECT 1 AS id", ", FIELD_IDS {id: 1}", map[int]any{1000: "partition"})
		f.Import("SELECT 2 AS id", ", FIELD_IDS {id: 1}", map[int]any{1000: nil})
		scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
		require.NoError(t, err)
		require.Equal(t, []map[string]any{{"text": "partition", "flag": true}, {"text": nil, "flag": true}},
			f.Query(scan, lake.RelationOptions{Columns: []string{"id", "text", "flag"}}, "SELECT text, flag FROM t ORDER BY id"))
	})
	t.Run("what JSON has rounded is refused", func(t *testing.T) {
		f := laketest.New(t, iceberg.NewSchema(0, id, iceberg.NestedField{ID: 2, Name: "big", Type: iceberg.PrimitiveTypes.Int64, InitialDefault: float64(1 << 60)}), nil, withVersion("3", nil))
		scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
		require.NoError(t, err)
		_, err = f.Lake.Relation(t.Context(), scan, lake.RelationOptions{})
		require.ErrorIs(t, err, lake.ErrUnsupported)
		require.ErrorContains(t, err, "column big")
	})
}

// A partition value of a field inside of a struct is not read: it is refused,
// never NULL.
func TestPartitionValueInsideOfAStruct(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "s", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: 3, Name: "x", Type: iceberg.PrimitiveTypes.Int64}, {ID: 4, Name: "p", Type: iceberg.PrimitiveTypes.String},
		}}},
	)
	spec := iceberg.NewPartitionSpecID(0, iceberg.PartitionField{SourceIDs: []int{4}, FieldID: 1000, Name: "p", Transform: iceberg.IdentityTransform{}})
	f := laketest.New(t, schema, &spec, nil)
	f.Import("SELECT 1 AS id, {'x': 1, 'p': 'here'} AS s", ", FIELD_IDS {id: 1, s: {__duckdb_field_id: 2, x: 3, p: 4}}", map[int]any{1000: "here"})
	require.Equal(t, []string{"map[id:1 s:map[p:here x:1]]"}, f.Rows(0))
	f.Import("SELECT 1 AS id, {'x': 1} AS s", ", FIELD_IDS {id: 1, s: {__duckdb_field_id: 2, x: 3}}", map[int]any{1000: "gone"})
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	_, err = f.Lake.Relation(t.Context(), scan, lake.RelationOptions{})
	require.ErrorIs(t, err, lake.ErrUnsupported)
	require.ErrorContains(t, err, "column s")
}
