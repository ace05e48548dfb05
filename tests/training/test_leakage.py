"""Leak probes: what knows the outcome is dropped before learning, noise and honest signal stay, and the newest leads choose nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.leaks import SETS, actions, clean_columns, fitted, leaks_of, maven, noise_rates
from data.domain import DAY, Lead, Outcome
from data.errors import ConfigError, NotEnoughDataError
from data.store import open_store
from features.spec import Feature
from tests.training.examples import QUICK, leads_frame
from tests.training.test_dataset import dataset as world_dataset
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset, build_dataset
from training.learning.folds import split_newest
from training.learning.leakage import Finding, find_leaks, without_blocked
from training.learning.leakage.alone import Strength, alone
from training.learning.leakage.columns import Column
from training.learning.leakage.known_fields import folded, known_field, listed
from training.learning.table import fit_table, table_dataset

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("LEADLOOP_SHARED_DATA", ROOT.parent / "shared" / "data"))
needs_sets = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the sets are not here; name their folder in LEADLOOP_SHARED_DATA"
)
CHEAP = replace(QUICK, candidates=("scorecard",))
NOW = 1_782_864_000_000_000  # 2026-07-01T00:00Z


def found_in(frame: pd.DataFrame) -> dict[str, str]:
    return actions(leaks_of(frame))


def probes_of(frame: pd.DataFrame, field: str) -> dict[str, str]:
    return {f.probe: f.action for f in leaks_of(frame) if f.field == field}


# -- planted leaks ----------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    flipped=st.floats(0.0, 0.04),
    gaps=st.floats(0.0, 0.05),
    as_number=st.booleans(),
)
def test_a_copied_label_with_a_little_noise_is_blocked(
    seed: int, flipped: float, gaps: float, as_number: bool
):
    rng = np.random.default_rng(seed)
    frame = leads_frame(1_500, seed=seed)
    copy = np.where(rng.random(1_500) < flipped, 1 - frame["won"], frame["won"])
    value = copy + 0.4 * rng.random(1_500) if as_number else np.array(["cold", "warm"], dtype=object)[copy]
    frame["z9"] = pd.Series(value).mask(rng.random(1_500) < gaps)
    # Blocked is what is above the bar beyond chance. With more than 2.5 % flipped, the newer leads of so small a table may not prove it
    # (seen: seed 751 with 3.9 % flipped); the field is then warned of.
    assert found_in(frame) in ([{"z9": "block"}] if flipped <= 0.025 else [{"z9": "block"}, {"z9": "warn"}])


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), outcome=st.sampled_from([0, 1]), share=st.floats(0.4, 1.0))
def test_a_field_written_for_one_outcome_only_is_blocked(seed: int, outcome: int, share: float):
    rng = np.random.default_rng(seed)
    frame = leads_frame(1_500, seed=seed)
    is_written = (frame["won"] == outcome) & (rng.random(1_500) < share)
    frame["z9"] = np.where(is_written, rng.choice(["price", "timing", "other"], 1_500), None)
    assert probes_of(frame, "z9")["one_label"] == "block"


def test_a_field_that_people_fill_in_after_talking_is_warned_of():
    rng = np.random.default_rng(2)
    frame = leads_frame(3_000)
    frame["z9"] = np.where(rng.random(3_000) < np.where(frame["won"] == 1, 0.7, 0.3), "a note", None)
    assert probes_of(frame, "z9") == {"filled": "warn"}


def test_a_value_that_makes_the_goal_certain_blocks_and_one_that_rules_it_out_warns():
    frame = leads_frame(3_000)
    rng = np.random.default_rng(3)
    always = np.where((frame["won"] == 1) & (rng.random(3_000) < 0.3), "v", rng.choice(["a", "b"], 3_000))
    never = np.where((frame["won"] == 0) & (rng.random(3_000) < 0.3), "v", rng.choice(["a", "b"], 3_000))
    assert probes_of(frame.assign(z9=always), "z9") == {"one_label": "block"}
    assert probes_of(frame.assign(z9=never), "z9") == {"one_label": "warn"}


def test_a_field_that_tells_when_a_lead_came_is_warned_of():
    """The goal rate moves with time, and so does the field; among leads of one time it says nothing."""
    rng = np.random.default_rng(4)
    place = np.arange(6_000) / 6_000
    wave = (np.sin(place * 40) > 0).astype(int)
    frame = pd.DataFrame({"z9": place, "won": (rng.random(6_000) < 0.1 + 0.5 * wave).astype(int)})
    assert probes_of(frame, "z9")["gap"] == "warn"


@pytest.mark.parametrize("before", [None, "not asked"])
def test_a_field_that_begins_at_some_time_is_warned_of_with_that_time(before: str | None):
    frame = leads_frame(3_000)
    answers = np.random.default_rng(5).choice(["yes", "no"], 3_000)
    # 1,260 of the 2,100 older leads, 0.6, come before it begins.
    frame["z9"] = np.where(np.arange(3_000) < 1_260, before, answers)
    (finding,) = leaks_of(frame)
    assert (finding.field, finding.probe, finding.action) == ("z9", "change", "warn")
    assert finding.evidence["at"] == pytest.approx(0.6, abs=0.051)


# -- what is honest ---------------------------------------------------------------------------------------------


def test_noise_is_blocked_in_fewer_than_1_in_100_fields_and_warned_of_in_as_few():
    rates = noise_rates(200)
    assert rates["blocked"] < 0.01
    assert rates["warned"] < 0.01


def test_strong_honest_signal_stays():
    frame = leads_frame(3_000, signal=2.0)
    assert fit_table(frame, target="won", config=CHEAP).card["out_of_time"]["roc_auc"]["value"] > 0.8
    assert "block" not in found_in(frame).values()


def test_a_perfect_field_on_a_handful_of_leads_is_no_proof():
    frame = leads_frame(60).assign(won=[0, 1, 1] * 20)
    frame["z9"] = frame["won"].map({0: "a", 1: "b"})
    assert "z9" not in found_in(frame)


def test_nothing_is_found_in_the_synthetic_firm():
    dataset = world_dataset()
    assert find_leaks(dataset, split_newest(dataset.rows, share=0.3).train) == ()


# -- where the probes may look ----------------------------------------------------------------------------------


def test_the_newest_leads_change_no_finding():
    frame = leads_frame(2_000).assign(tags=lambda f: np.where(f["won"] == 1, "hot", "cold"))
    changed = frame.copy()
    changed.loc[1_400:, "tags"] = "cold"
    changed.loc[1_400:, "won"] = 1 - changed.loc[1_400:, "won"]
    assert leaks_of(frame) == leaks_of(changed) != ()


def test_the_newest_leads_of_a_store_change_no_finding():
    dataset = world_dataset()
    split = split_newest(dataset.rows, share=0.3)
    first = dataset.features.names.index("employees")
    X = dataset.X.copy()
    X[:, first] = dataset.y  # a leak
    leaky = replace(dataset, matrix=replace(dataset.matrix, X=X))
    X = X.copy()
    X[split.test] = np.nan
    y = dataset.y.copy()
    y[split.test] = 0.0
    changed = replace(leaky, matrix=replace(dataset.matrix, X=X), y=y)
    assert find_leaks(leaky, split.train) == find_leaks(changed, split.train) != ()


# -- what is done about it --------------------------------------------------------------------------------------


def leaky_frame() -> pd.DataFrame:
    return leads_frame(1_200).assign(Tags=lambda f: np.where(f["won"] == 1, "hot", "cold"))


def test_a_blocked_field_is_dropped_before_anything_is_learned():
    frame = leaky_frame()
    result = fit_table(frame, target="won", config=CHEAP)
    assert "Tags" not in result.scorer.features.names
    assert "Tags" not in result.evaluation.scorer.features.names
    without = frame.drop(columns="Tags")
    clean = fit_table(without, target="won", config=CHEAP)
    assert (result.scorer.predict_proba(without) == clean.scorer.predict_proba(without)).all()
    assert any(
        "left out because they seem to know the outcome: Tags" in note for note in result.card["notes"]
    )
    assert {f["action"] for f in result.card["leaks"] if f["field"] == "Tags"} == {"block"}
    assert result.card["data_hash"] == table_dataset(frame, target="won").data_hash


def test_a_field_is_kept_when_it_is_allowed_by_name():
    config = replace(CHEAP, allow_fields=("Tags",))
    result = fit_table(leaky_frame(), target="won", config=config)
    assert "Tags" in result.scorer.features.names
    assert {f.action for f in result.leaks} == {"ok"}
    assert all("allow_fields names it" in f.says for f in result.leaks)
    assert TrainConfig.from_dict({"allow_fields": ["Tags"]}).allow_fields == ("Tags",)


def test_a_misspelt_allowed_field_stops_the_run():
    with pytest.raises(
        ConfigError, match="allow_fields names 'Tag', which is no field here; did you mean 'Tags'"
    ):
        fit_table(leaky_frame(), target="won", config=replace(CHEAP, allow_fields=("Tag",)))


def test_a_table_of_leaks_alone_is_refused():
    with pytest.raises(NotEnoughDataError, match=r"every field knows the outcome \(Tags\)"):
        fit_table(leaky_frame()[["Tags", "won"]], target="won", config=CHEAP)


def test_every_feature_that_reads_a_blocked_field_goes():
    dataset = world_dataset()
    left = without_blocked(
        dataset, [Finding("title", "alone", "block", "", {}), Finding("country", "gap", "warn", "", {})]
    )
    assert {f.name for f in dataset.features if "title" in f.fields} >= {"seniority", "job_function"}
    assert "title" not in left.features.fields
    assert "country" in left.features.fields
    assert left.X.shape == (len(dataset), len(left.features))
    assert set(left.matrix.levels) <= set(left.features.names)


def test_what_is_made_of_dated_touchpoints_is_at_most_warned_of():
    visits = Feature(
        name="n_visits_7d", agg="count", group="engagement", says="", topic="visits", window_days=7
    )
    column = Column(visits, np.zeros(4), None)
    sure = Strength(by_time=0.999, n_time=(500.0, 500.0), at_random=0.999, n_random=(900.0, 900.0))
    assert alone(column, sure).action == "warn"
    assert alone(column, replace(sure, by_time=0.92)) is None


# -- the history of a store -------------------------------------------------------------------------------------


@cache
def store_dataset() -> Dataset:
    """1,200 leads; ``x_why`` is stated a day after the end, ``x_note`` a day after creation, and ``x_rank`` only in an export."""
    rng = np.random.default_rng(6)
    store = open_store(f"sqlite:///{Path(mkdtemp(prefix='leadloop-')) / 'history.db'}")
    leads, outcomes = [], []
    for i in range(1_200):
        created = NOW - 500 * DAY + i * DAY // 3
        is_won = bool(rng.random() < 0.4)
        end = created + 40 * DAY
        rank = "high" if is_won != (rng.random() < 0.02) else "low"
        why = "price" if is_won != (rng.random() < 0.1) else "fit"
        own = f"L{i}"
        leads += [
            Lead(own, created, {"country": str(rng.choice(["DE", "FR"]))}, observed_at=created, received_at=created),
            Lead(own, created, {"x_note": str(rng.choice(["a", "b"]))}, observed_at=created + DAY, received_at=created + DAY),
            Lead(own, created, {"x_why": why}, observed_at=end + DAY, received_at=end + DAY),
            Lead(own, created, {"x_rank": rank}, observed_at=created, received_at=created, as_exported=True),
        ]  # fmt: skip
        outcomes.append(Outcome(f"O{i}", own, "won" if is_won else "lost", end, received_at=end))
    store.add_leads(leads, now=NOW)
    store.add_outcomes(outcomes, now=NOW)
    made = build_dataset(store, now=NOW)
    store.close()
    return made


def test_a_field_filled_in_after_the_outcome_is_blocked_by_its_history():
    dataset = store_dataset()
    older = split_newest(dataset.rows, share=0.3).train
    found = {f.field: f for f in find_leaks(dataset, older)}
    assert (found["x_why"].probe, found["x_why"].action) == ("afterwards", "block")
    assert found["x_why"].evidence["share_afterwards"] == 1.0
    assert (found["x_rank"].probe, found["x_rank"].action) == ("alone", "block")
    assert set(found) == {"x_why", "x_rank"}
    assert dataset.fills.exported == {"x_rank"}


# -- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "vendor", "is_final"),
    [
        ("IsConverted", "Salesforce", True),
        ("Close Date", "Salesforce", True),
        ("x_converted_date", "Salesforce", True),
        ("hs_date_entered_1234", "HubSpot", True),
        ("lifecyclestage", "HubSpot", True),
        ("Lifecycle Stage", "HubSpot", True),
        ("lost_reason_id", "Odoo", True),
        ("qualifyingopportunityid", "Dynamics", True),
        ("LastActivityDate", "Salesforce", False),
        ("duration", "name", False),
        ("total_touches_all", "name", False),
        ("Last Notable Activity", "name", False),
    ],
)
def test_names_that_are_written_late(name: str, vendor: str, is_final: bool):
    found = listed(name)
    assert found is not None
    assert (found[0].vendor, found[1]) == (vendor, is_final)


@pytest.mark.parametrize(
    "name",
    ["country", "Lead Source", "employees", "total_session_duration_seconds", "days_since_last_touch", "touch_count",
     "poutcome", "Total Time Spent on Website", "expected_acv", "has_open_opportunity", "campaign", "first_activity"],
)  # fmt: skip
def test_names_that_are_known_early(name: str):
    assert listed(name) is None


def test_a_name_alone_blocks_only_where_no_history_shows_what_was_known_when():
    feature = Feature(
        name="x_lifecyclestage", agg="field_text", group="fit", says="", topic="", column="x_lifecyclestage"
    )
    column = Column(feature, np.zeros(4), ("lead",))
    weak = Strength(by_time=0.55, n_time=(500.0, 500.0), at_random=0.55, n_random=(900.0, 900.0))
    assert known_field(column, weak, has_history=False).action == "block"
    assert known_field(column, weak, has_history=True).action == "warn"


def test_a_suspicious_name_blocks_together_with_a_strong_field():
    feature = Feature(name="duration", agg="field_number", group="fit", says="", topic="", column="duration")
    column = Column(feature, np.zeros(4), None)
    weak = Strength(by_time=0.70, n_time=(500.0, 500.0), at_random=0.7, n_random=(900.0, 900.0))
    assert known_field(column, weak, has_history=False).action == "warn"
    assert known_field(column, replace(weak, by_time=0.85), has_history=False).action == "block"


def test_folding_a_name_twice_changes_nothing():
    for name in ("ConvertedDate", "x_Close Value", "hs_date_entered_123", "Stage__c", "Größe 1"):
        assert folded(folded(name)) == folded(name)


# -- the real sets, every column left in ------------------------------------------------------------------------


@needs_sets
@pytest.mark.parametrize("name", SETS)
def test_known_leaks_are_found_and_clean_columns_stay(name: str):
    table = SETS[name](SHARED)
    result = fitted(table)
    found = actions(result.leaks)
    assert {leak for leak in table.leaks if found.get(leak) not in ("block", "warn")} == set()
    assert all(f.says and f.evidence for f in result.leaks)
    assert [c for c in clean_columns(table) if found.get(c) == "block"] == []


@needs_sets
def test_without_its_leaks_maven_is_no_better_than_the_base_rate():
    card = fit_table(maven(SHARED).frame, target="won", order_by="engaged", config=QUICK).card
    assert card["verdict"].startswith("no better than the base rate")
    assert actions([Finding(**f) for f in card["leaks"]])["close_value"] == "block"
