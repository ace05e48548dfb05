"""Judging: same rows, leads neither has learned from, a gain beyond chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from training.learning.table import fit_table
from training.loop.comparison import Judged, compare, first_verdict
from training.scorer.additive import Affine
from training.scorer.flat import snapshots_of_frame


def world(n: int, *, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    visits, size = rng.poisson(4, n), rng.normal(0, 1, n)
    chance = 1 / (1 + np.exp(-(0.6 * visits + 0.8 * size - 4)))
    return pd.DataFrame({"visits": visits, "size": size, "goal": (rng.random(n) < chance).astype(int)})


@pytest.fixture(scope="module")
def scorer():
    return fit_table(world(3_000, seed=0), target="goal", order_by=None).scorer


@pytest.fixture(scope="module")
def judged(scorer) -> Judged:
    frame = world(2_000, seed=1)
    snapshots = snapshots_of_frame(frame, scorer.features)
    snapshots = replace(snapshots, lead_ids=tuple(f"L{i}" for i in range(len(frame))))
    return Judged(snapshots, frame["goal"].to_numpy(), np.ones(len(frame)))


def miscalibrated(scorer, slope: float, intercept: float):
    c = scorer.calibration
    return replace(
        scorer, calibration=Affine(slope=c.slope * slope, intercept=c.intercept * slope + intercept)
    )


def test_a_clearly_better_challenger_is_promoted(scorer, judged: Judged):
    verdict = compare(miscalibrated(scorer, 0.3, -0.5), scorer, judged)
    assert verdict.promote, verdict.why
    assert verdict.table[0]["challenger"] < verdict.table[0]["champion"]
    assert verdict.table[0]["high"] < 0


def test_a_worse_challenger_is_refused_with_its_figures(scorer, judged: Judged):
    verdict = compare(scorer, miscalibrated(scorer, 1.0, 1.5), judged)
    assert not verdict.promote
    assert "no gain" in verdict.why


def test_the_same_model_is_not_promoted_over_itself(scorer, judged: Judged):
    verdict = compare(scorer, scorer, judged)
    assert not verdict.promote
    assert verdict.table[0]["difference"] == 0.0


def test_too_few_leads_is_said_so(scorer, judged: Judged):
    few = Judged(judged.snapshots.take(np.arange(50)), judged.y[:50], judged.weight[:50])
    assert "too early to tell: 50 leads" in compare(scorer, scorer, few).why


def test_the_same_seed_gives_the_same_verdict(scorer, judged: Judged):
    other = miscalibrated(scorer, 0.9, 0.1)
    assert compare(other, scorer, judged, seed=3) == compare(other, scorer, judged, seed=3)


def test_only_leads_after_the_instant_are_judged(judged: Judged):
    times = np.arange(len(judged.y), dtype=np.int64)
    dated = Judged(replace(judged.snapshots, created_at=times), judged.y, judged.weight)
    newer = dated.newer_than(1_899)
    assert newer.snapshots.lead_ids[0] == "L1900"
    assert len(newer.y) == 100


def test_a_first_model_must_beat_the_base_rate():
    assert first_verdict(log_loss=0.40, base_log_loss=0.45, low=0.01).promote
    assert not first_verdict(log_loss=0.449, base_log_loss=0.45, low=-0.002).promote
