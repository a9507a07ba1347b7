package engines_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// create makes the table `people` in the namespace of the engine and appends
// the same rows to it, each engine in its own language.
var create = map[engines.Name]func(t *testing.T, s *engines.Session, format int){
	engines.Spark: func(t *testing.T, s *engines.Session, format int) {
		name := s.Table("by_spark", people(format))
		s.Exec(
			t, "CREATE NAMESPACE IF NOT EXISTS "+s.Namespace("by_spark"),
			fmt.Sprintf("CREATE TABLE %s (id BIGINT NOT NULL, name STRING, amount DECIMAL(18,3), seen TIMESTAMP, day DATE, score DOUBLE) USING iceberg TBLPROPERTIES ('format-version'='%d')", name, format),
			"INSERT INTO "+name+" "+strings.ReplaceAll(first, "TIMESTAMPTZ", "TIMESTAMP"),
			"INSERT INTO "+name+" "+strings.ReplaceAll(second, "TIMESTAMPTZ", "TIMESTAMP"),
		)
	},
	engines.Trino: func(t *testing.T, s *engines.Session, format int) {
		name := s.Table("by_trino", people(format))
		s.Exec(
			t, "CREATE SCHEMA IF NOT EXISTS "+s.Namespace("by_trino"),
			fmt.Sprintf("CREATE TABLE %s (id BIGINT NOT NULL, name VARCHAR, amount DECIMAL(18,3), seen TIMESTAMP(6) WITH TIME ZONE, day DATE, score DOUBLE) WITH (format_version = %d)", name, format),
		)
		for _, rows := range []string{first, second} {
			rows = strings.NewReplacer("TIMESTAMPTZ", "TIMESTAMP", "'NaN'", "nan()", "'-Infinity'", "-infinity()").Replace(rows)
			s.Exec(t, "INSERT INTO "+name+" "+rows)
		}
	},
	engines.DuckDB: func(t *testing.T, s *engines.Session, format int) {
		name := s.Table("by_duckdb", people(format))
		s.Exec(
			t, "CREATE SCHEMA IF NOT EXISTS "+s.Namespace("by_duckdb"),
			fmt.Sprintf("CREATE TABLE %s (id BIGINT NOT NULL, name VARCHAR, amount DECIMAL(18,3), seen TIMESTAMPTZ, day DATE, score DOUBLE) WITH ('format-version' = '%d')", name, format),
			"INSERT INTO "+name+" "+first,
			"INSERT INTO "+name+" "+second,
		)
	},
	engines.PyIceberg: func(t *testing.T, s *engines.Session, format int) {
		s.Exec(t, fmt.Sprintf(`
import datetime, decimal
schema = pa.schema([
    pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string()), pa.field("amount", pa.decimal128(18, 3)),
    pa.field("seen", pa.timestamp("us", tz="UTC")), pa.field("day", pa.date32()), pa.field("score", pa.float64()),
])
%[1]s.create_namespace_if_not_exists(("by_pyiceberg",))
table = %[1]s.create_table(%[2]s, schema, properties={"format-version": "%[3]d"})
utc = datetime.timezone.utc
first = [
    {"id": 1, "name": "Ann O'Hara", "amount": decimal.Decimal("1.100"), "seen": datetime.datetime(2026, 11, 21, 12, 30, 0, 123456, utc), "day": datetime.date(2026, 11, 21), "score": 0.1},
    {"id": 2, "name": "Jürgen ❄", "amount": decimal.Decimal("-999999999999999.999"), "seen": datetime.datetime(1969, 12, 31, 23, 59, 59, 500000, utc), "day": datetime.date(1969, 12, 31), "score": float("nan")},
]
second = [
    {"id": 3, "name": None, "amount": None, "seen": None, "day": None, "score": None},
    {"id": 9223372036854775807, "name": "", "amount": decimal.Decimal("0.000"), "seen": datetime.datetime(1582, 10, 15, 0, 0, 0, 0, utc), "day": datetime.date(1, 1, 1), "score": float("-inf")},
]
for rows in (first, second):
    table.append(pa.Table.from_pylist(rows, schema=schema))
`, s.Catalog, s.Table("by_pyiceberg", people(format)), format))
	},
}

const (
	first = `VALUES (CAST(1 AS BIGINT), 'Ann O''Hara', CAST('1.100' AS DECIMAL(18,3)), TIMESTAMPTZ '2026-11-21 12:30:00.123456 UTC', DATE '2026-11-21', CAST(0.1 AS DOUBLE)),
		(2, 'Jürgen ❄', CAST('-999999999999999.999' AS DECIMAL(18,3)), TIMESTAMPTZ '1969-12-31 23:59:59.500000 UTC', DATE '1969-12-31', CAST('NaN' AS DOUBLE))`
	second = `VALUES (CAST(3 AS BIGINT), CAST(NULL AS VARCHAR(9)), CAST(NULL AS DECIMAL(18,3)), CAST(NULL AS TIMESTAMPTZ), CAST(NULL AS DATE), CAST(NULL AS DOUBLE)),
		(9223372036854775807, '', CAST('0.000' AS DECIMAL(18,3)), TIMESTAMPTZ '1582-10-15 00:00:00.000000 UTC', DATE '0001-01-01', CAST('-Infinity' AS DOUBLE))`
)

func people(format int) string { return fmt.Sprintf("people_v%d", format) }

// expected is what everyone has to see.
var expected = engines.Rows{
	Columns: []string{"id", "name", "amount", "seen", "day", "score"},
	Values: [][]string{
		{"1", `"Ann O'Hara"`, "1.100", "2026-11-21T12:30:00.123456Z", "2026-11-21", "0.1"},
		{"2", `"Jürgen ❄"`, "-999999999999999.999", "1969-12-31T23:59:59.5Z", "1969-12-31", "NaN"},
		{"3", "null", "null", "null", "null", "null"},
		{"9223372036854775807", `""`, "0.000", "1582-10-15T00:00:00Z", "0001-01-01", "-Infinity"},
	},
}

// formats that an engine writes.
func formats(engine engines.Name) []int {
	if engine == engines.PyIceberg {
		return []int{1, 2}
	}
	return []int{2, 3}
}

// TestEveryoneReadsEveryone has each engine create a table and append to it, and
// each read it back: the engine itself, every other one, and Firn's SQL.
func TestEveryoneReadsEveryone(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	for _, writer := range engines.Writers() {
		for _, format := range formats(writer) {
			s := lake.On(t, writer)
			s.Check(t, engines.Append, format, func(t *testing.T) {
				create[writer](t, s, format)
				engines.Same(t, expected, s.Read(t, "by_"+string(writer), people(format)))
			})
		}
	}
	for _, reader := range engines.All() {
		s := lake.On(t, reader)
		for _, format := range []int{1, 2, 3} {
			s.Check(t, engines.ReadTables, format, func(t *testing.T) {
				for _, writer := range engines.Writers() {
					for _, f := range formats(writer) {
						if f == format {
							assert.True(t, engines.Same(t, expected, s.Read(t, "by_"+string(writer), people(format))), "written by %s", writer)
						}
					}
				}
			})
		}
	}
	// The command line answers the same as the service that it asks.
	for _, writer := range engines.Writers() {
		for _, format := range formats(writer) {
			out, err := lake.CLI(t.Context(), t, "sql", "-q", "-o", "csv", "-c", fmt.Sprintf("SELECT count(*) AS n, max(id) AS id, min(amount) AS amount FROM by_%s.%s", writer, people(format)))
			require.NoError(t, err)
			assert.Equal(t, "n,id,amount\n4,9223372036854775807,-999999999999999.999\n", out, "written by %s", writer)
		}
	}
}
