"""How a column enters the scorecard: the columns of its design, their ridge, and the way back to a term people can read.

A number enters standardised, with a flag where it is missing; the piecewise form adds hinges at inner quantiles and keeps the end values
beyond the outer ones. A category enters as one column per learned level, one for other levels, one for missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.scorer.scorecard import CategoryTerm, NumberTerm, Term

FORMS = ("linear", "piecewise")
# Hinges say how far a number departs from a straight line; that needs better evidence than the line itself.
HINGE_RIDGE = 4.0
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
    is_straight: bool = False
    n_levels: int = 0
    used: tuple[int, ...] = ()

    def term(self, beta: np.ndarray) -> Term:
        """The term of these weights, before centring."""
        if not self.is_number:
            table = np.zeros(self.n_levels + 2)
            table[list(self.used)] = beta
            return CategoryTerm(tuple(table[:-2].tolist()), float(table[-2]), float(table[-1]))
        missing = float(beta[-1]) if self.has_missing else 0.0
        if not self.knots:
            return NumberTerm((0.0,), (0.0,), missing)
        knots = np.array(self.knots)
        n_weights = len(beta) - self.has_missing
        values = (
            _number_design(knots, self.mean, self.spread, self.knots, self.is_straight) @ beta[:n_weights]
        )
        slope = float(beta[0]) / self.spread if self.is_straight else 0.0
        return NumberTerm(self.knots, tuple(values.tolist()), missing, slope, slope)


def basis_of(x: np.ndarray, n_levels: int | None, weight: np.ndarray, *, form: str, n_knots: int) -> Basis:
    """Basis of one column: a category of ``n_levels`` levels, or a number when that is None."""
    return _category(x, n_levels) if n_levels is not None else _number(x, weight, form, n_knots)


def _category(codes: np.ndarray, n_levels: int) -> Basis:
    known = ~np.isnan(codes)
    place = np.where(known, np.clip(np.where(known, codes, 0.0), 0, n_levels), n_levels + 1).astype(np.int64)
    used = np.unique(place)
    design = (place[:, None] == used[None, :]).astype(np.float64)
    return Basis(design, np.ones(len(used)), is_number=False, n_levels=n_levels, used=tuple(used.tolist()))


def _number(x: np.ndarray, weight: np.ndarray, form: str, n_knots: int) -> Basis:
    known = ~np.isnan(x)
    flag = (~known).astype(np.float64)[:, None]
    has_missing = bool((~known).any())
    values = x[known]
    if not len(values) or values.min() == values.max():
        design = flag if has_missing else np.zeros((len(x), 0))
        return Basis(design, np.ones(design.shape[1]), is_number=True, has_missing=has_missing)
    w = weight[known]
    is_straight = form == "linear"
    shares = np.linspace(*_OUTER, n_knots)
    knots = np.unique(np.quantile(values, shares, method="inverted_cdf"))
    if len(knots) < 2 or is_straight:
        knots = np.array([values.min(), values.max()])
    bounded = np.clip(values, knots[0], knots[-1])
    mean = float((w * bounded).sum() / w.sum())
    spread = float(np.sqrt((w * (bounded - mean) ** 2).sum() / w.sum())) or 1.0
    outer = tuple(knots.tolist())
    design = np.zeros((len(x), len(knots) - 1))
    design[known] = _number_design(values, mean, spread, outer, is_straight)
    penalty = np.concatenate([[1.0], np.full(len(knots) - 2, HINGE_RIDGE)])
    if has_missing:
        design, penalty = np.column_stack([design, flag]), np.append(penalty, 1.0)
    return Basis(
        design, penalty, is_number=True, has_missing=has_missing, mean=mean, spread=spread, knots=outer,
        is_straight=is_straight,
    )  # fmt: skip


def _number_design(
    x: np.ndarray, mean: float, spread: float, knots: tuple[float, ...], is_straight: bool
) -> np.ndarray:
    """Line and hinges of known values, shape (n, len(knots) - 1)."""
    bounded = x if is_straight else np.clip(x, knots[0], knots[-1])
    line = (bounded - mean) / spread
    hinges = [np.maximum(bounded - knot, 0.0) / spread for knot in knots[1:-1]]
    return np.column_stack([line, *hinges])
