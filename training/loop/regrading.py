"""New thresholds for a version: gather what is known of recent volume and of goals, choose, and register the result.

A past score names the version that graded it, so other thresholds are another version; model, calibration and scale stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from data.errors import ConfigError, NotEnoughDataError
from data.snapshots import snapshots_of
from data.store import Store
from training.insights.charts import figures
from training.learning.dataset import Dataset, build_dataset
from training.learning.evaluation import Evaluation
from training.learning.run import TrainingResult
from training.loop.capacity import (
    WEEK,
    Seen,
    Volume,
    grades_for_capacity,
    grades_for_worth,
    policy_of,
)
from training.loop.recalibration import Recalibrated, recalibrated
from training.scorer.policy import Grades
from training.scorer.registry import ModelVersion, Registry
from training.scorer.scorer import Scorer

RECENT_WEEKS = 12


def regrade(
    store: Store,
    registry: Registry,
    version: ModelVersion,
    *,
    now: int,
    per_week: float | None = None,
    value_of_goal: float | None = None,
    cost_of_lead: float | None = None,
) -> tuple[ModelVersion, dict[str, Any]]:
    """A new version with grades from capacity, or from value and cost; and its policy.

    Raises ConfigError unless one of the two is given.
    """
    by_worth = value_of_goal is not None and cost_of_lead is not None
    if (per_week is not None) == by_worth or (value_of_goal is None) != (cost_of_lead is None):
        raise ConfigError("choose grades by --per-week, or by --value-of-goal and --cost-of-lead together")
    scorer, twin = (
        registry.load(version.goal, version.number),
        registry.load_held_out(version.goal, version.number),
    )
    card = registry.card(version.goal, version.number)
    volume = recent_volume(store, scorer, now=now)
    seen = seen_leads(twin, card, _dataset(store, card, now=now))
    chosen: dict[str, float]
    if per_week is not None:
        chosen = {"per_week": float(per_week)}
        grades = grades_for_capacity(volume, per_week=per_week)
    else:
        if scorer.probability_withheld:
            raise ConfigError(
                "this version's probabilities did not keep their word, so value and cost cannot be weighed; "
                "recalibrate it, or choose grades by --per-week"
            )
        assert value_of_goal is not None
        assert cost_of_lead is not None
        chosen = {"value_of_goal": float(value_of_goal), "cost_of_lead": float(cost_of_lead)}
        grades = grades_for_worth(scorer.scale, value_of_goal=value_of_goal, cost_of_lead=cost_of_lead)
    policy = policy_of(grades, volume, seen, chosen_by=chosen)
    made = _with_grades(scorer, twin, card, grades, policy)
    return registry.register(made, now=now, figures=figures(made.card)), policy


def recalibrate(
    store: Store, registry: Registry, version: ModelVersion, *, now: int, always: bool = False, seed: int = 0
) -> tuple[ModelVersion | None, Recalibrated]:
    """Learn the intercept anew on the newest mature leads, and register the result when the base rate has moved, or ``always``."""
    card = registry.card(version.goal, version.number)
    made = recalibrated(
        registry.load(version.goal, version.number), card, _dataset(store, card, now=now), seed=seed
    )
    if not (made.shift.detected or always):
        return None, made
    return registry.register(made.result, now=now, figures=figures(made.result.card)), made


def recent_volume(store: Store, scorer: Scorer, *, now: int, weeks: int = RECENT_WEEKS) -> Volume:
    """The leads created in the last ``weeks`` whole weeks before ``now``, scored by what was known at their creation."""
    start = now - weeks * WEEK
    ids = store.lead_ids(created_from=start, created_before=now, standing_at=now)
    histories = store.histories(ids)
    asked = [(histories[i], max(histories[i].created_at, start)) for i in ids if i in histories]
    if not asked:
        raise NotEnoughDataError(f"no lead was created in the last {weeks} weeks; grades need recent volume")
    score = scorer.score_matrix(scorer.matrix(snapshots_of(asked, beside=store.account_spans))).score
    born = np.array([cutoff for _, cutoff in asked], dtype=np.int64)
    return Volume(score, (born - start) // WEEK, weeks)


def seen_leads(twin: Scorer, card: Mapping[str, Any], dataset: Dataset) -> Seen:
    """The first row of every mature lead that the twin has not learned from."""
    newer = np.flatnonzero(dataset.is_mature & (dataset.order > int(card["data"]["held_out_after"])))
    if not len(newer):
        raise NotEnoughDataError("no mature lead is newer than those the version learned from")
    by_lead = newer[np.lexsort((dataset.cutoffs[newer], dataset.lead_numbers[newer]))]
    rows = by_lead[np.unique(dataset.lead_numbers[by_lead], return_index=True)[1]]
    score = twin.score_matrix(twin.matrix(dataset.snapshots.take(rows))).score
    return Seen(score, dataset.y[rows], np.ones(len(rows)))


def _with_grades(
    scorer: Scorer, twin: Scorer, card: dict[str, Any], grades: Grades, policy: dict[str, Any]
) -> TrainingResult:
    rows = [
        {
            **row,
            "share": round(
                row["leads_per_week"] / max(sum(r["leads_per_week"] for r in policy["grades"]), 1e-12), 6
            ),
        }
        for row in policy["grades"]
    ]
    nothing = np.zeros(0)
    return TrainingResult(
        replace(scorer, grades=grades),
        {**card, "grades": rows, "policy": policy},
        Evaluation(replace(twin, grades=grades), np.zeros(0, dtype=np.int64), nothing, nothing, nothing),
        leaks=(),
    )


def _dataset(store: Store, card: Mapping[str, Any], *, now: int) -> Dataset:
    if card["horizon_days"] is None:
        raise ConfigError(
            "a model of a flat table has no store to look at; use training.loop.recalibration on a dataset"
        )
    return build_dataset(
        store,
        goal=card["goal"],
        horizon_days=int(card["horizon_days"]),
        now=now,
        ages_days=tuple(card["config"]["ages_days"]),
    )
