"""Rules that look at one path at a time: how the credit of a goal is split among its touchpoints.

Each gives float weights, shape (m,), one for each touchpoint of the paths, that add up to 1 in every path that is not empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from features.paths import Paths


def first(paths: Paths) -> np.ndarray:
    """All to the first touchpoint."""
    return (_place(paths) == 0).astype(np.float64)


def last(paths: Paths) -> np.ndarray:
    """All to the last touchpoint."""
    return (_place(paths) == paths.size[paths.row] - 1).astype(np.float64)


def linear(paths: Paths) -> np.ndarray:
    """The same to each touchpoint."""
    return 1.0 / paths.size[paths.row]


def time_decay(paths: Paths, *, half_life_days: float) -> np.ndarray:
    """Half as much for every ``half_life_days`` that a touchpoint lies earlier."""
    # Counted from the path's last touchpoint, not from the goal: the shares are the same, and a long wait makes no 0 / 0.
    weight = np.exp2(-paths.before_last / half_life_days)
    return weight / np.bincount(paths.row, weight, len(paths))[paths.row]


def position(paths: Paths) -> np.ndarray:
    """40 % to the first, 40 % to the last, 20 % to all between them in equal parts; one of two gets half, a single one all."""
    size, place = paths.size[paths.row], _place(paths)
    is_end = (place == 0) | (place == size - 1)
    long = np.where(is_end, 0.4, 0.2 / np.maximum(size - 2, 1))
    return np.where(size > 2, long, 1.0 / size)


def _place(paths: Paths) -> np.ndarray:
    """The number of each touchpoint in its path, from 0."""
    return np.arange(len(paths.row)) - (paths.stop - paths.size)[paths.row]


# By name, with the half-life that one of them asks for.
TOUCH_RULES: Mapping[str, Callable[[Paths, float], np.ndarray]] = {
    "first": lambda paths, half_life_days: first(paths),
    "last": lambda paths, half_life_days: last(paths),
    "linear": lambda paths, half_life_days: linear(paths),
    "time_decay": lambda paths, half_life_days: time_decay(paths, half_life_days=half_life_days),
    "position": lambda paths, half_life_days: position(paths),
}
