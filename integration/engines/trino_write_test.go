package engines_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// trinoOn is a fresh lake with Trino and a namespace.
func trinoOn(t *testing.T, namespace string) *engines.Session {
	t.Helper()
	trino := engines.NewLake(t).On(t, engines.Trino)
	trino.Exec(t, "CREATE SCHEMA "+trino.Namespace(namespace))
	return trino
}

// with are the properties of a table whose maintenance is left to the test.
func with(format int, rest string) string {
	return fmt.Sprintf(" WITH (format_version = %d, extra_properties = MAP(ARRAY['firn.compact.enabled', 'firn.compact.row-hash', 'firn.orphans.grace'], ARRAY['false', 'true', '1ms'])%s) ", format, rest)
}

// hidden names one of Trino's metadata tables.
func hidden(s *engines.Session, path []string, name string) string {
	path = append(append([]string{}, path[:len(path)-1]...), path[len(path)-1]+"$"+name)
	return s.Table(path...)
}

// TestTrinoWrites has Trino create and change tables of every format.
func TestTrinoWrites(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "w")
	for _, format := range []int{1, 2, 3} {
		path := []string{"w", fmt.Sprintf("orders_v%d", format)}
		table := trino.Table(path...)
		with := func(rest string) string { return with(format, rest) }
		trino.Check(t, engines.Create, format, func(t *testing.T) {
			trino.Exec(t, "CREATE TABLE "+table+" (id BIGINT NOT NULL COMMENT 'key', country VARCHAR, amount DECIMAL(18,3)) COMMENT 'orders'"+with(", partitioning = ARRAY['country']"))
			holds(t, trino, path)
			assert.ErrorContains(t, trino.TryExec(t.Context(), "CREATE TABLE "+table+" (id INT)"), "already exists")
			trino.Exec(t, "CREATE TABLE IF NOT EXISTS "+table+" (other INT)")
			ddl := trino.Query(t, "SHOW CREATE TABLE "+table).Cell(0, 0)
			for _, word := range []string{"COMMENT 'key'", "COMMENT 'orders'", fmt.Sprintf("format_version = %d", format), "partitioning = ARRAY['country']", "NOT NULL"} {
				assert.Contains(t, ddl, word)
			}
		})
		trino.Check(t, engines.Append, format, func(t *testing.T) {
			trino.Exec(t, "INSERT INTO "+table+" VALUES (1, 'Norway', 1.100), (2, NULL, -2), (3, 'null', NULL)",
				"INSERT INTO "+table+" (amount, id) VALUES (4.5, 4)")
			holds(t, trino, path, `1 | "Norway" | 1.100`, `2 | null | -2.000`, `3 | "null" | null`, `4 | null | 4.500`)
			assert.ErrorContains(t, trino.TryExec(t.Context(), "INSERT INTO "+table+" (country) VALUES ('no key')"), "NULL value not allowed")
		})
		trino.Check(t, engines.CreateAsSelect, format, func(t *testing.T) {
			copied := []string{"w", fmt.Sprintf("copy_v%d", format)}
			trino.Exec(t, "CREATE TABLE "+trino.Table(copied...)+with(", partitioning = ARRAY['bucket(id, 2)']")+"AS SELECT id, country FROM "+table)
			holds(t, trino, copied, `1 | "Norway"`, `2 | null`, `3 | "null"`, `4 | null`)
			trino.Exec(t, "CREATE TABLE "+trino.Table("w", fmt.Sprintf("hollow_v%d", format))+with("")+"AS SELECT * FROM "+table+" WITH NO DATA")
			holds(t, trino, []string{"w", fmt.Sprintf("hollow_v%d", format)})
		})
		trino.Check(t, engines.Overwrite, format, func(t *testing.T) {
			over := []string{"w", fmt.Sprintf("over_v%d", format)}
			trino.Exec(t, "CREATE TABLE "+trino.Table(over...)+with(", partitioning = ARRAY['day']")+"AS SELECT 1 AS id, DATE '2026-01-01' AS day",
				"TRUNCATE TABLE "+trino.Table(over...))
			holds(t, trino, over)
			trino.Exec(t, "INSERT INTO "+trino.Table(over...)+" VALUES (2, DATE '2026-01-02'), (3, DATE '2026-01-03')")
			holds(t, trino, over, `2 | 2026-01-02`, `3 | 2026-01-03`)
			// A partition goes without a delete file, in format 1 too.
			trino.Exec(t, "DELETE FROM "+trino.Table(over...)+" WHERE day = DATE '2026-01-02'")
			holds(t, trino, over, `3 | 2026-01-03`)
			replace := "CREATE OR REPLACE TABLE " + trino.Table(over...) + with("")
			if format == 1 {
				assert.ErrorContains(t, trino.TryExec(t.Context(), replace+"AS SELECT 1 AS id"), "at least format version 2")
				return
			}
			trino.Exec(t, replace+"AS SELECT 'all new' AS name, ARRAY[1, NULL] AS list")
			holds(t, trino, over, `"all new" | [1, null]`)
			versions := trino.Query(t, "SELECT snapshot_id FROM "+hidden(trino, over, "snapshots")+" ORDER BY committed_at")
			assert.Len(t, versions.Values, 5, "replacing keeps what was")
			at := versions.Cell(0, 0)
			// A fault of Trino: it binds the old spec, whose column is gone, to the new schema.
			_, err := trino.TryQuery(t.Context(), "SELECT * FROM "+trino.Table(over...)+" FOR VERSION AS OF "+at)
			assert.ErrorContains(t, err, `"type" is null`)
			out, err := trino.Lake.CLI(t.Context(), t, "sql", "-q", "-o", "csv", "-c", "SELECT * FROM w."+over[1]+" AT (VERSION => "+at+")")
			assert.NoError(t, err)
			assert.Equal(t, "id,day\n1,2026-01-01\n", out)
		})
		if format == 1 {
			refused := func(feature engines.Feature, statement string) {
				trino.Cannot(t, feature, 1, "Trino writes no rows anew: it deletes and updates with delete files, which format v1 has not", "at least format version 2",
					func(ctx context.Context) error { return trino.TryExec(ctx, statement) })
			}
			refused(engines.DeletePositions, "DELETE FROM "+table+" WHERE id = 1")
			refused(engines.Update, "UPDATE "+table+" SET amount = 1 WHERE id = 1")
			refused(engines.Merge, "MERGE INTO "+table+" t USING (VALUES 1) s(id) ON t.id = s.id WHEN MATCHED THEN DELETE")
			continue
		}
		trino.Cannot(t, engines.DeleteCopy, format, "Trino deletes with delete files only, whatever write.delete.mode says", "1 delete file", func(context.Context) error {
			copied := []string{"w", fmt.Sprintf("mode_v%d", format)}
			trino.Exec(t, fmt.Sprintf("CREATE TABLE %s WITH (format_version = %d, extra_properties = MAP(ARRAY['write.delete.mode'], ARRAY['copy-on-write'])) AS SELECT id FROM UNNEST(sequence(1, 3)) s(id)", trino.Table(copied...), format),
				"DELETE FROM "+trino.Table(copied...)+" WHERE id = 2")
			holds(t, trino, copied, "1", "3")
			if n := trino.Query(t, "SELECT count(*) FROM "+hidden(trino, copied, "files")+" WHERE content = 1").Cell(0, 0); n != "0" {
				return fmt.Errorf("%s delete file", n)
			}
			return nil
		})
		feature := map[int]engines.Feature{2: engines.DeletePositions, 3: engines.DeleteVectors}[format]
		trino.Check(t, feature, format, func(t *testing.T) {
			trino.Exec(t, "INSERT INTO "+table+" SELECT id, 'bulk', id FROM UNNEST(sequence(5, 9)) s(id)",
				"DELETE FROM "+table+" WHERE id = 5", "DELETE FROM "+table+" WHERE id = 7 OR amount = 4.5")
			holds(t, trino, path, `1 | "Norway" | 1.100`, `2 | null | -2.000`, `3 | "null" | null`, `6 | "bulk" | 6.000`, `8 | "bulk" | 8.000`, `9 | "bulk" | 9.000`)
			kinds := trino.Query(t, "SELECT DISTINCT upper(file_format) FROM "+hidden(trino, path, "files")+" WHERE content = 1").Lines()
			assert.Equal(t, []string{map[int]string{2: `"PARQUET"`, 3: `"PUFFIN"`}[format]}, kinds)
		})
		trino.Check(t, engines.Update, format, func(t *testing.T) {
			trino.Exec(t, "UPDATE "+table+" SET amount = amount + 0.125, country = CASE id WHEN 1 THEN NULL ELSE country END WHERE id < 7")
			holds(t, trino, path, `1 | null | 1.225`, `2 | null | -1.875`, `3 | "null" | null`, `6 | "bulk" | 6.125`, `8 | "bulk" | 8.000`, `9 | "bulk" | 9.000`)
		})
		trino.Check(t, engines.Merge, format, func(t *testing.T) {
			merge := "MERGE INTO " + table + " t USING (VALUES (1, 'gone'), (6, 'changed'), (50, 'new')) s(id, country) ON t.id = s.id " +
				"WHEN MATCHED AND s.country = 'gone' THEN DELETE WHEN MATCHED THEN UPDATE SET country = s.country " +
				"WHEN NOT MATCHED THEN INSERT (id, country) VALUES (s.id, s.country)"
			trino.Exec(t, merge)
			holds(t, trino, path, `2 | null | -1.875`, `3 | "null" | null`, `6 | "changed" | 6.125`, `8 | "bulk" | 8.000`, `9 | "bulk" | 9.000`, `50 | "new" | null`)
			assert.ErrorContains(t, trino.TryExec(t.Context(), "MERGE INTO "+table+" t USING (VALUES (6, 'a'), (6, 'b')) s(id, country) ON t.id = s.id WHEN MATCHED THEN UPDATE SET country = s.country"), "matched more than one source row")
		})
		trino.Check(t, engines.Compacts, format, func(t *testing.T) {
			before := agree(t, trino, path...)
			out, err := trino.Lake.CLI(t.Context(), t, "compact", "w."+path[1])
			assert.NoError(t, err, out)
			engines.Same(t, before, agree(t, trino, path...))
			left := trino.Query(t, "SELECT count(*) FROM "+hidden(trino, path, "files")+" WHERE content = 1").Cell(0, 0)
			assert.Equal(t, "0", left, "delete files are folded in")
		})
	}
}

// TestTrinoTransactions has Trino write in a transaction block, which it refuses.
func TestTrinoTransactions(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "x")
	trino.Exec(t, "CREATE TABLE "+trino.Table("x", "t")+" (id BIGINT)")
	trino.Cannot(t, engines.Transactions, 0, "Trino commits each statement by itself: the Iceberg connector writes in no transaction block", "autocommit",
		func(ctx context.Context) error {
			trino.Exec(t, "START TRANSACTION")
			err := trino.TryExec(ctx, "INSERT INTO "+trino.Table("x", "t")+" VALUES 1")
			trino.Exec(t, "ROLLBACK")
			return err
		})
	holds(t, trino, []string{"x", "t"})
}
