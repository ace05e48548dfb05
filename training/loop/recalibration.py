"""A moved base rate, found and mended without retraining.

When goals become more or less common for all leads alike (a new market, a stricter definition of qualified), the order of the leads is as
good as before and only the level is off. Then the intercept alone is learned anew, on the newest mature leads, none of which the
version had learned from; slope, features, scale and grades stay. Whether there is a shift at all is tested first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.domain import DAY
from data.errors import NotEnoughDataError
from training.learning.calibration_check import calibration_check
from training.learning.dataset import Dataset
from training.learning.evaluation import Evaluation, grade_rows, measures
from training.learning.metrics import calibration_table
from training.learning.run import TrainingResult
from training.learning.uncertainty import level_shift
from training.scorer.additive import Affine
from training.scorer.scale import log_odds, probability_of
from training.scorer.scorer import Scorer

FEWEST = 20
NEWEST_LEADS = 2_000
_Z = 1.959964
_Z_INTERVAL = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Shift:
    """Whether the base rate has moved, and by how much.

    ``log_odds`` is what must be added to every margin so that the mean chance is the goal rate, with its 95 % interval, by lead.
    ``detected``: the interval does not contain 0.
    """

    detected: bool
    log_odds: float
    low: float
    high: float
    predicted: float
    observed: float
    n_leads: int
    why: str

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """The shift that was found, and what a registry keeps: the mended scorer, its card, and the scorer to judge it by."""

    result: TrainingResult
    shift: Shift


def find_shift(margin: np.ndarray, y: np.ndarray, weight: np.ndarray, lead: np.ndarray) -> Shift:
    """Test for a moved base rate.

    Parameters
    ----------
    margin : calibrated log-odds of leads the model had not seen, shape (n,).
    y, weight : shape (n,). lead : whole numbers from 0, shape (n,); rows of one lead are one piece of evidence.

    Raises
    ------
    NotEnoughDataError
        With fewer than 20 leads of either outcome.
    """
    n_leads = len(np.unique(lead))
    hits, misses = (len(np.unique(lead[side])) for side in (y > 0.5, y <= 0.5))
    if min(hits, misses) < FEWEST:
        raise NotEnoughDataError(
            f"{hits} newer leads reached the goal and {misses} did not; recalibrating needs {FEWEST} of each. Wait for more to mature"
        )
    predicted = float((weight * probability_of(margin)).sum() / weight.sum())
    observed = float((weight * y).sum() / weight.sum())
    shift, variance = level_shift(margin, y, weight)
    off = np.bincount(lead, weights=weight * (y - probability_of(margin + shift)))
    error = variance * float(np.sqrt((off**2).sum()))
    low, high = shift - _Z * error, shift + _Z * error
    detected = not low <= 0.0 <= high
    said = f"{observed:.1%} of {n_leads:,} newer leads reached the goal, {predicted:.1%} was predicted"
    why = (
        f"{said}: the base rate has moved by {shift:+.2f} [{low:+.2f}, {high:+.2f}] log-odds"
        if detected
        else f"{said}: no shift beyond chance ({shift:+.2f} [{low:+.2f}, {high:+.2f}] log-odds)"
    )
    return Shift(detected, shift, low, high, predicted, observed, n_leads, why)


def recalibrated(scorer: Scorer, card: dict[str, Any], dataset: Dataset, *, seed: int = 0) -> Recalibrated:
    """The scorer with its intercept learned anew on the newest mature leads that it had not learned from, 2,000 at most.

    The figures of the new card come from the newer half of these leads, with an intercept learned on the older half; so does the
    scorer that the registry's judge will ask. Raises NotEnoughDataError when there are too few newer leads.
    """
    rows = _newer_rows(dataset, int(card["data"]["trained_through"]))
    margin = scorer.margin(scorer.matrix(dataset.snapshots.take(rows)))
    y, weight = dataset.y[rows], dataset.weight[rows]
    lead = np.unique(dataset.lead_numbers[rows], return_inverse=True)[1]
    shift = find_shift(margin, y, weight, lead)

    born = dataset.order[rows]
    middle = int(np.sort(born)[(len(born) - 1) // 2])
    older, newer = born <= middle, born > middle
    twin_shift = shift
    try:
        twin_shift = find_shift(
            margin[older], y[older], weight[older], np.unique(lead[older], return_inverse=True)[1]
        )
        find_shift(margin[newer], y[newer], weight[newer], lead[newer])
    except NotEnoughDataError:
        # Too few for halves: the figures are those of the leads it was mended on, and the card says so.
        middle, newer = int(born.max()), np.ones(len(rows), dtype=bool)
    mended, twin = moved(scorer, shift), moved(scorer, twin_shift)
    of_newer = margin[newer] + twin_shift.log_odds
    cluster = np.unique(lead[newer], return_inverse=True)[1]
    n_bootstrap = int(card.get("config", {}).get("n_bootstrap", 200))
    check = calibration_check(of_newer, y[newer], weight[newer], cluster, n_bootstrap=n_bootstrap, seed=seed)
    withheld = not check["passed"]
    mended, twin = (replace(one, probability_withheld=withheld) for one in (mended, twin))
    chance = probability_of(of_newer)
    base = float(probability_of(np.array([log_odds(twin_shift.observed)]))[0])
    made = {
        **card,
        "verdict": f"recalibrated from version {scorer.version}: {shift.why}",
        "recalibration": {
            "of_version": scorer.version,
            "newest_leads": shift.n_leads,
            "measured_on_its_own_leads": bool(newer.all()),
            **shift.to_dict(),
        },
        "out_of_time": measures(
            y[newer], chance, base, weight[newer], cluster, n_bootstrap=n_bootstrap, seed=seed
        ),
        "calibration": calibration_table(y[newer], chance, weight=weight[newer], lead=cluster),
        "grades": grade_rows(
            scorer.grades.of(scorer.scale.score(of_newer)), y[newer], weight[newer], scorer.grades.thresholds,
            weeks=_weeks(dataset, rows[newer]),
        ),
        "calibration_check": check,
        "probability_withheld": withheld,
        "data": {**card["data"], "trained_through": int(born.max()), "held_out_after": middle},
        "scale": {
            **card["scale"],
            "slope": mended.calibration.slope,
            "intercept": mended.calibration.intercept,
        },
    }  # fmt: skip
    evaluation = Evaluation(twin, rows[newer], chance, y[newer], weight[newer])
    return Recalibrated(TrainingResult(mended, made, evaluation, leaks=()), shift)


def moved(scorer: Scorer, shift: Shift) -> Scorer:
    """The scorer with ``shift`` on its intercept; its intervals move along and grow by the doubt about the shift."""
    calibration = Affine(scorer.calibration.slope, scorer.calibration.intercept + shift.log_odds)
    intervals = scorer.intervals
    if intervals is not None:
        error = (shift.high - shift.low) / (2 * _Z)
        width = float(np.hypot(intervals.half_width, _Z_INTERVAL * error))
        intervals = replace(intervals.shifted(shift.log_odds), half_width=width)
    golden = replace(scorer.golden, margin=calibration.of(scorer.model.margin(scorer.golden.X)))
    return replace(scorer, calibration=calibration, intervals=intervals, golden=golden)


def _newer_rows(dataset: Dataset, trained_through: int) -> np.ndarray:
    rows = np.flatnonzero(dataset.is_mature & (dataset.order > trained_through))
    if not len(rows):
        raise NotEnoughDataError(
            "no lead that came after the version was trained is mature; recalibrate when some are, or retrain"
        )
    leads, first = np.unique(dataset.lead_numbers[rows], return_index=True)
    newest = leads[np.argsort(dataset.order[rows][first], kind="stable")[-NEWEST_LEADS:]]
    return rows[np.isin(dataset.lead_numbers[rows], newest)]


def _weeks(dataset: Dataset, rows: np.ndarray) -> float | None:
    span = int(dataset.order[rows].max()) - int(dataset.order[rows].min())
    return span / (7 * DAY) if dataset.is_timed and span > 0 else None
