"""The requests of a soak, at a given rate, and what is seen of their answers as they come."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

from data.domain import format_instant

# Kinds of requests: of a hundred.
SHARES = {"held": 50, "inline": 30, "touchpoint": 12, "outcome": 8}
INLINE = [{"employees": 7 * n + 1, "country": "de", "title": "CTO", "store": False} for n in range(40)]
CONNECTIONS = 48
# Touchpoints and outcomes are about leads that come and go, so that histories do not grow all the while: so many of each.
_MESSAGES_A_LEAD = 20
_SHARE_OF_NEW = 0.2
_PATIENCE_SECONDS = 30.0


@dataclass
class Seen:
    """What the answers said."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    scores: dict[str, tuple[str, float]] = field(default_factory=dict)
    touchpoints: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    skipped: int = 0


class Load:
    """Requests at a given rate, checked as their answers come."""

    def __init__(
        self,
        url: str,
        seen: Seen,
        *,
        lead_ids: list[str],
        good: tuple[str, ...],
        inline: dict[str, list[float]],
    ) -> None:
        self._url = url
        self._seen = seen
        self._lead_ids = lead_ids
        self._good = good
        self._inline = inline
        self._random = np.random.default_rng(11)
        self._kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
        self._n = 0
        self._new: deque[str] = deque(maxlen=500)

    async def fastest(self, seconds: float) -> float:
        """Requests a second that the service answers when as many are asked as it can take."""
        async with self._session() as session:
            end = time.monotonic() + seconds
            counts = [0] * 24

            async def ask(slot: int) -> None:
                while time.monotonic() < end:
                    await self._one(session)
                    counts[slot] += 1

            await asyncio.gather(*(ask(slot) for slot in range(len(counts))))
        return sum(counts) / seconds

    async def meet(self, times: int) -> None:
        """Ask for every lead so often, 24 at once, so that every worker has met nearly all of them."""
        async with self._session() as session:
            waiting = iter(self._lead_ids * times)

            async def ask() -> None:
                for lead_id in waiting:
                    async with session.post(self._url + "/v1/score", json={"lead_id": lead_id}) as response:
                        await response.read()
                        response.raise_for_status()

            await asyncio.gather(*(ask() for _ in range(24)))

    async def run(self, rate: float, seconds: float, *, connections: int = CONNECTIONS) -> None:
        """Ask ``rate`` times a second, whether answers come or not; what has no connection waits here."""
        async with self._session(connections) as session:
            waiting: set[asyncio.Task[None]] = set()
            began = time.monotonic()
            for n in range(round(rate * seconds)):
                if (pause := began + n / rate - time.monotonic()) > 0:
                    await asyncio.sleep(pause)
                if len(waiting) > 2_000:
                    self._seen.skipped += 1
                    continue
                task = asyncio.create_task(self._one(session))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
            await asyncio.gather(*waiting)

    def _session(self, connections: int = CONNECTIONS) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(total=_PATIENCE_SECONDS),
        )

    async def _one(self, session: aiohttp.ClientSession) -> None:
        self._n += 1
        kind = self._kinds[int(self._random.integers(len(self._kinds)))]
        told = (
            f"soak-lead-{self._n // (_MESSAGES_A_LEAD * 100 // (SHARES['touchpoint'] + SHARES['outcome']))}"
        )
        some = self._new if self._new and self._random.random() < _SHARE_OF_NEW else self._lead_ids
        lead_id = some[int(self._random.integers(len(some)))]
        at = format_instant((int(time.time()) - 60) * 1_000_000)
        number = int(self._random.integers(len(INLINE)))
        name = f"soak-{self._n}"
        path, body = {
            "held": ("/v1/score", {"lead_id": lead_id}),
            "inline": ("/v1/score", INLINE[number]),
            "touchpoint": (
                "/v1/touchpoints",
                {"touchpoint_id": name, "lead_id": told, "occurred_at": at, "type": "page_view"},
            ),
            "outcome": (
                "/v1/outcomes",
                {"outcome_id": name, "lead_id": told, "occurred_at": at, "kind": "contacted"},
            ),
        }[kind]
        began = time.perf_counter()
        try:
            async with session.post(self._url + path, json=body) as response:
                status, version = response.status, response.headers.get("X-Model-Version")
                said = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
            self._seen.statuses[type(fault).__name__] += 1
            return
        self._seen.statuses[str(status)] += 1
        if status != 200:
            return
        self._seen.latency.append(time.perf_counter() - began)
        if kind in ("touchpoint", "outcome"):
            if told not in self._new:
                self._new.append(told)
            (self._seen.touchpoints if kind == "touchpoint" else self._seen.outcomes).append(name)
        else:
            self._look_at(kind, number, version, said)

    def _look_at(self, kind: str, number: int, header: str | None, said: dict[str, Any]) -> None:
        version, points = said["model_version"], said["points"]
        if header != version or version not in self._good:
            self._seen.mixed.append(f"header {header}, body {version}")
            return
        total = said["baseline_points"] + said["fit_points"] + said["engagement_points"]
        if abs(total - points) > 1e-9:
            self._seen.wrong.append(f"{kind}: parts {total} of {points}")
        if kind == "inline" and points != self._inline[version][number]:
            self._seen.wrong.append(f"inline {number}: {points}, version {version} gives otherwise")
        if said["degraded"]:
            self._seen.statuses["degraded"] += 1
        else:
            self._seen.scores[said["score_id"]] = (version, points)
