"""The service under load beside an empty BentoML endpoint and the usual ways to serve a model: ``make bench-serve``.

Needs wrk (``apt-get install wrk``). All servers run at once, one worker each, and are loaded in turn, round after round, so that whatever
else the machine does meets all of them. A ratio is the median over the rounds. The generator shares the machine with the servers.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serve_peers import N_TOUCHPOINTS, Peer, make_home, profile, start_peers, touchpoints
from data.domain import format_instant
from serving.answers import json_bytes
from serving.garbage import settle_garbage
from serving.live import Served
from serving.messages import read_score
from serving.scored import Seen, answers_of
from serving.scoring import joined
from training.scorer.artifact import load_scorer_folder
from training.scorer.registry import Registry

_CONNECTIONS = 16
_N_BULK = 10_000
_LUA = """
local bodies = {%s}
local i = 0
request = function()
  i = i %% #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[i])
end
"""
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of load: requests a second, milliseconds, and milliseconds of processor time a request."""

    rps: float
    p50: float
    p99: float
    cpu_ms: float


def load(peer: Peer, *, seconds: float, folder: Path) -> Round:
    """wrk for so long. Raises RuntimeError when an answer is no success."""
    script = folder / "load.lua"
    script.write_text(_LUA % ", ".join(f"[==[{body}]==]" for body in peer.bodies))
    before = peer.cpu_seconds()
    said = subprocess.run(
        ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "10s", "--latency", "-s", str(script), peer.url],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    spent = peer.cpu_seconds() - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{peer.name} refused requests:\n{said}")
    rps = _found(r"Requests/sec:\s+([\d.]+)", said)
    n_requests = max(1, int(_found(r"(\d+) requests in", said)[0]))
    p50, p99 = (_milliseconds(*_found(rf"{q}%\s+([\d.]+)(us|ms|s)\b", said)) for q in (50, 99))
    return Round(float(rps[0]), p50, p99, 1_000 * spent / n_requests)


def _found(pattern: str, text: str) -> tuple[str, ...]:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"wrk says nothing like {pattern}:\n{text}")
    return found.groups()


def _milliseconds(number: str, unit: str) -> float:
    return float(number) * _UNITS[unit]


def in_process_ms(home: Path, version: str, *, now: int, calls: int) -> tuple[float, float]:
    """Milliseconds from a request's dict, 20 touchpoints inline, to its answer with five reasons as JSON: median and lowest tenth.

    In a process of its own that collects garbage as a worker does: this one still holds a whole training.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(_in_process_ms, home, version, now=now, calls=calls).result()


def _in_process_ms(home: Path, version: str, *, now: int, calls: int) -> tuple[float, float]:
    folder = Registry(f"sqlite:///{home / 'mlflow.db'}", home=home).fetch(
        "qualified", version, into=home / "fetched"
    )
    served = Served(load_scorer_folder(folder), version)
    fields = served.scorer.features.fields
    bodies = [inline_lead(i, N_TOUCHPOINTS, now=now) for i in range(40)]

    def answer(body: dict[str, Any]) -> bytes:
        message = read_score(body, fields=fields, now=now)
        seen = Seen(message, joined(None, message, now=now), is_stored=False)
        [made], _ = answers_of([seen], served, now)
        return json_bytes(made)

    answer(bodies[0])
    settle_garbage()
    times = []
    for k in range(calls):
        started = time.perf_counter()
        answer(bodies[k % len(bodies)])
        times.append(time.perf_counter() - started)
    median, tenth = 1_000 * np.quantile(times[calls // 10 :], (0.5, 0.1))
    return float(median), float(tenth)


def inline_lead(i: int, n_touchpoints: int, *, now: int) -> dict[str, Any]:
    """A request that says everything itself."""
    told = [
        {
            name: value
            for name, value in {**t, "occurred_at": format_instant(t["occurred_at"])}.items()
            if value
        }
        for t in touchpoints(i, n_touchpoints, now=now)
    ]
    return {"lead_id": f"inline-{i}", **profile(i), "touchpoints": told, "store": False}


def bulk_rates(peer: Peer, *, now: int, times: int) -> dict[str, tuple[float, float]]:
    """Leads a second of wall time and of processor time (the best of some requests in turn), without and with reasons.

    10,000 leads with a profile and two touchpoints each, which are not kept; their scores are logged.
    """
    body = json.dumps({"leads": [inline_lead(i, 2, now=now) for i in range(_N_BULK)]}).encode()
    wall: dict[str, list[float]] = {"without reasons": [], "with reasons": []}
    cpu: dict[str, list[float]] = {name: [] for name in wall}
    for _ in range(times):
        for name, query in zip(wall, ("?reasons=0", ""), strict=True):
            asked = urllib.request.Request(
                peer.url + "/bulk" + query, data=body, headers={"Content-Type": "application/json"}
            )
            began, started = peer.cpu_seconds(), time.perf_counter()
            with urllib.request.urlopen(asked, timeout=120) as response:
                answer = json.loads(response.read())
            wall[name].append(_N_BULK / (time.perf_counter() - started))
            cpu[name].append(_N_BULK / (peer.cpu_seconds() - began))
            if answer["scored"] != _N_BULK:
                raise RuntimeError(f"only {answer['scored']} of {_N_BULK} leads were scored")
    return {name: (max(wall[name]), max(cpu[name])) for name in wall}


def compare(peers: Sequence[Peer], *, rounds: int, seconds: float, folder: Path) -> dict[str, list[Round]]:
    """Every server in turn, round after round; a first turn to warm up does not count."""
    found: dict[str, list[Round]] = {peer.name: [] for peer in peers}
    for peer in peers:
        load(peer, seconds=2, folder=folder)
    for number in range(rounds):
        for peer in peers:
            found[peer.name].append(load(peer, seconds=seconds, folder=folder))
        print(f"  round {number + 1} of {rounds}", file=sys.stderr)
    return found


def ratio(found: dict[str, list[Round]], ours: str, theirs: str, what: str) -> float:
    """Median over the rounds of ours to theirs."""
    pairs = zip(found[ours], found[theirs], strict=True)
    return round(statistics.median(getattr(a, what) / getattr(b, what) for a, b in pairs), 3)


def show(peers: Sequence[Peer], found: dict[str, list[Round]]) -> None:
    print(
        f"\n{_CONNECTIONS} connections, one worker each; medians of {len(next(iter(found.values())))} rounds in turn\n"
    )
    print(f"{'':24}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'CPU ms each':>13}{'RSS MB':>9}")
    for peer in peers:
        own = found[peer.name]
        numbers = [
            statistics.median(getattr(r, what) for r in own) for what in ("rps", "p50", "p99", "cpu_ms")
        ]
        rps, p50, p99, cpu = numbers
        print(f"{peer.name:24}{rps:12,.0f}{p50:10.1f}{p99:10.1f}{cpu:13.2f}{peer.memory_mb():9,.0f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and, last, one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=6_000, help="leads of the synthetic firm")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load on each server in each round")
    parser.add_argument("--calls", type=int, default=2_000, help="of the scoring in process")
    options = parser.parse_args(arguments)
    if shutil.which("wrk") is None:
        parser.error("needs wrk on the PATH: apt-get install wrk")
    now = time.time_ns() // 1_000
    with tempfile.TemporaryDirectory(prefix="leadloop-serve-") as work:
        home = Path(work)
        print("making a firm and a model", file=sys.stderr)
        ids, version = make_home(home, leads=options.leads, now=now)
        inside, quick = in_process_ms(home, version, now=now, calls=options.calls)
        peers = start_peers(home, ids)
        try:
            found = compare(peers, rounds=options.rounds, seconds=options.seconds, folder=home)
            show(peers, found)
            bulk = bulk_rates(peers[0], now=now, times=8)
        finally:
            for peer in peers:
                peer.stop()
    print(
        f"\nrequest to answer with reasons, in process: {inside:.2f} ms, a tenth of the calls below {quick:.2f}"
    )
    for name, (wall, cpu) in bulk.items():
        print(f"bulk of 10,000 {name}: {wall:,.0f} leads/s, {cpu:,.0f} a second of processor time")
    ours, without = "leadloop", "leadloop, no reasons"
    print(
        json.dumps(
            {
                "rps_vs_empty_bento": ratio(found, ours, "empty BentoML", "rps"),
                "rps_vs_empty_bento_no_reasons": ratio(found, without, "empty BentoML", "rps"),
                "p99_vs_empty_bento": ratio(found, ours, "empty BentoML", "p99"),
                "rps_vs_mlflow_serve": ratio(found, ours, "mlflow models serve", "rps"),
                "rps_vs_fastapi_pandas": ratio(found, ours, "FastAPI + pipeline", "rps"),
                "in_process_ms": round(inside, 3),
                "bulk_leads_per_s": round(bulk["without reasons"][1]),
                "bulk_reasons_leads_per_s": round(bulk["with reasons"][1]),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
