package engines_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestSparkEqualityDeletes has Iceberg's Java library delete by equality, on
// tables with and without partitions, and compares what Spark and Firn read
// with the rows that are left.
func TestSparkEqualityDeletes(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	spark, firn := lake.On(t, engines.Spark), lake.On(t, engines.Firn)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("eq"))
	for _, format := range []int{2, 3} {
		for _, partitioned := range []string{"", "PARTITIONED BY (part)"} {
			name := fmt.Sprintf("v%d_%t", format, partitioned != "")
			table := spark.Table("eq", name)
			spark.Exec(
				t, fmt.Sprintf("CREATE TABLE %s (id BIGINT, name STRING, day DATE, seen TIMESTAMP, part STRING) USING iceberg %s TBLPROPERTIES ('format-version'='%d')", table, partitioned, format),
				"INSERT INTO "+table+" VALUES "+
					"(1, 'one', DATE '2026-01-01', TIMESTAMP '2026-01-01 00:00:01', 'a'), (2, 'two', DATE '2026-01-02', TIMESTAMP '2026-01-01 00:00:02', 'b'), "+
					"(3, NULL, NULL, NULL, NULL), (4, 'four', DATE '1969-12-31', TIMESTAMP '1969-12-31 23:59:59.5', 'a'), (5, '', DATE '2026-01-05', TIMESTAMP '2026-01-01 00:00:05', 'null')",
			)
			spark.Check(t, engines.ReadDeletes, format, func(t *testing.T) {
				files := engines.EqualityDeletes(t, spark, []string{"eq", name}, "id", 2, 99)
				if partitioned == "" {
					assert.Equal(t, 1, files)
				} else {
					assert.Equal(t, 4, files)
				}
				// What is written after the delete stays.
				spark.Exec(t, "INSERT INTO "+table+" VALUES (2, 'again', NULL, NULL, 'b')")
				left := func(ids ...string) {
					t.Helper()
					rows := spark.Read(t, "eq", name)
					engines.Same(t, rows, firn.Read(t, "eq", name))
					var got []string
					for _, row := range rows.Only("id").Values {
						got = append(got, row[0])
					}
					require.ElementsMatch(t, ids, got)
				}
				left("1", "2", "3", "4", "5")
				engines.EqualityDeletes(t, spark, []string{"eq", name}, "name", nil, "")
				left("1", "2", "4")
				engines.EqualityDeletes(t, spark, []string{"eq", name}, "day", "1969-12-31")
				left("1", "2")
				engines.EqualityDeletes(t, spark, []string{"eq", name}, "seen", "2026-01-01T00:00:01+00:00")
				left("2")
			})
		}
	}
}
