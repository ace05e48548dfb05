"""Scores with their reasons as plain records, for the command and its JSON."""

from __future__ import annotations

import math
from typing import Any

from data.snapshots import Snapshots
from training.scorer.scorer import Scorer


def explained(scorer: Scorer, snapshots: Snapshots) -> list[dict[str, Any]]:
    """One record a snapshot: score, grade, probability (None when withheld), points and every reason; points add up to 1e-9."""
    matrix = scorer.matrix(snapshots)
    scored, made = scorer.score_matrix(matrix), scorer.explain_matrix(matrix)
    records = []
    for i, (lead_id, reasons) in enumerate(zip(snapshots.lead_ids, scorer.reasons(matrix), strict=True)):
        probability = float(scored.probability[i])
        records.append(
            {
                "lead_id": lead_id,
                "score": int(scored.score[i]),
                "grade": str(scored.grade[i]),
                "probability": None if math.isnan(probability) else probability,
                "points": float(scored.points[i]),
                "baseline_points": float(made.baseline_points[i]),
                "reasons": [
                    {"sentence": r.sentence, "group": r.group, "points": float(r.points)} for r in reasons
                ],
                "model_version": scorer.version,
                "horizon_days": scorer.horizon_days,
            }
        )
    return records
