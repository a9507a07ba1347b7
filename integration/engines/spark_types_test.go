package engines_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// sparkTypes are columns of every type that Spark has, with three values each:
// a least and a greatest one, and one that is odd; and the texts to expect.
var sparkTypes = []struct{ kind, least, greatest, odd, leastText, greatestText, oddText string }{
	{"BOOLEAN", "false", "true", "NULL", "false", "true", "null"},
	{"INT", "-2147483648", "2147483647", "0", "-2147483648", "2147483647", "0"},
	{"BIGINT", "CAST('-9223372036854775808' AS BIGINT)", "9223372036854775807", "NULL", "-9223372036854775808", "9223372036854775807", "null"},
	{"FLOAT", "float('-Infinity')", "float(3.4028235E38D)", "float('NaN')", "-Infinity", "3.4028235e+38", "NaN"},
	{"DOUBLE", "double('-Infinity')", "1.7976931348623157E308D", "double('-0.0')", "-Infinity", "1.7976931348623157e+308", "-0"},
	{"DOUBLE", "4.9E-324D", "double('Infinity')", "double('NaN')", "5e-324", "Infinity", "NaN"},
	{"DECIMAL(38,10)", "-9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999", "0", "-9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999", "0.0000000000"},
	{"DECIMAL(38,0)", "-99999999999999999999999999999999999999", "99999999999999999999999999999999999999", "NULL", "-99999999999999999999999999999999999999", "99999999999999999999999999999999999999", "null"},
	{"DECIMAL(38,38)", "-0.99999999999999999999999999999999999999", "0.99999999999999999999999999999999999999", "0", "-0.99999999999999999999999999999999999999", "0.99999999999999999999999999999999999999", "0.00000000000000000000000000000000000000"},
	{"DECIMAL(18,3)", "-999999999999999.999", "999999999999999.999", "-0.001", "-999999999999999.999", "999999999999999.999", "-0.001"},
	{"DECIMAL(9,2)", "-9999999.99", "9999999.99", "NULL", "-9999999.99", "9999999.99", "null"},
	{"DATE", "DATE '0001-01-01'", "DATE '9999-12-31'", "DATE '1582-10-10'", "0001-01-01", "9999-12-31", "1582-10-10"},
	{"TIMESTAMP", "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '9999-12-31 23:59:59.999999'", "TIMESTAMP '1969-12-31 23:59:59.999999'", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
	{"TIMESTAMP_NTZ", "TIMESTAMP_NTZ '0001-01-01 00:00:00'", "TIMESTAMP_NTZ '9999-12-31 23:59:59.999999'", "TIMESTAMP_NTZ '1582-10-10 12:00:00.5'", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "1582-10-10T12:00:00.5"},
	{"STRING", "''", "'😀 ünï\\u0000\\n\\'\"'", "repeat('x', 40)", `""`, `"😀 ünï\x00\n'\""`, `"` + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + `"`},
	{"BINARY", "X''", "X'00ff80'", "NULL", "x''", "x'00ff80'", "null"},
	{"ARRAY<INT>", "array()", "array(1, NULL, 3)", "NULL", "[]", "[1, null, 3]", "null"},
	{"MAP<STRING, BIGINT>", "map()", "map('', 1L, 'k', NULL)", "NULL", "{}", `{"" => 1, "k" => null}`, "null"},
	{"STRUCT<a: INT, b: STRING>", "named_struct('a', NULL, 'b', NULL)", "named_struct('a', 1, 'b', '')", "NULL", "{a: null, b: null}", `{a: 1, b: ""}`, "null"},
	{
		"ARRAY<STRUCT<m: MAP<INT, ARRAY<DECIMAL(38,1)>>, t: TIMESTAMP>>", "array(NULL)", "array(named_struct('m', map(1, array(9.9, NULL), 2, NULL), 't', TIMESTAMP '0001-01-01 00:00:00'))", "array(named_struct('m', NULL, 't', NULL))",
		"[null]", "[{m: {1 => [9.9, null], 2 => null}, t: 0001-01-01T00:00:00Z}]", "[{m: null, t: null}]",
	},
}

// TestSparkTypes writes every type with nulls and extremes and reads it back by
// Spark, by its files and by Firn's SQL; filters by each value find it.
func TestSparkTypes(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "t")
	firn := spark.Lake.On(t, engines.Firn)
	for _, format := range []int{1, 2, 3} {
		path := []string{"t", fmt.Sprintf("v%d", format)}
		table := spark.Table(path...)
		spark.Check(t, engines.Types, format, func(t *testing.T) {
			var columns, least, greatest, odd, nulls string
			want := make([]string, 4)
			for i, c := range sparkTypes {
				columns += fmt.Sprintf(", c%d %s", i, c.kind)
				least, greatest, odd, nulls = least+", "+c.least, greatest+", "+c.greatest, odd+", "+c.odd, nulls+", NULL"
				for j, text := range []string{c.leastText, c.greatestText, c.oddText, "null"} {
					want[j] += " | " + text
				}
			}
			for i := range want {
				want[i] = fmt.Sprint(i) + want[i]
			}
			spark.Exec(
				t, fmt.Sprintf("CREATE TABLE %s (id INT%s) USING iceberg TBLPROPERTIES ('format-version'='%d')", table, columns, format),
				"INSERT INTO "+table+" VALUES (0"+least+"), (1"+greatest+")", "INSERT INTO "+table+" VALUES (2"+odd+"), (3"+nulls+")",
			)
			holds(t, spark, path, want...)
			// Pruning by the bounds of each value leaves none out.
			for i, filter := range []string{
				"c1 = -2147483648", "c3 = 'Infinity' OR c3 = '-Infinity'", "c6 > 9999999999999999999999999999.9999999998", "c7 < -99999999999999999999999999999999999998",
				"c8 <= -0.99999999999999999999999999999999999999", "c9 = -0.001", "c11 = DATE '1582-10-10'", "c11 > DATE '9999-12-30'", "c14 = ''", "c14 > 'y'", "c14 LIKE 'xxx%'", "c0 IS NULL", "c3 IS NOT NULL AND c2 IS NULL",
			} {
				rows := spark.Query(t, "SELECT id FROM "+table+" WHERE "+filter)
				assert.NotEmpty(t, rows.Values, "%d %s", i, filter)
				assert.True(t, engines.Same(t, rows, firn.Query(t, "SELECT id FROM "+firn.Table(path...)+" WHERE "+filter)), filter)
			}
			// Deletes rewrite them, or mark them.
			spark.Exec(t, "DELETE FROM "+table+" WHERE id IN (0, 3)")
			holds(t, spark, path, want[1], want[2])
		})
	}
	spark.Cannot(t, engines.NegativeZero, 0, "a filter for 0 leaves out a file of nothing but -0.0, which its bounds sort below 0 (Iceberg's Java library)", "without -0.0", func(ctx context.Context) error {
		zeroes := func(s *engines.Session) int {
			return len(s.Query(t, "SELECT z FROM "+s.Table("t", "zeroes")+" WHERE z = 0").Values)
		}
		if err := spark.TryExec(ctx, "CREATE TABLE "+spark.Table("t", "zeroes")+" USING iceberg AS SELECT double('-0.0') AS z"); err != nil {
			return err
		}
		assert.Equal(t, 1, zeroes(firn))
		if zeroes(spark) == 0 {
			return errors.New("the answer is without -0.0")
		}
		return nil
	})
	spark.Cannot(t, engines.NanoTimestamps, 3, "Spark has no timestamps of nanoseconds", "TIMESTAMP_NS", func(ctx context.Context) error {
		return spark.TryExec(ctx, "CREATE TABLE "+spark.Table("t", "nano")+" (at TIMESTAMP_NS) USING iceberg TBLPROPERTIES ('format-version'='3')")
	})
	spark.Check(t, engines.Variant, 3, func(t *testing.T) {
		table := spark.Table("t", "variants")
		spark.Exec(
			t, "CREATE TABLE "+table+" (id INT, v VARIANT) USING iceberg TBLPROPERTIES ('format-version'='3')",
			`INSERT INTO `+table+` SELECT 1, parse_json('{"a": 1, "b": [true, null, "x"], "c": {"d": 1.5}}')`,
			`INSERT INTO `+table+` SELECT 2, parse_json('null') UNION ALL SELECT 3, NULL UNION ALL SELECT 4, parse_json('"text"')`,
			"DELETE FROM "+table+" WHERE id = 4",
		)
		rows := spark.Query(t, "SELECT id, variant_get(v, '$.a', 'int'), to_json(v) FROM "+table+" ORDER BY id")
		assert.Equal(t, []string{`1 | 1 | "{\"a\":1,\"b\":[true,null,\"x\"],\"c\":{\"d\":1.5}}"`, `2 | null | "null"`, `3 | null | null`}, rows.Lines())
		_, err := firn.TryRead(t.Context(), "t", "variants")
		assert.ErrorContains(t, err, "variant")
	})
}
