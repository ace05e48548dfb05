"""Reasons: plain sentences with their points.

Correlated features share a topic, and a reason is given for the topic: its points are the sum over its features, its sentence that of the
feature that moved most in the same direction. Reasons too small to matter are withheld, never re-weighted: the totals of fit and engagement
keep every point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from features.matrix import Matrix
from features.spec import FeatureSet

# Half a point is 3.5 % more odds or less: nobody acts on it, and it would read "+0".
SMALLEST_POINTS = 0.5


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence with its signed points; ``group`` is fit or engagement."""

    topic: str
    group: str
    sentence: str
    points: float


@dataclass(frozen=True, slots=True)
class LeadReasons:
    """Reasons of one lead by falling size of points, ties by topic; baseline + fit + engagement = unclipped score, to 1e-9."""

    baseline_points: float
    fit_points: float
    engagement_points: float
    reasons: tuple[Reason, ...]


def reasons_of(
    matrix: Matrix,
    features: FeatureSet,
    *,
    baseline_points: np.ndarray,
    points: np.ndarray,
    smallest_points: float = SMALLEST_POINTS,
    most: int | None = None,
) -> list[LeadReasons]:
    """Reasons for each row of the matrix.

    Parameters
    ----------
    matrix : n rows, columns in the order of ``features``.
    baseline_points, points : shapes (n,) and (n, p), from ``Scorer.explain_matrix``.
    smallest_points : reasons with smaller absolute points are withheld.
    most : give only so many of the first; None: all.
    """
    plan = _plan(features)
    levels = [matrix.levels.get(name) for name in matrix.names]
    found = []
    for baseline, shares, values in zip(
        baseline_points.tolist(), points.tolist(), matrix.X.tolist(), strict=True
    ):
        # One addition after the other, each row by itself: a lead alone gets the bits it gets among others.
        totals = []
        of_group = {"fit": 0.0, "engagement": 0.0}
        for (group, _), columns in plan.topics:
            total = 0.0
            for j in columns:
                total += shares[j]
            totals.append(total)
            of_group[group] += total
        kept = [
            (-abs(total), rank, t)
            for t, (total, rank) in enumerate(zip(totals, plan.rank, strict=True))
            if abs(total) >= smallest_points
        ]
        kept.sort()
        reasons = []
        for _, _, t in kept[:most]:
            (group, topic), columns = plan.topics[t]
            # Both keep the first of equals, so ties follow the order of the features.
            speaker = (max if totals[t] >= 0 else min)(columns, key=shares.__getitem__)
            sentence = features.features[speaker].sentence(_value(values[speaker], levels[speaker]))
            reasons.append(Reason(topic, group, sentence, totals[t]))
        found.append(LeadReasons(baseline, of_group["fit"], of_group["engagement"], tuple(reasons)))
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """The topics of a set of definitions, made ready: each (group, topic) with its columns."""

    topics: tuple[tuple[tuple[str, str], list[int]], ...]
    rank: tuple[int, ...]  # place in order of (topic, group), which settles ties


@lru_cache(maxsize=64)
def _plan(features: FeatureSet) -> _Plan:
    topics = tuple(topic_members(features).items())
    ordered = sorted(range(len(topics)), key=lambda t: (topics[t][0][1], topics[t][0][0]))
    return _Plan(topics=topics, rank=tuple(ordered.index(t) for t in range(len(topics))))


def topic_members(features: FeatureSet) -> dict[tuple[str, str], list[int]]:
    """(group, topic) -> columns, in order of first appearance."""
    members: dict[tuple[str, str], list[int]] = {}
    for j, feature in enumerate(features):
        members.setdefault((feature.group, feature.topic), []).append(j)
    return members


def value_of(matrix: Matrix, i: int, j: int) -> str | float | None:
    """The lead's value: a number, the text of a level ("other" for one the scorer does not know), or None when it is not known."""
    return _value(float(matrix.X[i, j]), matrix.levels.get(matrix.names[j]))


def _value(value: float, levels: Sequence[str] | None) -> str | float | None:
    if math.isnan(value):
        return None
    if levels is None:
        return value
    return levels[int(value)] if value < len(levels) else "other"
