"""A model for a firm without outcomes: points set by hand, in the artifact and with the card of any other model.

Nothing is learned but the level of the chances. Whether they mean what they say is not known, so the probability is withheld; score,
grade and reasons are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.domain import format_instant
from features.matrix import recode
from training.learning.calibration_check import calibration_check
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.evaluation import Evaluation, grade_rows, importance_rows, measures
from training.learning.golden import golden_of
from training.learning.hand_points import EXPECTATION_LEADS, HandPoints, level_for, load_hand_points
from training.learning.metrics import calibration_table
from training.scorer.additive import Additive, Affine
from training.scorer.policy import Grades, choose_grades
from training.scorer.scale import Scale, log_odds, probability_of
from training.scorer.scorer import Golden, Scorer

CANDIDATE = "hand_points"
# Without a lead to look at: an average lead is C, twice its odds B, four times A.
_GRADES = Grades(70, 60, 50)


def made_by_hand(
    dataset: Dataset,
    *,
    config: TrainConfig,
    seed: int,
    about: Mapping[str, Any],
    ready: Mapping[str, Any],
    reference_log_odds: float | None,
) -> tuple[Scorer, dict[str, Any], Evaluation]:
    """Scorer, card and evaluation of the points that ``config.hand_points`` names; the dataset may have no rows at all.

    The scorer has learned from no lead, so all mature rows judge it. Raises ConfigError for a table that cannot be read.
    """
    table = load_hand_points(config.hand_points or None)
    levels = table.levels(dataset.features)
    columns = recode(dataset.matrix, levels)
    scorecard = table.scorecard(dataset.features)
    rows = np.flatnonzero(dataset.is_mature)
    y, weight = dataset.y[rows], dataset.weight[rows]
    raw = scorecard.margin(columns.X[rows])
    calibration = Affine(1.0, level_for(raw, y, weight, expected=table.goal_rate))
    margin = calibration.of(raw)
    seen = float((weight * y).sum()) + EXPECTATION_LEADS * table.goal_rate
    base = log_odds(seen / (float(weight.sum()) + EXPECTATION_LEADS))
    scale = Scale(base if reference_log_odds is None else reference_log_odds)
    grades = (
        choose_grades(scale.score(margin), shares=config.grade_shares, weight=weight)
        if len(rows)
        else _GRADES
    )
    scorer = Scorer(
        goal=dataset.goal,
        horizon_days=dataset.horizon_days,
        features=dataset.features,
        levels=levels,
        model=Additive(n_features=len(dataset.features), scorecard=scorecard, weight_scorecard=1.0),
        calibration=calibration,
        scale=scale,
        grades=grades,
        golden=Golden(np.zeros((0, len(dataset.features))), np.zeros(0)),
        about={**about, "hand_points": table.hash},
        probability_withheld=True,
    )
    scorer = golden_of(scorer, columns.X, seed=seed)
    evaluation = Evaluation(scorer, rows, probability_of(margin), y, weight)
    return scorer, _card(dataset, scorer, evaluation, table, config, seed, ready, base), evaluation


def _card(
    dataset: Dataset,
    scorer: Scorer,
    evaluation: Evaluation,
    table: HandPoints,
    config: TrainConfig,
    seed: int,
    ready: Mapping[str, Any],
    base: float,
) -> dict[str, Any]:
    rows, y, weight, p = evaluation.rows, evaluation.y, evaluation.weight, evaluation.probability
    matrix = recode(dataset.matrix.take(rows), scorer.levels)
    scored = scorer.score_matrix(matrix)
    key = dataset.lead_numbers if dataset.rows.group is None else dataset.rows.group
    cluster = np.unique(key[rows], return_inverse=True)[1]
    base_rate = float(probability_of(np.array([base]))[0])
    figures = (
        measures(y, p, base_rate, weight, cluster, n_bootstrap=config.n_bootstrap, seed=seed)
        if len(rows)
        else {}
    )
    check = calibration_check(scored.margin, y, weight, cluster, n_bootstrap=config.n_bootstrap, seed=seed)
    # Nothing was learned from any lead: every lead there is may judge a later model against this one.
    before = int(dataset.order.min()) - 1 if len(dataset) else 0
    labelled = ~dataset.is_open
    n_leads = len(np.unique(dataset.lead_numbers[labelled]))
    timed = dataset.is_timed and len(dataset)
    notes = [] if table.applied(dataset.features) else ["the points set by hand name none of these columns"]
    return {
        "goal": dataset.goal,
        "horizon_days": dataset.horizon_days,
        "definition": dict(dataset.definition),
        "candidate": CANDIDATE,
        "why": "too few outcomes to learn from",
        "candidates": {},
        "verdict": f"points set by hand, nothing learned from {ready['goals']} leads with the goal and {ready['others']} without",
        "readiness": dict(ready),
        "out_of_time": figures,
        "calibration": calibration_table(y, p, weight=weight, lead=cluster),
        "calibration_check": check,
        "probability_withheld": True,
        "grades": grade_rows(scored.grade, y, weight, scorer.grades.thresholds, weeks=None)
        if len(rows)
        else [],
        "importances": importance_rows(scorer.explain_matrix(matrix), dataset.features, weight)
        if len(rows)
        else {"features": [], "topics": []},
        "leaks": [],
        "data": {
            "rows": int(labelled.sum()),
            "leads": n_leads,
            "goals": len(np.unique(dataset.lead_numbers[dataset.y > 0.5])),
            "goal_rate": round(base_rate, 6),
            "held_out_leads": n_leads,
            "excluded": dict(dataset.excluded),
            "now": dataset.now,
            "trained_through": before,
            "held_out_after": before,
            "from": format_instant(int(dataset.order.min())) if timed else None,
            "to": format_instant(int(dataset.order.max())) if timed else None,
        },
        "folds": [],
        "notes": [*dataset.notes, *notes],
        "scale": {
            "reference_log_odds": scorer.scale.reference_log_odds,
            "slope": scorer.calibration.slope,
            "intercept": scorer.calibration.intercept,
        },
        "hand_points": {"hash": table.hash, "features": table.applied(dataset.features)},
        "features_hash": dataset.features.hash,
        "data_hash": dataset.data_hash,
        "config": config.to_dict(),
        "seed": seed,
    }
