"""One training run: choose, judge, refit.

The newest leads are held out once. Everything is chosen inside the older part: the candidate, the scorecard's form, the calibration. The
choice is then judged on the held-out leads, and refitted on all of them to be shipped, calibrated and graded by margins that
each lead got from a model that had not seen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import NotEnoughDataError
from training.learning.calibration import calibrate
from training.learning.candidates import base_log_odds
from training.learning.card import make_card
from training.learning.choice import Choice, OutOfFold, Progress, choose, out_of_fold
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.evaluation import Evaluation
from training.learning.fitting import Parts, fit_parts
from training.learning.folds import Fold, split_newest, time_folds
from training.learning.golden import golden_of
from training.learning.leakage import Leak, single_feature_leaks
from training.scorer.additive import Affine
from training.scorer.policy import choose_grades
from training.scorer.scale import Scale, probability_of
from training.scorer.scorer import Golden, Scorer

FEWEST_LEADS = 20


@dataclass(frozen=True)
class TrainingResult:
    """A trained scorer, its card (plain values for JSON), its evaluation on held-out leads, and warnings of leaks."""

    scorer: Scorer
    card: dict[str, Any]
    evaluation: Evaluation
    leaks: tuple[Leak, ...]


def train(
    dataset: Dataset,
    config: TrainConfig | None = None,
    *,
    seed: int = 0,
    reference_log_odds: float | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Learn a scorer from a dataset.

    Parameters
    ----------
    seed : the same data, config and seed give a byte-identical scorer.
    reference_log_odds : log-odds worth 50 points; None takes those of the dataset's goal rate.
    progress : called with (what, done, of).

    Raises
    ------
    NotEnoughDataError
        With fewer than 20 leads that reached the goal, or fewer than 20 that did not.
    """
    config = config or TrainConfig()
    _check_enough(dataset)
    rows, y, weight = dataset.rows, dataset.y, dataset.weight
    everything = np.arange(len(y))
    if reference_log_odds is None:
        reference_log_odds = base_log_odds(y, weight)
    scale = Scale(reference_log_odds)

    held_out = split_newest(rows, share=config.holdout_share)
    older = np.setdiff1d(everything, held_out.test)
    folds = time_folds(rows, n_folds=config.n_folds, among=older)
    oof = out_of_fold(dataset, folds, config=config, seed=seed, progress=progress)
    choice = choose(oof, y[oof.rows], weight[oof.rows], config=config)
    margin = oof.margins[choice.key]
    calibration = _calibration(choice, margin, y[oof.rows], weight[oof.rows], oof.fold)

    _tell(progress, "judging on the newest leads", 0)
    parts = _fit(dataset, held_out.train, choice, config, seed)
    newest = parts.candidate(choice.candidate, form=choice.form).margin(
        parts.columns(dataset.matrix, held_out.test)
    )
    judged = _scorer(
        dataset,
        parts,
        choice,
        calibration,
        scale,
        newest,
        weight[held_out.test],
        config,
        held_out.train,
        seed,
    )
    _tell(progress, "judging on the newest leads", 1)

    _tell(progress, "fitting on all leads", 0)
    all_oof = _extended(oof, margin, newest, held_out)
    parts = _fit(dataset, everything, choice, config, seed)
    final = _calibration(choice, all_oof[1], y[all_oof[0]], weight[all_oof[0]], all_oof[2])
    scorer = _scorer(
        dataset, parts, choice, final, scale, newest, weight[held_out.test], config, everything, seed
    )
    _tell(progress, "fitting on all leads", 1)

    evaluation = Evaluation(
        scorer=judged,
        rows=held_out.test,
        probability=probability_of(calibration.of(newest)),
        y=y[held_out.test],
        weight=weight[held_out.test],
    )
    leaks = single_feature_leaks(dataset, older)
    card = make_card(
        dataset, config=config, seed=seed, choice=choice, folds=folds, held_out=held_out, scorer=scorer,
        evaluation=evaluation, newest_margin=newest, base=base_log_odds(y[held_out.train], weight[held_out.train]),
        leaks=leaks,
    )  # fmt: skip
    return TrainingResult(scorer=scorer, card=card, evaluation=evaluation, leaks=leaks)


def _check_enough(dataset: Dataset) -> None:
    hits = len(np.unique(dataset.lead_numbers[dataset.y > 0.5]))
    misses = len(np.unique(dataset.lead_numbers[dataset.y <= 0.5]))
    if min(hits, misses) < FEWEST_LEADS:
        raise NotEnoughDataError(
            f"{hits} leads reached the goal {dataset.goal!r} and {misses} did not; learning needs {FEWEST_LEADS} of each. "
            "Import more history, or choose a goal that comes more often"
        )


def _fit(dataset: Dataset, rows: np.ndarray, choice: Choice, config: TrainConfig, seed: int) -> Parts:
    return fit_parts(
        dataset, rows, config=config, seed=seed,
        forms=(choice.form,) if choice.candidate in ("scorecard", "blend") else (),
        with_trees=choice.candidate in ("trees", "blend"),
    )  # fmt: skip


def _calibration(
    choice: Choice, margin: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray
) -> Affine:
    # The base rate is calibrated by definition.
    return Affine() if choice.candidate == "base_rate" else calibrate(margin, y, weight, fold)


def _extended(
    oof: OutOfFold, margin: np.ndarray, newest: np.ndarray, held_out: Fold
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, margins and folds with the held-out leads as the last fold: they, too, were scored by a model that had not seen them."""
    return (
        np.concatenate([oof.rows, held_out.test]),
        np.concatenate([margin, newest]),
        np.concatenate([oof.fold, np.full(len(held_out.test), oof.fold.max() + 1)]),
    )


def _scorer(
    dataset: Dataset,
    parts: Parts,
    choice: Choice,
    calibration: Affine,
    scale: Scale,
    newest_margin: np.ndarray,
    newest_weight: np.ndarray,
    config: TrainConfig,
    rows: np.ndarray,
    seed: int,
) -> Scorer:
    score = scale.score(calibration.of(newest_margin))
    scorer = Scorer(
        goal=dataset.goal,
        horizon_days=dataset.horizon_days,
        features=dataset.features,
        levels=parts.levels,
        model=parts.candidate(choice.candidate, form=choice.form),
        calibration=calibration,
        scale=scale,
        grades=choose_grades(score, shares=config.grade_shares, weight=newest_weight),
        golden=Golden(np.zeros((0, len(dataset.features))), np.zeros(0)),
        about=_about(dataset, config, seed),
    )
    return golden_of(scorer, parts.columns(dataset.matrix, rows), seed=seed)


def _about(dataset: Dataset, config: TrainConfig, seed: int) -> Mapping[str, Any]:
    settings = config.to_dict()
    # The number of threads never changes the result, so it must not change the bytes either.
    del settings["threads"]
    return {"data_hash": dataset.data_hash, "config": settings, "seed": seed}


def _tell(progress: Progress | None, what: str, done: int) -> None:
    if progress:
        progress(what, done, 1)
