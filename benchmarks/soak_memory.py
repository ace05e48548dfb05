"""How fast the resident memory of a service's workers grows."""

from __future__ import annotations

import threading
import time

import numpy as np
import psutil
from scipy import stats

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
    """Megabytes an hour, one slope for all workers, each with a level of its own; and half of its 95 % interval. NaN without data.

    The interval takes half-minutes for independent. They are not, so it is too narrow: ``trend_per_hour`` has an honest one.
    """
    pids, x, y = _half_minutes(rows, warm=warm)
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


def trend_per_hour(rows: list[tuple[int, float, float]]) -> tuple[float, float]:
    """Megabytes an hour of one worker, and half of its 95 % interval, by half-minutes that remember the one before. NaN without data.

    Memory comes in steps and stays, so what a half-minute has over the line, the next one mostly has too; counted as independent, the
    intervals of a worker that does not grow miss 0 in half of all soaks and more. Here what is left over the line follows its predecessor
    (AR(1), the line by Prais and Winsten's least squares), with the dependence corrected for what a short series around a fitted line
    hides of it, (2 + 4 rho) / n to first order.
    """
    pids, x, y = _half_minutes(rows, warm=0)
    n = len(x)
    if n < 6 or len(np.unique(pids)) > 1:
        return float("nan"), float("nan")
    line = np.column_stack([np.ones(n), x - x.mean()])
    found, rho = np.linalg.lstsq(line, y, rcond=None)[0], 0.0
    for _ in range(20):
        left = y - line @ found
        seen = float((left[1:] * left[:-1]).sum() / max((left[:-1] ** 2).sum(), 1e-12))
        rho = float(np.clip(seen + (2 + 4 * seen) / n, 0.0, 0.98))
        first = np.sqrt(1 - rho**2)
        A = np.vstack([first * line[:1], line[1:] - rho * line[:-1]])
        b = np.append(first * y[0], y[1:] - rho * y[:-1])
        found = np.linalg.lstsq(A, b, rcond=None)[0]
    variance = ((b - A @ found) ** 2).sum() / (n - 2) * np.linalg.inv(A.T @ A)[1, 1]
    return float(found[1]), float(stats.t.ppf(0.975, n - 2) * np.sqrt(variance))


def _half_minutes(
    rows: list[tuple[int, float, float]], *, warm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Process, hours of its life and mean resident megabytes of each half-minute of each worker, in order."""
    means: dict[tuple[int, int], list[float]] = {}
    for pid, age, resident in rows:
        if age >= warm:
            means.setdefault((pid, int(age // 30)), []).append(resident)
    keys = sorted(means)
    pids = np.array([pid for pid, _ in keys])
    x = np.array([half_minute / 120 for _, half_minute in keys])
    return pids, x, np.array([float(np.mean(means[key])) for key in keys])
