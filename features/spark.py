"""The same matrix on Spark: the one executor, called on each bucket of leads inside a Spark worker.

Spark only brings a bucket's touchpoints and rows together; what is computed, and in which order, is the numpy code of this package, so a
row has the same bits as on one machine. Workers need this project with numpy and pyarrow. Extra ``spark``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.accounts import Accounts, Spans, hashes
from data.columns import CODED, ledger_of
from data.errors import ConfigError
from data.ledger import TEXT_COLUMNS
from data.snapshots import Snapshots
from features.matrix import Levels, build_matrix
from features.spec import FeatureSet

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ROW_COLUMNS = ("lead_id", "cutoff")
_ROW_OPTIONS = ("created_at", "standing_id")
_TOUCHPOINT_COLUMNS = ("lead_id", "occurred_at", "type")
_LINK_COLUMNS = ("from_id", "lead_id", "known_at")
_IDS = ("source", "touchpoint_id")


def spark_matrix(
    touchpoints: DataFrame,
    rows: DataFrame,
    features: FeatureSet,
    *,
    levels: Levels,
    links: DataFrame | None = None,
    accounts: Spans | None = None,
    n_buckets: int = 200,
) -> DataFrame:
    """Features of each row, as a Spark table with ``lead_id``, ``cutoff`` and one double column for each feature.

    Parameters
    ----------
    touchpoints : any table Spark reads, e.g. ``spark.read.parquet("var/snapshot/touchpoints")``: ``lead_id``, ``occurred_at``, ``type``,
        and what is known of ``source``, ``touchpoint_id``, ``received_at`` (by default when it occurred) and the other touchpoint
        columns. Instants are whole microseconds since 1970 UTC; (source, touchpoint_id) must be unique, and orders touchpoints of one
        instant. Other columns are left aside.
    rows : ``lead_id``, ``cutoff`` (microseconds), ``created_at`` where a feature needs it, and profile fields as of the cutoff, text or
        number. Leads without touchpoints are rows too. For rows of leads that had been merged away, ``standing_id`` may name the lead they
        had been merged into by the cutoff, which is then not counted as another lead of their company.
    levels : the levels of every category, e.g. of the scorer; codes are those of ``build_matrix``.
    links : which ids belong to which, ``from_id``, ``lead_id`` (a row for every owner, not only the nearest) and ``known_at``, as
        ``leadloop snapshot`` writes them: ``spark.read.parquet("var/snapshot/links")``. Touchpoints of ``from_id`` then count for
        ``lead_id`` too, as received when that was known. None: a touchpoint counts for its own ``lead_id`` alone, as where a store has no
        links or the table tells inherited touchpoints already. Profile fields and which leads are merged away are the affair of ``rows``.
    accounts : which leads are of which account when, e.g. ``features.bucketed.bucketed_spans("var/snapshot")``, for features about other
        leads of the same company: 32 bytes for each lead, sent to every worker. None: those features are not known.
    n_buckets : groups of leads, each worked on as a whole: its touchpoints must fit a worker's memory.

    Raises
    ------
    ConfigError
        If a column is missing or an instant is no whole number.
    """
    from pyspark.sql import functions as sql
    from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

    _check(touchpoints, "touchpoints", _TOUCHPOINT_COLUMNS, ("occurred_at", "received_at"))
    _check(rows, "rows", _ROW_COLUMNS, ("cutoff", "created_at"))
    missing = [f.name for f in features if f.is_category and f.name not in levels]
    if missing:
        raise ConfigError(f"levels lack {', '.join(missing)}; pass those of the scorer")
    known = [
        c
        for c in (*_TOUCHPOINT_COLUMNS, *_IDS, "received_at", *TEXT_COLUMNS, "value")
        if c in touchpoints.columns
    ]
    wanted = [
        "lead_id",
        "cutoff",
        *(name for name in _ROW_OPTIONS if name in rows.columns),
        *_fields(rows, features),
    ]
    told = touchpoints.select(*dict.fromkeys(known))
    if links is not None:
        _check(links, "links", _LINK_COLUMNS, ("known_at",))
        told = _with_inherited(told, links)
    bucket = sql.pmod(sql.xxhash64("lead_id"), sql.lit(n_buckets)).alias("bucket")
    schema = StructType(
        [StructField("lead_id", StringType()), StructField("cutoff", LongType())]
        + [StructField(name, DoubleType()) for name in features.names]
    )
    grouped = rows.select(bucket, *wanted).groupBy("bucket")
    return grouped.cogroup(told.select(bucket, *told.columns).groupBy("bucket")).applyInArrow(
        bucket_function(features, levels, accounts=accounts), schema
    )


def _with_inherited(touchpoints: DataFrame, links: DataFrame) -> DataFrame:
    from pyspark.sql import functions as sql

    received = [sql.col(name) for name in ("received_at", "occurred_at") if name in touchpoints.columns]
    own = touchpoints.withColumn("received_at", sql.coalesce(*received))
    owners = links.select("from_id", sql.col("lead_id").alias("owner"), "known_at")
    inherited = (
        own.join(owners, own["lead_id"] == owners["from_id"])
        .withColumn("lead_id", sql.col("owner"))
        .withColumn("received_at", sql.greatest("received_at", "known_at"))
    )
    return own.unionByName(inherited.select(*own.columns))


def bucket_function(
    features: FeatureSet, levels: Levels, *, accounts: Spans | None = None
) -> Callable[[pa.Table, pa.Table], pa.Table]:
    """From the rows and touchpoints of one bucket of leads to its features, in Arrow; what each Spark worker runs."""
    levels = {name: tuple(own) for name, own in levels.items()}

    def compute(rows: pa.Table, touchpoints: pa.Table) -> pa.Table:
        matrix = build_matrix(arrow_snapshots(rows, touchpoints, accounts=accounts), features, levels=levels)
        columns = {"lead_id": rows["lead_id"].cast(pa.string()), "cutoff": rows["cutoff"]}
        return pa.table({**columns, **{name: matrix.X[:, j] for j, name in enumerate(features.names)}})

    return compute


def arrow_snapshots(rows: pa.Table, touchpoints: pa.Table, *, accounts: Spans | None = None) -> Snapshots:
    """Snapshots from tables as ``spark_matrix`` describes them, one for each row, in that order."""
    ids = rows["lead_id"].cast(pa.string()).combine_chunks()
    leads = ids.unique()
    place = pc.index_in(ids, value_set=leads).to_numpy()
    ledger, start, stop = ledger_of(_coded_touchpoints(touchpoints), leads.to_pylist())
    cutoffs = rows["cutoff"].to_numpy().astype(np.int64)
    standing = ids
    if "standing_id" in rows.column_names:
        standing = pc.coalesce(rows["standing_id"].cast(pa.string()), rows["lead_id"].cast(pa.string()))
    others = [name for name in rows.column_names if name not in (*_ROW_COLUMNS, *_ROW_OPTIONS, "bucket")]
    return Snapshots(
        lead_ids=tuple(ids.to_pylist()),
        cutoffs=cutoffs,
        created_at=rows["created_at"].to_numpy().astype(np.int64)
        if "created_at" in rows.column_names
        else cutoffs,
        fields={name: np.array(rows[name].to_pylist(), dtype=object) for name in others},
        ledger=ledger,
        start=start[place],
        stop=stop[place],
        accounts=None if accounts is None else Accounts(accounts, hashes(standing.to_pylist())),
    )


def _coded_touchpoints(table: pa.Table) -> pa.Table:
    n = len(table)
    columns: dict[str, Any] = {}
    for name in ("lead_id", "source", *TEXT_COLUMNS):
        texts = table[name].cast(pa.string()) if name in table.column_names else pa.nulls(n, pa.string())
        columns[name] = pc.dictionary_encode(texts).cast(CODED)
    columns["occurred_at"] = table["occurred_at"]
    received = table["received_at"] if "received_at" in table.column_names else pa.nulls(n, pa.int64())
    columns["received_at"] = pc.coalesce(received, table["occurred_at"])
    columns["touchpoint_id"] = (
        table["touchpoint_id"] if "touchpoint_id" in table.column_names else pa.nulls(n, pa.string())
    )
    columns["value"] = (
        table["value"].cast(pa.float64()) if "value" in table.column_names else pa.nulls(n, pa.float64())
    )
    return pa.table(columns).unify_dictionaries()


def _check(table: DataFrame, what: str, needed: tuple[str, ...], instants: tuple[str, ...]) -> None:
    lacking = [name for name in needed if name not in table.columns]
    if lacking:
        raise ConfigError(f"{what} lacks {', '.join(lacking)}; it has {', '.join(table.columns)}")
    for name, kind in table.dtypes:
        if name in instants and kind not in ("bigint", "int"):
            raise ConfigError(
                f"{what}.{name} must be whole microseconds since 1970 UTC, not {kind}; for a timestamp: unix_micros({name})"
            )


def _fields(rows: DataFrame, features: FeatureSet) -> list[str]:
    return sorted(name for name in rows.columns if name in features.fields)
