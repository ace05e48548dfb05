"""``ll.attribute`` and ``leadloop attribution`` on a store of three leads."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import pytest

import leadloop as ll
from data.domain import DAY, Lead, Outcome, Touchpoint, parse_instant
from data.errors import NotEnoughDataError
from data.store import open_store
from tests.leadloop.test_command import Shell

START = parse_instant("2026-01-01T00:00:00Z", name="start")
NOW = "2026-03-01T00:00:00Z"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Ada came by search, then mail, and was won; Bob came by search; Eve is qualified, and nobody saw how she came."""
    home = tmp_path / "var"
    home.mkdir()

    def day(n: int) -> int:
        return START + n * DAY

    with closing(open_store(f"sqlite:///{home / 'leadloop.db'}")) as store:
        store.add_leads([Lead(i, START, received_at=START) for i in ("ada", "bob", "eve")], now=START)
        store.add_touchpoints(
            [
                Touchpoint(
                    "1", "ada", day(1), "visit", channel="search", campaign="spring", received_at=day(1)
                ),
                Touchpoint("2", "ada", day(2), "open", channel="mail", received_at=day(2)),
                Touchpoint("3", "ada", day(9), "visit", channel="partner", received_at=day(9)),
                Touchpoint("4", "bob", day(1), "visit", channel="search", received_at=day(1)),
            ],
            now=START,
        )
        store.add_outcomes(
            [
                Outcome("1", "ada", "qualified", day(5), received_at=day(5)),
                Outcome("2", "ada", "won", day(20), amount=900.0, received_at=day(20)),
                Outcome("3", "eve", "qualified", day(6), received_at=day(6)),
            ],
            now=START,
        )
    return Shell(home, capsys, monkeypatch)


def credited(made: dict, column: str = "goals") -> dict[tuple[str, str], float]:
    return {(row["rule"], row["channel"]): row[column] for row in made["credits"]}


def test_goals_and_revenue_from_the_store(run: Shell):
    made = run.json("attribution", "--now", NOW, "--rule", "first", "--rule", "linear")
    found = credited(made)
    assert (made["goal"], made["by"], made["exit"]) == ("qualified", "channel", 0)
    assert found["first", "search"] == 1
    assert (found["linear", "search"], found["linear", "mail"]) == (0.5, 0.5)
    assert found["linear", "(no touchpoint)"] == 1
    assert credited(made, "revenue")["linear", "mail"] == 450
    assert ("first", "partner") not in found, "it came after the goal"


def test_the_goal_won_sees_what_came_until_then(run: Shell):
    found = credited(run.json("attribution", "--now", NOW, "--goal", "won", "--rule", "last"))
    assert found == {
        ("last", "mail"): 0,
        ("last", "partner"): 1,
        ("last", "search"): 0,
        ("last", "(no touchpoint)"): 0,
    }


def test_the_same_in_python(run: Shell):
    made = run.json("attribution", "--now", NOW, "--by", "campaign", "--resamples", "20", "--seed", "3")
    frame = ll.attribute(ll.open_store(), by="campaign", now=NOW, n_resamples=20, seed=3)
    assert frame["goals"].tolist() == [row["goals"] for row in made["credits"]]
    assert frame["low"].tolist() == [row["low"] for row in made["credits"]]
    assert set(frame["channel"]) == {"spring", "(not set)", "(no touchpoint)"}
    assert frame.groupby("rule")["goals"].sum().tolist() == pytest.approx([2.0] * 7)


def test_what_a_person_reads(run: Shell, tmp_path: Path):
    every = run("attribution", "--now", NOW, "--out", str(tmp_path / "credits.csv"))
    assert every.code == 0, every.err
    assert "2 goals (qualified) by channel" in every.out
    assert all(word in every.out for word in ("shapley", "position", "search", "(no touchpoint)"))
    with (tmp_path / "credits.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 7 * 3
    one = run("attribution", "--now", NOW, "--rule", "markov").out
    assert all(word in one for word in ("low", "high", "share", "revenue", "450.00"))


def test_before_the_first_goal_it_says_so(run: Shell):
    done = run("attribution", "--now", "2026-01-03T00:00:00Z")
    assert done.code == 1
    assert "none of 3 leads is known to have reached the goal 'qualified'" in done.err
    with pytest.raises(NotEnoughDataError, match="import outcomes, choose another goal"):
        ll.attribute(ll.open_store(), now="2026-01-03T00:00:00Z")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rule", "shaply"), "did you mean 'shapley'"),
        (("--by", "chanel"), "did you mean 'channel'"),
        (("--goal", "wonn"), "did you mean 'won'"),
        (("--lookback-days", "-3"), "lookback_days must be above 0"),
    ],
)
def test_a_misspelt_option_names_the_nearest(run: Shell, words: tuple[str, ...], said: str):
    done = run("attribution", "--now", NOW, *words)
    assert done.code == 1
    assert said in done.err
