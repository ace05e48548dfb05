"""Kept answers on both databases: one does the work, the others get its answer; old ones and those of erased leads are gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import text

from data.replies import KEPT_SECONDS, LEASE_SECONDS, Claimed, Reply
from data.store import open_store

SECOND = 1_000_000
NOW = 10**15
REPLY = Reply(200, "{}", b"answer")


@pytest.fixture
def store(store_url):
    with closing(open_store(store_url)) as opened:
        yield opened


def test_claimed_once_then_in_progress_then_answered(store):
    replies = store.replies
    assert replies.claim("a", "body", now=NOW) == Claimed(is_ours=True)
    assert replies.claim("a", "body", now=NOW + 1) == Claimed()
    replies.keep("a", REPLY, claimed_at=NOW, lead_ids=[])
    assert replies.claim("a", "body", now=NOW + 2) == Claimed(reply=REPLY)
    assert replies.claim("a", "other", now=NOW + 3) == Claimed(is_other=True)
    assert replies.claim("b", "other", now=NOW + 3) == Claimed(is_ours=True)


def test_a_claim_given_up_is_free_again(store):
    store.replies.claim("a", "body", now=NOW)
    store.replies.release("a", claimed_at=NOW)
    assert store.replies.claim("a", "other", now=NOW + 1).is_ours


def test_a_claim_whose_worker_died_is_taken_over_and_its_late_answer_is_dropped(store):
    replies, later = store.replies, NOW + (LEASE_SECONDS + 1) * SECOND
    replies.claim("a", "body", now=NOW)
    assert replies.claim("a", "body", now=later).is_ours
    replies.keep("a", Reply(200, "{}", b"late"), claimed_at=NOW, lead_ids=[])
    assert replies.claim("a", "body", now=later + 1) == Claimed()
    replies.keep("a", REPLY, claimed_at=later, lead_ids=[])
    assert replies.claim("a", "body", now=later + 2).reply == REPLY


def test_of_many_at_once_one_does_the_work(store_url):
    def claim(i: int) -> bool:
        with closing(open_store(store_url)) as store:
            return store.replies.claim("a", "body", now=NOW + i).is_ours

    open_store(store_url).close()
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(claim, range(6))) == 1


def test_answers_are_forgotten_after_72_hours(store):
    replies, later = store.replies, NOW + (KEPT_SECONDS + 1) * SECOND
    for name in ("a", "b"):
        replies.claim(name, "body", now=NOW)
        replies.keep(name, REPLY, claimed_at=NOW, lead_ids=["ada"])
    assert replies.claim("a", "body", now=later).is_ours
    assert replies.reap(now=later) == 1
    replies.keep("a", REPLY, claimed_at=later, lead_ids=["bob"])
    with store._engine.connect() as connection:
        leads = connection.execute(text("SELECT lead_id FROM reply_leads ORDER BY lead_id")).scalars().all()
        assert connection.execute(text("SELECT request_id FROM replies")).scalars().all() == ["a"]
    assert leads[-1] == "bob"


def test_erasing_a_lead_erases_its_answers(store):
    replies = store.replies
    for i, leads in enumerate((["ada", "bob"], ["bob"], [f"lead {n}" for n in range(1_200)])):
        replies.claim(str(i), "body", now=NOW)
        replies.keep(str(i), REPLY, claimed_at=NOW, lead_ids=leads)
    assert replies.erase(["ada", "nobody"]) == 1
    assert replies.claim("0", "body", now=NOW + 1).is_ours
    assert replies.claim("1", "body", now=NOW + 1).reply == REPLY
    assert replies.erase([f"lead {n}" for n in range(1_200)]) == 1
    assert replies.erase(["bob"]) == 1
