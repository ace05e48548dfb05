"""How a column enters the scorecard: the columns of its design, their ridge, and the way back to a term people can read.

A number enters as a line that bends at quantiles, with a flag where it is missing. Beyond the outer quantiles the line goes on as far
again as they lie apart, and then keeps its value: when the times change, leads come from ranges just beyond those seen, but one absurd
number must not ruin a score. Where the farthest step between quantiles is many times longer than all others together, as among
revenues, the line is straight over ranks and not over numbers: else it would describe a few giants, and the bends among all others
would be too small to learn. A category enters as one column per learned level, one for other levels, one for missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.scorer.scorecard import CategoryTerm, NumberTerm, Term

# A bend needs better evidence than the line itself.
BEND_RIDGE = 2.0
_OUTER = (0.01, 0.99)
# How much longer than all other steps between knots together the first or the last one must be. A lognormal with a spread of 1 has 2.7.
_GIANT_STEP = 4.0


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
    marks: tuple[float, ...] = ()
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
        lines = _lines(np.array(places), self.mean, self.spread, self.knots, self.marks)
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
    marks = _marks(knots)
    bounded = _placed(np.clip(values, knots[0], knots[-1]), knots, marks)
    mean = float((w * bounded).sum() / w.sum())
    spread = float(np.sqrt((w * (bounded - mean) ** 2).sum() / w.sum())) or 1.0
    design = np.zeros((len(x), len(knots) - 1))
    design[known] = _lines(values, mean, spread, tuple(knots.tolist()), tuple(marks.tolist()))
    penalty = np.concatenate([[1.0], np.full(len(knots) - 2, BEND_RIDGE)])
    if has_missing:
        design, penalty = np.column_stack([design, flag]), np.append(penalty, 1.0)
    return Basis(
        design, penalty, is_number=True, has_missing=has_missing, mean=mean, spread=spread,
        knots=tuple(knots.tolist()), marks=tuple(marks.tolist()),
    )  # fmt: skip


def _marks(knots: np.ndarray) -> np.ndarray:
    """Where the knots lie on the scale that the line is straight on: at their numbers, or a step apart where there are giants."""
    steps = np.diff(knots)
    ends = max(steps[0], steps[-1])
    if len(steps) > 2 and ends > _GIANT_STEP * (steps.sum() - ends):
        return np.arange(len(knots), dtype=np.float64)
    return knots


def _placed(x: np.ndarray, knots: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Numbers on the scale of the marks: straight between knots, and on from the outer ones at the slope of the last step."""
    if marks is knots or np.array_equal(marks, knots):
        return x
    step = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    return marks[step] + (x - knots[step]) / (knots[step + 1] - knots[step]) * (marks[step + 1] - marks[step])


def _reach(knots: tuple[float, ...]) -> tuple[float, ...]:
    """The knots with the two ends up to which the line goes on."""
    width = knots[-1] - knots[0]
    return (knots[0] - width, *knots, knots[-1] + width)


def _lines(
    x: np.ndarray, mean: float, spread: float, knots: tuple[float, ...], marks: tuple[float, ...]
) -> np.ndarray:
    """The line and its bends at known values, shape (n, len(knots) - 1)."""
    ends = _reach(knots)
    bounded = _placed(np.clip(x, ends[0], ends[-1]), np.array(knots), np.array(marks))
    bends = [np.maximum(bounded - mark, 0.0) / spread for mark in marks[1:-1]]
    return np.column_stack([(bounded - mean) / spread, *bends])
