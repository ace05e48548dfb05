"""What a scorer is worth on leads it has not seen, with intervals.

Intervals come from resampling leads (or groups): rows of one lead are not independent. The seed makes them reproducible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.spec import FeatureSet
from training.learning.metrics import Ranking, row_log_loss, wilson
from training.scorer.policy import LETTERS
from training.scorer.reasons import topic_members
from training.scorer.scorer import Explained, Scorer


@dataclass(frozen=True)
class Evaluation:
    """The scorer that was fitted without the newest leads, their row numbers in the dataset, and what it said of them."""

    scorer: Scorer
    rows: np.ndarray
    probability: np.ndarray
    y: np.ndarray
    weight: np.ndarray


def measures(
    y: np.ndarray,
    probability: np.ndarray,
    base: float,
    weight: np.ndarray,
    cluster: np.ndarray,
    *,
    n_bootstrap: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Figures by name, each with ``value`` and the ends ``low`` and ``high`` of its 95 % interval; a figure
    that is undefined here, such as an AUC of one class, is absent.

    Parameters
    ----------
    base : the chance that the base rate alone would give every lead.
    cluster : whole numbers from 0, what is resampled.
    """
    ranking = Ranking.of(probability)
    loss, base_loss = row_log_loss(y, probability), row_log_loss(y, np.full(len(y), base))
    error = (probability - y) ** 2

    def mean(values: np.ndarray, w: np.ndarray) -> float:
        return float((w * values).sum() / w.sum()) if w.sum() > 0 else float("nan")

    wanted: dict[str, Callable[[np.ndarray], float]] = {
        "roc_auc": lambda w: ranking.roc_auc(y, w),
        "average_precision": lambda w: ranking.average_precision(y, w),
        "log_loss": lambda w: mean(loss, w),
        "log_loss_base_rate": lambda w: mean(base_loss, w),
        "log_loss_gain": lambda w: mean(base_loss - loss, w),
        "brier": lambda w: mean(error, w),
        "lift_at_10": lambda w: ranking.lift_at(y, w, share=0.10),
    }
    draws = [weight * times[cluster] for times in _resamples(cluster, n_bootstrap=n_bootstrap, seed=seed)]
    found: dict[str, dict[str, float]] = {}
    for name, measure in wanted.items():
        value = measure(weight)
        sample = np.array([measure(w) for w in draws])
        sample = sample[np.isfinite(sample)]
        if np.isfinite(value) and len(sample):
            low, high = np.quantile(sample, [0.025, 0.975])
            found[name] = {"value": _round(value), "low": _round(low), "high": _round(high)}
    return found


def _resamples(cluster: np.ndarray, *, n_bootstrap: int, seed: int) -> list[np.ndarray]:
    """How often each cluster is drawn, one array per resample."""
    rng = np.random.default_rng([seed, 7])
    n = int(cluster.max()) + 1
    return [
        np.bincount(rng.integers(0, n, size=n), minlength=n).astype(np.float64) for _ in range(n_bootstrap)
    ]


def grade_rows(
    grade: np.ndarray, y: np.ndarray, weight: np.ndarray, thresholds: dict[str, int], *, weeks: float | None
) -> list[dict[str, Any]]:
    """What each grade holds: lowest score, share of leads, leads a week (None without times), goal rate with a 95 % interval."""
    table = []
    for letter in LETTERS:
        rows = grade == letter
        held = float(weight[rows].sum())
        rate = float((weight * y)[rows].sum() / held) if held > 0 else 0.0
        low, high = wilson(rate, held)
        table.append(
            {
                "grade": letter,
                "lowest_score": thresholds.get(letter, 0),
                "share": _round(held / weight.sum()),
                "leads_per_week": None if not weeks else _round(held / weeks),
                "goals_per_week": None if not weeks else _round(held * rate / weeks),
                "goal_rate": _round(rate),
                "low": _round(low),
                "high": _round(high),
            }
        )
    return table


def importance_rows(
    explained: Explained, features: FeatureSet, weight: np.ndarray
) -> dict[str, list[dict[str, Any]]]:
    """Mean absolute points by feature and by topic, largest first, ties by name."""
    total = weight.sum()
    by_feature = [
        {
            "feature": f.name, "group": f.group, "topic": f.topic,
            "mean_abs_points": _round((weight * np.abs(explained.points[:, j])).sum() / total),
        }
        for j, f in enumerate(features)
    ]  # fmt: skip
    by_topic = [
        {
            "topic": topic, "group": group,
            "mean_abs_points": _round((weight * np.abs(explained.points[:, columns].sum(axis=1))).sum() / total),
        }
        for (group, topic), columns in topic_members(features).items()
    ]  # fmt: skip
    return {
        "features": sorted(by_feature, key=lambda row: (-row["mean_abs_points"], row["feature"])),
        "topics": sorted(by_topic, key=lambda row: (-row["mean_abs_points"], row["topic"], row["group"])),
    }


def _round(value: float) -> float:
    return round(float(value), 6)
