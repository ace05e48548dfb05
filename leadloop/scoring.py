"""Scores with their reasons as plain records, for the command and its JSON."""

from __future__ import annotations

import math
from typing import Any

from data.snapshots import Snapshots
from training.scorer.scorer import Scorer


def explained(scorer: Scorer, snapshots: Snapshots) -> list[dict[str, Any]]:
    """One record a snapshot: score, grade, probability (None when withheld), points and reasons.

    baseline + reasons + ``small_points`` (all reasons too small to be told) = points, to 1e-9.
    """
    matrix = scorer.matrix(snapshots)
    scored = scorer.score_matrix(matrix)
    records = []
    for i, (lead_id, why) in enumerate(zip(snapshots.lead_ids, scorer.reasons(matrix), strict=True)):
        told = sum(reason.points for reason in why.reasons)
        records.append(
            {
                "lead_id": lead_id,
                "score": int(scored.score[i]),
                "grade": str(scored.grade[i]),
                "probability": _or_none(scored.probability[i]),
                "low": _or_none(scored.low[i]),
                "high": _or_none(scored.high[i]),
                "points": float(scored.points[i]),
                "baseline_points": why.baseline_points,
                "fit_points": why.fit_points,
                "engagement_points": why.engagement_points,
                "reasons": [reason._asdict() for reason in why.reasons],
                "small_points": why.fit_points + why.engagement_points - told,
                "model_version": scorer.version,
                "horizon_days": scorer.horizon_days,
            }
        )
    return records


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
