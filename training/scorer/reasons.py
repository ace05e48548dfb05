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
from training.scorer.scorecard import row_sums

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
    totals = points[:, plan.columns[0]]
    for topics, columns in zip(plan.topics[1:], plan.columns[1:], strict=True):
        totals[:, topics] += points[
            :, columns
        ]  # from left to right within each topic, whatever the number of rows
    fit, engagement = (row_sums(totals[:, plan.of_group[group]]).tolist() for group in ("fit", "engagement"))
    levels = [matrix.levels.get(name) for name in matrix.names]
    found = []
    for i, (own, shares, values) in enumerate(
        zip(totals.tolist(), points.tolist(), matrix.X.tolist(), strict=True)
    ):
        kept = [
            (-abs(total), plan.rank[t], t) for t, total in enumerate(own) if abs(total) >= smallest_points
        ]
        kept.sort()
        reasons = []
        for _, _, t in kept[:most]:
            group, topic = plan.names[t]
            # Both keep the first of equals, so ties follow the order of the features.
            speaker = (max if own[t] >= 0 else min)(plan.members[t], key=shares.__getitem__)
            value = _value(values[speaker], levels[speaker])
            sentence = features.features[speaker].sentence(value)
            reasons.append(Reason(topic=topic, group=group, sentence=sentence, points=own[t]))
        found.append(LeadReasons(float(baseline_points[i]), fit[i], engagement[i], tuple(reasons)))
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """The topics of a set of definitions, made ready; arrays ``topics[k]`` and ``columns[k]`` pair topics with their k-th member."""

    names: tuple[tuple[str, str], ...]
    members: tuple[list[int], ...]
    rank: tuple[int, ...]  # place in order of (topic, group), which settles ties
    topics: tuple[np.ndarray, ...]
    columns: tuple[np.ndarray, ...]
    of_group: dict[str, np.ndarray]


@lru_cache(maxsize=64)
def _plan(features: FeatureSet) -> _Plan:
    members = topic_members(features)
    names = tuple(members)
    ordered = sorted(range(len(names)), key=lambda t: (names[t][1], names[t][0]))
    pairs: list[list[tuple[int, int]]] = [[] for _ in range(max(map(len, members.values()), default=1))]
    for t, columns in enumerate(members.values()):
        for k, column in enumerate(columns):
            pairs[k].append((t, column))
    arrays = [np.array(own, dtype=np.intp).reshape(-1, 2) for own in pairs]
    return _Plan(
        names=names,
        members=tuple(members.values()),
        rank=tuple(ordered.index(t) for t in range(len(names))),
        topics=tuple(own[:, 0] for own in arrays),
        columns=tuple(own[:, 1] for own in arrays),
        of_group={
            group: np.array([t for t, name in enumerate(names) if name[0] == group], dtype=np.intp)
            for group in ("fit", "engagement")
        },
    )


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
