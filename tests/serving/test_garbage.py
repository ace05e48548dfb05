"""No garbage is looked for while large work is done, and none is left out for ever."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from serving.garbage import collected_later


class Knot:
    """Is freed only when garbage is looked for: it holds itself."""

    def __init__(self) -> None:
        self.itself = self


def a_gone_knot() -> weakref.ref[Knot]:
    return weakref.ref(Knot())


def test_the_collector_rests_until_the_last_of_several_is_done():
    assert gc.isenabled()
    with collected_later():
        inner_begins, inner_ends = threading.Event(), threading.Event()

        def work() -> None:
            with collected_later():
                inner_begins.set()
                inner_ends.wait(10)

        other = threading.Thread(target=work)
        other.start()
        assert inner_begins.wait(10)
        assert not gc.isenabled()
    assert not gc.isenabled(), "the other is still at work"
    inner_ends.set()
    other.join(10)
    assert gc.isenabled()


def test_work_that_fails_lets_the_collector_go_on():
    with pytest.raises(RuntimeError), collected_later():
        raise RuntimeError
    assert gc.isenabled()


def test_what_is_collected_on_demand_is_freed_also_meanwhile():
    with collected_later():
        knot = a_gone_knot()
        assert knot() is not None
        gc.collect()
        assert knot() is None
