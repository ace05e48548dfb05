"""The scorer: everything needed to turn snapshots into scores with reasons, and nothing else.

A scorer is a value. It holds the feature definitions and level tables it was trained with, the additive model, its calibration, the scale
and the grades. The same lead gets the same bits alone or among a million, with or without reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from data.errors import ContractError
from data.snapshots import LeadHistory, Snapshots
from features.matrix import Matrix, build_matrix
from features.one_lead import Beside, OneLead
from features.spec import FeatureSet
from training.scorer.additive import Additive, Affine, explained
from training.scorer.flat import snapshots_of_frame
from training.scorer.intervals import Intervals
from training.scorer.policy import Grades
from training.scorer.reasons import LeadReasons, reasons_of, value_of
from training.scorer.scale import POINTS_PER_LOG_ODDS, Scale, probability_of, score_of_points
from training.scorer.scorecard import row_sums


@dataclass(frozen=True, slots=True)
class Scored:
    """Columns of shape (n,): calibrated log-odds, chance, unclipped score, whole score, letter, and the interval of the chance.

    ``low`` and ``high`` are NaN for a model without intervals, and all three of the chance where the model's calibration failed its check.
    The margin is always there: it makes the score.
    """

    margin: np.ndarray
    probability: np.ndarray
    points: np.ndarray
    score: np.ndarray
    grade: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, slots=True)
class Explained:
    """Baseline (n,), the 50 of the scale included, and points (n, p) per feature; baseline + row sum = unclipped score, to 1e-9."""

    baseline_points: np.ndarray
    points: np.ndarray


@dataclass(frozen=True, slots=True)
class Golden:
    """Invented rows, shape (g, p), and the margins they had when the scorer was made, shape (g,)."""

    X: np.ndarray
    margin: np.ndarray


@dataclass(frozen=True)
class Scorer:
    """Scores leads for one goal.

    Attributes
    ----------
    goal, horizon_days : what is predicted, and within how many days after the cutoff (None for a flat table, whose target is given).
    features, levels : definitions of the columns, and the known levels of each category column.
    version : name of the model version for people and answers; None for a scorer that was never registered.
    intervals : gives ``low`` and ``high``; None: no interval.
    probability_withheld : the calibration failed its check on newer leads, so score and grade are given and the chance is not.
    """

    goal: str
    horizon_days: int | None
    features: FeatureSet
    levels: Mapping[str, tuple[str, ...]]
    model: Additive
    calibration: Affine
    scale: Scale
    grades: Grades
    golden: Golden
    about: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    intervals: Intervals | None = None
    probability_withheld: bool = False

    def matrix(self, snapshots: Snapshots) -> Matrix:
        """The columns this scorer was trained on, shape (n, p)."""
        return build_matrix(snapshots, self.features, levels=self.levels)

    def matrix_of_one(self, history: LeadHistory, cutoff: int, *, beside: Beside | None = None) -> Matrix:
        """``matrix`` of one lead's snapshot at the cutoff, in half the time; the same bits. ``beside`` as in ``snapshots_of``."""
        return self._one_lead.matrix(history, cutoff, beside=beside)

    def margin(self, matrix: Matrix) -> np.ndarray:
        """Calibrated natural log-odds, shape (n,)."""
        return self.calibration.of(self.model.margin(self._columns(matrix)))

    def contributions(self, matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
        """Baseline (n,) and contributions (n, p) in calibrated log-odds; baseline + row sum = margin, to 1e-9."""
        margin, C = explained(self.model, self.calibration, self._columns(matrix))
        return margin - row_sums(C), C

    def score_matrix(self, matrix: Matrix) -> Scored:
        """Scores of the rows of a matrix."""
        return self._scored(self.margin(matrix))

    def explain_matrix(self, matrix: Matrix) -> Explained:
        """Points of the rows of a matrix, per feature."""
        return self._explained(matrix)[1]

    def reasons(self, matrix: Matrix) -> list[LeadReasons]:
        """Reasons for every row of a matrix, with the totals of fit and engagement."""
        return self.score_with_reasons(matrix)[1]

    def score_with_reasons(
        self, matrix: Matrix, *, most: int | None = None
    ) -> tuple[Scored, list[LeadReasons]]:
        """``score_matrix`` and ``reasons`` in one go; ``most`` gives only so many reasons of each row."""
        scored, e = self._explained(matrix)
        reasons = reasons_of(
            matrix, self.features, baseline_points=e.baseline_points, points=e.points, most=most
        )
        return scored, reasons

    def score(self, snapshots: Snapshots) -> pd.DataFrame:
        """One row per snapshot: lead_id, score, grade, probability, low, high, model_version."""
        scored = self.score_matrix(self.matrix(snapshots))
        return pd.DataFrame(
            {
                "lead_id": np.array(snapshots.lead_ids, dtype=object),
                "score": scored.score,
                "grade": scored.grade,
                "probability": scored.probability,
                "low": scored.low,
                "high": scored.high,
                "model_version": self.version,
            }
        )

    def explain(self, snapshots: Snapshots) -> pd.DataFrame:
        """One row per snapshot and feature: lead_id, feature, group, topic, points, sentence; first, per lead, its ``baseline``."""
        matrix = self.matrix(snapshots)
        e = self.explain_matrix(matrix)
        rows: list[tuple[str, str, str, str, float, str]] = []
        for i, lead_id in enumerate(snapshots.lead_ids):
            rows.append(
                (lead_id, "baseline", "baseline", "baseline", float(e.baseline_points[i]), "the average lead")
            )
            for j, f in enumerate(self.features):
                sentence = f.sentence(value_of(matrix, i, j))
                rows.append((lead_id, f.name, f.group, f.topic, float(e.points[i, j]), sentence))
        return pd.DataFrame(rows, columns=["lead_id", "feature", "group", "topic", "points", "sentence"])

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Chances of a flat frame, shape (n, 2), scikit-learn's convention: column 1 is the goal.

        Columns the scorer does not know are ignored. Raises ContractError naming every column that is missing, and for a scorer that needs
        touchpoints. They are given also where answers withhold them: whoever asks for nothing else has read the card.
        """
        p = probability_of(self.margin(self.matrix(snapshots_of_frame(frame, self.features))))
        return np.column_stack([1.0 - p, p])

    def with_reference(self, reference_log_odds: float) -> Scorer:
        """The same model on another scale; grade thresholds move along, to the nearest whole score."""
        by = (self.scale.reference_log_odds - reference_log_odds) * POINTS_PER_LOG_ODDS
        return replace(self, scale=Scale(reference_log_odds), grades=self.grades.shifted(by))

    def with_version(self, version: str) -> Scorer:
        """The same scorer under the name of a registered version."""
        return replace(self, version=version)

    def _explained(self, matrix: Matrix) -> tuple[Scored, Explained]:
        columns = self._columns(matrix)
        margin, points = explained(self.model, self.calibration, columns, unit=POINTS_PER_LOG_ODDS)
        scored = self._scored(margin)
        return scored, Explained(scored.points - row_sums(points), points)

    def _scored(self, margin: np.ndarray) -> Scored:
        points = self.scale.points(margin)
        score = score_of_points(points)
        probability, low, high = self._chances(margin)
        return Scored(margin, probability, points, score, self.grades.of(score), low, high)

    @cached_property
    def _one_lead(self) -> OneLead:
        return OneLead(self.features, self.levels)

    @cached_property
    def _names_and_levels(self) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        return self.features.names, {k: tuple(v) for k, v in self.levels.items()}

    def _chances(self, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probability, low and high as they may be told, shape (n,) each."""
        if self.probability_withheld:
            return np.full(len(margin), np.nan), np.full(len(margin), np.nan), np.full(len(margin), np.nan)
        if self.intervals is None:
            return probability_of(margin), np.full(len(margin), np.nan), np.full(len(margin), np.nan)
        low, high = self.intervals.of(margin)
        return probability_of(margin), low, high

    def _columns(self, matrix: Matrix) -> np.ndarray:
        names, levels = self._names_and_levels
        if tuple(matrix.names) != names:
            wrong = sorted(set(matrix.names) ^ set(names))
            raise ContractError(
                f"the matrix has other columns than this scorer: {', '.join(wrong) or 'the same in another order'}; "
                "build it with scorer.matrix(snapshots)"
            )
        if matrix.levels != levels and {k: tuple(v) for k, v in matrix.levels.items()} != levels:
            raise ContractError(
                "the matrix codes its categories by other levels than this scorer; build it with scorer.matrix(snapshots) "
                "or features.matrix.recode(matrix, scorer.levels)"
            )
        return matrix.X
