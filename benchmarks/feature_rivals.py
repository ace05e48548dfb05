"""The same features in DuckDB, Polars and pandas, and leadloop's own executor on Spark.

Each is written as one who knows the tool would: one lazy plan or one query, filters inside the aggregation, the join with the cutoffs
first, and use of the order of the files where the tool keeps it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.feature_set import benchmark_features
from benchmarks.feature_sql import batch_query
from data.domain import DAY, HOUR, SECOND
from features.spec import Feature

_COLUMNS = [
    "lead_id",
    "occurred_at",
    "received_at",
    "type",
    "channel",
    "campaign",
    "content",
    "direction",
    "value",
]
_COUNTED = ("count", "sum", "nunique", "decay", "diff")


def duckdb_engine(folder: Path, threads: int = 2) -> Callable[[], pa.Table]:
    import duckdb

    log = f"read_parquet('{folder}/touchpoints/*/*.parquet', hive_partitioning = false)"
    query = batch_query(benchmark_features(), log=log, rows=f"read_parquet('{folder}/rows.parquet')")

    def run() -> pa.Table:
        connection = duckdb.connect()
        connection.execute(f"SET threads = {threads}")
        return connection.sql(query).to_arrow_table()

    return run


def polars_engine(folder: Path) -> Callable[[], pa.Table]:
    import polars as pl

    from benchmarks.feature_polars import expressions

    def run() -> pa.Table:
        log = pl.scan_parquet(f"{folder}/touchpoints/*/*.parquet", hive_partitioning=False).select(_COLUMNS)
        rows = pl.scan_parquet(folder / "rows.parquet").select("lead_id", "cutoff")
        seen = (
            log.join(rows, on="lead_id", how="inner", maintain_order="left")
            .filter(pl.col("occurred_at") <= pl.col("cutoff"), pl.col("received_at") <= pl.col("cutoff"))
            .with_columns(age=pl.col("cutoff") - pl.col("occurred_at"))
        )
        made = seen.group_by("lead_id").agg(expressions(benchmark_features()))
        counted = [f.name for f in benchmark_features() if f.agg in _COUNTED]
        whole = (
            rows.select("lead_id")
            .join(made, on="lead_id", how="left")
            .with_columns(pl.col(counted).fill_null(0))
        )
        return whole.collect().to_arrow()

    return run


def pandas_engine(folder: Path) -> Callable[[], pa.Table]:
    import pandas as pd
    import pyarrow.parquet as pq

    def run() -> pa.Table:
        texts = ["lead_id", "type", "channel", "campaign", "content", "direction"]
        pieces = [
            pq.read_table(path, columns=_COLUMNS, read_dictionary=texts, partitioning=None)
            for path in sorted((folder / "touchpoints").glob("*/*.parquet"))
        ]
        log = pa.concat_tables(pieces).unify_dictionaries().to_pandas()
        rows = pq.read_table(folder / "rows.parquet", columns=["lead_id", "cutoff"]).to_pandas()
        place = pd.Series(np.arange(len(rows)), index=rows["lead_id"])
        log["lead"] = place.reindex(log["lead_id"].cat.categories).to_numpy()[log["lead_id"].cat.codes]
        cutoff = rows["cutoff"].to_numpy()[log["lead"]]
        log["age"] = cutoff - log["occurred_at"]
        seen = log[(log["age"] >= 0) & (log["received_at"] <= cutoff)]
        made = {f.name: _pandas_value(seen, f) for f in benchmark_features()}
        frame = pd.DataFrame(made, index=np.arange(len(rows)))
        counted = [f.name for f in benchmark_features() if f.agg in _COUNTED]
        frame[counted] = frame[counted].fillna(0)
        frame.insert(0, "lead_id", rows["lead_id"])
        return pa.Table.from_pandas(frame, preserve_index=False)

    return run


def _pandas_value(seen: Any, f: Feature) -> Any:
    chosen = seen
    for column, values in f.where:
        chosen = chosen[chosen[column].isin(values)]
    if f.window_days is not None:
        width = round(f.window_days * DAY)
        if f.agg == "diff":
            both = chosen[chosen["age"] < 2 * width].groupby("lead").size()
            return (2 * chosen[chosen["age"] < width].groupby("lead").size()).sub(both, fill_value=0)
        chosen = chosen[chosen["age"] < width]
    by_lead = chosen.groupby("lead")
    match f.agg:
        case "count":
            return by_lead.size()
        case "nunique":
            return chosen.drop_duplicates(["lead", f.column]).groupby("lead")[f.column].count()
        case "sum" | "mean" | "max":
            return by_lead["value"].agg(f.agg)
        case "recency":
            return by_lead["age"].min() / HOUR
        case "age":
            return by_lead["age"].max() / DAY
        case "gap_mean":
            n, span = by_lead.size(), by_lead["age"].max() - by_lead["age"].min()
            return (span / ((n - 1) * float(HOUR))).where(n > 1)
        case "gap_max":
            gap = chosen["age"].shift(1) - chosen["age"]
            return gap.where(chosen["lead"] == chosen["lead"].shift(1)).groupby(chosen["lead"]).max() / HOUR
        case "first" | "last":
            return by_lead.nth(0 if f.agg == "first" else -1).set_index("lead")[f.column].astype(object)
        case "decay":
            half_life = round(float(f.half_life_days or 0) * 86_400)
            weight = np.exp2(-(chosen["age"] // SECOND * 4096 // half_life) / 4096)
            return weight.groupby(chosen["lead"]).sum()
    raise AssertionError(f.agg)


def spark_engine(folder: Path, n_buckets: int = 16) -> Callable[[], pa.Table]:
    """leadloop's executor on local Spark; the session starts before the clock does."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.maxResultSize", "2g")
        .config("spark.sql.shuffle.partitions", str(n_buckets))
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000000")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")

    def run() -> pa.Table:
        import json

        from features.spark import spark_matrix

        levels = json.loads((folder / "levels.json").read_text())
        made = spark_matrix(
            session.read.parquet(str(folder / "touchpoints")), session.read.parquet(str(folder / "rows.parquet")),
            benchmark_features(), levels=levels, n_buckets=n_buckets,
        )  # fmt: skip
        return made.drop("cutoff").toArrow().replace_schema_metadata({"levels": json.dumps(levels)})

    return run


RIVALS = {"duckdb": duckdb_engine, "polars": polars_engine, "pandas": pandas_engine, "spark": spark_engine}
