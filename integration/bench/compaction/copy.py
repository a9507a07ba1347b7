"""A plain COPY of DuckDB, in a process of its own. A JSON object on standard
input says what: paths, out, order, and the checks to answer of what was written.
Prints what it cost as JSON; the start of Python and the checks do not count."""

import json
import os
import sys
import time

import duckdb

job = json.load(sys.stdin)
connection = duckdb.connect(config={"threads": 2})


def peak():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024


order = f" ORDER BY {job['order']}" if job["order"] else ""
paths = ", ".join("'" + p.replace("'", "''") + "'" for p in job["paths"])
begin, before = time.perf_counter(), time.process_time()
connection.execute(f"COPY (SELECT * FROM read_parquet([{paths}]){order}) TO '{job['out']}' (FORMAT parquet, COMPRESSION zstd)")
wall, cpu, most = time.perf_counter() - begin, time.process_time() - before, peak()
checks = connection.execute(f"SELECT {job['checks']} FROM read_parquet('{job['out']}')").fetchone()
json.dump({
    "cpu_seconds": cpu, "wall_seconds": wall, "peak_bytes": most, "files": 1, "bytes": os.path.getsize(job["out"]),
    "checks": [str(c) for c in checks], "detail": duckdb.__version__,
}, sys.stdout)
