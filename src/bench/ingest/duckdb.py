"""Turns a CSV file into Parquet with DuckDB, for `weir bench ingest`.

Reads one JSON object on standard input: threads, rounds, source, target (paths).
Writes one on standard output: the version, and of the best round the seconds, the processor's seconds
and the rows; and the peak of memory of all in MiB.
"""

import json
import os
import resource
import sys
import time

import duckdb

job = json.load(sys.stdin)
connection = duckdb.connect(config={"threads": job["threads"]})
# It would go to standard output.
connection.execute("SET enable_progress_bar = false")
quoted = {key: job[key].replace("'", "''") for key in ("source", "target")}
best = None
for _ in range(job["rounds"]):
    if os.path.exists(job["target"]):
        os.remove(job["target"])
    begun, processor = time.perf_counter(), time.process_time()
    rows = connection.execute(
        f"COPY (SELECT * FROM read_csv('{quoted['source']}', nullstr = ['', 'NA'])) "
        f"TO '{quoted['target']}' (FORMAT parquet)"
    ).fetchone()[0]
    took = {"seconds": time.perf_counter() - begun, "processor": time.process_time() - processor, "rows": rows}
    if best is None or took["seconds"] < best["seconds"]:
        best = took
# In KiB, but in bytes on macOS.
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
json.dump({"version": duckdb.__version__, "peak": peak, **best}, sys.stdout)
