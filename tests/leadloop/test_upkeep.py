"""``leadloop recalibrate`` and ``leadloop grades`` on a small synthetic firm: versions, promotion, exit codes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import leadloop as ll
from data.domain import parse_instant
from data.errors import ConfigError, RegistryError
from tests.leadloop.test_command import Shell
from training.learning.config import TrainConfig

END = "2026-06-30T00:00:00Z"
EARLIER = "2026-03-01T00:00:00Z"
QUICK = TrainConfig(n_trees=15, n_folds=2, n_bootstrap=20, ages_days=(0.0, 14.0))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A firm whose champion, version 1, learned four months ago."""
    from data.world import make_world, write_world

    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("LEADLOOP_")]:
            patch.delenv(name)
        patch.setenv("LEADLOOP_HOME", str(folder / "var"))
        write_world(make_world(2_500, seed=5, end=parse_instant(END, name="end")), folder / "export")
        store = ll.open_store()
        ll.import_tables(store, path=folder / "export")
        dataset = ll.build_dataset(store, now=EARLIER, ages_days=QUICK.ages_days)
        result = ll.train(dataset, QUICK)
        # Whether so few leads pass the calibration check is no matter here.
        scorer = replace(result.scorer, probability_withheld=False)
        ll.promote(ll.register(replace(result, scorer=scorer)))
    return folder / "var"


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(home, capsys, monkeypatch)


def test_grades_from_capacity_are_a_version_of_their_own_with_the_same_model(run: Shell):
    made = run.json("grades", "--per-week", "10", "--now", END)
    assert not made["promoted"]
    ours = sum(row["leads_per_week"] for row in made["grades"][:2])
    assert ours == pytest.approx(10, abs=4)
    old, new = ll.load_scorer("1"), ll.load_scorer(made["version"])
    assert (new.grades.thresholds, new.version) == (made["policy"]["thresholds"], made["version"])
    golden = [s.score_matrix(s.matrix(ll.snapshots(ll.open_store(), cutoff=END))) for s in (old, new)]
    assert np.array_equal(golden[0].score, golden[1].score)
    assert golden[0].margin.tobytes() == golden[1].margin.tobytes()
    shown = run("grades", "--version", made["version"])
    assert "A and B together" in shown.out


def test_grades_from_worth_follow_value_and_cost(run: Shell):
    made = run.json("grades", "--value-of-goal", "1000", "--cost-of-lead", "100", "--now", END)
    scorer = ll.load_scorer(made["version"])
    frame = scorer.score(ll.snapshots(ll.open_store(), cutoff=END))
    taken = frame[frame["grade"].isin(["A", "B"])]
    assert len(taken)
    assert (taken["probability"] >= 0.1 * 0.96).all()  # half a point of rounding is 3.5 % of the odds


def test_half_an_instruction_is_refused(run: Shell):
    refused = run("grades", "--value-of-goal", "1000", "--now", END)
    assert refused.code == 1
    assert "--cost-of-lead" in refused.err


def test_checking_grades_that_were_never_chosen_says_what_to_do(run: Shell):
    with pytest.raises(ConfigError, match="--per-week"):
        ll.check_grades("1")


def test_a_version_that_has_not_scored_for_a_week_gets_no_verdict(run: Shell):
    made = run.json("grades", "--per-week", "10", "--now", END)
    checked = run.json("grades", "--check", "--version", made["version"], "--now", END)
    assert (checked["exit"], checked["alarm"]) == (0, None)


def test_recalibrating_makes_a_version_only_where_something_moved(run: Shell):
    found = run.json("recalibrate", "1", "--now", END)
    assert (found["version"] is not None) == found["shift"]["detected"]
    always = run.json("recalibrate", "1", "--always", "--promote", "--now", END)
    old, new = ll.load_scorer("1"), ll.load_scorer("champion")
    assert new.version == always["version"]
    assert new.calibration.slope == old.calibration.slope
    assert new.calibration.intercept - old.calibration.intercept == pytest.approx(always["shift"]["log_odds"])
    ll.rollback()


def test_recalibrating_on_the_day_of_training_has_nothing_to_learn_from(run: Shell):
    refused = run("recalibrate", "1", "--now", EARLIER)
    assert refused.code == 1
    assert "no lead that came after" in refused.err


def test_an_unknown_version_is_refused(run: Shell):
    with pytest.raises((ConfigError, RegistryError)):
        ll.recalibrate("99")
