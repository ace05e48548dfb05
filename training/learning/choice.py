"""Choosing among candidates by what they say about later leads.

Each fold fits the parts on older leads and judges them on newer ones. The blend is taken unless another candidate is clearly better, and
nothing is taken that does not clearly beat the base rate. "Clearly" counts folds, not only leads: a lead in one bad month is like
its neighbours, so a difference that changes sign from fold to fold proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.learning.basis import FORMS
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.fitting import WEIGHTS, fit_parts
from training.learning.folds import Fold

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Raw log-odds of leads newer than those learned from.

    Attributes
    ----------
    rows : row numbers that some fold tested, rising, shape (m,).
    fold : which fold tested each, from 0, shape (m,).
    margins : raw log-odds by (candidate, form), shape (m,) each; form is "" where no scorecard takes part.
    """

    rows: np.ndarray
    fold: np.ndarray
    margins: Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidate and scorecard form, every candidate's out-of-fold log loss (best form), and one sentence why."""

    candidate: str
    form: str
    log_loss: Mapping[str, float]
    why: str

    @property
    def key(self) -> tuple[str, str]:
        """Where ``OutOfFold.margins`` keeps the chosen candidate."""
        return self.candidate, self.form if WEIGHTS[self.candidate][0] else ""


def out_of_fold(
    dataset: Dataset,
    folds: Sequence[Fold],
    *,
    config: TrainConfig,
    seed: int,
    forms: tuple[str, ...] = FORMS,
    progress: Progress | None = None,
) -> OutOfFold:
    """Raw margins of all candidates on the folds' test rows."""
    keys = margin_keys(config.candidates, forms)
    found: dict[tuple[str, str], list[np.ndarray]] = {key: [] for key in keys}
    needs_trees = any(WEIGHTS[name][1] for name, _ in keys)
    for k, fold in enumerate(folds):
        if progress:
            progress("choosing a model", k, len(folds))
        used = forms if any(WEIGHTS[name][0] for name, _ in keys) else ()
        parts = fit_parts(dataset, fold.train, config=config, seed=seed, forms=used, with_trees=needs_trees)
        X = parts.columns(dataset.matrix, fold.test)
        own = {form: card.margin(X) for form, card in parts.scorecards.items()}
        trees = parts.trees.margin(X) if parts.trees is not None else None
        for name, form in keys:
            found[name, form].append(_mixed(name, own.get(form), trees, parts.base, len(X)))
    if progress:
        progress("choosing a model", len(folds), len(folds))
    return OutOfFold(
        rows=np.concatenate([fold.test for fold in folds]),
        fold=np.concatenate([np.full(len(fold.test), k) for k, fold in enumerate(folds)]),
        margins={key: np.concatenate(margins) for key, margins in found.items()},
    )


def margin_keys(candidates: Sequence[str], forms: Sequence[str]) -> list[tuple[str, str]]:
    """(candidate, form) pairs that compete; the base rate always runs along as the measure."""
    names = dict.fromkeys(["base_rate", *candidates])
    return [(name, form) for name in names for form in (forms if WEIGHTS[name][0] else ("",))]


def choose(oof: OutOfFold, y: np.ndarray, weight: np.ndarray, *, config: TrainConfig) -> Choice:
    """Choose a candidate. ``y`` and ``weight`` are those of ``oof.rows``."""
    losses = {key: _row_loss(margin, y) for key, margin in oof.margins.items()}
    means = {key: float((weight * loss).sum() / weight.sum()) for key, loss in losses.items()}
    best = {
        name: min((key for key in means if key[0] == name), key=lambda key: means[key]) for name, _ in means
    }
    allowed = [name for name in best if name in config.candidates]
    chosen = "blend" if "blend" in allowed else min(allowed, key=lambda name: means[best[name]])
    why = "an even blend is the safest where nothing else is clearly better"

    def ahead(a: str, b: str) -> float:
        """By how many standard errors ``a`` beats ``b``."""
        return clearly(losses[best[b]] - losses[best[a]], weight, oof.fold)

    for rival in ("scorecard", "trees"):
        if rival in allowed and chosen != rival and means[best[rival]] < means[best[chosen]]:
            by = ahead(rival, chosen)
            if by > config.clear_standard_errors:
                why = f"ahead of the {chosen} by {by:.1f} standard errors in older data"
                chosen = rival
    if "base_rate" in allowed and chosen != "base_rate":
        by = ahead(chosen, "base_rate")
        if by < config.clear_standard_errors:
            why = f"the {chosen} is ahead of the base rate by {by:.1f} standard errors in older data: too little to trust"
            chosen = "base_rate"
    return Choice(
        candidate=chosen,
        form=best[chosen][1] or FORMS[-1],
        log_loss={name: means[best[name]] for name in best},
        why=why,
    )


def clearly(gain: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> float:
    """Mean gain over its standard error: the larger of the error between rows and the error between folds. 0 when all gains are 0."""
    mean = float((weight * gain).sum() / weight.sum())
    between_rows = float(np.sqrt((weight**2 * (gain - mean) ** 2).sum()) / weight.sum())
    ids = np.unique(fold)
    means = np.array([(weight * gain)[fold == k].sum() / weight[fold == k].sum() for k in ids])
    between_folds = float(means.std(ddof=1) / np.sqrt(len(ids))) if len(ids) > 1 else 0.0
    error = max(between_rows, between_folds)
    return mean / error if error > 0 else 0.0


def _mixed(
    name: str, scorecard: np.ndarray | None, trees: np.ndarray | None, base: float, n: int
) -> np.ndarray:
    if name == "base_rate" or (scorecard is None and trees is None):
        return np.full(n, base)
    total = np.zeros(n)
    for share, margin in zip(WEIGHTS[name], (scorecard, trees), strict=True):
        if share and margin is not None:
            total = total + share * margin
    return total


def _row_loss(margin: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, margin) - y * margin
