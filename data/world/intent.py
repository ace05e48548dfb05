"""Intent: how much a lead wants to buy on each day, as a chain of three states.

Cold, warm and hot follow each other day by day. Hot cools down within weeks, and a cold lead may warm up again: that is where bursts of
touchpoints come from. Because the chain forgets its past, the state at a cutoff is all the world knows of intent then.
"""

from __future__ import annotations

import numpy as np

COLD, WARM, HOT = 0, 1, 2
N_STATES = 3
STEP = np.array([[0.986, 0.012, 0.002], [0.03, 0.956, 0.014], [0.008, 0.037, 0.955]])
_STEP_CUM = np.cumsum(STEP, axis=1)


def draw_first_state(rng: np.random.Generator, *, hot: np.ndarray, warm: np.ndarray) -> np.ndarray:
    """State at creation, int8, shape (n,); ``hot`` and ``warm`` are log-odds against cold."""
    weight = np.stack([np.ones_like(hot), np.exp(warm), np.exp(hot)], axis=1)
    cum = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
    return (rng.random(len(hot))[:, None] > cum[:, :-1]).sum(axis=1).astype(np.int8)


def draw_states(rng: np.random.Generator, first: np.ndarray, *, n_days: int) -> np.ndarray:
    """State on each day since creation, int8, shape (n_days, n). Row 0 is ``first``."""
    states = np.empty((n_days, len(first)), dtype=np.int8)
    states[0] = first
    for day in range(1, n_days):
        u = rng.random(len(first))
        cum = _STEP_CUM[states[day - 1]]
        states[day] = (u > cum[:, 0]).astype(np.int8) + (u > cum[:, 1])
    return states
