"""On Spark the same bits: a few thousand leads against the local matrix. Skips where Spark or Java is missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.asof import snapshots_at
from data.buckets.build import build_buckets
from data.buckets.source import StoreSource
from data.domain import DAY, Lead, Link, Touchpoint
from data.errors import ConfigError
from data.store import open_store
from features.bucketed import bucketed_spans
from features.catalog import default_features
from features.matrix import build_matrix
from features.spark import arrow_snapshots, bucket_function, spark_matrix
from features.spec import FeatureSet
from tests.features.test_executor import EVERYTHING

FEATURES = FeatureSet((*default_features(), *(f for f in EVERYTHING if not f.name.endswith(("14", "e-05")))))
NOON = 1_772_971_200_000_000
_ROOT = Path(__file__).parents[2]


def invented(n_leads: int, *, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Rows and touchpoints: tied, late, in the future, with nulls, and leads without any."""
    rng = np.random.default_rng(seed)
    m = 12 * n_leads
    occurred = NOON - rng.integers(-3 * DAY, 40 * DAY, m) // DAY * DAY
    texts = {
        "lead_id": [f"l{k}" for k in rng.integers(0, n_leads, m)],
        "source": [("web", "crm")[k] for k in rng.integers(0, 2, m)],
        "touchpoint_id": [f"t{k}" for k in rng.permutation(m)],
        "type": [("page_view", "pricing_view", "email_click", "webinar")[k] for k in rng.integers(0, 4, m)],
        "channel": [(None, "paid_search", "\u6771\u4eac")[k] for k in rng.integers(0, 3, m)],
        "content": [f"/{k}" for k in rng.integers(0, 40, m)],
        "direction": [("inbound", "outbound", None)[k] for k in rng.integers(0, 3, m)],
    }
    touchpoints = pa.table(
        {
            **texts,
            "occurred_at": occurred,
            "received_at": occurred + rng.choice([0, 0, 0, 2 * DAY], m),
            "value": pa.array([None if k == 0 else float(v) for k, v in zip(rng.integers(0, 3, m), rng.lognormal(0, 9, m), strict=True)]),
        }
    )  # fmt: skip
    leads = rng.permutation(int(1.1 * n_leads))
    rows = pa.table(
        {
            "lead_id": [f"l{k}" for k in leads],
            "cutoff": NOON - rng.integers(0, 5, len(leads)) * DAY,
            "created_at": np.full(len(leads), NOON - 60 * DAY),
            "title": [("CEO", "Head of Sales", None)[k] for k in rng.integers(0, 3, len(leads))],
            "employees": pa.array(rng.choice([5.0, 300.0], len(leads))),
        }
    )
    return rows, touchpoints


def test_a_bucket_s_function_gives_the_rows_of_the_whole():
    rows, touchpoints = invented(300)
    whole = build_matrix(arrow_snapshots(rows, touchpoints), FEATURES)
    compute = bucket_function(FEATURES, whole.levels)
    some = rows.take(pa.array([7, 1, 250]))
    found = compute(some, touchpoints)
    assert found["lead_id"].to_pylist() == some["lead_id"].to_pylist()
    for j, name in enumerate(FEATURES.names):
        assert found[name].to_numpy().tobytes() == whole.X[[7, 1, 250], j].tobytes(), name


def test_levels_from_json_do_for_a_bucket_of_one_row():
    """Lists cannot be looked up as the levels of a lead alone."""
    rows, touchpoints = invented(20)
    whole = build_matrix(arrow_snapshots(rows, touchpoints), FEATURES)
    found = bucket_function(FEATURES, {k: list(v) for k, v in whole.levels.items()})(
        rows.slice(3, 1), touchpoints
    )
    assert [found[name].to_numpy().tobytes() for name in FEATURES.names] == [x.tobytes() for x in whole.X[3]]


def test_an_order_of_touchpoints_and_absent_columns_do_not_matter():
    rows, touchpoints = invented(50)
    whole = build_matrix(arrow_snapshots(rows, touchpoints), FEATURES)
    turned = touchpoints.take(pa.array(np.arange(len(touchpoints))[::-1]))
    assert build_matrix(arrow_snapshots(rows, turned), FEATURES).X.tobytes() == whole.X.tobytes()
    bare = build_matrix(
        arrow_snapshots(rows.select(["lead_id", "cutoff"]), touchpoints.select(["lead_id", "occurred_at", "type"])),
        FEATURES, levels=whole.levels,
    )  # fmt: skip
    assert np.isnan(bare.X[:, FEATURES.names.index("last_channel")]).all()


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed; install the 'spark' extra")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("Spark needs Java 17 or later, and there is no java on the PATH")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, [before])])
    session = (
        sql.SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()
    os.environ["PYTHONPATH"] = before


@pytest.mark.slow
def test_spark_gives_the_same_bits(spark, tmp_path: Path):
    rows, touchpoints = invented(3_000)
    local = build_matrix(arrow_snapshots(rows, touchpoints), FEATURES)
    for name, table in (("rows", rows), ("touchpoints", touchpoints)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    found = spark_matrix(
        spark.read.parquet(str(tmp_path / "touchpoints.parquet")), spark.read.parquet(str(tmp_path / "rows.parquet")),
        FEATURES, levels=local.levels, n_buckets=8,
    ).toArrow()  # fmt: skip
    place = {lead_id: i for i, lead_id in enumerate(found["lead_id"].to_pylist())}
    order = [place[lead_id] for lead_id in rows["lead_id"].to_pylist()]
    assert len(found) == len(rows)
    for j, name in enumerate(FEATURES.names):
        assert found[name].to_numpy()[order].tobytes() == local.X[:, j].tobytes(), name


@pytest.mark.slow
def test_a_timestamp_is_refused_with_what_to_write(spark):
    rows = spark.createDataFrame([("ada", 1)], "lead_id string, cutoff bigint")
    log = spark.sql("SELECT 'ada' AS lead_id, timestamp '2026-03-07' AS occurred_at, 'call' AS type")
    with pytest.raises(ConfigError, match=r"unix_micros\(occurred_at\)"):
        spark_matrix(log, rows, FEATURES, levels={})
    with pytest.raises(ConfigError, match="touchpoints lacks type"):
        spark_matrix(log.drop("type"), rows, FEATURES, levels={})


@pytest.mark.slow
def test_spark_counts_what_belongs_to_a_lead_through_links(spark, tmp_path: Path):
    """From a folder of ``leadloop snapshot``: late, chained and merged, and the leads beside it: the bits of the store."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    leads = [f"l{k}" for k in range(6)]
    store.add_leads(
        [Lead(i, NOON - 60 * DAY, {"company": "Acme"}, as_exported=True) for i in leads], now=NOON
    )
    rng = np.random.default_rng(0)
    ids = [*leads, "cookie", "phone"]
    store.add_touchpoints(
        [
            Touchpoint(f"t{k}", ids[k % 8], NOON - int(rng.integers(0, 40)) * DAY, ("page_view", "email_click")[k % 2])
            for k in range(200)
        ],
        now=NOON,
    )  # fmt: skip
    store.add_links(
        [
            Link("1", "cookie", "l0", NOON - 20 * DAY),
            Link("2", "phone", "cookie", NOON - 30 * DAY, received_at=NOON - 5 * DAY),
            Link("3", "l1", "l2", NOON - 9 * DAY),
            Link("4", "l3", "l4", NOON - 9 * DAY, received_at=NOON + DAY),
        ],
        now=NOON + DAY,
    )
    build_buckets(StoreSource(store.url), tmp_path / "out", n_buckets=3)
    local = build_matrix(snapshots_at(store, leads, cutoff=NOON), FEATURES)
    rows = spark.createDataFrame(
        [(i, NOON, NOON - 60 * DAY, "Acme", "l2" if i == "l1" else None) for i in leads],
        "lead_id string, cutoff long, created_at long, company string, standing_id string",
    )
    found = spark_matrix(
        spark.read.parquet(str(tmp_path / "out/touchpoints")), rows, FEATURES,
        levels=local.levels, links=spark.read.parquet(str(tmp_path / "out/links")), accounts=bucketed_spans(tmp_path / "out"),
        n_buckets=2,
    ).toArrow()  # fmt: skip
    order = np.argsort(found["lead_id"].to_pylist())
    for j, name in enumerate(FEATURES.names):
        assert found[name].to_numpy()[order].tobytes() == local.X[:, j].tobytes(), name
    store.close()
