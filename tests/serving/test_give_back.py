"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref
from collections.abc import Iterator

import psutil
import pytest

from serving.give_back import GiveBack

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only glibc gives memory back on demand"
)


def resident_mb() -> float:
    return psutil.Process().memory_info().rss / 2**20


def crowd() -> list[bytes]:
    """What a crowd leaves behind: 160 MB were freed below blocks that stay, so the C library keeps them."""
    blocks = [bytes(40_000) for _ in range(4_400)]
    staying = blocks[::110]
    del blocks
    return staying


def test_what_was_freed_between_what_stays_goes_back_on_demand():
    staying = crowd()
    before = resident_mb()
    assert GiveBack().now()
    assert before - resident_mb() > 100
    assert len(staying) == 40


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """The collector of the other tests as it was."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Loop:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.own = self


def test_what_waits_to_be_freed_is_freed_first():
    gc.collect()
    waiting = weakref.ref(Loop())
    gc.disable()
    try:
        assert waiting() is not None
        GiveBack().now()
    finally:
        gc.enable()
    assert waiting() is None


def test_what_came_with_the_first_requests_is_put_out_of_the_way_once(unfrozen):
    """A look at all of it takes 150 ms in a worker, in which nobody is answered."""
    gc.unfreeze()
    giving, looks, second = GiveBack(seconds=0.05), [], threading.Event()

    def now() -> bool:
        looks.append(gc.get_freeze_count())
        if len(looks) == 2:
            second.set()
        return True

    giving.now = now  # type: ignore[method-assign]
    giving.start()
    assert second.wait(20)
    giving.stop()
    assert 10_000 < looks[1] <= looks[0]


def test_the_thread_asks_once_in_a_while_and_ends_when_told(unfrozen):
    giving = GiveBack(seconds=0.05)
    asked = threading.Event()
    given = giving.now
    giving.now = lambda: asked.set() or given()  # type: ignore[method-assign]
    giving.start()
    assert asked.wait(10)
    giving.stop()
    assert not any(t.name == "leadloop-give-back" for t in threading.enumerate())


def test_asked_to_it_does_not_wait_for_the_next_time(unfrozen):
    giving, asked = GiveBack(seconds=600, pause=0.01), threading.Semaphore(0)
    giving.now = lambda: asked.release() is None  # type: ignore[method-assign]
    frozen = gc.get_freeze_count()
    giving.start()
    for _ in range(2):
        giving.soon()
        assert asked.acquire(timeout=10)
    giving.stop()
    assert not asked.acquire(blocking=False)
    assert not any(t.name == "leadloop-give-back" for t in threading.enumerate())
    # What came with the first requests may not have come yet.
    assert gc.get_freeze_count() == frozen


def test_asked_to_it_looks_once_more_a_little_later(unfrozen):
    """What brought the new model still holds some of it the first time."""
    giving, asked = GiveBack(seconds=600, pause=0.01, again=0.05), threading.Semaphore(0)
    giving.now = lambda: asked.release() is None  # type: ignore[method-assign]
    giving.start()
    giving.soon()
    assert asked.acquire(timeout=10)
    assert asked.acquire(timeout=10)
    assert not asked.acquire(timeout=0.3)
    giving.stop()


def test_stopping_what_was_never_started_does_nothing():
    GiveBack().stop()
