"""Attribution: worked examples, credits that add up, and nothing from after the goal."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import DAY, Touchpoint
from data.errors import ConfigError, ContractError, NotEnoughDataError
from data.snapshots import LeadHistory, snapshots_of
from features.attribution import NO_TOUCHPOINT, RULES, attribute
from features.markov import removal_effects, transitions_of
from features.paths import NOT_SET, paths_of
from tests.features.histories import NOON, touchpoint_lists

Lead = tuple[LeadHistory, bool]


def lead(path: str, *, won: bool, days: tuple[float, ...] = ()) -> Lead:
    """Touchpoints of the channels in ``path``, like "A > B", at these days before noon; a day apart by default."""
    names = path.split(" > ") if path else []
    days = days or tuple(range(len(names), 0, -1))
    own = [
        Touchpoint(f"t{i}", "ada", NOON - round(day * DAY), "visit", channel=name)
        for i, (name, day) in enumerate(zip(names, days, strict=True))
    ]
    return LeadHistory("ada", 0, touchpoints=own), won


def credited(leads: list[Lead], *, amounts: list[float] | None = None, **options) -> pd.DataFrame:
    """Attribution of leads whose goal, if any, came at noon."""
    snapshots = snapshots_of([(history, NOON) for history, _ in leads])
    is_goal = np.array([won for _, won in leads])
    return attribute(snapshots, is_goal, None if amounts is None else np.array(amounts), **options)


def goals(leads: list[Lead], rule: str, **options) -> dict[str, float]:
    """Goals by channel; those without a touchpoint only where there are any."""
    frame = credited(leads, rules=[rule], **options)
    found = dict(zip(frame["channel"], frame["goals"].tolist(), strict=True))
    return {name: n for name, n in found.items() if name != NO_TOUCHPOINT or n}


# --- rules that look at one path


ONE = [lead("A > B > C > B", won=True), lead("C", won=False)]


def test_first_and_last_touch_take_it_all():
    assert goals(ONE, "first") == {"A": 1, "B": 0, "C": 0}
    assert goals(ONE, "last") == {"A": 0, "B": 1, "C": 0}


def test_linear_gives_every_touchpoint_the_same():
    assert goals(ONE, "linear") == {"A": 0.25, "B": 0.5, "C": 0.25}


def test_position_gives_forty_twenty_forty():
    assert goals(ONE, "position") == pytest.approx({"A": 0.4, "B": 0.1 + 0.4, "C": 0.1})
    assert goals([lead("A > B > C", won=True)], "position") == pytest.approx({"A": 0.4, "B": 0.2, "C": 0.4})


def test_position_of_one_or_two_touchpoints():
    assert goals([lead("A", won=True)], "position") == {"A": 1}
    assert goals([lead("A > B", won=True)], "position") == {"A": 0.5, "B": 0.5}


def test_time_decay_halves_with_every_half_life():
    found = goals([lead("A > B > C", won=True, days=(14, 7, 0))], "time_decay", half_life_days=7)
    assert found == pytest.approx({"A": 1 / 7, "B": 2 / 7, "C": 4 / 7})


def test_time_decay_does_not_depend_on_the_wait_for_the_goal():
    """Counted from the goal, weights a thousand half-lives old were 0 / 0."""
    found = goals([lead("A > B", won=True, days=(20_001, 20_000))], "time_decay", half_life_days=1)
    assert found == pytest.approx({"A": 1 / 3, "B": 2 / 3})


# --- Markov


BRYL = [lead("C1 > C2 > C3", won=True), lead("C1", won=False), lead("C2 > C3", won=False)]


def effects(leads: list[Lead]) -> dict[str, float]:
    snapshots = snapshots_of([(history, NOON) for history, _ in leads])
    paths = paths_of(snapshots, np.array([won for _, won in leads]))
    k = len(paths.channels)
    counts = np.asarray(transitions_of(paths).sum(axis=0)).reshape(k + 1, k + 2)
    return dict(zip(paths.channels, removal_effects(counts).tolist(), strict=True))


def test_markov_the_example_of_three_channels():
    """Bryl (2016), Attribution model with R, part 1: the goal is reached in a third of walks, without C1 in a sixth, else never."""
    assert effects(BRYL) == pytest.approx({"C1": 1 / 2, "C2": 1, "C3": 1})
    assert goals(BRYL, "markov") == pytest.approx({"C1": 0.2, "C2": 0.4, "C3": 0.4})


def test_markov_the_example_of_two_channels():
    """Puzyrov (2019): 4 of 5 reach the goal; 0.2 without Google Ads, 0.4 without the mailing."""
    leads = [
        lead("google ads", won=True),
        lead("google ads", won=True),
        lead("mailing", won=True),
        lead("google ads > mailing", won=True),
        lead("google ads", won=False),
    ]
    assert effects(leads) == pytest.approx({"google ads": 1 - 0.2 / 0.8, "mailing": 1 - 0.4 / 0.8})
    assert goals(leads, "markov") == pytest.approx({"google ads": 2.4, "mailing": 1.6})


def test_markov_staying_on_a_channel_changes_nothing():
    again = [lead("C1 > C2 > C2 > C2 > C3", won=True), *BRYL[1:]]
    assert goals(again, "markov") == pytest.approx(goals(BRYL, "markov"))


def test_markov_walks_may_go_in_circles():
    """By hand: from A the goal comes in 1 of 3 steps, B is next in 2 of 3, and B always leads back."""
    leads = [lead("A > B > A > B > A", won=True)]
    assert effects(leads) == pytest.approx({"A": 1, "B": 1 - 1 / 3})


def test_a_channel_in_no_path_to_a_goal_gets_nothing():
    """The chain alone gives X credit, because a walk may go from X over A to the goal."""
    leads = [lead("A", won=True), lead("X > A", won=False)]
    assert effects(leads)["X"] > 0
    for rule in RULES:
        assert goals(leads, rule) == {"A": 1, "X": 0}


def without(counts: np.ndarray, j: int) -> float:
    """Chance of the goal when everyone who would enter channel j gets none: the chain is solved once more."""
    k = counts.shape[0] - 1
    total = counts.sum(axis=1, keepdims=True)
    chance = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    if j >= 0:
        chance[:, j] = 0.0
    return float(np.linalg.solve(np.eye(k + 1) - np.pad(chance[:, :k], ((0, 0), (0, 1))), chance[:, k])[k])


_paths = st.lists(
    st.tuples(st.lists(st.sampled_from("ABCDE"), max_size=6), st.booleans()), min_size=1, max_size=12
)


@given(_paths)
def test_removal_effects_are_those_of_the_chain_solved_without_each_channel(drawn):
    leads = [lead(" > ".join(names), won=won) for names, won in drawn]
    paths = paths_of(snapshots_of([(h, NOON) for h, _ in leads]), np.array([won for _, won in leads]))
    k = len(paths.channels)
    counts = np.asarray(transitions_of(paths).sum(axis=0)).reshape(k + 1, k + 2)
    total = without(counts, -1)
    wanted = [1 - without(counts, j) / total if total else 0.0 for j in range(k)]
    assert removal_effects(counts) == pytest.approx(np.array(wanted), abs=1e-9)


# --- Shapley on paths; games are in test_shapley.py


def test_shapley_of_two_channels_by_hand():
    """Alone, A brings 1 of 2 and B 1 of 4; together 3 of 4. In v(A), the four who saw both count with A's rate: (2 + 4) / 2 = 3,
    v(B) = (4 + 4) / 4 = 2, v(A and B) = 5. So A gets (3 + 5 - 2) / 2 and B (2 + 5 - 3) / 2."""
    leads = [lead("A", won=won) for won in (True, False)]
    leads += [lead("B", won=won) for won in (True, False, False, False)]
    leads += [lead("A > B", won=won) for won in (True, True, True, False)]
    assert goals(leads, "shapley") == pytest.approx({"A": 3, "B": 2})


def test_shapley_credits_no_channel_that_everyone_sees_anyway():
    """Mail reaches half of A's leads and changes nothing; seen alone, it brings nobody."""
    leads = [lead(path, won=won) for path in ("A", "A > mail") for won in (True, False)]
    leads += [lead("mail", won=False)] * 3
    assert goals(leads, "shapley") == pytest.approx({"A": 2, "mail": 0})
    assert goals(leads, "linear") == {"A": 1.5, "mail": 0.5}


def test_shapley_a_channel_that_goes_with_fewer_goals_gets_none():
    leads = [lead("A", won=True)] * 4 + [lead("A > B", won=won) for won in (True, False, False, False)]
    assert goals(leads, "shapley") == {"A": 5, "B": 0}


# --- paths


def touched_at(occurred_at: int, received_at: int | None = None, channel: str | None = "A") -> Touchpoint:
    return Touchpoint("x", "ada", occurred_at, "visit", channel=channel, received_at=received_at)


@pytest.mark.parametrize(
    "late",
    [touched_at(NOON + 1), touched_at(NOON - DAY, NOON + 1)],
    ids=["after the goal", "received after it"],
)
def test_what_came_or_was_received_after_the_goal_takes_no_credit(late: Touchpoint):
    leads = [(LeadHistory("ada", 0, touchpoints=[late]), True)]
    assert goals(leads, "last") == {NO_TOUCHPOINT: 1}


def test_a_touchpoint_at_the_instant_of_the_goal_counts():
    assert goals([(LeadHistory("ada", 0, touchpoints=[touched_at(NOON, NOON)]), True)], "last") == {"A": 1}


def test_ties_in_time_are_ordered_by_source_and_id():
    own = [
        Touchpoint("1", "ada", NOON, "visit", channel="B", source="web"),
        Touchpoint("2", "ada", NOON, "visit", channel="A", source="crm"),
    ]
    for given_order in (own, own[::-1]):
        leads = [(LeadHistory("ada", 0, touchpoints=given_order), True)]
        assert goals(leads, "first") == {"A": 1, "B": 0}


def test_lookback_cuts_what_lies_its_length_or_longer_before_the_goal():
    leads = [lead("A > B", won=True, days=(30, 29.9)), lead("C", won=True, days=(40,))]
    assert goals(leads, "linear", lookback_days=30) == {"B": 1, NO_TOUCHPOINT: 1}


def test_lookback_of_leads_without_the_goal_counts_from_their_last_touchpoint():
    """Counted from now, old leads would leave the rates while goals of the same age stay."""
    leads = [lead("A", won=True), lead("X > B > A", won=False, days=(431, 430, 400.5))]
    frame = credited(leads, rules=["shapley"], lookback_days=30.5)
    assert dict(zip(frame["channel"], frame["leads"], strict=True)) == {"A": 2, "B": 1, NO_TOUCHPOINT: 0}


def test_touchpoints_without_a_channel_stand_in_a_row_of_their_own():
    leads = [(LeadHistory("ada", 0, touchpoints=[touched_at(NOON - 1, channel=None)]), True)]
    assert goals(leads, "linear") == {NOT_SET: 1}


def test_any_text_column_may_be_the_channel():
    own = Touchpoint("1", "ada", NOON, "webinar", channel="A", campaign="spring")
    leads = [(LeadHistory("ada", 0, touchpoints=[own]), True)]
    assert goals(leads, "first", by="type") == {"webinar": 1}
    assert goals(leads, "first", by="campaign") == {"spring": 1}


def test_goals_without_any_touchpoint_at_all():
    frame = credited([lead("", won=True), lead("", won=False)], amounts=[5.0, 0.0], n_resamples=5)
    assert list(frame["channel"]) == [NO_TOUCHPOINT] * len(RULES)
    assert (frame[["goals", "share", "leads", "revenue"]] == [1, 1, 2, 5]).all(axis=None)


# --- revenue


def test_revenue_follows_each_goal_by_the_rules_of_one_path():
    leads = [lead("A > B", won=True), lead("B", won=True), lead("A", won=False)]
    frame = credited(leads, amounts=[100.0, 10.0, 999.0], rules=["first", "linear"])
    assert frame["revenue"].tolist() == [100, 10, 0, 50, 60, 0]


def test_revenue_follows_the_shares_of_markov_and_shapley():
    leads = [*BRYL, lead("", won=True)]
    frame = credited(leads, amounts=[1_000.0, math.nan, math.nan, 7.0], rules=["markov"])
    assert frame["revenue"].tolist() == pytest.approx([200, 400, 400, 7])


def test_a_goal_without_an_amount_brings_no_revenue():
    frame = credited([lead("A", won=True), lead("B", won=True)], amounts=[math.nan, 3.0], rules=["last"])
    assert frame["revenue"].tolist() == [0, 3, 0]
    assert credited([lead("A", won=True)], rules=["last"])["revenue"].isna().all()


# --- laws


_firms = st.lists(
    st.tuples(
        touchpoint_lists(max_size=8), st.booleans(), st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))
    ),
    min_size=1,
    max_size=10,
).filter(lambda firm: any(won for _, won, _ in firm))
_by = st.sampled_from(["channel", "type", "campaign"])


def of_firm(firm, **options) -> pd.DataFrame:
    leads = [(LeadHistory("ada", 0, touchpoints=own), won) for own, won, _ in firm]
    return credited(leads, amounts=[amount for *_, amount in firm], **options)


@given(_firms, _by, st.sampled_from([None, 1, 30]))
def test_credits_add_up_to_all_goals_and_all_revenue(firm, by, lookback_days):
    n_goals = sum(won for _, won, _ in firm)
    revenue = math.fsum(amount for _, won, amount in firm if won and not math.isnan(amount))
    for _, own in of_firm(firm, by=by, lookback_days=lookback_days).groupby("rule"):
        assert own["goals"].sum() == pytest.approx(n_goals, abs=1e-9)
        assert own["share"].sum() == pytest.approx(1, abs=1e-9)
        assert own["revenue"].sum() == pytest.approx(revenue, rel=1e-9, abs=1e-9)
        assert (own["goals"] >= 0).all()


@given(_firms, _by, st.randoms(use_true_random=False))
def test_order_and_duplication_change_no_digit(firm, by, random):
    shuffled = [(random.sample(own + own, 2 * len(own)), won, amount) for own, won, amount in firm]
    random.shuffle(shuffled)
    pd.testing.assert_frame_equal(of_firm(shuffled, by=by), of_firm(firm, by=by), check_exact=True)


@given(_firms, st.integers(1, 10**12), st.booleans())
def test_future_and_late_touchpoints_change_nothing(firm, later, is_future):
    more = touched_at(NOON + later) if is_future else touched_at(NOON - later, NOON + later)
    grown = [
        ([*own, more._replace(source=f"s{i}")], won, amount) for i, (own, won, amount) in enumerate(firm)
    ]
    pd.testing.assert_frame_equal(of_firm(grown), of_firm(firm), check_exact=True)


@given(_paths.filter(lambda drawn: any(won for _, won in drawn)), st.permutations("ABCDE"))
def test_other_names_of_channels_only_rename_the_rows(drawn, names):
    renamed = dict(zip("ABCDE", names, strict=True))
    before = [lead(" > ".join(path), won=won) for path, won in drawn]
    after = [lead(" > ".join(renamed[c] for c in path), won=won) for path, won in drawn]
    for rule in RULES:
        wanted = {renamed.get(name, name): n for name, n in goals(before, rule).items()}
        assert goals(after, rule) == pytest.approx(wanted, abs=1e-9)


def test_a_large_firm_adds_up_without_any_rounding():
    rng = np.random.default_rng(4)
    leads = [
        lead(" > ".join(rng.choice(list("ABCDEFG"), rng.integers(0, 9))), won=bool(rng.random() < 0.5))
        for _ in range(3_000)
    ]
    amounts = rng.gamma(1, 1e4, len(leads)).tolist()
    for rule, own in credited(leads, amounts=amounts).groupby("rule"):
        assert math.fsum(own["goals"]) == sum(won for _, won in leads), rule
        revenue = math.fsum(amount for (_, won), amount in zip(leads, amounts, strict=True) if won)
        assert math.fsum(own["revenue"]) == revenue, rule


# --- intervals


def some_firm(n: int, *, seed: int) -> list[Lead]:
    rng = np.random.default_rng(seed)
    paths = [" > ".join(rng.choice(list("ABCD"), rng.integers(0, 5))) for _ in range(n)]
    return [lead(path, won=bool(rng.random() < 0.1 + 0.2 * ("A" in path))) for path in paths]


def test_intervals_hold_the_estimate_and_repeat_with_the_seed():
    leads = some_firm(400, seed=1)
    frame = credited(leads, n_resamples=200, seed=3)
    held = (frame["low"] <= frame["goals"]) & (frame["goals"] <= frame["high"])
    assert held.mean() > 0.95
    assert (frame["share_low"] <= frame["share_high"]).all()
    again = credited(leads, n_resamples=200, seed=3)
    pd.testing.assert_frame_equal(frame, again, check_exact=True)
    assert not frame["low"].equals(credited(leads, n_resamples=200, seed=4)["low"])


def test_intervals_of_last_touch_are_as_wide_as_binomial_counts():
    leads = some_firm(1_000, seed=2)
    frame = credited(leads, rules=["last"], n_resamples=1_000)
    share = frame["goals"] / len(leads)
    wanted = 2 * 1.96 * np.sqrt(len(leads) * share * (1 - share))
    assert (frame["high"] - frame["low"]).to_numpy() == pytest.approx(wanted.to_numpy(), rel=0.15)


def test_without_resamples_there_are_no_intervals():
    frame = credited(ONE)
    assert frame[["low", "high", "share_low", "share_high"]].isna().all(axis=None)


def test_a_resample_without_goals_has_no_shares():
    frame = credited([lead("A", won=True), lead("A", won=False)], rules=RULES, n_resamples=50)
    own = frame[frame["channel"] == "A"]
    assert (own["low"] == 0).all()
    assert (own["share_low"] == 1).all()


# --- more than twelve channels


def test_more_than_twelve_channels_are_sampled_with_a_seed():
    rng = np.random.default_rng(5)
    names = [f"c{j}" for j in range(20)]
    leads = [
        lead(" > ".join(rng.choice(names, rng.integers(1, 5))), won=bool(rng.random() < 0.3))
        for _ in range(300)
    ]
    found = credited(leads, rules=["shapley"], seed=1, n_resamples=3)
    assert found["goals"].sum() == pytest.approx(sum(won for _, won in leads), abs=1e-9)
    pd.testing.assert_frame_equal(found, credited(leads, rules=["shapley"], seed=1, n_resamples=3))
    assert not found["goals"].equals(credited(leads, rules=["shapley"], seed=2)["goals"])


# --- refusals


def test_no_goals_is_said():
    with pytest.raises(NotEnoughDataError, match="none of 1 leads reached the goal"):
        credited([lead("A", won=False)])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rules": ["markof"]}, "unknown rule 'markof'; did you mean 'markov'"),
        ({"rules": []}, "rules must be a list of some of first, last"),
        ({"rules": "markov"}, "rules must be a list"),
        ({"by": "chanel"}, "cannot attribute by 'chanel'; did you mean 'channel'"),
        ({"by": "value"}, "cannot attribute by 'value'"),
        ({"lookback_days": 0}, "lookback_days must be above 0"),
        ({"lookback_days": math.nan}, "lookback_days must be above 0"),
        ({"half_life_days": -1}, "half_life_days must be above 0"),
        ({"n_resamples": -1}, "n_resamples at least 0"),
        ({"n_orders": 0}, "n_orders must be at least 1"),
        ({"level": 1.0}, "level between 0 and 1"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        credited(ONE, **options)


def test_columns_of_another_length_and_infinite_amounts_are_refused():
    with pytest.raises(ContractError, match="amount must have one entry for each of the 2 leads"):
        credited(ONE, amounts=[1.0])
    with pytest.raises(ContractError, match="infinite"):
        credited(ONE, amounts=[math.inf, 1.0])


def test_markov_says_when_there_are_too_many_channels():
    leads = [lead(" > ".join(f"c{j}" for j in range(1_001)), won=True)]
    with pytest.raises(ConfigError, match="at most 1,000 channels apart, found 1,001; leave it out"):
        credited(leads)
    assert len(credited(leads, rules=["first", "shapley"], n_orders=2)) == 2 * 1_002
