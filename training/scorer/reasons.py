"""Reasons: plain sentences with their points.

Correlated features share a topic, and a reason is given for the topic: its points are the sum over its features, its sentence that of the
feature that moved most in the same direction. Reasons too small to matter are withheld, never re-weighted: the totals of fit and engagement
keep every point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
) -> list[LeadReasons]:
    """Reasons for each row of the matrix.

    Parameters
    ----------
    matrix : n rows, columns in the order of ``features``.
    baseline_points, points : shapes (n,) and (n, p), from ``Scorer.explain_matrix``.
    smallest_points : reasons with smaller absolute points are withheld.
    """
    members = topic_members(features)
    topics = list(members)
    totals = np.column_stack([row_sums(points[:, columns]) for columns in members.values()])
    groups = np.array([group for group, _ in topics], dtype=object)
    fit = row_sums(totals[:, groups == "fit"])
    engagement = row_sums(totals[:, groups == "engagement"])
    found = []
    for i in range(len(points)):
        kept = [t for t in range(len(topics)) if abs(totals[i, t]) >= smallest_points]
        kept.sort(key=lambda t, row=totals[i]: (-abs(row[t]), topics[t][1], topics[t][0]))  # type: ignore[misc]
        reasons = tuple(
            Reason(
                topic=topics[t][1],
                group=topics[t][0],
                sentence=_sentence(matrix, features, i, points[i], members[topics[t]], float(totals[i, t])),
                points=float(totals[i, t]),
            )
            for t in kept
        )
        found.append(LeadReasons(float(baseline_points[i]), float(fit[i]), float(engagement[i]), reasons))
    return found


def topic_members(features: FeatureSet) -> dict[tuple[str, str], list[int]]:
    """(group, topic) -> columns, in order of first appearance."""
    members: dict[tuple[str, str], list[int]] = {}
    for j, feature in enumerate(features):
        members.setdefault((feature.group, feature.topic), []).append(j)
    return members


def _sentence(
    matrix: Matrix, features: FeatureSet, i: int, points: np.ndarray, columns: Sequence[int], total: float
) -> str:
    # max() keeps the first of equals, so ties follow the order of the features.
    speaker = max(columns, key=lambda j: points[j] if total >= 0 else -points[j])
    return features.features[speaker].sentence(value_of(matrix, i, speaker))


def value_of(matrix: Matrix, i: int, j: int) -> str | float | None:
    """The lead's value: a number, the text of a level ("other" for one the scorer does not know), or None when it is not known."""
    name = matrix.names[j]
    if name in matrix.levels:
        return matrix.text(i, name)
    value = float(matrix.X[i, j])
    return None if math.isnan(value) else value
