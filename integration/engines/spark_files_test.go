package engines_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestSparkTables registers, renames, drops and purges tables.
func TestSparkTables(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "f")
	lake := spark.Lake
	three := func(s *engines.Session, name string) string {
		table := s.Table("f", name)
		s.Exec(t, "CREATE TABLE "+table+" USING iceberg PARTITIONED BY (id) TBLPROPERTIES ("+upkeep+") AS SELECT id FROM range(3)")
		return table
	}
	// The service deletes what is purged there after a grace, so it begins.
	serves := lake.With(t, engines.Spark, map[string]string{"rest-catalog-purge": "true"})
	served, neighbour := three(serves, "served"), three(serves, "neighbour")
	servedAt := lake.Location(t, "f", "served")
	require.NotEmpty(t, lake.ObjectsAt(t, servedAt, ""))
	serves.Exec(t, "DROP TABLE "+served+" PURGE")
	purged := time.Now()

	spark.Check(t, engines.Register, 0, func(t *testing.T) {
		table := three(spark, "registered")
		metadata := spark.Query(t, "SELECT file FROM "+table+".metadata_log_entries ORDER BY timestamp DESC LIMIT 1").Cell(0, 0)
		register := "CALL " + spark.Catalog + ".system.register_table(table => 'f.again', metadata_file => '" + metadata[1:len(metadata)-1] + "')"
		assert.Error(t, spark.TryExec(t.Context(), register), "one table has one name")
		spark.Exec(t, "DROP TABLE "+table)
		rows := spark.Query(t, register)
		assert.Equal(t, "3", rows.Only("total_records_count").Cell(0, 0))
		spark.Exec(t, "DELETE FROM "+spark.Table("f", "again")+" WHERE id = 1")
		holds(t, spark, []string{"f", "again"}, "0", "2")
		assert.Error(t, spark.TryExec(t.Context(), register), "the name is taken")
		assert.Error(t, spark.TryExec(t.Context(), "CALL "+spark.Catalog+".system.register_table('f.absent', '"+servedAt+"metadata/absent.metadata.json')"))
	})
	spark.Check(t, engines.Rename, 0, func(t *testing.T) {
		table := three(spark, "old name")
		spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("f", "deep"), "ALTER TABLE "+table+" RENAME TO f.deep.`new name`")
		holds(t, spark, []string{"f", "deep", "new name"}, "0", "1", "2")
		assert.Error(t, spark.TryExec(t.Context(), "SELECT * FROM "+table))
		assert.Error(t, spark.TryExec(t.Context(), "ALTER TABLE "+spark.Table("f", "deep", "new name")+" RENAME TO f.neighbour"), "the name is taken")
		assert.Error(t, spark.TryExec(t.Context(), "ALTER TABLE "+spark.Table("f", "deep", "new name")+" RENAME TO absent.t"), "no such namespace")
		spark.Exec(t, "INSERT INTO "+spark.Table("f", "deep", "new name")+" VALUES (3)", "DROP TABLE "+spark.Table("f", "deep", "new name"))
	})
	spark.Check(t, engines.Drop, 0, func(t *testing.T) {
		table := three(spark, "dropped")
		location := lake.Location(t, "f", "dropped")
		had := lake.ObjectsAt(t, location, "")
		spark.Exec(t, "DROP TABLE "+table, "DROP TABLE IF EXISTS "+table)
		assert.Error(t, spark.TryExec(t.Context(), "DROP TABLE "+table))
		assert.Equal(t, had, lake.ObjectsAt(t, location, ""), "a dropped table keeps its files")
		// The name is free, and the new table is another one.
		spark.Exec(t, "CREATE TABLE "+table+" (other STRING)")
		assert.NotEqual(t, location, lake.Location(t, "f", "dropped"))
		holds(t, spark, []string{"f", "dropped"})
	})
	spark.Check(t, engines.Purge, 0, func(t *testing.T) {
		// Spark deletes the files itself, unless it is told that the catalog does.
		table := three(spark, "purged")
		location := lake.Location(t, "f", "purged")
		require.NotEmpty(t, lake.ObjectsAt(t, location, "data/"))
		spark.Exec(t, "DROP TABLE "+table+" PURGE")
		assert.Empty(t, lake.ObjectsAt(t, location, "data/"))
		// `firn dev` waits a minute, and looks every half of one.
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for left := lake.ObjectsAt(t, servedAt, ""); len(left) > 0; left = lake.ObjectsAt(t, servedAt, "") {
			if time.Since(purged) > 3*time.Minute {
				t.Fatalf("purged and still there: %q", left)
			}
			<-tick.C
		}
		t.Logf("gone %s after the drop", time.Since(purged).Round(time.Second))
		spark.Exec(t, "INSERT INTO "+neighbour+" VALUES (3)")
		holds(t, spark, []string{"f", "neighbour"}, "0", "1", "2", "3")
	})
}

// TestSparkAddsFiles takes Parquet files without field ids over, from a plain
// folder and from one of Hive's partitions: the table's name mapping says what
// their columns are.
func TestSparkAddsFiles(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "a")
	lake := spark.Lake
	// Spark lists the folder through Hadoop, which is told of the store by hand.
	hadoop := map[string]string{
		"fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem", "fs.s3.impl.disable.cache": "true", "fs.s3a.endpoint": lake.S3Endpoint, "fs.s3a.endpoint.region": lake.Region,
		"fs.s3a.access.key": lake.AccessKey, "fs.s3a.secret.key": lake.SecretKey, "fs.s3a.path.style.access": "true",
	}
	for key, value := range hadoop {
		spark.Exec(t, "SET "+key+"="+value)
		t.Cleanup(func() { _ = spark.TryExec(context.Background(), "RESET "+key) })
	}
	// imported writes a query's rows beside the table, as another tool would.
	imported := func(t *testing.T, path []string, query, folder string) string {
		t.Helper()
		location := lake.Location(t, path...) + "import"
		spark.Python(t, fmt.Sprintf(`
import pathlib, tempfile
made = pathlib.Path(tempfile.mkdtemp(dir=".")).resolve() / "made"
spark.sql(%q).coalesce(1).write.parquet(made.as_uri())
io = spark._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, %q).io()
for file in made.glob("*.parquet"):
    stream = io.newOutputFile(%q + file.name).create()
    stream.write(bytearray(file.read_bytes()))
    stream.close()`, query, spark.Table(path...), location+"/"+folder))
		return "`parquet`.`" + location + "`"
	}
	add := func(name, source string) string {
		return "CALL " + spark.Catalog + ".system.add_files(table => 'a." + name + "', source_table => '" + source + "')"
	}
	var plain string
	for _, format := range []int{1, 2, 3} {
		spark.Check(t, engines.AddFiles, format, func(t *testing.T) {
			name := fmt.Sprintf("plain_v%d", format)
			path, table := []string{"a", name}, spark.Table("a", name)
			spark.Exec(t, fmt.Sprintf("CREATE TABLE %s (id BIGINT, name STRING, s STRUCT<x: INT, y: STRING>) USING iceberg TBLPROPERTIES ('format-version'='%d')", table, format),
				"INSERT INTO "+table+" VALUES (100, 'own', NULL)")
			source := imported(t, path, "SELECT named_struct('x', 7, 'y', name) AS s, name, id FROM (SELECT id, CASE WHEN id > 0 THEN concat('n', id) END AS name FROM range(3))", "")
			plain = source
			assert.Equal(t, "1", spark.Query(t, add(name, source)).Cell(0, 0))
			reads(t, spark, path, `100 | "own" | null`, `0 | null | {x: 7, y: null}`, `1 | "n1" | {x: 7, y: "n1"}`, `2 | "n2" | {x: 7, y: "n2"}`)
			assert.ErrorContains(t, spark.TryExec(t.Context(), add(name, source)), "already", "a file is added once")
			spark.Exec(t, "ALTER TABLE "+table+" RENAME COLUMN name TO title", "ALTER TABLE "+table+" ADD COLUMN extra INT", "DELETE FROM "+table+" WHERE id = 1")
			reads(t, spark, path, `100 | "own" | null | null`, `0 | null | {x: 7, y: null} | null`, `2 | "n2" | {x: 7, y: "n2"} | null`)
		})
	}
	spark.Check(t, engines.AddFiles, 2, func(t *testing.T) {
		path, table := []string{"a", "parts"}, spark.Table("a", "parts")
		spark.Exec(t, "CREATE TABLE "+table+" (id BIGINT, part STRING) USING iceberg PARTITIONED BY (part)")
		imported(t, path, "SELECT id FROM range(2)", "part=x y/")
		source := imported(t, path, "SELECT id + 10 AS id FROM range(1)", "part=z/")
		assert.Equal(t, "2", spark.Query(t, add("parts", source)).Cell(0, 0))
		reads(t, spark, path, `0 | "x y"`, `1 | "x y"`, `10 | "z"`)
		// Files of another table's folder are not this one's.
		assert.ErrorContains(t, spark.TryExec(t.Context(), add("plain_v2", plain)), "does not lie under the table's location")
	})
}
