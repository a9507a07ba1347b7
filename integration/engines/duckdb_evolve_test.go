package engines_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestDuckDBEvolves has DuckDB change schemas and partitions of tables with rows.
func TestDuckDBEvolves(t *testing.T) {
	engines.Suite(t)
	s := ducks(t)
	s.Exec(t, "CREATE SCHEMA "+s.Namespace("e"))
	for _, format := range []int{2, 3} {
		path := []string{"e", fmt.Sprintf("t%d", format)}
		name := s.Table(path...)
		with := fmt.Sprintf("WITH ('format-version' = '%d')", format)
		s.Check(t, engines.SchemaEvolution, format, func(t *testing.T) {
			s.Exec(
				t, "CREATE TABLE "+name+" (id INTEGER NOT NULL, name VARCHAR, f FLOAT, d DECIMAL(9,2), st STRUCT(a INTEGER, b VARCHAR)) "+with,
				"INSERT INTO "+name+" VALUES (1, 'one', 0.5, 1.25, {a: 1, b: 'x'}), (2, NULL, NULL, NULL, NULL)",
				"ALTER TABLE "+name+" ADD COLUMN note VARCHAR", "ALTER TABLE "+name+" RENAME COLUMN name TO title",
				"ALTER TABLE "+name+" ALTER COLUMN id TYPE BIGINT", "ALTER TABLE "+name+" ALTER COLUMN f TYPE DOUBLE", "ALTER TABLE "+name+" ALTER COLUMN d TYPE DECIMAL(18,2)",
				"INSERT INTO "+name+" VALUES (3000000000, 'three', 1e300, 1234567890.12, {a: 3, b: NULL}, 'noted')",
			)
			lines := []string{`1 | "one" | 0.5 | 1.25 | {a: 1, b: "x"} | null`, `2 | null | null | null | null | null`, `3000000000 | "three" | 1e+300 | 1234567890.12 | {a: 3, b: null} | "noted"`}
			holds(t, s, path, lines...)
			s.Exec(t, "ALTER TABLE "+name+" ALTER COLUMN id DROP NOT NULL", "ALTER TABLE "+name+" DROP COLUMN f", "ALTER TABLE "+name+" ADD COLUMN f VARCHAR", "INSERT INTO "+name+" (f) VALUES ('again')")
			holds(
				t, s, path, `1 | "one" | 1.25 | {a: 1, b: "x"} | null | null`, `2 | null | null | null | null | null`,
				`3000000000 | "three" | 1234567890.12 | {a: 3, b: null} | "noted" | null`, `null | null | null | null | null | "again"`,
			)
			assert.ErrorContains(t, s.TryExec(t.Context(), "ALTER TABLE "+name+" ALTER COLUMN id TYPE INTEGER"), "can't be altered")
			assert.ErrorContains(t, s.TryExec(t.Context(), "ALTER TABLE "+name+" ADD COLUMN title VARCHAR"), "already exists")
		})
		s.Check(t, engines.SpecEvolution, format, func(t *testing.T) {
			parts := []string{"e", fmt.Sprintf("parts%d", format)}
			p := s.Table(parts...)
			s.Exec(
				t, "CREATE TABLE "+p+" (id BIGINT, c VARCHAR, seen TIMESTAMP) PARTITIONED BY (c) "+with, "INSERT INTO "+p+" VALUES (1, 'a', '2026-01-01')",
				"ALTER TABLE "+p+" SET PARTITIONED BY (month(seen))", "INSERT INTO "+p+" VALUES (2, 'a', '2026-01-01'), (3, NULL, NULL)",
				"ALTER TABLE "+p+" SET PARTITIONED BY (bucket(4, id), day(seen))", "INSERT INTO "+p+" VALUES (4, 'b', '1969-12-31 23:59:59'), (5, 'c', '2026-02-01')",
			)
			lines := []string{`1 | "a" | 2026-01-01T00:00:00`, `2 | "a" | 2026-01-01T00:00:00`, `3 | null | null`, `4 | "b" | 1969-12-31T23:59:59`, `5 | "c" | 2026-02-01T00:00:00`}
			holds(t, s, parts, lines...)
			sameLines(t, lines, s.Lake.On(t, engines.PyIceberg).Read(t, parts...), "pyiceberg")
		})
	}
	s.Check(t, engines.DeleteEvolved, 3, func(t *testing.T) {
		s.Exec(t, "DELETE FROM "+s.Table("e", "parts3")+" WHERE id IN (2, 3)", "UPDATE "+s.Table("e", "parts3")+" SET c = 'z' WHERE id = 1")
		holds(t, s, []string{"e", "parts3"}, `1 | "z" | 2026-01-01T00:00:00`, `4 | "b" | 1969-12-31T23:59:59`, `5 | "c" | 2026-02-01T00:00:00`)
	})
	s.Cannot(t, engines.DeleteEvolved, 2, "DuckDB gives its delete files all partition fields that the table ever had, so that only DuckDB matches them: for other readers the rows come back", "pyiceberg: rows differ",
		func(ctx context.Context) error {
			path := []string{"e", "parts2"}
			s.Exec(t, "DELETE FROM "+s.Table(path...)+" WHERE id IN (2, 3)")
			assert.Len(t, s.Read(t, path...).Values, 3)
			if got := s.Lake.On(t, engines.PyIceberg).Read(t, path...); len(got.Values) != 3 {
				engines.Same(t, got, s.Lake.On(t, engines.Firn).Read(t, path...)) // both keep to the specification
				return fmt.Errorf("pyiceberg: rows differ: 3 in DuckDB, %d in PyIceberg and in Firn", len(got.Values))
			}
			return nil
		})
	s.Cannot(t, engines.Defaults, 2, "format 2 has no column defaults", "not supported for <V3", func(ctx context.Context) error {
		return s.TryExec(ctx, "ALTER TABLE "+s.Table("e", "t2")+" ADD COLUMN x VARCHAR DEFAULT 'd'")
	})
	s.Check(t, engines.Defaults, 3, func(t *testing.T) {
		name := s.Table("e", "defaults")
		s.Exec(
			t, "CREATE TABLE "+name+" (id BIGINT, a VARCHAR DEFAULT 'it''s') WITH ('format-version' = '3')", "INSERT INTO "+name+" (id) VALUES (1)",
			"ALTER TABLE "+name+" ADD COLUMN n BIGINT DEFAULT -5", "ALTER TABLE "+name+" ADD COLUMN d DECIMAL(9,2) DEFAULT 1.50", "ALTER TABLE "+name+" ADD COLUMN day DATE DEFAULT DATE '1969-12-31'",
			"ALTER TABLE "+name+" ADD COLUMN ts TIMESTAMP DEFAULT TIMESTAMP '2026-11-21 12:30:00.000001'", "ALTER TABLE "+name+" ADD COLUMN b BOOLEAN DEFAULT true", "ALTER TABLE "+name+" ADD COLUMN f DOUBLE DEFAULT 0.1",
			"INSERT INTO "+name+" (id) VALUES (2)", "INSERT INTO "+name+" VALUES (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
			"ALTER TABLE "+name+" ALTER COLUMN a SET DEFAULT 'other'", "INSERT INTO "+name+" (id) VALUES (4)",
		)
		rest := `-5 | 1.50 | 1969-12-31 | 2026-11-21T12:30:00.000001 | true | 0.1`
		lines := []string{`1 | "it's" | ` + rest, `2 | "it's" | ` + rest, `3 | null | null | null | null | null | null | null`, `4 | "other" | ` + rest}
		reads(t, s, []string{"e", "defaults"}, lines...)
		sameLines(t, lines, s.Lake.On(t, engines.PyIceberg).Read(t, "e", "defaults"), "pyiceberg reads defaults")
		firn := s.Lake.On(t, engines.Firn)
		assert.Len(t, firn.Query(t, "SELECT id FROM "+firn.Table("e", "defaults")+" WHERE n = -5 AND day < DATE '1970-01-01'").Values, 3)
	})
	s.Check(t, engines.UpgradeFormat, 3, func(t *testing.T) {
		name := s.Table("e", "up")
		s.Exec(
			t, "CREATE TABLE "+name+" WITH ('format-version' = '2') AS SELECT i AS id FROM range(5) x(i)", "DELETE FROM "+name+" WHERE id = 1",
			"ALTER TABLE "+name+" SET ('format-version' = '3')", "DELETE FROM "+name+" WHERE id = 2", "INSERT INTO "+name+" VALUES (9)",
		)
		assert.Contains(t, string(s.Lake.Metadata(t, "e", "up")), `"format-version":3`)
		holds(t, s, []string{"e", "up"}, "0", "3", "4", "9")
	})
}

// TestDuckDBHistory has DuckDB read old snapshots, row lineage and what its own
// functions tell of a table.
func TestDuckDBHistory(t *testing.T) {
	engines.Suite(t)
	s := ducks(t)
	s.Exec(t, "CREATE SCHEMA "+s.Namespace("h"))
	for _, format := range []int{2, 3} {
		name := s.Table("h", fmt.Sprintf("t%d", format))
		s.Exec(
			t, fmt.Sprintf("CREATE TABLE %s WITH ('format-version' = '%d') AS SELECT i AS id FROM range(3) x(i)", name, format),
			"INSERT INTO "+name+" VALUES (10)", "DELETE FROM "+name+" WHERE id = 1", "ALTER TABLE "+name+" ADD COLUMN extra VARCHAR", "INSERT INTO "+name+" VALUES (11, 'x')",
		)
		snapshots := s.Query(t, "SELECT snapshot_id, strftime(timestamp_ms, '%Y-%m-%d %H:%M:%S.%f') AS at FROM iceberg_snapshots("+name+") ORDER BY sequence_number")
		s.Check(t, engines.MetadataTables, format, func(t *testing.T) {
			assert.Len(t, snapshots.Values, 4)
			rows := s.Query(t, "SELECT sum(record_count)::BIGINT FROM iceberg_metadata("+name+") WHERE content = 'EXISTING' AND status <> 'DELETED'")
			assert.Equal(t, "5", rows.Cell(0, 0))
			assert.NotEmpty(t, s.Query(t, "SELECT * FROM iceberg_column_stats("+name+")").Values)
		})
		s.Check(t, engines.TimeTravel, format, func(t *testing.T) {
			firn := s.Lake.On(t, engines.Firn)
			for i, want := range []string{"[0, 1, 2]", "[0, 1, 2, 10]", "[0, 2, 10]", "[0, 2, 10, 11]"} {
				for _, on := range []*engines.Session{s, firn} {
					table := on.Table("h", fmt.Sprintf("t%d", format))
					rows := on.Query(t, "SELECT list(id ORDER BY id) FROM "+table+" AT (VERSION => "+snapshots.Cell(i, 0)+")")
					assert.Equal(t, want, rows.Cell(0, 0), on.Engine)
					rows = on.Query(t, "SELECT list(id ORDER BY id) FROM "+table+" AT (TIMESTAMP => TIMESTAMP '"+strings.Trim(snapshots.Cell(i, 1), `"`)+"')")
					assert.Equal(t, want, rows.Cell(0, 0), on.Engine)
				}
			}
			assert.Error(t, s.TryExec(t.Context(), "FROM "+name+" AT (VERSION => 1)"))
		})
		if format == 3 {
			s.Check(t, engines.RowLineage, format, func(t *testing.T) {
				before := s.Query(t, "SELECT id, _row_id FROM "+name+" ORDER BY id")
				assert.Equal(t, []string{"0 | 0", "2 | 2", "10 | 3", "11 | 4"}, before.Lines())
				s.Exec(t, "UPDATE "+name+" SET extra = 'changed' WHERE id = 2")
				after := s.Query(t, "SELECT id, _row_id, _last_updated_sequence_number FROM "+name+" ORDER BY id")
				assert.Equal(t, []string{"0 | 0 | 1", "2 | 2 | 5", "10 | 3 | 2", "11 | 4 | 4"}, after.Lines(), "an update keeps the id of its row")
			})
		}
		s.Cannot(t, engines.Branches, format, "DuckDB reads no branch or tag and makes none", "", func(ctx context.Context) error {
			return s.TryExec(ctx, "FROM "+name+" AT (VERSION => 'main')")
		})
	}
}
