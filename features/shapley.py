"""Shapley values of channels.

The game: each lead keeps only those of its channels that are in the coalition, and reaches its goal at the rate of the leads that were
seen with exactly these. With n_T leads whose path holds the channels T, g_T of them with the goal and r_T = g_T / n_T (0 where no lead
was seen, and for no channel at all)

    v(S) = sum over T of n_T * r_(T & S)

is the number of goals the channels of S would have brought; v of all channels is the number of goals there were. Leads without the goal
count: they make the rates. What a channel adds may be negative.

References
----------
Shapley (1953), A value for n-person games. Shao and Li (2011) and Dalessandro, Perlich, Stitelman and Provost (2012) for rates by the set
of channels; Castro, Gomez and Tejada (2009) for sampled orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy import sparse

EXACT_UP_TO = 12
_ORDERS_AT_ONCE = 10


def shapley(value: np.ndarray) -> np.ndarray:
    """Shapley values of games over k channels, shape (..., k).

    Parameters
    ----------
    value : float array, shape (..., 2**k). Entry S is the worth of the coalition whose members are the set bits of S; that of nobody,
        entry 0, is taken off all others.

    >>> shapley(np.array([0.0, 10.0, 20.0, 40.0])).tolist()  # alone 10 and 20, together 40
    [15.0, 25.0]
    """
    k = value.shape[-1].bit_length() - 1
    size = np.bitwise_count(np.arange(2**k)).astype(np.int64)
    weight = np.array([1 / (k * comb(k - 1, s)) for s in range(k)] + [0.0])[size]
    found = np.empty((*value.shape[:-1], k))
    for i in range(k):
        halves, without = _halves(value, i), _halves(weight, i)[:, 0, :]
        found[..., i] = ((halves[..., 1, :] - halves[..., 0, :]) * without).sum(axis=(-2, -1))
    return found


def coalition_values(leads: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """v(S) of every coalition from the leads seen with exactly each set of channels, and the goals of these.

    Parameters
    ----------
    leads, goals : float arrays, shape (..., 2**k), numbered like the coalitions.

    Returns
    -------
    float array, shape (..., 2**k).
    """
    k = leads.shape[-1].bit_length() - 1
    # v is a sum of games that are each worth d_U where the coalition holds all of U, and d_U counts for the leads that hold all of U.
    dividends = _rate(goals, leads)
    dividends[..., 0] = 0.0
    holding = leads.astype(np.float64)
    for i in range(k):
        halves = _halves(dividends, i)
        halves[..., 1, :] -= halves[..., 0, :]
        halves = _halves(holding, i)
        halves[..., 0, :] += halves[..., 1, :]
    value = dividends * holding
    for i in range(k):
        halves = _halves(value, i)
        halves[..., 1, :] += halves[..., 0, :]
    return value


@dataclass(frozen=True, slots=True)
class ChannelSets:
    """The u distinct sets of channels that paths hold.

    Attributes
    ----------
    of_path : int array, shape (n,): the set of each path, -1 for an empty one.
    members : 0 or 1, shape (u, k).
    keys : uint64 array, shape (k,); the key of a set is the sum of its channels' keys. Powers of two up to 64 channels; above, fixed
        random numbers, of which two sets share a key about once in 2**64 pairs.
    set_keys : uint64 array, shape (u,), rising.
    """

    of_path: np.ndarray
    members: sparse.csr_array
    keys: np.ndarray
    set_keys: np.ndarray

    @classmethod
    def of(cls, touched: sparse.csr_array) -> ChannelSets:
        """The sets of paths; ``touched`` is 0 or 1, shape (n, k)."""
        k = touched.shape[1]
        if k <= 64:
            keys = np.left_shift(np.uint64(1), np.arange(k, dtype=np.uint64))
        else:
            keys = np.random.default_rng(0).integers(0, 2**64, size=k, dtype=np.uint64)
        held = np.flatnonzero(np.diff(touched.indptr))
        of_path = np.full(touched.shape[0], -1, dtype=np.int64)
        path_keys = np.add.reduceat(keys[touched.indices], touched.indptr[held]) if len(held) else keys[:0]
        set_keys, first, of_path[held] = np.unique(path_keys, return_index=True, return_inverse=True)
        return cls(of_path, touched[held[first]], keys, set_keys)

    def __len__(self) -> int:
        return len(self.set_keys)

    def exact_values(self, leads: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """Shapley values, shape (b, k), of b counts of leads and goals by set, shape (b, u). For at most ``EXACT_UP_TO`` channels."""
        k = len(self.keys)
        table = np.zeros((2, len(leads), 2**k))
        table[:, :, self.set_keys.astype(np.int64)] = leads, goals
        return shapley(coalition_values(*table))

    def sample(self, *, n_orders: int, rng: np.random.Generator) -> SampledGame:
        """Orders in which channels join, drawn for each set on its own; every second one is the reverse of the one before.

        A set counts with the mean over its orders of what each channel added when it joined.
        """
        u, k = self.members.shape
        codes: np.ndarray = np.zeros(0, dtype=np.int64)
        weights: np.ndarray = np.zeros(0)
        steps: list[tuple[np.ndarray, np.ndarray]] = []
        for drawn, step in enumerate(self._steps(n_orders=n_orders, rng=rng), 1):
            steps.append(step)
            if drawn % _ORDERS_AT_ONCE == 0 or drawn == n_orders:
                codes, place = np.unique(np.concatenate([codes, *(s[0] for s in steps)]), return_inverse=True)
                weights = np.bincount(place, np.concatenate([weights, *(s[1] for s in steps)]), len(codes))
                steps = []
        pair, channel = np.divmod(codes, k)
        path_set, kept_set = np.divmod(pair, u)
        return SampledGame(path_set, kept_set, channel, weights / n_orders, n_channels=k)

    def _steps(self, *, n_orders: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each order: which (set, set kept so far, channel) count, as one code each, and their signs."""
        u, k = self.members.shape
        size = np.diff(self.members.indptr)
        own = np.repeat(np.arange(u), size)
        start = np.repeat(self.members.indptr[:-1], size)
        lot = np.zeros(0)
        for drawn in range(n_orders):
            lot = rng.random(len(own)) if drawn % 2 == 0 else 1.0 - lot
            joining = self.members.indices[np.lexsort((lot, own))].astype(np.int64)
            key = self.keys[joining]
            running = np.cumsum(key)  # wraps around, and so do the differences
            before_set = (running - key)[start]
            codes, signs = [], []
            for kept_key, sign in ((running - before_set, 1.0), (running - key - before_set, -1.0)):
                kept = np.minimum(np.searchsorted(self.set_keys, kept_key), u - 1)
                seen = self.set_keys[kept] == kept_key
                codes.append(((own * u + kept) * k + joining)[seen])
                signs.append(np.full(len(codes[-1]), sign))
            yield np.concatenate(codes), np.concatenate(signs)


@dataclass(frozen=True, slots=True)
class SampledGame:
    """Sampled orders, collapsed: z terms ``leads[path_set] * rate[kept_set] * weight``, each for one channel."""

    path_set: np.ndarray
    kept_set: np.ndarray
    channel: np.ndarray
    weight: np.ndarray
    n_channels: int

    def values(self, leads: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """As ``ChannelSets.exact_values``, from the sampled orders; for any number of channels."""
        found = np.empty((len(leads), self.n_channels))
        for b, (count, rate) in enumerate(zip(leads, _rate(goals, leads), strict=True)):
            worth = count[self.path_set] * rate[self.kept_set] * self.weight
            found[b] = np.bincount(self.channel, worth, self.n_channels)
        return found


def _rate(goals: np.ndarray, leads: np.ndarray) -> np.ndarray:
    return np.divide(goals, leads, out=np.zeros(leads.shape), where=leads > 0)


def _halves(x: np.ndarray, i: int) -> np.ndarray:
    """A view, shape (..., 2**(k-i-1), 2, 2**i): the last but one axis says whether a coalition holds channel i."""
    return x.reshape(*x.shape[:-1], -1, 2, 2**i)
