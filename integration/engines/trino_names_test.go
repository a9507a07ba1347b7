package engines_test

import (
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

func sqlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

func sqlName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// TestTrinoNames has Trino make schemas, nested ones too, and name things as
// nobody should.
func TestTrinoNames(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	trino := lake.On(t, engines.Trino)
	schemas := func() []string { return trino.Query(t, "SHOW SCHEMAS FROM "+trino.Catalog).Lines() }
	trino.Check(t, engines.Namespaces, 0, func(t *testing.T) {
		trino.Exec(t, "CREATE SCHEMA "+trino.Namespace("plain"),
			"CREATE SCHEMA IF NOT EXISTS "+trino.Namespace("plain"),
			"CREATE SCHEMA "+trino.Namespace("placed")+" WITH (location = 's3://"+lake.Bucket+"/default/placed')")
		assert.Subset(t, schemas(), []string{`"plain"`, `"placed"`})
		assert.Contains(t, trino.Query(t, "SHOW CREATE SCHEMA "+trino.Namespace("placed")).Cell(0, 0), "default/placed")
		// The property is kept; where tables lie is the server's choice.
		trino.Exec(t, "CREATE TABLE "+trino.Table("placed", "t")+" AS SELECT 1 AS id")
		holds(t, trino, []string{"placed", "t"}, "1")
		assert.NotContains(t, trino.Query(t, "SHOW CREATE TABLE "+trino.Table("placed", "t")).Cell(0, 0), "placed/")
		assert.ErrorContains(t, trino.TryExec(t.Context(), "DROP SCHEMA "+trino.Namespace("placed")), "non-empty")
		assert.ErrorContains(t, trino.TryExec(t.Context(), "CREATE SCHEMA "+trino.Namespace("plain")), "already exists")
		trino.Exec(t, "DROP SCHEMA "+trino.Namespace("plain"), "DROP SCHEMA "+trino.Namespace("placed")+" CASCADE", "DROP SCHEMA IF EXISTS "+trino.Namespace("absent"))
		assert.Equal(t, []string{`"information_schema"`, `"system"`}, schemas())
		assert.ErrorContains(t, trino.TryExec(t.Context(), "ALTER SCHEMA "+trino.Namespace("system")+" RENAME TO other"), "not supported")
	})
	trino.Check(t, engines.NestedNamespaces, 0, func(t *testing.T) {
		trino.Exec(t, "CREATE SCHEMA "+trino.Namespace("a"), "CREATE SCHEMA "+trino.Namespace("a", "b"), "CREATE SCHEMA "+trino.Namespace("a", "b", "c"),
			"CREATE TABLE "+trino.Table("a", "b", "c", "t")+" AS SELECT 1 AS id", "CREATE TABLE "+trino.Table("a", "t")+" AS SELECT 2 AS id")
		assert.ErrorContains(t, trino.TryExec(t.Context(), "CREATE SCHEMA "+trino.Namespace("a", "absent", "c")), "namespace not found: a.absent")
		assert.Subset(t, schemas(), []string{`"a"`, `"a.b"`, `"a.b.c"`})
		assert.Equal(t, []string{`"t"`}, trino.Query(t, "SHOW TABLES FROM "+trino.Namespace("a", "b", "c")).Lines())
		assert.Empty(t, trino.Query(t, "SHOW TABLES FROM "+trino.Namespace("a", "b")).Lines())
		holds(t, trino, []string{"a", "b", "c", "t"}, "1")
		holds(t, trino, []string{"a", "t"}, "2")
		assert.ErrorContains(t, trino.TryExec(t.Context(), "DROP SCHEMA "+trino.Namespace("a", "b")), "not empty")
		trino.Exec(t, "ALTER TABLE "+trino.Table("a", "b", "c", "t")+" RENAME TO "+trino.Table("a", "b", "moved"),
			"DROP SCHEMA "+trino.Namespace("a", "b", "c"))
		holds(t, trino, []string{"a", "b", "moved"}, "1")
	})
	trino.Check(t, engines.OddNames, 0, func(t *testing.T) {
		trino.Exec(t, "CREATE SCHEMA "+trino.Namespace("odd sch-ema/ü%'"))
		var tables []string
		for _, name := range oddNames {
			path := []string{"odd sch-ema/ü%'", name}
			column := strings.ToLower(name)
			trino.Exec(t, "CREATE TABLE "+trino.Table(path...)+" (id BIGINT, "+sqlName(column)+" VARCHAR)"+with(2, ", partitioning = ARRAY["+sqlText(sqlName(column))+"]"),
				"INSERT INTO "+trino.Table(path...)+" VALUES (1, 'x'), (2, NULL), (3, "+sqlText(name)+")", "DELETE FROM "+trino.Table(path...)+" WHERE id = 1")
			path[1] = column // Trino makes all names lower case
			rows := []string{"2 | null", "3 | " + strconv.Quote(name)}
			if isASCII(name) {
				holds(t, trino, path, rows...)
			} else { // DuckDB's Avro reader refuses Java's names of partition fields
				reads(t, trino, path, rows...)
			}
			tables = append(tables, strconv.Quote(column))
		}
		assert.ElementsMatch(t, tables, trino.Query(t, "SHOW TABLES FROM "+trino.Namespace("odd sch-ema/ü%'")).Lines())
	})
	trino.Check(t, engines.PartitionedWrites, 0, func(t *testing.T) {
		path := []string{"odd sch-ema/ü%'", "values"}
		want := []string{"0 | null"}
		rows := []string{"(0, NULL)"}
		for i, value := range oddValues {
			rows = append(rows, "("+strconv.Itoa(i+1)+", "+sqlText(value)+")")
			want = append(want, strconv.Itoa(i+1)+" | "+strconv.Quote(value))
		}
		trino.Exec(t, "CREATE TABLE "+trino.Table(path...)+" (id BIGINT, c VARCHAR) WITH (partitioning = ARRAY['c'])",
			"INSERT INTO "+trino.Table(path...)+" VALUES "+strings.Join(rows, ", "))
		holds(t, trino, path, want...)
		for i, value := range oddValues {
			assert.Equal(t, []string{strconv.Itoa(i + 1)}, trino.Query(t, "SELECT id FROM "+trino.Table(path...)+" WHERE c = "+sqlText(value)).Lines(), value)
		}
	})
	// Others make names in upper case: the snippet of such a table has the setting.
	iceberg := lake.On(t, engines.PyIceberg)
	iceberg.Exec(t, `
`+iceberg.Catalog+`.create_namespace(("Shop",))
rows = pa.table({"Id": pa.array([1, 2], pa.int64()), "ShipTo": ["x", None]})
`+iceberg.Catalog+`.create_table(`+iceberg.Table("Shop", "Orders")+`, rows.schema).append(rows)`)
	_, err := trino.TryRead(t.Context(), "Shop", "Orders")
	assert.ErrorContains(t, err, "does not exist", "Trino asks for names in lower case, unless its catalog says otherwise")
	matching := lake.With(t, engines.Trino, map[string]string{"iceberg.rest-catalog.case-insensitive-name-matching": "true"})
	matching.Check(t, engines.UpperCase, 0, func(t *testing.T) {
		assert.Equal(t, []string{`1 | "x"`, `2 | null`}, matching.Query(t, "SELECT * FROM "+matching.Table("shop", "orders")+" ORDER BY id").Lines())
		matching.Exec(t, "INSERT INTO "+matching.Table("shop", "orders")+" (id, shipto) VALUES (3, 'by Trino')",
			"UPDATE "+matching.Table("Shop", "Orders")+" SET ShipTo = 'changed' WHERE Id = 2")
		holds(t, matching, []string{"Shop", "Orders"}, `1 | "x"`, `2 | "changed"`, `3 | "by Trino"`)
		assert.Equal(t, []string{"Id", "ShipTo"}, lake.Independent(t, "Shop", "Orders").Columns, "Trino's writes leave the columns' case alone")
	})
}
