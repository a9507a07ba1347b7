package engines_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestSparkMaintenance runs Spark's own procedures: the rows stay as they are,
// and Firn reads what they leave.
func TestSparkMaintenance(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "m")
	call := func(t *testing.T, procedure, arguments string) engines.Rows {
		t.Helper()
		return spark.Query(t, "CALL "+spark.Catalog+".system."+procedure+"("+arguments+")")
	}
	for _, format := range []int{1, 2, 3} {
		name := fmt.Sprintf("v%d", format)
		path, table := []string{"m", name}, spark.Table("m", name)
		mode := map[bool]string{true: "merge-on-read", false: "copy-on-write"}[format > 1]
		spark.Exec(t, fmt.Sprintf("CREATE TABLE %s (id BIGINT, part STRING, name STRING) USING iceberg PARTITIONED BY (part) TBLPROPERTIES ('format-version'='%d', 'write.delete.mode'='%s', 'write.delete.granularity'='partition', %s)",
			table, format, mode, upkeep))
		for i := range 4 {
			spark.Exec(t, fmt.Sprintf("INSERT INTO %s SELECT id, CASE id %% 3 WHEN 0 THEN NULL WHEN 1 THEN 'null' ELSE 'a b' END, concat('n', id) FROM range(%d, %d)", table, i*10, i*10+10))
		}
		spark.Exec(t, "DELETE FROM "+table+" WHERE id % 7 = 3", "DELETE FROM "+table+" WHERE id = 12")
		before := agree(t, spark, path...)
		require.Len(t, before.Values, 40-6-1)
		count := func(of string) string { return spark.Query(t, "SELECT count(*) FROM "+table+"."+of).Cell(0, 0) }
		same := func(t *testing.T) {
			t.Helper()
			engines.Same(t, before, agree(t, spark, path...))
		}
		spark.Check(t, engines.Maintenance, format, func(t *testing.T) {
			if format == 2 {
				done := call(t, "rewrite_position_delete_files", "table => 'm."+name+"', options => map('rewrite-all', 'true')")
				assert.NotEqual(t, "0", done.Cell(0, 0))
				same(t)
			}
			done := call(t, "rewrite_data_files", "table => 'm."+name+"', options => map('rewrite-all', 'true', 'remove-dangling-deletes', 'true'), where => 'part IS NULL'")
			assert.NotEqual(t, "0", done.Cell(0, 0))
			same(t)
			call(t, "rewrite_data_files", "table => 'm."+name+"', strategy => 'sort', sort_order => 'zorder(id, name)', options => map('rewrite-all', 'true', 'remove-dangling-deletes', 'true')")
			same(t)
			assert.Equal(t, "3", count("data_files"))
			assert.Equal(t, "0", count("delete_files"))
			call(t, "rewrite_manifests", "table => 'm."+name+"'")
			assert.Equal(t, "1", count("manifests WHERE content = 0"))
			same(t)
			stats := call(t, "compute_table_stats", "table => 'm."+name+"', columns => array('id', 'name')")
			assert.Contains(t, stats.Cell(0, 0), ".stats")
			if format > 1 {
				assert.Contains(t, call(t, "compute_partition_stats", "table => 'm."+name+"'").Cell(0, 0), "partition-stats")
			}
			same(t)
			// Rewritten files are deleted by Spark, through the keys it was given.
			was := spark.Query(t, "SELECT DISTINCT file_path FROM "+table+".all_data_files").Lines()
			require.Greater(t, len(was), 3)
			spark.Exec(t, "ALTER TABLE "+table+" CREATE TAG kept")
			call(t, "expire_snapshots", "table => 'm."+name+"', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1")
			assert.Equal(t, "1", count("snapshots"))
			same(t)
			at(t, spark, path, "'kept'", before.Lines()...)
			assert.Len(t, spark.Lake.Objects(t, path, "data/"), 3)
		})
		if format != 2 {
			continue // files are files
		}
		spark.Check(t, engines.Orphans, 0, func(t *testing.T) {
			// The procedure takes no bound younger than a day; the action does.
			// Without prefix_listing it lists through Hadoop, which knows no s3; with
			// it, through Iceberg's own S3FileIO, and by the keys of the catalog.
			orphans := func(table string) engines.Rows {
				return spark.Python(t, fmt.Sprintf(`
jvm = spark._jvm
loaded = jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, %q)
action = jvm.org.apache.iceberg.spark.actions.SparkActions.get(spark._jsparkSession).deleteOrphanFiles(loaded).usePrefixListing(True).olderThan(4102444800000)
[str(location).split("/", 5)[-1] for location in action.execute().orphanFileLocations()]`, table))
			}
			assert.Empty(t, orphans(table).Values)
			spark.Python(t, `
stream = loaded.io().newOutputFile(loaded.location() + "/data/left behind.parquet").create()
stream.write(7)
stream.close()`)
			assert.Contains(t, spark.Lake.Objects(t, path, "data/"), "data/left behind.parquet")
			assert.Equal(t, []string{`"data/left behind.parquet"`}, orphans(table).Lines())
			assert.Len(t, spark.Lake.Objects(t, path, "data/"), 3)
			same(t)
			call(t, "remove_orphan_files", "table => 'm."+name+"', prefix_listing => true, dry_run => true")
			assert.ErrorContains(t, spark.TryExec(t.Context(), "CALL "+spark.Catalog+".system.remove_orphan_files(table => 'm."+name+"', dry_run => true)"), "No FileSystem for scheme")
			// Firn goes on with what is left.
			spark.Exec(t, "INSERT INTO "+table+" VALUES (100, 'x', 'y')")
			assert.Len(t, agree(t, spark, path...).Values, len(before.Values)+1)
		})
	}
}
