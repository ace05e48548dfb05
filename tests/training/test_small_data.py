"""From no outcome on there is an answer: points by hand, then a scorecard that is held back, then the full set of models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.asof import snapshots_at
from data.domain import DAY, Lead
from data.errors import ConfigError
from data.store import open_store
from features.catalog import default_features
from tests.training.examples import QUICK, leads_frame
from training.learning.candidates import fit_trees
from training.learning.dataset import build_dataset
from training.learning.evidence import believed, choosing, held_back
from training.learning.hand_points import load_hand_points
from training.learning.readiness import readiness, said
from training.learning.run import train
from training.learning.segments import segment_levels
from training.learning.table import fit_table, table_dataset
from training.loop.retraining import _first_by_hand
from training.scorer.additive import Affine
from training.scorer.artifact import load_scorer_folder, save_scorer

NOW = 1_780_000_000_000_000


def firm(n: int, *, goals: int):
    """A flat table of n rows, the first ``goals`` of which reached the goal."""
    return leads_frame(n).assign(won=[1] * goals + [0] * (n - goals))


@pytest.mark.parametrize(
    ("goals", "others", "state"),
    [(0, 50, "Not ready"), (19, 50, "Not ready"), (50, 19, "Not ready"), (20, 20, "Limited"), (119, 500, "Limited"),
     (120, 120, "Ready")],
)  # fmt: skip
def test_the_rarer_class_decides_how_ready_a_firm_is(goals, others, state):
    assert readiness(table_dataset(firm(goals + others, goals=goals), target="won"))["state"] == state


def test_readiness_says_how_many_are_missing():
    ready = readiness(table_dataset(firm(400, goals=82), target="won"))
    assert ready["missing"] == ["38 more rows with won"]
    assert "82 leads with the goal" in said(ready)


def test_a_firm_with_leads_and_no_outcome_gets_scores_by_hand(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/l.db")
    young = [Lead(f"l{i}", NOW - DAY, {"title": "CEO"}, received_at=NOW - DAY) for i in range(3)]
    store.add_leads(young, now=NOW)
    result = train(build_dataset(store, now=NOW))
    assert result.card["readiness"]["state"] == "Not ready"
    assert result.card["candidate"] == "hand_points"
    assert "points set by hand" in result.card["verdict"]
    save_scorer(result.scorer, tmp_path / "scorer")
    snapshots = snapshots_at(store, ["l0"], cutoff=NOW)
    scored = load_scorer_folder(tmp_path / "scorer").score(snapshots)
    assert scored["probability"].isna().all()
    assert scored["score"][0] == result.scorer.score(snapshots)["score"][0]
    points = {r.feature: r.points for r in result.scorer.explain(snapshots).itertuples()}
    assert points["seniority"] == pytest.approx(4.0)
    store.close()


def test_the_level_of_hand_points_goes_from_the_expected_to_the_seen_rate():
    rates = []
    for n, goals in ((10, 10), (2_000, 15)):
        scorer = fit_table(firm(n, goals=goals), target="won", config=QUICK).scorer
        rates.append(float(scorer.predict_proba(leads_frame(50))[:, 1].mean()))
    assert rates[0] == pytest.approx((10 + 40 * 0.1) / 50, abs=0.005)
    assert rates[1] == pytest.approx((15 + 40 * 0.1) / 2_040, abs=0.001)


def test_the_default_points_name_features_and_levels_of_the_catalog():
    table, features = load_hand_points(), default_features()
    assert set(table.applied(features)) == set(table.numbers) | set(table.texts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[start]\ngoal_rat = 0.1", "did you mean 'goal_rate'"),
        ("[start]\ngoal_rate = 1.5", "between 0 and 1"),
        ("[numbers.n]\nat = [0, 0]\npoints = [1, 2]", "must rise"),
        ("[numbers.n]\nat = [0, 1]\npoints = [1]", "as many points"),
        ("[texts.source]\nads = 'high'", "must be a number"),
        ("[texts", "is not TOML"),
    ],
)
def test_a_table_with_a_mistake_is_refused(tmp_path, text, message):
    (tmp_path / "points.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_hand_points(tmp_path / "points.toml")


def test_own_points_replace_the_default_ones(tmp_path):
    own = tmp_path / "points.toml"
    own.write_text("[numbers.visits]\nat = [0, 10]\npoints = [0, 20]\n")
    config = replace(QUICK, hand_points=str(own))
    scorer = fit_table(firm(60, goals=3), target="won", config=config).scorer
    frame = leads_frame(2).assign(visits=[0, 10])
    odds = (p := scorer.predict_proba(frame)[:, 1]) / (1 - p)
    assert odds[1] / odds[0] == pytest.approx(4.0)


def test_limited_firms_get_a_scorecard_and_the_same_bytes_again(tmp_path):
    frame = leads_frame(150)
    results = [fit_table(frame, target="won", config=QUICK) for _ in range(2)]
    assert results[0].card["readiness"]["state"] == "Limited"
    assert results[0].card["candidate"] in ("scorecard", "base_rate")
    for result, name in zip(results, "ab", strict=True):
        save_scorer(result.scorer, tmp_path / name)
    assert (tmp_path / "a" / "scorer.json").read_bytes() == (tmp_path / "b" / "scorer.json").read_bytes()


def test_the_less_evidence_the_stronger_the_ridge():
    ridges = [held_back(QUICK, n).scorecard_l2 for n in (1, 20, 50, 119, 120, 400, 10_000)]
    assert ridges == sorted(ridges, reverse=True)
    assert ridges[-3:] == [QUICK.scorecard_l2] * 3
    assert held_back(QUICK, 400) == QUICK
    assert choosing(QUICK, 400) == QUICK


def test_a_level_from_small_folds_is_not_believed():
    margin, weight = np.array([-3.0, -1.0]), np.ones(2)
    found = Affine(0.8, 1.0)
    assert believed(found, margin, weight, 20).of(margin).mean() == pytest.approx(-2.0)
    assert believed(found, margin, weight, 500).intercept == pytest.approx(found.intercept)
    assert believed(found, margin, weight, 20).slope == found.slope


def test_a_segment_moves_by_what_its_leads_vouch_for():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], [2_000, 2_000, 4])
    p = np.full(len(group), 0.2)
    y = (rng.random(len(group)) < np.array([0.1, 0.3, 1.0])[group]).astype(float)
    found = segment_levels(group, 4, p, y, np.ones(len(group)))
    assert found[0] < -0.4
    assert found[1] > 0.4
    assert found[3] == 0.0
    few = (y[group == 2] - 0.2).sum() / (4 * 0.16)
    assert 0 < found[2] < few / 2


def test_segments_that_differ_by_chance_only_stay():
    y = np.tile([1.0, 0, 0, 0, 0], 200)
    assert not segment_levels(np.arange(1_000) % 4, 4, np.full(1_000, 0.2), y, np.ones(1_000)).any()


def test_a_segment_may_be_a_field_and_a_misspelt_one_is_refused():
    frame = leads_frame(600)
    found = fit_table(frame, target="won", config=replace(QUICK, segment_by="industry"))
    assert found.scorer.predict_proba(frame).shape == (600, 2)
    with pytest.raises(ConfigError, match="did you mean 'industry'"):
        fit_table(frame, target="won", config=replace(QUICK, segment_by="industri"))
    with pytest.raises(ConfigError, match="needs texts"):
        fit_table(frame, target="won", config=replace(QUICK, segment_by="visits"))


def test_trees_never_fall_where_the_catalog_says_more_is_better():
    rng = np.random.default_rng(1)
    X = rng.random((800, 2))
    y = (rng.random(800) < 0.5 - 0.3 * X[:, 0]).astype(float)
    free, bound = (
        fit_trees(X, y, np.ones(800), start=np.zeros(800), names=["a", "b"], n_levels=[None, None], n_leads=800,
                  config=QUICK, seed=0, directions=directions)
        for directions in ((0, 0), (1, 0))
    )  # fmt: skip
    grid = np.column_stack([np.linspace(0, 1, 50), np.full(50, 0.5)])
    assert (np.diff(free.margin(grid)) < 0).any()
    assert (np.diff(bound.margin(grid)) >= 0).all()


def test_an_empty_firm_starts_by_hand_and_a_champion_is_not_replaced_by_points():
    card = fit_table(firm(60, goals=3), target="won", config=QUICK).card
    assert _first_by_hand(card).promote
    assert "points set by hand" in _first_by_hand(card).why
