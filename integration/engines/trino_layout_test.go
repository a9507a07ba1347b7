package engines_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestTrinoLayout has Trino partition by every transform, sort, and change both
// while rows and deletes are there.
func TestTrinoLayout(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "l")
	for _, format := range []int{1, 2, 3} {
		path := []string{"l", fmt.Sprintf("parts_v%d", format)}
		table := trino.Table(path...)
		parts := func() string {
			return trino.Query(t, `SELECT count(*) FROM `+hidden(trino, path, "partitions")).Cell(0, 0)
		}
		trino.Check(t, engines.PartitionedWrites, format, func(t *testing.T) {
			trino.Exec(t, "CREATE TABLE "+table+` (id BIGINT, b BIGINT, s VARCHAR, d DATE, ts TIMESTAMP(6), tz TIMESTAMP(6) WITH TIME ZONE, th TIMESTAMP(6), n DECIMAL(10,2), vb VARBINARY, bo BOOLEAN, i INTEGER)
				`+with(format, `, sorted_by = ARRAY['id DESC NULLS LAST', 's'],
				partitioning = ARRAY['b', 'bucket(id, 4)', 'bucket(s, 2)', 'truncate(n, 10)', 'year(d)', 'month(ts)', 'day(tz)', 'hour(th)', 'bo', 'truncate(i, 10)', 'truncate(vb, 1)']`),
				"INSERT INTO "+table+` VALUES
				(1, 7, 'abcdef', DATE '2026-01-02', TIMESTAMP '1969-12-31 23:59:59.999999', TIMESTAMP '2026-03-04 05:06:07.123456 UTC', TIMESTAMP '1969-12-31 23:59:59.999999', -1.05, X'00ff', true, -1),
				(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
				(3, 8, 'null', DATE '1969-01-02', TIMESTAMP '2026-12-31 23:59:59.999999', TIMESTAMP '1960-03-04 05:06:07.123456 UTC', TIMESTAMP '2026-12-31 23:59:59.999999', 99.95, X'', false, 19),
				(4, 7, 'abcdef', DATE '2026-12-31', TIMESTAMP '1969-12-01 00:00:00', TIMESTAMP '2026-03-04 23:59:59.999999 UTC', TIMESTAMP '1969-12-31 23:00:00', -1.01, X'00', true, -10)`)
			assert.Len(t, agree(t, trino, path...).Values, 4)
			for where, ids := range map[string][]string{
				"b = 7": {"1", "4"}, "id = 3": {"3"}, "s = 'abcdef'": {"1", "4"}, "n < 0": {"1", "4"}, "d < DATE '1970-01-01'": {"3"}, "ts < TIMESTAMP '1970-01-01 00:00:00'": {"1", "4"},
				"tz < TIMESTAMP '1970-01-01 00:00:00 UTC'": {"3"}, "th = TIMESTAMP '1969-12-31 23:00:00'": {"4"}, "NOT bo": {"3"}, "i = -10": {"4"}, "vb = X''": {"3"}, "b IS NULL AND ts IS NULL": {"2"}, "year(d) = 2026": {"1", "4"},
			} {
				assert.Equal(t, ids, trino.Query(t, "SELECT id FROM "+table+" WHERE "+where+" ORDER BY id").Lines(), where)
			}
			assert.NotEqual(t, "1", parts())
		})
		trino.Check(t, engines.SpecEvolution, format, func(t *testing.T) {
			trino.Exec(t, "ALTER TABLE "+table+" SET PROPERTIES partitioning = ARRAY['hour(ts)', 'truncate(id, 10)']", "INSERT INTO "+table+" (id, s, ts) VALUES (5, 'in another spec', TIMESTAMP '2026-05-05 05:05:05')")
			if format > 1 {
				trino.Exec(t, "DELETE FROM "+table+" WHERE id IN (1, 5)")
			}
			trino.Exec(t, "ALTER TABLE "+table+" SET PROPERTIES partitioning = ARRAY[], sorted_by = ARRAY['s']", "INSERT INTO "+table+" (id, s) VALUES (6, 'in none'), (7, NULL)")
			trino.Exec(t, "ALTER TABLE "+table+" SET PROPERTIES partitioning = ARRAY['b', 'bucket(id, 4)']", "INSERT INTO "+table+" (id, b) VALUES (8, 7)")
			if format > 1 {
				trino.Exec(t, "UPDATE "+table+" SET s = 'updated' WHERE id IN (4, 6)", "DELETE FROM "+table+" WHERE b = 8")
			}
			want := map[bool][]string{true: {"1", "2", "3", "4", "5", "6", "7", "8"}, false: {"2", "4", "6", "7", "8"}}[format == 1]
			rows := agree(t, trino, path...)
			assert.ElementsMatch(t, want, rows.Only("id").Lines())
			out, err := trino.Lake.CLI(t.Context(), t, "compact", "l."+path[1])
			assert.NoError(t, err, out)
			engines.Same(t, rows, agree(t, trino, path...))
			trino.Exec(t, "ALTER TABLE "+table+" EXECUTE optimize")
			engines.Same(t, rows, agree(t, trino, path...))
			ddl := trino.Query(t, "SHOW CREATE TABLE "+table).Cell(0, 0)
			assert.Contains(t, ddl, "'b','bucket(id, 4)']")
			assert.Contains(t, ddl, "s ASC NULLS FIRST")
		})
	}
}

// TestTrinoSchemas has Trino change the columns of tables with rows in them.
func TestTrinoSchemas(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "s")
	for _, format := range []int{1, 2, 3} {
		trino.Check(t, engines.SchemaEvolution, format, func(t *testing.T) {
			path := []string{"s", fmt.Sprintf("t_v%d", format)}
			table := trino.Table(path...)
			alter := func(changes ...string) {
				t.Helper()
				for _, change := range changes {
					trino.Exec(t, "ALTER TABLE "+table+" "+change)
				}
			}
			refused := func(change, words string) {
				t.Helper()
				assert.ErrorContains(t, trino.TryExec(t.Context(), "ALTER TABLE "+table+" "+change), words)
			}
			trino.Exec(t, "CREATE TABLE "+table+" (id INTEGER NOT NULL, f REAL, d DECIMAL(5,2), o ROW(a INTEGER, b ROW(c VARCHAR)), l ARRAY(ROW(x INTEGER)), m MAP(VARCHAR, INTEGER), gone VARCHAR)"+with(format, ""),
				"INSERT INTO "+table+" VALUES (1, 1.5, 1.25, ROW(1, ROW('c')), ARRAY[ROW(1), NULL], MAP(ARRAY['k'], ARRAY[1]), 'was')")
			alter("ADD COLUMN s VARCHAR COMMENT 'added'", "ADD COLUMN first BIGINT FIRST", "ADD COLUMN behind DATE AFTER id",
				"ADD COLUMN o.z BIGINT", "ADD COLUMN o.b.q BIGINT", "ADD COLUMN l.element.w BIGINT",
				"ALTER COLUMN id SET DATA TYPE BIGINT", "ALTER COLUMN f SET DATA TYPE DOUBLE", "ALTER COLUMN d SET DATA TYPE DECIMAL(12,2)",
				"ALTER COLUMN o.a SET DATA TYPE BIGINT", "ALTER COLUMN l.element.x SET DATA TYPE BIGINT",
				"RENAME COLUMN s TO t", "RENAME COLUMN o.b.c TO cc", "DROP COLUMN o.b.q", "DROP COLUMN gone", "ADD COLUMN gone BIGINT", "ALTER COLUMN id DROP NOT NULL")
			trino.Exec(t, "COMMENT ON TABLE "+table+" IS 'it''s'", "COMMENT ON COLUMN "+table+".id IS 'key'",
				"INSERT INTO "+table+" VALUES (10, 9000000000, DATE '2026-01-02', DOUBLE '0.1', 1234567890.25, ROW(9000000000, ROW('new'), 3), ARRAY[ROW(9000000000, 4)], MAP(ARRAY['n'], ARRAY[2]), 'text', 5), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
			reads(t, trino, path,
				`null | 1 | null | 1.5 | 1.25 | {a: 1, b: {cc: "c"}, z: null} | [{x: 1, w: null}, null] | {"k" => 1} | null | null`,
				`10 | 9000000000 | 2026-01-02 | 0.1 | 1234567890.25 | {a: 9000000000, b: {cc: "new"}, z: 3} | [{x: 9000000000, w: 4}] | {"n" => 2} | "text" | 5`,
				`null | null | null | null | null | null | null | null | null | null`)
			refused("ALTER COLUMN t SET DATA TYPE BIGINT", "annot change column type")
			refused("ALTER COLUMN id SET DATA TYPE INTEGER", "annot change column type")
			refused("ADD COLUMN must BIGINT NOT NULL", "not support adding not null columns")
			refused("ADD COLUMN id BIGINT", "already exists")
			ddl := trino.Query(t, "SHOW CREATE TABLE "+table).Cell(0, 0)
			for _, words := range []string{"COMMENT 'it''s'", "COMMENT 'key'", "COMMENT 'added'"} {
				assert.Contains(t, ddl, words)
			}
			if format > 1 {
				trino.Exec(t, "DELETE FROM "+table+" WHERE id = 1", "UPDATE "+table+" SET t = 'updated', o = ROW(1, ROW('u'), 2) WHERE id IS NOT NULL")
			}
			before := trino.Read(t, path...)
			out, err := trino.Lake.CLI(t.Context(), t, "compact", "s."+path[1])
			assert.NoError(t, err, out)
			engines.Same(t, before, trino.Read(t, path...))
			engines.Same(t, before, trino.Lake.On(t, engines.Firn).Read(t, path...))
		})
	}
}
