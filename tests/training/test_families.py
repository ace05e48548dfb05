"""Families: models whose labels mean different things are never compared, and one replaces the other only on purpose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.definition import IMMATURE, definition_change, label_definition
from data.errors import ConfigError
from tests.training.examples import QUICK, leads_frame
from training.learning.run import TrainingResult
from training.learning.table import fit_table
from training.loop.comparison import Judged, compare
from training.loop.retraining import judge
from training.scorer.families import OtherFamilyError
from training.scorer.flat import snapshots_of_frame
from training.scorer.registry import Registry

NOW = 1_780_000_000_000_000
WEEK = label_definition(goal="won", horizon_days=7)
MONTH = label_definition(goal="won", horizon_days=30)


def test_a_definition_is_its_hash():
    assert label_definition(goal="won", horizon_days=7) == WEEK
    assert len(WEEK["hash"]) == 16
    others = [
        MONTH,
        label_definition(goal="qualified", horizon_days=7),
        label_definition(goal="won", horizon_days=7, is_work_recorded=False),
        label_definition(goal="won", horizon_days=7, immature="negative"),
        label_definition(goal="won", horizon_days=7, immature="drop"),
        label_definition(goal="won", horizon_days=None),
    ]
    assert len({d["hash"] for d in [WEEK, *others]}) == 7


def test_learning_from_more_rows_of_the_same_label_is_no_new_definition():
    assert set(IMMATURE) == {"ipcw", "wait", "drop", "negative"}
    waits, weighs = (label_definition(goal="won", horizon_days=7, immature=how) for how in ("wait", "ipcw"))
    assert definition_change(waits, weighs) is None


def test_a_change_is_told_in_words():
    assert definition_change(WEEK, MONTH) == "horizon_days is 30, it was 7"
    assert definition_change(WEEK, WEEK) is None
    assert definition_change({}, {}) is None
    assert "goal is 'won', it was None" in str(definition_change({}, WEEK))


def as_defined(result: TrainingResult, definition: dict) -> TrainingResult:
    """The same training under another definition of its label."""

    def scorer_of(scorer):
        return replace(scorer, about={**scorer.about, "definition": definition})

    return replace(
        result,
        scorer=scorer_of(result.scorer),
        evaluation=replace(result.evaluation, scorer=scorer_of(result.evaluation.scorer)),
        card={**result.card, "definition": definition, "horizon_days": definition["horizon_days"]},
    )


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    return fit_table(leads_frame(), target="won", config=QUICK)


def test_a_trained_model_says_what_its_label_means(result: TrainingResult):
    meaning = label_definition(goal="won", horizon_days=None)
    assert result.card["definition"] == result.scorer.about["definition"] == meaning


def test_two_definitions_are_not_compared(result: TrainingResult):
    frame = leads_frame(200, seed=2)
    snapshots = snapshots_of_frame(frame, result.scorer.features)
    judged = Judged(snapshots, frame["won"].to_numpy(), np.ones(len(frame)))
    week, month = as_defined(result, WEEK).scorer, as_defined(result, MONTH).scorer
    with pytest.raises(ConfigError, match="cannot be compared: horizon_days is 30, it was 7"):
        compare(week, month, judged)
    assert compare(week, week, judged).table


@pytest.mark.slow
def test_a_new_family_takes_over_only_on_purpose(result: TrainingResult, tmp_path: Path):
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", home=tmp_path)
    for definition in (WEEK, MONTH):
        version = registry.register(as_defined(result, definition), now=NOW)
    registry.promote("won", "1")

    verdict = judge(registry, version, dataset=None)
    assert not verdict.promote
    assert "cannot be compared" in verdict.why
    assert not verdict.table
    with pytest.raises(OtherFamilyError, match="--new-family"):
        registry.promote("won", "2")
    assert registry.resolve("won", "champion") == "1"
    registry.promote("won", "2", new_family=True)
    assert registry.resolve("won", "champion") == "2"
    registry.promote("won", "2")
    assert registry.rollback("won").number == "1", "going back undoes it"
    tags = registry.versions("won")[1]["tags"]
    assert MONTH["hash"] in tags["family"]
    assert '"horizon_days": 30' in tags["definition"]
