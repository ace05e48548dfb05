"""How fast the resident memory of a service's workers grows."""

from __future__ import annotations

import threading
import time

import numpy as np
import psutil

from benchmarks.soak_faults import worker_processes
from tests.serving.running import Server

WARM_SECONDS = 120.0


class Memory(threading.Thread):
    """Looks at the workers' resident memory every five seconds.

    Attributes
    ----------
    rows : (process, seconds of its life, resident MB).
    """

    def __init__(self, server: Server, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._server, self._ending = server, stop
        self.rows: list[tuple[int, float, float]] = []

    def run(self) -> None:
        while not self._ending.wait(5.0):
            for worker in worker_processes(self._server):
                try:
                    age, resident = time.time() - worker.create_time(), worker.memory_info().rss / 2**20
                except psutil.Error:
                    continue
                self.rows.append((worker.pid, age, resident))


def by_minute(rows: list[tuple[int, float, float]]) -> list[float]:
    """Mean resident megabytes of each minute after the first look, in order."""
    start = min((age for _, age, _ in rows), default=0.0)
    minutes: dict[int, list[float]] = {}
    for _, age, resident in rows:
        minutes.setdefault(int((age - start) // 60), []).append(resident)
    return [float(np.mean(minutes[number])) for number in sorted(minutes)]


def slope_per_hour(
    rows: list[tuple[int, float, float]], *, warm: float = WARM_SECONDS
) -> tuple[float, float]:
    """Megabytes an hour, one slope for all workers, each with a level of its own; and half of its 95 % interval. NaN without data."""
    means: dict[tuple[int, int], list[float]] = {}
    for pid, age, resident in rows:
        if age >= warm:
            means.setdefault((pid, int(age // 30)), []).append(resident)
    pids = np.array([pid for pid, _ in means])
    x = np.array([half_minute / 120 for _, half_minute in means])
    y = np.array([float(np.mean(values)) for values in means.values()])
    for pid in np.unique(pids):
        own = pids == pid
        x[own] -= x[own].mean()
        y[own] -= y[own].mean()
    freedom = len(x) - len(np.unique(pids)) - 1
    if freedom < 3 or not (x**2).sum():
        return float("nan"), float("nan")
    slope = float((x * y).sum() / (x**2).sum())
    error = float(np.sqrt(((y - slope * x) ** 2).sum() / freedom / (x**2).sum()))
    return slope, 1.96 * error
