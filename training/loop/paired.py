"""Two models on the same leads: differences in pairs, with intervals over leads.

Rows of one lead are one piece of evidence: they are added up before anything is resampled. All functions take log-odds, so that the rules
of judging can be tested on invented ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_DRAWS = 1_000
_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference in means and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def row_losses(margin: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Natural log loss of each row from its log-odds, shape (n,)."""
    return np.logaddexp(0.0, margin) - y * margin


def in_top(margin: np.ndarray, weight: np.ndarray, *, share: float) -> np.ndarray:
    """1.0 for rows in the top share by log-odds, a fair part for those tied at its edge, shape (n,)."""
    order = np.argsort(-margin, kind="stable")
    upto = np.cumsum(weight[order])
    edge = margin[order][min(np.searchsorted(upto, share * upto[-1]), len(order) - 1)]
    above = float(np.sum(weight[margin > edge]))
    tied = float(np.sum(weight[margin == edge]))
    part = (share * float(upto[-1]) - above) / tied
    return np.where(margin > edge, 1.0, np.where(margin == edge, part, 0.0))


def differences(
    values: list[tuple[np.ndarray, np.ndarray]], lead: np.ndarray, *, seed: int
) -> list[Difference]:
    """Weighted means of several columns, with 95 % intervals from resampling leads; all columns see the same resamples.

    Parameters
    ----------
    values : pairs (value, weight) of shape (n,) each; an empty column of weights gives 0.
    lead : whole numbers from 0, shape (n,).
    """
    n_leads = int(lead.max()) + 1
    sums = np.column_stack(
        [np.bincount(lead, weights=part, minlength=n_leads) for v, w in values for part in (v * w, w)]
    )
    rng = np.random.default_rng([seed, 11])
    found = []
    size = max(1, _CELLS // n_leads)
    for start in range(0, _DRAWS, size):
        n = min(size, _DRAWS - start)
        drawn = rng.integers(0, n_leads, size=(n, n_leads)) + n_leads * np.arange(n)[:, None]
        times = np.bincount(drawn.ravel(), minlength=n * n_leads).reshape(n, n_leads)
        found.append(times.astype(np.float64) @ sums)
    draws = np.concatenate(found)
    whole = sums.sum(axis=0)
    result = []
    for k in range(len(values)):
        ratio = _ratio(draws[:, 2 * k], draws[:, 2 * k + 1])
        low, high = np.percentile(ratio, [2.5, 97.5])
        result.append(
            Difference(
                float(_ratio(whole[2 * k], whole[2 * k + 1])), round(float(low), 12), round(float(high), 12)
            )
        )
    return result


def mean_and_error(value: np.ndarray, weight: np.ndarray, lead: np.ndarray) -> tuple[float, float]:
    """Weighted mean and its standard error over leads. (0, 0) without weight."""
    total = float(weight.sum())
    if total <= 0:
        return 0.0, 0.0
    mean = float((weight * value).sum() / total)
    by_lead = np.bincount(lead, weights=weight * (value - mean))
    return mean, float(np.sqrt((by_lead**2).sum()) / total)


def normal_quantile(level: float) -> float:
    """The value a standard normal exceeds with chance ``1 - level``.

    >>> round(normal_quantile(0.975), 2)
    1.96
    """
    return NormalDist().inv_cdf(level)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(np.asarray(above, dtype=np.float64)), where=below > 0)
