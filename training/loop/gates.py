"""What a challenger must not break: segments of leads, and the meaning of its probabilities.

A gain on average may hide a loss for one country or one channel, and a better order may come with chances that no longer mean what they
say. Both gates ask for two things at once before they close: a deviation beyond chance, and one large enough to matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import ConfigError, did_you_mean
from data.snapshots import Snapshots
from features.matrix import Matrix
from training.loop.paired import mean_and_error, normal_quantile, row_losses
from training.scorer.scorer import Scorer

SEGMENT_LEADS, SEGMENT_GOALS = 100, 10
SEGMENT_MARGIN = 0.02
_FEATURES = 3
_MOST_EXPLAINED = 2_000


@dataclass(frozen=True, slots=True)
class SegmentLoss:
    """The change of log loss in one segment: the champion's, the challenger's, 95 % ends of the gain, and whether it is worse beyond
    chance (among all segments looked at) and by more than 2 %."""

    name: str
    champion: float
    challenger: float
    low: float
    high: float
    is_worse: bool


def segments_of(
    scorer: Scorer, matrix: Matrix, snapshots: Snapshots, *, by: str | None = None
) -> dict[str, np.ndarray]:
    """Masks of rows by segment: the levels of the three strongest categories of the scorer, or of the one named ``by``.

    ``by`` is a category of the scorer or a profile field of texts. Raises ConfigError when it is neither.
    """
    if by is not None and by not in matrix.levels:
        if by not in snapshots.fields:
            known = (*matrix.levels, *snapshots.fields)
            raise ConfigError(f"segment_by {by!r} is no category and no field{did_you_mean(by, known)}")
        texts = np.array([str(v) for v in snapshots.fields[by].tolist()], dtype=object)
        return {f"{by} = {level}": texts == level for level in sorted(set(texts.tolist()) - {"None"})}
    found: dict[str, np.ndarray] = {}
    for name in [by] if by is not None else _strongest(scorer, matrix):
        codes = matrix.X[:, matrix.names.index(name)]
        for code, level in enumerate(matrix.levels[name]):
            found[f"{name} = {level}"] = codes == code
        found[f"{name} = (blank)"] = np.isnan(codes)
    return found


def _strongest(scorer: Scorer, matrix: Matrix) -> list[str]:
    if not matrix.levels:
        return []
    rows = np.linspace(0, len(matrix) - 1, min(len(matrix), _MOST_EXPLAINED)).astype(np.int64)
    points = np.abs(scorer.explain_matrix(matrix.take(rows)).points).mean(axis=0)
    strength = {name: float(points[matrix.names.index(name)]) for name in matrix.levels}
    return sorted((n for n, s in strength.items() if s > 0), key=lambda n: (-strength[n], n))[:_FEATURES]


def worst_segment(
    champion: np.ndarray,
    challenger: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    lead: np.ndarray,
    segments: Mapping[str, np.ndarray],
) -> SegmentLoss | None:
    """The segment with the strongest evidence of a loss; None when none has 100 leads and 10 goals.

    The more segments are looked at, the stronger the evidence must be (Bonferroni at 5 %).
    """
    large = {
        name: rows
        for name, rows in segments.items()
        if len(np.unique(lead[rows])) >= SEGMENT_LEADS
        and len(np.unique(lead[rows & (y > 0.5)])) >= SEGMENT_GOALS
    }
    if not large:
        return None
    before, after = row_losses(champion, y), row_losses(challenger, y)
    limit = normal_quantile(1 - 0.05 / len(large))
    found = []
    for name, rows in large.items():
        w = weight[rows]
        gain, error = mean_and_error((before - after)[rows], w, lead[rows])
        old = float((w * before[rows]).sum() / w.sum())
        z = gain / error if error > 0 else 0.0
        is_worse = z < -limit and -gain > SEGMENT_MARGIN * old
        half = 1.96 * error
        found.append((z, SegmentLoss(name, old, old - gain, gain - half, gain + half, is_worse)))
    # A segment that is worse for sure comes before one that is worse by little.
    return min(found, key=lambda row: (not row[1].is_worse, row[0], row[1].name))[1]


def keeps_its_word(challenger: Mapping[str, Any], champion: Mapping[str, Any]) -> bool:
    """Whether the challenger's calibration check passed, or failed by less than the champion's did.

    Refusing the better of two that fail would keep the worse one in service; its probability is withheld either way.
    """
    return bool(challenger["passed"]) or (not champion["passed"] and _off(challenger) < _off(champion))


def _off(check: Mapping[str, Any]) -> float:
    """How far level and slope are from 1, the same for a double and a half; infinite where nothing could be checked."""
    values = [
        check["overall"][name]["value"] for name in ("observed_over_predicted", "slope") if check["overall"]
    ]
    return max((abs(math.log(v)) if v > 0 else math.inf for v in values), default=math.inf)
