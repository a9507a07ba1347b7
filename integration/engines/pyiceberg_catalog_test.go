package engines_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestPyIcebergCatalog has PyIceberg make, name, register and drop what a
// catalog holds.
func TestPyIcebergCatalog(t *testing.T) {
	engines.Suite(t)
	s := python(t)
	s.Check(t, engines.Namespaces, 0, func(t *testing.T) {
		s.Exec(t, `
catalog.create_namespace(("c",), {"owner": "tests", "odd key ü": "odd 'value' \"%\n"})
refused(NamespaceAlreadyExistsError, catalog.create_namespace, ("c",))
catalog.create_namespace_if_not_exists(("c",))
assert ("c",) in catalog.list_namespaces() and catalog.namespace_exists(("c",)) and not catalog.namespace_exists(("absent",))
properties = catalog.load_namespace_properties(("c",))
assert properties["owner"] == "tests" and properties["odd key ü"] == "odd 'value' \"%\n", properties
summary = catalog.update_namespace_properties(("c",), removals={"owner", "absent"}, updates={"team": "a"})
assert summary.removed == ["owner"] and summary.updated == ["team"] and summary.missing == ["absent"], summary
assert catalog.load_namespace_properties(("c",)).get("team") == "a"
refused(NoSuchNamespaceError, catalog.load_namespace_properties, ("absent",))
refused(NoSuchNamespaceError, catalog.drop_namespace, ("absent",))
refused(NoSuchNamespaceError, catalog.list_tables, ("absent",))`)
	})
	s.Check(t, engines.NestedNamespaces, 0, func(t *testing.T) {
		s.Exec(t, `
catalog.create_namespace(("c", "a")); catalog.create_namespace(("c", "a", "b"), {"depth": "3"})
assert catalog.list_namespaces(("c",)) == [("c", "a")] and catalog.list_namespaces(("c", "a")) == [("c", "a", "b")]
assert ("c", "a") not in catalog.list_namespaces() and catalog.load_namespace_properties(("c", "a", "b"))["depth"] == "3"
table = catalog.create_table(("c", "a", "b", "t"), layout); table.append(rows((1, "deep", None)))
assert catalog.list_tables(("c", "a", "b")) == [("c", "a", "b", "t")] and catalog.list_tables(("c", "a")) == []
refused(NamespaceNotEmptyError, catalog.drop_namespace, ("c", "a", "b")); refused(NamespaceNotEmptyError, catalog.drop_namespace, ("c", "a"))
assert "NoSuchNamespaceException" in refused(RESTError, catalog.create_namespace, ("absent", "child"))`)
		holds(t, s, []string{"c", "a", "b", "t"}, `1 | "deep" | null`)
		s.Exec(t, `catalog.drop_table(("c", "a", "b", "t")); catalog.drop_namespace(("c", "a", "b")); catalog.drop_namespace(("c", "a"))
assert catalog.list_namespaces(("c",)) == []`)
	})
	s.Check(t, engines.OddNames, 0, func(t *testing.T) {
		for _, name := range oddNames {
			path := []string{"c", name, name}
			s.Exec(t, fmt.Sprintf(`
path = %s
catalog.create_namespace(path[:2])
assert catalog.list_namespaces(("c",)) == [path[:2]]
table = catalog.create_table(path, pa.schema([pa.field(path[2], pa.int64()), pa.field("s", pa.struct([pa.field(path[2], pa.string())]))]))
table.append(pa.Table.from_pylist([{path[2]: 1, "s": {path[2]: "x"}}], schema=table.schema().as_arrow()))
assert catalog.list_tables(path[:2]) == [path]
catalog.rename_table(path, (*path[:2], path[2] + "2")); catalog.rename_table((*path[:2], path[2] + "2"), path)`, s.Table(path...)))
			reads(t, s, path, fmt.Sprintf(`1 | {%s: "x"}`, name))
			assert.Equal(t, []string{name, "s"}, s.Lake.On(t, engines.Firn).Read(t, path...).Columns)
			s.Exec(t, `catalog.drop_table(path); catalog.drop_namespace(path[:2])`)
		}
	})
	s.Check(t, engines.Views, 0, func(t *testing.T) {
		s.Exec(t, `
from pyiceberg.view.metadata import SQLViewRepresentation, ViewVersion
catalog.create_table(("c", "base"), layout).append(rows((1, "a", "1"), (2, "b", None)))
def version(dialect, sql):
    return ViewVersion(version_id=1, schema_id=0, timestamp_ms=1_700_000_000_000, summary={"engine-name": "tests"}, default_namespace=["c"],
        representations=[SQLViewRepresentation(type="sql", sql=sql, dialect=dialect)])
schema = Schema(NestedField(1, "id", LongType(), required=False))
view = catalog.create_view(("c", "v"), schema, version("duckdb", "SELECT id FROM base WHERE amount IS NULL"))
assert catalog.view_exists(("c", "v")) and not catalog.view_exists(("c", "base")) and catalog.list_views(("c",)) == [("c", "v")]
assert catalog.list_tables(("c",)) == [("c", "base")], "a view is no table"
refused(ViewAlreadyExistsError, catalog.create_view, ("c", "v"), schema, version("duckdb", "SELECT 1"))
refused(TableAlreadyExistsError, catalog.create_table, ("c", "v"), layout)
loaded = catalog.load_view(("c", "v"))
assert loaded.metadata.versions[0].representations[0].root.sql == "SELECT id FROM base WHERE amount IS NULL"
location = loaded.metadata.location
refused(NoSuchViewError, catalog.load_view, ("c", "absent")); refused(NoSuchViewError, catalog.drop_view, ("c", "absent"))
catalog.drop_view(("c", "v"))
assert not catalog.view_exists(("c", "v")) and catalog.list_views(("c",)) == []`)
	})
	for _, format := range []int{1, 2} {
		exec := func(t *testing.T, code string) {
			t.Helper()
			s.Exec(t, fmt.Sprintf("format = '%d'\n", format)+code)
		}
		exec(t, `
for name in ("moved", "dropped", "purged", "source"):
    table = catalog.create_table(("c", name), layout, properties={"format-version": format})
    table.append(rows((1, name, None)))
    table.append(rows((2, name, None)))
def files(table):
    return table.inspect.all_files()["file_path"].to_pylist()
def there(table, paths):
    return [table.io.new_input(p).exists() for p in paths]`)
		s.Check(t, engines.Rename, format, func(t *testing.T) {
			exec(t, `
catalog.create_namespace(("c2",))
refused(TableAlreadyExistsError, catalog.rename_table, ("c", "moved"), ("c", "dropped"))
refused(NoSuchTableError, catalog.rename_table, ("c", "absent"), ("c", "x"))
catalog.rename_table(("c", "moved"), ("c2", "there"))
assert not catalog.table_exists(("c", "moved")) and catalog.list_tables(("c2",)) == [("c2", "there")]
catalog.load_table(("c2", "there")).append(rows((3, "after", None)))`)
			holds(t, s, []string{"c2", "there"}, `1 | "moved" | null`, `2 | "moved" | null`, `3 | "after" | null`)
			exec(t, `catalog.drop_table(("c2", "there")); catalog.drop_namespace(("c2",))`)
		})
		s.Check(t, engines.Drop, format, func(t *testing.T) {
			exec(t, `
table = catalog.load_table(("c", "dropped"))
location, paths = table.metadata_location, files(table)
catalog.drop_table(("c", "dropped"))
refused(NoSuchTableError, catalog.load_table, ("c", "dropped")); refused(NoSuchTableError, catalog.drop_table, ("c", "dropped"))
assert len(paths) == 2 and all(there(table, [location, *paths])), "the files of a dropped table stay"`)
		})
		s.Check(t, engines.Register, format, func(t *testing.T) {
			exec(t, `
catalog.register_table(("c", "back"), location)
refused(TableAlreadyExistsError, catalog.register_table, ("c", "back"), location)
catalog.load_table(("c", "back")).append(rows((3, "back", "3")))`)
			holds(t, s, []string{"c", "back"}, `1 | "dropped" | null`, `2 | "dropped" | null`, `3 | "back" | 3.000`)
			exec(t, `catalog.drop_table(("c", "back"))`)
		})
		s.Check(t, engines.Purge, format, func(t *testing.T) {
			exec(t, `
table = catalog.load_table(("c", "purged"))
catalog.purge_table(("c", "purged"))
refused(NoSuchTableError, catalog.load_table, ("c", "purged"))`)
		})
		s.Check(t, engines.AddFiles, format, func(t *testing.T) {
			// A file without field ids, as anybody writes it: read by the name
			// mapping that PyIceberg gives the table.
			exec(t, `
import pyarrow.parquet as pq
table = catalog.create_table(("c", "mapped"), layout, partition_spec=by_country, properties={"format-version": format})
def put(name, data):
    path = f"{table.location()}/data/{name}.parquet"
    with table.io.new_output(path).create() as out:
        pq.write_table(data, out)
    return path
plain = pa.schema([pa.field("amount", pa.decimal128(18, 3)), pa.field("id", pa.int64(), nullable=False), pa.field("country", pa.string())])
one = put("one", pa.Table.from_pylist([{"id": 10, "country": "Norway", "amount": decimal.Decimal("1.5")}, {"id": 11, "country": "Norway"}], schema=plain))
table.add_files([one])
refused(ValueError, table.add_files, [one])
assert "schema.name-mapping.default" in catalog.load_table(("c", "mapped")).properties
table.append(rows((12, "Peru", "2")))
with table.update_schema() as u:
    u.rename_column("amount", "gross")
table.add_files([put("two", pa.Table.from_pylist([{"id": 13, "country": "Chile", "gross": decimal.Decimal("4")}], schema=pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("country", pa.string()), pa.field("gross", pa.decimal128(18, 3))])))])`)
			reads(t, s, []string{"c", "mapped"}, `10 | "Norway" | 1.500`, `11 | "Norway" | null`, `12 | "Peru" | 2.000`, `13 | "Chile" | 4.000`)
			exec(t, `table.delete("id = 11")`)
			reads(t, s, []string{"c", "mapped"}, `10 | "Norway" | 1.500`, `12 | "Peru" | 2.000`, `13 | "Chile" | 4.000`)
			// Files of another table are refused: two tables would own them.
			exec(t, `
other = files(catalog.load_table(("c", "source")))[0]
plain_table = catalog.create_table(("c", "thief"), layout, properties={"format-version": format})
said = refused(Exception, plain_table.add_files, [other])
assert "location" in said or "field" in said, said
for name in ("mapped", "thief", "source"):
    catalog.drop_table(("c", name))`)
		})
	}
}

// TestPyIcebergReadsFormat3 has PyIceberg read what others write in format 3, and
// say what it does not know.
func TestPyIcebergReadsFormat3(t *testing.T) {
	engines.Suite(t)
	s := python(t)
	duck := s.Lake.On(t, engines.DuckDB)
	table := func(name string) string { return duck.Table("three", name) }
	duck.Exec(
		t, "CREATE SCHEMA "+duck.Namespace("three"),
		"CREATE TABLE "+table("two")+" WITH ('format-version' = '2') AS SELECT i AS id, 'row ' || i AS name FROM range(100) x(i)",
		"DELETE FROM "+table("two")+" WHERE id % 3 = 0",
		"CREATE TABLE "+table("t")+" WITH ('format-version' = '3') AS SELECT i AS id, 'row ' || i AS name FROM range(100) x(i)",
		"DELETE FROM "+table("t")+" WHERE id % 3 = 0",
		"DELETE FROM "+table("t")+" WHERE id > 90",
		"ALTER TABLE "+table("t")+" ADD COLUMN extra VARCHAR DEFAULT 'default'",
		"INSERT INTO "+table("t")+" VALUES (1000, 'last', 'given')",
		"CREATE TABLE "+table("ns")+" (id BIGINT, seen TIMESTAMP_NS) WITH ('format-version' = '3')",
		"INSERT INTO "+table("ns")+" VALUES (1, '2026-11-21 12:30:00.123456789'), (2, NULL), (3, '1969-12-31 23:59:59.999999999')",
		"CREATE TABLE "+table("v")+" (id BIGINT, v VARIANT) WITH ('format-version' = '3')",
	)
	for format, name := range map[int]string{2: "two", 3: "t"} {
		s.Check(t, engines.ReadDeletes, format, func(t *testing.T) {
			var lines []string
			for i := range 100 {
				switch line := fmt.Sprintf(`%d | "row %d"`, i, i); {
				case i%3 == 0 || format == 3 && i > 90:
				case format == 3:
					lines = append(lines, line+` | "default"`)
				default:
					lines = append(lines, line)
				}
			}
			if format == 3 {
				lines = append(lines, `1000 | "last" | "given"`)
			}
			reads(t, s, []string{"three", name}, lines...)
		})
	}
	s.Check(t, engines.Defaults, 3, func(t *testing.T) {
		rows := s.Query(t, `catalog.load_table(("three", "t")).scan(row_filter="extra = 'default'").to_arrow().num_rows`)
		assert.Equal(t, "60", rows.Cell(0, 0))
	})
	s.Check(t, engines.NanoTimestamps, 3, func(t *testing.T) {
		reads(t, s, []string{"three", "ns"}, `1 | 2026-11-21T12:30:00.123456789`, `2 | null`, `3 | 1969-12-31T23:59:59.999999999`)
	})
	s.Cannot(t, engines.RowLineage, 3, "PyIceberg 0.12 knows no _row_id", "_row_id", func(ctx context.Context) error {
		return s.TryExec(ctx, `catalog.load_table(("three", "t")).scan(selected_fields=("_row_id",)).to_arrow()`)
	})
	s.Cannot(t, engines.Variant, 3, "PyIceberg 0.12 loads no table with a variant", "variant", func(ctx context.Context) error {
		_, err := s.TryRead(ctx, "three", "v")
		return err
	})
}

// TestPyIcebergSnippet runs the text that people paste, for a table of each kind
// of name and for the whole lake.
func TestPyIcebergSnippet(t *testing.T) {
	engines.Suite(t)
	s := python(t)
	s.Exec(t, `
catalog.create_namespace(("shop",)); catalog.create_namespace(("shop", "eu"))
for name in (("shop", "people"), ("shop", "eu", "odd 'name\" ü")):
    catalog.create_table(name, layout).append(rows((1, "ann", None), (2, "bob's", "1")))`)
	for _, engine := range []engines.Name{engines.PyIceberg, engines.Polars} {
		on := s.Lake.On(t, engine)
		on.Check(t, engines.Snippet, 0, func(t *testing.T) {
			for _, path := range [][]string{{"shop", "people"}, {"shop", "eu", "odd 'name\" ü"}} {
				program := s.Lake.Snippet(t, engine, path...)
				printed := on.Script(t, program)
				assert.Contains(t, printed, "ann")
				assert.Contains(t, printed, "bob's")
				// The command line shows the same text.
				shown, err := s.Lake.CLI(t.Context(), t, "table", "connect", "--engine", string(engine), strings.Join(path, "."))
				require.NoError(t, err)
				assert.Contains(t, shown, strings.TrimSpace(program))
			}
		})
	}
}
