"""What a trained scorer may promise: an interval around every probability, and the probability itself only where it kept its word.

Called once at the end of a training, with what its folds and its held-out leads have shown; nothing is chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.learning.calibration_check import calibration_check, segments_of
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.evaluation import Evaluation
from training.learning.uncertainty import COVERAGE, fit_variance, make_intervals
from training.scorer.additive import Affine
from training.scorer.scorer import Scorer


@dataclass(frozen=True)
class Unseen:
    """Raw margins of the chosen candidate for rows no fitted model had seen: ``rows``, ``fold`` and ``margin``, shape (m,) each.

    ``is_held_out`` marks the newest leads, on which the choice was judged; ``calibration`` is what all of these margins ask for.
    """

    rows: np.ndarray
    fold: np.ndarray
    margin: np.ndarray
    is_held_out: np.ndarray
    calibration: Affine


def vouched(
    dataset: Dataset,
    scorer: Scorer,
    evaluation: Evaluation,
    card: dict[str, Any],
    *,
    train: np.ndarray,
    unseen: Unseen,
    config: TrainConfig,
    seed: int,
) -> tuple[Scorer, Evaluation, dict[str, Any]]:
    """The scorer, the evaluation and the card with intervals and the calibration check.

    Where the check fails, both scorers withhold the probability. ``train`` are the rows that the evaluation's scorer was fitted on.
    """
    twin = evaluation.scorer
    newest = unseen.is_held_out
    variance = fit_variance(
        dataset, train, unseen.rows[newest], candidate=card["candidate"], calibration=twin.calibration, config=config,
        seed=seed,
    )  # fmt: skip
    # The variance of a fit falls with the leads it learned from.
    n_learned = tuple(
        len(np.unique(dataset.lead_numbers[own])) for own in (train, np.flatnonzero(~dataset.is_open))
    )
    lead = dataset.lead_numbers if dataset.rows.group is None else dataset.rows.group
    check = calibration_check(
        twin.calibration.of(unseen.margin[newest]),
        evaluation.y,
        evaluation.weight,
        np.unique(lead[evaluation.rows], return_inverse=True)[1],
        segments=segments_of(
            dataset,
            evaluation.rows,
            card["importances"]["features"],
            named=_named_segments(config),
        ),
        n_bootstrap=max(config.n_bootstrap, 200),
        seed=seed,
    )
    withheld = not check["passed"]

    def promised(one: Scorer, calibration: Affine, own: np.ndarray, variance: float) -> Scorer:
        rows = unseen.rows[own]
        intervals = make_intervals(
            calibration.of(unseen.margin[own]), dataset.y[rows], dataset.weight[rows], unseen.fold[own],
            variance=variance,
        )  # fmt: skip
        return replace(one, intervals=intervals, probability_withheld=withheld)

    twin = promised(twin, twin.calibration, ~newest, variance)
    everyone = np.ones(len(newest), dtype=bool)
    shipped = promised(scorer, unseen.calibration, everyone, variance * n_learned[0] / n_learned[1])
    assert shipped.intervals is not None
    described = {
        "coverage": COVERAGE,
        "half_width_log_odds": round(shipped.intervals.half_width, 6),
        "groups": len(shipped.intervals.if_missed),
        "covers": "the goal rate among leads of whom the same is known; what nobody wrote down about a lead is not covered",
    }
    card = {**card, "calibration_check": check, "probability_withheld": withheld, "intervals": described}
    return shipped, replace(evaluation, scorer=twin), card


def _named_segments(config: TrainConfig) -> tuple[str, ...]:
    named = getattr(config, "segment_by", None) or ()
    return (named,) if isinstance(named, str) else tuple(named)
