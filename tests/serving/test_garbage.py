"""No garbage is looked for while large work is done, and none is left out for ever."""

from __future__ import annotations

import asyncio
import gc
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
    async def work() -> None:
        first_ends = asyncio.Event()

        async def first() -> None:
            with collected_later():
                await first_ends.wait()

        running = asyncio.create_task(first())
        await asyncio.sleep(0)
        with collected_later():
            assert not gc.isenabled()
        await asyncio.sleep(0)
        assert not gc.isenabled(), "the first is still at work"
        first_ends.set()
        await running
        await asyncio.sleep(0)
        assert gc.isenabled()

    assert gc.isenabled()
    asyncio.run(work())


def test_the_collector_rests_until_what_was_made_is_gone():
    async def answer() -> None:
        with collected_later():
            made = [[i] for i in range(50_000)]
        assert not gc.isenabled()
        assert len(made) == 50_000

    async def work() -> None:
        gc.collect()
        seen = gc.get_stats()[0]["collections"]
        await answer()
        await asyncio.sleep(0)
        assert gc.isenabled()
        assert gc.get_stats()[0]["collections"] - seen < 5, "there was nothing left to look through"

    asyncio.run(work())


def test_work_that_fails_lets_the_collector_go_on():
    async def work() -> None:
        with pytest.raises(RuntimeError), collected_later():
            raise RuntimeError
        await asyncio.sleep(0)
        assert gc.isenabled()

    asyncio.run(work())


def test_what_is_collected_on_demand_is_freed_also_meanwhile():
    async def work() -> None:
        with collected_later():
            knot = a_gone_knot()
            assert knot() is not None
            gc.collect()
            assert knot() is None

    asyncio.run(work())
