"""The scorecard: log-odds as a sum of one term per feature.

A number's term is linear between knots and keeps the end values beyond them; a category's term is one weight per level. Missing has a
weight of its own, and so has any level the model did not learn. Terms are centred on the training rows, so a contribution says how far the
lead is from the average lead. Only comparisons, additions and multiplications happen here: a row gives the same bits alone, in a batch,
on any CPU.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class NumberTerm:
    """Piecewise-linear term of a number.

    Attributes
    ----------
    knots : rising values, at least one.
    values : log-odds at the knots.
    missing : log-odds when the value is not known.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]
    missing: float

    def __post_init__(self) -> None:
        if len(self.knots) != len(self.values) or not self.knots:
            raise ValueError(f"a term needs one value per knot, got {len(self.values)} for {len(self.knots)}")
        if any(b <= a for a, b in zip(self.knots, self.knots[1:], strict=False)):
            raise ValueError("knots must rise")

    def shifted(self, by: float) -> NumberTerm:
        """The same term with ``by`` added everywhere."""
        return replace(self, values=tuple(v + by for v in self.values), missing=self.missing + by)


@dataclass(frozen=True, slots=True)
class CategoryTerm:
    """One weight per learned level (by code), one for every other level, one for missing."""

    weights: tuple[float, ...]
    other: float
    missing: float

    def shifted(self, by: float) -> CategoryTerm:
        """The same term with ``by`` added everywhere."""
        return CategoryTerm(tuple(w + by for w in self.weights), self.other + by, self.missing + by)


Term = NumberTerm | CategoryTerm
_TermLists = tuple[Sequence[float] | None, list[float], list[float], list[float], float]


class Scorecard:
    """Log-odds = base + one term per column; ``terms`` follow the columns of the matrix."""

    def __init__(self, base: float, terms: Sequence[Term]) -> None:
        self.base = float(base)
        self.terms = tuple(terms)
        self._numbers = np.array(
            [j for j, t in enumerate(self.terms) if isinstance(t, NumberTerm)], dtype=np.int64
        )
        self._categories = np.array(
            [j for j, t in enumerate(self.terms) if isinstance(t, CategoryTerm)], dtype=np.int64
        )
        self._pack_numbers([t for t in self.terms if isinstance(t, NumberTerm)])
        self._pack_categories([t for t in self.terms if isinstance(t, CategoryTerm)])
        self._lists = self._as_lists()

    def _pack_numbers(self, terms: list[NumberTerm]) -> None:
        # One rectangle for all terms, so that one lead costs a handful of numpy calls instead of a handful per feature. Row j of the
        # rectangle: segment s starts at knot s-1; the segment below the first knot is anchored at the first.
        width = max((len(t.knots) for t in terms), default=1)
        self._knots = np.full((len(terms), width), np.inf)
        self._anchor_x = np.zeros((len(terms), width + 1))
        self._anchor_y = np.zeros((len(terms), width + 1))
        self._slope = np.zeros((len(terms), width + 1))
        self._missing = np.array([t.missing for t in terms])
        for j, term in enumerate(terms):
            knots, values, k = np.array(term.knots), np.array(term.values), len(term.knots)
            self._knots[j, :k] = knots
            self._anchor_x[j, : k + 1] = knots[np.maximum(np.arange(k + 1) - 1, 0)]
            self._anchor_y[j, : k + 1] = values[np.maximum(np.arange(k + 1) - 1, 0)]
            self._slope[j, 1:k] = np.diff(values) / np.diff(knots)

    def _pack_categories(self, terms: list[CategoryTerm]) -> None:
        sizes = [len(t.weights) for t in terms]
        self._n_levels = np.array(sizes, dtype=np.int64)
        self._offset = np.concatenate(([0], np.cumsum([s + 2 for s in sizes])))[: len(terms)].astype(np.int64)
        self._table = np.array([w for t in terms for w in (*t.weights, t.other, t.missing)], dtype=np.float64)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Log-odds per row and feature, shape (n, p); the base is not in it. Codes beyond the learned levels are other, NaN is missing."""
        if X.shape[0] == 1:
            return np.array([self._of_one(X[0].tolist())], dtype=np.float64)
        C = np.empty((X.shape[0], len(self.terms)))
        for start in range(0, X.shape[0], _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            if len(self._numbers):
                C[rows, self._numbers] = self._of_numbers(X[rows, self._numbers])
            if len(self._categories):
                C[rows, self._categories] = self._of_categories(X[rows, self._categories])
        return C

    def _of_one(self, row: list[float]) -> list[float]:
        """The terms of one row, by the same comparisons, multiplications and additions: beside calling numpy they cost nothing."""
        found = []
        for value, (knots, anchor_x, anchor_y, slope, missing) in zip(row, self._lists, strict=True):
            if value != value:
                found.append(missing)
            elif knots is None:
                found.append(anchor_y[min(max(int(value), 0), len(anchor_y) - 1)])
            else:
                segment = bisect_right(knots, value)
                found.append(anchor_y[segment] + (value - anchor_x[segment]) * slope[segment])
        return found

    def _as_lists(self) -> list[_TermLists]:
        """Each term as plain lists: knots, anchors, slopes, missing; a category has its weights, then other, for anchors."""
        made: list[_TermLists] = []
        number = 0
        for term in self.terms:
            if isinstance(term, CategoryTerm):
                made.append((None, [], [*term.weights, term.other], [], term.missing))
                continue
            packed = (self._anchor_x, self._anchor_y, self._slope)
            made.append((term.knots, *(own[number].tolist() for own in packed), term.missing))
            number += 1
        return made

    def _of_numbers(self, x: np.ndarray) -> np.ndarray:
        known = ~np.isnan(x)
        safe = np.where(known, x, 0.0)
        segment = np.count_nonzero(safe[:, :, None] >= self._knots[None, :, :], axis=2)
        term = np.arange(x.shape[1])[None, :]
        beyond = (safe - self._anchor_x[term, segment]) * self._slope[term, segment]
        return np.where(known, self._anchor_y[term, segment] + beyond, self._missing)

    def _of_categories(self, codes: np.ndarray) -> np.ndarray:
        known = ~np.isnan(codes)
        place = np.where(known, codes, 0.0).astype(np.int64)
        place = np.where(known, np.clip(place, 0, self._n_levels), self._n_levels + 1)
        return self._table[self._offset + place]

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Log-odds, shape (n,)."""
        return self.sum_of(self.contributions(X))

    def sum_of(self, contributions: np.ndarray) -> np.ndarray:
        """Log-odds, shape (n,), of what ``contributions`` gave."""
        return self.base + row_sums(contributions)

    def to_record(self) -> dict[str, Any]:
        """Plain dict for JSON; inverse of ``from_record``."""
        return {"base": self.base, "terms": [_to_record(term) for term in self.terms]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Scorecard:
        return cls(float(record["base"]), [_from_record(r) for r in record["terms"]])


def row_sums(C: np.ndarray) -> np.ndarray:
    """Sum of each row from left to right. numpy's own sum groups by length and layout; a lead alone must equal a lead in a batch.

    >>> row_sums(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [3.0, 7.0]
    """
    if not C.shape[1]:
        return np.zeros(C.shape[0])
    if len(C) == 1:
        # One lead alone: numpy's calls take longer than their work.
        return np.array([reduce(add, C[0].tolist())])
    return np.cumsum(C, axis=1)[:, -1]


def _to_record(term: Term) -> dict[str, Any]:
    if isinstance(term, NumberTerm):
        return {
            "kind": "number",
            "knots": list(term.knots),
            "values": list(term.values),
            "missing": term.missing,
        }
    return {"kind": "category", "weights": list(term.weights), "other": term.other, "missing": term.missing}


def _from_record(record: Mapping[str, Any]) -> Term:
    if record["kind"] == "number":
        knots, values = tuple(map(float, record["knots"])), tuple(map(float, record["values"]))
        return NumberTerm(knots, values, float(record["missing"]))
    if record["kind"] == "category":
        return CategoryTerm(
            tuple(map(float, record["weights"])), float(record["other"]), float(record["missing"])
        )
    raise ValueError(f"unknown kind of term {record['kind']!r}")
