"""The fold of outcomes: order and repetition change nothing, undoing restores exactly what was before."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import OUTCOME_KINDS, Outcome
from data.errors import ConfigError
from data.outcomes import OutcomeState, after_retractions, closed_spans, fold, goal_reached_at
from tests.data.strategies import outcomes_of_one_lead


def said(*statements: tuple) -> list[Outcome]:
    """(kind, day) or (kind, day, the id it undoes); ids are "1", "2", ... in the order given."""
    return [Outcome(str(n), "ada", *rest) for n, rest in enumerate(statements, start=1)]


def test_nothing_said():
    assert fold([]) == OutcomeState({}, None, None, is_worked=False)


def test_a_lead_on_its_way():
    state = fold(said(("contacted", 1), ("qualified", 3), ("qualified", 2), ("won", 9)))
    assert state == OutcomeState({"contacted": 1, "qualified": 2, "won": 9}, "won", 9, is_worked=True)


def test_the_latest_final_statement_counts():
    assert fold(said(("lost", 5), ("won", 8))).final_kind == "won"


def test_reopened_takes_back_the_latest_lost_or_disqualified_before_it():
    assert fold(said(("lost", 5), ("reopened", 6))) == OutcomeState()
    assert fold(said(("lost", 5), ("disqualified", 7), ("reopened", 8))).final_kind == "lost"
    assert fold(said(("reopened", 4), ("lost", 5))).final_kind == "lost"
    assert fold(said(("won", 5), ("reopened", 6))).final_kind == "won"


def test_reopened_on_the_same_instant_comes_after():
    """Exports with days instead of times put both at midnight; ids must not decide."""
    assert fold([Outcome("a", "ada", "reopened", 5), Outcome("b", "ada", "lost", 5)]).final_kind is None


def test_retracted_takes_back_what_it_names_even_if_dated_earlier():
    assert fold(said(("qualified", 5), ("won", 8), ("retracted", 9, "1"))).first_at == {"won": 8}
    assert fold(said(("qualified", 5), ("retracted", 4, "1"))) == OutcomeState()


def test_retracted_without_a_name_takes_back_the_latest_before_it_still_standing():
    assert fold(said(("qualified", 5), ("won", 8), ("retracted", 9))).first_at == {"qualified": 5}
    assert fold(said(("qualified", 5), ("won", 8), ("retracted", 9), ("retracted", 10))) == OutcomeState()
    assert fold(said(("qualified", 5), ("retracted", 4))).first_at == {"qualified": 5}


def test_a_retraction_that_names_nothing_known_takes_nothing_else():
    assert fold(said(("won", 8), ("retracted", 9, "elsewhere"))).final_kind == "won"


def test_a_retraction_can_be_retracted_and_circles_end():
    assert fold(said(("won", 5), ("retracted", 6, "1"), ("retracted", 7, "2"))).final_kind == "won"
    # 2 names 3, which is later and stands.
    assert fold(said(("won", 5), ("retracted", 6, "3"), ("retracted", 7))) == OutcomeState()
    # 2 and 3 name each other: the later one wins.
    assert fold(said(("won", 5), ("retracted", 6, "3"), ("retracted", 7, "2"))).final_kind == "won"
    assert fold(said(("won", 5), ("retracted", 6, "2"))).final_kind == "won"


def test_a_name_means_the_retractions_own_source_first():
    statements = [
        Outcome("1", "ada", "qualified", 5, source="crm"),
        Outcome("1", "ada", "won", 6, source="dialer"),
        Outcome("2", "ada", "retracted", 7, undoes="1", source="crm"),
    ]
    assert fold(statements).first_at == {"won": 6}
    assert fold([*statements[1:]]).first_at == {}


def test_only_what_was_known_counts():
    statements = [
        Outcome("1", "ada", "qualified", 5, received_at=20),
        Outcome("2", "ada", "lost", 8, received_at=8),
    ]
    assert fold(statements, known_at=10).first_at == {"lost": 8}
    assert fold(statements, known_at=20).first_at == {"qualified": 5, "lost": 8}
    assert fold(statements, known_at=7) == OutcomeState()


def test_goal_is_reached_at_the_earliest_outcome_that_counts():
    statements = said(("opportunity", 4), ("qualified", 6), ("won", 9))
    assert goal_reached_at(statements, "qualified") == 4
    assert goal_reached_at(statements, "won") == 9
    assert goal_reached_at(said(("lost", 3)), "won") is None
    with pytest.raises(ConfigError, match="did you mean 'qualified'"):
        goal_reached_at(statements, "qualifed")


def test_closed_between_lost_and_reopened():
    assert closed_spans(said(("lost", 5), ("reopened", 9), ("disqualified", 12)))[0] == (5, 9)
    spans = closed_spans(said(("lost", 5), ("disqualified", 6), ("reopened", 9), ("reopened", 11)))
    assert spans == [(5, 11)]
    assert closed_spans(said(("won", 5), ("reopened", 9)))[0][0] == 5


@given(outcomes_of_one_lead(), st.randoms(use_true_random=False), st.integers(0, 60))
def test_order_and_repetition_change_nothing(outcomes, random, known_at):
    shuffled = outcomes + random.sample(outcomes, k=len(outcomes) // 2)
    random.shuffle(shuffled)
    assert fold(shuffled, known_at=known_at) == fold(outcomes, known_at=known_at)
    assert after_retractions(shuffled) == after_retractions(outcomes)


@given(
    outcomes_of_one_lead(),
    st.sampled_from(sorted(set(OUTCOME_KINDS) - {"retracted"})),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_retracting_an_outcome_restores_exactly_what_was_before(outcomes, kind, at, retracted_at):
    mistake = Outcome("mistake", "ada", kind, at)
    retraction = Outcome("sorry", "ada", "retracted", retracted_at, undoes="mistake")
    restored = after_retractions([*outcomes, mistake, retraction])
    assert restored == after_retractions(outcomes)
    assert fold([*outcomes, mistake, retraction]) == fold(outcomes)


@given(outcomes_of_one_lead(), st.sampled_from(["lost", "disqualified"]), st.booleans())
def test_undoing_the_last_word_restores_exactly_what_was_before(outcomes, kind, is_reopened):
    last = Outcome("last", "ada", kind, 100)
    undoing = Outcome("undo", "ada", "reopened" if is_reopened else "retracted", 101)
    assert fold([*outcomes, last]).final_kind == kind
    assert fold([*outcomes, last, undoing]) == fold(outcomes)


@given(outcomes_of_one_lead(), st.integers(0, 60))
def test_what_is_known_later_does_not_change_what_was_known(outcomes, known_at):
    late = [replace(o, outcome_id=f"late-{n}", received_at=known_at + 1) for n, o in enumerate(outcomes)]
    future = [
        replace(o, outcome_id=f"future-{n}", occurred_at=known_at + 1 + n) for n, o in enumerate(outcomes)
    ]
    assert fold([*late, *outcomes, *future], known_at=known_at) == fold(outcomes, known_at=known_at)


@given(outcomes_of_one_lead(), st.integers(0, 60))
def test_a_lead_is_closed_at_an_instant_when_its_fold_up_to_then_says_so(outcomes, instant):
    standing = after_retractions(outcomes)
    until_then = [o for o in standing if o.occurred_at <= instant]
    in_a_span = any(since <= instant < until for since, until in closed_spans(standing))
    assert in_a_span == (fold(until_then).final_kind is not None)
