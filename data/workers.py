"""Work spread over processes.

Processes are spawned, never forked: a fork copies locks that threads of Arrow, LightGBM or the database hold at that moment. A worker
whose parent was killed ends at once, so that nothing goes on unseen.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

T = TypeVar("T")


def run_all(tasks: Sequence[Callable[[], T]], *, processes: int) -> Iterator[tuple[int, T]]:
    """Results with their task's position, as they are done. One process, or a single task, runs here; else the tasks are pickled."""
    n = min(processes, len(tasks))
    if n <= 1:
        for position, task in enumerate(tasks):
            yield position, task()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n, mp_context=context, initializer=_follow_parent) as pool:
        futures: dict[Any, int] = {pool.submit(task): position for position, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
