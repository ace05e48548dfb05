"""How a column enters the scorecard: the columns of its design, their ridge, and the way back to a term people can read.

A number enters as a line that bends at quantiles, with a flag where it is missing. Beyond the outer quantiles the line goes on as far
again as they lie apart, and then keeps its value: when the times change, leads come from ranges just beyond those seen, but one absurd
number must not ruin a score. A category enters as one column per learned level, one for other levels, one for missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.scorer.scorecard import CategoryTerm, NumberTerm, Term

# A bend needs better evidence than the line itself.
BEND_RIDGE = 2.0
_OUTER = (0.01, 0.99)


@dataclass(frozen=True, slots=True)
class Basis:
    """``design`` (n, k) and its relative ridge (k,) of one column, and what ``term`` needs to turn k weights into a term."""

    design: np.ndarray
    penalty: np.ndarray
    is_number: bool
    has_missing: bool = False
    mean: float = 0.0
    spread: float = 1.0
    knots: tuple[float, ...] = ()
    n_levels: int = 0
    used: tuple[int, ...] = ()

    def term(self, beta: np.ndarray) -> Term:
        """The term of these weights, before centring. A level that did not occur gets 0, as does missing."""
        if not self.is_number:
            table = np.zeros(self.n_levels + 2)
            table[list(self.used)] = beta
            return CategoryTerm(tuple(table[:-2].tolist()), float(table[-2]), float(table[-1]))
        missing = float(beta[-1]) if self.has_missing else 0.0
        if not self.knots:
            return NumberTerm((0.0,), (0.0,), missing)
        places = _reach(self.knots)
        lines = _lines(np.array(places), self.mean, self.spread, self.knots)
        values = [float((row * beta[: len(row)]).sum()) for row in lines]
        return NumberTerm(places, tuple(values), missing)


def basis_of(x: np.ndarray, n_levels: int | None, weight: np.ndarray, *, n_knots: int) -> Basis:
    """Basis of one column: a category of ``n_levels`` levels, or a number when that is None."""
    return _category(x, n_levels) if n_levels is not None else _number(x, weight, n_knots)


def _category(codes: np.ndarray, n_levels: int) -> Basis:
    known = ~np.isnan(codes)
    place = np.where(known, np.clip(np.where(known, codes, 0.0), 0, n_levels), n_levels + 1).astype(np.int64)
    used = np.unique(place)
    design = (place[:, None] == used[None, :]).astype(np.float64)
    return Basis(design, np.ones(len(used)), is_number=False, n_levels=n_levels, used=tuple(used.tolist()))


def _number(x: np.ndarray, weight: np.ndarray, n_knots: int) -> Basis:
    known = ~np.isnan(x)
    flag = (~known).astype(np.float64)[:, None]
    has_missing = bool((~known).any())
    values, w = x[known], weight[known]
    if not len(values) or values.min() == values.max() or w.sum() <= 0:
        design = flag if has_missing else np.zeros((len(x), 0))
        return Basis(design, np.ones(design.shape[1]), is_number=True, has_missing=has_missing)
    knots = np.unique(np.quantile(values, np.linspace(*_OUTER, n_knots), method="inverted_cdf"))
    if len(knots) < 2:
        # Nearly all rows share one value: the few others are told apart by the ends alone.
        knots = np.array([values.min(), values.max()])
    bounded = np.clip(values, knots[0], knots[-1])
    mean = float((w * bounded).sum() / w.sum())
    spread = float(np.sqrt((w * (bounded - mean) ** 2).sum() / w.sum())) or 1.0
    design = np.zeros((len(x), len(knots) - 1))
    design[known] = _lines(values, mean, spread, tuple(knots.tolist()))
    penalty = np.concatenate([[1.0], np.full(len(knots) - 2, BEND_RIDGE)])
    if has_missing:
        design, penalty = np.column_stack([design, flag]), np.append(penalty, 1.0)
    return Basis(
        design, penalty, is_number=True, has_missing=has_missing, mean=mean, spread=spread, knots=tuple(knots.tolist())
    )  # fmt: skip


def _reach(knots: tuple[float, ...]) -> tuple[float, ...]:
    """The knots with the two ends up to which the line goes on."""
    width = knots[-1] - knots[0]
    return (knots[0] - width, *knots, knots[-1] + width)


def _lines(x: np.ndarray, mean: float, spread: float, knots: tuple[float, ...]) -> np.ndarray:
    """The line and its bends at known values, shape (n, len(knots) - 1)."""
    ends = _reach(knots)
    bounded = np.clip(x, ends[0], ends[-1])
    bends = [np.maximum(bounded - knot, 0.0) / spread for knot in knots[1:-1]]
    return np.column_stack([(bounded - mean) / spread, *bends])
