package engines_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestPolars has polars read what others wrote and changed, and write itself
// where it can.
func TestPolars(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t, still()...)
	duck, s := lake.On(t, engines.DuckDB), lake.On(t, engines.Polars)
	duck.Exec(t, "CREATE SCHEMA "+duck.Namespace("p"))
	s.Exec(t, "catalog = "+s.Catalog+`
def scan(name, **kwargs):
    table = catalog.load_table(("p", name))
    return pl.scan_iceberg(table, storage_options=table.io.properties, **kwargs)`)
	for _, format := range []int{2, 3} {
		with := fmt.Sprintf("WITH ('format-version' = '%d')", format)
		name := duck.Table("p", fmt.Sprintf("t%d", format))
		duck.Exec(
			t, "CREATE TABLE "+name+" (id BIGINT, c VARCHAR, n INTEGER) PARTITIONED BY (c) "+with, "INSERT INTO "+name+" SELECT i, CASE i % 3 WHEN 0 THEN 'a/b' WHEN 1 THEN NULL ELSE 'ü' END, i::INTEGER FROM range(20) x(i)",
			"DELETE FROM "+name+" WHERE id < 5", "DELETE FROM "+name+" WHERE id = 19",
		)
		s.Check(t, engines.ReadDeletes, format, func(t *testing.T) {
			assert.Len(t, agree(t, s, "p", fmt.Sprintf("t%d", format)).Values, 14)
			rows := s.Query(t, fmt.Sprintf(`scan("t%d").filter(pl.col("c") == "a/b", pl.col("id") > 9).select("id").sort("id")`, format))
			assert.Equal(t, []string{"12", "15", "18"}, rows.Lines())
		})
		duck.Exec(t, "ALTER TABLE "+name+" RENAME COLUMN n TO number", "ALTER TABLE "+name+" ALTER COLUMN number TYPE BIGINT", "ALTER TABLE "+name+" ADD COLUMN note VARCHAR", "INSERT INTO "+name+" VALUES (100, 'it''s', 3000000000, 'new')")
		s.Check(t, engines.SchemaEvolution, format, func(t *testing.T) {
			assert.Len(t, agree(t, s, "p", fmt.Sprintf("t%d", format)).Values, 15)
		})
		s.Check(t, engines.TimeTravel, format, func(t *testing.T) {
			rows := s.Query(t, fmt.Sprintf(`scan("t%d", snapshot_id=catalog.load_table(("p", "t%d")).history()[0].snapshot_id).select(pl.len())`, format, format))
			assert.Equal(t, "20", rows.Cell(0, 0))
		})
		s.Check(t, engines.Types, format, func(t *testing.T) {
			path := []string{"p", fmt.Sprintf("types%d", format)}
			duck.Exec(t, fmt.Sprintf("CREATE TABLE %s %s AS SELECT * EXCLUDE (u) FROM (%s)", duck.Table(path...), with, duckTypes))
			engines.Same(t, duck.Read(t, path...), s.Read(t, path...))
		})
	}
	s.Check(t, engines.OddNames, 0, func(t *testing.T) {
		for i, name := range oddNames {
			path := fmt.Sprintf("(\"p\", %q)", name)
			s.Exec(t, fmt.Sprintf("catalog.create_table(%s, pa.schema([pa.field(%q, pa.int64())])).append(pa.table({%q: pa.array([%d], pa.int64())}))", path, name, name, i))
			assert.Equal(t, fmt.Sprint(i), s.Read(t, "p", name).Cell(0, 0))
		}
	})
	// It writes through PyIceberg, and so what PyIceberg writes.
	for _, format := range []int{1, 2} {
		path := []string{"p", fmt.Sprintf("written%d", format)}
		run := func(t *testing.T, code string) {
			t.Helper()
			s.Exec(t, fmt.Sprintf(`
frame = pl.DataFrame({"id": [1, 2, 3], "name": ["a", None, "ü"], "score": [0.1, None, float("nan")]})
name = %s
def table(): return catalog.load_table(name)
`, s.Table(path...))+code)
		}
		s.Check(t, engines.Append, format, func(t *testing.T) {
			run(t, fmt.Sprintf(`catalog.create_table(name, frame.to_arrow().schema, properties={"format-version": "%d"})
frame.write_iceberg(table(), mode="append"); frame.head(1).write_iceberg(table(), mode="append")`, format))
			holds(t, s, path, `1 | "a" | 0.1`, `2 | null | null`, `3 | "ü" | NaN`, `1 | "a" | 0.1`)
		})
		s.Check(t, engines.Overwrite, format, func(t *testing.T) {
			run(t, `frame.tail(2).write_iceberg(table(), mode="overwrite")`)
			holds(t, s, path, `2 | null | null`, `3 | "ü" | NaN`)
		})
	}
	s.Cannot(t, engines.Append, 3, "polars writes through PyIceberg, which writes no table of format 3", "Cannot write manifest for table version: 3", func(ctx context.Context) error {
		return s.TryExec(ctx, `frame.write_iceberg(catalog.create_table(("p", "three"), frame.to_arrow().schema, properties={"format-version": "3"}), mode="append")`)
	})
}
