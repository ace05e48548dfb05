"""How sure the model may be of a chance, learned from leads it had not seen.

Three doubts make the half width of the band in log-odds. *Other leads*: the chosen candidate is fitted on two halves of the older leads,
drawn by lead; how far the two differ on newer leads, divided by four, is the variance of a fit on all of them. *What a shrunken model
leaves out*: at a well-chosen strength of shrinkage the squared bias is about as large as the variance, so that variance counts twice.
*Other months*: how far the level of the calibration has moved from fold to fold.

Beside the band stands the inductive Venn-Abers pair of each score, from the same unseen leads.

References
----------
Nychka (1988), Bayesian confidence intervals for smoothing splines: coverage across the leads, not for each one. DerSimonian and
Laird (1986) for the spread between folds. Vovk, Petej and Fedorova (2015) for the pair.
"""

from __future__ import annotations

import numpy as np

from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.fitting import fit_parts
from training.scorer.additive import Affine
from training.scorer.intervals import Intervals

COVERAGE = 0.90
_Z = 1.6448536269514722
BIAS_SHARE = 3.0
_SPLITS = 2
_MOST_GROUPS = 100
_FEWEST_IN_GROUP = 25.0


def fit_variance(
    dataset: Dataset,
    train: np.ndarray,
    test: np.ndarray,
    *,
    candidate: str,
    calibration: Affine,
    config: TrainConfig,
    seed: int,
) -> float:
    """Variance of a calibrated margin over the choice of the leads in ``train``, mean over the rows ``test``; in squared log-odds."""
    rng = np.random.default_rng([seed, 17])
    lead = dataset.lead_numbers[train]
    leads = np.unique(lead)
    found = []
    for _ in range(_SPLITS):
        first = np.isin(lead, rng.permutation(leads)[: len(leads) // 2])
        margins = []
        for rows in (train[first], train[~first]):
            parts = fit_parts(dataset, rows, candidates=[candidate], config=config, seed=seed)
            margins.append(parts.candidate(candidate).margin(parts.columns(dataset.matrix, test)))
        apart = calibration.slope * (margins[0] - margins[1])
        weight = dataset.weight[test]
        found.append(float((weight * apart**2).sum() / weight.sum()) / 4)
    return float(np.mean(found))


def level_variance(margin: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> float:
    """Variance of the level that the next months may have, from calibrated margins by fold; folds of one class tell nothing."""
    levels, variances = [], []
    for k in np.unique(fold):
        own = fold == k
        if 0 < int((y[own] > 0.5).sum()) < int(own.sum()):
            shift, variance = level_shift(margin[own], y[own], weight[own])
            levels.append(shift)
            variances.append(variance)
    if not levels:
        return 0.0
    value, v = np.array(levels), np.array(variances)
    w = 1 / v
    between = 0.0
    if len(value) > 1:
        mean = (w * value).sum() / w.sum()
        excess = (w * (value - mean) ** 2).sum() - (len(value) - 1)
        between = max(0.0, float(excess / (w.sum() - (w**2).sum() / w.sum())))
    return between + 1 / float((1 / (v + between)).sum())


def level_shift(margin: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Log-odds to add so that the mean chance is the goal rate, and the variance of that. Half a lead of each class keeps it finite."""
    wanted = (float((weight * y).sum()) + 0.5) / (float(weight.sum()) + 1.0)
    low, high = -40.0, 40.0
    for _ in range(100):
        middle = (low + high) / 2
        if float((weight * _sigmoid(margin + middle)).sum() / weight.sum()) < wanted:
            low = middle
        else:
            high = middle
    shift = (low + high) / 2
    p = _sigmoid(margin + shift)
    return shift, 1 / max(float((weight * p * (1 - p)).sum()), 1e-9)


def make_intervals(
    margin: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray, *, variance: float
) -> Intervals:
    """Intervals from calibrated margins of leads the models had not seen.

    Parameters
    ----------
    margin, y, weight, fold : shape (n,).
    variance : that of the fit, as ``fit_variance`` gives it.
    """
    doubt = BIAS_SHARE * variance + level_variance(margin, y, weight, fold)
    edges, missed, reached = venn_abers(margin, y, weight)
    return Intervals(COVERAGE, float(_Z * np.sqrt(doubt)), edges, missed, reached)


def venn_abers(
    margin: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Edges of groups of equal weight, and per group the isotonic chance with one more lead in it that missed, or reached, the goal.

    Grouping before the isotonic fits keeps the guarantee, because the group is itself a score, and makes a table that is looked up.
    """
    total = float(weight.sum())
    n_groups = int(min(_MOST_GROUPS, max(1, total // _FEWEST_IN_GROUP)))
    order = np.argsort(margin, kind="stable")
    upto = np.cumsum(weight[order]) / total
    cuts = margin[order][np.minimum(np.searchsorted(upto, np.arange(1, n_groups) / n_groups), len(order) - 1)]
    edges = np.unique(cuts[cuts > margin.min()])
    group = np.searchsorted(edges, margin, side="right")
    held = np.bincount(group, weights=weight, minlength=len(edges) + 1)
    hits = np.bincount(group, weights=weight * y, minlength=len(edges) + 1)
    pairs: tuple[list[float], list[float]] = ([], [])
    for k in range(len(held)):
        for label, found in enumerate(pairs):
            more_held, more_hits = held.copy(), hits.copy()
            more_held[k] += 1.0
            more_hits[k] += label
            found.append(float(isotonic(more_hits / more_held, more_held)[k]))
    # Rounding must not make a table fall.
    missed, reached = (np.maximum.accumulate(np.array(found)) for found in pairs)
    return tuple(edges.tolist()), tuple(missed.tolist()), tuple(reached.tolist())


def isotonic(value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Never falling fit of least squares by pooling adjacent violators; weights above 0.

    >>> isotonic(np.array([1.0, 3.0, 2.0]), np.ones(3)).tolist()
    [1.0, 2.5, 2.5]
    """
    pools: list[list[float]] = []
    for v, w in zip(value.tolist(), weight.tolist(), strict=True):
        pools.append([v, w, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            last, before = pools.pop(), pools.pop()
            both = before[1] + last[1]
            pools.append([(before[0] * before[1] + last[0] * last[1]) / both, both, before[2] + last[2]])
    return np.concatenate([np.full(int(n), v) for v, _, n in pools])


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -500.0, 500.0)))
