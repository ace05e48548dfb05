"""One writer a process.

All that a process keeps goes through one thread, so threads never wait for each other's database locks, and what waits together is
committed together: one flush to disk acknowledges many requests. A job's result is handed out only after the commit.

Each job gets its own time, taken while the transaction is held and always later than the job before. So whatever a score did not see
because it was not committed yet also carries a later ``received_at``, and a later retraining sees exactly what the score saw. Jobs of one
kind that wait side by side may be done as one (``run_together``): one read of the store then serves many requests. What is to follow a job
only once it is committed is left behind with ``after_commit``.

Under load, callers fall into halves: one waits while the other is worked on, and every batch is half of what it could be. So where jobs
wait already when a batch is done, those just answered get a moment to ask again and go along; nobody waits while there is no queue.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from data.errors import CrossedWritesError, StoreError
from data.store import Store
from serving.problems import reason_of, store_away

T = TypeVar("T")
Clock = Callable[[], int]

# What the store raises when it is busy, away or damaged; everything else is a mistake of ours.
STORE_FAULTS = (StoreError, OSError)

logger = logging.getLogger("leadloop.serving")

_MOST_WAITING = 1_000
_MOST_TOGETHER = 32
# How long a queue is held up for those just answered: a share of what their batch took, as much as one batch less of them saves.
_GATHERED_SHARE = 0.5
_GATHERED_SECONDS = 0.005


Next = Callable[[], int]  # a time later than any given before


@dataclass(frozen=True, slots=True)
class _Job:
    do: Callable[[Next, list[Any]], list[Any]]
    item: Any
    promise: Future[Any]


class Writer:
    """Runs jobs one after the other inside transactions of the store.

    Parameters
    ----------
    store : where jobs write.
    clock : microseconds since 1970 UTC.
    busy : called for each job the store does not take in time, or fails.
    """

    def __init__(self, store: Store, *, clock: Clock, busy: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._clock = clock
        self._busy = busy
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._last = 0
        self._afterwards: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="leadloop-writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(timeout=30)
            self._thread = None

    def submit(self, do: Callable[[int], T]) -> Future[T]:
        """Queue ``do(now)``; the future holds its result once that is committed. Raises Problem 503 when too much waits already."""
        return self._queue(lambda now, _: [do(now())], None)

    def after_commit(self, do: Callable[[], None]) -> None:
        """Called by a job: ``do`` is called once the transaction under way is committed, and never if it is not.

        It runs in the writer's thread, after those who wait have got their results, so it must be quick.
        """
        self._afterwards.append(do)

    def _queue(self, do: Callable[[Next, list[Any]], list[T]], item: Any) -> Future[T]:
        if self._waiting.qsize() >= _MOST_WAITING or self._thread is None:
            self._busy()
            raise store_away()
        promise: Future[T] = Future()
        self._waiting.put(_Job(do, item, promise))
        return promise

    async def run(self, do: Callable[[int], T], *, patience: float) -> T:
        """The result of ``do(now)`` once committed.

        Raises
        ------
        Problem
            503 when the store is away, or the commit does not come within ``patience`` seconds. A job given up while it waits in line is
            never run; one that already runs may still be committed, which the same message sent again finds as known.
        """
        return await self._result(self.submit(do), patience=patience)

    async def run_together(
        self, do: Callable[[Next, list[Any]], list[T]], item: Any, *, patience: float
    ) -> T:
        """As ``run``, for work that is cheaper in company: ``do(now, items)`` gets the items of all such jobs that wait side by side.

        It returns one result for each item, in order, and asks ``now()`` for the time of what it does. Equal ``do`` are one kind. When it
        raises, every item is tried again by itself.
        """
        return await self._result(self._queue(do, item), patience=patience)

    async def _result(self, promise: Future[T], *, patience: float) -> T:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(promise), patience)
        except TimeoutError:
            self._busy()
            raise store_away() from None
        except STORE_FAULTS as fault:
            self._busy()
            logger.warning("a write failed: %s", reason_of(fault))
            raise store_away() from None

    def _work(self) -> None:
        n_answered, patience, is_last = 0, 0.0, False
        while not is_last:
            jobs = self._gathered(n_answered, patience)
            n_answered, is_last = len(jobs), None in jobs
            began = time.monotonic()
            self._commit([job for job in jobs if job and job.promise.set_running_or_notify_cancel()])
            patience = min(_GATHERED_SHARE * (time.monotonic() - began), _GATHERED_SECONDS)
            del jobs  # or all they hold would stay until somebody else comes

    def _gathered(self, n_answered: int, patience: float) -> list[_Job | None]:
        """The next jobs, at least one, in order; None is last and says that no more will come."""
        n_waiting = self._waiting.qsize()
        n_hoped_for = n_waiting + n_answered if n_waiting else 0
        until = time.monotonic() + patience
        jobs = [self._waiting.get()]
        while jobs[-1] is not None and len(jobs) < _MOST_TOGETHER:
            is_hoping = len(jobs) < n_hoped_for
            try:
                jobs.append(
                    self._waiting.get(timeout=max(0.0, until - time.monotonic()) if is_hoping else 0.0)
                )
            except queue.Empty:
                break
        return jobs

    def _commit(self, jobs: list[_Job], *, is_last_try: bool = False) -> None:
        if not jobs:
            return
        self._afterwards = []
        try:
            with self._store.transaction():
                results = [
                    result
                    for do, kind in groupby(jobs, key=attrgetter("do"))
                    for result in do(self._now, [job.item for job in kind])
                ]
        except STORE_FAULTS as fault:
            if isinstance(fault, CrossedWritesError) and not is_last_try:
                # The other writer has what it waited for. Each by itself holds less that others may wait for.
                for job in jobs:
                    self._commit([job], is_last_try=True)
                return
            for job in jobs:
                job.promise.set_exception(fault)
        except Exception as fault:
            if len(jobs) == 1:
                jobs[0].promise.set_exception(fault)
                return
            # One of them failed and took the others' work with it: each again, by itself.
            for job in jobs:
                self._commit([job])
        else:
            for job, result in zip(jobs, results, strict=True):
                job.promise.set_result(result)
            afterwards, self._afterwards = self._afterwards, []
            for do_next in afterwards:
                try:
                    do_next()
                except Exception as fault:
                    # What was committed is acknowledged already, and the writer must go on.
                    logger.error("what was to follow a write failed: %s", reason_of(fault))

    def _now(self) -> int:
        self._last = max(self._clock(), self._last + 1)
        return self._last
