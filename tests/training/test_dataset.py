"""From a store to a dataset to a scorer, with touchpoints and several cutoffs a lead."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
import pytest

from data.asof import snapshots_at
from data.domain import DAY, Lead, Outcome, Touchpoint
from data.errors import ConfigError, NotEnoughDataError
from data.store import Store, open_store
from data.world import make_world
from tests.training.examples import QUICK
from training.insights.charts import figures
from training.learning.dataset import Dataset, build_dataset
from training.learning.run import train
from training.scorer.artifact import save_scorer, scorer_hash

END = 1_782_864_000_000_000  # 2026-07-01T00:00Z


def records(frame: pd.DataFrame) -> list[dict]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


@cache
def store() -> Store:
    """A small synthetic firm."""
    world = make_world(900, seed=4, end=END)
    made = open_store(f"sqlite:///{Path(mkdtemp(prefix='leadloop-')) / 'world.db'}")
    leads = []
    for row in records(world.leads):
        lead_id, created_at = row.pop("lead_id"), int(row.pop("created_at"))
        profile = {name: value for name, value in row.items() if value is not None}
        leads.append(Lead(lead_id, created_at, profile, received_at=created_at))
    made.add_leads(leads, now=END)
    made.add_touchpoints([Touchpoint(**row) for row in records(world.touchpoints)], now=END)
    made.add_outcomes([Outcome(**row) for row in records(world.outcomes)], now=END)
    return made


@cache
def dataset() -> Dataset:
    return build_dataset(store(), now=END)


def test_rows_are_in_order_of_creation_and_carry_what_training_needs():
    found = dataset()
    assert (np.diff(found.order) >= 0).all()
    assert found.X.shape == (len(found), len(found.features))
    assert set(found.y.tolist()) == {0.0, 1.0}
    assert (found.cutoffs >= found.order).all()
    assert (found.cutoffs + 90 * DAY <= END).all(), "immature rows have no label"
    assert sum(found.excluded.values()) + len(found) == 900 * 5


def test_the_weight_of_a_row_does_not_depend_on_what_became_of_the_lead():
    """A lead that reached its goal early has few rows; giving them its whole weight promised 14 % too much to fresh leads."""
    found = dataset()
    assert set(found.weight.tolist()) == {0.2}
    per_lead = np.bincount(found.lead_numbers, weights=found.weight)
    assert per_lead.max() <= 1 + 1e-9


def test_the_same_store_gives_the_same_hash():
    again = build_dataset(store(), now=END)
    assert again.data_hash == dataset().data_hash
    assert build_dataset(store(), now=END - 30 * DAY).data_hash != dataset().data_hash


def test_a_store_without_mature_leads_gives_no_rows_and_says_why(tmp_path):
    young = build_dataset(store(), now=END - 539 * DAY)
    assert len(young) == 0
    assert young.excluded["immature"] > 0
    with pytest.raises(NotEnoughDataError, match="no leads"):
        build_dataset(open_store(f"sqlite:///{tmp_path}/empty.db"), now=END)
    with pytest.raises(ConfigError, match="did you mean 'won'"):
        build_dataset(store(), goal="win", now=END)


@cache
def result():
    return train(dataset(), QUICK, seed=1)


def test_a_lead_from_the_store_scores_as_its_row_in_training():
    scorer, found = result().scorer, dataset()
    row = int(np.flatnonzero(np.isclose(found.cutoffs - found.order, 7 * DAY))[0])
    alone = snapshots_at(store(), [str(found.lead_ids[row])], cutoff=int(found.cutoffs[row]))
    batch = scorer.score_matrix(scorer.matrix(found.snapshots))
    assert scorer.score_matrix(scorer.matrix(alone)).margin[0] == batch.margin[row]


def test_reasons_tell_fit_and_engagement_apart():
    found = dataset()
    # The rule is about reasons, so a model is wanted even where the choice would rather ship the base rate.
    scorer = train(found, replace(QUICK, candidates=("blend",)), seed=1).scorer
    some = scorer.matrix(found.snapshots.take(np.arange(40)))
    points = scorer.score_matrix(some).points
    leads = scorer.reasons(some)
    for lead, total in zip(leads, points, strict=True):
        assert lead.baseline_points + lead.fit_points + lead.engagement_points == pytest.approx(
            total, abs=1e-9
        )
        sizes = [abs(r.points) for r in lead.reasons]
        assert sizes == sorted(sizes, reverse=True)
        assert len({(r.group, r.topic) for r in lead.reasons}) == len(lead.reasons)
    assert {r.group for lead in leads for r in lead.reasons} == {"fit", "engagement"}


def test_the_card_counts_leads_a_week_and_names_the_window():
    card = result().card
    assert card["data"]["from"] < card["data"]["to"] < "2026-07-01"
    assert card["data"]["leads"] == len(set(dataset().lead_ids.tolist()))
    assert sum(row["leads_per_week"] for row in card["grades"]) > 1
    assert card["horizon_days"] == 90
    assert any("90 days were not over" in note for note in card["notes"]) != all(
        f["is_purged"] for f in card["folds"]
    )


def test_no_lead_teaches_and_is_judged():
    found, evaluation = dataset(), result().evaluation
    newest = set(found.lead_ids[evaluation.rows].tolist())
    older = set(found.lead_ids[np.setdiff1d(np.arange(len(found)), evaluation.rows)].tolist())
    assert not newest & older


@cache
def with_open_leads(immature: str = "ipcw") -> Dataset:
    """The firm looked at while more than a third of its leads are younger than the horizon."""
    return build_dataset(store(), now=END - 300 * DAY, immature=immature)


def test_open_rows_have_no_label():
    """Law 5."""
    waits, weighs, naive = (with_open_leads(how) for how in ("wait", "ipcw", "negative"))
    assert waits.is_mature.all()
    assert len(weighs) > len(waits) * 1.2
    assert ((weighs.known_at > weighs.now) == weighs.is_open).all()
    assert weighs.is_open.any()
    assert np.isin(weighs.y[~weighs.is_open], (0, 1)).all()
    assert not waits.is_open.any()
    assert weighs.is_mature.sum() == len(waits)
    assert (weighs.y[weighs.is_mature] == waits.y).all()
    open_rows = naive.known_at > naive.now
    assert not naive.y[open_rows].any()
    assert len(with_open_leads("drop")) == (~open_rows).sum() == (~weighs.is_open).sum()
    # Nobody is known to have worked the rest, who may never become rows.
    assert open_rows.sum() > weighs.is_open.sum()


def test_young_leads_teach_and_are_not_judged_on(tmp_path):
    found = with_open_leads()
    made = train(found, QUICK, seed=1)
    assert found.is_mature[made.evaluation.rows].all()
    assert made.card["censoring"]["rows"] > found.is_mature.sum()
    assert 0 < made.card["censoring"]["open_rows"] <= found.is_open.sum()
    assert made.card["data"]["rows"] == (~found.is_open).sum()
    assert made.card["data"]["held_out_after"] < found.order[made.evaluation.rows].min()
    assert made.card["config"]["immature"] == "ipcw", "the dataset settles it, whatever the config said"
    again = train(found, QUICK, seed=1)
    assert again.card == made.card
    for name, result in (("one", made), ("two", again)):
        save_scorer(result.scorer, tmp_path / name)
    assert scorer_hash(tmp_path / "one") == scorer_hash(tmp_path / "two"), "law 8"
    assert train(with_open_leads("wait"), QUICK, seed=1).card["censoring"] is None


def test_open_leads_change_no_figure():
    """Everything that is measured, and all that is chosen, is the same as if young leads had not been there."""
    cards = [train(with_open_leads(how), QUICK, seed=1).card for how in ("ipcw", "wait")]
    for name in (
        "candidate",
        "candidates",
        "out_of_time",
        "calibration",
        "calibration_check",
        "leaks",
        "random_split",
        "readiness",
        "scorecard_l2",
        "folds",
    ):
        assert cards[0][name] == cards[1][name], name
    assert cards[0]["scale"]["reference_log_odds"] == cards[1]["scale"]["reference_log_odds"]
    assert cards[0]["scale"]["slope"] == cards[1]["scale"]["slope"]
    assert cards[0]["data"]["goal_rate"] == cards[1]["data"]["goal_rate"]


def test_the_card_tells_how_soon_goals_come_and_draws_it():
    card = result().card
    curve = [(row["days"], row["share"]) for row in card["maturity"]]
    assert curve == sorted(curve)
    assert curve[-1] == (90.0, 1.0)
    assert 0.2 < dict(curve)[21.0] < 0.9
    drawn = figures(card)["maturity"]
    assert list(drawn.data[0].y)[1:] == [share for _, share in curve]
    assert "maturity" not in figures({**card, "maturity": []})


def test_the_definition_of_the_label_is_in_the_hash():
    found = dataset()
    assert found.definition["unworked_lead"] == "left out"
    assert replace(found, definition={}).data_hash != found.data_hash
    assert (
        replace(with_open_leads(), known_at=with_open_leads().known_at - 1).data_hash
        != with_open_leads().data_hash
    )


def test_an_unknown_treatment_of_open_leads_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'ipcw'"):
        build_dataset(store(), now=END, immature="ipw")
    with pytest.raises(ConfigError, match="immature"):
        replace(QUICK, immature="ipw")
