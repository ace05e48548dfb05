"""Reasons: plain sentences with their points.

Correlated features share a topic, and a reason is given for the topic: its points are the sum over its features, its sentence that of the
feature that moved most in the same direction. Reasons too small to matter are withheld, never re-weighted: the totals of fit and engagement
keep every point.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from features.matrix import Matrix
from features.spec import FeatureSet
from training.scorer.scorecard import row_sums

# Half a point is 3.5 % more odds or less: nobody acts on it, and it would read "+0".
SMALLEST_POINTS = 0.5
# With fewer rows, calling numpy takes longer than its work.
_MANY_ROWS = 32
_ROWS_AT_ONCE = 512

_Ranked = tuple[list[tuple[int, int, float]], float, float]


class Reason(NamedTuple):
    """One sentence with its signed points; ``group`` is fit or engagement."""

    topic: str
    group: str
    sentence: str
    points: float


class LeadReasons(NamedTuple):
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
    ranked = _of_rows if len(points) < _MANY_ROWS else _of_many_rows
    rows = zip(baseline_points.tolist(), matrix.X, ranked(plan, points, smallest_points, most), strict=True)
    # Many leads have the same to say; kept for this call alone.
    said: dict[tuple[int, str | float | None], str] = {}
    found = []
    for baseline, values, (kept, fit, engagement) in rows:
        reasons = []
        for t, speaker, total in kept:
            value = _value(values.item(speaker), matrix.levels.get(matrix.names[speaker]))
            sentence = said.get((speaker, value))
            if sentence is None:
                sentence = said[speaker, value] = features.features[speaker].sentence(value)
            (group, topic), _ = plan.topics[t]
            reasons.append(Reason(topic, group, sentence, total))
        found.append(LeadReasons(baseline, fit, engagement, tuple(reasons)))
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """The topics of a set of definitions, made ready: each (group, topic) with its columns, in order of (topic, group), which settles ties.

    ``columns`` has one row for each topic, filled up with its first column; ``fit`` and ``engagement`` are the places of the topics of
    these groups.
    """

    topics: tuple[tuple[tuple[str, str], list[int]], ...]
    columns: np.ndarray
    fit: np.ndarray
    engagement: np.ndarray


@lru_cache(maxsize=64)
def _plan(features: FeatureSet) -> _Plan:
    topics = tuple(sorted(topic_members(features).items(), key=lambda item: item[0][::-1]))
    width = max((len(columns) for _, columns in topics), default=1)
    filled = [columns + columns[:1] * (width - len(columns)) for _, columns in topics]
    fit, engagement = (
        np.array([t for t, ((own, _), _) in enumerate(topics) if own == group], dtype=np.intp)
        for group in ("fit", "engagement")
    )
    return _Plan(topics, np.array(filled, dtype=np.intp).reshape(len(topics), width), fit, engagement)


def _of_rows(plan: _Plan, points: np.ndarray, smallest: float, most: int | None) -> Iterator[_Ranked]:
    """For each row its reasons, as (topic, column that speaks, points), and the points of fit and engagement.

    One addition after the other, here and in ``_of_many_rows``: a lead alone gets the bits it gets among others.
    """
    for shares in points.tolist():
        fit = engagement = 0.0
        kept = []
        for t, ((group, _), columns) in enumerate(plan.topics):
            total = 0.0
            for j in columns:
                total += shares[j]
            if group == "fit":
                fit += total
            else:
                engagement += total
            size = abs(total)
            if size >= smallest:
                kept.append((-size, t, total))
        kept.sort()
        # Both keep the first of equals, so ties follow the order of the features.
        reasons = [
            (t, (max if total >= 0 else min)(plan.topics[t][1], key=shares.__getitem__), total)
            for _, t, total in kept[:most]
        ]
        yield reasons, fit, engagement


def _of_many_rows(plan: _Plan, points: np.ndarray, smallest: float, most: int | None) -> Iterator[_Ranked]:
    """``_of_rows`` by columns."""
    every = np.arange(len(plan.topics))
    n_columns = np.array([len(columns) for _, columns in plan.topics], dtype=np.intp)
    for start in range(0, len(points), _ROWS_AT_ONCE):
        shares = points[start : start + _ROWS_AT_ONCE]
        of_topics = shares[:, plan.columns]
        totals = np.zeros((len(shares), len(every)))
        for k in range(plan.columns.shape[1]):
            has_more = n_columns > k
            totals[:, has_more] += of_topics[:, has_more, k]
        # 0.0 is what a sum begins with: beside it -0.0 counts for nothing.
        fit, engagement = ((row_sums(totals[:, own]) + 0.0).tolist() for own in (plan.fit, plan.engagement))
        is_up = totals >= 0
        highest, lowest = of_topics.argmax(axis=2), of_topics.argmin(axis=2)
        speakers = plan.columns[every, np.where(is_up, highest, lowest)]
        size = np.abs(totals)
        order = np.argsort(-size, axis=1, kind="stable")[:, :most]
        n_kept = np.minimum((size >= smallest).sum(axis=1), order.shape[1]).tolist()
        own_speakers, own_totals = (np.take_along_axis(a, order, axis=1).tolist() for a in (speakers, totals))
        rows = zip(order.tolist(), own_speakers, own_totals, n_kept, fit, engagement, strict=True)
        for topics, columns, sums, n, of_fit, of_engagement in rows:
            yield list(zip(topics[:n], columns[:n], sums[:n], strict=True)), of_fit, of_engagement


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
