"""How a worker collects garbage."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_n_large = 0


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
    """No garbage is looked for meanwhile, in any thread, until the last of those who ask for this is done.

    For large work: its many new objects make the collector look again and again, and all of them are still needed. What is counted out
    is freed as ever, and ``gc.collect`` collects whenever it is called, so work that always overlaps piles nothing up.
    """
    global _n_large
    with _lock:
        _n_large += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _n_large -= 1
            if not _n_large:
                gc.enable()
