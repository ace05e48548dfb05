"""Erased is gone everywhere and stays gone; suppressed is neither scored nor trained on. On both databases."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from data import database, tables, turns
from data.bars import digest_of
from data.domain import DAY, Lead, Link, Outcome, Touchpoint
from data.errors import ContractError
from data.identity import Identities
from data.replies import Reply
from data.scorelog import ScoreRow, id_beside
from data.snapshots import LeadHistory
from data.sources.importing import import_tables
from data.store import Store, open_store
from tests.data import strategies as some
from tests.data.test_importing import write
from tests.data.test_scorelog import answered, beside

NOW = 20_000 * DAY
REPLY = Reply(200, "{}", b"answer")
_OF_PERSONS = (
    tables.leads, tables.profiles, tables.touchpoints, tables.outcomes, tables.links, tables.accounts, tables.scores, tables.replies,
    tables.reply_leads, tables.suppressions, tables.dead_letters,
)  # fmt: skip
_ALL = (*_OF_PERSONS, tables.tombstones, tables.tombstone_keys)


def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table about persons, without its number, in an order of its own."""
    found = {}
    with store._turns.read() as connection:
        for table in _OF_PERSONS:
            columns = [c for c in table.columns if c.name != "seq"]
            rows = [tuple(row) for row in connection.execute(select(*columns))]
            found[table.name] = sorted(rows, key=repr)
    return found


def mentions(store: Store, ids: Iterable[str]) -> list[tuple[str, str]]:
    """Tables with a row in which one of the ids stands, alone or inside a text."""
    found = []
    with store._turns.read() as connection:
        for table in _ALL:
            for row in connection.execute(select(table)):
                said = [v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in row]
                # A digest in hex may hold "ada" by chance.
                is_in = operator.eq if table is tables.tombstones else operator.contains
                found += [(table.name, i) for i in ids if any(is_in(v, i) for v in said)]
    return found


def clear(store: Store) -> None:
    with store._turns.write() as connection:
        for table in _ALL:
            connection.execute(table.delete())


def fill(
    store: Store,
    leads: list[Lead],
    touchpoints: list[Touchpoint],
    outcomes: list[Outcome],
    links: list[Link],
    scores: list[ScoreRow] = [],  # noqa: B006  never changed
) -> None:
    store.add_leads(leads, now=NOW)
    store.add_touchpoints(touchpoints, now=NOW)
    store.add_outcomes(outcomes, now=NOW)
    store.add_links(links, now=NOW)
    store.scores.append(scores)


def scored(ids: Iterable[str]) -> list[ScoreRow]:
    rows = [answered(f"score of {n}", lead_id=i) for n, i in enumerate(ids)]
    return [*rows, *(beside(row) for row in rows)]


def world(store: Store) -> None:
    """ada, her visitor and a lead merged into her; bob of the same company; a visitor claimed by ada first and by bob later."""
    fill(
        store,
        [
            Lead(i, DAY, {"company": "Acme", "x_name": f"Name of {i}"}, observed_at=DAY)
            for i in ("ada", "eve", "bob")
        ],
        [Touchpoint(f"t {i}", i, 2 * DAY, "form") for i in ("ada", "eve", "bob", "cookie")],
        [Outcome(f"o {i}", i, "won", 3 * DAY) for i in ("ada", "eve", "bob")],
        [
            Link("1", "cookie", "ada", 2 * DAY),
            Link("2", "eve", "ada", 3 * DAY),
            Link("3", "cookie", "bob", 4 * DAY),
        ],
        [*scored(("ada", "eve", "bob")), answered("of nobody", lead_id="")],
    )
    store.dead_letters.add("crm", [(i, "why", {"id": i}) for i in ("ada", "eve", "bob")], now=NOW)
    for n, ids in enumerate((["ada", "bob"], ["cookie"], ["bob"])):
        store.replies.claim(f"r{n}", "body", now=NOW)
        store.replies.keep(f"r{n}", REPLY, claimed_at=NOW, lead_ids=ids)


PERSON = ("ada", "eve", "cookie")


# Erasing


@pytest.mark.parametrize("named", PERSON)
def test_erasing_any_id_erases_the_person(store: Store, named: str):
    world(store)
    gone = store.privacy.erase(named, now=NOW)
    assert asdict(gone) == {
        "ids": 3, "leads": 2, "profiles": 2, "touchpoints": 3, "outcomes": 2, "links": 3, "accounts": 2, "scores": 4,
        "dead_letters": 2, "replies": 2,
    }  # fmt: skip
    assert mentions(store, [*PERSON, "Name of"]) == [("profiles", "Name of")]
    assert set(store.histories(["ada", "bob", "cookie", "eve"])) == {"bob"}
    assert store.scores.last_of("bob") is not None
    assert store.scores.by_id("of nobody") is not None
    assert store.replies.claim("r2", "body", now=NOW + 1).reply == REPLY
    assert len(store.account_spans(["acme"])) == 1


def facts(prefix: str) -> st.SearchStrategy[tuple[list[Any], ...]]:
    """Leads, touchpoints, outcomes and links whose own ids begin alike."""
    return st.tuples(
        some.leads(),
        some.touchpoints(some.IDS, prefix=prefix),
        some.outcomes(some.IDS, prefix=prefix),
        some.links(prefix=prefix),
    )


def about_others(these: tuple[list[Any], ...], person: set[str]) -> tuple[list[Any], ...]:
    *some_facts, links = these
    kept = [[f for f in of_a_kind if f.lead_id not in person] for of_a_kind in some_facts]
    return (*kept, [k for k in links if person.isdisjoint((k.from_id, k.lead_id))])


def _ordered(history: LeadHistory) -> LeadHistory:
    """The same history; a store tells what it holds in no particular order."""
    return history._replace(
        profiles=tuple(sorted(history.profiles, key=repr)),
        touchpoints=tuple(sorted(history.touchpoints, key=repr)),
    )


def told(store: Store) -> tuple[Any, ...]:
    """All that the store says of anybody, as values that compare bit for bit."""
    trained, spans = store.read_training(), store.account_spans(["acme", "bolt"])
    arrays = [getattr(trained, name) for name in ("created_at", "received_at", "start", "stop", "merged_at")]
    arrays += [getattr(trained.ledger, name) for name in ("occurred_at", "received_at", "value")]
    return (
        contents(store),
        {i: _ordered(history) for i, history in store.histories(some.IDS).items()},
        store.outcomes_of(some.IDS),
        sorted(
            zip(*(a.tolist() for a in (spans.account, spans.lead, spans.since, spans.until)), strict=True)
        ),
        (trained.lead_ids, trained.patches, trained.outcomes, trained.heirs),
        [a.tobytes() for a in arrays],
    )


@given(before=facts("a"), after=facts("b"), who=st.sampled_from((*some.IDS, "nobody")))
def test_what_is_left_is_what_a_store_holds_that_never_heard_of_the_person(
    store: Store, before: tuple, after: tuple, who: str
):
    """Whatever came before and whatever comes late."""
    person = {who, *Identities(before[3]).person(who)}
    scores = scored(some.IDS)
    clear(store)
    fill(store, *before, scores)
    store.privacy.erase(who, now=NOW)
    fill(store, *after, scores)
    assert mentions(store, person) == []
    found = told(store)
    clear(store)
    others = [row for row in scores if row.lead_id not in person]
    fill(store, *about_others(before, person), others)
    fill(store, *about_others(after, person), others)
    assert found == told(store)


def test_erasing_twice_or_whom_nobody_knows_is_the_same_as_once(store: Store):
    world(store)
    store.privacy.erase("ada", now=NOW)
    before = contents(store)
    again = asdict(store.privacy.erase("ada", now=NOW + 1))
    assert again == {**dict.fromkeys(again, 0), "ids": 1}
    unknown = asdict(store.privacy.erase("nobody", now=NOW))
    assert unknown == again
    assert contents(store) == before
    assert store.add_leads([Lead("nobody", NOW)], now=NOW).erased == 1


def test_what_arrives_late_stays_out_and_is_counted(store: Store):
    world(store)
    store.privacy.erase("ada", now=NOW)
    before = contents(store)
    leads = store.add_leads([Lead("eve", DAY, {"title": "CEO"}), Lead("zoe", DAY)], now=NOW)
    visits = store.add_touchpoints(
        [Touchpoint("t ada", "ada", DAY, "form"), Touchpoint("t zoe", "zoe", DAY, "form")], now=NOW
    )
    outcomes = store.add_outcomes([Outcome("o ada", "ada", "lost", DAY)], now=NOW)
    links = store.add_links(
        [Link("1", "cookie", "zoe", DAY), Link("4", "zoe", "ada", DAY), Link("5", "phone", "zoe", DAY)],
        now=NOW,
    )
    store.scores.append([answered("new", lead_id="ada"), answered("zoe's", lead_id="zoe")])
    assert [(a.new, a.known, a.erased) for a in (leads, visits, outcomes, links)] == [
        (1, 0, 1), (1, 0, 1), (0, 0, 1), (1, 0, 2),
    ]  # fmt: skip
    assert mentions(store, PERSON) == []
    assert store.scores.by_id("zoe's") is not None
    after = contents(store)
    assert {name for name in after if after[name] != before[name]} == {
        "leads",
        "touchpoints",
        "links",
        "scores",
    }


def test_a_link_to_an_erased_person_is_not_made_by_others(store: Store):
    """Whoever is linked to the erased later is not one person with it, and stays."""
    world(store)
    store.privacy.erase("ada", now=NOW)
    store.add_links([Link("9", "cookie", "bob", DAY)], now=NOW)
    store.privacy.erase("cookie", now=NOW)
    assert set(store.histories(["bob"])) == {"bob"}


def test_an_answer_about_an_erased_lead_is_not_kept(store: Store):
    """Its work may have begun before."""
    store.replies.claim("a", "body", now=NOW)
    store.privacy.erase("ada", now=NOW)
    store.replies.keep("a", REPLY, claimed_at=NOW, lead_ids=["ada", "bob"])
    assert mentions(store, ["ada", "answer"]) == []
    assert store.replies.claim("a", "body", now=NOW + 1).is_ours


def test_a_tombstone_is_neither_the_id_nor_a_digest_others_can_make(store: Store):
    store.privacy.erase("ada", now=NOW)
    with store._turns.read() as connection:
        [digest] = connection.execute(select(tables.tombstones.c.digest)).scalars()
        [key] = connection.execute(select(tables.tombstone_keys.c.key)).scalars()
    assert len(key) == 32
    assert digest == digest_of(bytes(key), "ada")
    assert digest != hashlib.sha256(b"ada").hexdigest()


def test_the_key_is_made_once_and_survives(store_url: str):
    keys = set()
    for name in ("ada", "bob"):
        store = open_store(store_url)
        store.privacy.erase(name, now=NOW)
        assert store.privacy.barred(["ada"]) == {"ada": "erased"}
        with store._turns.read() as connection:
            keys.add(bytes(connection.execute(select(tables.tombstone_keys.c.key)).scalar_one()))
        store.close()
    assert len(keys) == 1


def test_an_erasure_that_is_rolled_back_erased_nothing(store: Store):
    world(store)
    before = contents(store)

    def broken_off() -> None:
        with store.transaction():
            store.privacy.erase("ada", now=NOW)
            assert store.add_leads([Lead("ada", NOW)], now=NOW).erased == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert contents(store) == before
    assert store.privacy.barred(["ada"]) == {}
    assert store.add_leads([Lead("ada", NOW, {"title": "CTO"})], now=NOW).new == 1


def test_an_erasure_waits_for_writers_at_work_and_they_wait_for_it(store_url: str):
    """What began before cannot come in after it."""
    with (
        closing(open_store(store_url)) as one,
        closing(open_store(store_url)) as two,
        ThreadPoolExecutor(1) as pool,
    ):
        with one.transaction():
            one.add_leads([Lead("zoe", DAY)], now=NOW)
            erasing = pool.submit(two.privacy.erase, "zoe", now=NOW)
            assert not wait([erasing], timeout=0.3).done
        assert erasing.result().leads == 1
        with one.transaction():
            one.privacy.erase("bob", now=NOW)
            adding = pool.submit(two.add_leads, [Lead("bob", DAY)], now=NOW)
            assert not wait([adding], timeout=0.3).done
        assert adding.result().erased == 1
        assert one.counts()["leads"] == 0


def test_what_can_be_no_id_is_refused(store: Store):
    for do in (lambda: store.privacy.erase(" ", now=NOW), lambda: store.privacy.suppress("a\x00", now=NOW)):
        with pytest.raises(ContractError):
            do()


@pytest.mark.parametrize("has_wal", [False, True])
def test_erased_text_is_not_in_the_database_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_wal: bool
):
    """Not in free pages, nor in what is left of pages that were split, nor in the journal."""
    for module in (database, turns):
        monkeypatch.setattr(module, "wal_is_safe", lambda version: has_wal)
    name = "e.mail+tag@example.org"
    store = open_store(f"sqlite:///{tmp_path}/leadloop.db")
    others = [Lead(f"l{n}", DAY, {"email": f"{n}@example.net", "company": f"c{n}"}) for n in range(3_000)]
    store.add_leads(others[:1_500], now=NOW)
    store.add_leads([Lead(name, DAY, {"email": name, "company": f"Firm of {name}"})], now=NOW)
    store.add_touchpoints(
        [Touchpoint(f"{n} {name}", name, DAY, "mail", content=f"Dear {name}") for n in range(500)], now=NOW
    )
    store.add_outcomes([Outcome(f"o {name}", name, "won", DAY)], now=NOW)
    store.add_links([Link(f"l {name}", f"cookie of {name}", name, DAY)], now=NOW)
    store.scores.append(scored([name]))
    store.add_leads(others[1_500:], now=NOW)

    def holding() -> list[str]:
        return [p.name for p in tmp_path.iterdir() if name.encode() in p.read_bytes().lower()]

    assert "leadloop.db" in holding() or has_wal
    assert (tmp_path / "leadloop.db-wal").exists() is has_wal
    assert holding() != []
    store.privacy.erase(name, now=NOW)
    assert holding() == []
    store.close()
    assert holding() == []


def test_a_store_where_nobody_is_barred_is_asked_once_a_transaction(light: Store):
    said: list[str] = []
    event.listen(light._engine, "before_cursor_execute", lambda *a: said.append(a[2]))
    with light.transaction():
        world(light)
        assert light.privacy.barred(PERSON) == {}
    about = [s for s in said if "tombstones" in s or "tombstone_keys" in s]
    assert len(about) == 1


def test_an_import_counts_rows_about_erased_persons_as_dropped(store: Store, tmp_path: Path):
    store.privacy.erase("ada", now=NOW)
    path = write(
        tmp_path / "export",
        leads__csv="id,at\nada,2020-01-01T00:00:00Z\nbob,2020-01-01T00:00:00Z\n",
        mapping__toml='[source]\nname = "crm"\n[leads]\nfile = "leads.csv"\nlead_id = "id"\ncreated_at = "at"\n',
    )
    report = import_tables(store, path=path, now=NOW)
    assert report.dropped == {"names a person who was erased": 1}
    assert (report.read, report.kept) == (2, 1)
    assert report.failed_tables == ()


# Suppressing


@pytest.mark.parametrize("named", PERSON)
def test_a_suppressed_person_is_left_out_of_training_under_every_id(store: Store, named: str):
    world(store)
    before = contents(store)
    assert store.privacy.suppress(named, now=NOW) == 3
    assert store.privacy.suppress(named, now=NOW + 1) == 3
    assert store.privacy.barred([*PERSON, "bob"]) == dict.fromkeys(PERSON, "suppressed")
    assert store.lead_ids() == ["bob"]
    trained = store.read_training()
    assert trained.lead_ids == ("bob",)
    assert set(trained.outcomes) == {"bob"}
    assert len(trained.ledger.occurred_at) == 1
    assert len(store.account_spans(["acme"])) == len(store.account_spans(["acme"], cutoff=NOW)) == 1
    after = contents(store)
    assert {name for name in after if after[name] != before[name]} == {
        "suppressions",
        "replies",
        "reply_leads",
    }
    assert set(store.histories(["ada"])) == {"ada"}


def test_a_withdrawn_objection_leaves_nothing_behind(store: Store):
    world(store)
    expected, ids = store.read_training(), store.lead_ids()
    store.privacy.suppress("ada", now=NOW)
    assert store.privacy.unsuppress("cookie") == 3
    assert store.privacy.unsuppress("cookie") == 3
    assert store.privacy.barred(PERSON) == {}
    found = store.read_training()
    assert store.lead_ids() == ids
    assert (found.lead_ids, found.patches, found.outcomes) == (
        expected.lead_ids,
        expected.patches,
        expected.outcomes,
    )
    assert len(store.account_spans(["acme"])) == 3


def test_an_objection_before_the_lead_holds_when_it_comes(store: Store):
    assert store.privacy.suppress("zoe", now=NOW) == 1
    store.add_leads([Lead("zoe", DAY)], now=NOW)
    assert store.lead_ids() == []
    assert store.counts()["leads"] == 1


def test_a_later_link_extends_the_objection_to_the_other_id(store: Store):
    store.add_leads([Lead(i, DAY) for i in ("ada", "bob", "zoe")], now=NOW)
    store.privacy.suppress("ada", now=NOW)
    store.add_links([Link("1", "laptop", "phone", DAY), Link("2", "bob", "zoe", DAY)], now=NOW)
    assert store.privacy.barred(["laptop", "phone"]) == {}
    store.add_links([Link("3", "phone", "ada", DAY)], now=NOW)
    assert store.privacy.barred(["ada", "laptop", "phone", "bob", "zoe"]) == dict.fromkeys(
        ("ada", "laptop", "phone"), "suppressed"
    )
    assert store.lead_ids() == ["bob", "zoe"]


@given(first=some.links(prefix="a"), later=some.links(prefix="b"), who=st.sampled_from(some.IDS))
def test_whoever_is_one_person_with_somebody_suppressed_is_suppressed(
    store: Store, first: list[Link], later: list[Link], who: str
):
    clear(store)
    store.add_links(first, now=NOW)
    store.privacy.suppress(who, now=NOW)
    for link in later:
        store.add_links([link], now=NOW)
    barred = store.privacy.barred(some.IDS)
    assert who in barred
    links = [*first, *later]
    for i in some.IDS:
        assert (i in barred) == (not barred.keys().isdisjoint({i, *Identities(links).person(i)}))


def test_an_erased_person_is_neither_suppressed_nor_named_by_it(store: Store):
    world(store)
    store.privacy.suppress("ada", now=NOW)
    store.privacy.erase("eve", now=NOW)
    assert store.privacy.suppress("ada", now=NOW) == store.privacy.unsuppress("ada") == 0
    assert mentions(store, PERSON) == []
    assert store.privacy.barred([*PERSON, "bob"]) == dict.fromkeys(PERSON, "erased")


def test_scores_given_while_a_person_objected_are_not_logged(store: Store):
    store.privacy.suppress("ada", now=NOW)
    store.scores.append(scored(["ada", "bob"]))
    assert store.scores.last_of("ada") is None
    assert store.scores.by_id(id_beside("score of 0")) is None
    assert store.scores.last_of("bob") is not None
