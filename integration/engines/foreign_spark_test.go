package engines_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// madeBySpark is a table of Spark's.
func madeBySpark(t *testing.T, lake *engines.Lake, path ...string) *foreign {
	spark := lake.On(t, engines.Spark)
	return &foreign{
		lake: lake, maker: spark, firn: lake.On(t, engines.Firn), path: path, byFiles: true,
		at: func(version string) (engines.Rows, error) {
			return spark.TryQuery(t.Context(), "SELECT * FROM "+spark.Table(path...)+" VERSION AS OF "+version)
		},
	}
}

// TestForeignSparkDeletes: what Spark's deletes, updates and merges left, in
// files of positions and in vectors, is read, compacted and expired by Firn.
func TestForeignSparkDeletes(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	spark, firn := lake.On(t, engines.Spark), lake.On(t, engines.Firn)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("spark"))
	for _, format := range []int{2, 3} {
		f := madeBySpark(t, lake, "spark", fmt.Sprintf("deletes%d", format))
		table := spark.Table(f.path...)
		lineage := func(t *testing.T) engines.Rows {
			return spark.Query(t, "SELECT id, _row_id, _last_updated_sequence_number FROM "+table)
		}
		firn.Check(t, engines.ReadDeletes, format, func(t *testing.T) {
			spark.Exec(
				t, fmt.Sprintf("CREATE TABLE %s (id BIGINT, part STRING, amount DECIMAL(10,2), s STRUCT<a: INT, b: STRING>) USING iceberg PARTITIONED BY (part) "+
					"TBLPROPERTIES ('format-version'='%d', 'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read', 'write.merge.mode'='merge-on-read', "+
					"'write.delete.granularity'='partition', %s)", table, format, upkeep),
				"INSERT INTO "+table+" SELECT id, CASE WHEN id % 7 = 0 THEN NULL WHEN id % 2 = 0 THEN 'null' ELSE 'x y/z' END, CAST(id * 1.25 AS DECIMAL(10,2)), named_struct('a', CAST(id AS INT), 'b', concat('b', id)) FROM range(100)",
				"INSERT INTO "+table+" SELECT id + 100, 'x y/z', CAST(id AS DECIMAL(10,2)), NULL FROM range(50)",
				"DELETE FROM "+table+" WHERE id % 10 = 3",
				"ALTER TABLE "+table+" CREATE TAG before_update",
				"ALTER TABLE "+table+" SET TBLPROPERTIES ('write.delete.granularity'='file')",
				"UPDATE "+table+" SET amount = -amount, part = 'moved' WHERE id BETWEEN 20 AND 29",
				"MERGE INTO "+table+" t USING (SELECT id * 9 AS id FROM range(20)) s ON t.id = s.id WHEN MATCHED AND t.id < 90 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = 0 WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)",
				"DELETE FROM "+table+" WHERE id = 55",
			)
			assert.NotEmpty(t, f.head(t).Values)
		})
		firn.Check(t, engines.TimeTravel, format, func(t *testing.T) {
			assert.Equal(t, 6, f.history(t))
		})
		firn.Check(t, engines.Compacts, format, func(t *testing.T) {
			var before engines.Rows
			if format == 3 {
				before = lineage(t)
			}
			f.compacted(t)
			if format == 3 {
				assert.True(t, engines.Same(t, before, lineage(t)), "row lineage is kept")
			}
			assert.Equal(t, 7, f.history(t))
			// Spark goes on, on what Firn left.
			spark.Exec(t, "DELETE FROM "+table+" WHERE id % 10 = 4", "UPDATE "+table+" SET amount = 1 WHERE id < 10")
			require.NotEmpty(t, f.head(t).Values)
		})
		firn.Check(t, engines.Expires, format, func(t *testing.T) {
			f.expired(t, func(key, value string) {
				spark.Exec(t, fmt.Sprintf("ALTER TABLE %s SET TBLPROPERTIES ('%s'='%s')", table, key, value))
			})
		})
	}
}
