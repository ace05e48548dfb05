"""The model card: what the model was made of, what it is worth, and what to beware of, as plain values for JSON.

Nothing in it depends on the clock or the machine: the same data, config and seed give the same card.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from data.domain import DAY, format_instant
from features.matrix import recode
from training.learning.choice import Choice
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.evaluation import Evaluation, grade_rows, importance_rows, measures
from training.learning.folds import Fold
from training.learning.leakage import Finding
from training.learning.metrics import calibration_table
from training.scorer.scale import probability_of
from training.scorer.scorer import Scorer

_MOST_EXPLAINED = 2_000


def make_card(
    dataset: Dataset,
    *,
    config: TrainConfig,
    seed: int,
    choice: Choice,
    folds: Sequence[Fold],
    held_out: Fold,
    scorer: Scorer,
    evaluation: Evaluation,
    newest_margin: np.ndarray,
    base: float,
    leaks: Sequence[Finding],
) -> dict[str, Any]:
    """The card of a training run; ``newest_margin`` are the raw margins of the held-out leads, ``base`` the older leads' log-odds."""
    y, weight, rows = evaluation.y, evaluation.weight, evaluation.rows
    cluster = _clusters(dataset, rows)
    figures = measures(
        y, evaluation.probability, float(probability_of(np.array([base]))[0]), weight, cluster,
        n_bootstrap=config.n_bootstrap, seed=seed,
    )  # fmt: skip
    graded = scorer.grades.of(scorer.scale.score(scorer.calibration.of(newest_margin)))
    explained_rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_EXPLAINED)).astype(np.int64)]
    explained = scorer.explain_matrix(recode(dataset.matrix.take(explained_rows), scorer.levels))
    return {
        "goal": dataset.goal,
        "horizon_days": dataset.horizon_days,
        "definition": dict(dataset.definition),
        "maturity": [dict(row) for row in dataset.maturity],
        "candidate": choice.candidate,
        "why": choice.why,
        "candidates": {name: round(loss, 6) for name, loss in sorted(choice.log_loss.items())},
        "verdict": verdict(choice, figures),
        "out_of_time": figures,
        "calibration": calibration_table(y, evaluation.probability, weight=weight, lead=cluster),
        "grades": grade_rows(graded, y, weight, scorer.grades.thresholds, weeks=_weeks(dataset, rows)),
        "importances": importance_rows(explained, dataset.features, dataset.weight[explained_rows]),
        "leaks": [finding.to_dict() for finding in leaks],
        "data": _data(dataset, held_out),
        "folds": [
            {
                "train_rows": len(f.train),
                "test_rows": len(f.test),
                "is_purged": f.is_purged,
                "rows_left_out": f.n_lost,
            }
            for f in (*folds, held_out)
        ],
        "notes": [*dataset.notes, *_purge_notes(dataset, [*folds, held_out])],
        "scale": {
            "reference_log_odds": scorer.scale.reference_log_odds,
            "slope": scorer.calibration.slope,
            "intercept": scorer.calibration.intercept,
        },
        "features_hash": dataset.features.hash,
        "data_hash": dataset.data_hash,
        "config": config.to_dict(),
        "seed": seed,
    }


def verdict(choice: Choice, figures: dict[str, dict[str, float]]) -> str:
    """One sentence: whether the model is worth more than the base rate, out of time."""
    loss, base, gain = figures["log_loss"], figures["log_loss_base_rate"], figures["log_loss_gain"]
    if choice.candidate == "base_rate":
        return f"no better than the base rate: {choice.why}; every lead gets the same score"
    if not gain["low"] > 0:
        return (
            f"no better than the base rate: log loss {loss['value']:.4f} against {base['value']:.4f} on newer leads; "
            f"the interval of the gain, {gain['low']:.4f} to {gain['high']:.4f}, contains none"
        )
    share = gain["value"] / base["value"]
    return f"better than the base rate: log loss {loss['value']:.4f} against {base['value']:.4f} on newer leads ({share:.1%} less)"


def _data(dataset: Dataset, held_out: Fold) -> dict[str, Any]:
    """Window, volumes and what was left out. ``trained_through`` and ``held_out_after`` are creation times of leads (positions in a
    flat table)."""
    labelled, mature = ~dataset.is_open, dataset.is_mature
    y, weight = dataset.y[mature], dataset.weight[mature]
    found: dict[str, Any] = {
        "rows": int(labelled.sum()),
        "leads": len(np.unique(dataset.lead_numbers[labelled])),
        "goals": len(np.unique(dataset.lead_numbers[dataset.y > 0.5])),
        "goal_rate": round(float((weight * y).sum() / weight.sum()), 6),
        "held_out_leads": len(np.unique(dataset.lead_numbers[held_out.test])),
        "excluded": dict(dataset.excluded),
        "now": dataset.now,
        "trained_through": int(dataset.order.max()),
        "held_out_after": int(dataset.order[held_out.train].max()),
        "from": None,
        "to": None,
    }
    if dataset.is_timed:
        found["from"] = format_instant(int(dataset.order.min()))
        found["to"] = format_instant(int(dataset.order.max()))
    return found


def _weeks(dataset: Dataset, rows: np.ndarray) -> float | None:
    if not dataset.is_timed:
        return None
    span = int(dataset.order[rows].max()) - int(dataset.order[rows].min())
    return span / (7 * DAY) if span > 0 else None


def _clusters(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 of what is resampled: the group where there is one, otherwise the lead."""
    group = dataset.rows.group
    key = dataset.lead_numbers if group is None else group
    return np.unique(key[rows], return_inverse=True)[1]


def _purge_notes(dataset: Dataset, folds: Sequence[Fold]) -> list[str]:
    if not dataset.is_timed:
        return [
            "the table has an order but no times: outcomes that were still open when newer leads came could not be left out"
        ]
    open_folds = sum(not f.is_purged for f in folds)
    if not open_folds:
        return []
    return [
        f"{open_folds} of {len(folds)} splits learned from leads whose {dataset.horizon_days} days were not over when the tested leads "
        "came: the history is too short to leave them out, so the figures may be a little too good"
    ]
