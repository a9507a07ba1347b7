"""DuckDB with its Iceberg extension, in one long-lived connection. Usage:
duck.py FOLDER."""

import sys

import duckdb

import parquet
import protocol

folder = sys.argv[1]


class DuckDB:
    def __init__(self):
        self.connection = duckdb.connect(config={"threads": 2, "memory_limit": "2GB", "temp_directory": folder})
        for name in ("httpfs", "avro", "iceberg"):
            self.connection.execute(f"LOAD '{parquet.extension(name)}'")
        self.connection.execute("SET TimeZone = 'UTC'")
        self.scope = {"con": self.connection}

    def version(self):
        return duckdb.__version__

    def execute(self, statement):
        self.connection.execute(statement)

    def query(self, statement):
        return self.connection.execute(statement).to_arrow_table()

    def parquet(self, **arguments):
        return parquet.rows(**arguments)

    def python(self, code):
        return protocol.run(code, self.scope)


protocol.serve(DuckDB())
