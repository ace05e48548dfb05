"""The one executor of touchpoint features: numpy over a ledger in columns.

Trainer, service and Spark call this function and nothing else, so a lead alone, the same lead in a batch and the same row in training
agree bit for bit. To keep it so on every processor:

- sums are ``np.bincount`` (one addition after the other for each row, in ledger order), never a pairwise or BLAS sum; only
  counts, whole numbers that any order adds up exactly, are matrix products;
- no exponential or logarithm: the decay is a table of correctly rounded powers of two, indexed by whole numbers;
- everything else is comparison, integer arithmetic or one division.

Rows are worked on in chunks; a row never depends on its neighbours, so the chunk size changes memory and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from data.domain import DAY
from data.snapshots import Snapshots
from features.aggregations import COMPUTE, OF_NOTHING
from features.counts import LevelCounts, counts_by_level
from features.few import FEW, MOST, FewSteps
from features.seen import Chosen, Seen, Selections, Terms
from features.spec import FeatureSet

# Touchpoints (plus rows) at once: small enough for a processor's cache, which halves the time.
CHUNK = 131_072
# Up to so many rows are worked on one by one: the ways for few touchpoints are quicker then.
ALONE = 4


def touchpoint_values(snapshots: Snapshots, features: FeatureSet, *, chunk: int = CHUNK) -> np.ndarray:
    """Values of the touchpoint features, float64, shape (n rows, number of features) in C order.

    Columns of profile features are left NaN. Categories are codes into ``snapshots.ledger.text(column).levels``, NaN for null.
    ``chunk`` bounds the touchpoints held at once; a single lead with more is still computed whole.
    """
    plan = _plan(features)
    out = np.empty((len(snapshots), len(features)))
    out[:] = plan.of_nothing
    if plan.steps:
        for lo, hi in _chunks(snapshots, chunk):
            seen = Seen(snapshots, lo, hi, plan.selections)
            if seen.size:
                if seen.n == 1 and seen.size <= MOST:
                    plan.few.fill(seen, out[lo])
                    steps = plan.besides_few
                else:
                    plan.counts.fill(seen, out[lo:hi])
                    steps = plan.besides_counts
                for step in steps:
                    chosen = seen.chosen(step.selection)
                    if chosen.size:
                        step.compute(chosen, step.terms, out[lo:hi, step.place])
            seen.let_go()
    return out


def plan_for_few(features: FeatureSet) -> tuple[FewSteps, list[float]] | None:
    """What computes the touchpoint features of one lead from lists, and the row of a lead without touchpoints.

    None where some feature needs arrays.
    """
    plan = _plan(features)
    return None if plan.besides_few else (plan.few, plan.of_nothing.tolist())


def _chunks(snapshots: Snapshots, chunk: int) -> Iterator[tuple[int, int]]:
    n = len(snapshots)
    if n <= ALONE:
        yield from ((row, row + 1) for row in range(n))
        return
    size = np.cumsum(snapshots.stop - snapshots.start + 1)
    lo, done = 0, 0
    while lo < n:
        hi = max(lo + 1, int(np.searchsorted(size, done + chunk, side="right")))
        yield lo, hi
        lo, done = hi, int(size[hi - 1])


@dataclass(frozen=True, slots=True)
class _Step:
    place: int
    agg: str
    selection: int
    terms: Terms
    compute: Callable[[Chosen, Terms, np.ndarray], None]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A set of definitions made ready: whole units, and each selection of touchpoints named once."""

    steps: tuple[_Step, ...]
    few: FewSteps
    besides_few: tuple[_Step, ...]  # what ``few`` does not compute
    counts: LevelCounts
    besides_counts: tuple[_Step, ...]
    selections: Selections
    of_nothing: np.ndarray  # shape (number of features,): the row of a lead without touchpoints


@lru_cache(maxsize=64)
def _plan(features: FeatureSet) -> _Plan:
    selections = Selections()
    steps, counted = [], []
    of_nothing = np.full(len(features), np.nan)
    for place, feature in enumerate(features):
        if not feature.reads_touchpoints:
            continue
        window = None if feature.window_days is None else round(feature.window_days * DAY)
        own = selections.add(feature.where, window)
        terms = Terms(
            column=feature.column or "",
            half_life=round((feature.half_life_days or 0) * 86_400),
            position=feature.position or 0,
            other=own,
        )
        # Empty over all it compares with is empty; the smaller selection is looked up when it is not.
        if feature.agg in ("diff", "trend") and window is not None:
            own = selections.add(feature.where, 2 * window)
        elif feature.agg == "share":
            own = selections.add((), window)
        steps.append(_Step(place, feature.agg, own, terms, COMPUTE[feature.agg]))
        if counts_by_level(feature):
            counted.append((place, feature, window))
        of_nothing[place] = OF_NOTHING[feature.agg]
    return _Plan(
        steps=tuple(steps),
        few=FewSteps(selections, steps),
        besides_few=tuple(step for step in steps if step.agg not in FEW),
        counts=LevelCounts(counted),
        besides_counts=tuple(step for step in steps if step.place not in {place for place, *_ in counted}),
        selections=selections,
        of_nothing=of_nothing,
    )
