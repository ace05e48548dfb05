"""Two workers on PostgreSQL whose transactions wait for each other: one is ended by the database, and nobody is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from data.domain import Lead
from data.errors import CrossedWritesError
from data.store import Store, open_store
from serving.writer import Writer
from tests.serving.conftest import NOW


@contextmanager
def workers(url: str) -> Iterator[list[tuple[Store, Writer]]]:
    """Two stores on one database, each with the writer of its worker."""
    stores = [open_store(url), open_store(url)]
    pairs = [(store, Writer(store, clock=lambda: time.time_ns() // 1_000)) for store in stores]
    for _, writer in pairs:
        writer.start()
    try:
        yield pairs
    finally:
        for store, writer in pairs:
            writer.stop()
            store.close()


def about(store: Store, first: str, second: str, meet: Callable[[], None]) -> Callable[[int], str]:
    """A job that writes about one lead, meets the other job, and writes about a second lead."""

    def job(now: int) -> str:
        for lead_id in (first, second):
            store.add_leads(
                [Lead(lead_id, NOW, {"title": f"{first} first"}, observed_at=now, received_at=now)], now=now
            )
            if lead_id == first:
                meet()
        return first

    return job


def once(barrier: threading.Barrier) -> Callable[[], None]:
    """Waits for the other the first time only: who is tried again does not wait."""
    waits = [barrier.wait]

    def meet() -> None:
        if waits:
            waits.pop()(20)

    return meet


def test_crossed_writes_are_tried_again_and_both_are_kept(postgres_url: str):
    barrier = threading.Barrier(2)
    with workers(postgres_url) as [(one, its), (two, others)]:
        jobs = [
            its.submit(about(one, "ada", "bob", once(barrier))),
            others.submit(about(two, "bob", "ada", once(barrier))),
        ]
        assert [job.result(timeout=30) for job in jobs] == ["ada", "bob"]
        kept = {
            lead_id: {version.fields["title"] for version in history.profiles}
            for lead_id, history in one.histories(["ada", "bob"]).items()
        }
    assert kept == {"ada": {"ada first", "bob first"}, "bob": {"ada first", "bob first"}}


def test_what_crosses_again_and_again_is_told_after_the_second_time(postgres_url: str):
    n_tries = 0

    def job(now: int) -> None:
        nonlocal n_tries
        n_tries += 1
        raise CrossedWritesError("the store is busy")

    with workers(postgres_url) as [(_, writer), _], pytest.raises(CrossedWritesError):
        writer.submit(job).result(timeout=30)
    assert n_tries == 2
