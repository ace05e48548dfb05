"""``leadloop shadow`` and ``ll.shadow``: what a challenger said beside the answers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

import leadloop as ll
from data.domain import DAY
from data.errors import NotEnoughDataError
from data.scorelog import ScoreRow, id_beside
from data.store import open_store
from tests.leadloop.test_command import Shell

NOW = 20_000 * DAY


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, capsys, monkeypatch)


def logged(run: Shell, n: int, *, goal: str = "qualified", by: float = 4.0, withheld: bool = False) -> None:
    """Scores of version 3 with those of version 4 beside them, ``by`` points higher."""
    rows = []
    for i in range(n):
        row = ScoreRow(
            score_id=f"{goal} {by} {i}", lead_id=f"l{i}", goal=goal, model_version="3", cutoff=NOW + i, score=50, grade="C",
            probability=0.1, points=50.0, features=b"", reasons="[]", stored=True,
        )  # fmt: skip
        beside = row._replace(
            score_id=id_beside(row.score_id), model_version="4", points=50.0 + by, score=round(50 + by), grade="B",
            probability=None if withheld else 0.2, route="challenger",
        )  # fmt: skip
        rows += [row, beside]
    with closing(open_store(f"sqlite:///{run.home / 'leadloop.db'}")) as store:
        store.scores.append(rows)


def test_the_table_and_one_sentence(run: Shell):
    logged(run, 5)
    done = run("shadow")
    assert done.code == 0
    for said in ("challenger probability", "Scores by grade", "version 3", "version 4"):
        assert said in done.out
    assert (
        "Version 4 would have given 100.0% of 5 scores another grade than version 3 did, with points 4.0 higher"
        in done.out
    )
    assert "leadloop judge 4" in done.out


def test_the_same_as_json(run: Shell):
    logged(run, 5)
    said = run.json("shadow")
    assert (said["exit"], said["unpaired"]) == (0, 0)
    [row] = said["contrasts"]
    assert (row["pairs"], row["difference"], row["other_grade"]) == (5, 4.0, 1.0)
    assert (row["champion_grades"]["C"], row["challenger_grades"]["B"]) == (5, 5)
    assert row["first_at"] == "2024-10-04T00:00:00.000000Z"


def test_only_the_newest_are_looked_at_and_only_of_this_goal(run: Shell, monkeypatch: pytest.MonkeyPatch):
    logged(run, 5)
    logged(run, 2, by=-3.0)
    logged(run, 9, goal="won")
    assert run.json("shadow", "--newest", "2")["contrasts"][0]["difference"] == -3.0
    assert run.json("shadow")["contrasts"][0]["pairs"] == 7
    monkeypatch.setenv("LEADLOOP_GOAL", "won")
    assert run.json("shadow")["contrasts"][0]["pairs"] == 9
    assert ll.shadow(newest=4).contrasts[0].pairs == 4


def test_withheld_probabilities_are_said_to_be(run: Shell):
    logged(run, 3, withheld=True)
    assert "withheld" in run("shadow").out
    assert run.json("shadow")["contrasts"][0]["challenger_probability"] is None


def test_nothing_yet_says_how_to_switch_it_on(run: Shell):
    refused = run("shadow")
    assert refused.code == 1
    assert "there is no store" in refused.err
    open_store(f"sqlite:///{run.home / 'leadloop.db'}").close()
    refused = run("shadow")
    assert refused.code == 1
    assert "LEADLOOP_SHADOW=challenger" in refused.err
    with pytest.raises(NotEnoughDataError):
        ll.shadow()


def test_a_number_of_scores_that_is_none_is_refused(run: Shell):
    assert run("shadow", "--newest", "0").code == 2
