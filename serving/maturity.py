"""Which share of the stored leads is old enough to learn from: asked of the store once in a while, for the metrics."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from data.domain import DAY
from data.store import Store
from serving.live import LiveScorer
from serving.problems import reason_of
from serving.writer import STORE_FAULTS, Clock

logger = logging.getLogger("leadloop.serving")

EVERY_SECONDS = 300.0
# Until the first model serves, its horizon is not known.
_FIRST_SECONDS = 5.0


class MaturityWatch:
    """A thread that shows which share of the leads was created at least the served model's horizon ago.

    Parameters
    ----------
    store : whose leads are counted.
    live : the model whose horizon counts.
    clock : microseconds since 1970 UTC.
    show : gets the share, 0 to 1; not called while there are no leads, no model with a horizon serves, or the store is away.
    seconds : between two looks.
    """

    def __init__(
        self,
        store: Store,
        live: LiveScorer,
        *,
        clock: Clock,
        show: Callable[[float], None],
        seconds: float = EVERY_SECONDS,
    ) -> None:
        self._store, self._live, self._clock, self._show = store, live, clock, show
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="leadloop-maturity", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a look under way is not waited for longer than two seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
            self._thread = None

    def look(self) -> bool:
        """Ask once; whether a share was shown."""
        served = self._live.current()
        horizon = None if served is None else served.scorer.horizon_days
        if horizon is None:
            return False
        try:
            old, n = self._store.lead_counts(created_by=self._clock() - horizon * DAY)
        except STORE_FAULTS as fault:
            logger.warning("the share of mature leads is not known: %s", reason_of(fault))
            return False
        if n:
            self._show(old / n)
        return n > 0

    def _work(self) -> None:
        pause = min(_FIRST_SECONDS, self._seconds)
        while not self._stop.wait(pause):
            pause = self._seconds if self.look() else min(2 * pause, self._seconds)
