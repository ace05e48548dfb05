"""Do the probabilities keep their word on leads that came later?

Asked of the model that had not seen these leads, overall, by tenth and by segment, each answer with an interval from resampling leads.

The rule. A finding fails the check only when it is beyond chance and large enough to mislead:

- in the large: observed over predicted outside 0.75 to 1.33, and its 95 % interval does not contain 1;
- slope: outside 0.7 to 1.4, and its 95 % interval does not contain 1;
- a segment of at least a tenth of the leads: observed over predicted outside 0.5 to 2, and an interval that is widened for the number of
  segments does not contain 1. Smaller segments are shown and warned of.

With fewer than 20 leads of either outcome there is nothing to check by, and the check does not pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.learning.dataset import Dataset

LARGE, SLOPE, SEGMENT = (0.75, 1 / 0.75), (0.7, 1.4), (0.5, 2.0)
FEWEST = 20
_STEEPEST = 50.0
# Below this many expected goals, a segment where none came is no evidence yet.
_FEWEST_GOALS = 10
_SMALLEST_SEGMENT, _MOST_LEVELS, _MOST_FIELDS, _DECIDING_SHARE = 50, 8, 3, 0.10


def calibration_check(
    margin: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray,
    *,
    segments: Mapping[str, np.ndarray] | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """The check as plain values: ``passed``, ``why``, ``overall``, ``deciles``, ``segments``, ``warnings``.

    Parameters
    ----------
    margin : calibrated log-odds of leads the model had not seen, shape (n,).
    y, weight : shape (n,).
    cluster : whole numbers from 0, what is resampled: the lead, or its group.
    segments : bool arrays, shape (n,), by name.
    """
    segments = segments or {}
    hits, misses = (len(np.unique(cluster[side & (weight > 0)])) for side in (y > 0.5, y <= 0.5))
    if min(hits, misses) < FEWEST:
        why = f"{hits} of the newest leads reached the goal and {misses} did not; a check needs {FEWEST} of each"
        return {
            "passed": False, "why": why, "overall": {}, "deciles": [], "segments": [], "warnings": [],
        }  # fmt: skip
    p = _sigmoid(margin)
    draws = _draws(cluster, n_bootstrap=n_bootstrap, seed=seed)
    overall: dict[str, Any] = {
        "observed_over_predicted": _ratio(y, p, weight, cluster, draws, level=0.95),
        "slope": _slope(margin, y, weight, cluster, draws),
        "expected_calibration_error": _ece(y, p, weight, cluster, draws),
        "predicted": _round((weight * p).sum() / weight.sum()),
        "observed": _round((weight * y).sum() / weight.sum()),
    }
    tenth = _tenths(p, weight)
    deciles = [
        {"tenth": int(t) + 1, **_part(tenth == t, y, p, weight, cluster, draws, level=0.95)}
        for t in np.unique(tenth)
    ]
    level = 1 - 0.05 / max(len(segments), 1)
    rows = [
        {"segment": name, **_part(own, y, p, weight, cluster, draws, level=level)}
        for name, own in segments.items()
    ]
    failures, warnings = _findings(overall, rows)
    ratio = overall["observed_over_predicted"]
    why = "; ".join(failures) or (
        f"observed over predicted {ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}], "
        f"slope {overall['slope']['value']:.2f}: nothing is off beyond chance by more than allowed"
    )
    return {
        "passed": not failures, "why": why, "overall": overall, "deciles": deciles, "segments": rows, "warnings": warnings,
    }  # fmt: skip


def segments_of(
    dataset: Dataset, rows: np.ndarray, importances: Sequence[Mapping[str, Any]], *, named: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Levels with at least 50 leads, of the named fields or otherwise of the three categories that move scores most.

    ``importances`` are the card's features, strongest first. Names that are no category of the dataset are passed over.
    """
    categories = [str(row["feature"]) for row in importances if row["feature"] in dataset.matrix.levels]
    wanted = [name for name in named if name in dataset.matrix.levels] or categories[:_MOST_FIELDS]
    lead = dataset.lead_numbers[rows]
    found: dict[str, np.ndarray] = {}
    for name in wanted:
        codes = dataset.matrix.X[rows, dataset.matrix.names.index(name)]
        sizes = []
        for code, level in enumerate(dataset.matrix.levels[name]):
            own = codes == code
            n_leads = len(np.unique(lead[own]))
            if n_leads >= _SMALLEST_SEGMENT:
                sizes.append((-n_leads, str(level), own))
        for _, level, own in sorted(sizes, key=lambda size: size[:2])[:_MOST_LEVELS]:
            found[f"{name} = {level}"] = own
    return found


def slope_of(margin: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """(slope, intercept) of the logistic regression of outcomes on log-odds; (1, 0) is perfect. Slopes beyond 50 are cut there."""
    theta = np.array([1.0, 0.0])
    for _ in range(50):
        gradient, H = _moments(theta, margin, y, weight)
        step = np.linalg.solve(H + 1e-9 * np.eye(2), gradient)
        theta = np.clip(
            theta - step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-12)), -_STEEPEST, _STEEPEST
        )
        if np.abs(step).max() < 1e-10:
            break
    return float(theta[0]), float(theta[1])


def _moments(
    theta: np.ndarray, margin: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    p = _sigmoid(theta[0] * margin + theta[1])
    off, curve = weight * (p - y), weight * p * (1 - p)
    cross = (curve * margin).sum()
    return (
        np.array([(off * margin).sum(), off.sum()]),
        np.array([[(curve * margin**2).sum(), cross], [cross, curve.sum()]]),
    )


def _slope(
    margin: np.ndarray, y: np.ndarray, weight: np.ndarray, cluster: np.ndarray, draws: np.ndarray
) -> dict[str, float]:
    """Slope with its interval: one Newton step from the fit to every resample, from sums by cluster."""
    if float(margin.std()) < 1e-9:
        return {"value": 1.0, "low": 1.0, "high": 1.0}
    slope, intercept = slope_of(margin, y, weight)
    p = _sigmoid(slope * margin + intercept)
    off, curve = weight * (p - y), weight * p * (1 - p)

    def by_cluster(values: np.ndarray) -> np.ndarray:
        return draws @ np.bincount(cluster, weights=values, minlength=draws.shape[1])

    g0, g1 = by_cluster(off * margin), by_cluster(off)
    a, b, c = by_cluster(curve * margin**2), by_cluster(curve * margin), by_cluster(curve)
    determinant = np.maximum(a * c - b * b, 1e-12)
    return _with_interval(slope, slope - (c * g0 - b * g1) / determinant, level=0.95)


def _ratio(
    y: np.ndarray, p: np.ndarray, weight: np.ndarray, cluster: np.ndarray, draws: np.ndarray, *, level: float
) -> dict[str, float]:
    """Observed over predicted; 1 is a kept word."""
    n = draws.shape[1]
    came = draws @ np.bincount(cluster, weights=weight * y, minlength=n)
    said = draws @ np.bincount(cluster, weights=weight * p, minlength=n)
    value = float((weight * y).sum() / max((weight * p).sum(), 1e-12))
    return _with_interval(value, (came / np.maximum(said, 1e-12))[said > 0], level=level)


def _ece(
    y: np.ndarray, p: np.ndarray, weight: np.ndarray, cluster: np.ndarray, draws: np.ndarray
) -> dict[str, float]:
    """Mean distance of observed from predicted over tenths of the leads. 0 is perfect, though chance alone keeps it above."""
    tenth, n = _tenths(p, weight), draws.shape[1]
    off = np.array(
        [np.bincount(cluster, weights=weight * (y - p) * (tenth == t), minlength=n) for t in np.unique(tenth)]
    )
    held = np.bincount(cluster, weights=weight, minlength=n)
    value = float(np.abs(off.sum(axis=1)).sum() / held.sum())
    return _with_interval(value, np.abs(off @ draws.T).sum(axis=0) / (draws @ held), level=0.95)


def _part(
    own: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray,
    draws: np.ndarray,
    *,
    level: float,
) -> dict[str, Any]:
    w = weight * own
    held = max(float(w.sum()), 1e-12)
    return {
        "share": _round(held / weight.sum()),
        "expected_goals": _round((w * p).sum()),
        "predicted": _round((w * p).sum() / held),
        "observed": _round((w * y).sum() / held),
        "observed_over_predicted": _ratio(y, p, w, cluster, draws, level=level),
    }


def _findings(overall: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    failures: list[str] = []
    warnings: list[str] = []
    ratio, slope = overall["observed_over_predicted"], overall["slope"]
    if _is_off(ratio, LARGE):
        failures.append(
            f"{overall['observed']:.1%} reached the goal where {overall['predicted']:.1%} was predicted "
            f"(ratio {ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}])"
        )
    if _is_off(slope, SLOPE):
        how = "too bold" if slope["value"] < 1 else "too timid"
        failures.append(
            f"the chances are {how}: slope {slope['value']:.2f} [{slope['low']:.2f}, {slope['high']:.2f}]"
        )
    for row in rows:
        if row["expected_goals"] >= _FEWEST_GOALS and _is_off(row["observed_over_predicted"], SEGMENT):
            said = f"{row['segment']}: {row['observed']:.1%} where {row['predicted']:.1%} was predicted"
            (failures if row["share"] >= _DECIDING_SHARE else warnings).append(said)
    return failures, warnings


def _is_off(figure: Mapping[str, float], allowed: tuple[float, float]) -> bool:
    by_chance = figure["low"] <= 1.0 <= figure["high"]
    return not by_chance and not allowed[0] <= figure["value"] <= allowed[1]


def _tenths(p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Tenth of the leads by rising chance, from 0; leads with one chance stay together."""
    values, place = np.unique(p, return_inverse=True)
    held = np.bincount(place, weights=weight, minlength=len(values))
    middle = (np.cumsum(held) - held / 2) / held.sum()
    return np.minimum((middle * 10).astype(np.int64), 9)[place]


def _draws(cluster: np.ndarray, *, n_bootstrap: int, seed: int) -> np.ndarray:
    """How often each cluster is drawn, shape (n_bootstrap, clusters)."""
    rng = np.random.default_rng([seed, 19])
    n = int(cluster.max()) + 1
    return np.array(
        [np.bincount(rng.integers(0, n, size=n), minlength=n) for _ in range(n_bootstrap)], dtype=np.float64
    )


def _with_interval(value: float, sample: np.ndarray, *, level: float) -> dict[str, float]:
    if not len(sample):
        return {"value": _round(value), "low": _round(value), "high": _round(value)}
    low, high = np.quantile(sample, [(1 - level) / 2, (1 + level) / 2])
    return {"value": _round(value), "low": _round(low), "high": _round(high)}


def _round(value: float) -> float:
    return round(float(value), 6)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -500.0, 500.0)))
