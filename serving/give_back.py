"""Memory that was freed goes back to the system, and what waits to be freed is freed.

A crowd of requests, a large bulk or a replaced model leaves the C library with memory it keeps for later, so a worker would stay as
large as it ever was. Once in a while, and twice when a model was replaced, it is asked to give back what it does not use.

Python looks at old objects only when a quarter has been added to them, which takes an hour beside all that a worker holds; until then
cycles stay, and lists of free tuples, which it empties at the same time, fill. So it is told to look, too, after what came with the
first requests has been put out of its way: then a look takes milliseconds.
"""

from __future__ import annotations

import ctypes
import gc
import threading

from serving.garbage import settle_garbage

EVERY_SECONDS = 30.0
# The last requests to a replaced model have been answered by then.
PAUSE_SECONDS = 1.0
# The look at the registry that brought the new one has ended by then, and what it needed is free as well.
AGAIN_SECONDS = 5.0

# glibc's M_ARENA_MAX. Each thread would begin a heap of its own, which stays when the thread has ended.
_ARENAS, _MOST_ARENAS = -8, 2


class GiveBack:
    """A thread that collects garbage and asks the C library to give unused memory back (only glibc can).

    Parameters
    ----------
    seconds : between two times.
    pause : seconds from ``soon`` to the time it asks for.
    again : seconds from there to one more time.
    """

    def __init__(
        self,
        *,
        seconds: float = EVERY_SECONDS,
        pause: float = PAUSE_SECONDS,
        again: float = AGAIN_SECONDS,
    ) -> None:
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
        if self._trim is not None:
            library.mallopt(_ARENAS, _MOST_ARENAS)
        self._seconds, self._pause, self._again = seconds, pause, again
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="leadloop-give-back", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None

    def soon(self) -> None:
        """Something large was let go, such as a replaced model: do not wait for the next time. Returns at once."""
        self._wake.set()

    def now(self) -> bool:
        """Collect and ask once; whether anything was given back."""
        gc.collect()
        # The call lets other threads run Python meanwhile.
        return self._trim is not None and bool(self._trim(0))

    def _work(self) -> None:
        is_settled, patience = False, self._seconds
        while not self._stop.is_set():
            if self._wake.wait(patience):
                self._stop.wait(self._pause)
                self._wake.clear()
                patience = min(self._again, self._seconds)
            else:
                if not is_settled and patience == self._seconds:
                    settle_garbage()
                    is_settled = True
                patience = self._seconds
            if not self._stop.is_set():
                self.now()
