"""How long attribution takes: all seven rules over 1,000,000 touchpoints by default, goal under 20 s on one core.

Run ``python -m benchmarks.attribution``; the last line is one JSON object. Leads are invented: a few touchpoints for most and dozens for
some, channels of unlike size and use, one lead in eight with a goal. Intervals, and more than 12 channels (sampled Shapley values), are
timed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.memory import peak_gb
from data.domain import DAY
from data.ledger import CodedColumn, Ledger
from data.snapshots import Snapshots
from features.attribution import RULES, attribute

GOAL_S = 20.0
_NOW = 1_780_000_000_000_000


def invented(
    n_touchpoints: int, n_channels: int, *, seed: int = 0
) -> tuple[Snapshots, np.ndarray, np.ndarray]:
    """Leads with exactly so many touchpoints in all, who reached the goal, and what each goal was worth."""
    rng = np.random.default_rng(seed)
    size = np.minimum(
        1 + rng.geometric(0.25, n_touchpoints) * (1 + 4 * (rng.random(n_touchpoints) < 0.1)), 80
    )
    stop = np.cumsum(size)
    n = int(np.searchsorted(stop, n_touchpoints)) + 1
    stop = np.minimum(stop[:n], n_touchpoints)
    start = np.concatenate([[0], stop[:-1]])
    lead = np.repeat(np.arange(n), stop - start)
    began = _NOW - rng.integers(100 * DAY, 900 * DAY, n)
    occurred = began[lead] + rng.integers(0, 90 * DAY, n_touchpoints)
    occurred = occurred[np.lexsort((occurred, lead))]
    # A lead keeps to a few channels, so that sets of channels recur.
    popularity = 1 / np.arange(1, n_channels + 1)
    habits = rng.choice(n_channels, size=(n, 4), p=popularity / popularity.sum())
    channel = habits[lead, rng.integers(0, 4, n_touchpoints)]
    is_goal = rng.random(n) < 0.05 + 0.3 * (habits % 5 == 2).mean(axis=1)
    cutoffs = np.where(is_goal, occurred[stop - 1], _NOW)
    names = tuple(f"channel {j:03}" for j in range(n_channels))
    nothing = CodedColumn(np.full(n_touchpoints, -1, dtype=np.int32), ())
    column = CodedColumn(channel.astype(np.int32), names)
    ledger = Ledger(
        occurred, occurred, nothing, column, nothing, nothing, nothing, np.full(n_touchpoints, np.nan)
    )
    lead_ids = tuple(f"L{i:07}" for i in range(n))
    return Snapshots(lead_ids, cutoffs, began, {}, ledger, start, stop), is_goal, rng.gamma(2, 4_000, n)


def seconds(leads: tuple[Snapshots, np.ndarray, np.ndarray], **options) -> float:
    """Processor time of one call, after checking that the credits add up; the larger of wall time and it."""
    began, used = time.perf_counter(), time.process_time()
    frame = attribute(*leads, **options)
    took = max(time.perf_counter() - began, time.process_time() - used)
    for _, own in frame.groupby("rule"):
        assert abs(own["goals"].sum() - leads[1].sum()) < 1e-9
        assert np.isclose(own["revenue"].sum(), leads[2][leads[1]].sum(), rtol=1e-12, atol=0)
    return took


def main() -> int:
    """Print the figures; exit code 1 when the seven rules take longer than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--touchpoints", type=int, default=1_000_000)
    parser.add_argument("--channels", type=int, default=12)
    chosen = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with threadpool_limits(1):
        leads = invented(chosen.touchpoints, chosen.channels)
        print(
            f"{chosen.touchpoints:,} touchpoints of {len(leads[0]):,} leads, {leads[1].sum():,} goals, {chosen.channels} channels, one core"
        )
        for name in RULES:
            print(f"  {name:<12}{seconds(leads, rules=[name]):8.2f} s")
        took = seconds(leads)
        print(f"  {'all seven':<12}{took:8.2f} s   (goal: under {GOAL_S:g} s)")
        print(f"  {'all seven, intervals from 200 resamples':<40}{seconds(leads, n_resamples=200):8.2f} s")
        many = invented(chosen.touchpoints, 40)
        print(f"  {'all seven, 40 channels, Shapley sampled':<40}{seconds(many):8.2f} s")
        print(f"  peak memory {peak_gb():.2f} GB")
    print(json.dumps({"attribution_s": round(took, 2)}))
    return int(took > GOAL_S)


if __name__ == "__main__":
    sys.exit(main())
