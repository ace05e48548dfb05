"""What a challenger in shadow said beside the answers, in figures that can be checked by hand."""

from __future__ import annotations

import pytest

from data.domain import DAY
from data.errors import NotEnoughDataError
from data.scorelog import Told
from training.loop.shadow import shadow_report

NOW = 20_000 * DAY


def told(
    version: str, points: float, grade: str, probability: float | None = None, *, cutoff: int = NOW
) -> Told:
    return Told(version, cutoff, round(points), grade, probability, points)


def test_figures_are_those_of_the_pairs():
    found = shadow_report(
        [
            (told("4", 63.0, "A", 0.30), told("3", 60.0, "B", 0.20)),
            (told("4", 49.0, "C", 0.10, cutoff=NOW - DAY), told("3", 50.0, "C", 0.12, cutoff=NOW - DAY)),
            (told("4", 34.0, "D", 0.02), told("3", 40.0, "C", 0.04)),
            (told("4", 60.0, "B", 0.18), told("3", 60.0, "B", 0.20)),
        ]
    )
    [row] = found.contrasts
    assert (row.champion, row.challenger, row.pairs, found.unpaired) == ("3", "4", 4, 0)
    assert (row.difference, row.absolute_difference) == (-1.0, 2.5)
    assert row.other_grade == 0.5
    assert (row.champion_probability, row.challenger_probability) == (
        pytest.approx(0.14),
        pytest.approx(0.15),
    )
    assert row.champion_grades == {"A": 0, "B": 2, "C": 2, "D": 0}
    assert row.challenger_grades == {"A": 1, "B": 1, "C": 1, "D": 1}
    assert (row.first_at, row.last_at) == (NOW - DAY, NOW)
    assert found.why == (
        "Version 4 would have given 50.0% of 4 scores another grade than version 3 did, with points 1.0 lower on average; which of the "
        "two is better, outcomes tell: leadloop judge 4"
    )


def test_every_two_versions_stand_by_themselves_the_newest_first():
    found = shadow_report(
        [
            (told("5", 55.0, "B"), told("3", 50.0, "C")),
            (told("4", 52.0, "C"), told("3", 50.0, "C")),
            (told("4", 51.0, "C"), told("2", 50.0, "C")),
            (told("5", 57.0, "B"), told("3", 50.0, "C")),
        ]
    )
    assert [(row.champion, row.challenger, row.pairs, row.difference) for row in found.contrasts] == [
        ("3", "5", 2, 6.0),
        ("3", "4", 1, 2.0),
        ("2", "4", 1, 1.0),
    ]
    assert found.why.startswith(
        "Version 5 would have given 100.0% of 2 scores another grade than version 3 did"
    )


def test_probabilities_are_compared_where_both_told_one():
    pairs = [
        (told("4", 50.0, "C", None), told("3", 50.0, "C", 0.9)),
        (told("4", 50.0, "C", 0.2), told("3", 50.0, "C", 0.1)),
    ]
    [row] = shadow_report(pairs).contrasts
    assert (row.champion_probability, row.challenger_probability) == (0.1, 0.2)
    [row] = shadow_report(pairs[:1]).contrasts
    assert (row.champion_probability, row.challenger_probability) == (None, None)


def test_scores_whose_answer_is_gone_are_counted_and_left_out():
    found = shadow_report([(told("4", 10.0, "D"), None), (told("4", 50.0, "C"), told("3", 50.0, "C"))])
    assert (found.unpaired, found.contrasts[0].pairs, found.contrasts[0].difference) == (1, 1, 0.0)


@pytest.mark.parametrize("pairs", [[], [(told("4", 10.0, "D"), None)]])
def test_nothing_to_compare_says_how_to_switch_it_on(pairs):
    with pytest.raises(NotEnoughDataError, match=r"LEADLOOP_SHADOW=challenger.*leadloop train"):
        shadow_report(pairs)
