package engines_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/firnlake/firn/integration/engines"
)

// TestPyIcebergEvolves has PyIceberg change schemas, partitions and formats of
// tables with rows.
func TestPyIcebergEvolves(t *testing.T) {
	engines.Suite(t)
	s := python(t)
	s.Exec(t, `catalog.create_namespace(("e",))`)
	for _, format := range []int{1, 2} {
		path := []string{"e", fmt.Sprintf("t_v%d", format)}
		run := func(t *testing.T, code string) {
			t.Helper()
			s.Exec(t, fmt.Sprintf("name, format = %s, '%d'\n", s.Table(path...), format)+code)
		}
		s.Check(t, engines.SchemaEvolution, format, func(t *testing.T) {
			run(t, `
table = catalog.create_table(name, Schema(
    NestedField(1, "id", IntegerType(), required=True), NestedField(2, "country", StringType()), NestedField(3, "amount", DecimalType(9, 2)),
    NestedField(4, "score", FloatType()), NestedField(5, "place", StructType(NestedField(6, "lat", IntegerType()), NestedField(7, "town", StringType()))),
    NestedField(8, "tags", ListType(9, StringType(), element_required=False)), NestedField(10, "codes", MapType(11, StringType(), 12, IntegerType(), value_required=False)),
), properties={"format-version": format})
table.append(pa.Table.from_pylist([{"id": 1, "country": "Norway", "amount": decimal.Decimal("1.25"), "score": 0.5, "place": {"lat": 60, "town": "Oslo"}, "tags": ["a", None], "codes": [("x", 1)]},
    {"id": 2}], schema=table.schema().as_arrow()))
with table.update_schema() as u:
    u.add_column("note", StringType(), doc="added later")
    u.add_column(("place", "height"), LongType())
    u.rename_column("country", "land")
    u.rename_column("place.town", "city")
    u.update_column("id", LongType())
    u.update_column("amount", DecimalType(18, 2))
    u.update_column("score", DoubleType())
    u.update_column("place.lat", LongType())
with table.update_schema() as u:
    u.move_first("land")
    u.move_after("note", "id")`)
			reads(
				t, s, path, `"Norway" | 1 | null | 1.25 | 0.5 | {lat: 60, city: "Oslo", height: null} | ["a", null] | {"x" => 1}`,
				`null | 2 | null | null | null | null | null | null`,
			)
			run(t, `
with table.update_schema() as u:
    u.delete_column("place.lat")
    u.delete_column("score")
    u.make_column_optional("id")
table.append(pa.Table.from_pylist([{"land": "Peru", "id": 3000000000, "note": "n", "amount": None, "place": {"city": "Lima", "height": 161}, "tags": [], "codes": []}], schema=table.schema().as_arrow()))`)
			reads(
				t, s, path, `"Norway" | 1 | null | 1.25 | {city: "Oslo", height: null} | ["a", null] | {"x" => 1}`,
				`null | 2 | null | null | null | null | null`,
				`"Peru" | 3000000000 | "n" | null | {city: "Lima", height: 161} | [] | {}`,
			)
			run(t, `
with table.update_schema() as u:
    u.union_by_name(pa.schema([pa.field("id", pa.int64()), pa.field("score", pa.float64()), pa.field("place", pa.struct([pa.field("lat", pa.string())]))]))
assert table.schema().find_field("score").field_id > 12, "a name that comes back is another column"
refused(ValidationError, lambda: table.update_schema().update_column("id", IntegerType()).commit())
refused(ValueError, lambda: table.update_schema().add_column("id", IntegerType()).commit())`)
			reads(
				t, s, path, `"Norway" | 1 | null | 1.25 | {city: "Oslo", height: null, lat: null} | ["a", null] | {"x" => 1} | null`,
				`null | 2 | null | null | null | null | null | null`,
				`"Peru" | 3000000000 | "n" | null | {city: "Lima", height: 161, lat: null} | [] | {} | null`,
			)
		})
		s.Check(t, engines.SpecEvolution, format, func(t *testing.T) {
			path := []string{"e", fmt.Sprintf("p_v%d", format)}
			run(t, `
table = catalog.create_table(("e", "p_v" + format), Schema(NestedField(1, "id", LongType()), NestedField(2, "country", StringType()), NestedField(3, "at", TimestampType())),
    partition_spec=by_country, properties={"format-version": format})
def add(i, country, at):
    table.append(pa.Table.from_pylist([{"id": i, "country": country, "at": at and datetime.datetime.fromisoformat(at)}], schema=table.schema().as_arrow()))
add(1, "Norway", "1969-12-31T23:59:59.999999")
with table.update_spec() as u:
    u.add_field("id", BucketTransform(4), "id_bucket")
    u.add_field("at", DayTransform(), "day")
add(2, "Norway", "1969-12-31T23:59:59.999999")
add(3, None, None)
with table.update_spec() as u:
    u.remove_field("country")
    u.remove_field("day")
    u.rename_field("id_bucket", "shard")
    if format != "1": # where the void that a removed field becomes counts as redundant
        u.add_field("at", MonthTransform(), "month")
add(4, "日本国", "2026-11-21T00:00:00")
with table.update_spec() as u:
    u.remove_field("shard"); format == "1" or u.remove_field("month")
add(5, "", "0001-01-01T00:00:00")
assert len({f["spec_id"] for f in table.inspect.files().to_pylist()}) == 4
assert table.scan(row_filter="country = 'Norway'").to_arrow().num_rows == 2
assert table.scan(row_filter="at < '1970-01-01T00:00:00'").to_arrow().num_rows == 3`)
			lines := []string{
				`1 | "Norway" | 1969-12-31T23:59:59.999999`, `2 | "Norway" | 1969-12-31T23:59:59.999999`, `3 | null | null`,
				`4 | "日本国" | 2026-11-21T00:00:00`, `5 | "" | 0001-01-01T00:00:00`,
			}
			holds(t, s, path, lines...)
			run(t, `table.delete("country = 'Norway' and id = 1")`)
			holds(t, s, path, lines[1:]...)
		})
	}
	s.Check(t, engines.UpgradeFormat, 2, func(t *testing.T) {
		s.Exec(t, `
table = catalog.create_table(("e", "up"), layout, partition_spec=by_country, properties={"format-version": "1"})
table.append(rows((1, "a", "1"), (2, "b", None)))
with table.transaction() as tx:
    tx.upgrade_table_version(2)
assert catalog.load_table(("e", "up")).format_version == 2
table.append(rows((3, "c", None)))
table.delete("id = 1")`)
		holds(t, s, []string{"e", "up"}, `2 | "b" | null`, `3 | "c" | null`)
	})
	s.Cannot(t, engines.UpgradeFormat, 3, "PyIceberg 0.12 upgrades no table to format 3", "Unsupported table format version: 3", func(ctx context.Context) error {
		return s.TryExec(ctx, `catalog.load_table(("e", "up")).transaction().upgrade_table_version(3).commit_transaction()`)
	})
}
