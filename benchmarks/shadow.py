"""What a challenger in shadow costs the answers: ``make bench-shadow``.

Needs wrk (``apt-get install wrk``). Two services stand on copies of one store with the same champion, one of them with
LEADLOOP_SHADOW=challenger, and are loaded in turn, round after round: first as fast as 16 connections can, then at a steady rate, a share
of the largest that four connections get from the service without a shadow, where a request's time counts from when it was due. A ratio is
the median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.serve import Round, load
from benchmarks.serve_peers import Peer, make_home
from benchmarks.slow_clients import most_a_second, times_of_scores
from data.store import open_store
from tests.serving.running import Server, until
from training.learning.config import TrainConfig
from training.loop.retraining import retrain
from training.scorer.registry import Registry

_WITHOUT, _WITH = "champion alone", "challenger in shadow"
_METRIC = re.compile(r"^(leadloop_shadow_\w+_total)(?:{[^}]*})? ([\d.e+]+)$", re.MULTILINE)


def make_challenger(home: Path, champion: str, *, now: int) -> str:
    """A version of the same data and another seed, which stays the challenger whatever it is judged to be."""
    store = open_store(f"sqlite:///{home / 'leadloop.db'}")
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}", home=home)
    try:
        turn = retrain(store, registry, now=now, config=TrainConfig(candidates=("blend",)), seed=1)
    finally:
        store.close()
    if turn.promoted:
        registry.promote("qualified", champion)
    return turn.version.number


def service(home: Path, name: str, ids: Sequence[str], **environment: str) -> tuple[Server, Peer]:
    """A service with a home and a copy of the store of its own."""
    own = home / name.replace(" ", "-")
    own.mkdir()
    shutil.copy(home / "leadloop.db", own / "leadloop.db")
    server = Server(
        own,
        LEADLOOP_STORE=f"sqlite:///{own / 'leadloop.db'}",
        LEADLOOP_REGISTRY=f"sqlite:///{home / 'mlflow.db'}",
        LEADLOOP_POLL_SECONDS="30",
        **environment,
    )
    bodies = [json.dumps({"lead_id": i}) for i in ids]
    return server, Peer(name, server.url + "/v1/score", bodies, server.process, server.url + "/readyz")


def said_by(server: Server) -> dict[str, float]:
    """The service's counts of what it scored and dropped in shadow."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as response:
        found: dict[str, float] = {}
        for name, value in _METRIC.findall(response.read().decode()):
            found[name] = found.get(name, 0.0) + float(value)
    return found


def steady(server: Server, peer: Peer, *, seconds: float, rate: float) -> tuple[float, float]:
    """Median and 99th percentile of milliseconds from due to answered."""
    times = times_of_scores(server.port, seconds=seconds, rate=rate, bodies=peer.bodies)
    p50, p99 = np.percentile(times, (50, 99))
    return float(p50), float(p99)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and, last, one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=3_000, help="leads of the synthetic firm")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each load in each round")
    parser.add_argument("--share", type=float, default=1 / 3, help="steady rate, as a share of the largest")
    options = parser.parse_args(arguments)
    if shutil.which("wrk") is None:
        parser.error("needs wrk on the PATH: apt-get install wrk")
    now = time.time_ns() // 1_000
    full: dict[str, list[Round]] = {_WITHOUT: [], _WITH: []}
    calm: dict[str, list[tuple[float, float]]] = {_WITHOUT: [], _WITH: []}
    with tempfile.TemporaryDirectory(prefix="leadloop-shadow-") as work, ExitStack() as running:
        home = Path(work)
        print("making a firm, a champion and a challenger", file=sys.stderr)
        ids, champion = make_home(home, leads=options.leads, now=now)
        challenger = make_challenger(home, champion, now=now)
        services: dict[str, tuple[Server, Peer]] = {}
        for name, environment in ((_WITHOUT, {}), (_WITH, {"LEADLOOP_SHADOW": "challenger"})):
            services[name] = service(home, name, ids, **environment)
            running.callback(services[name][0].stop)
        for server, peer in services.values():
            server.wait_until_ready()
            load(peer, seconds=2, folder=home)
        shadowing = services[_WITH][0]
        until(lambda: challenger in str(_shadow_of(shadowing)), "no challenger scores in shadow")
        began = said_by(shadowing)
        alone, peer = services[_WITHOUT]
        rate = options.share * most_a_second(alone.port, bodies=peer.bodies)
        for number in range(options.rounds):
            for name, (_, peer) in services.items():
                full[name].append(load(peer, seconds=options.seconds, folder=home))
            for name, (server, peer) in services.items():
                calm[name].append(steady(server, peer, seconds=options.seconds, rate=rate))
            print(f"  round {number + 1} of {options.rounds}", file=sys.stderr)
        ended = said_by(shadowing)
    said = {name.removeprefix("leadloop_shadow_"): ended[name] - began.get(name, 0.0) for name in ended}
    print(f"\n16 connections as fast as they can, then {rate:,.0f} requests/s on four; medians\n")
    print(
        f"{'':24}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'CPU ms each':>13}{'p50 steady':>12}{'p99 steady':>12}"
    )
    for name, rounds in full.items():
        rps, p50, p99, cpu = (
            statistics.median(getattr(r, what) for r in rounds) for what in ("rps", "p50", "p99", "cpu_ms")
        )
        p50_calm, p99_calm = (statistics.median(turn[k] for turn in calm[name]) for k in (0, 1))
        print(f"{name:24}{rps:12,.0f}{p50:10.1f}{p99:10.1f}{cpu:13.2f}{p50_calm:12.2f}{p99_calm:12.2f}")
    print(f"\nin shadow: {said}")
    pairs = list(zip(full[_WITH], full[_WITHOUT], strict=True))
    calm_pairs = list(zip(calm[_WITH], calm[_WITHOUT], strict=True))
    print(
        json.dumps(
            {
                "rps_ratio": round(statistics.median(a.rps / b.rps for a, b in pairs), 3),
                "p99_ratio": round(statistics.median(a.p99 / b.p99 for a, b in pairs), 2),
                "steady_p50_ratio": round(statistics.median(a[0] / b[0] for a, b in calm_pairs), 2),
                "steady_p99_ratio": round(statistics.median(a[1] / b[1] for a, b in calm_pairs), 2),
                "dropped": said.get("dropped_total", 0.0),
            }
        )
    )
    return 0


def _shadow_of(server: Server) -> object:
    with urllib.request.urlopen(f"{server.url}/v1/model", timeout=10) as response:
        return json.loads(response.read()).get("shadow")


if __name__ == "__main__":
    sys.exit(main())
