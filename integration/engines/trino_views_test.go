package engines_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestTrinoViews has Trino keep views in the catalog.
func TestTrinoViews(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "v")
	trino.Exec(t, "CREATE TABLE "+trino.Table("v", "t")+" AS SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (3, NULL)) s(id, s)")
	trino.Check(t, engines.Views, 0, func(t *testing.T) {
		view := trino.Table("v", "big ones")
		rows := func(name string) []string { return trino.Query(t, "SELECT * FROM "+name+" ORDER BY 1").Lines() }
		trino.Exec(t, "CREATE VIEW "+view+" AS SELECT id FROM "+trino.Table("v", "t")+" WHERE id > 1")
		assert.Equal(t, []string{"2", "3"}, rows(view))
		assert.ErrorContains(t, trino.TryExec(t.Context(), "CREATE VIEW "+view+" AS SELECT 1 AS id"), "already exists")
		assert.ErrorContains(t, trino.TryExec(t.Context(), "CREATE VIEW "+trino.Table("v", "t")+" AS SELECT 1 AS id"), "already exists", "a table has the name")
		trino.Exec(t, "CREATE OR REPLACE VIEW "+view+" COMMENT 'c''c' SECURITY DEFINER AS SELECT id, s FROM "+trino.Table("v", "t")+" WHERE id > 1",
			"CREATE VIEW "+trino.Table("v", "counted")+" SECURITY INVOKER AS SELECT count(*) AS n FROM "+view,
			"COMMENT ON COLUMN "+view+".id IS 'key'")
		assert.Equal(t, []string{`2 | "b"`, `3 | null`}, rows(view))
		assert.Equal(t, []string{"2"}, rows(trino.Table("v", "counted")), "a view over a view")
		ddl := trino.Query(t, "SHOW CREATE VIEW "+view).Cell(0, 0)
		assert.Contains(t, ddl, "SECURITY DEFINER")
		assert.Contains(t, ddl, "COMMENT 'c''c'")
		assert.Contains(t, trino.Query(t, "SHOW CREATE VIEW "+trino.Table("v", "counted")).Cell(0, 0), "SECURITY INVOKER")
		assert.Equal(t, []string{`"id" | "integer" | "" | "key"`, `"s" | "varchar" | "" | ""`}, trino.Query(t, "DESCRIBE "+view).Lines())
		assert.ElementsMatch(t, []string{`"t"`, `"big ones"`, `"counted"`}, trino.Query(t, "SHOW TABLES FROM "+trino.Namespace("v")).Lines())
		assert.ElementsMatch(t, []string{`"big ones"`, `"counted"`}, trino.Query(t, "SELECT table_name FROM "+trino.Catalog+".information_schema.views WHERE table_schema = 'v'").Lines())
		trino.Exec(t, "INSERT INTO "+trino.Table("v", "t")+" VALUES (4, 'd')")
		assert.Equal(t, []string{"3"}, rows(trino.Table("v", "counted")))
		assert.Error(t, trino.TryExec(t.Context(), "INSERT INTO "+view+" VALUES (5, 'e')"))
		trino.Exec(t, "ALTER VIEW "+trino.Table("v", "counted")+" RENAME TO "+trino.Table("v", "renamed"))
		assert.Equal(t, []string{"3"}, rows(trino.Table("v", "renamed")))
		trino.Exec(t, "DROP VIEW "+trino.Table("v", "renamed"), "DROP VIEW "+view, "DROP VIEW IF EXISTS "+view)
		assert.Equal(t, []string{`"t"`}, trino.Query(t, "SHOW TABLES FROM "+trino.Namespace("v")).Lines())
	})
	trino.Cannot(t, engines.MaterializedViews, 0, "Trino keeps materialized views in no REST catalog", "not supported for Iceberg REST catalog", func(ctx context.Context) error {
		return trino.TryExec(ctx, "CREATE MATERIALIZED VIEW "+trino.Table("v", "mv")+" AS SELECT 1 AS id")
	})
}

// TestTrinoPlans looks at what Trino asks of the files.
func TestTrinoPlans(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "p")
	for _, format := range []int{2, 3} {
		trino.Check(t, engines.Pushdown, format, func(t *testing.T) {
			path := []string{"p", map[int]string{2: "two", 3: "three"}[format]}
			table := trino.Table(path...)
			trino.Exec(t, "CREATE TABLE "+table+" (id BIGINT, k VARCHAR, day DATE, o ROW(a BIGINT, b VARCHAR))"+with(format, ", partitioning = ARRAY['k', 'month(day)']"),
				"INSERT INTO "+table+" SELECT id, IF(id < 50, 'low', 'high'), DATE '2026-01-01' + INTERVAL '1' DAY * id, ROW(id, 'x') FROM UNNEST(sequence(0, 99)) s(id)")
			plan := func(where string) string {
				return trino.Query(t, "EXPLAIN SELECT o.a FROM "+table+" WHERE "+where).Cell(0, 0)
			}
			pruned := plan("k = 'low' AND day >= DATE '2026-02-01' AND day < DATE '2026-03-01'")
			assert.NotContains(t, pruned, "filterPredicate", "partitions answer it whole")
			assert.Contains(t, pruned, "constraint on [k, day]")
			assert.Contains(t, pruned, "Layout: [o_a:bigint]", "one field of the row is read")
			assert.Contains(t, plan("id = 7"), "Estimates: {rows: 31 ", "one file of four by the bounds of id")
			scanned := trino.Query(t, "EXPLAIN ANALYZE SELECT id FROM "+table+" WHERE k = 'low' AND day < DATE '2026-02-01'").Cell(0, 0)
			assert.Contains(t, scanned, "Input: 31 rows", "only one partition's file was read")
			assert.Contains(t, trino.Query(t, "EXPLAIN SELECT count(*) FROM "+table+" WHERE k = 'high'").Cell(0, 0), "constraint on [k]")
			holds(t, trino, path, agree(t, trino, path...).Lines()...)
		})
	}
}
