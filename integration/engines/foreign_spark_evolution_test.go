package engines_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestForeignSparkEvolution: tables whose schema, partitioning, order and format
// Spark has changed over time are read and compacted by Firn.
func TestForeignSparkEvolution(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	spark, firn := lake.On(t, engines.Spark), lake.On(t, engines.Firn)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("spark"))
	create := func(t *testing.T, name string, format int, columns, tail string) (*foreign, string) {
		f := madeBySpark(t, lake, "spark", name)
		table := spark.Table(f.path...)
		mode := "merge-on-read"
		if format == 1 {
			mode = "copy-on-write"
		}
		spark.Exec(t, fmt.Sprintf("CREATE TABLE %s (%s) USING iceberg %s TBLPROPERTIES ('format-version'='%d', 'write.delete.mode'='%s', %s)", table, columns, tail, format, mode, upkeep))
		return f, table
	}
	for _, format := range []int{1, 2, 3} {
		firn.Check(t, engines.SchemaEvolution, format, func(t *testing.T) {
			f, table := create(t, fmt.Sprintf("schema%d", format), format,
				"id INT, f FLOAT, d DECIMAL(9,2), old STRING, gone STRING, s STRUCT<a: INT, b: STRING, c: INT>, l ARRAY<STRUCT<x: INT, y: STRING>>, m MAP<STRING, STRUCT<p: FLOAT>>", "")
			f.byFiles = false // it finds what is inside of a struct by name
			alter := func(changes ...string) {
				for _, c := range changes {
					spark.Exec(t, "ALTER TABLE "+table+" "+c)
				}
			}
			spark.Exec(t, "INSERT INTO "+table+" VALUES (1, 1.1, 1.10, 'one', 'g1', named_struct('a', 1, 'b', 'b1', 'c', 11), array(named_struct('x', 1, 'y', 'y1')), map('k', named_struct('p', 0.1F))), "+
				"(2, 2.2, -2.20, 'two', 'g2', NULL, array(), map()), (3, NULL, NULL, NULL, NULL, named_struct('a', NULL, 'b', NULL, 'c', NULL), NULL, NULL)")
			alter("ALTER COLUMN id TYPE BIGINT", "ALTER COLUMN f TYPE DOUBLE", "ALTER COLUMN d TYPE DECIMAL(18,2)", "ALTER COLUMN s.a TYPE BIGINT",
				"ALTER COLUMN l.element.x TYPE BIGINT", "ALTER COLUMN m.value.p TYPE DOUBLE", "ADD COLUMN s.d STRING AFTER a", "ADD COLUMN l.element.z INT", "ADD COLUMN extra INT FIRST")
			spark.Exec(t, "INSERT INTO "+table+" VALUES (7, 4000000000, 4.4D, 44444444444.44, 'four', 'g4', named_struct('a', 4000000000L, 'd', 'd4', 'b', 'b4', 'c', 44), array(named_struct('x', 4L, 'y', 'y4', 'z', 4)), map('k', named_struct('p', 0.4D)))")
			// Names are given away and taken again.
			alter("RENAME COLUMN old TO renamed", "DROP COLUMN gone", "ADD COLUMN gone INT", "RENAME COLUMN s.b TO bb", "DROP COLUMN s.c", "ADD COLUMN s.c STRING", "RENAME COLUMN l.element.y TO yy",
				"ALTER COLUMN renamed FIRST", "ALTER COLUMN s.d FIRST")
			spark.Exec(t, "INSERT INTO "+table+" (id, gone, renamed, s) VALUES (5, 55, 'five', named_struct('d', 'd5', 'a', 5L, 'bb', 'b5', 'c', 'c5'))", "DELETE FROM "+table+" WHERE id = 2")
			alter("RENAME COLUMN renamed TO other", "RENAME COLUMN gone TO renamed", "RENAME COLUMN other TO gone")
			require.Len(t, f.head(t).Values, 4)
			f.where(t, "id > 2", "id = 4000000000", "f < 2", "d >= 1.1", "renamed = 55", "renamed IS NULL", "gone = 'one'", "s.bb = 'b1'", "s.c IS NULL", "extra IS NOT NULL")
			assert.NotZero(t, f.history(t))
			f.compacted(t)
			f.where(t, "id > 2", "f < 2", "renamed IS NULL", "s.bb = 'b1'")
		})
	}
	for _, format := range []int{1, 2, 3} {
		firn.Check(t, engines.SpecEvolution, format, func(t *testing.T) {
			f, table := create(t, fmt.Sprintf("spec%d", format), format, "id BIGINT, ts TIMESTAMP, name STRING, day DATE", "")
			rows := func(from int) string {
				return fmt.Sprintf("INSERT INTO %s SELECT CASE WHEN id %% 5 = 0 THEN NULL ELSE id END, CASE WHEN id %% 4 = 0 THEN NULL ELSE timestamp_seconds(id * 40000 - 86400) END, "+
					"CASE WHEN id %% 3 = 0 THEN NULL ELSE concat('näme', id %% 4) END, date_add(DATE '1969-12-30', CAST(id %% 4 AS INT)) FROM range(%d, %d)", table, from, from+12)
			}
			for i, change := range []string{
				"ADD PARTITION FIELD bucket(2, id)", "ADD PARTITION FIELD days(ts)", "DROP PARTITION FIELD bucket(2, id)", "REPLACE PARTITION FIELD days(ts) WITH years(ts)",
				"ADD PARTITION FIELD truncate(4, name)", "ADD PARTITION FIELD day", "WRITE ORDERED BY name DESC, id",
			} {
				spark.Exec(t, rows(12*i), "ALTER TABLE "+table+" "+change)
			}
			spark.Exec(t, rows(90), "DELETE FROM "+table+" WHERE id IN (1, 14, 28, 41, 56, 92)")
			require.Len(t, f.head(t).Values, 90)
			conditions := []string{"id = 13", "id IS NULL", "ts < TIMESTAMP '1970-01-05 00:00:00'", "name LIKE 'näme1%'", "name = 'näme2' AND day = DATE '1969-12-31'", "day IS NULL OR ts IS NULL"}
			f.where(t, conditions...)
			assert.NotZero(t, f.history(t))
			f.compacted(t)
			f.where(t, conditions...)
		})
	}
	firn.Check(t, engines.UpgradeFormat, 0, func(t *testing.T) {
		f, table := create(t, "upgraded", 1, "id BIGINT, part STRING", "PARTITIONED BY (part)")
		spark.Exec(t, "ALTER TABLE "+table+" SET TBLPROPERTIES ('write.delete.mode'='merge-on-read')")
		insert := func(from, to int) {
			spark.Exec(t, fmt.Sprintf("INSERT INTO %s SELECT id, concat('p', id %% 2) FROM range(%d, %d)", table, from, to))
		}
		insert(0, 10)
		insert(10, 20)
		spark.Exec(t, "ALTER TABLE "+table+" SET TBLPROPERTIES ('format-version'='2')", "DELETE FROM "+table+" WHERE id IN (3, 4)")
		insert(20, 30)
		require.Len(t, f.head(t).Values, 28)
		spark.Exec(t, "ALTER TABLE "+table+" SET TBLPROPERTIES ('format-version'='3')")
		require.Len(t, f.head(t).Values, 28)
		spark.Exec(t, "DELETE FROM "+table+" WHERE id IN (5, 15, 25)")
		insert(30, 40)
		require.Len(t, f.head(t).Values, 35)
		f.history(t)
		lineage := func() engines.Rows { return spark.Query(t, "SELECT id, _row_id FROM "+table) }
		before := lineage()
		f.compacted(t)
		assert.True(t, engines.Same(t, before, lineage()), "row ids are kept")
		f.history(t)
	})
}

// TestForeignSparkRefs: branches and tags that Spark writes to are read by
// Firn, and stay when Firn compacts and expires main.
func TestForeignSparkRefs(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	spark, firn := lake.On(t, engines.Spark), lake.On(t, engines.Firn)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("spark"))
	f := madeBySpark(t, lake, "spark", "refs")
	table := spark.Table(f.path...)
	branch := spark.Table("spark", "refs", "branch_dev")
	firn.Check(t, engines.Branches, 0, func(t *testing.T) {
		spark.Exec(
			t, "CREATE TABLE "+table+" (id BIGINT, name STRING) USING iceberg TBLPROPERTIES ('write.delete.mode'='merge-on-read', "+upkeep+")",
			"INSERT INTO "+table+" VALUES (1, 'a'), (2, 'b')", "INSERT INTO "+table+" VALUES (3, 'c')",
			"ALTER TABLE "+table+" CREATE BRANCH dev", "ALTER TABLE "+table+" CREATE TAG old",
			"INSERT INTO "+branch+" VALUES (4, 'd')", "DELETE FROM "+branch+" WHERE id = 1",
			"ALTER TABLE "+table+" ADD COLUMN more INT",
		)
		require.Len(t, f.head(t).Values, 3)
		f.history(t)
		spark.Exec(t, "INSERT INTO "+branch+" VALUES (5, 'e', 5)", "INSERT INTO "+table+" VALUES (6, 'f', 6)", "ALTER TABLE "+table+" RENAME COLUMN name TO label")
		f.history(t)
	})
	firn.Check(t, engines.Expires, 0, func(t *testing.T) {
		f.compacted(t)
		f.history(t)
		f.expired(t, func(key, value string) {
			spark.Exec(t, fmt.Sprintf("ALTER TABLE %s SET TBLPROPERTIES ('%s'='%s')", table, key, value))
		})
		spark.Exec(t, "INSERT INTO "+branch+" VALUES (7, 'g', 7)")
		assert.Len(t, spark.Query(t, "SELECT * FROM "+table+" VERSION AS OF 'dev'").Values, 5)
		f.history(t)
	})
}
