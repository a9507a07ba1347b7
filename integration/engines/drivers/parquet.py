"""A table's rows computed without any Iceberg library: the manifests are read
as Avro, the data files as Parquet by field id, the deletes taken off by hand."""

import pathlib
import shutil
import struct

import duckdb
import pyarrow as pa
from pyroaring import BitMap64

TYPES = {
    "boolean": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
    "time": "TIME", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "timestamp_ns": "TIMESTAMP_NS",
    "string": "VARCHAR", "uuid": "UUID", "binary": "BLOB",
}  # fmt: skip


def extension(name):
    """The file of an extension's wheel."""
    module = __import__("duckdb_extension_" + name)
    [file] = pathlib.Path(list(module.__path__)[0]).rglob(name + ".duckdb_extension")
    return str(file)


def install():
    """Puts the wheels' extensions where INSTALL looks for them first."""
    platform = duckdb.sql("PRAGMA platform").fetchone()[0]
    folder = pathlib.Path.home() / ".duckdb" / "extensions" / ("v" + duckdb.__version__) / platform
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("httpfs", "avro", "iceberg"):
        shutil.copy(extension(name), folder)


def duck_type(kind):
    if isinstance(kind, dict):
        match kind["type"]:
            case "list":
                return duck_type(kind["element"]) + "[]"
            case "map":
                return f"MAP({duck_type(kind['key'])}, {duck_type(kind['value'])})"
            case "struct":
                fields = ", ".join(f"{quoted(f['name'])} {duck_type(f['type'])}" for f in kind["fields"])
                return f"STRUCT({fields})"
    if kind.startswith("decimal"):
        return kind
    return "BLOB" if kind.startswith("fixed") else TYPES[kind]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def default(field):
    """The value of a column in files that lack it."""
    value = field.get("initial-default")
    return "NULL::VARCHAR" if value is None else literal(str(value))


def files(connection, metadata, snapshot):
    """The live entries of a snapshot's manifests."""
    [head] = [s for s in metadata.get("snapshots", []) if s["snapshot-id"] == snapshot]
    manifests = connection.execute(f"SELECT manifest_path FROM read_avro({literal(head['manifest-list'])})").fetchall()
    for (manifest,) in manifests:
        cursor = connection.execute(f"SELECT status, data_file FROM read_avro({literal(manifest)})")
        for status, file in cursor.fetchall():
            if status != 2:
                yield file


def vector(connection, file):
    """The positions of a deletion vector, from its blob in a Puffin file."""
    [(blob,)] = connection.execute(f"SELECT content FROM read_blob({literal(file['file_path'])})").fetchall()
    start, size = file["content_offset"], file["content_size_in_bytes"]
    blob = bytes(blob[start : start + size])
    length, magic = struct.unpack(">I4s", blob[:8])
    assert magic == b"\xd1\xd3\x39\x64" and length == size - 8, "no deletion vector"
    return BitMap64.deserialize(blob[8:-4])


def deleted(connection, entries):
    """What is deleted, as a table of path and position."""
    parts = [pa.table({"path": pa.array([], pa.string()), "pos": pa.array([], pa.int64())})]
    for file in entries:
        if file.get("content", 0) == 2:
            raise ValueError("equality deletes are not computed here")
        if file["file_format"].upper() == "PUFFIN":
            positions = list(vector(connection, file))
            parts.append(pa.table({"path": [file["referenced_data_file"]] * len(positions), "pos": pa.array(positions, pa.int64())}))
        elif file.get("content") == 1:
            sql = f"SELECT file_path AS path, pos FROM read_parquet({literal(file['file_path'])})"
            parts.append(connection.execute(sql).to_arrow_table().cast(parts[0].schema))
    return pa.concat_tables(parts)


def rows(metadata, snapshot, endpoint, region, key, secret):
    """All rows of a snapshot (the current one when it is 0)."""
    schema = next(s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"])
    names = [quoted(f["name"]) for f in schema["fields"]]
    snapshot = snapshot or metadata.get("current-snapshot-id")
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "2GB"})
    for name in ("httpfs", "avro"):
        connection.execute(f"LOAD '{extension(name)}'")
    connection.execute("SET TimeZone = 'UTC'")
    host, tls = endpoint.split("://")[1], str(endpoint.startswith("https")).lower()
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID {literal(key)}, SECRET {literal(secret)}, REGION {literal(region)}, "
        f"ENDPOINT {literal(host)}, URL_STYLE 'path', USE_SSL {tls})"
    )
    entries = list(files(connection, metadata, snapshot)) if snapshot not in (None, -1) else []
    data = [literal(f["file_path"]) for f in entries if not f.get("content")]
    if not data:
        empty = ", ".join(f"NULL::{duck_type(f['type'])} AS {quoted(f['name'])}" for f in schema["fields"])
        return connection.execute(f"SELECT {empty} WHERE false").to_arrow_table()
    connection.register("deleted_rows", deleted(connection, entries))
    connection.execute("CREATE TEMP TABLE deleted AS SELECT DISTINCT path, pos FROM deleted_rows")
    fields = ", ".join(
        f"{f['id']}: {{name: {literal(f['name'])}, type: {literal(duck_type(f['type']))}, default_value: {default(f)}}}" for f in schema["fields"]
    )
    return connection.execute(
        f"SELECT {', '.join(names)} FROM read_parquet([{', '.join(data)}], schema = MAP {{{fields}}}, filename = true, file_row_number = true) t "
        "WHERE NOT EXISTS (SELECT 1 FROM deleted d WHERE d.path = t.filename AND d.pos = t.file_row_number)"
    ).to_arrow_table()
