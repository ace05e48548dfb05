"""Labels: strictly after the cutoff, never from an open horizon, never from a lead nobody worked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import DAY, FINAL_KINDS, Outcome
from data.errors import ConfigError
from data.labels import REASONS, label_rows
from data.outcomes import fold, goal_reached_at
from tests.data.strategies import outcomes_of_one_lead

# Some other lead was contacted: this store records work.
WORK = {"zoe": [Outcome("w", "zoe", "contacted", DAY)]}


def label(*statements: tuple, cutoff: float = 10, now: float = 100, goal="qualified", work=WORK) -> int | str:
    """Label of "ada" with a horizon of 30 days: 1, 0, or why there is none. Statements are (kind, day[, the id it undoes])."""
    own = [Outcome(str(n), "ada", s[0], round(s[1] * DAY), *s[2:]) for n, s in enumerate(statements, start=1)]
    cutoffs = np.array([round(cutoff * DAY)])
    found = label_rows(
        ["ada"], cutoffs, {**work, "ada": own}, goal=goal, horizon_days=30, now=round(now * DAY)
    )
    return REASONS[found.reason[0]] or int(found.y[0])


MICROSECOND = 1 / DAY


def test_goal_inside_the_horizon():
    assert label(("contacted", 11), ("qualified", 20)) == 1
    assert label(("contacted", 11)) == 0


def test_the_goal_is_strictly_after_the_cutoff_and_no_later_than_the_horizon():
    assert label(("qualified", 10)) == "goal_before_cutoff"
    assert label(("qualified", 10 + MICROSECOND)) == 1
    assert label(("contacted", 11), ("qualified", 40)) == 1
    assert label(("contacted", 11), ("qualified", 40 + MICROSECOND)) == 0


def test_a_later_stage_reaches_the_earlier_goal():
    assert label(("won", 20)) == 1
    assert label(("contacted", 11), ("qualified", 20), goal="won") == 0


def test_an_open_horizon_gives_no_label_until_something_decides():
    """Law 5."""
    assert label(("contacted", 11), now=40 - MICROSECOND) == "immature"
    assert label(("contacted", 11), now=40) == 0
    assert label(now=40 - MICROSECOND) == "immature", "sales may still work it"
    assert label(("won", 20), now=20 - MICROSECOND) == "immature"


def test_a_goal_or_an_end_decides_early():
    assert label(("won", 20), now=20) == 1
    assert label(("qualified", 20), now=20) == 1
    assert label(("lost", 20), now=20) == 0
    assert label(("qualified", 20), ("lost", 25), now=30, goal="won") == 0


def test_an_end_that_was_undone_decides_nothing():
    assert label(("lost", 20), ("reopened", 25), now=30) == "immature"
    assert label(("lost", 20), ("retracted", 25, "1"), now=30) == "immature"
    assert label(("lost", 20), ("reopened", 25), ("disqualified", 28), now=30) == 0


def test_a_row_whose_cutoff_is_still_to_come_is_immature():
    assert label(("lost", 5), ("reopened", 6), cutoff=10, now=9) == "immature"


def test_the_instant_that_decides():
    def known_day(*statements, now=100):
        own = [Outcome(str(n), "ada", k, at * DAY) for n, (k, at) in enumerate(statements)]
        found = label_rows(
            ["ada"],
            np.array([10 * DAY]),
            {**WORK, "ada": own},
            goal="qualified",
            horizon_days=30,
            now=now * DAY,
        )
        return found.known_at[0] / DAY

    assert known_day(("contacted", 12)) == 40
    assert known_day(("contacted", 12), ("lost", 20), ("won", 35)) == 35, "the goal came after all"
    assert known_day(("lost", 20)) == 20
    assert known_day(("lost", 20), ("reopened", 22)) == 40
    assert known_day(("lost", 20), ("reopened", 22), ("lost", 30)) == 30
    assert known_day(("contacted", 12), now=20) == 40, "open: the end of the horizon at the latest"


def test_a_closed_lead_is_no_row():
    assert label(("lost", 10)) == "closed_before_cutoff"
    assert label(("lost", 10 + MICROSECOND)) == 0
    assert label(("won", 5), goal="qualified") == "goal_before_cutoff"


def test_a_reopened_lead_is_a_row_from_then_on():
    """And not before: keeping lost leads because they were reopened later would use the future to choose rows."""
    story = [("contacted", 2), ("lost", 5), ("reopened", 15), ("qualified", 20)]
    assert label(*story, cutoff=10) == "closed_before_cutoff"
    assert label(*story, cutoff=15) == 1


def test_a_retracted_outcome_was_never_said():
    assert label(("contacted", 2), ("lost", 5), ("retracted", 60, "2")) == 0
    assert label(("contacted", 2), ("qualified", 20), ("retracted", 60, "2")) == 0
    # Retracted after "now": nobody knew yet.
    assert label(("contacted", 2), ("qualified", 20), ("retracted", 101, "2")) == 1


def test_a_lead_nobody_worked_is_no_negative():
    assert label() == "unworked"
    assert label(("contacted", 41)) == "unworked"
    assert label(("contacted", 40)) == 0
    assert label(("qualified", 20)) == 1


def test_where_no_work_is_recorded_silence_is_a_negative():
    successes = {"zoe": [Outcome("w", "zoe", "qualified", DAY)]}
    assert label(work=successes) == 0
    # The only sign of work was taken back.
    taken_back = [Outcome("w", "zoe", "lost", DAY), Outcome("r", "zoe", "retracted", 2 * DAY, undoes="w")]
    assert label(work={"zoe": taken_back}) == 0


def test_counts_say_why_rows_were_left_out():
    cutoffs = np.array([0, 80, 190]) * DAY
    labels = label_rows(["ada"] * 3, cutoffs, WORK, goal="qualified", horizon_days=30, now=100 * DAY)
    assert labels.counts() == {"immature": 2, "unworked": 1}
    assert labels.y.tolist() == [-1, -1, -1]


def test_no_rows():
    labels = label_rows([], np.zeros(0, dtype=np.int64), {}, goal="won", horizon_days=30, now=0)
    assert len(labels.y) == 0
    assert labels.counts() == {}


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'won'"):
        label_rows([], np.zeros(0, dtype=np.int64), {}, goal="wonn", horizon_days=30, now=0)
    with pytest.raises(ConfigError, match="above 0"):
        label_rows([], np.zeros(0, dtype=np.int64), {}, goal="won", horizon_days=0, now=0)


stories = outcomes_of_one_lead(unit=DAY)
ages = st.lists(st.integers(0, 50), min_size=1, max_size=6)


@given(stories, ages, st.integers(0, 120), st.sampled_from(["qualified", "won"]))
def test_labels_follow_the_fold(own, cutoff_days, now_day, goal):
    """One row at a time, by the words of the domain: the oracle of the vectorised rule."""
    now, horizon = now_day * DAY, 20 * DAY
    cutoffs = np.array(cutoff_days) * DAY
    labels = label_rows(
        ["ada"] * len(cutoffs), cutoffs, {**WORK, "ada": own}, goal=goal, horizon_days=20, now=now
    )
    known = [o for o in own if o.occurred_at <= now and (o.received_at or o.occurred_at) <= now]
    goal_at = goal_reached_at(known, goal)
    for cutoff, y, reason in zip(cutoffs.tolist(), labels.y, labels.reason, strict=True):
        reason = REASONS[reason]
        state = fold(known)
        if goal_at is not None and goal_at <= cutoff:
            assert reason == "goal_before_cutoff"
        elif reason == "closed_before_cutoff":
            assert any(o.kind in FINAL_KINDS and o.occurred_at <= cutoff for o in known)
        elif cutoff + horizon > now:
            is_decided = goal_at is not None and goal_at <= cutoff + horizon
            is_decided |= state.final_at is not None
            assert (reason == "") == (is_decided and cutoff <= now)
            assert reason in ("", "immature")
            assert reason or y == (goal_at is not None), "an immature lead is never a negative"
        elif reason == "":
            assert y == (goal_at is not None and goal_at <= cutoff + horizon)
            first = fold(known).first_at
            assert y or min(first.values()) <= cutoff + horizon, "a negative was worked"


@given(stories, ages, st.integers(0, 60), st.randoms(use_true_random=False))
def test_order_repetition_and_what_comes_after_now_change_no_label(own, cutoff_days, now_day, random):
    now = now_day * DAY
    cutoffs = np.array(cutoff_days) * DAY
    later = [Outcome(f"later-{k}", "ada", k, now + 1) for k in ("won", "lost", "contacted")]
    late = [
        Outcome(f"late-{k}", "ada", k, 5 * DAY, received_at=now + 1) for k in ("won", "lost", "retracted")
    ]
    noisy = [*own, *own, *later, *late]
    random.shuffle(noisy)

    def labels(outcomes):
        found = label_rows(
            ["ada"] * len(cutoffs),
            cutoffs,
            {**WORK, "ada": outcomes},
            goal="qualified",
            horizon_days=10,
            now=now,
        )
        return found.y.tolist(), found.reason.tolist()

    assert labels(noisy) == labels(own)


@given(stories, ages, st.sampled_from(["won", "lost", "qualified", "contacted"]), st.integers(0, 60))
def test_retracting_an_outcome_restores_every_label(own, cutoff_days, kind, at):
    cutoffs = np.array(cutoff_days) * DAY
    mistake = Outcome("mistake", "ada", kind, at * DAY)
    sorry = Outcome("sorry", "ada", "retracted", 70 * DAY, undoes="mistake")

    def labels(outcomes):
        found = label_rows(
            ["ada"] * len(cutoffs),
            cutoffs,
            {**WORK, "ada": outcomes},
            goal="qualified",
            horizon_days=10,
            now=90 * DAY,
        )
        return found.y.tolist(), found.reason.tolist()

    assert labels([*own, mistake, sorry]) == labels(own)


def said(*statements: tuple, now: float = 100, goal="qualified") -> dict[str, int]:
    """What else sales said of "ada" by the end of the 30 days after day 10."""
    own = [Outcome(str(n), "ada", s[0], round(s[1] * DAY), *s[2:]) for n, s in enumerate(statements, start=1)]
    found = label_rows(
        ["ada"],
        np.array([10 * DAY]),
        {**WORK, "ada": own},
        goal=goal,
        horizon_days=30,
        now=round(now * DAY),
    )
    return {name: int(column[0]) for name, column in found.said.items()}


def test_what_else_sales_said_counts_to_the_end_of_the_horizon():
    assert said(("contacted", 11), ("disqualified", 40)) == {"disqualified": 1}
    assert said(("contacted", 11), ("disqualified", 40 + MICROSECOND)) == {"disqualified": 0}
    assert said(("contacted", 11), ("lost", 20)) == {"disqualified": 0}
    assert said(("qualified", 20), ("disqualified", 30)) == {"disqualified": 1}


def test_what_else_was_said_is_open_as_long_as_the_horizon_even_when_the_label_is_not():
    assert said(("disqualified", 20), now=40 - MICROSECOND) == {"disqualified": -1}
    assert said(("disqualified", 20), now=40) == {"disqualified": 1}


def test_what_was_undone_was_not_said():
    assert said(("disqualified", 20), ("reopened", 25)) == {"disqualified": 0}
    assert said(("disqualified", 20), ("retracted", 50, "1")) == {"disqualified": 0}


def test_the_goal_itself_is_not_said_beside_it():
    assert said(("opportunity", 20), goal="won") == {"disqualified": 0, "qualified": 1}
    assert said(("opportunity", 50), goal="won") == {"disqualified": 0, "qualified": 0}


@given(stories, ages, st.integers(0, 60))
def test_what_else_was_said_follows_the_fold(own, cutoff_days, now_day):
    now, horizon = now_day * DAY, 10 * DAY
    cutoffs = np.array(cutoff_days) * DAY
    found = label_rows(
        ["ada"] * len(cutoffs), cutoffs, {**WORK, "ada": own}, goal="won", horizon_days=10, now=now
    )
    first_at = fold(own, known_at=now).first_at
    qualified_at = min(
        (first_at[k] for k in ("qualified", "opportunity", "won") if k in first_at), default=None
    )
    for name, at in (("disqualified", first_at.get("disqualified")), ("qualified", qualified_at)):
        for cutoff, value in zip(cutoffs.tolist(), found.said[name].tolist(), strict=True):
            if cutoff + horizon > now:
                assert value == -1
            else:
                assert value == (at is not None and at <= cutoff + horizon)
