"""Snapshots from the store: what was not known at the cutoff is not in them, and bulk equals one by one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from data import asof, tables
from data.asof import snapshots_at, training_snapshots
from data.domain import DAY, Lead, Outcome, Touchpoint
from data.errors import ConfigError
from data.ledger import TEXT_COLUMNS
from data.snapshots import LeadHistory, ProfileVersion, Snapshots, snapshots_of
from tests.data import strategies as some

NOW = 200 * DAY


def refill(store, leads, touchpoints, outcomes, links=(), *, now=NOW):
    """The store as if nothing but this had ever been added."""
    with store._turns.write() as connection:
        for table in tables.metadata.tables:
            connection.execute(text(f"DELETE FROM {table}"))
        store.add_leads(leads, now=now)
        store.add_touchpoints(touchpoints, now=now)
        store.add_outcomes(outcomes, now=now)
        store.add_links(links, now=now)


def rows_of(snapshots: Snapshots) -> list:
    """Each row as plain values: what it knows, and its slice of the ledger."""
    ledger = snapshots.ledger
    texts = {c: [*ledger.text(c).levels, None] for c in TEXT_COLUMNS}
    rows = []
    for i, lead_id in enumerate(snapshots.lead_ids):
        known = {name: column[i] for name, column in snapshots.fields.items() if column[i] is not None}
        touches = [
            (
                int(ledger.occurred_at[k]),
                int(ledger.received_at[k]),
                repr(float(ledger.value[k])),
                *(texts[c][ledger.text(c).codes[k]] for c in TEXT_COLUMNS),
            )
            for k in range(snapshots.start[i], snapshots.stop[i])
        ]
        rows.append((lead_id, int(snapshots.cutoffs[i]), int(snapshots.created_at[i]), known, touches))
    return rows


def seen(snapshots: Snapshots) -> list:
    """``rows_of`` with each slice cut at the cutoff, as the feature executor cuts it."""
    return [
        (lead_id, cutoff, created, known, [t for t in touches if t[0] <= cutoff and t[1] <= cutoff])
        for lead_id, cutoff, created, known, touches in rows_of(snapshots)
    ]


def train(store, *, now=NOW, ages_days=(0, 3, 14)):
    return training_snapshots(store, goal="qualified", horizon_days=30, now=now, ages_days=ages_days)


def test_training_rows_of_a_small_world(store):
    leads = [
        Lead("bob", 5 * DAY, {"country": "DE"}, as_exported=True),
        Lead("ada", 5 * DAY),
        Lead("ada", 5 * DAY, {"country": "FR"}, observed_at=8 * DAY),
        Lead("zoe", 190 * DAY),
    ]
    touchpoints = [
        Touchpoint("t2", "ada", 6 * DAY, "form", value=1.5),
        Touchpoint("t1", "ada", 6 * DAY, "page_view"),
        Touchpoint("t3", "a visitor who never became a lead", 6 * DAY, "form"),
    ]
    outcomes = [Outcome("1", "ada", "qualified", 9 * DAY), Outcome("2", "bob", "contacted", 6 * DAY)]
    refill(store, leads, touchpoints, outcomes)
    rows = train(store, ages_days=(3, 0, 14))
    kept = [(lead_id, cutoff // DAY, known) for lead_id, cutoff, _, known, _ in rows_of(rows.snapshots)]
    assert kept == [
        ("ada", 5, {}),
        ("ada", 8, {"country": "FR"}),
        ("bob", 5, {"country": "DE"}),
        ("bob", 8, {"country": "DE"}),
        ("bob", 19, {"country": "DE"}),
    ]
    assert [touch[3] for touch in rows_of(rows.snapshots)[0][4]] == ["page_view", "form"], "ties by id"
    assert rows.y.tolist() == [1, 1, 0, 0, 0]
    assert rows.weight.tolist() == [1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]
    assert rows.excluded == {"immature": 3, "goal_before_cutoff": 1}
    assert rows.as_exported == {"country"}


def test_a_lead_has_no_age_before_it_was_known_here(store):
    """Sent by an API a week after the CRM created it: no score could have been given in that week."""
    refill(store, [Lead("ada", 5 * DAY, {"country": "DE"}, received_at=12 * DAY)], [], [])
    assert [cutoff // DAY for cutoff in train(store, ages_days=(0, 3)).snapshots.cutoffs] == [12, 15]


def test_a_profile_received_between_two_ages_is_known_at_the_second(store):
    late = Lead("ada", 0, {"country": "DE"}, observed_at=0, received_at=5 * DAY)
    refill(store, [Lead("ada", 0), late], [], [])
    assert [row[3] for row in rows_of(train(store, ages_days=(3, 7)).snapshots)] == [{}, {"country": "DE"}]


def test_ties_are_ordered_by_source_and_id_whatever_came_first(store):
    """By code point, as one lead's history is sorted: "Z" before "a" before "é"."""
    refill(store, [Lead("ada", 0)], [], [])
    for source, touchpoint_id in [("b", "a"), ("a", "é"), ("a", "a"), ("a", "Z")]:
        touchpoint = Touchpoint(touchpoint_id, "ada", DAY, f"{source}{touchpoint_id}", source=source)
        store.add_touchpoints(
            [touchpoint, Touchpoint(touchpoint_id + "0", "ada", 0, "earlier", source=source)], now=NOW
        )
    (row,) = rows_of(train(store, ages_days=(2,)).snapshots)
    assert [touch[3] for touch in row[4] if touch[0] == DAY] == ["aZ", "aa", "aé", "ba"]


def test_work_on_a_lead_that_was_never_created_tells_that_work_is_recorded(store):
    """It did not count at first; creating that lead later then changed the labels of all others."""
    refill(store, [Lead("ada", 0)], [], [Outcome("1", "bob", "contacted", DAY)])
    assert train(store, ages_days=(0,)).excluded == {"unworked": 1}


def test_an_empty_store_has_no_rows(store):
    rows = train(store)
    assert (len(rows.snapshots), rows.y.shape, rows.weight.shape, rows.excluded) == (0, (0,), (0,), {})
    assert len(snapshots_at(store, ["nobody"], cutoff=NOW)) == 0


def test_ages_that_cannot_be_meant_are_refused(light):
    for ages in ((), (-1, 3)):
        with pytest.raises(ConfigError, match="ages_days"):
            train(light, ages_days=ages)


@given(some.leads(), some.touchpoints(some.IDS), some.outcomes(some.IDS), some.links())
def test_training_rows_are_what_one_lead_alone_gives(store, leads, touchpoints, outcomes, links):
    refill(store, leads, touchpoints, outcomes, links)
    rows = train(store)
    keys = list(zip(rows.snapshots.lead_ids, rows.snapshots.cutoffs.tolist(), strict=True))
    histories = store.histories([lead_id for lead_id, _ in keys])
    assert rows_of(rows.snapshots) == rows_of(snapshots_of([(histories[i], cutoff) for i, cutoff in keys]))
    # And each is what a question asked at that cutoff would have been answered from.
    alone = [row for i, cutoff in keys for row in seen(snapshots_at(store, [i], cutoff=cutoff))]
    assert seen(rows.snapshots) == alone
    for lead_id in set(rows.snapshots.lead_ids):
        own = np.array(rows.snapshots.lead_ids) == lead_id
        assert rows.weight[own].sum() == pytest.approx(1.0, abs=1e-12)
    assert keys == sorted(keys, key=lambda key: (histories[key[0]].created_at, key))
    assert len(keys) + sum(rows.excluded.values()) == 3 * store.counts()["leads"]


@given(some.leads(), some.touchpoints(some.IDS), some.outcomes(some.IDS), some.links(), some.days)
def test_bulk_snapshots_equal_those_of_single_leads(store, leads, touchpoints, outcomes, links, cutoff):
    refill(store, leads, touchpoints, outcomes, links)
    ids = [*some.IDS, "nobody", "ada"]
    few = snapshots_at(store, ids, cutoff=cutoff)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asof, "_FEW", 0)
        many = snapshots_at(store, ids, cutoff=cutoff)
    assert seen(many) == seen(few)
    assert seen(snapshots_at(store, ids[:3], cutoff=cutoff)) == [
        r for i in ids[:3] for r in seen(snapshots_at(store, [i], cutoff=cutoff))
    ]


@given(st.data(), some.leads(), some.touchpoints(some.IDS), some.outcomes(some.IDS), some.links(), some.days)
def test_nothing_after_the_cutoff_changes_a_snapshot(
    store, data, leads, touchpoints, outcomes, links, cutoff
):
    """Law 1. What is added happened later, or happened before and was received later."""
    refill(store, leads, touchpoints, outcomes, links)
    before = seen(snapshots_at(store, some.IDS, cutoff=cutoff))
    late = data.draw(st.integers(cutoff + 1, cutoff + 20 * DAY))
    is_future = data.draw(st.booleans())
    with store.transaction():
        store.add_leads([_later(x, late, is_future) for x in data.draw(some.leads())], now=late)
        store.add_touchpoints(
            [_later(x, late, is_future) for x in data.draw(some.touchpoints(some.IDS, prefix="late-"))],
            now=late,
        )
        store.add_links([_later(x, late, is_future) for x in data.draw(some.links(prefix="late-"))], now=late)
        store.add_outcomes(
            [_later(x, late, is_future) for x in data.draw(some.outcomes(prefix="late-"))], now=late
        )
    assert seen(snapshots_at(store, some.IDS, cutoff=cutoff)) == before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asof, "_FEW", 0)
        assert seen(snapshots_at(store, some.IDS, cutoff=cutoff)) == before


@given(st.data(), some.leads(), some.touchpoints(some.IDS), some.outcomes(some.IDS), some.links())
def test_nothing_received_after_now_changes_training(store, data, leads, touchpoints, outcomes, links):
    now = 60 * DAY
    refill(store, leads, touchpoints, outcomes, links)
    before = train(store, now=now)
    is_future = data.draw(st.booleans())
    with store.transaction():
        store.add_leads([_later(x, now + 1, is_future) for x in data.draw(some.leads())], now=now + 1)
        store.add_touchpoints(
            [_later(x, now + 1, is_future) for x in data.draw(some.touchpoints(prefix="z"))], now=now + 1
        )
        store.add_outcomes(
            [_later(x, now + 1, is_future) for x in data.draw(some.outcomes(prefix="z"))], now=now + 1
        )
        store.add_links(
            [_later(x, now + 1, is_future) for x in data.draw(some.links(prefix="z"))], now=now + 1
        )
    after = train(store, now=now)
    assert seen(after.snapshots) == seen(before.snapshots)
    assert (after.y.tolist(), after.weight.tolist()) == (before.y.tolist(), before.weight.tolist())


def _later(fact, instant: int, is_future: bool):
    """The fact received at ``instant``; when ``is_future``, it also happened only then."""
    happened = {}
    if is_future:
        happened = {"observed_at": instant} if isinstance(fact, Lead) else {"occurred_at": instant}
    changed = {"received_at": instant, **happened}
    return fact._replace(**changed) if isinstance(fact, Touchpoint) else replace(fact, **changed)


@given(
    some.leads(),
    some.touchpoints(some.IDS),
    some.outcomes(some.IDS),
    some.links(),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_of_messages_change_nothing(store, leads, touchpoints, outcomes, links, random):
    """Laws 3 and 6. (What a lead's profile says twice may be kept once or twice; what is known of it never differs.)"""
    leads = list({lead.lead_id: lead for lead in leads}.values())
    refill(store, leads, touchpoints, outcomes, links)
    before = train(store)
    counts = store.counts()
    again = [*leads, *leads], [*touchpoints, *touchpoints], [*outcomes, *outcomes], [*links, *links]
    for messages in again:
        random.shuffle(messages)
    refill(store, *again)
    after = train(store)
    assert rows_of(after.snapshots) == rows_of(before.snapshots)
    assert after.y.tolist() == before.y.tolist()
    assert store.counts() == counts


@given(some.leads(ids=("ada",)), st.randoms(use_true_random=False), some.days)
def test_leaving_out_profiles_that_say_nothing_new_changes_no_snapshot(light, statements, random, cutoff):
    """Against a history that keeps every statement, whatever the order of arrival."""
    statements = [replace(s, created_at=0) for s in statements]
    random.shuffle(statements)
    refill(light, statements, [], [])
    kept = light.histories(["ada"])
    received = [s.observed_at if s.received_at is None else s.received_at for s in statements]
    every = [ProfileVersion(s.observed_at, r, s.profile) for s, r in zip(statements, received, strict=True)]
    # A statement may be left out because of one that came before it; one that comes after may then lie between the two.
    in_order = sorted(every, key=ProfileVersion.order) == every
    if statements and in_order:
        assert kept["ada"].profile_at(cutoff) == LeadHistory("ada", 0, profiles=every).profile_at(cutoff)
