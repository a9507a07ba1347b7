package engines_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// prelude is what the Python of these journeys begins with: rows of three
// columns, and `refused`, which holds a call to its error.
const prelude = `
from pyiceberg.exceptions import *
from pyiceberg.expressions import *
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import *
from pyiceberg.types import *
import datetime, decimal

shape = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("country", pa.string()), pa.field("amount", pa.decimal128(18, 3))])
layout = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "country", StringType()), NestedField(3, "amount", DecimalType(18, 3)))
by_country = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "country"))

def rows(*values):
    return pa.Table.from_pylist([dict(zip(shape.names, (i, c, a and decimal.Decimal(a)))) for i, c, a in values], schema=shape)

def refused(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error as fault:
        return str(fault)
    raise AssertionError(f"{call} was not refused with {error}")
`

// python is a lake with PyIceberg, whose catalog is the variable `catalog`.
func python(t *testing.T) *engines.Session {
	t.Helper()
	s := engines.NewLake(t, still()...).On(t, engines.PyIceberg)
	s.Exec(t, prelude+"catalog = "+s.Catalog+"\n")
	return s
}

// TestPyIcebergWrites has PyIceberg create and change tables of formats 1 and 2.
func TestPyIcebergWrites(t *testing.T) {
	engines.Suite(t)
	s := python(t)
	s.Exec(t, `catalog.create_namespace(("w",))`)
	for _, format := range []int{1, 2} {
		name := fmt.Sprintf("lines_v%d", format)
		path := []string{"w", name}
		run := func(t *testing.T, code string) {
			t.Helper()
			s.Exec(t, fmt.Sprintf("name, format = %s, '%d'\n", s.Table(path...), format)+code)
		}
		s.Check(t, engines.Create, format, func(t *testing.T) {
			run(t, `
order = SortOrder(SortField(source_id=1, transform=IdentityTransform()))
table = catalog.create_table(name, layout, partition_spec=by_country, sort_order=order, properties={"format-version": format, "p": "v"})
assert table.format_version == int(format) and table.properties["p"] == "v" and table.sort_order().fields[0].source_id == 1
assert catalog.table_exists(name) and not catalog.table_exists(("w", "absent"))
refused(TableAlreadyExistsError, catalog.create_table, name, shape)
refused(NoSuchNamespaceError, catalog.create_table, ("absent", "t"), shape)
refused(NoSuchTableError, catalog.load_table, ("w", "absent"))`)
			holds(t, s, path)
		})
		s.Check(t, engines.Append, format, func(t *testing.T) {
			run(t, `
table.append(rows((1, "Norway", "1.100"), (2, None, "-2.000"), (3, "null", None)))
table.append(rows((4, "Norway", "4"), (5, "", "999999999999999.999")))`)
			holds(t, s, path, `1 | "Norway" | 1.100`, `2 | null | -2.000`, `3 | "null" | null`, `4 | "Norway" | 4.000`, `5 | "" | 999999999999999.999`)
			run(t, `
assert catalog.load_table(name).scan(row_filter="country is null").to_arrow()["id"].to_pylist() == [2]
assert catalog.load_table(name).scan(row_filter=EqualTo("country", "null")).to_arrow()["id"].to_pylist() == [3]`)
		})
		s.Check(t, engines.PartitionedWrites, format, func(t *testing.T) {
			run(t, fmt.Sprintf(`
odd = catalog.create_table(("w", "odd_v" + format), layout, partition_spec=by_country, properties={"format-version": format})
odd.append(rows(*((i, v, None) for i, v in enumerate(%s))))`, pythonList(oddValues)))
			got := agree(t, s, "w", fmt.Sprintf("odd_v%d", format))
			assert.Len(t, got.Values, len(oddValues)+1)
		})
		s.Check(t, engines.DeleteCopy, format, func(t *testing.T) {
			run(t, `table = catalog.load_table(name); table.delete("id = 1")
assert table.inspect.delete_files().num_rows == 0`)
			holds(t, s, path, `2 | null | -2.000`, `3 | "null" | null`, `4 | "Norway" | 4.000`, `5 | "" | 999999999999999.999`)
		})
		s.Check(t, engines.Overwrite, format, func(t *testing.T) {
			run(t, `table.overwrite(rows((50, "Peru", "5")), overwrite_filter="id >= 5")`)
			holds(t, s, path, `2 | null | -2.000`, `3 | "null" | null`, `4 | "Norway" | 4.000`, `50 | "Peru" | 5.000`)
			run(t, `table.dynamic_partition_overwrite(rows((20, None, "20"), (40, "Norway", "40")))`)
			holds(t, s, path, `20 | null | 20.000`, `3 | "null" | null`, `40 | "Norway" | 40.000`, `50 | "Peru" | 5.000`)
			run(t, `table.overwrite(rows((1, "a", "1"), (2, "b", "2")))`)
			holds(t, s, path, `1 | "a" | 1.000`, `2 | "b" | 2.000`)
		})
		s.Check(t, engines.Upsert, format, func(t *testing.T) {
			run(t, `
result = table.upsert(rows((2, "moved", "2.5"), (9, "new", None)), join_cols=["id"])
assert (result.rows_updated, result.rows_inserted) == (1, 1), result`)
			holds(t, s, path, `1 | "a" | 1.000`, `2 | "moved" | 2.500`, `9 | "new" | null`)
		})
		s.Check(t, engines.CreateAsSelect, format, func(t *testing.T) {
			run(t, `
staged = ("w", "staged_v" + format)
with catalog.create_table_transaction(staged, shape, properties={"format-version": format}) as tx:
    tx.append(table.scan(row_filter="id < 9").to_arrow())
    assert not catalog.table_exists(staged), "a staged table does not exist yet"
class Never(Exception): pass
def leave():
    with catalog.create_table_transaction(("w", "never"), shape) as tx:
        tx.append(rows((1, "a", "1")))
        raise Never
refused(Never, leave)
assert not catalog.table_exists(("w", "never"))`)
			holds(t, s, []string{"w", fmt.Sprintf("staged_v%d", format)}, `1 | "a" | 1.000`, `2 | "moved" | 2.500`)
		})
	}
	s.Exec(t, `three = catalog.create_table(("w", "three"), shape, properties={"format-version": "3"})
assert three.format_version == 3`)
	s.Cannot(t, engines.Append, 3, "PyIceberg 0.12 writes no table of format 3", "Cannot write manifest for table version: 3", func(ctx context.Context) error {
		return s.TryExec(ctx, `three.append(rows((1, "a", "1")))`)
	})
	s.Check(t, engines.Create, 3, func(t *testing.T) { holds(t, s, []string{"w", "three"}) })
}
