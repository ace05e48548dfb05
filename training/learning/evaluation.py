"""What a scorer is worth on leads it has not seen, with intervals.

Intervals come from resampling leads (or groups): rows of one lead are not independent. The seed makes them reproducible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.spec import FeatureSet
from training.learning.metrics import average_precision, brier, lift_at, log_loss, roc_auc
from training.scorer.policy import LETTERS
from training.scorer.reasons import topic_members
from training.scorer.scorer import Explained, Scorer

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


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
    constant = np.full(len(y), base)
    wanted: dict[str, Measure] = {
        "roc_auc": lambda y, p, w: roc_auc(y, p, weight=w),
        "average_precision": lambda y, p, w: average_precision(y, p, weight=w),
        "log_loss": lambda y, p, w: log_loss(y, p, weight=w),
        "log_loss_base_rate": lambda y, p, w: log_loss(y, constant, weight=w),
        "log_loss_gain": lambda y, p, w: log_loss(y, constant, weight=w) - log_loss(y, p, weight=w),
        "brier": lambda y, p, w: brier(y, p, weight=w),
        "lift_at_10": lambda y, p, w: lift_at(y, p, share=0.10, weight=w),
    }
    draws = _resamples(cluster, n_bootstrap=n_bootstrap, seed=seed)
    found: dict[str, dict[str, float]] = {}
    for name, measure in wanted.items():
        sample = np.array([measure(y, probability, weight * times[cluster]) for times in draws])
        sample = sample[np.isfinite(sample)]
        low, high = np.quantile(sample, [0.025, 0.975]) if len(sample) else (np.nan, np.nan)
        value = measure(y, probability, weight)
        if np.isfinite(value) and len(sample):
            found[name] = {"value": _round(value), "low": _round(low), "high": _round(high)}
    return found


def _resamples(cluster: np.ndarray, *, n_bootstrap: int, seed: int) -> list[np.ndarray]:
    """How often each cluster is drawn, one array per resample."""
    rng = np.random.default_rng([seed, 7])
    n = int(cluster.max()) + 1
    return [
        np.bincount(rng.integers(0, n, size=n), minlength=n).astype(np.float64) for _ in range(n_bootstrap)
    ]


def calibration_rows(
    y: np.ndarray, probability: np.ndarray, weight: np.ndarray, cluster: np.ndarray, *, n_bins: int = 10
) -> list[dict[str, float]]:
    """By tenth of the leads: share, predicted and observed goal rate, and a 95 % interval of the observed one (Wilson, counting leads)."""
    _, place = np.unique(probability, return_inverse=True)
    held = np.bincount(place, weights=weight)
    middle = (np.cumsum(held) - held / 2) / held.sum()
    bins = np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)[place]
    table = []
    for b in np.unique(bins):
        rows = bins == b
        w = weight[rows]
        observed = float((w * y[rows]).sum() / w.sum())
        low, high = wilson(observed, min(float(w.sum()), float(len(np.unique(cluster[rows])))))
        table.append(
            {
                "share": _round(w.sum() / weight.sum()),
                "predicted": _round((w * probability[rows]).sum() / w.sum()),
                "observed": _round(observed),
                "low": _round(low),
                "high": _round(high),
            }
        )
    return table


def wilson(rate: float, n: float) -> tuple[float, float]:
    """95 % interval of a rate seen among n. (0, 1) for n = 0.

    >>> tuple(round(v, 3) for v in wilson(0.5, 100))
    (0.404, 0.596)
    """
    if n <= 0:
        return 0.0, 1.0
    z2 = 1.959964**2
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = 1.959964 * np.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


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
