"""Seconds a lead in Featuretools, for the features it can express too: ``python -m benchmarks.feature_featuretools FOLDER``.

Reads ``few-rows.parquet`` and ``few-touchpoints.parquet``; prints seconds, leads and features as JSON.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd

from benchmarks.feature_set import SHARED_TYPES

_PRIMITIVES = ["count", "sum", "mean", "max", "num_unique", "time_since_last", "time_since_first"]


def main() -> int:
    """Compute both windows and print what it took."""
    warnings.filterwarnings("ignore")
    import featuretools as ft

    folder = Path(sys.argv[1])
    rows = pd.read_parquet(folder / "few-rows.parquet")
    log = pd.read_parquet(folder / "few-touchpoints.parquet")
    # One clock only: what was received late is left out beforehand, which spares Featuretools the second comparison.
    log = log.merge(rows[["lead_id", "cutoff"]], on="lead_id")
    log = log[log["received_at"] <= log["cutoff"]].drop(columns=["cutoff", "received_at"])
    log["occurred_at"] = pd.to_datetime(log["occurred_at"], unit="us")
    log["number"] = range(len(log))
    cutoffs = pd.DataFrame({"lead_id": rows["lead_id"], "time": pd.to_datetime(rows["cutoff"], unit="us")})
    started = time.perf_counter()
    entities = ft.EntitySet("leads")
    entities.add_dataframe(rows[["lead_id"]], dataframe_name="leads", index="lead_id")
    entities.add_dataframe(log, dataframe_name="touchpoints", index="number", time_index="occurred_at")
    entities.add_relationship("leads", "lead_id", "touchpoints", "lead_id")
    entities.add_interesting_values(dataframe_name="touchpoints", values={"type": list(SHARED_TYPES)})
    n_features = 0
    for window in (None, "30 days"):
        matrix, definitions = ft.dfs(
            entityset=entities, target_dataframe_name="leads", cutoff_time=cutoffs, training_window=window,
            agg_primitives=_PRIMITIVES, trans_primitives=[], where_primitives=["count"], max_depth=1, n_jobs=1,
            include_cutoff_time=True,
        )  # fmt: skip
        n_features += len(definitions)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": round(seconds, 3), "leads": len(matrix), "features": n_features}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
