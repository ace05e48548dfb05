"""Choosing among candidates by what they say about later leads.

Each fold fits the parts on older leads and judges them on newer ones, calibrated by the folds before it. The blend is taken unless
another candidate is clearly better, and nothing is taken that falls behind the base rate. "Clearly" counts folds, not only leads: a
lead in one bad month is like its neighbours, so a difference that changes sign from fold to fold proves little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.learning.calibration import calibrate
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.fitting import fit_parts
from training.learning.folds import Fold

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Raw log-odds of leads newer than those learned from.

    Attributes
    ----------
    rows : row numbers that some fold tested, shape (m,).
    fold : which fold tested each, from 0, oldest first, shape (m,).
    margins : raw log-odds by candidate, shape (m,) each; the base rate always runs along as the measure.
    """

    rows: np.ndarray
    fold: np.ndarray
    margins: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidate, every candidate's calibrated log loss out of fold, and why it was chosen."""

    candidate: str
    log_loss: Mapping[str, float]
    why: str


def out_of_fold(
    dataset: Dataset,
    folds: Sequence[Fold],
    *,
    config: TrainConfig,
    seed: int,
    progress: Progress | None = None,
) -> OutOfFold:
    """Raw margins of all candidates on the folds' test rows."""
    names = list(dict.fromkeys(["base_rate", *config.candidates]))
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for k, fold in enumerate(folds):
        if progress:
            progress("choosing a model", k, len(folds))
        parts = fit_parts(
            dataset,
            fold.train,
            candidates=names,
            config=config,
            seed=seed,
        )
        X = parts.columns(dataset.matrix, fold.test)
        for name in names:
            found[name].append(parts.candidate(name).margin(X))
    if progress:
        progress("choosing a model", len(folds), len(folds))
    return OutOfFold(
        rows=np.concatenate([fold.test for fold in folds]),
        fold=np.concatenate([np.full(len(fold.test), k) for k, fold in enumerate(folds)]),
        margins={name: np.concatenate(margins) for name, margins in found.items()},
    )


def choose(oof: OutOfFold, y: np.ndarray, weight: np.ndarray, *, config: TrainConfig) -> Choice:
    """Choose a candidate. ``y`` and ``weight`` are those of ``oof.rows``."""
    losses = {
        name: row_loss(margin if name == "base_rate" else calibrated_forward(margin, y, weight, oof.fold), y)
        for name, margin in oof.margins.items()
    }
    means = {name: float((weight * loss).sum() / weight.sum()) for name, loss in losses.items()}

    def ahead(a: str, b: str) -> float:
        return clearly(losses[b] - losses[a], weight, oof.fold)

    allowed = [name for name in means if name in config.candidates]
    models = [name for name in allowed if name != "base_rate"]
    if not models:
        return Choice("base_rate", means, "no other candidate was allowed")
    chosen = "blend" if "blend" in models else min(models, key=lambda name: means[name])
    why = "nothing else is clearly better" if len(models) > 1 else "the only model allowed"
    for rival in models:
        by = ahead(rival, chosen)
        if by > config.clear_standard_errors:
            why = f"ahead of the {chosen} by {by:.1f} standard errors on older leads"
            chosen = rival
    if "base_rate" in allowed:
        by = ahead(chosen, "base_rate")
        if by < config.base_rate_standard_errors:
            how = "behind it" if by < 0 else "ahead by too little to trust"
            why = f"the {chosen} is {how} on older leads ({by:+.1f} standard errors)"
            chosen = "base_rate"
    return Choice(chosen, means, why)


def calibrated_forward(margin: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Margins calibrated by the folds before their own, shape kept; the first fold stays as it is."""
    found = margin.copy()
    for k in np.unique(fold)[1:]:
        older, own = fold < k, fold == k
        found[own] = calibrate(margin[older], y[older], weight[older], fold[older]).of(margin[own])
    return found


def clearly(gain: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> float:
    """Mean gain over its standard error: the larger of the error between rows and the error between folds. 0 when all gains are 0."""
    mean = float((weight * gain).sum() / weight.sum())
    between_rows = float(np.sqrt((weight**2 * (gain - mean) ** 2).sum()) / weight.sum())
    ids = np.unique(fold)
    means = np.array([(weight * gain)[fold == k].sum() / weight[fold == k].sum() for k in ids])
    between_folds = float(means.std(ddof=1) / np.sqrt(len(ids))) if len(ids) > 1 else 0.0
    error = max(between_rows, between_folds)
    return mean / error if error > 0 else 0.0


def row_loss(margin: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Natural log loss of each row from its log-odds, shape (n,)."""
    return np.logaddexp(0.0, margin) - y * margin
