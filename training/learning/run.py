"""One training run: choose, judge, refit.

The newest leads are held out once. Everything is chosen inside the older part: the candidate and its calibration. The choice is then
judged on the held-out leads, and refitted on all of them to be shipped, calibrated and graded by margins that each lead got from a
model that had not seen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.spec import FeatureSet
from training.learning.by_hand import made_by_hand
from training.learning.calibration import calibrate
from training.learning.candidates import base_log_odds
from training.learning.card import make_card
from training.learning.choice import Choice, Progress, choose, out_of_fold
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.evaluation import Evaluation
from training.learning.evidence import believed, choosing, evidence
from training.learning.fitting import Parts, fit_parts
from training.learning.folds import split_newest, time_folds
from training.learning.golden import golden_of
from training.learning.leakage import Finding, find_leaks, without_blocked
from training.learning.likeness import with_likeness
from training.learning.open_rows import learn_open, levelled, open_summary
from training.learning.random_split import random_split
from training.learning.readiness import NOT_READY, readiness
from training.learning.ridge import with_settled_ridge
from training.learning.segments import with_segment, with_segment_levels
from training.learning.trust import Unseen, vouched
from training.scorer.additive import Additive, Affine
from training.scorer.policy import choose_grades
from training.scorer.scale import Scale, probability_of
from training.scorer.scorer import Golden, Scorer


@dataclass(frozen=True)
class TrainingResult:
    """A trained scorer, its card (plain values for JSON), its evaluation on held-out leads, and what the leak probes found."""

    scorer: Scorer
    card: dict[str, Any]
    evaluation: Evaluation
    leaks: tuple[Finding, ...]


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
        When every field is blocked as a leak.

    Too few outcomes are no error: with fewer than 20 mature leads of either kind the scorer is made of points set by hand, with fewer
    than 120 it is a scorecard that is held back; ``card["readiness"]`` says which, and what is missing.
    """
    # How immature rows were treated is settled by the dataset.
    config = replace(config or TrainConfig(), immature=dataset.immature)
    ready = readiness(dataset)
    if ready["state"] == NOT_READY:
        scorer, card, evaluation = made_by_hand(
            dataset, config=config, seed=seed, about=_about(dataset, config, seed), ready=ready,
            reference_log_odds=reference_log_odds,
        )  # fmt: skip
        card["own_features"] = FeatureSet(dataset.own).to_records()
        return TrainingResult(scorer=scorer, card=card, evaluation=evaluation, leaks=())
    y, weight = dataset.y, dataset.weight
    # Figures come from rows whose whole horizon has passed; those of younger leads only teach.
    mature = np.flatnonzero(dataset.is_mature)
    held_out = split_newest(dataset.rows, share=config.holdout_share, among=mature)
    older = np.setdiff1d(mature, held_out.test)
    dataset = with_segment(dataset, config.segment_by)
    leaks = find_leaks(dataset, older, allow=config.allow_fields)
    dataset = with_likeness(without_blocked(dataset, leaks), config=config, seed=seed)
    folds = time_folds(dataset.rows, n_folds=config.n_folds, among=older)
    n = evidence(y[older], dataset.lead_numbers[older])
    fitting = with_settled_ridge(dataset, folds, config=config, seed=seed)
    oof = out_of_fold(dataset, folds, config=choosing(fitting, n), seed=seed, progress=progress)
    choice = choose(oof, y[oof.rows], weight[oof.rows], config=choosing(config, n))
    margin = oof.margins[choice.candidate]
    scale = Scale(
        base_log_odds(y[mature], weight[mature]) if reference_log_odds is None else reference_log_odds
    )

    def segmented(parts: Parts, calibration: Affine, rows: np.ndarray, margin: np.ndarray) -> Additive:
        model, by = parts.candidate(choice.candidate), config.segment_by
        return with_segment_levels(model, calibration, dataset, parts.levels, rows, margin, by=by)

    def assemble(model: Additive, parts: Parts, calibration: Affine, rows: np.ndarray) -> Scorer:
        grades = choose_grades(
            scale.score(calibration.of(newest)), shares=config.grade_shares, weight=weight[held_out.test]
        )
        scorer = Scorer(
            goal=dataset.goal,
            horizon_days=dataset.horizon_days,
            features=dataset.features,
            levels=parts.levels,
            model=model,
            calibration=calibration,
            scale=scale,
            grades=grades,
            golden=Golden(np.zeros((0, len(dataset.features))), np.zeros(0)),
            about=_about(dataset, config, seed),
        )
        return golden_of(scorer, parts.columns(dataset.matrix, rows), seed=seed)

    _tell(progress, "judging on the newest leads", 0)
    parts = fit_parts(dataset, held_out.train, candidates=[choice.candidate], config=fitting, seed=seed)
    calibration = _calibration(choice, margin, y[oof.rows], weight[oof.rows], oof.fold, n)
    model = segmented(parts, calibration, oof.rows, margin)
    newest = model.margin(parts.columns(dataset.matrix, held_out.test))
    evaluation = Evaluation(
        scorer=assemble(model, parts, calibration, held_out.train),
        rows=held_out.test,
        probability=probability_of(calibration.of(newest)),
        y=y[held_out.test],
        weight=weight[held_out.test],
    )
    _tell(progress, "judging on the newest leads", 1)

    _tell(progress, "fitting on all leads", 0)
    lessons = learn_open(dataset, config=fitting, seed=seed)
    everything = np.flatnonzero(lessons.weight > 0)
    parts = fit_parts(
        dataset,
        everything,
        candidates=[choice.candidate],
        config=fitting,
        seed=seed,
        y=lessons.y[everything],
        weight=lessons.weight[everything],
    )
    # The held-out leads were scored by a model that had not seen them, like the folds: they calibrate as the newest fold.
    seen = np.concatenate([oof.rows, held_out.test])
    fold = np.concatenate([oof.fold, np.full(len(held_out.test), len(folds))])
    by_folds = _calibration(
        choice,
        np.concatenate([margin, newest]),
        y[seen],
        weight[seen],
        fold,
        evidence(y[mature], dataset.lead_numbers[mature]),
    )
    model = segmented(parts, by_folds, seen, np.concatenate([margin, newest]))
    calibration = levelled(dataset, by_folds, model, parts.columns(dataset.matrix, np.arange(len(dataset))))
    scorer = assemble(model, parts, calibration, everything)
    _tell(progress, "fitting on all leads", 1)

    card = make_card(
        dataset, config=config, seed=seed, choice=choice, folds=folds, held_out=held_out, scorer=scorer,
        evaluation=evaluation, newest_margin=newest, base=base_log_odds(y[held_out.train], weight[held_out.train]),
        leaks=leaks,
    )  # fmt: skip
    card["censoring"] = open_summary(dataset, lessons)
    card["scorecard_l2"] = fitting.scorecard_l2
    card["also_learned"] = [name for name in fitting.also_learn if name in dataset.said]
    card["random_split"] = random_split(
        dataset, among=mature, n_test=len(held_out.test), candidate=choice.candidate, config=fitting, seed=seed,
        out_of_time=card["out_of_time"],
    )  # fmt: skip
    scorer, evaluation, card = vouched(
        dataset, scorer, evaluation, card, train=held_out.train, config=fitting, seed=seed,
        unseen=Unseen(seen, fold, np.concatenate([margin, newest]), fold == len(folds), by_folds),
    )  # fmt: skip
    card["readiness"] = ready
    card["own_features"] = FeatureSet(dataset.own).to_records()
    return TrainingResult(scorer=scorer, card=card, evaluation=evaluation, leaks=leaks)


def _calibration(
    choice: Choice, margin: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray, n: int
) -> Affine:
    # The base rate is calibrated by definition.
    if choice.candidate == "base_rate":
        return Affine()
    return believed(calibrate(margin, y, weight, fold), margin, weight, n)


def _about(dataset: Dataset, config: TrainConfig, seed: int) -> Mapping[str, Any]:
    settings = config.to_dict()
    # The number of threads never changes the result, so it must not change the bytes either.
    del settings["threads"]
    return {
        "data_hash": dataset.data_hash,
        "definition": dict(dataset.definition),
        "config": settings,
        "seed": seed,
    }


def _tell(progress: Progress | None, what: str, done: int) -> None:
    if progress:
        progress(what, done, 1)
