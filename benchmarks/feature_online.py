"""How long it takes from an inline request, a list of dicts, to its matrix: ``python -m benchmarks.feature_online NAME``.

Requests rotate, so that no call sees the one before. Times are in milliseconds; the collector of garbage runs as it always does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.feature_set import benchmark_features
from data.domain import DAY

NOW = 1_780_000_000_000_000
CASES = ((1, 0), (1, 20), (1, 200), (1, 2_000), (32, 20))
_TYPES = ("page_view", "email_open", "email", "pricing_view", "email_click", "form_submit", "webinar", "call")
_N_REQUESTS = 40
Request = Sequence[dict[str, Any]]


def requests(n_leads: int, n_touchpoints: int, *, seed: int = 0) -> list[Request]:
    """Different requests of one size: leads with their touchpoints, in no order."""
    rng = np.random.default_rng((seed, n_leads, n_touchpoints))
    return [[_lead(rng, f"r{i}-{k}", n_touchpoints) for k in range(n_leads)] for i in range(_N_REQUESTS)]


def _lead(rng: np.random.Generator, lead_id: str, n: int) -> dict[str, Any]:
    return {
        "lead_id": lead_id,
        "touchpoints": [
            {
                "touchpoint_id": f"{lead_id}-{i}",
                "occurred_at": NOW - int(rng.integers(0, 90 * DAY)),
                "type": _TYPES[rng.integers(8)],
                "channel": ("paid_search", "direct", "email", None)[rng.integers(4)],
                "campaign": f"campaign {rng.integers(20)}",
                "content": f"/pages/{rng.integers(50)}",
                "direction": ("inbound", "outbound")[rng.integers(2)],
                "value": None if rng.random() < 0.7 else float(rng.lognormal(3, 1)),
            }
            for i in range(n)
        ],
    }


def leadloop_call() -> Callable[[Request], Any]:
    from data.domain import Touchpoint
    from data.inline import inline_snapshots
    from data.snapshots import LeadHistory
    from features.matrix import build_matrix
    from features.one_lead import OneLead

    features = benchmark_features()
    some = inline_snapshots([lead for request in requests(1, 200) for lead in request], cutoff=NOW)
    levels = build_matrix(some, features).levels
    one_lead = OneLead(features, levels)

    def call(request: Request) -> Any:
        if len(request) == 1:  # as the service does
            [lead] = request
            told = [Touchpoint(lead_id=lead["lead_id"], **t) for t in lead["touchpoints"]]
            return one_lead.matrix(LeadHistory(lead["lead_id"], NOW, (), told), NOW).X
        return build_matrix(inline_snapshots(request, cutoff=NOW), features, levels=levels).X

    return call


_NAMES = ("type", "channel", "campaign", "content", "direction", "value")


def _columns(request: Request) -> dict[str, list[Any]]:
    """The request's touchpoints in columns, by lead and time."""
    rows = [(k, NOW - t["occurred_at"], t) for k, lead in enumerate(request) for t in lead["touchpoints"]]
    rows.sort(key=lambda row: (row[0], -row[1]))
    return {
        "lead_id": [row[0] for row in rows],
        "age": [row[1] for row in rows],
        **{name: [row[2].get(name) for row in rows] for name in _NAMES},
    }


def duckdb_call() -> Callable[[Request], Any]:
    """One prepared query; its columns come as list parameters."""
    import duckdb

    from benchmarks.feature_sql import online_query

    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    types = {"lead_id": "BIGINT", "age": "BIGINT", **dict.fromkeys(_NAMES, "VARCHAR"), "value": "DOUBLE"}
    unnested = ", ".join(
        f"unnest(${i}::{kind}[]) AS {name}" for i, (name, kind) in enumerate(types.items(), 1)
    )
    query = online_query(benchmark_features(), seen=f"SELECT {unnested}", n_leads=f"${len(types) + 1}")
    statement = connection.extract_statements(query)[0]

    def call(request: Request) -> Any:
        return connection.execute(statement, [*_columns(request).values(), len(request)]).fetchall()

    return call


def polars_call() -> Callable[[Request], Any]:
    import polars as pl

    from benchmarks.feature_polars import expressions

    schema = {"lead_id": pl.Int64, "age": pl.Int64, **dict.fromkeys(_NAMES, pl.String), "value": pl.Float64}
    wanted = expressions(benchmark_features())

    def call(request: Request) -> Any:
        made = pl.DataFrame(_columns(request), schema=schema).group_by("lead_id").agg(wanted)
        if len(made) == len(request):
            return made
        return pl.DataFrame({"lead_id": range(len(request))}, schema={"lead_id": pl.Int64}).join(
            made, on="lead_id", how="left"
        )

    return call


CALLS = {"leadloop": leadloop_call, "duckdb": duckdb_call, "polars": polars_call}


def main() -> int:
    """Print p50 and p99 of every case as JSON."""
    call = CALLS[sys.argv[1]]()
    n_calls = int(sys.argv[2])
    found = {}
    for n_leads, n_touchpoints in CASES:
        prepared = requests(n_leads, n_touchpoints)
        for request in prepared[:10]:
            call(request)
        times = []
        for i in range(n_calls):
            request = prepared[i % _N_REQUESTS]
            started = time.perf_counter()
            call(request)
            times.append(1_000 * (time.perf_counter() - started))
        found[f"{n_leads} x {n_touchpoints}"] = [
            round(float(np.percentile(times, q)), 3) for q in (50, 99, 10)
        ]
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
