"""What the store keeps, on both databases."""

from contextlib import closing
from pathlib import Path

import pytest

from data.domain import DAY, Lead, Outcome, Touchpoint
from data.errors import StoreError
from data.scorelog import ScoreRow
from data.store import Added, Store, open_store, open_trial

NOW = 1_000 * DAY


def touch(touchpoint_id: str, lead_id: str = "ada", at: int = 10 * DAY, **more) -> Touchpoint:
    return Touchpoint(touchpoint_id, lead_id, at, more.pop("type", "page_view"), **more)


def test_what_was_added_comes_back(store: Store):
    store.add_leads(
        [Lead("ada", 5 * DAY, {"industry": "Zoölogy", "employees": 12}, received_at=6 * DAY)], now=NOW
    )
    full = Touchpoint("t1", "ada", 7 * DAY, "form", "web", "spring", "/demo", "in", 2.5, 8 * DAY, "segment")
    store.add_touchpoints([full], now=NOW)
    outcome = Outcome("o1", "ada", "won", 9 * DAY, amount=100.0, received_at=10 * DAY, source="crm")
    store.add_outcomes([outcome], now=NOW)

    history = store.histories(["ada"])["ada"]
    assert history.created_at == 5 * DAY
    assert history.profile_at(NOW) == {"industry": "Zoölogy", "employees": 12.0}
    assert history.touchpoints == (full,)
    assert store.outcomes_of(["ada", "bob"]) == {"ada": [outcome]}
    assert store.counts() == {
        "leads": 1,
        "profiles": 1,
        "touchpoints": 1,
        "outcomes": 1,
        "links": 0,
        "scores": 0,
    }


def test_unknown_leads_are_absent(store: Store):
    store.add_leads([Lead("ada", 5 * DAY)], now=NOW)
    assert list(store.histories(["bob", "ada"])) == ["ada"]


def test_same_message_twice_is_the_same_as_once(store: Store):
    lead = Lead("ada", DAY, {"country": "DE"}, observed_at=2 * DAY, received_at=2 * DAY)
    outcome = Outcome("o1", "ada", "lost", 9 * DAY)
    assert store.add_leads([lead, lead], now=NOW) == Added(new=1, known=1)
    assert store.add_touchpoints([touch("t1"), touch("t1")], now=NOW) == Added(new=1, known=1)
    assert store.add_outcomes([outcome, outcome], now=NOW) == Added(new=1, known=1)
    before = store.counts(), store.histories(["ada"]), store.outcomes_of(["ada"])
    assert store.add_leads([lead], now=NOW + DAY) == Added(new=0, known=1)
    assert store.add_touchpoints([touch("t1")], now=NOW + DAY) == Added(new=0, known=1)
    assert store.add_outcomes([outcome], now=NOW + DAY) == Added(new=0, known=1)
    assert (store.counts(), store.histories(["ada"]), store.outcomes_of(["ada"])) == before


def test_of_two_messages_with_one_id_the_first_stays(store: Store):
    store.add_touchpoints([touch("t1", value=1.0)], now=NOW)
    added = store.add_touchpoints(
        [touch("t2"), touch("t1", value=2.0, received_at=1), touch("t1", value=1.0)], now=NOW
    )
    assert added == Added(new=1, known=2, conflicts=1, conflict_keys=(("api", "t1", "ada"),))
    assert [t.value for t in store.histories(["ada"])["ada"].touchpoints] == [1.0, None]


def test_received_at_is_no_part_of_what_a_message_says(store: Store):
    store.add_outcomes([Outcome("o1", "ada", "won", DAY, received_at=2 * DAY)], now=NOW)
    again = [Outcome("o1", "ada", "won", DAY, received_at=3 * DAY), Outcome("o1", "ada", "won", DAY)]
    assert store.add_outcomes(again, now=NOW) == Added(new=0, known=2)


@pytest.mark.parametrize(
    "other",
    [
        Outcome("o1", "ada", "lost", DAY),
        Outcome("o1", "bob", "won", DAY),
        Outcome("o1", "ada", "won", DAY + 1),
        Outcome("o1", "ada", "won", DAY, amount=1.0),
        Outcome("o1", "ada", "won", DAY, undoes="o0"),
    ],
)
def test_every_part_of_a_statement_can_be_in_conflict(store: Store, other: Outcome):
    store.add_outcomes([Outcome("o1", "ada", "won", DAY)], now=NOW)
    assert store.add_outcomes([other], now=NOW) == Added(0, 1, 1, (("api", "o1", other.lead_id),))
    assert [o.kind for o in store.outcomes_of(["ada"])["ada"]] == ["won"]


def test_ids_of_two_sources_do_not_collide(store: Store):
    both = [touch("t1", source="segment"), touch("t1", source="hubspot")]
    assert store.add_touchpoints(both, now=NOW) == Added(new=2, known=0)


def test_a_lead_keeps_the_day_it_was_created(store: Store):
    store.add_leads([Lead("ada", 5 * DAY)], now=NOW)
    assert store.add_leads([Lead("ada", 3 * DAY)], now=NOW) == Added(new=0, known=1)
    assert store.histories(["ada"])["ada"].created_at == 5 * DAY


def test_profile_that_says_nothing_new_is_not_kept(store: Store):
    def state(country: str, at: int) -> Lead:
        return Lead("ada", DAY, {"country": country}, observed_at=at, received_at=at)

    for lead in (state("DE", 10 * DAY), state("DE", 11 * DAY), state("FR", 12 * DAY), state("DE", 13 * DAY)):
        store.add_leads([lead], now=NOW)
    kept = [(p.observed_at, p.fields["country"]) for p in store.histories(["ada"])["ada"].profiles]
    assert kept == [(10 * DAY, "DE"), (12 * DAY, "FR"), (13 * DAY, "DE")]


def test_profile_known_earlier_than_thought_is_kept(store: Store):
    """The same value, but observed before: snapshots between the two would miss it."""
    store.add_leads(
        [Lead("ada", DAY, {"country": "DE"}, observed_at=10 * DAY, received_at=10 * DAY)], now=NOW
    )
    store.add_leads([Lead("ada", DAY, {"country": "DE"}, observed_at=5 * DAY, received_at=5 * DAY)], now=NOW)
    assert store.histories(["ada"])["ada"].profile_at(7 * DAY) == {"country": "DE"}


def test_profile_known_before_a_late_one_arrived_is_kept(store: Store):
    """The earlier statement says the same, but was received only on day 20: on day 10 this one was all that was known."""
    store.add_leads([Lead("ada", DAY, {"country": "DE"}, observed_at=3 * DAY, received_at=20 * DAY)], now=NOW)
    store.add_leads([Lead("ada", DAY, {"country": "DE"}, observed_at=5 * DAY, received_at=5 * DAY)], now=NOW)
    assert store.histories(["ada"])["ada"].profile_at(10 * DAY) == {"country": "DE"}


def test_late_profile_that_repeats_what_was_known_then_is_not_kept(store: Store):
    for country, at in (("DE", 1), ("FR", 10), ("DE", 5)):
        added = store.add_leads(
            [Lead("ada", 0, {"country": country}, observed_at=at * DAY, received_at=at * DAY)], now=NOW
        )
    assert added == Added(new=0, known=1)
    assert store.counts()["profiles"] == 2


def test_unstated_times(store: Store):
    """Exported profiles count from the creation, other profiles without a time from now, touchpoints from when they occurred."""
    store.add_leads(
        [Lead("old", DAY, {"country": "DE"}, as_exported=True), Lead("new", DAY, {"country": "DE"})], now=NOW
    )
    store.add_touchpoints([touch("past", "old", 3 * DAY), touch("planned", "old", NOW + DAY)], now=NOW)
    found = store.histories(["old", "new"])
    (old,), (new,) = found["old"].profiles, found["new"].profiles
    assert (old.observed_at, old.received_at, old.as_exported) == (DAY, DAY, True)
    assert (new.observed_at, new.received_at, new.as_exported) == (NOW, NOW, False)
    assert {t.touchpoint_id: t.received_at for t in found["old"].touchpoints} == {
        "past": 3 * DAY,
        "planned": NOW,
    }


def test_a_lead_that_was_never_created_counts_from_the_earliest_thing_known(store: Store):
    store.add_touchpoints([touch("t2", at=9 * DAY), touch("t1", at=8 * DAY, received_at=20 * DAY)], now=NOW)
    store.add_outcomes([Outcome("o1", "bob", "contacted", 4 * DAY)], now=NOW)
    assert {i: h.created_at for i, h in store.histories(["ada", "bob"]).items()} == {
        "ada": 8 * DAY,
        "bob": 4 * DAY,
    }
    # t1 had occurred by day 10, but nobody here knew.
    assert store.histories(["ada"], cutoff=10 * DAY)["ada"].created_at == 9 * DAY
    assert store.lead_ids() == []


def test_lead_ids_by_creation_then_id(store: Store):
    # By code point: a database that sorts by language would put "b" before "B" and "ä" before "b".
    store.add_leads(
        [Lead(i, 2 * DAY) for i in ("ä", "b", "B", "a")] + [Lead("z", DAY), Lead("y", 3 * DAY)], now=NOW
    )
    assert store.lead_ids() == ["z", "B", "a", "b", "ä", "y"]
    assert store.lead_ids(created_from=2 * DAY, created_before=3 * DAY) == ["B", "a", "b", "ä"]


def test_a_transaction_is_all_or_nothing(store: Store):
    def breaks_off():
        with store.transaction():
            store.add_leads([Lead("ada", DAY, {"country": "DE"})], now=NOW)
            store.add_touchpoints([touch("t1")], now=NOW)
            assert set(store.histories(["ada"])) == {"ada"}, "a transaction sees its own additions"
            raise RuntimeError("row 2 is broken")

    with pytest.raises(RuntimeError, match="row 2"):
        breaks_off()
    assert set(store.counts().values()) == {0}
    with store.transaction():
        store.add_leads([Lead("ada", DAY)], now=NOW)
        store.add_touchpoints([touch("t1")], now=NOW)
    assert (store.counts()["leads"], store.counts()["touchpoints"]) == (1, 1)


def test_a_source_that_breaks_off_leaves_nothing(store: Store):
    def rows():
        for i in range(25_000):
            yield touch(f"t{i}")
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="ends here"):
        store.add_touchpoints(rows(), now=NOW)
    assert store.counts()["touchpoints"] == 0


def test_many_leads_in_one_question(store: Store):
    """More ids than either database takes parameters."""
    ids = [f"lead-{i}" for i in range(70_000)]
    store.add_leads([Lead(ids[-1], DAY)], now=NOW)
    assert list(store.histories(ids)) == [ids[-1]]


def test_scores_are_logged_once_and_come_back_newest_first(store: Store):
    rows = [
        ScoreRow(
            f"id{i}",
            "ada",
            "qualified",
            "3",
            NOW + i,
            61,
            "B",
            None if i else 0.25,
            61.25,
            b"\x00\xff" * 8,
            "[]",
            True,
        )
        for i in range(3)
    ]
    store.scores.append(rows)
    store.scores.append(rows[:1])
    assert store.scores.recent(limit=2) == [rows[2], rows[1]]
    assert store.scores.by_id("id0") == rows[0]
    assert store.scores.by_id("nobody") is None
    assert store.scores.last_of("ada") == rows[2]
    assert store.scores.last_of("bob") is None


def test_opening_again_finds_what_was_there(store_url):
    first = open_store(store_url)
    first.add_leads([Lead("ada", DAY)], now=NOW)
    first.close()
    second = open_store(store_url, create=False)
    assert second.lead_ids() == ["ada"]
    second.check()
    second.close()


def test_passwords_are_not_shown(tmp_path):
    url = "postgresql+psycopg://joe:hunter2@127.0.0.1:1/x"
    with pytest.raises(StoreError, match="cannot reach PostgreSQL") as refusal:
        open_store(url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("leads.db", "not a URL"),
        ("mysql://localhost/x", "cannot be kept in 'mysql'"),
        ("sqlite://", "forgets"),
        ("sqlite:///:memory:", "forgets"),
    ],
)
def test_what_cannot_be_a_store_is_refused(url, says):
    with pytest.raises(StoreError, match=says):
        open_store(url)


def test_a_missing_file_is_not_made_unasked(tmp_path):
    with pytest.raises(StoreError, match=r"there is no store at .*none\.db; import first"):
        open_store(f"sqlite:///{tmp_path}/none.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_trial_makes_nothing_at_its_address(tmp_path):
    trial = open_trial(f"sqlite:///{tmp_path}/new/none.db")
    assert trial.add_leads([Lead("ada", DAY)], now=NOW) == Added(new=1, known=0)
    used = Path(trial.url.removeprefix("sqlite:///"))
    assert used.is_file()
    trial.close()
    assert not used.parent.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_trial_of_a_store_that_is_there_is_that_store(store_url):
    with closing(open_store(store_url)) as store:
        store.add_leads([Lead("ada", DAY)], now=NOW)
    with closing(open_trial(store_url)) as trial:
        assert trial.lead_ids() == ["ada"]


def test_a_server_that_is_away_is_named_with_its_cause():
    with pytest.raises(StoreError) as refusal:
        open_store("postgresql+psycopg://joe:hunter2@127.0.0.1:1/x")
    said = str(refusal.value)
    assert "127.0.0.1, port 1:" in said
    assert "refused" in said
    assert "hunter2" not in said
    assert "\n" not in said
