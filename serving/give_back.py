"""Memory that was freed goes back to the system.

A crowd of requests, a large bulk or a replaced model leaves the C library with memory it keeps for later, so a worker would stay as
large as it ever was. Once in a while it is asked to give back what it does not use.
"""

from __future__ import annotations

import ctypes
import threading

EVERY_SECONDS = 30.0


class GiveBack:
    """A thread that asks the C library every ``seconds`` to give unused memory back; nothing where it cannot (only glibc can)."""

    def __init__(self, *, seconds: float = EVERY_SECONDS) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._trim is not None:
            self._thread = threading.Thread(target=self._work, name="leadloop-give-back", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None

    def now(self) -> bool:
        """Ask once; whether anything was given back."""
        # The call lets other threads run Python meanwhile.
        return self._trim is not None and bool(self._trim(0))

    def _work(self) -> None:
        while not self._stop.wait(self._seconds):
            self.now()
