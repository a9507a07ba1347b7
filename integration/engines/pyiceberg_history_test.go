package engines_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestPyIcebergHistory has PyIceberg read old snapshots, move refs, expire, and
// commit transactions and conflicts.
func TestPyIcebergHistory(t *testing.T) {
	engines.Suite(t)
	s := python(t)
	s.Exec(t, `catalog.create_namespace(("h",))`)
	for _, format := range []int{1, 2} {
		path := []string{"h", fmt.Sprintf("t_v%d", format)}
		run := func(t *testing.T, code string) {
			t.Helper()
			s.Exec(t, fmt.Sprintf("name, format = %s, '%d'\n", s.Table(path...), format)+code)
		}
		run(t, `
table = catalog.create_table(name, layout, partition_spec=by_country, properties={"format-version": format})
table.append(rows((1, "a", "1")))
table.append(rows((2, "b", "2")))
table.delete("id = 1")
def ids(**kwargs):
    return sorted(catalog.load_table(name).scan(**kwargs).to_arrow()["id"].to_pylist())`)
		s.Check(t, engines.TimeTravel, format, func(t *testing.T) {
			run(t, `
table = catalog.load_table(name)
first, second, third = [h.snapshot_id for h in table.history()]
assert (ids(snapshot_id=first), ids(snapshot_id=second), ids()) == ([1], [1, 2], [2])
when = table.history()[1].timestamp_ms
assert table.snapshot_as_of_timestamp(when).snapshot_id == second
assert table.snapshot_as_of_timestamp(when - 1).snapshot_id == first`)
			history := s.Query(t, `[str(h.snapshot_id) for h in table.history()]`)
			for i, want := range []string{`1`, `1,2`} {
				out, err := s.Lake.CLI(t.Context(), t, "sql", "-q", "-o", "csv", "-c",
					fmt.Sprintf("SELECT string_agg(id::VARCHAR, ',' ORDER BY id) AS ids FROM h.t_v%d AT (VERSION => %s)", format, strings.Trim(history.Cell(i, 0), `"`)))
				assert.NoError(t, err)
				assert.Contains(t, out, want)
			}
		})
		s.Check(t, engines.Branches, format, func(t *testing.T) {
			run(t, `
table.manage_snapshots().create_tag(first, "day one", max_ref_age_ms=10**12).create_branch(third, "trial/x", max_snapshot_age_ms=10**12, min_snapshots_to_keep=5).commit()
assert table.refs()["trial/x"].min_snapshots_to_keep == 5
table.append(rows((50, "p", None)), branch="trial/x")
table.delete("id = 2", branch="trial/x")
assert ids() == [2], "a branch does not move main"
table = catalog.load_table(name)
assert table.snapshot_by_name("day one").snapshot_id == first
assert ids(snapshot_id=table.snapshot_by_name("trial/x").snapshot_id) == [50]
assert table.scan().use_ref("day one").to_arrow()["id"].to_pylist() == [1]
assert set(table.refs()) == {"main", "day one", "trial/x"}`)
			holds(t, s, path, `2 | "b" | 2.000`)
			run(t, `
table.manage_snapshots().remove_tag("day one").remove_branch("trial/x").commit()
table.manage_snapshots().create_tag(second, "kept").rollback_to_snapshot(second).commit()
assert ids() == [1, 2]
table.manage_snapshots().set_current_snapshot(snapshot_id=third).commit()
assert ids() == [2] and set(catalog.load_table(name).refs()) == {"main", "kept"}`)
			holds(t, s, path, `2 | "b" | 2.000`)
		})
		s.Check(t, engines.Maintenance, format, func(t *testing.T) {
			run(t, `
table = catalog.load_table(name)
before = len(table.snapshots())
table.maintenance.expire_snapshots().by_id(first).commit()
table = catalog.load_table(name)
assert first not in [s.snapshot_id for s in table.snapshots()] and len(table.snapshots()) == before - 1
refused(ValueError, table.maintenance.expire_snapshots().by_id, second)
table.maintenance.expire_snapshots().older_than(datetime.datetime(2100, 1, 1)).commit()
table = catalog.load_table(name)
assert {s.snapshot_id for s in table.snapshots()} == {second, third}, "what refs hold stays"
assert ids(snapshot_id=second) == [1, 2]`)
			holds(t, s, path, `2 | "b" | 2.000`)
		})
		s.Check(t, engines.MetadataTables, format, func(t *testing.T) {
			run(t, `
table = catalog.load_table(name)
table.append(rows((3, "c", "3")))
counts = {kind: getattr(table.inspect, kind)().num_rows for kind in (
    "snapshots", "entries", "refs", "partitions", "manifests", "history", "files", "data_files", "delete_files", "all_manifests", "all_files")}
assert counts["snapshots"] == 3 and counts["refs"] == 2 and counts["files"] == counts["data_files"] == 2 and counts["partitions"] == 2, counts
assert counts["delete_files"] == 0 and counts["history"] >= 3 and counts["all_files"] == 3, counts
assert table.inspect.metadata_log_entries().num_rows >= 2
[b] = [f for f in table.inspect.files().to_pylist() if f["partition"]["country"] == "b"]
assert b["record_count"] == 1 and b["readable_metrics"]["id"]["upper_bound"] == 2, b`)
		})
		s.Check(t, engines.TableTransactions, format, func(t *testing.T) {
			run(t, `
with table.transaction() as tx:
    tx.set_properties({"a": "1", "b": "2"})
    with tx.update_schema() as u:
        u.add_column("extra", LongType())
    tx.append(pa.Table.from_pylist([{"id": 4, "country": "d", "extra": 4}], schema=table.schema().as_arrow().append(pa.field("extra", pa.int64()))))
    tx.remove_properties("a")
table = catalog.load_table(name)
assert table.properties.get("b") == "2" and "a" not in table.properties
class Never(Exception): pass
def leave():
    with table.transaction() as tx:
        tx.delete("id > 0")
        raise Never
refused(Never, leave)`)
			holds(t, s, path, `2 | "b" | 2.000 | null`, `3 | "c" | 3.000 | null`, `4 | "d" | null | 4`)
		})
		// Two writers of one head: what commutes is committed, what does not is
		// reported as a conflict, and nothing of it stays.
		s.Check(t, engines.Conflicts, format, func(t *testing.T) {
			run(t, `
one, two = catalog.load_table(name), catalog.load_table(name)
with one.update_schema() as u:
    u.add_column("raced", LongType())
def lose():
    with two.update_schema() as u:
        u.add_column("raced_too", LongType())
refused(CommitFailedException, lose)
assert "raced_too" not in [f.name for f in catalog.load_table(name).schema().fields]
one, two = catalog.load_table(name), catalog.load_table(name)
wide = one.schema().as_arrow()
one.append(pa.Table.from_pylist([{"id": 5}], schema=wide))
two.append(pa.Table.from_pylist([{"id": 6}], schema=wide))
one, two = catalog.load_table(name), catalog.load_table(name)
one.delete("id = 5")
refused(ValidationException, two.overwrite, pa.Table.from_pylist([{"id": 7}], schema=wide), overwrite_filter="id = 5")
with table.transaction() as tx:
    tx.set_properties({"commit.retry.num-retries": "0"})
one, two = catalog.load_table(name), catalog.load_table(name)
one.append(pa.Table.from_pylist([{"id": 8}], schema=wide))
refused(CommitFailedException, two.append, pa.Table.from_pylist([{"id": 9}], schema=wide))`)
			holds(
				t, s, path, `2 | "b" | 2.000 | null | null`, `3 | "c" | 3.000 | null | null`, `4 | "d" | null | 4 | null`, `6 | null | null | null | null`,
				`8 | null | null | null | null`,
			)
		})
	}
}
