"""A moved base rate is found, and mended by the intercept alone; nothing is found where nothing moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import NotEnoughDataError
from features.matrix import Matrix
from tests.training.examples import QUICK, leads_frame
from training.learning.run import train
from training.learning.table import table_dataset
from training.learning.uncertainty import level_shift
from training.loop.recalibration import find_shift, recalibrated
from training.scorer.artifact import check_golden

BEFORE, AFTER = 0.128, 0.308


def market(n: int, *, rate: float, seed: int) -> pd.DataFrame:
    """Leads whose goal rate is ``rate`` and whose order by chance is always the same."""
    frame = leads_frame(n, seed=seed).drop(columns="won")
    margin = (
        0.5 * (frame["visits"] - 3)
        + 0.8 * (frame["industry"] == "software")
        - 0.7 * frame["employees"].isna()
    )
    shift, _ = level_shift(margin.to_numpy(dtype=float), np.full(n, rate), np.full(n, 1e6))
    chance = 1 / (1 + np.exp(-(margin.to_numpy(dtype=float) + shift)))
    frame["won"] = (np.random.default_rng([seed, 9]).random(n) < chance).astype(int)
    return frame


@pytest.fixture(scope="module")
def shifted():
    older, newer = market(2_500, rate=BEFORE, seed=1), market(4_000, rate=AFTER, seed=2)
    result = train(table_dataset(older, target="won"), QUICK)
    everything = pd.concat([older, newer.head(2_000)], ignore_index=True)
    return (
        result,
        recalibrated(result.scorer, result.card, table_dataset(everything, target="won")),
        newer.tail(2_000),
    )


def test_a_shift_from_12_8_to_30_8_percent_is_detected_and_mended_on_later_leads(shifted):
    result, mended, later = shifted
    assert mended.shift.detected
    assert "has moved" in mended.shift.why
    observed = later["won"].mean()
    assert result.scorer.predict_proba(later)[:, 1].mean() < 0.65 * observed
    assert mended.result.scorer.predict_proba(later)[:, 1].mean() == pytest.approx(observed, rel=0.10)


def test_only_the_intercept_moves(shifted):
    result, mended, _ = shifted
    old, new = result.scorer, mended.result.scorer
    assert new.calibration.slope == old.calibration.slope
    assert (new.model, new.grades, new.scale) == (old.model, old.grades, old.scale)
    matrix = Matrix(old.features.names, old.golden.X, dict(old.levels))
    moved = new.margin(matrix) - old.margin(matrix)
    assert moved == pytest.approx(np.full(len(moved), mended.shift.log_odds), abs=1e-12)
    check_golden(new)
    scored = new.score_matrix(matrix)
    assert (scored.low <= scored.probability).all()
    assert (scored.probability <= scored.high).all()
    assert new.intervals.half_width >= old.intervals.half_width


def test_the_card_says_what_was_done_and_is_measured_on_leads_the_twin_had_not_seen(shifted):
    result, mended, _ = shifted
    card = mended.result.card
    assert card["recalibration"]["detected"]
    assert card["data"]["trained_through"] == 4_499
    assert 2_499 < card["data"]["held_out_after"] < 4_499
    assert card["calibration_check"]["passed"]
    assert not mended.result.scorer.probability_withheld
    assert result.card["data"]["trained_through"] == 2_499


def test_two_thousand_leads_that_go_on_as_before_are_no_shift():
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        margin = rng.normal(-2.0, 1.0, size=1_000)
        y = (rng.random(1_000) < 1 / (1 + np.exp(-margin))).astype(float)
        found.append(find_shift(margin, y, np.ones(1_000), np.arange(1_000)).detected)
    assert np.mean(found) <= 0.15


def test_repeated_rows_of_a_lead_do_not_make_a_shift_surer():
    rng = np.random.default_rng(3)
    margin = rng.normal(-2.0, 1.0, size=500)
    y = (rng.random(500) < 0.25).astype(float)
    once = find_shift(margin, y, np.ones(500), np.arange(500))
    five = find_shift(*(np.repeat(v, 5) for v in (margin, y, np.ones(500) / 5, np.arange(500))))
    assert (five.log_odds, five.low, five.high) == pytest.approx(
        (once.log_odds, once.low, once.high), abs=1e-6
    )


def test_without_newer_leads_there_is_nothing_to_learn_from(shifted):
    result, _, _ = shifted
    with pytest.raises(NotEnoughDataError, match="no lead that came after"):
        recalibrated(
            result.scorer, result.card, table_dataset(market(2_500, rate=BEFORE, seed=1), target="won")
        )
