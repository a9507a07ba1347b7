"""Reads the demo's lake through its REST catalog with PyIceberg and compares it
with the published file, by pyarrow alone: nothing of Firn, and no SQL engine.

Usage: readback.py URI SOURCE. Prints a line for each table that is equal.
Prices are whole tenths of a penny here, so that no sum is rounded.
"""

import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.catalog import load_catalog

catalog = load_catalog("firn", type="rest", uri=sys.argv[1])
COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
source = pq.read_table(sys.argv[2], columns=COLUMNS)
source = source.append_column("row_no", pa.array(range(source.num_rows), pa.int64()))


def read(name, **kwargs):
    return catalog.load_table(name).scan(**kwargs).to_arrow()


def same(what, got, want):
    assert got == want, f"{what}: {got}, expected {want}"


def as_type(column, kind):
    return column.cast(kind).combine_chunks()


def milli(column):
    """Decimals with three places as whole numbers."""
    return pa.array([None if v is None else int(v.scaleb(3)) for v in column.to_pylist()], pa.int64())


# Bronze: every column of every row as it was published, and who sent it.
bronze = read("bronze.invoice_lines_raw").sort_by("row_no")
same("bronze rows", bronze.num_rows, source.num_rows)
for name in [*COLUMNS, "row_no"]:
    kind = pa.large_string() if pa.types.is_string(source[name].type) or pa.types.is_large_string(source[name].type) else source[name].type
    if pa.types.is_timestamp(kind):
        kind = pa.timestamp("us")
    assert as_type(bronze[name], kind).equals(as_type(source[name], kind)), f"bronze column {name} differs from the file"
assert as_type(bronze["contributor"], pa.large_string()).equals(as_type(source["Country"], pa.large_string())), "contributors"
france = read("bronze.invoice_lines_raw", row_filter="contributor == 'France'", selected_fields=("row_no",))
same("rows of one partition", sorted(france["row_no"].to_pylist()), source.filter(pc.equal(source["Country"], "France"))["row_no"].to_pylist())
print("bronze", bronze.num_rows)

# What the rules make of the file.
price = pc.cast(pc.round(pc.multiply(source["UnitPrice"], 1000.0)), pa.int64())
assert pc.all(pc.equal(pc.divide(pc.cast(price, pa.float64()), 1000.0), source["UnitPrice"])).as_py(), "a price has more than three places"
source = source.append_column("price", price).append_column("amount", pc.multiply(price, source["Quantity"]))
rejected = pc.or_(pc.less_equal(source["price"], 0), pc.or_(pc.equal(source["Quantity"], 0), pc.starts_with(source["InvoiceNo"], "A")))
lines = source.filter(pc.invert(rejected)).group_by([*COLUMNS, "price", "amount"], use_threads=False).aggregate([("row_no", "max")])

silver = read("silver.invoice_lines")
same("silver rows", silver.num_rows, lines.num_rows)
same("silver's published row numbers", sorted(silver["_order_row_no"].to_pylist()), sorted(lines["row_no_max"].to_pylist()))
same("silver sum of amount", int(pc.sum(silver["amount"]).as_py().scaleb(3)), pc.sum(lines["amount"]).as_py())
same("silver sum of price", int(pc.sum(silver["unit_price"]).as_py().scaleb(3)), pc.sum(lines["price"]).as_py())
same("silver sum of quantity", pc.sum(silver["quantity"]).as_py(), pc.sum(lines["Quantity"]).as_py())
same("silver sum of customers", pc.sum(silver["customer_id"]).as_py(), int(pc.sum(lines["CustomerID"]).as_py()))
same("silver cancellations", pc.sum(silver["is_cancellation"]).as_py(), pc.sum(pc.starts_with(lines["InvoiceNo"], "C")).as_py())
for name, column in [("description", "Description"), ("customer_id", "CustomerID"), ("country", "Country"), ("stock_code", "StockCode")]:
    same(f"silver nulls of {name}", silver[name].null_count, lines[column].null_count)
    same(f"silver distinct {name}", pc.count_distinct(silver[name]).as_py(), pc.count_distinct(lines[column]).as_py())
same("silver times", [v.as_py() for v in pc.min_max(silver["invoice_ts"]).values()], [v.as_py() for v in pc.min_max(lines["InvoiceDate"]).values()])
print("silver", silver.num_rows)

quarantine = read("silver.invoice_lines__quarantine")
same("rows in quarantine", sorted(map(int, quarantine["_source_row_id"].to_pylist())), source.filter(rejected)["row_no"].to_pylist())
adjustments = [r for r, why in zip(quarantine["_source_row_id"].to_pylist(), quarantine["_reasons"].to_pylist()) if "not_an_adjustment" in why]
same("adjustments", sorted(map(int, adjustments)), source.filter(pc.starts_with(source["InvoiceNo"], "A"))["row_no"].to_pylist())
print("quarantine", quarantine.num_rows)

# Gold, row for row.
cancelled = pc.starts_with(lines["InvoiceNo"], "C")
zero = pa.scalar(0, pa.int64())
lines = (
    lines.append_column("day", pc.cast(pc.floor_temporal(lines["InvoiceDate"], unit="day"), pa.date32()))
    .append_column("sold_invoice", pc.if_else(cancelled, pa.scalar(None, lines["InvoiceNo"].type), lines["InvoiceNo"]))
    .append_column("units", pc.if_else(cancelled, zero, lines["Quantity"]))
    .append_column("gross", pc.if_else(cancelled, zero, lines["amount"]))
    .append_column("returned", pc.if_else(cancelled, lines["amount"], zero))
)
want = lines.group_by(["day", "Country"]).aggregate(
    [("sold_invoice", "count_distinct"), ("InvoiceNo", "count"), ("units", "sum"), ("gross", "sum"), ("returned", "sum"), ("amount", "sum")]
)
got = read("gold.daily_sales_by_country")
columns = [got["business_date"], got["country"], got["invoices"], got["lines"], got["units_sold"], milli(got["gross_gbp"]), milli(got["cancelled_gbp"]), milli(got["net_gbp"])]
same("daily sales", sorted(zip(*(c.to_pylist() for c in columns))), sorted(zip(*(want[c].to_pylist() for c in want.column_names))))
print("gold.daily_sales_by_country", got.num_rows)

known = lines.filter(pc.is_valid(lines["CustomerID"]))
want = known.group_by(["CustomerID"]).aggregate([("sold_invoice", "count_distinct"), ("InvoiceDate", "min"), ("InvoiceDate", "max"), ("amount", "sum")])
got = read("gold.customer_value")
columns = [got["customer_id"], got["invoices"], got["first_invoice_ts"], got["last_invoice_ts"], milli(got["net_gbp"])]
wanted = [pc.cast(want["CustomerID"], pa.int64()), *(want[c] for c in want.column_names[1:])]
same("customer value", sorted(zip(*(c.to_pylist() for c in columns))), sorted(zip(*(c.to_pylist() for c in wanted))))
print("gold.customer_value", got.num_rows)
