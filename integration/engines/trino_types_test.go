package engines_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestTrinoTypes has Trino write every type it has with NULL and the extremes,
// and what only format v3 knows.
func TestTrinoTypes(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "y")
	for _, format := range []int{1, 2, 3} {
		trino.Check(t, engines.Types, format, func(t *testing.T) {
			path := []string{"y", fmt.Sprintf("all_v%d", format)}
			table := trino.Table(path...)
			trino.Exec(t, "CREATE TABLE "+table+` (bo BOOLEAN, i INTEGER, l BIGINT, r REAL, f DOUBLE, d5 DECIMAL(5,2), d18 DECIMAL(18,0), d38 DECIMAL(38,10), dt DATE, tm TIME(6),
				ts TIMESTAMP(6), tz TIMESTAMP(6) WITH TIME ZONE, s VARCHAR, u UUID, vb VARBINARY, o ROW(a INTEGER, b ARRAY(VARCHAR)), ar ARRAY(ROW(x BIGINT)), mp MAP(INTEGER, ROW(y DOUBLE)))
				`+with(format, ""))
			trino.Exec(t, "INSERT INTO "+table+` VALUES
				(true, 2147483647, 9223372036854775807, REAL '3.4028235e38', DOUBLE '1.7976931348623157E308', DECIMAL '999.99', DECIMAL '999999999999999999', DECIMAL '9999999999999999999999999999.9999999999',
				 DATE '9999-12-31', TIME '23:59:59.999999', TIMESTAMP '9999-12-31 23:59:59.999999', TIMESTAMP '9999-12-31 23:59:59.999999 UTC', U&'\+01F600 ''"', UUID 'ffffffff-ffff-ffff-ffff-ffffffffffff', X'00ff',
				 ROW(1, ARRAY['a', NULL]), ARRAY[ROW(1), NULL], MAP(ARRAY[1, 2], ARRAY[ROW(1e0), NULL])),
				(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
				"INSERT INTO "+table+` VALUES
				(false, -2147483648, -9223372036854775808, REAL '1.4e-45', DOUBLE '4.9e-324', DECIMAL '-999.99', DECIMAL '-999999999999999999', DECIMAL '-9999999999999999999999999999.9999999999',
				 DATE '0001-01-01', TIME '00:00:00', TIMESTAMP '0001-01-01 00:00:00', TIMESTAMP '0001-01-01 00:00:00 UTC', '', UUID '00000000-0000-0000-0000-000000000000', X'',
				 ROW(NULL, ARRAY[]), ARRAY[], MAP())`,
				"INSERT INTO "+table+" (i, r, f) VALUES (1, nan(), nan()), (2, infinity(), -infinity()), (3, REAL '-0.0', DOUBLE '-0.0')")
			rows := agree(t, trino, path...)
			assert.Len(t, rows.Values, 6)
			for where, want := range map[string]int{"f = infinity()": 0, "f = -infinity()": 1, "is_nan(f)": 1, "f = 0": 1, "d38 < 0": 1, "ts < TIMESTAMP '1970-01-01 00:00:00'": 1, "u = UUID 'ffffffff-ffff-ffff-ffff-ffffffffffff'": 1, "s = ''": 1, "o.a IS NULL": 5, "vb = X'00ff'": 1, "bo": 1, "tm > TIME '12:00:00'": 1} {
				assert.Equal(t, fmt.Sprint(want), trino.Query(t, "SELECT count(*) FROM "+table+" WHERE "+where).Cell(0, 0), where)
			}
		})
	}
	trino.Check(t, engines.NanoTimestamps, 3, func(t *testing.T) {
		path := []string{"y", "nanos"}
		trino.Exec(t, "CREATE TABLE "+trino.Table(path...)+" (id BIGINT, t TIMESTAMP(9)) WITH (format_version = 3)",
			"INSERT INTO "+trino.Table(path...)+" VALUES (1, TIMESTAMP '2026-11-21 01:02:03.123456789'), (2, NULL), (3, TIMESTAMP '1677-09-22 00:00:00.000000001'), (4, TIMESTAMP '2262-04-11 00:00:00.999999999')")
		holds(t, trino, path, "1 | 2026-11-21T01:02:03.123456789", "2 | null", "3 | 1677-09-22T00:00:00.000000001", "4 | 2262-04-11T00:00:00.999999999")
		// With a zone, DuckDB has no such type: Trino reads its own, Firn says what it cannot.
		zoned := []string{"y", "nanos_zoned"}
		trino.Exec(t, "CREATE TABLE "+trino.Table(zoned...)+" (id BIGINT, t TIMESTAMP(9) WITH TIME ZONE) WITH (format_version = 3)",
			"INSERT INTO "+trino.Table(zoned...)+" VALUES (1, TIMESTAMP '2026-11-21 01:02:03.123456789 UTC'), (2, NULL)")
		assert.ElementsMatch(t, []string{"1 | 2026-11-21T01:02:03.123456789Z", "2 | null"}, trino.Read(t, zoned...).Lines())
		_, err := trino.Lake.On(t, engines.Firn).TryRead(t.Context(), zoned...)
		assert.ErrorContains(t, err, "column t: cannot be read: DuckDB does not carry the type timestamptz_ns")
		ids := trino.Lake.On(t, engines.Firn)
		assert.Equal(t, []string{"1", "2"}, ids.Query(t, "SELECT * EXCLUDE (t) FROM "+ids.Table(zoned...)+" ORDER BY id").Lines())
	})
	trino.Exec(t, "CREATE TABLE "+trino.Table("y", "micros")+" (t TIMESTAMP(9)) WITH (format_version = 2)")
	trino.Check(t, engines.NanoTimestamps, 2, func(t *testing.T) {
		// Format v2 has no such type; Trino makes microseconds of it.
		assert.Contains(t, trino.Query(t, "SHOW CREATE TABLE "+trino.Table("y", "micros")).Cell(0, 0), "timestamp(6)")
	})
	trino.Check(t, engines.Variant, 3, func(t *testing.T) {
		path := []string{"y", "loose"}
		trino.Exec(t, "CREATE TABLE "+trino.Table(path...)+" (id BIGINT, v VARIANT)"+with(3, ""),
			"INSERT INTO "+trino.Table(path...)+` VALUES (1, CAST(JSON '{"a": 1, "b": [1, "x", null, 1.5, true]}' AS VARIANT)), (2, NULL), (3, CAST(42 AS VARIANT)), (4, CAST(JSON 'null' AS VARIANT))`,
			"DELETE FROM "+trino.Table(path...)+" WHERE id = 3", "UPDATE "+trino.Table(path...)+" SET id = 5 WHERE id = 4")
		assert.ElementsMatch(t, []string{`1 | "{\"a\":1,\"b\":[1,\"x\",null,1.5,true]}"`, `2 | null`, `5 | "null"`}, trino.Read(t, path...).Lines())
		assert.Equal(t, []string{`"x"`}, trino.Query(t, "SELECT CAST(v['b'][2] AS VARCHAR) FROM "+trino.Table(path...)+" WHERE id = 1").Lines())
		_, err := trino.Lake.On(t, engines.Firn).TryRead(t.Context(), path...)
		assert.ErrorContains(t, err, "column v: cannot be read: DuckDB does not carry the type variant")
		ids := trino.Lake.On(t, engines.Firn)
		assert.Equal(t, []string{"2", "5"}, ids.Query(t, "SELECT id FROM "+ids.Table(path...)+" WHERE id > 1 ORDER BY id").Lines(), "its other columns are read")
	})
	trino.Cannot(t, engines.Variant, 2, "the type is of format v3", "variant", func(ctx context.Context) error {
		return trino.TryExec(ctx, "CREATE TABLE "+trino.Table("y", "loose_v2")+" (v VARIANT) WITH (format_version = 2)")
	})
	trino.Check(t, engines.Defaults, 3, func(t *testing.T) {
		path := []string{"y", "defaults"}
		table := trino.Table(path...)
		trino.Exec(t, "CREATE TABLE "+table+" (id BIGINT, s VARCHAR DEFAULT 'it''s', n INTEGER DEFAULT 42, d DATE DEFAULT DATE '2026-01-02')"+with(3, ""),
			"INSERT INTO "+table+" (id) VALUES 1", "INSERT INTO "+table+" VALUES (2, NULL, 0, NULL)",
			"ALTER TABLE "+table+" ADD COLUMN late VARCHAR DEFAULT 'later'", "ALTER TABLE "+table+" ADD COLUMN price DECIMAL(5,2) DEFAULT 1.25",
			"ALTER TABLE "+table+" ALTER COLUMN s SET DEFAULT 'other'", "ALTER TABLE "+table+" ALTER COLUMN n DROP DEFAULT",
			"INSERT INTO "+table+" (id, price) VALUES (3, NULL)")
		reads(t, trino, path, `1 | "it's" | 42 | 2026-01-02 | "later" | 1.25`, `2 | null | 0 | null | "later" | 1.25`, `3 | "other" | null | 2026-01-02 | "later" | null`)
		trino.Exec(t, "UPDATE "+table+" SET n = 7 WHERE late = 'later' AND id < 3", "ALTER TABLE "+table+" ALTER COLUMN late SET DEFAULT 'much later'")
		reads(t, trino, path, `1 | "it's" | 7 | 2026-01-02 | "later" | 1.25`, `2 | null | 7 | null | "later" | 1.25`, `3 | "other" | null | 2026-01-02 | "later" | null`)
	})
	trino.Cannot(t, engines.Defaults, 2, "defaults are of format v3", "not supported", func(ctx context.Context) error {
		return trino.TryExec(ctx, "CREATE TABLE "+trino.Table("y", "defaults_v2")+" (s VARCHAR DEFAULT 'x') WITH (format_version = 2)")
	})
}

// TestTrinoLineage follows row ids through Trino's changes and Firn's compaction,
// and tables through upgrades of their format.
func TestTrinoLineage(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "z")
	ids := func(t *testing.T, path []string) []string {
		t.Helper()
		return trino.Query(t, `SELECT id, "$row_id", "$last_updated_sequence_number" FROM `+trino.Table(path...)+" ORDER BY id").Lines()
	}
	trino.Check(t, engines.RowLineage, 3, func(t *testing.T) {
		path := []string{"z", "rows"}
		table := trino.Table(path...)
		trino.Exec(t, "CREATE TABLE "+table+" (id BIGINT, s VARCHAR)"+with(3, ""), "INSERT INTO "+table+" VALUES (1, 'a'), (2, 'b'), (3, 'c')", "INSERT INTO "+table+" VALUES (4, 'd')")
		assert.Equal(t, []string{"1 | 0 | 2", "2 | 1 | 2", "3 | 2 | 2", "4 | 3 | 3"}, ids(t, path))
		trino.Exec(t, "UPDATE "+table+" SET s = 'changed' WHERE id = 2", "DELETE FROM "+table+" WHERE id = 1")
		want := []string{"2 | 1 | 4", "3 | 2 | 2", "4 | 3 | 3"}
		assert.Equal(t, want, ids(t, path))
		out, err := trino.Lake.CLI(t.Context(), t, "compact", "z.rows")
		assert.NoError(t, err, out)
		assert.Equal(t, want, ids(t, path), "Firn's compaction keeps them")
		trino.Exec(t, "INSERT INTO "+table+" VALUES (5, 'e')", "ALTER TABLE "+table+" EXECUTE optimize")
		assert.Equal(t, want, ids(t, path)[:3], "so does Trino's")
		holds(t, trino, path, `2 | "changed"`, `3 | "c"`, `4 | "d"`, `5 | "e"`)
	})
	for _, to := range []int{2, 3} {
		trino.Check(t, engines.UpgradeFormat, to, func(t *testing.T) {
			path := []string{"z", fmt.Sprintf("up_to_v%d", to)}
			table := trino.Table(path...)
			trino.Exec(t, "CREATE TABLE "+table+with(to-1, ", partitioning = ARRAY['k']")+"AS SELECT id, id % 2 AS k FROM UNNEST(sequence(1, 6)) s(id)")
			if to == 3 {
				trino.Exec(t, "DELETE FROM "+table+" WHERE id = 1")
			}
			trino.Exec(t, fmt.Sprintf("ALTER TABLE %s SET PROPERTIES format_version = %d", table, to), "INSERT INTO "+table+" VALUES (7, 1)", "DELETE FROM "+table+" WHERE id IN (1, 2)", "UPDATE "+table+" SET k = 0 WHERE id = 3")
			holds(t, trino, path, "3 | 0", "4 | 0", "5 | 1", "6 | 0", "7 | 1")
			if to == 3 {
				assert.Equal(t, "5", trino.Query(t, `SELECT count(DISTINCT "$row_id") FROM `+table).Cell(0, 0), "all rows have ids of their own")
			}
			assert.ErrorContains(t, trino.TryExec(t.Context(), fmt.Sprintf("ALTER TABLE %s SET PROPERTIES format_version = %d", table, to-1)), "annot downgrade")
			out, err := trino.Lake.CLI(t.Context(), t, "compact", "z."+path[1])
			assert.NoError(t, err, out)
			holds(t, trino, path, "3 | 0", "4 | 0", "5 | 1", "6 | 0", "7 | 1")
		})
	}
}
