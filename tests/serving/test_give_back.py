"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import threading

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


def test_the_thread_asks_once_in_a_while_and_ends_when_told():
    giving = GiveBack(seconds=0.05)
    asked = threading.Event()
    given = giving.now
    giving.now = lambda: asked.set() or given()  # type: ignore[method-assign]
    giving.start()
    assert asked.wait(10)
    giving.stop()
    assert not any(t.name == "leadloop-give-back" for t in threading.enumerate())


def test_stopping_what_was_never_started_does_nothing():
    GiveBack().stop()
