"""One executor on one log, in a process of its own: ``python -m benchmarks.feature_engines NAME FOLDER RESULT``.

Prints wall and CPU seconds of the process up to the finished table, imports included, and its peak memory; keeps the table for the check
that all executors agree. Every executor reads the same lead-sorted Parquet files.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feature_set import benchmark_features
from data.ledger import TEXT_COLUMNS

_READ = ["lead_id", "occurred_at", "received_at", *TEXT_COLUMNS, "value"]


def cpu_seconds() -> float:
    """User and system time of this process so far, and of those below it, whether they still run (as Spark's do) or have ended."""
    total = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def peak_gb() -> float:
    """Peak memory of the largest of this process and its children, in GB of 10^9 bytes."""
    return (
        max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        * 1024
        / 1e9
    )


def leadloop_engine(folder: Path, processes: int = 1) -> Callable[[], pa.Table]:
    """The matrix bucket by bucket, in this process."""
    from features.bucketed import bucketed_matrix

    def run() -> pa.Table:
        wanted = pq.ParquetFile(folder / "rows.parquet").read()
        ids, cutoffs = wanted["lead_id"].to_pylist(), wanted["cutoff"].to_numpy()
        rows, matrix = bucketed_matrix(
            folder, benchmark_features(), given=(ids, cutoffs), processes=processes
        )
        return matrix_table(rows.lead_ids, matrix)

    return run


def matrix_table(lead_ids: Any, matrix: Any) -> pa.Table:
    """The matrix as a table, codes of categories as they are."""
    columns = {name: matrix.X[:, j] for j, name in enumerate(matrix.names)}
    made = pa.table({"lead_id": pa.array(lead_ids, pa.string()), **columns})
    return made.replace_schema_metadata({"levels": json.dumps(matrix.levels)})


def limit_engine(folder: Path) -> Callable[[], pa.Table]:
    """What any executor must do: read the columns, texts as dictionary codes, and look at each value once."""

    def run() -> pa.Table:
        total = 0.0
        for path in sorted((folder / "touchpoints").glob("*/*.parquet")):
            table = pq.ParquetFile(path, read_dictionary=["lead_id", *TEXT_COLUMNS]).read(_READ)
            for column in table.columns:
                for chunk in column.chunks:
                    values = chunk.indices if pa.types.is_dictionary(chunk.type) else chunk
                    total += float(np.nansum(values.to_numpy(zero_copy_only=False)))
        return pa.table({"total": [total]})

    return run


def engine(name: str) -> Callable[..., Callable[[], pa.Table]]:
    """What makes an executor ready to run on a folder; its imports happen there."""
    if name in ("leadloop", "limit"):
        return {"leadloop": leadloop_engine, "limit": limit_engine}[name]
    from benchmarks.feature_rivals import RIVALS

    return RIVALS[name]


def main() -> int:
    """Run one executor and print its figures as JSON."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    run = engine(name)(folder, *map(int, sys.argv[4:]))
    # A session of Spark is long-lived: its start is left out. All others count from the start of the process.
    began, used = (time.time(), cpu_seconds()) if name == "spark" else (psutil.Process().create_time(), 0.0)
    made = run()
    figures = {"wall": time.time() - began, "cpu": cpu_seconds() - used, "peak_gb": peak_gb()}
    if sys.argv[3] != "-":
        pq.write_table(made, sys.argv[3])
    print(json.dumps({k: round(v, 3) for k, v in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
