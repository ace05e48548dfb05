"""Why a past score is what it is.

The log keeps the numbers a score was made from. With the version that scored still at hand, the same scorer goes over the same numbers and
tells the points of every feature; without it, the reasons given at the time remain.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from data.domain import format_instant
from data.scorelog import ScoreRow
from features.matrix import Matrix
from serving.live import LiveScorer
from training.scorer.reasons import value_of
from training.scorer.scorer import Scorer


def shown_score(row: ScoreRow) -> dict[str, Any]:
    """A logged score as the API shows it, with the reasons given at the time."""
    return {
        "score_id": row.score_id,
        "scored_at": format_instant(row.cutoff),
        "score": row.score,
        "grade": row.grade,
        "probability": row.probability,
        "points": row.points,
        "goal": row.goal,
        "model_version": row.model_version,
        "stored": bool(row.stored),
        "reasons": [{"sentence": sentence, "points": points} for sentence, points in json.loads(row.reasons)],
    }


def explanation_of(row: ScoreRow, live: LiveScorer) -> dict[str, Any]:
    """Every feature's points, largest first. ``complete`` is false, and features are missing, when that version is no longer here."""
    scorer = live.scorer_of(row.model_version)
    shown = {
        "lead_id": row.lead_id,
        **shown_score(row),
        "complete": False,
        "baseline_points": None,
        "features": [],
    }
    if scorer is None or scorer.goal != row.goal:
        return shown
    matrix = matrix_of(row, scorer)
    if matrix is None:
        return shown
    explained = scorer.explain_matrix(matrix)
    features: list[dict[str, Any]] = [
        {
            "feature": feature.name,
            "group": feature.group,
            "topic": feature.topic,
            "points": float(explained.points[0, j]),
            "sentence": feature.sentence(value_of(matrix, 0, j)),
        }
        for j, feature in enumerate(scorer.features)
    ]
    features.sort(key=lambda f: (-abs(f["points"]), f["feature"]))
    return {
        **shown,
        "complete": True,
        "baseline_points": float(explained.baseline_points[0]),
        "features": features,
    }


def matrix_of(row: ScoreRow, scorer: Scorer) -> Matrix | None:
    """The logged numbers as one row of the scorer's matrix; None when they have another width."""
    values = np.frombuffer(row.features, dtype=np.float64)
    if len(values) != len(scorer.features):
        return None
    return Matrix(scorer.features.names, values.reshape(1, -1).copy(), dict(scorer.levels))
