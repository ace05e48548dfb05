"""Removal effects: what share of goals would be lost if nobody could pass through a channel.

Paths are walks from a start over channels to the goal or to none, and the next step depends only on where one is (a chain of order 1).
Removing a channel sends everyone who would enter it to no goal. In closed form: walks that reach the goal and pass through a channel are
those that ever reach it, times the chance of the goal from there. So one inverse serves all channels, and nothing is simulated.

References
----------
Anderl, Becker, von Wangenheim and Schumann (2016), Mapping the customer journey. Kemeny and Snell (1960), Finite Markov chains, for the
fundamental matrix.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from features.paths import Paths, per_path


def transitions_of(paths: Paths) -> sparse.csr_array:
    """How often each path takes each step, shape (n, (k + 1) * (k + 2)): from the k channels and the start, to the k channels, the goal and
    no goal, flattened row by row. Empty paths take none."""
    k = len(paths.channels)
    held = np.flatnonzero(paths.size)
    last = paths.stop[held] - 1
    first = last - paths.size[held] + 1
    before = np.append(k, paths.channel)[:-1]  # each touchpoint's predecessor
    before[first] = k
    steps = before * (k + 2) + paths.channel
    ends = paths.channel[last] * (k + 2) + np.where(paths.is_goal[held], k, k + 1)
    row, step = np.concatenate([paths.row, held]), np.concatenate([steps, ends])
    return per_path(row, step, np.ones(len(row)), shape=(len(paths), (k + 1) * (k + 2)))


def removal_effects(transitions: np.ndarray) -> np.ndarray:
    """Share of the goals that is lost without each channel, shape (..., k), between 0 and 1.

    Parameters
    ----------
    transitions : counts of steps, shape (..., k + 1, k + 2), as ``transitions_of`` orders them. Every channel that is entered must be
        left towards the goal or none at last. Where no walk reaches the goal, and for channels nobody enters, the effect is 0.
    """
    k = transitions.shape[-2] - 1
    left = transitions.sum(axis=-1, keepdims=True)
    chance = np.divide(transitions, left, out=np.zeros(transitions.shape), where=left > 0)
    visits = np.linalg.inv(np.eye(k) - chance[..., :k, :k])  # expected visits to each channel from each other
    to_goal = (visits @ chance[..., :k, k, None])[..., 0]
    from_start = (chance[..., k, None, :k] @ visits)[..., 0, :]
    ever = from_start / np.diagonal(visits, axis1=-2, axis2=-1)
    total = (chance[..., k, :k] * to_goal).sum(axis=-1, keepdims=True)
    return np.divide(ever * to_goal, total, out=np.zeros(to_goal.shape), where=total > 0)
