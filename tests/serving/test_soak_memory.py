"""The soak's figure of memory: its interval holds what it promises, and a worker that grows is found out."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.soak_memory import by_minute, slope_per_hour, trend_per_hour

N = 40  # half-minutes in twenty minutes


def rows_of(resident: np.ndarray) -> list[tuple[int, float, float]]:
    """Six looks in each half-minute."""
    return [(7, 210 + 30 * i + 5 * k, float(mb)) for i, mb in enumerate(resident) for k in range(6)]


def noises(rng: np.random.Generator, rho: float) -> Iterator[np.ndarray]:
    while True:
        e = rng.normal(size=N + 60)
        for i in range(1, len(e)):
            e[i] += rho * e[i - 1]
        yield e[60:]


def missed(how, rho: float, *, growth: float = 0.0, times: int = 300) -> float:
    """Share of series with this growth (MB an hour) whose interval leaves 0 out."""
    series = noises(np.random.default_rng(3), rho)
    found = [how(rows_of(300 + growth * np.arange(N) / 120 + next(series))) for _ in range(times)]
    return float(np.mean([abs(slope) > half for slope, half in found]))


@pytest.mark.parametrize(("rho", "most"), [(0.0, 0.08), (0.5, 0.12), (0.8, 0.17)])
def test_a_worker_that_does_not_grow_is_seldom_said_to(rho: float, most: float):
    assert missed(trend_per_hour, rho) <= most


def test_half_minutes_taken_for_independent_accuse_half_of_those_that_do_not_grow():
    assert missed(lambda rows: slope_per_hour(rows, warm=0), 0.8) > 0.4


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_a_worker_that_grows_is_found_out(rho: float):
    """A megabyte of noise, twenty minutes, and 60 MB an hour."""
    assert missed(trend_per_hour, rho, growth=60.0) > 0.95


@pytest.mark.parametrize("how", [trend_per_hour, lambda rows: slope_per_hour(rows, warm=0)])
def test_a_line_is_found_exactly(how):
    slope, half = how(rows_of(300 + 12.0 * np.arange(N) / 120))
    assert slope == pytest.approx(12.0)
    assert half == pytest.approx(0.0, abs=1e-6)


def test_too_few_looks_tell_nothing():
    assert all(math.isnan(v) for v in trend_per_hour(rows_of(np.full(5, 300.0))))
    assert all(math.isnan(v) for v in trend_per_hour([]))


def test_minutes_are_means_of_their_looks():
    assert by_minute(rows_of(np.array([300.0, 302.0, 304.0]))) == [301.0, 304.0]
