package engines_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
	"github.com/firnlake/firn/integration/harness"
)

// TestDuckDBCatalog has DuckDB make, name and drop what a catalog holds.
func TestDuckDBCatalog(t *testing.T) {
	engines.Suite(t)
	s := ducks(t)
	s.Check(t, engines.Namespaces, 0, func(t *testing.T) {
		s.Exec(t, "CREATE SCHEMA "+s.Namespace("c"), "CREATE SCHEMA IF NOT EXISTS "+s.Namespace("c"))
		assert.ErrorContains(t, s.TryExec(t.Context(), "CREATE SCHEMA "+s.Namespace("c")), "already exists")
		s.Exec(t, "CREATE TABLE "+s.Table("c", "t")+" AS SELECT 1 AS id")
		assert.ErrorContains(t, s.TryExec(t.Context(), "DROP SCHEMA "+s.Namespace("c")), "NamespaceNotEmptyException")
		assert.Contains(t, s.Query(t, "SELECT schema, name FROM (SHOW ALL TABLES) WHERE database = '"+s.Catalog+"'").Lines(), `"c" | "t"`)
		s.Exec(t, "CREATE SCHEMA "+s.Namespace("gone"), "DROP SCHEMA "+s.Namespace("gone"))
		assert.Error(t, s.TryExec(t.Context(), "CREATE TABLE "+s.Table("gone", "t")+" AS SELECT 1 AS id"))
	})
	s.Check(t, engines.NestedNamespaces, 0, func(t *testing.T) {
		// One name with dots inside is a path of levels to DuckDB.
		s.Exec(t, "CREATE SCHEMA "+s.Namespace("c", "a"), "CREATE SCHEMA "+s.Namespace("c", "a", "b"), "CREATE TABLE "+s.Table("c", "a", "b", "t")+" AS SELECT 1 AS id, 'deep' AS name")
		holds(t, s, []string{"c", "a", "b", "t"}, `1 | "deep"`)
		s.Exec(t, "DROP TABLE "+s.Table("c", "a", "b", "t"), "DROP SCHEMA "+s.Namespace("c", "a", "b"), "DROP SCHEMA "+s.Namespace("c", "a"))
	})
	s.Check(t, engines.OddNames, 0, func(t *testing.T) {
		for i, name := range oddNames {
			path := []string{"c", name, name}
			if strings.Contains(name, ".") {
				path[1] = "plain" // a dot parts levels here
			}
			column := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
			s.Exec(t, "CREATE SCHEMA "+s.Namespace(path[:2]...), fmt.Sprintf("CREATE TABLE %s AS SELECT %d AS %s, {%s: 'x'} AS s", s.Table(path...), i, column, column), "DELETE FROM "+s.Table(path...)+" WHERE "+column+" = -1")
			reads(t, s, path, fmt.Sprintf(`%d | {%s: "x"}`, i, name))
			assert.Equal(t, []string{name, "s"}, s.Lake.On(t, engines.Firn).Read(t, path...).Columns)
			s.Exec(t, "DROP TABLE "+s.Table(path...), "DROP SCHEMA "+s.Namespace(path[:2]...))
		}
	})
	for _, format := range []int{2, 3} {
		with := fmt.Sprintf("WITH ('format-version' = '%d')", format)
		s.Check(t, engines.Rename, format, func(t *testing.T) {
			s.Exec(t, "CREATE TABLE "+s.Table("c", "was")+" "+with+" AS SELECT 1 AS id", "ALTER TABLE "+s.Table("c", "was")+" RENAME TO \"is / now\"", "INSERT INTO "+s.Table("c", "is / now")+" VALUES (2)")
			holds(t, s, []string{"c", "is / now"}, "1", "2")
			assert.ErrorContains(t, s.TryExec(t.Context(), "FROM "+s.Table("c", "was")), "does not exist")
		})
		s.Check(t, engines.Drop, format, func(t *testing.T) {
			s.Exec(t, "DROP TABLE "+s.Table("c", "is / now"), "CREATE TABLE "+s.Table("c", "is / now")+" "+with+" AS SELECT 'again' AS other")
			holds(t, s, []string{"c", "is / now"}, `"again"`)
			s.Exec(t, "DROP TABLE "+s.Table("c", "is / now"))
		})
	}
	s.Cannot(t, engines.Views, 0, "DuckDB creates no view in an Iceberg catalog, and reads none", "Not implemented Error: Create View", func(ctx context.Context) error {
		return s.TryExec(ctx, "CREATE VIEW "+s.Namespace("c")+".v AS SELECT 1 AS a")
	})
}

// duckTypes are the columns of all types that DuckDB writes, with three rows:
// ordinary, the extremes, and null.
const duckTypes = `SELECT * FROM (VALUES
	(1::BIGINT, true, 42::INTEGER, 0.1::FLOAT, 0.1::DOUBLE, 1.10::DECIMAL(9,2), 1234567890123456789.0123456789::DECIMAL(38,10), DATE '2026-11-21', TIME '12:30:00.5', TIMESTAMP '2026-11-21 12:30:00', TIMESTAMPTZ '2026-11-21 12:30:00.000001+00', 'ü❄ ''x''', '00112233-4455-6677-8899-aabbccddeeff'::UUID, '\x00\xFF'::BLOB, [1, NULL, -1]::INTEGER[], MAP {'a': 1.5, 'b': NULL}::MAP(VARCHAR, DOUBLE), {a: 1, "b c": ['x', NULL]}::STRUCT(a BIGINT, "b c" VARCHAR[])),
	(9223372036854775807, false, 2147483647, 'inf', 1.7976931348623157e308, 9999999.99, 9999999999999999999999999999.9999999999, DATE '9999-12-31', TIME '23:59:59.999999', TIMESTAMP '9999-12-31 23:59:59.999999', TIMESTAMPTZ '9999-12-31 23:59:59.999999+00', chr(1114111), 'ffffffff-ffff-ffff-ffff-ffffffffffff', '\xFF\xFF'::BLOB, [], MAP {}::MAP(VARCHAR, DOUBLE), {a: NULL, "b c": []}),
	(-9223372036854775808, false, -2147483648, 'nan', '-inf', -9999999.99, -9999999999999999999999999999.9999999999, DATE '0001-01-01', TIME '00:00:00', TIMESTAMP '0001-01-01 00:00:00', TIMESTAMPTZ '0001-01-01 00:00:00+00', '', '00000000-0000-0000-0000-000000000000', ''::BLOB, [NULL], MAP {'': 'nan'::DOUBLE}, NULL),
	(3, NULL, NULL, '-0.0', 5e-324, -0.01, NULL, DATE '1969-12-31', NULL, TIMESTAMP '1969-12-31 23:59:59.999999', NULL, repeat('a', 40), NULL, NULL, NULL, NULL, NULL),
	(4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) t(id, b, i, f, d, dec9, dec38, day, t, ts, tz, s, u, bin, li, m, st)`

var duckRows = []string{
	`1 | true | 42 | 0.1 | 0.1 | 1.10 | 1234567890123456789.0123456789 | 2026-11-21 | 12:30:00.5 | 2026-11-21T12:30:00 | 2026-11-21T12:30:00.000001Z | "ü❄ 'x'" | "00112233-4455-6677-8899-aabbccddeeff" | x'00ff' | [1, null, -1] | {"a" => 1.5, "b" => null} | {a: 1, b c: ["x", null]}`,
	`9223372036854775807 | false | 2147483647 | Infinity | 1.7976931348623157e+308 | 9999999.99 | 9999999999999999999999999999.9999999999 | 9999-12-31 | 23:59:59.999999 | 9999-12-31T23:59:59.999999 | 9999-12-31T23:59:59.999999Z | "\U0010ffff" | "ffffffff-ffff-ffff-ffff-ffffffffffff" | x'ffff' | [] | {} | {a: null, b c: []}`,
	`-9223372036854775808 | false | -2147483648 | NaN | -Infinity | -9999999.99 | -9999999999999999999999999999.9999999999 | 0001-01-01 | 00:00:00 | 0001-01-01T00:00:00 | 0001-01-01T00:00:00Z | "" | "00000000-0000-0000-0000-000000000000" | x'' | [null] | {"" => NaN} | null`,
	`3 | null | null | -0 | 5e-324 | -0.01 | null | 1969-12-31 | null | 1969-12-31T23:59:59.999999 | null | "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" | null | null | null | null | null`,
	`4 | null | null | null | null | null | null | null | null | null | null | null | null | null | null | null | null`,
}

// TestDuckDBTypes has DuckDB write all its types, format 3's too.
func TestDuckDBTypes(t *testing.T) {
	engines.Suite(t)
	s := ducks(t)
	s.Exec(t, "CREATE SCHEMA "+s.Namespace("types"))
	for _, format := range []int{2, 3} {
		s.Check(t, engines.Types, format, func(t *testing.T) {
			path := []string{"types", fmt.Sprintf("t%d", format)}
			s.Exec(t, fmt.Sprintf("CREATE TABLE %s WITH ('format-version' = '%d') AS %s", s.Table(path...), format, duckTypes))
			reads(t, s, path, duckRows...)
			sameLines(t, duckRows, s.Lake.On(t, engines.PyIceberg).Read(t, path...), "pyiceberg")
			firn := s.Lake.On(t, engines.Firn)
			for _, condition := range []string{
				"i = 2147483647", "id = 9223372036854775807", "f = 'Infinity'", "d > 1e308", "dec9 = 9999999.99", "day = DATE '9999-12-31'", "t = TIME '23:59:59.999999'", "ts > TIMESTAMP '9999-01-01'",
				"tz > TIMESTAMPTZ '9999-01-01 00:00:00+00'", "u = 'ffffffff-ffff-ffff-ffff-ffffffffffff'", "bin = '\\xFF\\xFF'::BLOB", "len(li) = 0", "s = chr(1114111)",
			} {
				rows := firn.Query(t, "SELECT id FROM "+firn.Table(path...)+" WHERE "+condition)
				assert.Equal(t, [][]string{{"9223372036854775807"}}, rows.Values, condition)
			}
		})
	}
	s.Check(t, engines.NanoTimestamps, 3, func(t *testing.T) {
		name := s.Table("types", "ns")
		s.Exec(t, "CREATE TABLE "+name+" (id BIGINT, n TIMESTAMP_NS) WITH ('format-version' = '3')", "INSERT INTO "+name+" VALUES (1, '2026-11-21 12:30:00.123456789'), (2, NULL), (3, '1969-12-31 23:59:59.999999999'), (4, '2262-04-11 23:47:16.854775806'), (5, '1677-09-22 00:00:00.000000001')")
		reads(t, s, []string{"types", "ns"}, `1 | 2026-11-21T12:30:00.123456789`, `2 | null`, `3 | 1969-12-31T23:59:59.999999999`, `4 | 2262-04-11T23:47:16.854775806`, `5 | 1677-09-22T00:00:00.000000001`)
	})
	s.Check(t, engines.Variant, 3, func(t *testing.T) {
		name := s.Table("types", "v")
		s.Exec(
			t, "CREATE TABLE "+name+" (id BIGINT, v VARIANT) WITH ('format-version' = '3')",
			"INSERT INTO "+name+" VALUES (1, {a: 1, b: ['x', NULL]}::VARIANT), (2, NULL), (3, 42::VARIANT), (4, 'text'::VARIANT), (5, DATE '2026-11-21'::VARIANT), (6, 1.10::DECIMAL(9,2)::VARIANT)",
			"DELETE FROM "+name+" WHERE id = 4", "UPDATE "+name+" SET v = {a: 7}::VARIANT WHERE id = 3",
		)
		rows := s.Query(t, "SELECT id, v::JSON::VARCHAR FROM "+name+" ORDER BY id")
		assert.Equal(t, []string{`1 | "{\"a\":1,\"b\":[\"x\",null]}"`, `2 | "null"`, `3 | "{\"a\":7}"`, `5 | "\"2026-11-21\""`, `6 | "1.10"`}, rows.Lines())
		_, err := s.Lake.On(t, engines.Firn).TryRead(t.Context(), "types", "v")
		assert.ErrorContains(t, err, "variant")
	})
}

// TestDuckDBSnippet runs the text that people paste, in a new process of DuckDB
// whose INSTALL finds the extensions of the wheels where a download would have
// put them.
func TestDuckDBSnippet(t *testing.T) {
	engines.Suite(t)
	s := ducks(t)
	s.Exec(t, "CREATE SCHEMA "+s.Namespace("shop"), "CREATE SCHEMA "+s.Namespace("shop", "eu"))
	for _, path := range [][]string{{"shop", "people"}, {"shop", "eu", "odd 'name\" ü"}} {
		s.Exec(t, "CREATE TABLE "+s.Table(path...)+" AS SELECT * FROM (VALUES (1, 'ann'), (2, 'bob''s')) t(id, name)")
	}
	s.Check(t, engines.Snippet, 0, func(t *testing.T) {
		for _, path := range [][]string{{"shop", "people"}, {"shop", "eu", "odd 'name\" ü"}} {
			text := s.Lake.Snippet(t, engines.DuckDB, path...)
			printed := s.Script(t, fmt.Sprintf("import sys\nsys.path.insert(0, %q)\nimport parquet\nparquet.install()\nimport duckdb\nprint(duckdb.connect().execute(%q).fetchall())",
				filepath.Join(harness.Root(t), "integration", "engines", "drivers"), text))
			assert.Contains(t, printed, `(1, 'ann')`)
			assert.Contains(t, printed, `(2, "bob's")`)
		}
	})
}
