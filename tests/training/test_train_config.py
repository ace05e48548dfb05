"""Configuration is a value; what cannot be meant stops the run."""

from __future__ import annotations

import dataclasses

import pytest

from data.errors import ConfigError
from training.learning.config import TrainConfig


def test_settings_survive_the_way_through_a_dict_and_a_file(tmp_path):
    config = TrainConfig(
        n_trees=12, candidates=("trees",), ages_days=(0.0, 7.0), grade_shares=(0.2, 0.2, 0.2)
    )
    assert TrainConfig.from_dict(config.to_dict()) == config
    path = tmp_path / "train.toml"
    path.write_text(
        '[train]\nn_trees = 12\ncandidates = ["trees"]\nages_days = [0, 7]\ngrade_shares = [0.2, 0.2, 0.2]\n'
    )
    assert TrainConfig.from_toml(path) == config


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"horizon_day": 60}, r"unknown key 'horizon_day' in \[train\]; did you mean 'horizon_days'"),
        ({"candidates": ["tree"]}, "did you mean 'trees'"),
        ({"goal": "win"}, "did you mean 'won'"),
        ({"n_trees": "many"}, "n_trees must be a number"),
        ({"n_trees": 1.5}, "whole number"),
        ({"n_trees": True}, "n_trees must be a number"),
        ({"n_trees": 0}, "between 1 and 5000"),
        ({"holdout_share": float("nan")}, "holdout_share must lie between"),
        ({"goal": 3}, "goal must be a text"),
        ({"candidates": "trees"}, "must be a list"),
        ({"candidates": []}, "name at least one"),
        ({"ages_days": [0, 0]}, "ages_days"),
        ({"ages_days": [-1]}, "ages_days"),
        ({"grade_shares": [0.5, 0.5, 0.5]}, "sum of at most 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(record, says):
    with pytest.raises(ConfigError, match=says):
        TrainConfig.from_dict(record)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "train.toml"
    with pytest.raises(ConfigError, match="cannot read"):
        TrainConfig.from_toml(path)
    path.write_text("[train\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        TrainConfig.from_toml(path)
    path.write_text("n_trees = 3\n")
    with pytest.raises(ConfigError, match=r"settings belong under \[train\]"):
        TrainConfig.from_toml(path)


def test_settings_cannot_change_under_a_run():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().n_trees = 5  # type: ignore[misc]
