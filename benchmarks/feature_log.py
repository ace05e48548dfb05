"""An invented touchpoint log of any size.

Leads differ in activity by a log-normal factor, so that a few have thousands of touchpoints; 5 % have none. 2 % of touchpoints arrive up
to three days late, some lie after their lead's cutoff, and 1 % of the cutoffs are the very instant of a touchpoint. The log is invented
anew, piece by piece, wherever it is read: ``leadloop snapshot`` writes it to files like any store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.buckets.layout import READ, TABLES
from data.buckets.source import Marks
from data.domain import DAY, Link

END = 1_780_000_000_000_000
SPAN = 180 * DAY
PER_LEAD = 50
_BLOCK = 100_000
TYPES = (
    "page_view", "email_open", "email", "pricing_view", "email_click", "ad_click", "demo_view", "form_submit", "content_download",
    "webinar", "call", "chat", "event_attended", "demo_request",
)  # fmt: skip
_SHARES = np.array([0.36, 0.16, 0.12, 0.07, 0.07, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.01, 0.01, 0.01])
_OUTBOUND = {"email", "call"}
_CHANNELS = (
    "paid_search",
    "organic_search",
    "direct",
    "email",
    "paid_social",
    "referral",
    "display",
    "affiliates",
)


def lead_name(k: int) -> str:
    """The id of lead number k; odd steps keep the order of names away from that of numbers."""
    return f"L{(k * 7_368_787) % 100_000_007:09}"


@dataclass(frozen=True)
class InventedLog:
    """A log of n touchpoints as a source of ``build_buckets``."""

    n: int
    seed: int = 0

    @property
    def n_leads(self) -> int:
        return self.n // PER_LEAD

    def marks(self) -> Marks:
        return Marks(
            {"leads": self.n_leads, "profiles": 0, "touchpoints": self.n, "links": 0},
            dict.fromkeys(READ, ""),
            self.n_leads,
        )

    def holds(self, marks: Marks) -> bool:
        return True

    def barred(self) -> str:
        return ""

    def links(self, upto: int) -> Iterator[Link]:
        yield from ()

    def cutoffs(self) -> np.ndarray:
        """Each lead's cutoff, int64, shape (n_leads,): within the last 60 days of the log."""
        return END - np.random.default_rng((self.seed, 1)).integers(0, 60 * DAY, self.n_leads)

    def batches(
        self, table: str, after: int, upto: int, *, is_alone: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Rows numbered ``after + 1`` to ``upto``."""
        if table == "profiles":
            return
        made = self._leads if table == "leads" else self._touchpoints
        for block in range(after // _BLOCK, -(-upto // _BLOCK)):
            low, high = (
                block * _BLOCK,
                min((block + 1) * _BLOCK, self.n if table == "touchpoints" else self.n_leads),
            )
            batch = pa.record_batch(made(block, low, high), schema=TABLES[table])
            yield batch.slice(max(after - low, 0), min(upto, high) - max(after, low))

    def _leads(self, block: int, low: int, high: int) -> list[Any]:
        created = np.full(high - low, END - SPAN)
        return [pa.array([lead_name(k) for k in range(low, high)]), created, created]

    def _touchpoints(self, block: int, low: int, high: int) -> list[Any]:
        rng = np.random.default_rng((self.seed, 2, block))
        m = high - low
        edges, cutoffs = _activity(self)
        lead = np.minimum(np.searchsorted(edges, rng.random(m), side="right"), self.n_leads - 1)
        occurred = END - rng.integers(0, SPAN, m)
        if block == 0:  # some cutoffs are the instant of a touchpoint
            tied = rng.permutation(self.n_leads)[: min(self.n_leads // 100, m)]
            lead[: len(tied)], occurred[: len(tied)] = tied, cutoffs[tied]
        received = occurred + np.where(rng.random(m) < 0.02, rng.integers(0, 3 * DAY, m), 0)
        kind = rng.choice(len(TYPES), m, p=_SHARES / _SHARES.sum())
        outbound = np.array([t in _OUTBOUND for t in TYPES])[kind]
        skewed = rng.random((3, m)) ** 3
        return [
            _texts([lead_name(k) for k in np.unique(lead)], np.unique(lead, return_inverse=True)[1]),
            _texts(["web", "crm"], outbound.astype(int)),
            pa.array([f"t{i:012}" for i in range(low, high)]),
            occurred,
            received,
            _texts(TYPES, kind),
            _texts(_CHANNELS, (skewed[0] * 8).astype(int), rng.random(m) < 0.05),
            _texts(
                [f"campaign {i:03}" for i in range(200)], (skewed[1] * 200).astype(int), rng.random(m) < 0.3
            ),
            _texts(
                [f"/pages/{i:04}" for i in range(2_000)], (skewed[2] * 2_000).astype(int), rng.random(m) < 0.2
            ),
            _texts(["inbound", "outbound"], outbound.astype(int)),
            pa.array(np.round(rng.lognormal(3, 1, m), 2), mask=rng.random(m) < 0.8),
        ]


@cache
def _activity(log: InventedLog) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng((log.seed, 0))
    weight = rng.lognormal(0, 1, log.n_leads)
    weight[rng.permutation(log.n_leads)[: log.n_leads // 20]] = 0.0
    return np.cumsum(weight) / weight.sum(), log.cutoffs()


def _texts(levels: Any, codes: np.ndarray, is_null: np.ndarray | None = None) -> pa.Array:
    indices = pa.array(codes.astype(np.int32), mask=is_null)
    return pa.DictionaryArray.from_arrays(indices, pa.array(levels)).cast(pa.string())


def write_rows(log: InventedLog, path: Path) -> None:
    """The rows to compute, one for each lead, in order of lead id: ``lead_id``, ``cutoff``, ``created_at``."""
    ids = np.array([lead_name(k) for k in range(log.n_leads)])
    order = np.argsort(ids)
    created = np.full(log.n_leads, END - SPAN)
    pq.write_table(
        pa.table({"lead_id": ids[order], "cutoff": log.cutoffs()[order], "created_at": created}), path
    )
