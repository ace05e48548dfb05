"""One lead alone: its row of the matrix straight from its history, without arrays in between.

A service scores most leads one by one, and then nearly all time goes into making arrays of one element and reading them again. Here the
profile is a dict and the touchpoints are lists. The row is bit for bit that of ``build_matrix`` on the lead's snapshot, which a property
test holds to it, and which does the work for leads with many touchpoints and for features that need arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from data.accounts import MOST_LEADS, Spans, account_of, hashes
from data.domain import DAY, PROFILE_FIELDS, Touchpoint
from data.ledger import TEXT_COLUMNS, sorted_touchpoints
from data.snapshots import LeadHistory, Value, snapshots_of
from features.breadth import standing_beside
from features.companies import SIZE_BANDS
from features.executor import plan_for_few
from features.few import MOST
from features.matrix import Levels, Matrix, build_matrix, columns_of, places_of
from features.profile import (
    FIRM_OF_BAND,
    FIRMS,
    SENIORITY_BY_SIZE,
    SOURCES,
    folded_text,
    is_known,
    number_of,
    plain_value,
)
from features.spec import Feature, FeatureSet
from features.titles import SENIORITIES

# A touchpoint is a tuple, and its columns are asked for by place.
_TEXT = {column: itemgetter(Touchpoint._fields.index(column)) for column in TEXT_COLUMNS}

Beside = Callable[[list[str]], Spans]


class OneLead:
    """Makes rows of one lead for a set of definitions and the levels a model was trained with.

    Raises
    ------
    ConfigError
        If ``levels`` lacks one of the categories.
    """

    def __init__(self, features: FeatureSet, levels: Levels) -> None:
        self._features = features
        self._levels = dict(levels)
        # Of no lead: says early, and in the words of everybody, when a category has no levels.
        self._blank = build_matrix(snapshots_of([(LeadHistory("", 0), 0)]), features, levels=levels)
        self._few = plan_for_few(features)
        self._columns = [
            (place, feature, text, places_of(tuple(self._levels.get(name, ()))))
            for place, name, feature, text in columns_of(features)[1]
        ]

    def matrix(self, history: LeadHistory, cutoff: int, *, beside: Beside | None = None) -> Matrix:
        """The lead as of the cutoff, shape (1, p); ``beside`` tells which leads are of some accounts, as in ``snapshots_of``."""
        seen = sorted_touchpoints(history.touchpoints) if len(history.touchpoints) <= MOST else None
        if self._few is None or seen is None:
            return build_matrix(
                snapshots_of([(history, cutoff)], beside=beside), self._features, levels=self._levels
            )
        few, of_nothing = self._few
        row = of_nothing.copy()
        view = _Told(seen, cutoff)
        if view.age:
            few.write(view, row)
        profile = _Profile(history, cutoff, beside)
        for place, feature, column, codes in self._columns:
            value = view.text(column, row[place]) if column else profile.value(feature)
            if isinstance(value, str):
                row[place] = codes.get(value, len(codes))
            else:
                row[place] = math.nan if value is None else value
        return Matrix(self._blank.names, np.array([row], dtype=np.float64), self._blank.levels)


class _Told:
    """The touchpoints that count at the cutoff, as ``features.few.View``."""

    __slots__ = ("_seen", "age")

    def __init__(self, touchpoints: Sequence[Touchpoint], cutoff: int) -> None:
        self._seen = [
            t
            for t in touchpoints
            if t.occurred_at <= cutoff and (t.received_at is None or t.received_at <= cutoff)
        ]
        self.age = [cutoff - t.occurred_at for t in self._seen]

    def levels(self, column: str) -> list[str | None]:
        return list(map(_TEXT[column], self._seen))

    def code(self, column: str, position: int) -> float:
        return position  # ``text`` finds it there again

    def values(self) -> list[float]:
        # Adding 0.0 makes -0.0 and 0.0 one number.
        return [math.nan if t.value is None else float(t.value) + 0.0 for t in self._seen]

    def named(self, column: str, wanted: dict[str, str]) -> list[str | None]:
        return list(map(wanted.get, map(_TEXT[column], self._seen)))

    def text(self, column: str, code: float) -> str | None:
        """The text behind a code that was written into the row."""
        return None if math.isnan(code) else _TEXT[column](self._seen[int(code)])


class _Profile:
    """What the profile features say of one lead."""

    __slots__ = ("_beside", "_cutoff", "_fields", "_history", "_others", "_raw")

    def __init__(self, history: LeadHistory, cutoff: int, beside: Beside | None) -> None:
        self._history, self._cutoff, self._beside = history, cutoff, beside
        self._raw: Mapping[str, Value] = history.profile_at(cutoff)
        self._fields: dict[str, Any] = {
            name: value for name, raw in self._raw.items() if is_known(value := plain_value(raw))
        }
        self._others: tuple[Spans, np.uint64, np.uint64] | None = None

    def value(self, feature: Feature) -> str | float | None:
        """A number, the text of a level, or None for unknown."""
        match feature.agg:
            case "field_text":
                found = self._fields.get(str(feature.column))
                return None if found is None else folded_text(found)
            case "field_number":
                found = self._fields.get(str(feature.column))
                return None if found is None else number_of(found)
            case "domain_kind":
                return self._level("domain_kind") or "missing"
            case "seniority_by_size":
                return self._seniority_by_size()
            case "completeness":
                return sum(map(self._fields.__contains__, PROFILE_FIELDS)) / len(PROFILE_FIELDS)
            case "account_leads":
                return self._account_leads(feature.window_days)
            case "days_since_created":
                return float(max(self._cutoff - self._history.created_at, 0)) / DAY
        return self._level(feature.agg)

    def _level(self, derived: str) -> str | None:
        """The level from the first field that gives one."""
        for field, derive in SOURCES[derived]:
            value = self._fields.get(field)
            if value is not None and (level := derive(value)) is not None:
                return level
        return None

    def _seniority_by_size(self) -> str | None:
        seniority, band = self._level("seniority"), self._level("size_band")
        if seniority is None or band is None:
            return None
        firm = FIRM_OF_BAND[SIZE_BANDS.index(band)]
        return SENIORITY_BY_SIZE[SENIORITIES.index(seniority) * len(FIRMS) + firm]

    def _account_leads(self, window_days: float | None) -> float:
        if self._beside is None or (account := account_of(self._raw)) is None:
            return math.nan
        if self._others is None:
            own = hashes([self._history.standing_at(self._cutoff)])[0]
            self._others = self._beside([account]), hashes([account])[0], own
        spans, hashed, own = self._others
        window = None if window_days is None else round(window_days * DAY)
        n = standing_beside(spans, hashed, own=own, cutoff=self._cutoff, window=window)
        return float(min(int(n), MOST_LEADS))
