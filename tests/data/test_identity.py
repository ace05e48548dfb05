"""Who is who: visits before the form, devices, merged leads; each counts from the moment it became known, and not before."""

from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from data import asof, reading
from data.asof import snapshots_at
from data.domain import DAY, Lead, Link, Outcome, Touchpoint, parse_instant
from data.identity import Identities, known_at
from data.sources.importing import import_tables
from data.store import Added, open_store
from tests.data import strategies as some
from tests.data.test_asof import NOW, refill, rows_of, seen, train
from tests.data.test_importing import NOW as IMPORTED
from tests.data.test_importing import accounts_for_every_row, write


def visit(name: str, who: str, day: int, *, received: int | None = None) -> Touchpoint:
    """A touchpoint whose type is its name."""
    return Touchpoint(name, who, day * DAY, name, received_at=None if received is None else received * DAY)


def link(from_id: str, lead_id: str, day: int, *, received: int | None = None, link_id: str = "") -> Link:
    return Link(
        link_id or f"{from_id}-{lead_id}",
        from_id,
        lead_id,
        day * DAY,
        received_at=None if received is None else received * DAY,
    )


def touches(store, lead_id: str, day: int) -> list[str]:
    """Names of the touchpoints that count for the lead on that day, the same by both ways of reading."""
    few = seen(snapshots_at(store, [lead_id], cutoff=day * DAY))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asof, "_FEW", 0)
        assert seen(snapshots_at(store, [lead_id], cutoff=day * DAY)) == few
    return [touch[3] for row in few for touch in row[4]]


# Anonymous visitors


def test_visits_before_the_form_count_from_the_moment_the_form_was_known(store):
    visits = [visit("first", "cookie", 1), visit("second", "cookie", 4), visit("form", "ada", 5)]
    refill(store, [Lead("ada", 5 * DAY)], visits, [], [link("cookie", "ada", 5, received=7)])
    assert touches(store, "ada", 6) == ["form"]
    assert touches(store, "ada", 7) == ["first", "second", "form"]
    rows = train(store, ages_days=(0, 3))
    assert [len(touch) for *_, touch in seen(rows.snapshots)] == [1, 3]


def test_a_late_visit_of_a_known_visitor_counts_when_it_was_received(store):
    refill(store, [Lead("ada", 0)], [visit("late", "cookie", 1, received=9)], [], [link("cookie", "ada", 3)])
    assert (touches(store, "ada", 8), touches(store, "ada", 9)) == ([], ["late"])


def test_a_chain_counts_when_its_last_link_is_known(store):
    links = [link("phone", "laptop", 8), link("laptop", "ada", 3)]
    refill(store, [Lead("ada", 0)], [visit("p", "phone", 1), visit("l", "laptop", 2)], [], links)
    assert (touches(store, "ada", 7), touches(store, "ada", 8)) == (["l"], ["p", "l"])


def test_of_two_leads_that_claim_a_visitor_the_one_known_first_has_it(store):
    """A shared device. Bob's form was earlier but came in later: what Ada's score saw is not taken from her."""
    links = [link("kiosk", "bob", 2, received=6), link("kiosk", "ada", 3, received=5)]
    refill(store, [Lead("ada", 0), Lead("bob", 0)], [visit("v", "kiosk", 1)], [], links)
    assert [touches(store, who, 5) for who in ("ada", "bob")] == [["v"], []]
    assert [touches(store, who, 9) for who in ("ada", "bob")] == [["v"], []]


def test_of_links_known_at_one_instant_the_one_that_happened_first_counts_then_the_smaller_lead_id():
    claims = [link("kiosk", "bob", 2, received=6), link("kiosk", "ada", 3, received=6)]
    assert dict(Identities(claims).owners("kiosk")) == {"bob": 6 * DAY}
    tied = [link("kiosk", "bob", 2), link("kiosk", "ada", 2)]
    assert dict(Identities(tied).owners("kiosk")) == {"ada": 2 * DAY}


def test_a_link_that_closes_a_circle_has_no_effect(store):
    links = [link("a", "b", 1), link("b", "c", 2), link("c", "a", 3), link("c", "c", 0)]
    refill(store, [Lead("c", 0)], [visit("v", "a", 1)], [], links)
    assert touches(store, "c", 9) == ["v"]
    assert list(Identities(links).owners("c")) == []


def test_a_visitor_nobody_knows_is_no_training_row_but_can_be_looked_at(store):
    refill(
        store,
        [Lead("ada", 0)],
        [visit("v", "cookie", 1), visit("w", "phone", 2)],
        [],
        [link("phone", "cookie", 3)],
    )
    assert set(train(store).snapshots.lead_ids) == {"ada"}
    assert touches(store, "cookie", 4) == ["v", "w"]


# Leads merged in the CRM


def merged(store):
    """Old is merged into new on day 20, known on day 21."""
    refill(
        store,
        [
            Lead("old", 0, {"country": "FR", "industry": "steel"}, observed_at=12 * DAY),
            Lead("new", 10 * DAY, {"country": "DE"}, observed_at=10 * DAY),
        ],
        [visit("o", "old", 1), visit("n", "new", 11)],
        [Outcome("1", "old", "contacted", 15 * DAY), Outcome("2", "new", "qualified", 40 * DAY)],
        [link("old", "new", 20, received=21)],
    )


def test_from_the_merge_on_the_history_of_both_counts_for_the_survivor(store):
    merged(store)
    assert (touches(store, "new", 20), touches(store, "new", 21)) == (["n"], ["o", "n"])


def test_what_was_stated_about_the_survivor_itself_wins_over_what_it_inherits(store):
    """Although the other's was stated later: the CRM tells of the survivor what holds after the merge."""
    merged(store)
    at = [snapshots_at(store, ["new"], cutoff=day * DAY) for day in (20, 21)]
    assert [row[3] for snapshots in at for row in rows_of(snapshots)] == [
        {"country": "DE"},
        {"country": "DE", "industry": "steel"},
    ]


def test_a_lead_merged_away_has_no_training_rows_from_then_on(store):
    merged(store)
    rows = train(store, ages_days=(0, 14, 25, 30))
    kept = [(i, c // DAY) for i, c in zip(rows.snapshots.lead_ids, rows.snapshots.cutoffs, strict=True)]
    assert kept == [("old", 0), ("old", 14), ("new", 10), ("new", 24), ("new", 35)]
    assert rows.excluded == {"merged": 2, "goal_before_cutoff": 1}


def test_before_a_merge_is_known_it_is_no_merge(store):
    merged(store)
    assert "merged" not in train(store, now=20 * DAY, ages_days=(0, 25)).excluded


def test_a_lead_merged_into_one_the_store_does_not_know_keeps_its_rows(store):
    refill(store, [Lead("old", 0)], [], [], [link("old", "nobody", 2)])
    assert train(store, ages_days=(0, 14)).excluded == {}


def test_a_lead_merged_away_is_listed_until_the_merge_is_known(store):
    merged(store)
    store.add_links([link("cookie", "new", 1)], now=NOW)
    assert [store.lead_ids(standing_at=day * DAY) for day in (20, 21)] == [["old", "new"], ["new"]]
    assert store.lead_ids() == ["old", "new"]


def test_outcomes_of_a_merged_lead_count_for_both(store):
    """What sales said after the merge is about the person; the earlier rows of the lead merged away have that label too."""
    merged(store)
    assert [[o.outcome_id for o in store.outcomes_of([i])[i]] for i in ("old", "new")] == [
        ["1", "2"],
        ["1", "2"],
    ]
    received = {o.outcome_id: o.received_at for o in store.outcomes_of(["new"])["new"]}
    assert received == {"1": 21 * DAY, "2": 40 * DAY}
    rows = train(store, ages_days=(14,))
    assert list(zip(rows.snapshots.lead_ids, rows.y.tolist(), strict=True)) == [("old", 1), ("new", 1)]


# Links as facts


def test_a_link_sent_twice_is_the_same_as_once(store):
    assert store.add_links([link("a", "b", 1), link("a", "b", 1)], now=NOW) == Added(1, 1)
    again = store.add_links([replace(link("a", "b", 1), lead_id="c")], now=NOW)
    assert (again.new, again.conflicts, again.conflict_keys) == (0, 1, (("api", "a-b", "c"),))
    assert store.counts()["links"] == 1


def test_a_link_without_a_time_of_receipt_is_assumed_to_have_been_received_when_it_happened(store):
    store.add_links([link("cookie", "ada", 3)], now=NOW)
    store.add_touchpoints([visit("v", "cookie", 1)], now=NOW)
    assert (touches(store, "ada", 2), touches(store, "ada", 3)) == ([], ["v"])


def test_links_to_take_into_account_count_as_if_they_were_held(store):
    """A score that keeps nothing sees what one that keeps everything would see."""
    store.add_touchpoints([visit("v", "cookie", 1), visit("w", "kiosk", 1)], now=NOW)
    store.add_links([link("kiosk", "bob", 2)], now=NOW)
    also = [link("cookie", "ada", 3), link("kiosk", "ada", 3)]
    told = store.histories(["ada"], cutoff=NOW, also=also)
    store.add_links(also, now=NOW)
    assert told == store.histories(["ada"], cutoff=NOW)
    assert [t.type for t in told["ada"].touchpoints] == ["v"]


def test_a_long_chain_of_visitors_is_read_at_once(light):
    """Neither recursion limits nor quadratic walks."""
    n = 3_000
    chain = [link(f"v{k}", f"v{k + 1}", k) for k in range(n)] + [link(f"v{n}", "ada", n)]
    refill(light, [Lead("ada", 0)], [visit("v", "v0", 1)], [], chain[::-1])
    assert (touches(light, "ada", n - 1), touches(light, "ada", n)) == ([], ["v"])


# Against the definition, word by word


def owners_at(links: list[Link], cutoff: int) -> dict[str, str]:
    """Owner of each id at a cutoff: links known by then, in the order in which they were known."""
    owner: dict[str, str] = {}
    for known in sorted(
        (k for k in links if known_at(k) <= cutoff),
        key=lambda k: (known_at(k), k.occurred_at, k.lead_id, k.from_id, k.source, k.link_id),
    ):
        above = [known.lead_id]
        while above[-1] in owner:
            above.append(owner[above[-1]])
        if known.from_id not in owner and known.from_id not in above:
            owner[known.from_id] = known.lead_id
    return owner


@given(some.touchpoints(some.IDS), some.links(), some.days)
def test_a_touchpoint_counts_for_all_owners_of_its_id_that_are_known_at_the_cutoff(
    light, touchpoints, links, cutoff
):
    refill(light, [Lead(i, 0) for i in some.LEADS], touchpoints, [], links)
    owner = owners_at(links, cutoff)
    expected: dict[str, set] = {i: set() for i in some.IDS}
    for t in touchpoints:
        if t.occurred_at <= cutoff and (t.received_at is None or t.received_at <= cutoff):
            who: str | None = t.lead_id
            while who is not None:
                expected[who].add((t.source, t.touchpoint_id))
                who = owner.get(who)
    held = light.histories(some.IDS, cutoff=cutoff)
    found = {
        i: {(t.source, t.touchpoint_id) for t in held[i].touchpoints} if i in held else set()
        for i in some.IDS
    }
    assert found == expected


@given(some.links(), st.randoms(use_true_random=False))
def test_some_of_the_links_in_any_order_tell_the_same_about_an_id(light, links, random):
    """What is read for one lead is a part of all links, and must decide each claim as all of them would."""
    whole = Identities(links)
    random.shuffle(links)
    refill(light, [], [], [], links)
    with light._turns.read() as connection, pytest.MonkeyPatch.context() as patch:
        for many in (2, 1):  # ids are read as a few, then as many
            patch.setattr(reading, "_MANY_IDS", many)
            for i in some.IDS:
                part = reading.identities(connection, [i])
                assert part.members(i) == whole.members(i)
                assert part.person(i) == whole.person(i)
                assert list(part.owners(i)) == list(whole.owners(i))


def test_many_leads_read_together_have_the_histories_they_have_alone(store):
    names = [f"lead {i}" for i in range(30)]
    visits = [visit(f"v{i}", who, i) for i, who in enumerate([*names[::3], "phone", "laptop", "nobody's"])]
    links = [link("phone", "laptop", 8), link("laptop", "lead 4", 9), link("lead 7", "lead 5", 3)]
    refill(store, [Lead(i, 0, {"country": "DE"}) for i in names[:20]], visits, [], links)
    together = store.histories([*names, "phone", "nobody's"], cutoff=40 * DAY)
    alone = {
        i: h for i in (*names, "phone", "nobody's") for h in store.histories([i], cutoff=40 * DAY).values()
    }
    assert together == alone
    assert {t.touchpoint_id for t in together["lead 4"].touchpoints} == {"v10", "v11"}
    assert "lead 20" not in together


@given(some.links(), some.links(prefix="z"), st.sampled_from(some.IDS), some.days)
def test_what_is_known_of_an_id_is_never_taken_back(links, more, some_id, cutoff):
    before = {i: since for i, since in Identities(links).members(some_id).items() if since <= cutoff}
    late = [replace(k, received_at=cutoff + 1) for k in more]
    after = {i: since for i, since in Identities([*links, *late]).members(some_id).items() if since <= cutoff}
    assert after == before


# Imports

MAPPING = """
[source]
name = "web"
[leads]
file = "leads.csv"
lead_id = "id"
created_at = "created"
[[touchpoints]]
file = "events.csv"
touchpoint_id = "event"
lead_id = "user"
anonymous_id = "cookie"
occurred_at = "at"
type = "what"
[[links]]
file = "events.csv"
where = {what = "identify"}
from_id = "cookie"
lead_id = "user"
occurred_at = "at"
"""
EVENTS = """event,user,cookie,at,what
1,,c1,2026-01-01T00:00:00Z,page_view
2,ada,c1,2026-01-03T00:00:00Z,identify
3,,c1,2026-01-02T00:00:00Z,page_view
4,ada,c1,2026-01-05T00:00:00Z,identify
5,,,2026-01-05T00:00:00Z,page_view
6,,c2,2026-01-05T00:00:00Z,identify
"""


def test_imported_visitors_become_leads(store, tmp_path):
    write(
        tmp_path / "x",
        leads__csv="id,created\nada,2026-01-03T00:00:00Z\n",
        events__csv=EVENTS,
        mapping__toml=MAPPING,
    )
    report = import_tables(store, path=tmp_path / "x", now=IMPORTED)
    assert accounts_for_every_row(report)
    assert report.dropped == {"lead_id and anonymous_id are missing": 1, "lead_id is missing": 1}
    assert report.warnings == ()
    day = parse_instant("2026-01-01T00:00:00Z", name="day")
    seen_at = [len(rows_of(snapshots_at(store, ["ada"], cutoff=day + n * DAY))[0][4]) for n in (2, 4)]
    assert seen_at == [3, 4]
    before = snapshots_at(store, ["ada"], cutoff=day + 2 * DAY - 1)
    assert len(before) == 0
    again = import_tables(store, path=tmp_path / "x", now=IMPORTED)
    assert (again.kept, again.warnings) == (0, ())


def test_postgresql_compiles_nothing_to_find_a_persons_links(postgres_url):
    """It reckons the recursion to be dear, whatever the statistics, and took half a second for each lead to compile it."""
    with closing(open_store(postgres_url)) as store:
        store.add_links([link("visitor", "ada", 1)], now=NOW)
        asked = f"EXPLAIN (ANALYZE) {reading._links_statement('postgresql')}"
        with store._turns.read() as connection:
            plan = [row[0] for row in connection.execute(text(asked), {"ids": ["ada"]})]
    assert any("Recursive Union" in line for line in plan)
    assert not any("JIT" in line for line in plan)
