package engines_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestForeignSparkFormats: what Firn cannot read is refused with its reason and
// left alone, and never a wrong answer; what a file lacks has its default.
func TestForeignSparkFormats(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	spark, firn := lake.On(t, engines.Spark), lake.On(t, engines.Firn)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("spark"))
	for _, format := range []string{"avro", "orc"} {
		f := madeBySpark(t, lake, "spark", "in_"+format)
		table := spark.Table(f.path...)
		spark.Exec(
			t, "CREATE TABLE "+table+" (id BIGINT, name STRING) USING iceberg TBLPROPERTIES ("+upkeep+")",
			"INSERT INTO "+table+" VALUES (1, 'parquet')", "ALTER TABLE "+table+" CREATE TAG readable",
			"ALTER TABLE "+table+" SET TBLPROPERTIES ('write.format.default'='"+format+"')",
			"INSERT INTO "+table+" VALUES (2, '"+format+"')", "INSERT INTO "+table+" VALUES (3, NULL)",
		)
		spark.Check(t, engines.DataFormats, 0, func(t *testing.T) { require.Len(t, spark.Read(t, f.path...).Values, 3) })
		firn.Cannot(t, engines.DataFormats, 0, "Firn reads Parquet only, and says so", "only Parquet is read", func(ctx context.Context) error {
			_, err := firn.TryRead(ctx, f.path...)
			return err
		})
		firn.Check(t, engines.LeavesAlone, 0, func(t *testing.T) {
			f.leftAlone(t, "only Parquet is read")
			// The other snapshots are as readable as ever.
			old := firn.Query(t, "SELECT * FROM "+firn.Table(f.path...)+" AT (VERSION => 'readable')")
			assert.True(t, engines.Same(t, engines.Rows{Columns: []string{"id", "name"}, Values: [][]string{{"1", `"parquet"`}}}, old))
			spark.Exec(t, "CALL "+spark.Catalog+".system.rewrite_data_files(table => 'spark.in_"+format+"', options => map('rewrite-all', 'true', 'output-spec-id', '0'))")
		})
	}
	firn.Check(t, engines.LeavesAlone, 2, func(t *testing.T) {
		f := madeBySpark(t, lake, "spark", "deletes_in_avro")
		table := spark.Table(f.path...)
		spark.Exec(
			t, "CREATE TABLE "+table+" (id BIGINT) USING iceberg TBLPROPERTIES ('write.delete.mode'='merge-on-read', 'write.delete.format.default'='avro', "+upkeep+")",
			"INSERT INTO "+table+" SELECT id FROM range(10)", "DELETE FROM "+table+" WHERE id = 3",
		)
		_, err := firn.TryRead(t.Context(), f.path...)
		require.ErrorContains(t, err, "AVRO")
		f.leftAlone(t, "only Parquet is read")
		require.Len(t, spark.Read(t, f.path...).Values, 9)
	})
	variant := madeBySpark(t, lake, "spark", "variants")
	spark.Exec(
		t, "CREATE TABLE "+spark.Table(variant.path...)+" (id BIGINT, v VARIANT) USING iceberg TBLPROPERTIES ('format-version'='3', "+upkeep+")",
		"INSERT INTO "+spark.Table(variant.path...)+" SELECT id, parse_json('{\"a\": 1}') FROM range(5)", "INSERT INTO "+spark.Table(variant.path...)+" SELECT id, NULL FROM range(5)",
	)
	firn.Cannot(t, engines.Variant, 3, "DuckDB does not carry the type unchanged, and Firn says so", "variant", func(ctx context.Context) error {
		_, err := firn.TryRead(ctx, variant.path...)
		return err
	})
	require.Equal(t, []string{"10 | 20"}, firn.Query(t, "SELECT count(*), sum(id)::BIGINT FROM "+firn.Table(variant.path...)).Lines(), "its other columns are read")
	firn.Check(t, engines.LeavesAlone, 3, func(t *testing.T) { variant.leftAlone(t, "variant") })

	firn.Check(t, engines.Defaults, 3, func(t *testing.T) {
		f := madeBySpark(t, lake, "spark", "defaults")
		table := spark.Table(f.path...)
		spark.Exec(
			t, "CREATE TABLE "+table+" (id BIGINT) USING iceberg TBLPROPERTIES ('format-version'='3', 'write.delete.mode'='merge-on-read', "+upkeep+")",
			"INSERT INTO "+table+" SELECT id FROM range(10)",
		)
		addColumns(t, f, `[{"id": 2, "name": "n", "required": false, "type": "int", "initial-default": 42, "write-default": 43},
			{"id": 3, "name": "s", "required": true, "type": "string", "initial-default": "it's", "write-default": "x"},
			{"id": 4, "name": "d", "required": false, "type": "decimal(9, 2)", "initial-default": "1.50"},
			{"id": 5, "name": "day", "required": false, "type": "date", "initial-default": "2026-11-21"},
			{"id": 6, "name": "ts", "required": false, "type": "timestamp", "initial-default": "2026-11-21T10:00:00.5"},
			{"id": 7, "name": "b", "required": false, "type": "boolean", "initial-default": true}]`)
		spark.Exec(t, "INSERT INTO "+table+" VALUES (10, NULL, 's', 2, NULL, NULL, false)", "DELETE FROM "+table+" WHERE id = 3")
		require.Contains(t, f.head(t).Lines(), `0 | 42 | "it's" | 1.50 | 2026-11-21 | 2026-11-21T10:00:00.5 | true`)
		f.where(t, "n = 42", "s = 's'", "d > 1.4", "day = DATE '2026-11-21'", "NOT b")
		f.history(t)
		f.compacted(t)
	})
}

// addColumns is the commit of a client that adds columns with defaults.
func addColumns(t *testing.T, f *foreign, columns string) {
	t.Helper()
	var m struct {
		Schemas []map[string]any `json:"schemas"`
	}
	require.NoError(t, json.Unmarshal(f.lake.Metadata(t, f.path...), &m))
	schema := m.Schemas[len(m.Schemas)-1]
	var added []any
	require.NoError(t, json.Unmarshal([]byte(columns), &added))
	schema["fields"] = append(schema["fields"].([]any), added...)
	schema["schema-id"] = len(m.Schemas)
	commitUpdates(t, f.lake, f.path, map[string]any{"action": "add-schema", "schema": schema}, map[string]any{"action": "set-current-schema", "schema-id": -1})
}

// TestForeignEqualityDeletes: Java's equality deletes, beside deletes of
// positions, are read and folded.
func TestForeignEqualityDeletes(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	spark, firn := lake.On(t, engines.Spark), lake.On(t, engines.Firn)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("spark"))
	for _, format := range []int{2, 3} {
		f := madeBySpark(t, lake, "spark", fmt.Sprintf("equality%d", format))
		f.byFiles = false // it does not know equality deletes
		table := spark.Table(f.path...)
		firn.Check(t, engines.EqualityDelete, format, func(t *testing.T) {
			spark.Exec(
				t, fmt.Sprintf("CREATE TABLE %s (id BIGINT, part STRING, n INT) USING iceberg PARTITIONED BY (part) TBLPROPERTIES ('format-version'='%d', 'write.delete.mode'='merge-on-read', %s)", table, format, upkeep),
				"INSERT INTO "+table+" SELECT id, IF(id % 5 = 0, NULL, concat('p', id % 2)), id % 10 FROM range(60)",
			)
			engines.EqualityDeletes(t, spark, f.path, "n", 3, 5)
			spark.Exec(t, "INSERT INTO "+table+" VALUES (100, 'p0', 3), (101, NULL, 5), (102, 'p1', NULL)", "DELETE FROM "+table+" WHERE id IN (7, 17, 100)", "ALTER TABLE "+table+" ADD PARTITION FIELD bucket(2, id)")
			spark.Exec(t, "INSERT INTO "+table+" SELECT id, 'p1', id % 10 FROM range(200, 230)")
			engines.EqualityDeletes(t, spark, f.path, "n", 9, nil)
			f.history(t)
			f.where(t, "n = 9", "n = 3", "n IS NULL", "part = 'p1' AND n > 4", "part IS NULL")
		})
		firn.Check(t, engines.Compacts, format, func(t *testing.T) {
			// Spark compares what it has cached of the deletes, ints, with longs
			// from here on, and forgets some; Firn does not.
			before := f.head(t)
			spark.Exec(t, "ALTER TABLE "+table+" ALTER COLUMN n TYPE BIGINT", "ALTER TABLE "+table+" RENAME COLUMN n TO number")
			before.Columns = []string{"id", "part", "number"}
			f.maker = firn
			assert.True(t, engines.Same(t, before, f.head(t)))
			f.compacted(t)
			f.maker, f.byFiles = spark, true
			assert.True(t, engines.Same(t, before, f.head(t)))
		})
		firn.Check(t, engines.Expires, format, func(t *testing.T) {
			f.expired(t, func(key, value string) {
				spark.Exec(t, fmt.Sprintf("ALTER TABLE %s SET TBLPROPERTIES ('%s'='%s')", table, key, value))
			})
		})
	}
}
