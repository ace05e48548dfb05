"""Do the executors agree, and does leadloop give the same bits whichever way a row is computed?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feature_set import benchmark_features
from features.matrix import build_matrix
from features.spark import arrow_snapshots

WHOLE = ("count", "diff", "nunique")
_TOLERANCE = 1e-9


def disagreements(one: Path, other: Path) -> dict[str, str]:
    """Features in which two result files differ: whole numbers and levels at all, other numbers by more than 1e-9 of their size."""
    tables = [pq.read_table(path) for path in (one, other)]
    levels = [json.loads((t.schema.metadata or {}).get(b"levels", b"{}")) for t in tables]
    tables = [t.take(pa.compute.sort_indices(t["lead_id"])) for t in tables]
    if not tables[0]["lead_id"].cast(pa.string()).equals(tables[1]["lead_id"].cast(pa.string())):
        return {"lead_id": "not the same leads"}
    found = {}
    for f in benchmark_features():
        if f.is_category:
            texts = [_texts(t[f.name], own.get(f.name)) for t, own in zip(tables, levels, strict=True)]
            n = sum(a != b for a, b in zip(*texts, strict=True))
        else:
            a, b = (t[f.name].cast(pa.float64()).to_numpy() for t in tables)
            nothing = np.isnan(a) & np.isnan(b)
            near = (
                a == b if f.agg in WHOLE else np.abs(a - b) <= _TOLERANCE * np.maximum(np.abs(a), np.abs(b))
            )
            n = int((~(near | nothing)).sum())
        if n:
            found[f.name] = f"{n} rows"
    return found


def _texts(column: pa.ChunkedArray, levels: list[str] | None) -> list[str | None]:
    if levels is None:
        return column.cast(pa.string()).to_pylist()
    return [None if np.isnan(code) else levels[int(code)] for code in column.to_numpy()]


def bitwise_differences(folder: Path, bucketed: Path, spark: Path | None) -> dict[str, int]:
    """Cells that differ from the batch in memory: of the bucketed matrix, of each lead computed alone, and of Spark's."""
    features = benchmark_features()
    rows = pq.read_table(folder / "rows.parquet")
    log = pa.concat_tables(
        [
            pq.read_table(path, partitioning=None)
            for path in sorted((folder / "touchpoints").glob("*/*.parquet"))
        ]
    )
    snapshots = arrow_snapshots(rows, log)
    held = pq.read_table(bucketed)
    levels = {name: tuple(own) for name, own in json.loads(held.schema.metadata[b"levels"]).items()}
    batch = build_matrix(snapshots, features, levels=levels).X
    found = {"bucketed": _differing(batch, rows, held)}
    alone = np.vstack(
        [build_matrix(snapshots.take(np.array([i])), features, levels=levels).X for i in range(len(rows))]
    )
    found["one lead"] = int((alone.view(np.uint64) != batch.view(np.uint64)).sum())
    if spark is not None:
        found["spark"] = _differing(batch, rows, pq.read_table(spark))
    return found


def _differing(batch: np.ndarray, rows: pa.Table, other: pa.Table) -> int:
    place = {lead_id: i for i, lead_id in enumerate(other["lead_id"].to_pylist())}
    order = [place[lead_id] for lead_id in rows["lead_id"].to_pylist()]
    X = np.column_stack([other[f.name].to_numpy() for f in benchmark_features()])[order]
    return int((np.ascontiguousarray(X).view(np.uint64) != batch.view(np.uint64)).sum())
