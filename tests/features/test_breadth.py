"""Other leads of the same company: counted as of the cutoff, each once, the lead itself never, the same however it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import asof
from data.accounts import MOST_LEADS, account_of
from data.asof import snapshots_at
from data.buckets.build import build_buckets
from data.buckets.source import StoreSource
from data.domain import DAY, Lead, Link
from data.snapshots import snapshots_of
from data.store import Store, open_store
from features import breadth
from features.bucketed import bucketed_matrix, bucketed_spans
from features.catalog import default_features
from features.matrix import build_matrix
from features.spark import bucket_function
from features.spec import FeatureSet
from tests.data import strategies as some
from tests.data.test_asof import NOW, refill

FEATURES = FeatureSet(tuple(f for f in default_features() if f.reads_accounts))
TOUCHPOINTS = pa.schema(
    [("lead_id", pa.string()), ("occurred_at", pa.int64()), ("type", pa.string())]
).empty_table()


def counts(store: Store, lead_id: str, day: int) -> list[float]:
    """(all, in 30 days), the same by both ways of reading the store."""
    few = build_matrix(snapshots_at(store, [lead_id], cutoff=day * DAY), FEATURES).X
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asof, "_FEW", 0)
        patch.setattr(breadth, "_FEW_PAIRS", 0)
        many = build_matrix(snapshots_at(store, [lead_id], cutoff=day * DAY), FEATURES).X
    assert few.tobytes() == many.tobytes()
    return few[0].tolist()


def of(company: str | None, lead_id: str, day: int, **more) -> Lead:
    profile = {} if company is None else {"company": company}
    return Lead(lead_id, day * DAY, profile, observed_at=day * DAY, received_at=day * DAY, **more)


@pytest.mark.parametrize(
    ("fields", "account"),
    [
        ({"email": "ada@acme.io", "company": "Acme Inc."}, "acme.io"),
        ({"email": "ada@acme.io", "company_domain": "https://www.Acme.com/x"}, "acme.com"),
        ({"email": "ada@gmail.com"}, None),
        ({"email": "ada@gmail.com", "company": "ACME,  Inc."}, "acme"),
        ({"company": "Müller GmbH & Co. KG"}, "müller"),
        ({"company": "東京電力"}, "東京電力"),
        ({"company": "n/a"}, None),
        ({"company": "Self-employed"}, None),
        ({"company": "GmbH"}, None),
        ({"company": "-"}, None),
        ({"company": 3.0, "email": "no address"}, None),
        ({}, None),
    ],
)
def test_the_account_that_a_profile_tells(fields, account):
    assert account_of(fields) == account


def test_other_leads_count_from_the_moment_they_are_known(store):
    refill(store, [of("Acme", "ada", 1), of("acme inc", "bob", 5), of("Bolt", "eve", 2)], [], [])
    assert counts(store, "ada", 4) == [0, 0]
    assert counts(store, "ada", 5) == [1, 1]
    assert counts(store, "ada", 34) == [1, 1]
    assert counts(store, "ada", 35) == [1, 0], "the window is open at its beginning"
    assert counts(store, "eve", 35) == [0, 0]


def test_without_an_account_it_is_not_known_how_many_there_are(store):
    refill(
        store,
        [of("Acme", "ada", 1), of(None, "bob", 1), Lead("eve", DAY, {"email": "eve@gmail.com"})],
        [],
        [],
    )
    assert np.isnan(counts(store, "bob", 4)).all()
    assert np.isnan(counts(store, "eve", 4)).all()


def test_a_lead_that_changes_its_company_counts_for_the_new_one_alone(store):
    refill(
        store,
        [of("Acme", "ada", 1), of("Bolt", "bob", 1), of("Acme", "eve", 1), of("Bolt", "eve", 9)],
        [],
        [],
    )
    assert (counts(store, "ada", 8), counts(store, "bob", 8)) == ([1, 1], [0, 0])
    assert (counts(store, "ada", 9), counts(store, "bob", 9)) == ([0, 0], [1, 1])


def test_a_merged_lead_counts_once_and_nobody_for_itself(store):
    leads = [of("Acme", i, 1) for i in ("ada", "bob", "eve")]
    refill(store, leads, [], [], [Link("1", "eve", "bob", 9 * DAY)])
    assert (counts(store, "ada", 8), counts(store, "ada", 9)) == ([2, 2], [1, 1])
    assert counts(store, "bob", 9) == [1, 1]
    assert counts(store, "eve", 9) == [1, 1], "eve is bob by then"


def test_a_lead_takes_the_company_of_the_one_merged_into_it(store):
    refill(store, [of("Acme", "ada", 1), of(None, "bob", 1), of("Acme", "eve", 1)], [], [])
    store.add_links([Link("1", "eve", "bob", 9 * DAY, received_at=9 * DAY)], now=NOW)
    assert (counts(store, "ada", 8), counts(store, "ada", 9)) == ([1, 1], [1, 1])
    assert np.isnan(counts(store, "bob", 8)).all()
    assert counts(store, "bob", 9) == [1, 1]


def test_a_link_known_earlier_that_comes_later_takes_the_company_along(store):
    """The lead that lost an id to it kept the company of that id."""
    leads = [of("Acme", "old", 1), of(None, "ada", 1), of(None, "bob", 1), of("Acme", "eve", 1)]
    refill(store, leads, [], [], [Link("1", "old", "ada", 9 * DAY)])
    store.add_links([Link("2", "old", "bob", 5 * DAY)], now=NOW)
    assert (counts(store, "eve", 12), counts(store, "bob", 12)) == ([1, 1], [1, 1])
    assert np.isnan(counts(store, "ada", 12)).all()


def test_more_leads_than_are_told_apart_count_as_that_many(light):
    n = MOST_LEADS + 50
    light.add_leads([of("Acme", f"l{k}", k % 60) for k in range(n)], now=NOW)
    assert counts(light, "l7", 80) == [MOST_LEADS, sum(k % 60 > 50 for k in range(n))]
    assert len(light.account_spans(["acme"], cutoff=80 * DAY)) == MOST_LEADS + 1


def by_hand(store: Store, lead_id: str, day: int) -> list[float]:
    """The definition, day by day, from what is held about each lead alone."""
    histories = store.histories(store.lead_ids())

    def account(i: str, at: int) -> str | None:
        standing = histories[i].standing_at(at * DAY) == i
        return account_of(histories[i].profile_at(at * DAY)) if standing else None

    asked = histories[lead_id]
    own = account_of(asked.profile_at(day * DAY))
    if own is None:
        return [np.nan, np.nan]
    joined = []
    for i in histories.keys() - {asked.standing_at(day * DAY)}:
        since = day
        while since >= 0 and account(i, since) == own:
            since -= 1
        if since < day:
            joined.append(since + 1)
    return [len(joined), sum(at > day - 30 for at in joined)]


@settings(max_examples=150)
@given(some.leads(), some.links(), st.integers(0, 60), st.randoms(use_true_random=False))
def test_however_it_is_asked_it_is_the_definition(light, leads, links, day: int, random):
    if random.random() < 0.5:
        refill(light, leads, [], [], links)
    else:  # links first, one by one in any order, and messages again
        refill(light, [], [], [])
        for link in random.sample(links, len(links)):
            light.add_leads(leads[:1], now=NOW)
            light.add_links([link], now=NOW)
        light.add_leads(leads, now=NOW)
        light.add_leads(random.sample(leads, len(leads)), now=NOW)
    ids = list(light.histories(light.lead_ids(), cutoff=day * DAY))
    expected = np.array([by_hand(light, i, day) for i in ids], dtype=np.float64).tobytes()
    batch = build_matrix(snapshots_at(light, ids, cutoff=day * DAY), FEATURES).X
    assert batch.tobytes() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asof, "_FEW", 0)
        patch.setattr(breadth, "_FEW_PAIRS", 0)
        assert build_matrix(snapshots_at(light, ids, cutoff=day * DAY), FEATURES).X.tobytes() == expected
    alone = [build_matrix(snapshots_at(light, [i], cutoff=day * DAY), FEATURES).X.tobytes() for i in ids]
    assert b"".join(alone) == expected


@settings(max_examples=40)
@given(some.leads(), some.links(), some.leads(), some.links(prefix="z"), st.integers(0, 40))
def test_what_is_known_later_changes_nothing(light, leads, links, later, more_links, day: int):
    from dataclasses import replace

    refill(light, leads, [], [], links)
    ids = list(light.histories(light.lead_ids(), cutoff=day * DAY))
    before = build_matrix(snapshots_at(light, ids, cutoff=day * DAY), FEATURES).X.tobytes()
    light.add_leads([replace(lead, received_at=(day + 1) * DAY) for lead in later], now=NOW)
    light.add_links([replace(link, received_at=(day + 1) * DAY) for link in more_links], now=NOW)
    assert build_matrix(snapshots_at(light, ids, cutoff=day * DAY), FEATURES).X.tobytes() == before


@settings(max_examples=15)
@given(st.lists(some.leads(), min_size=1, max_size=3), st.integers(1, 4))
def test_files_by_lead_and_spark_count_across_buckets(tmp_path_factory, statements, n_buckets: int):
    folder: Path = tmp_path_factory.mktemp("breadth")
    store = open_store(f"sqlite:///{folder}/store.db")
    for n, leads in enumerate(statements):
        store.add_leads(leads, now=NOW)
        store.add_leads([of("Acme", f"{n}-{k}", k) for k in range(5)], now=NOW)
        build_buckets(StoreSource(store.url), folder / "out", n_buckets=n_buckets)
    rows, matrix = bucketed_matrix(folder / "out", FEATURES, ages_days=(0.0, 3.0, 30.0))
    alone = [
        build_matrix(snapshots_at(store, [i], cutoff=cutoff), FEATURES).X[0].tolist()
        for i, cutoff in zip(rows.lead_ids.tolist(), rows.cutoffs.tolist(), strict=True)
    ]
    assert np.array(alone).tobytes() == matrix.X.tobytes()
    histories = store.histories(store.lead_ids())
    told = [
        histories[i].profile_at(c).get("company") for i, c in zip(rows.lead_ids, rows.cutoffs, strict=True)
    ]
    table = pa.table(
        {"lead_id": rows.lead_ids, "cutoff": rows.cutoffs, "company": pa.array(told, pa.string())}
    )
    worker = bucket_function(FEATURES, {}, accounts=bucketed_spans(folder / "out"))
    made = worker(table, TOUCHPOINTS)
    assert np.column_stack([made[name] for name in FEATURES.names]).tobytes() == matrix.X.tobytes()
    assert np.isnan(bucket_function(FEATURES, {})(table, TOUCHPOINTS)["n_account_leads"]).all()
    store.close()


def test_without_a_store_to_ask_it_is_not_known(light):
    light.add_leads([of("Acme", i, 1) for i in ("ada", "bob")], now=NOW)
    alone = snapshots_of([(light.histories(["ada"])["ada"], 5 * DAY)])
    assert np.isnan(build_matrix(alone, FEATURES).X).all()


def test_many_that_left_inside_the_window_are_counted_in_pieces(light, monkeypatch):
    monkeypatch.setattr(breadth, "_PAIRS", 7)
    monkeypatch.setattr(breadth, "_FEW_PAIRS", 0)
    leads = [of("Acme", f"l{k}", k % 50) for k in range(120)]
    moved = [of("Bolt", f"l{k}", 50 + k % 40) for k in range(0, 120, 2)]
    light.add_leads([*leads, *moved], now=NOW)
    ids = [f"l{k}" for k in range(120)]
    for day in (40, 60, 75, 90):
        known = list(light.histories(ids, cutoff=day * DAY))
        batch = build_matrix(snapshots_at(light, known, cutoff=day * DAY), FEATURES).X
        assert (
            batch.tobytes() == np.array([by_hand(light, i, day) for i in known], dtype=np.float64).tobytes()
        )
