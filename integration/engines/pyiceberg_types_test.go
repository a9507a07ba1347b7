package engines_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// everyType is the schema of all types of formats 1 and 2, and three rows:
// ordinary, null, and the extremes.
const everyType = `
wide = Schema(
    NestedField(1, "id", LongType(), required=True), NestedField(2, "b", BooleanType()), NestedField(3, "i", IntegerType()), NestedField(4, "l", LongType()),
    NestedField(5, "f", FloatType()), NestedField(6, "d", DoubleType()), NestedField(7, "dec9", DecimalType(9, 2)), NestedField(8, "dec38", DecimalType(38, 10)),
    NestedField(9, "day", DateType()), NestedField(10, "t", TimeType()), NestedField(11, "ts", TimestampType()), NestedField(12, "tz", TimestamptzType()),
    NestedField(13, "s", StringType()), NestedField(14, "u", UUIDType()), NestedField(15, "fx", FixedType(4)), NestedField(16, "bin", BinaryType()),
    NestedField(17, "li", ListType(18, IntegerType(), element_required=False)), NestedField(19, "m", MapType(20, StringType(), 21, DoubleType(), value_required=False)),
    NestedField(22, "st", StructType(NestedField(23, "a", LongType()), NestedField(24, "b c", ListType(25, StringType(), element_required=False)))),
)
import uuid
utc = datetime.timezone.utc
def value(**kw): return kw
ordinary = value(id=1, b=True, i=42, l=9007199254740993, f=0.1, d=0.1, dec9=decimal.Decimal("1.10"), dec38=decimal.Decimal("1234567890123456789.0123456789"), day=datetime.date(2026, 11, 21),
    t=datetime.time(12, 30, 0, 500000), ts=datetime.datetime(2026, 11, 21, 12, 30), tz=datetime.datetime(2026, 11, 21, 12, 30, 0, 1, utc), s="ü❄ 'x'", u=uuid.UUID("00112233-4455-6677-8899-aabbccddeeff").bytes,
    fx=b"\x00\x01\xfe\xff", bin=b"\x00\xff", li=[1, None, -1], m=[("a", 1.5), ("b", None)], st={"a": 1, "b c": ["x", None]})
highest = value(id=2**63 - 1, b=False, i=2**31 - 1, l=2**63 - 1, f=float("inf"), d=1.7976931348623157e308, dec9=decimal.Decimal("9999999.99"), dec38=decimal.Decimal("9" * 28 + "." + "9" * 10), day=datetime.date(9999, 12, 31),
    t=datetime.time(23, 59, 59, 999999), ts=datetime.datetime(9999, 12, 31, 23, 59, 59, 999999), tz=datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, utc), s="\U0010ffff" * 3, u=b"\xff" * 16, fx=b"\xff" * 4, bin=b"\xff" * 40, li=[], m=[], st={"a": None, "b c": []})
lowest = value(id=-2**63, b=False, i=-2**31, l=-2**63, f=float("nan"), d=float("-inf"), dec9=decimal.Decimal("-9999999.99"), dec38=decimal.Decimal("-" + "9" * 28 + "." + "9" * 10), day=datetime.date(1, 1, 1),
    t=datetime.time(0, 0), ts=datetime.datetime(1, 1, 1), tz=datetime.datetime(1, 1, 1, tzinfo=utc), s="", u=b"\x00" * 16, fx=b"\x00" * 4, bin=b"", li=[None], m=[("", float("nan"))], st=None)
small = value(id=3, f=-0.0, d=5e-324, s="a" * 40, dec9=decimal.Decimal("-0.01"), ts=datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), day=datetime.date(1969, 12, 31))
`

// everyRow is how these rows are rendered.
var everyRow = []string{
	`1 | true | 42 | 9007199254740993 | 0.1 | 0.1 | 1.10 | 1234567890123456789.0123456789 | 2026-11-21 | 12:30:00.5 | 2026-11-21T12:30:00 | 2026-11-21T12:30:00.000001Z | "ü❄ 'x'" | "00112233-4455-6677-8899-aabbccddeeff" | x'0001feff' | x'00ff' | [1, null, -1] | {"a" => 1.5, "b" => null} | {a: 1, b c: ["x", null]}`,
	`9223372036854775807 | false | 2147483647 | 9223372036854775807 | Infinity | 1.7976931348623157e+308 | 9999999.99 | 9999999999999999999999999999.9999999999 | 9999-12-31 | 23:59:59.999999 | 9999-12-31T23:59:59.999999 | 9999-12-31T23:59:59.999999Z | "\U0010ffff\U0010ffff\U0010ffff" | "ffffffff-ffff-ffff-ffff-ffffffffffff" | x'ffffffff' | x'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff' | [] | {} | {a: null, b c: []}`,
	`-9223372036854775808 | false | -2147483648 | -9223372036854775808 | NaN | -Infinity | -9999999.99 | -9999999999999999999999999999.9999999999 | 0001-01-01 | 00:00:00 | 0001-01-01T00:00:00 | 0001-01-01T00:00:00Z | "" | "00000000-0000-0000-0000-000000000000" | x'00000000' | x'' | [null] | {"" => NaN} | null`,
	`3 | null | null | null | -0 | 5e-324 | -0.01 | null | 1969-12-31 | null | 1969-12-31T23:59:59.999999 | null | "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" | null | null | null | null | null | null`,
	`4 | null | null | null | null | null | null | null | null | null | null | null | null | null | null | null | null | null | null`,
}

// everyRowIn is everyRow in an engine's types: polars has no uuid.
func everyRowIn(engine engines.Name) []string {
	if engine != engines.Polars {
		return everyRow
	}
	uuid := regexp.MustCompile(`"(\w{8})-(\w{4})-(\w{4})-(\w{4})-(\w{12})"`)
	var lines []string
	for _, line := range everyRow {
		lines = append(lines, uuid.ReplaceAllString(line, "x'$1$2$3$4$5'"))
	}
	return lines
}

// TestPyIcebergTypes has PyIceberg write all types with nulls and extremes, and
// everyone on Python read them.
func TestPyIcebergTypes(t *testing.T) {
	engines.Suite(t)
	s := python(t)
	s.Exec(t, everyType+`catalog.create_namespace(("types",))`)
	for _, format := range []int{1, 2} {
		path := []string{"types", fmt.Sprintf("t_v%d", format)}
		s.Check(t, engines.Types, format, func(t *testing.T) {
			s.Exec(t, fmt.Sprintf(`
table = catalog.create_table(%s, wide, properties={"format-version": "%d"})
table.append(pa.Table.from_pylist([ordinary, highest], schema=wide.as_arrow()))
table.append(pa.Table.from_pylist([lowest, small, {"id": 4}], schema=wide.as_arrow()))`, s.Table(path...), format))
			reads(t, s, path, everyRow...)
			for _, other := range []engines.Name{engines.DuckDB, engines.Polars} {
				sameLines(t, everyRowIn(other), s.Lake.On(t, other).Read(t, path...), string(other))
			}
			// Filters on each column find their row by its bounds.
			s.Exec(t, fmt.Sprintf(`
table = catalog.load_table(%s)
for name, low, high in [("i", -2**31, 2**31 - 1), ("l", -2**63, 2**63 - 1), ("day", "0001-01-01", "9999-12-31"), ("ts", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"),
        ("dec9", decimal.Decimal("-9999999.99"), decimal.Decimal("9999999.99")), ("s", "", "\U0010ffff" * 3), ("fx", b"\x00" * 4, b"\xff" * 4), ("bin", b"", b"\xff" * 40)]:
    for want, bound in ((-2**63, low), (2**63 - 1, high)):
        assert table.scan(row_filter=EqualTo(name, bound)).to_arrow()["id"].to_pylist() == [want], (name, bound)
assert table.scan(row_filter=IsNaN("f")).to_arrow()["id"].to_pylist() == [-2**63]`, s.Table(path...)))
			firn := s.Lake.On(t, engines.Firn)
			for _, condition := range []string{
				"i = 2147483647", "l = 9223372036854775807", "f = 'Infinity'", "d > 1e308", "dec9 = 9999999.99", "day = DATE '9999-12-31'", "t = TIME '23:59:59.999999'",
				"ts > TIMESTAMP '9999-01-01'", "tz > TIMESTAMPTZ '9999-01-01 00:00:00+00'", "u = 'ffffffff-ffff-ffff-ffff-ffffffffffff'", "fx = '\\xFF\\xFF\\xFF\\xFF'::BLOB", "len(li) = 0", "s > '" + "\U0010fffe" + "'",
			} {
				rows := firn.Query(t, "SELECT id FROM "+firn.Table(path...)+" WHERE "+condition)
				assert.Equal(t, [][]string{{"9223372036854775807"}}, rows.Values, condition)
			}
		})
	}
}
