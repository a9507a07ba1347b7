"""Plans lookups with PyIceberg and answers what each opens: files and bytes."""
import json
import sys

from pyiceberg.catalog import load_catalog
from pyiceberg.expressions import And, EqualTo

uri, table, partition, column_values = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.load(sys.stdin)
t = load_catalog("firn", type="rest", uri=uri).load_table(table)
out = {}
for column, values in column_values.items():
    files = size = 0
    for value in values:
        tasks = list(t.scan(row_filter=And(EqualTo(partition["field"], partition["value"]), EqualTo(column, value))).plan_files())
        files += sum(1 + len(task.delete_files) for task in tasks)
        size += sum(task.file.file_size_in_bytes for task in tasks)
    out[column] = {"files": files / len(values), "bytes": size / len(values)}
json.dump(out, sys.stdout)
