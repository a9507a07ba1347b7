"""PyIceberg and polars: statements are Python. Usage: iceberg.py pyiceberg|polars.

Catalogs stand in the scope under their names, beside `pa`, `pl` and
`load_catalog`; the last expression of a query is its result."""

import sys

import polars as pl
import pyarrow as pa
import pyiceberg
from pyiceberg.catalog import load_catalog

import protocol

reader = sys.argv[1]


class Iceberg:
    def __init__(self):
        self.scope = {"pa": pa, "pl": pl, "load_catalog": load_catalog}

    def version(self):
        return pl.__version__ if reader == "polars" else pyiceberg.__version__

    def attach(self, catalog, properties):
        self.scope[catalog] = load_catalog(catalog, **properties)

    def execute(self, statement):
        protocol.run(statement, self.scope)

    def query(self, statement):
        return protocol.run(statement, self.scope)

    def read(self, catalog, namespace, table):
        table = self.scope[catalog].load_table((*namespace, table))
        if reader == "polars":
            # polars does not look into the table for these; no key is typed.
            return pl.scan_iceberg(table, storage_options=table.io.properties)
        return table.scan().to_arrow()

    def python(self, code):
        return protocol.run(code, self.scope)


protocol.serve(Iceberg())
