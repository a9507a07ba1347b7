package engines_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// sparkOn is a fresh lake with Spark and a namespace.
func sparkOn(t *testing.T, namespace string) *engines.Session {
	t.Helper()
	spark := engines.NewLake(t).On(t, engines.Spark)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace(namespace))
	return spark
}

// TestSparkWrites has Spark create and change tables of every format.
func TestSparkWrites(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "w")
	for _, format := range []int{1, 2, 3} {
		path := []string{"w", fmt.Sprintf("orders_v%d", format)}
		table := spark.Table(path...)
		properties := fmt.Sprintf("TBLPROPERTIES ('format-version'='%d')", format)
		exec := func(t *testing.T, statements ...string) {
			t.Helper()
			spark.Exec(t, statements...)
		}
		spark.Check(t, engines.Create, format, func(t *testing.T) {
			exec(t, "CREATE TABLE "+table+" (id BIGINT NOT NULL COMMENT 'key', country STRING, amount DECIMAL(18,3)) USING iceberg PARTITIONED BY (country) COMMENT 'orders' "+properties)
			holds(t, spark, path)
			assert.Error(t, spark.TryExec(t.Context(), "CREATE TABLE "+table+" (id INT)"))
			exec(t, "CREATE TABLE IF NOT EXISTS "+table+" (other INT)")
			assert.Contains(t, spark.Query(t, "SHOW TBLPROPERTIES "+table).Lines(), fmt.Sprintf(`"format-version" | "%d"`, format))
		})
		spark.Check(t, engines.Append, format, func(t *testing.T) {
			exec(t, "INSERT INTO "+table+" VALUES (1, 'Norway', 1.100), (2, NULL, -2), (3, 'null', NULL)",
				"INSERT INTO "+table+" (amount, id) VALUES (4.5, 4)")
			holds(t, spark, path, `1 | "Norway" | 1.100`, `2 | null | -2.000`, `3 | "null" | null`, `4 | null | 4.500`)
		})
		spark.Check(t, engines.Overwrite, format, func(t *testing.T) {
			exec(t, "INSERT OVERWRITE "+table+" PARTITION (country = 'Norway') VALUES (10, 10)")
			holds(t, spark, path, `10 | "Norway" | 10.000`, `2 | null | -2.000`, `3 | "null" | null`, `4 | null | 4.500`)
			exec(t, "SET spark.sql.sources.partitionOverwriteMode=dynamic",
				"INSERT OVERWRITE "+table+" VALUES (5, NULL, 5), (6, 'Peru', 6)",
				"SET spark.sql.sources.partitionOverwriteMode=static")
			holds(t, spark, path, `10 | "Norway" | 10.000`, `3 | "null" | null`, `5 | null | 5.000`, `6 | "Peru" | 6.000`)
			spark.Python(t, "spark.sql(\"SELECT 7L AS id, 'Peru' AS country, CAST(7 AS DECIMAL(18,3)) AS amount\").writeTo('"+table+"').overwrite(__import__('pyspark.sql.functions').sql.functions.expr('id >= 6'))")
			holds(t, spark, path, `3 | "null" | null`, `5 | null | 5.000`, `7 | "Peru" | 7.000`)
			exec(t, "INSERT OVERWRITE "+table+" SELECT id + 1, CASE WHEN id % 2 = 0 THEN 'even' ELSE 'odd' END, id FROM range(6)")
			holds(t, spark, path, `1 | "even" | 0.000`, `2 | "odd" | 1.000`, `3 | "even" | 2.000`, `4 | "odd" | 3.000`, `5 | "even" | 4.000`, `6 | "odd" | 5.000`)
		})
		mode := func(mode string) string {
			return fmt.Sprintf("ALTER TABLE %[1]s SET TBLPROPERTIES ('write.delete.mode'='%[2]s', 'write.update.mode'='%[2]s', 'write.merge.mode'='%[2]s')", table, mode)
		}
		deletes := func(t *testing.T) string {
			return spark.Query(t, "SELECT count(*) FROM "+table+".delete_files").Cell(0, 0)
		}
		spark.Check(t, engines.DeleteCopy, format, func(t *testing.T) {
			exec(t, mode("copy-on-write"), "DELETE FROM "+table+" WHERE id IN (1, 99)", "DELETE FROM "+table+" WHERE country = 'odd' AND amount > 4")
			holds(t, spark, path, `2 | "odd" | 1.000`, `3 | "even" | 2.000`, `4 | "odd" | 3.000`, `5 | "even" | 4.000`)
			assert.Equal(t, "0", deletes(t))
		})
		merge := "MERGE INTO " + table + " t USING (SELECT * FROM VALUES (3, 'gone'), (4, 'changed'), (50, 'new') AS s(id, country)) s ON t.id = s.id " +
			"WHEN MATCHED AND s.country = 'gone' THEN DELETE WHEN MATCHED THEN UPDATE SET country = s.country " +
			"WHEN NOT MATCHED THEN INSERT (id, country) VALUES (s.id, s.country) WHEN NOT MATCHED BY SOURCE AND t.id = 5 THEN UPDATE SET amount = 0"
		spark.Check(t, engines.Update, format, func(t *testing.T) {
			exec(t, "UPDATE "+table+" SET amount = amount + 0.125, country = CASE id WHEN 2 THEN NULL ELSE country END WHERE id < 4")
			holds(t, spark, path, `2 | null | 1.125`, `3 | "even" | 2.125`, `4 | "odd" | 3.000`, `5 | "even" | 4.000`)
		})
		spark.Check(t, engines.Merge, format, func(t *testing.T) {
			exec(t, merge)
			holds(t, spark, path, `2 | null | 1.125`, `4 | "changed" | 3.000`, `5 | "even" | 0.000`, `50 | "new" | null`)
		})
		if format == 1 {
			exec(t, mode("merge-on-read"), "INSERT OVERWRITE "+table+" SELECT id, 'one', id FROM range(2, 7)")
			spark.Cannot(t, engines.DeletePositions, 1, "format v1 has no delete files", "Deletes are supported in V2 and above", func(ctx context.Context) error {
				return spark.TryExec(ctx, "DELETE FROM "+table+" WHERE id = 2")
			})
			continue
		}
		feature := map[int]engines.Feature{2: engines.DeletePositions, 3: engines.DeleteVectors}[format]
		spark.Check(t, feature, format, func(t *testing.T) {
			exec(t, mode("merge-on-read"), "INSERT OVERWRITE "+table+" SELECT id, 'one', id FROM range(2, 7)",
				"DELETE FROM "+table+" WHERE id = 2", "DELETE FROM "+table+" WHERE id = 6")
			holds(t, spark, path, `3 | "one" | 3.000`, `4 | "one" | 4.000`, `5 | "one" | 5.000`)
			exec(t, "UPDATE "+table+" SET country = NULL WHERE id = 5", merge)
			holds(t, spark, path, `4 | "changed" | 4.000`, `5 | null | 0.000`, `50 | "new" | null`)
			assert.NotEqual(t, "0", deletes(t))
			kinds := spark.Query(t, "SELECT DISTINCT upper(file_format) FROM "+table+".delete_files").Lines()
			assert.Equal(t, []string{map[int]string{2: `"PARQUET"`, 3: `"PUFFIN"`}[format]}, kinds)
		})
	}
	for _, format := range []int{1, 2, 3} {
		spark.Check(t, engines.CreateAsSelect, format, func(t *testing.T) {
			path := []string{"w", fmt.Sprintf("copy_v%d", format)}
			table := spark.Table(path...)
			properties := fmt.Sprintf("USING iceberg PARTITIONED BY (bucket(2, id)) TBLPROPERTIES ('format-version'='%d', 'made'='here')", format)
			spark.Exec(t, "CREATE TABLE "+table+" "+properties+" AS SELECT id, CAST(id AS STRING) AS name FROM range(3)")
			holds(t, spark, path, `0 | "0"`, `1 | "1"`, `2 | "2"`)
			spark.Exec(t, "REPLACE TABLE "+table+" "+properties+" AS SELECT id, array(id) AS list FROM range(2)")
			holds(t, spark, path, `0 | [0]`, `1 | [1]`)
			spark.Exec(t, "CREATE OR REPLACE TABLE "+table+" USING iceberg AS SELECT 'x' AS only")
			holds(t, spark, path, `"x"`)
			// Replacing keeps what was.
			versions := spark.Query(t, "SELECT snapshot_id FROM "+table+".snapshots ORDER BY committed_at")
			assert.Len(t, versions.Values, 3)
			assert.ElementsMatch(t, []string{`0 | "0"`, `1 | "1"`, `2 | "2"`}, spark.Query(t, "SELECT * FROM "+table+" VERSION AS OF "+versions.Cell(0, 0)).Lines())
			assert.Error(t, spark.TryExec(t.Context(), "REPLACE TABLE "+spark.Table("w", "absent")+" USING iceberg AS SELECT 1 AS id"))
		})
	}
}
