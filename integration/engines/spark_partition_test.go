package engines_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// transforms are the partitions of TestSparkPartitions: how Spark creates each,
// and a condition that prunes by it.
var transforms = []struct{ transform, condition string }{
	{"country", "country = 'no/way'"},
	{"years(seen)", "seen >= TIMESTAMP '2026-01-01 00:00:00'"},
	{"months(seen)", "seen < TIMESTAMP '1970-01-01 00:00:00'"},
	{"days(day)", "day = DATE '1969-12-31'"},
	{"days(local)", "local >= TIMESTAMP_NTZ '2026-11-21 00:00:00'"},
	{"hours(seen)", "seen BETWEEN TIMESTAMP '1969-12-31 23:00:00' AND TIMESTAMP '1969-12-31 23:59:59'"},
	{"bucket(4, id)", "id = 7"},
	{"bucket(3, country)", "country = 'ü'"},
	{"bucket(3, amount)", "amount = -7.5"},
	{"bucket(3, data)", "data = X'07'"},
	{"truncate(10, id)", "id < 0"},
	{"truncate(2, country)", "country LIKE 'no%'"},
	{"truncate(100, amount)", "amount BETWEEN -10 AND 0"},
}

// TestSparkPartitions writes the same rows under every transform, reads them
// back whole and by a condition that prunes, and deletes by that condition.
func TestSparkPartitions(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "p")
	firn := spark.Lake.On(t, engines.Firn)
	spark.Exec(t, `CREATE OR REPLACE TEMPORARY VIEW source AS SELECT id,
		CASE id % 4 WHEN 0 THEN 'no/way' WHEN 1 THEN NULL WHEN 2 THEN 'ü' ELSE 'null' END AS country,
		CAST(id * -1.25 + 1.25 AS DECIMAL(9,2)) AS amount,
		CASE WHEN id % 5 = 0 THEN NULL WHEN id < 0 THEN TIMESTAMP '1969-12-31 23:30:00' ELSE TIMESTAMP '2026-11-21 12:00:00' + make_interval(0, 0, 0, 0, CAST(id AS INT)) END AS seen,
		CASE WHEN id % 7 = 0 THEN NULL ELSE CAST(TIMESTAMP_NTZ '2026-11-20 22:00:00' + make_interval(0, 0, 0, 0, CAST(id AS INT)) AS TIMESTAMP_NTZ) END AS local,
		date_add(DATE '1970-01-01', CAST(id AS INT)) AS day, CASE WHEN id = 7 THEN X'07' ELSE CAST(country AS BINARY) END AS data
		FROM (SELECT id, CAST(NULL AS STRING) AS country FROM range(-12, 12))`)
	defer spark.Exec(t, "DROP VIEW source") // the session is everyone's
	whole := spark.Query(t, "SELECT * FROM source")
	for _, format := range []int{1, 2, 3} {
		spark.Check(t, engines.PartitionedWrites, format, func(t *testing.T) {
			for i, tr := range transforms {
				if i%3 != format%3 && format != 2 {
					continue // each of the other formats takes a third
				}
				path := []string{"p", fmt.Sprintf("t%d_v%d", i, format)}
				table := spark.Table(path...)
				spark.Exec(t, fmt.Sprintf("CREATE TABLE %s USING iceberg PARTITIONED BY (%s) TBLPROPERTIES ('format-version'='%d', 'write.delete.mode'='%s') AS SELECT * FROM source",
					table, tr.transform, format, map[bool]string{true: "merge-on-read", false: "copy-on-write"}[format > 1]))
				assert.True(t, engines.Same(t, whole, agree(t, spark, path...)), tr.transform)
				where := " WHERE " + tr.condition
				want := spark.Query(t, "SELECT * FROM source"+where)
				assert.NotEmpty(t, want.Values, tr.condition)
				assert.True(t, engines.Same(t, want, spark.Query(t, "SELECT * FROM "+table+where)), tr.transform)
				ours := strings.NewReplacer("TIMESTAMP_NTZ", "TIMESTAMP", "TIMESTAMP '", "TIMESTAMPTZ '", "00' AND", "00+00' AND", "X'07'", `'\x07'::BLOB`).Replace(where)
				if strings.Contains(where, "local") {
					ours = strings.ReplaceAll(where, "_NTZ", "")
				}
				assert.True(t, engines.Same(t, want, firn.Query(t, "SELECT * FROM "+firn.Table(path...)+ours)), "%s%s", tr.transform, ours)
				if strings.Contains(where, "seen <") {
					continue // see TestSparkDeletesNulls
				}
				spark.Exec(t, "DELETE FROM "+table+where)
				assert.Len(t, agree(t, spark, path...).Values, len(whole.Values)-len(want.Values), tr.transform)
			}
		})
	}
}

// TestSparkSpecEvolution changes how a table is partitioned while rows come in,
// and deletes across all its specs.
func TestSparkSpecEvolution(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "p")
	firn := spark.Lake.On(t, engines.Firn)
	for _, format := range []int{1, 2, 3} {
		spark.Check(t, engines.SpecEvolution, format, func(t *testing.T) {
			path := []string{"p", fmt.Sprintf("evolving_v%d", format)}
			table := spark.Table(path...)
			spark.Exec(t, fmt.Sprintf("CREATE TABLE %s (id BIGINT, seen TIMESTAMP, country STRING) USING iceberg TBLPROPERTIES ('format-version'='%d', 'write.delete.mode'='%s')",
				table, format, map[bool]string{true: "merge-on-read", false: "copy-on-write"}[format > 1]))
			n := 0
			insert := func() {
				spark.Exec(t, fmt.Sprintf("INSERT INTO %s SELECT id + %d, TIMESTAMP '2026-11-21 00:00:00' + make_interval(0, 0, 0, CAST(id AS INT)), CASE WHEN id %% 2 = 0 THEN 'a b' END FROM range(6)", table, n))
				n += 6
			}
			for _, change := range []string{
				"", "ADD PARTITION FIELD country", "ADD PARTITION FIELD months(seen) AS month", "REPLACE PARTITION FIELD month WITH days(seen) AS day",
				"DROP PARTITION FIELD country", "ADD PARTITION FIELD bucket(4, id) AS shard", "DROP PARTITION FIELD day", "ADD PARTITION FIELD country",
				"RENAME COLUMN country TO land", "WRITE DISTRIBUTED BY PARTITION LOCALLY ORDERED BY id DESC",
			} {
				if change != "" {
					spark.Exec(t, "ALTER TABLE "+table+" "+change)
				}
				insert()
			}
			assert.Len(t, agree(t, spark, path...).Values, n)
			spark.Exec(t, "DELETE FROM "+table+" WHERE land IS NULL AND id % 3 = 0", "DELETE FROM "+table+" WHERE id % 6 = 2", "DELETE FROM "+table+" WHERE land = 'a b' AND id < 6")
			rows := agree(t, spark, path...)
			assert.Len(t, rows.Values, n-10-10-2)
			condition := " WHERE id >= 12 AND land IS NULL"
			engines.Same(t, spark.Query(t, "SELECT * FROM "+table+condition), firn.Query(t, "SELECT * FROM "+firn.Table(path...)+condition))
			specs := spark.Query(t, "SELECT DISTINCT spec_id FROM "+table+".files WHERE content = 0")
			assert.Greater(t, len(specs.Values), 4)
		})
	}
}

// TestSparkDeletesNulls shows a fault of Iceberg's Java library: a delete of all
// below a bound takes a partition of nulls for one of them, and removes it.
func TestSparkDeletesNulls(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "p")
	table := spark.Table("p", "nulls")
	spark.Exec(t, "CREATE TABLE "+table+" (id INT, seen TIMESTAMP) USING iceberg PARTITIONED BY (months(seen))",
		"INSERT INTO "+table+" VALUES (1, NULL), (2, TIMESTAMP '1969-12-01 00:00:00'), (3, TIMESTAMP '2026-11-21 00:00:00')")
	spark.Cannot(t, engines.DeleteBelow, 0, "a delete of all below a bound that is a partition's removes the partition of nulls too (Iceberg's Java library)", "without 1",
		func(ctx context.Context) error {
			if err := spark.TryExec(ctx, "DELETE FROM "+table+" WHERE seen < TIMESTAMP '1970-01-01 00:00:00'"); err != nil {
				return err
			}
			rows := agree(t, spark, "p", "nulls").Lines()
			if !slices.ContainsFunc(rows, func(row string) bool { return strings.HasPrefix(row, "1 ") }) {
				return fmt.Errorf("the rows are without 1: %q", rows)
			}
			return nil
		})
}
