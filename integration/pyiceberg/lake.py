"""Drives a Firn catalog with the real PyIceberg. Prints one JSON line per step.

Usage: lake.py URI WAREHOUSE. Everything else PyIceberg has to learn from the
catalog itself: addresses and keys of the object store come with each table.
"""

import json
import sys

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import (
    DecimalType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

uri, warehouse = sys.argv[1:3]
catalog = load_catalog("firn", type="rest", uri=uri, warehouse=warehouse)
steps = []


def step(f):
    steps.append(f)
    return f


def refused(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error:
        return
    raise AssertionError(f"{call} was not refused with {error}")


SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "country", StringType(), required=False),
    NestedField(3, "amount", DecimalType(18, 3), required=False),
    NestedField(4, "at", TimestamptzType(), required=False),
)
ARROW = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("country", pa.string()),
        pa.field("amount", pa.decimal128(18, 3)),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


def rows(start, count):
    ids = range(start, start + count)
    countries = ["United Kingdom", "France", None, "null"]
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "country": pa.array([countries[i % 4] for i in ids], pa.string()),
            "amount": pa.array([f"{i}.125" for i in ids], pa.string()).cast(pa.decimal128(18, 3)),
            "at": pa.array([1_700_000_000_000_000 + i * 3_600_000_000 for i in ids], pa.int64()).cast(
                pa.timestamp("us", tz="UTC")
            ),
        },
        schema=ARROW,
    )


def load(name="lines"):
    return catalog.load_table(("py", name))


def ids(table, **kwargs):
    return sorted(table.scan(**kwargs).to_arrow()["id"].to_pylist())


@step
def namespaces():
    catalog.create_namespace(("py",), {"owner": "tests"})
    catalog.create_namespace(("py", "inner one"))
    refused(NamespaceAlreadyExistsError, catalog.create_namespace, ("py",))
    assert ("py",) in catalog.list_namespaces()
    assert catalog.list_namespaces(("py",)) == [("py", "inner one")]
    assert catalog.load_namespace_properties(("py",))["owner"] == "tests"
    summary = catalog.update_namespace_properties(("py",), removals={"owner", "absent"}, updates={"team": "a"})
    assert summary.removed == ["owner"] and summary.updated == ["team"] and summary.missing == ["absent"]
    refused(NoSuchNamespaceError, catalog.load_namespace_properties, ("absent",))
    refused(NamespaceNotEmptyError, catalog.drop_namespace, ("py",))
    catalog.drop_namespace(("py", "inner one"))


@step
def create():
    spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "country"))
    order = SortOrder(SortField(source_id=1, transform=IdentityTransform()))
    table = catalog.create_table(("py", "lines"), SCHEMA, partition_spec=spec, sort_order=order, properties={"p": "v"})
    assert table.location().startswith("s3://"), table.location()
    assert table.properties["p"] == "v"
    assert catalog.table_exists(("py", "lines")) and not catalog.table_exists(("py", "absent"))
    refused(TableAlreadyExistsError, catalog.create_table, ("py", "lines"), SCHEMA)
    refused(NoSuchNamespaceError, catalog.create_table, ("absent", "t"), SCHEMA)
    refused(NoSuchTableError, catalog.load_table, ("py", "absent"))


@step
def append_and_read():
    table = load()
    table.append(rows(0, 100))
    table.append(rows(100, 100))
    got = load().scan().to_arrow().sort_by("id")
    assert got.num_rows == 200
    assert got.cast(ARROW).equals(pa.concat_tables([rows(0, 100), rows(100, 100)]).combine_chunks()), "rows differ"
    nulls = load().scan(row_filter="country is null").to_arrow()
    texts = load().scan(row_filter=EqualTo("country", "null")).to_arrow()
    assert nulls.num_rows == 50 and texts.num_rows == 50, "NULL and the text null are two partitions"
    assert ids(load(), row_filter=GreaterThanOrEqual("id", 195)) == [195, 196, 197, 198, 199]


@step
def evolve_schema():
    table = load()
    with table.update_schema() as u:
        u.add_column("note", StringType(), doc="added later")
        u.add_column("tags", ListType(90, StringType(), element_required=False))
        u.add_column("place", StructType(NestedField(91, "lat", LongType(), required=False)))
    with table.update_schema() as u:
        u.rename_column("amount", "gross")
        u.delete_column("at")
        u.move_first("country")
    table = load()
    assert [f.name for f in table.schema().fields] == ["country", "id", "gross", "note", "tags", "place"]
    got = table.scan(row_filter="id < 3").to_arrow().sort_by("id")
    assert [str(v) for v in got["gross"].to_pylist()] == ["0.125", "1.125", "2.125"], "a rename keeps the values"
    assert got["note"].to_pylist() == [None] * 3
    table.append(
        pa.table(
            {
                "country": ["Norway"],
                "id": pa.array([1000], pa.int64()),
                "gross": pa.array(["7.500"]).cast(pa.decimal128(18, 3)),
                "note": ["new"],
                "tags": [["a", "b"]],
                "place": [{"lat": 60}],
            },
            schema=table.schema().as_arrow(),
        )
    )
    last = load().scan(row_filter="id = 1000").to_arrow().to_pylist()[0]
    assert last["note"] == "new" and last["tags"] == ["a", "b"] and last["place"] == {"lat": 60}


@step
def evolve_partitions():
    table = load()
    with table.update_spec() as u:
        u.add_field("id", BucketTransform(4), "id_bucket")
        u.remove_field("country")
    table = load()
    assert [f.name for f in table.spec().fields] == ["id_bucket"]
    more = rows(200, 40)
    table.append(
        pa.table(
            {
                "country": more["country"],
                "id": more["id"],
                "gross": more["amount"],
                "note": pa.nulls(40, pa.string()),
                "tags": pa.nulls(40, pa.large_list(pa.string())),
                "place": pa.nulls(40, pa.struct([("lat", pa.int64())])),
            }
        ).cast(table.schema().as_arrow())
    )
    assert load().scan().to_arrow().num_rows == 241
    assert {f["spec_id"] for f in load().inspect.files().to_pylist()} == {0, 1}


@step
def delete_and_overwrite():
    before = load().current_snapshot().snapshot_id
    load().delete("id >= 100 and id < 150")
    assert load().scan().to_arrow().num_rows == 191
    assert ids(load(), row_filter="id >= 100 and id < 150") == []
    assert load().scan(snapshot_id=before).to_arrow().num_rows == 241, "time travel sees the rows before the delete"
    table = load()
    table.overwrite(table.scan(row_filter="id < 2").to_arrow(), overwrite_filter="id < 4")
    assert ids(load(), row_filter="id < 5") == [0, 1, 4]


@step
def time_travel_branches_tags():
    table = load()
    first = table.history()[0].snapshot_id
    head = table.current_snapshot().snapshot_id
    assert table.scan(snapshot_id=first).to_arrow().num_rows == 100
    table.manage_snapshots().create_tag(first, "day-one").create_branch(head, "trial").commit()
    table = load()
    assert table.snapshot_by_name("day-one").snapshot_id == first
    # PyIceberg reads a ref through its snapshot id.
    assert table.scan(snapshot_id=table.snapshot_by_name("day-one").snapshot_id).to_arrow().num_rows == 100
    schema = table.schema().as_arrow()
    one = {"country": ["Peru"], "id": [5000], "gross": [None], "note": [None], "tags": [None], "place": [None]}
    table.append(pa.table(one, schema=schema), branch="trial")
    assert 5000 not in ids(load()), "a branch does not move main"
    trial = load().snapshot_by_name("trial").snapshot_id
    assert 5000 in ids(load(), snapshot_id=trial)
    load().manage_snapshots().remove_tag("day-one").remove_branch("trial").commit()
    assert "day-one" not in load().refs()


@step
def transactions():
    table = load()
    with table.transaction() as tx:
        tx.set_properties({"a": "1", "b": "2"})
        with tx.update_schema() as u:
            u.add_column("extra", LongType())
    assert load().properties["a"] == "1" and load().schema().find_field("extra")
    with load().transaction() as tx:
        tx.remove_properties("a")
    assert "a" not in load().properties

    # Two writers of one head: the second must be told, not swallowed.
    one, two = load(), load()
    with one.update_schema() as u:
        u.add_column("raced", LongType())

    def lose():
        with two.update_schema() as u:
            u.add_column("raced_too", LongType())

    refused(CommitFailedException, lose)
    assert "raced_too" not in [f.name for f in load().schema().fields]


@step
def staged_create():
    with catalog.create_table_transaction(("py", "staged"), SCHEMA) as tx:
        assert not catalog.table_exists(("py", "staged")), "a staged table does not exist yet"
        with tx.update_snapshot().fast_append() as snap:
            from pyiceberg.io.pyarrow import _dataframe_to_data_files

            for f in _dataframe_to_data_files(tx.table_metadata, rows(0, 10), tx._table.io):
                snap.append_data_file(f)
    assert ids(load("staged")) == list(range(10))
    days = PartitionSpec(PartitionField(4, 1000, DayTransform(), "at_day"))
    catalog.create_table(("py", "days"), SCHEMA, partition_spec=days)
    load("days").append(rows(0, 96))
    assert len(load("days").inspect.partitions().to_pylist()) == 5


@step
def rename_register_drop():
    assert sorted(n for _, n in catalog.list_tables(("py",))) == ["days", "lines", "staged"]
    catalog.rename_table(("py", "staged"), ("py", "a name/with % and ü"))
    odd = load("a name/with % and ü")
    assert ids(odd) == list(range(10))
    location = odd.metadata_location
    catalog.drop_table(("py", "a name/with % and ü"))
    refused(NoSuchTableError, load, "a name/with % and ü")
    catalog.register_table(("py", "back"), location)
    assert ids(load("back")) == list(range(10)), "a dropped table's files stay"
    catalog.purge_table(("py", "back"))
    catalog.drop_table(("py", "days"))
    refused(NoSuchTableError, catalog.drop_table, ("py", "days"))
    assert catalog.list_tables(("py",)) == [("py", "lines")]


for f in steps:
    f()
    print(json.dumps({"step": f.__name__}), flush=True)
print(json.dumps({"rows": load().scan().to_arrow().num_rows, "columns": [x.name for x in load().schema().fields]}))
