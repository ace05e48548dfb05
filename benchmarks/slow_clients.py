"""Whether callers that send slowly hold up the others: 300 half-open connections and 300 slow bodies by default.

Run ``python -m benchmarks.slow_clients``. A real service answers scores at a steady rate, a third of what it can do when asked without a
pause, in turns alone and beside the crowd, which opens its connections at once, sends a byte a second on each, and comes back whenever one
is closed. A request's time is counted from when it was due, so one that waits behind another counts as slow. The crowd lives in a process
of its own. On SQLite unless LEADLOOP_STORE says otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_HEAD = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nX-Slow: "
_BODY = b'POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"title": "'
_DRIP_SECONDS = 1.0
_CONNECTIONS = 4


class Crowd:
    """Slow clients in a process of their own, while the block lasts; ``seen`` tells afterwards what became of them."""

    def __init__(self, port: int, *, n: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._stop = spawn.Event()
        self._told, tell = spawn.Pipe(duplex=False)
        self._process = spawn.Process(target=_crowd, args=(port, n, self._stop, tell), daemon=True)
        self.seen: dict[str, dict[str, float]] = {}

    def __enter__(self) -> Crowd:
        self._process.start()
        self._told.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.seen = self._told.recv()
        self._process.join()


def _crowd(port: int, n: int, stop: Any, tell: Any) -> None:
    asyncio.run(_stand_around(port, n, stop, tell))


async def _stand_around(port: int, n: int, stop: Any, tell: Any) -> None:
    held: dict[str, list[float]] = defaultdict(list)
    opened: dict[str, int] = defaultdict(int)
    told: dict[str, int] = defaultdict(int)

    async def one(kind: str, sent: bytes) -> None:
        while not stop.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(_DRIP_SECONDS)
                continue
            opened[kind] += 1
            since = time.monotonic()
            answer = b""
            with contextlib.suppress(OSError):
                writer.write(sent)
                closed = asyncio.ensure_future(reader.read())
                while not closed.done() and not stop.is_set():
                    await asyncio.wait([closed], timeout=_DRIP_SECONDS)
                    writer.write(b"x")
                if closed.done():
                    held[kind].append(time.monotonic() - since)
                    answer = closed.result()
                else:
                    closed.cancel()
            told[kind] += answer.startswith(b"HTTP/1.1 408 ")
            writer.close()

    slow = [asyncio.ensure_future(one(k, s)) for k, s in (("head", _HEAD), ("body", _BODY)) for _ in range(n)]
    while sum(opened.values()) < 2 * n:
        await asyncio.sleep(0.05)
    tell.send("all are there")
    while not stop.is_set():
        await asyncio.sleep(0.05)
    await asyncio.gather(*slow)
    tell.send(
        {
            kind: {
                "opened": opened[kind],
                "closed": len(held[kind]),
                "told_408": told[kind],
                "longest_seconds": round(max(held[kind], default=float("nan")), 1),
            }
            for kind in ("head", "body")
        }
    )


_LEADS = [
    json.dumps({"lead_id": f"L{i}", "title": "CTO", "employees": 9, "country": "de"}) for i in range(200)
]


def times_of_scores(port: int, *, seconds: float, rate: float, bodies: Sequence[str] = _LEADS) -> list[float]:
    """Milliseconds from when each score was due to its answer, on kept connections. Raises RuntimeError for another answer than 200."""
    found: list[float] = []
    wrong: list[int] = []
    start = time.perf_counter()

    def steady(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for i in range(int(seconds * rate / _CONNECTIONS)):
            due = start + (i + number / _CONNECTIONS) * _CONNECTIONS / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", "/v1/score", body=bodies[(i * _CONNECTIONS + number) % len(bodies)])
            answer = connection.getresponse()
            answer.read()
            found.append((time.perf_counter() - due) * 1_000)
            if answer.status != 200:
                wrong.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=steady, args=(number,)) for number in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong or len(found) < _CONNECTIONS * int(seconds * rate / _CONNECTIONS):
        raise RuntimeError(f"not every score was answered with 200: {wrong[:10]}")
    return found


def most_a_second(port: int, *, bodies: Sequence[str] = _LEADS) -> float:
    """Scores a second when all are due at once; the first hundred warm it up."""
    times_of_scores(port, seconds=1, rate=100, bodies=bodies)
    n = 400
    return 1_000 * n / max(times_of_scores(port, seconds=1e-3, rate=n * 1e3, bodies=bodies))


def main() -> None:
    """Print what was seen for people, and one JSON line."""
    from tests.serving.conftest import NOW, make_scorer
    from tests.serving.running import promote, register, serving

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--slow", type=int, default=300, help="half-open connections, and as many slow bodies"
    )
    parser.add_argument("--share", type=float, default=1 / 3, help="rate, as a share of the largest there is")
    parser.add_argument(
        "--seconds", type=float, default=35.0, help="length of a turn; bodies are closed after 30"
    )
    parser.add_argument("--turns", type=int, default=3, help="turns alone, and as many beside the crowd")
    chosen = parser.parse_args()
    quiet: list[float] = []
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        promote(home, register(home, make_scorer(), now=NOW))
        given = os.environ.get("LEADLOOP_STORE")
        with serving(home, **({"LEADLOOP_STORE": given} if given else {})) as server:
            rate = chosen.share * most_a_second(server.port)
            print(f"{rate:.0f} scores a second")
            for turn in range(chosen.turns):
                alone = times_of_scores(server.port, seconds=chosen.seconds, rate=rate)
                with Crowd(server.port, n=chosen.slow) as crowd:
                    crowded = times_of_scores(server.port, seconds=chosen.seconds, rate=rate)
                print(
                    f"turn {turn + 1}: ms p50, p99, worst alone {_told(alone)}, beside the crowd {_told(crowded)}"
                )
                for kind, what in crowd.seen.items():
                    print(f"  {kind}: {what}")
                quiet += alone
                beside += crowded
    p99_quiet, p99_slow = (float(np.percentile(times, 99)) for times in (quiet, beside))
    print(
        json.dumps(
            {
                "p99_quiet_ms": round(p99_quiet, 2),
                "p99_slow_ms": round(p99_slow, 2),
                "ratio": round(p99_slow / p99_quiet, 2),
            }
        )
    )


def _told(times: list[float]) -> str:
    return " / ".join(f"{v:.1f}" for v in (*np.percentile(times, [50, 99]), max(times)))


if __name__ == "__main__":
    main()
