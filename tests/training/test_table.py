"""Flat tables: any target that means yes or no, columns that cannot help are named, order and groups are used for nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, NotEnoughDataError
from tests.training.examples import QUICK, leads_frame
from training.learning.table import fit_table, table_dataset, target_values


@pytest.mark.parametrize(
    "column",
    [
        [1, 0, 1],
        [1.0, 0.0, 1.0],
        [True, False, True],
        ["yes", "No", " YES "],
        ["t", "f", "T"],
        np.array([True, False, True], dtype=object),
        pd.array([True, False, True], dtype="boolean"),
        pd.array([1, 0, 1], dtype="Int64"),
        pd.Categorical(["y", "n", "y"]),
    ],
)
def test_targets_that_mean_yes_or_no(column):
    assert target_values(pd.Series(column, name="won")).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("column", "says"),
    [([1, 0, 2], "'2'"), (["yes", None], "a gap"), ([1.0, np.nan], "a gap"), (["won", "lost"], "'won'")],
)
def test_other_targets_are_refused_with_what_was_found(column, says):
    with pytest.raises(ContractError, match=f"target 'won' must be 0/1, true/false or yes/no, found {says}"):
        target_values(pd.Series(column, name="won"))


def notes_of(frame: pd.DataFrame) -> str:
    return "\n".join(table_dataset(frame, target="won").notes)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (lambda n: [f"lead-{i}" for i in range(n)], "all its texts differ"),
        (lambda n: ["same"] * n, "one value"),
        (lambda n: [7] * n, "one value"),
        (lambda n: [None] * n, "empty"),
        (lambda n: [np.nan] * n, "empty"),
        (lambda n: pd.date_range("2026-01-01", periods=n), "holds times"),
        (lambda n: pd.date_range("2026-01-01", periods=n, tz="UTC"), "holds times"),
        (lambda n: pd.to_timedelta(np.arange(n), unit="h"), "holds times"),
    ],
)
def test_columns_that_cannot_help_are_left_out_and_named(column, says):
    frame = leads_frame(60)
    dataset = table_dataset(frame.assign(extra=column(60)), target="won")
    assert "extra" not in dataset.features.names
    assert any("'extra' is left out" in note and says in note for note in dataset.notes)
    assert dataset.features.names == table_dataset(frame, target="won").features.names


def test_a_gap_beside_one_value_says_something():
    frame = leads_frame(60).assign(asked=["yes", None] * 30)
    assert "asked" in table_dataset(frame, target="won").features.names


def test_true_and_false_are_levels_and_numbers_stay_numbers():
    dataset = table_dataset(leads_frame(60), target="won")
    assert dataset.matrix.levels["is_partner"] == ("false", "true")
    assert "visits" not in dataset.matrix.levels
    assert np.isnan(dataset.X[:, dataset.features.names.index("employees")]).any()


def test_the_order_column_orders_and_is_not_learned_from():
    frame = leads_frame(80)
    frame["day"] = np.arange(80)
    shuffled = frame.sample(frac=1.0, random_state=4)
    dataset = table_dataset(shuffled, target="won", order_by="day")
    plain = table_dataset(frame.drop(columns="day"), target="won")
    assert "day" not in dataset.features.names
    assert dataset.data_hash == plain.data_hash


def test_groups_and_ignored_columns_are_not_learned_from():
    frame = leads_frame(80).assign(account=[f"a{i % 7}" for i in range(80)], secret=np.arange(80) % 3)
    dataset = table_dataset(frame, target="won", groups="account", ignore=["secret"])
    assert not {"account", "secret"} & set(dataset.features.names)
    assert len(set(dataset.groups.tolist())) == 7


def test_rows_without_a_group_are_groups_of_their_own():
    frame = leads_frame(60).assign(account=["a", None, np.nan] * 20)
    assert len(set(table_dataset(frame, target="won", groups="account").groups.tolist())) == 41


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"target": "wan"}, "lacks column 'wan'; did you mean 'won'"),
        ({"order_by": "visit"}, "did you mean 'visits'"),
        ({"groups": "account"}, "lacks column 'account'"),
        ({"ignore": ["colour"]}, "lacks column 'colour'"),
        ({"order_by": "employees"}, "gaps"),
    ],
)
def test_columns_that_are_not_there_or_have_no_order(settings, says):
    with pytest.raises(ContractError, match=says):
        table_dataset(leads_frame(60), **{"target": "won", **settings})


def test_two_columns_of_one_name_are_refused():
    frame = leads_frame(60)
    frame.columns = ["visits", "visits", *frame.columns[2:]]
    with pytest.raises(ContractError, match="two columns named 'visits'"):
        table_dataset(frame, target="won")


def test_nothing_to_learn_from_is_said():
    with pytest.raises(NotEnoughDataError, match="no column is left"):
        table_dataset(leads_frame(60)[["won"]], target="won")


def test_the_index_of_the_frame_is_no_matter():
    frame = leads_frame(80)
    moved = frame.set_axis([5] * 80)
    assert table_dataset(moved, target="won").data_hash == table_dataset(frame, target="won").data_hash


def test_columns_with_any_name_can_be_learned_from():
    frame = leads_frame(200).rename(columns={"visits": 'Größe "x", {y}: [z]', "noise": "a\tb"})
    frame[17] = np.arange(200) % 5
    result = fit_table(frame, target="won", config=QUICK)
    assert result.scorer.predict_proba(frame).shape == (200, 2)


def test_signal_is_found_and_holds_on_new_leads():
    result = fit_table(leads_frame(3_000), target="won", config=QUICK)
    new = leads_frame(2_000, seed=77)
    p, y = result.scorer.predict_proba(new)[:, 1], new["won"].to_numpy()
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    rate = y.mean()
    assert loss < -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)) * 0.9
    assert abs(p.mean() - rate) < 0.04
    assert result.card["verdict"].startswith("better than the base rate")
    assert result.card["importances"]["features"][0]["feature"] == "visits"
