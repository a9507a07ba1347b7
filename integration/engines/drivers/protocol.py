"""What every driver of an engine shares: requests as JSON lines on file 3,
answers on file 4, results as Arrow files. Standard output is free for engines
that talk."""

import ast
import json
import os
import traceback

import pyarrow as pa


def as_arrow(value):
    """Makes an Arrow table of what a statement answered."""
    if hasattr(value, "collect") and not isinstance(value, pa.Table):
        value = value.collect()
    if hasattr(value, "to_arrow"):
        value = value.to_arrow()
    if isinstance(value, pa.RecordBatchReader):
        value = value.read_all()
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return pa.Table.from_pylist(value)
    if isinstance(value, (list, tuple)):
        return pa.table({"value": list(value)})
    return pa.table({"value": [value]})


def run(code, scope):
    """Executes Python and answers the value of its last expression, or of the
    variable `result`."""
    tree = ast.parse(code)
    scope.pop("result", None)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, "<statement>", "exec"), scope)
    if last is not None:
        return eval(compile(last, "<statement>", "eval"), scope)
    return scope.get("result")


def where(fault, request):
    """The line of the statement at which Python failed."""
    code = str(request.get("statement") or request.get("code") or "").splitlines()
    lines = [f.lineno for f in traceback.extract_tb(fault.__traceback__) if f.filename == "<statement>"]
    return f"\nat: {code[lines[-1] - 1].strip()}" if lines and lines[-1] <= len(code) else ""


def serve(engine):
    """Answers requests until their file ends. The operations are the methods
    of engine; one that has `into` writes its Arrow table there."""
    requests, answers = os.fdopen(3, "r"), os.fdopen(4, "w")
    for line in requests:
        request = json.loads(line)
        into = request.pop("into", None)
        try:
            value = getattr(engine, request.pop("op"))(**request)
            answer = {"value": value}
            if into:
                table = as_arrow(value)
                with pa.OSFile(into, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
                    writer.write_table(table)
                answer = {}
        except BaseException as fault:
            traceback.print_exc()
            answer = {"error": f"{type(fault).__name__}: {fault}{where(fault, request)}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
