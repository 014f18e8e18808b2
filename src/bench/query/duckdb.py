"""Runs SQL over Parquet files in DuckDB, for `weir bench query`.

Reads one JSON object on standard input: threads, rounds, tables (path by name), queries (SQL by name).
Writes one on standard output: the version, and for each query the best time in seconds and the rows.
"""

import json
import sys
import time

import duckdb

job = json.load(sys.stdin)
connection = duckdb.connect(config={"threads": job["threads"]})
# It would go to standard output.
connection.execute("SET enable_progress_bar = false")
for name, path in job["tables"].items():
    quoted = path.replace("'", "''")
    connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{quoted}')")
seconds, rows = {}, {}
for name, sql in job["queries"].items():
    best = None
    for _ in range(job["rounds"]):
        begun = time.perf_counter()
        rows[name] = len(connection.execute(sql).fetchall())
        took = time.perf_counter() - begun
        best = took if best is None else min(best, took)
    seconds[name] = best
json.dump({"version": duckdb.__version__, "seconds": seconds, "rows": rows}, sys.stdout)
