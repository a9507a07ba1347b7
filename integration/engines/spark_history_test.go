package engines_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// at compares what Spark and Firn's SQL read of a snapshot, a branch or a tag
// with these rows of one column.
func at(t *testing.T, spark *engines.Session, path []string, version string, lines ...string) {
	t.Helper()
	firn := spark.Lake.On(t, engines.Firn)
	assert.ElementsMatch(t, lines, spark.Query(t, "SELECT * FROM "+spark.Table(path...)+" VERSION AS OF "+version).Lines(), "spark at %s", version)
	assert.ElementsMatch(t, lines, firn.Query(t, "SELECT * FROM "+firn.Table(path...)+" AT (VERSION => "+version+")").Lines(), "firn at %s", version)
}

// TestSparkHistory reads tables as they were, and writes to their branches.
func TestSparkHistory(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "h")
	call := func(t *testing.T, procedure, arguments string) engines.Rows {
		t.Helper()
		return spark.Query(t, "CALL "+spark.Catalog+".system."+procedure+"("+arguments+")")
	}
	for _, format := range []int{1, 2, 3} {
		name := fmt.Sprintf("v%d", format)
		path, table := []string{"h", name}, spark.Table("h", name)
		spark.Exec(
			t, fmt.Sprintf("CREATE TABLE %s (id INT) USING iceberg TBLPROPERTIES ('format-version'='%d', %s)", table, format, upkeep),
			"INSERT INTO "+table+" VALUES (1)", "INSERT INTO "+table+" VALUES (2)", "ALTER TABLE "+table+" CREATE TAG `two rows`", "DELETE FROM "+table+" WHERE id = 1",
		)
		snapshots := func() [][]string {
			return spark.Query(t, "SELECT snapshot_id, CAST(committed_at AS STRING) FROM "+table+".snapshots ORDER BY committed_at").Values
		}
		were := snapshots()
		spark.Check(t, engines.TimeTravel, format, func(t *testing.T) {
			require.Len(t, were, 3)
			at(t, spark, path, were[0][0], "1")
			at(t, spark, path, were[1][0], "1", "2")
			at(t, spark, path, "'two rows'", "1", "2")
			assert.Equal(t, []string{"1"}, spark.Query(t, "SELECT * FROM "+table+" TIMESTAMP AS OF "+strings.ReplaceAll(were[0][1], `"`, "'")).Lines())
			assert.Error(t, spark.TryExec(t.Context(), "SELECT * FROM "+table+" TIMESTAMP AS OF '2001-01-01 00:00:00'"))
			assert.Error(t, spark.TryExec(t.Context(), "SELECT * FROM "+table+" VERSION AS OF 42"))
			// A schema goes with its snapshot.
			spark.Exec(t, "ALTER TABLE "+table+" ADD COLUMN name STRING", "INSERT INTO "+table+" VALUES (3, 'three')")
			at(t, spark, path, were[1][0], "1", "2")
			holds(t, spark, path, "2 | null", `3 | "three"`)
		})
		spark.Check(t, engines.Branches, format, func(t *testing.T) {
			spark.Exec(
				t, "ALTER TABLE "+table+" CREATE BRANCH dev RETAIN 7 DAYS WITH SNAPSHOT RETENTION 2 SNAPSHOTS",
				"ALTER TABLE "+table+" CREATE BRANCH old AS OF VERSION "+were[0][0], "ALTER TABLE "+table+" CREATE TAG now RETAIN 365 DAYS",
				"INSERT INTO "+table+".branch_dev VALUES (4, 'four')", "UPDATE "+table+".branch_dev SET name = 'two' WHERE id = 2", "DELETE FROM "+table+".branch_dev WHERE id = 3",
			)
			at(t, spark, path, "'dev'", `2 | "two"`, `4 | "four"`)
			at(t, spark, path, "'old'", "1 | null")
			at(t, spark, path, "'now'", "2 | null", `3 | "three"`)
			holds(t, spark, path, "2 | null", `3 | "three"`)
			// Fast forward: main was not written since.
			call(t, "fast_forward", "'h."+name+"', 'main', 'dev'")
			holds(t, spark, path, `2 | "two"`, `4 | "four"`)
			// Write, audit, publish: by a branch, and by an id.
			spark.Exec(t, "ALTER TABLE "+table+" SET TBLPROPERTIES ('write.wap.enabled'='true')", "ALTER TABLE "+table+" CREATE BRANCH audit",
				"SET spark.wap.branch=audit", "INSERT INTO "+table+" VALUES (5, 'audited')", "RESET spark.wap.branch")
			holds(t, spark, path, `2 | "two"`, `4 | "four"`)
			at(t, spark, path, "'audit'", `2 | "two"`, `4 | "four"`, `5 | "audited"`)
			spark.Exec(t, "SET spark.wap.id=w1", "INSERT INTO "+table+" VALUES (6, 'staged')", "RESET spark.wap.id")
			holds(t, spark, path, `2 | "two"`, `4 | "four"`)
			spark.Exec(t, "INSERT INTO "+table+" VALUES (7, 'meanwhile')")
			call(t, "publish_changes", "'h."+name+"', 'w1'")
			holds(t, spark, path, `2 | "two"`, `4 | "four"`, `6 | "staged"`, `7 | "meanwhile"`)
			audited := spark.Query(t, "SELECT snapshot_id FROM "+table+".refs WHERE name = 'audit'").Cell(0, 0)
			call(t, "cherrypick_snapshot", "'h."+name+"', "+audited)
			holds(t, spark, path, `2 | "two"`, `4 | "four"`, `5 | "audited"`, `6 | "staged"`, `7 | "meanwhile"`)
			// What has moved on cannot be fast-forwarded.
			assert.Error(t, spark.TryExec(t.Context(), "CALL "+spark.Catalog+".system.fast_forward('h."+name+"', 'main', 'old')"))
			spark.Exec(t, "ALTER TABLE "+table+" REPLACE BRANCH old AS OF VERSION "+were[1][0], "ALTER TABLE "+table+" REPLACE TAG now AS OF VERSION "+were[0][0])
			at(t, spark, path, "'old'", "1 | null", "2 | null")
			at(t, spark, path, "'now'", "1")
			spark.Exec(t, "ALTER TABLE "+table+" DROP BRANCH old", "ALTER TABLE "+table+" DROP TAG now", "ALTER TABLE "+table+" DROP TAG IF EXISTS absent")
			refs := spark.Query(t, "SELECT name, type FROM "+table+".refs ORDER BY name").Lines()
			assert.Equal(t, []string{`"audit" | "BRANCH"`, `"dev" | "BRANCH"`, `"main" | "BRANCH"`, `"two rows" | "TAG"`}, refs)
		})
		spark.Check(t, engines.Rollback, format, func(t *testing.T) {
			call(t, "rollback_to_snapshot", "'h."+name+"', "+were[1][0])
			holds(t, spark, path, "1 | null", "2 | null")
			call(t, "set_current_snapshot", "table => 'h."+name+"', ref => 'dev'")
			holds(t, spark, path, `2 | "two"`, `4 | "four"`)
			call(t, "rollback_to_timestamp", "'h."+name+"', TIMESTAMP "+strings.ReplaceAll(were[2][1], `"`, "'"))
			holds(t, spark, path, "1 | null", "2 | null") // what was before that moment
			// An ancestor only; and it goes on from there.
			assert.Error(t, spark.TryExec(t.Context(), "CALL "+spark.Catalog+".system.rollback_to_snapshot('h."+name+"', 42)"))
			spark.Exec(t, "INSERT INTO "+table+" VALUES (8, 'on')")
			holds(t, spark, path, "1 | null", "2 | null", `8 | "on"`)
		})
		spark.Check(t, engines.MetadataTables, format, func(t *testing.T) {
			count := func(kind string) string {
				return spark.Query(t, "SELECT count(*) FROM "+table+"."+kind).Cell(0, 0)
			}
			for _, kind := range []string{
				"history", "snapshots", "metadata_log_entries", "refs", "files", "data_files", "delete_files", "all_data_files", "all_delete_files",
				"all_files", "entries", "all_entries", "manifests", "all_manifests", "partitions",
			} {
				rows := spark.Query(t, "SELECT * FROM "+table+"."+kind)
				assert.NotEmpty(t, rows.Columns, kind)
			}
			assert.Equal(t, fmt.Sprint(len(snapshots())), count("snapshots"))
			assert.Equal(t, "3", spark.Query(t, "SELECT sum(record_count) FROM "+table+".files").Cell(0, 0))
			assert.Equal(t, "3", spark.Query(t, "SELECT record_count FROM "+table+".partitions").Cell(0, 0))
			assert.Equal(t, "1", count("history WHERE is_current_ancestor AND parent_id IS NULL"))
			// Every metadata file of the log is there, and the newest is the table's.
			assert.Equal(t, "0", count("metadata_log_entries WHERE file NOT LIKE 's3://%.metadata.json'"))
			if format > 1 {
				spark.Exec(t, "ALTER TABLE "+table+" SET TBLPROPERTIES ('write.delete.mode'='merge-on-read')", "INSERT INTO "+table+" SELECT 100 + id, 'x' FROM range(1, 5)", "DELETE FROM "+table+" WHERE id = 102")
				assert.Equal(t, "1", count("position_deletes WHERE spec_id = 0"))
				assert.NotEqual(t, "0", count("delete_files"))
			}
		})
	}
}
