package engines_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestSparkSchemaEvolution adds, renames, drops, widens and reorders columns, at
// the top and inside of structs, lists and maps; rows written before each change
// read right after it.
func TestSparkSchemaEvolution(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "e")
	for _, format := range []int{1, 2, 3} {
		path := []string{"e", fmt.Sprintf("v%d", format)}
		table := spark.Table(path...)
		spark.Check(t, engines.SchemaEvolution, format, func(t *testing.T) {
			spark.Exec(
				t, fmt.Sprintf("CREATE TABLE %s (id INT NOT NULL, name STRING, price DECIMAL(5,2), ratio FLOAT) USING iceberg TBLPROPERTIES ('format-version'='%d')", table, format),
				"INSERT INTO "+table+" VALUES (1, 'one', 1.50, CAST(0.5 AS FLOAT)), (2, NULL, NULL, NULL)",
				"ALTER TABLE "+table+" ADD COLUMNS (note STRING COMMENT 'what was said' AFTER id, day DATE FIRST)",
				"INSERT INTO "+table+" VALUES (DATE '2026-11-21', 3, 'note', 'three', 3.00, NULL)",
			)
			holds(t, spark, path, `null | 1 | null | "one" | 1.50 | 0.5`, `null | 2 | null | null | null | null`, `2026-11-21 | 3 | "note" | "three" | 3.00 | null`)
			spark.Exec(
				t, "ALTER TABLE "+table+" ALTER COLUMN id TYPE BIGINT", "ALTER TABLE "+table+" ALTER COLUMN price TYPE DECIMAL(20,2)", "ALTER TABLE "+table+" ALTER COLUMN ratio TYPE DOUBLE",
				"ALTER TABLE "+table+" ALTER COLUMN id DROP NOT NULL", "ALTER TABLE "+table+" RENAME COLUMN name TO title",
				"INSERT INTO "+table+" VALUES (NULL, 9223372036854775807, NULL, 'four', 123456789012345678.99, 0.1)",
			)
			holds(t, spark, path, `null | 1 | null | "one" | 1.50 | 0.5`, `null | 2 | null | null | null | null`, `2026-11-21 | 3 | "note" | "three" | 3.00 | null`,
				`null | 9223372036854775807 | null | "four" | 123456789012345678.99 | 0.1`)
			// A column that takes the name of a dropped one has none of its values.
			spark.Exec(
				t, "ALTER TABLE "+table+" DROP COLUMN title", "ALTER TABLE "+table+" ADD COLUMN title INT",
				"ALTER TABLE "+table+" ALTER COLUMN ratio FIRST", "ALTER TABLE "+table+" ALTER COLUMN title AFTER id",
				"ALTER TABLE "+table+" RENAME COLUMN note TO swap", "ALTER TABLE "+table+" RENAME COLUMN title TO note", "ALTER TABLE "+table+" RENAME COLUMN swap TO title",
				"DELETE FROM "+table+" WHERE price = 3",
				"INSERT INTO "+table+" (id, note, title) VALUES (5, 55, 'five')",
			)
			rows := agree(t, spark, path...)
			assert.Equal(t, []string{"ratio", "day", "id", "note", "title", "price"}, rows.Columns)
			assert.ElementsMatch(t, []string{
				`0.5 | null | 1 | null | null | 1.50`, `null | null | 2 | null | null | null`,
				`0.1 | null | 9223372036854775807 | null | null | 123456789012345678.99`, `null | null | 5 | 55 | "five" | null`,
			}, rows.Lines())
			for _, refused := range []string{"ALTER COLUMN id TYPE INT", "ALTER COLUMN price TYPE DECIMAL(20,4)", "ADD COLUMN id INT", "DROP COLUMN absent"} {
				assert.Error(t, spark.TryExec(t.Context(), "ALTER TABLE "+table+" "+refused), refused)
			}
		})
	}
	spark.Check(t, engines.SchemaEvolution, 2, func(t *testing.T) {
		path := []string{"e", "nested"}
		table := spark.Table(path...)
		spark.Exec(
			t, "CREATE TABLE "+table+" (id INT, s STRUCT<a: INT, deep: STRUCT<x: STRING>>, l ARRAY<STRUCT<v: INT>>, m MAP<STRING, STRUCT<w: FLOAT>>)",
			"INSERT INTO "+table+" VALUES (1, named_struct('a', 1, 'deep', named_struct('x', 'x1')), array(named_struct('v', 1), NULL), map('k', named_struct('w', CAST(0.5 AS FLOAT)))), (2, NULL, NULL, NULL)",
			"ALTER TABLE "+table+" ADD COLUMNS (s.b STRING, s.deep.y INT FIRST, l.element.n STRING, m.value.z INT)",
			"ALTER TABLE "+table+" ALTER COLUMN s.a TYPE BIGINT", "ALTER TABLE "+table+" RENAME COLUMN s.a TO `a a`", "ALTER TABLE "+table+" ALTER COLUMN l.element.v TYPE BIGINT",
			"ALTER TABLE "+table+" ALTER COLUMN m.value.w TYPE DOUBLE",
			"INSERT INTO "+table+" VALUES (3, named_struct('a a', 3L, 'deep', named_struct('y', 3, 'x', 'x3'), 'b', 'b3'), array(named_struct('v', 3L, 'n', 'n3')), map('k', named_struct('w', 0.1D, 'z', 3)))",
			"ALTER TABLE "+table+" DROP COLUMN s.deep.x",
		)
		got := spark.Read(t, path...)
		assert.ElementsMatch(t, []string{
			`1 | {a a: 1, deep: {y: null}, b: null} | [{v: 1, n: null}, null] | {"k" => {w: 0.5, z: null}}`,
			`2 | null | null | null`,
			`3 | {a a: 3, deep: {y: 3}, b: "b3"} | [{v: 3, n: "n3"}] | {"k" => {w: 0.1, z: 3}}`,
		}, got.Lines())
		engines.Same(t, got, spark.Lake.On(t, engines.Firn).Read(t, path...))
	})
}

// TestSparkUpgrades takes a table from v1 to v3 while it is written.
func TestSparkUpgrades(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "u")
	path := []string{"u", "t"}
	table := spark.Table(path...)
	spark.Exec(t, "CREATE TABLE "+table+" (id BIGINT, part INT) USING iceberg PARTITIONED BY (part) TBLPROPERTIES ('format-version'='1')",
		"INSERT INTO "+table+" SELECT id, id % 2 FROM range(6)")
	upgrade := func(t *testing.T, format int) {
		t.Helper()
		spark.Exec(t, fmt.Sprintf("ALTER TABLE %s SET TBLPROPERTIES ('format-version'='%d', 'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read')", table, format))
		require.Contains(t, string(spark.Lake.Metadata(t, path...)), fmt.Sprintf(`"format-version":%d`, format))
	}
	lineage := func(t *testing.T) []string {
		return spark.Query(t, "SELECT id, _row_id, _last_updated_sequence_number FROM "+table).Lines()
	}
	spark.Check(t, engines.UpgradeFormat, 2, func(t *testing.T) {
		upgrade(t, 2)
		spark.Exec(t, "DELETE FROM "+table+" WHERE id = 1", "INSERT INTO "+table+" VALUES (7, 1)")
		holds(t, spark, path, "0 | 0", "2 | 0", "3 | 1", "4 | 0", "5 | 1", "7 | 1")
	})
	spark.Check(t, engines.UpgradeFormat, 3, func(t *testing.T) {
		upgrade(t, 3)
		holds(t, spark, path, "0 | 0", "2 | 0", "3 | 1", "4 | 0", "5 | 1", "7 | 1")
		// The vector takes the place of the position deletes in the partition.
		spark.Exec(t, "DELETE FROM "+table+" WHERE id = 3", "INSERT INTO "+table+" VALUES (8, 0)")
		holds(t, spark, path, "0 | 0", "2 | 0", "4 | 0", "5 | 1", "7 | 1", "8 | 0")
		assert.ErrorContains(t, spark.TryExec(t.Context(), "ALTER TABLE "+table+" SET TBLPROPERTIES ('format-version'='2')"), "downgrade")
	})
	spark.Check(t, engines.RowLineage, 3, func(t *testing.T) {
		before := lineage(t)
		ids := map[string]bool{}
		for _, row := range spark.Query(t, "SELECT _row_id FROM "+table).Values {
			assert.NotEqual(t, "null", row[0], "every row has an id after the first commit on v3")
			ids[row[0]] = true
		}
		assert.Len(t, ids, 6)
		spark.Exec(t, "CALL "+spark.Catalog+".system.rewrite_data_files(table => 'u.t', options => map('rewrite-all', 'true'))")
		assert.ElementsMatch(t, before, lineage(t), "rewrite_data_files keeps lineage")
		spark.Exec(t, "CALL "+spark.Catalog+".system.rewrite_manifests('u.t')")
		assert.ElementsMatch(t, before, lineage(t), "rewrite_manifests keeps lineage")
		// An update keeps the id of its row and renews the sequence number.
		of := func(id int) []string {
			return spark.Query(t, fmt.Sprintf("SELECT _row_id, _last_updated_sequence_number FROM %s WHERE id = %d", table, id)).Values[0]
		}
		was, other := of(5), of(7)
		spark.Exec(t, "UPDATE "+table+" SET part = 9 WHERE id = 5")
		now := of(5)
		assert.Equal(t, was[0], now[0])
		assert.NotEqual(t, was[1], now[1])
		assert.Equal(t, other, of(7))
		holds(t, spark, path, "0 | 0", "2 | 0", "4 | 0", "5 | 9", "7 | 1", "8 | 0")
	})
	spark.Cannot(t, engines.SetDefaults, 3, "Spark reads defaults that others set, but its DDL sets none", "default", func(ctx context.Context) error {
		return spark.TryExec(ctx, "ALTER TABLE "+table+" ADD COLUMN d INT DEFAULT 5")
	})
	spark.Check(t, engines.Defaults, 3, func(t *testing.T) {
		addColumns(t, &foreign{lake: spark.Lake, path: path}, `[{"id": 100, "name": "n", "required": false, "type": "int", "initial-default": 42, "write-default": 43},
			{"id": 101, "name": "s", "required": false, "type": "string", "initial-default": "it's", "write-default": "x"}]`)
		spark.Exec(t, "INSERT INTO "+table+" VALUES (10, 1, NULL, NULL)")
		reads(t, spark, path, `0 | 0 | 42 | "it's"`, `2 | 0 | 42 | "it's"`, `4 | 0 | 42 | "it's"`, `5 | 9 | 42 | "it's"`, `7 | 1 | 42 | "it's"`, `8 | 0 | 42 | "it's"`, "10 | 1 | null | null")
		assert.Equal(t, "6", spark.Query(t, "SELECT count(*) FROM "+table+" WHERE n = 42 AND s LIKE 'it%'").Cell(0, 0))
		spark.Exec(t, "UPDATE "+table+" SET s = 'changed' WHERE n = 42 AND id < 5")
		reads(t, spark, path, `0 | 0 | 42 | "changed"`, `2 | 0 | 42 | "changed"`, `4 | 0 | 42 | "changed"`, `5 | 9 | 42 | "it's"`, `7 | 1 | 42 | "it's"`, `8 | 0 | 42 | "it's"`, "10 | 1 | null | null")
	})
}
