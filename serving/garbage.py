"""How a worker collects garbage."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_n_large = 0  # changed by the event loop's thread alone


def settle_garbage() -> None:
    """Keep the collector off what stays for ever; to be called once everything is loaded.

    What stays is out of the way then, so looking at young objects often costs little; looked at seldom, the cycles that MLflow's
    client and BentoML leave behind would pile up for a quarter of an hour before anybody took them away.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 100)


@contextmanager
def collected_later() -> Iterator[None]:
    """No garbage is looked for meanwhile, in any thread, until the last of those who ask for this is done and its caller has returned.

    For large work on the running event loop: its many new objects make the collector look again and again, and all of them are still
    needed, until the caller returns as well. What is counted out is freed as ever, and ``gc.collect`` collects whenever it is called, so
    work that always overlaps piles nothing up.
    """
    global _n_large
    loop = asyncio.get_running_loop()
    _n_large += 1
    gc.disable()
    try:
        yield
    finally:
        loop.call_soon(_done)


def _done() -> None:
    global _n_large
    _n_large -= 1
    if not _n_large:
        gc.enable()
