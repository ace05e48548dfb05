"""Profile features: what the fields known at the cutoff say, as numbers or levels.

Every function works on the distinct values of a field and spreads the answer over the rows, so a hundred thousand leads cost little more
than their distinct titles, and a row never depends on its neighbours. Blank texts and non-finite numbers are not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.domain import DAY, PROFILE_FIELDS
from data.mail_domains import DOMAIN_KINDS, kind_of_domain, kind_of_email
from data.snapshots import Snapshots
from features.breadth import OtherLeads
from features.companies import SIZE_BANDS, band_of_employees, band_of_text
from features.spec import Feature
from features.titles import FUNCTIONS, SENIORITIES, function_of, seniority_of, stated_seniority

# Coarser than size bands: seniority by each of those would be too rare to learn from.
FIRMS = ("small firm", "mid-sized firm", "large firm")
FIRM_OF_BAND = (0, 0, 1, 1, 1, 2, 2)  # up to 50, up to 1,000, above
SENIORITY_BY_SIZE = tuple(f"{seniority} in a {firm}" for seniority in SENIORITIES for firm in FIRMS)


@dataclass(frozen=True, slots=True)
class Coded:
    """A category column: codes into ``levels``, shape (n,); -1 is unknown."""

    codes: np.ndarray
    levels: tuple[str, ...]


class Profiles:
    """The profile columns of some snapshots; each field's distinct values are found once and shared by the features that read it."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._fields: dict[str, tuple[np.ndarray, list[object]] | None] = {}
        self._others: OtherLeads | None = None

    def column(self, feature: Feature) -> np.ndarray | Coded:
        """The values of a profile feature: float64 with NaN for unknown, or ``Coded``; shape (n,)."""
        match feature.agg:
            case "field_text":
                return self._text(str(feature.column))
            case "field_number":
                return self._number(str(feature.column))
            case "seniority":
                return self._seniority()
            case "job_function":
                return self._either(FUNCTIONS, *SOURCES["job_function"])
            case "domain_kind":
                return self._domain_kind()
            case "size_band":
                return self._size_band()
            case "seniority_by_size":
                return self._seniority_by_size()
            case "completeness":
                return self._completeness()
            case "account_leads":
                self._others = self._others or OtherLeads(self._snapshots)
                return self._others.count(feature.window_days)
            case "days_since_created":
                age = self._snapshots.cutoffs - self._snapshots.created_at
                return np.maximum(age, 0) / DAY
        raise AssertionError(f"{feature.agg} is no derivation")  # Feature checks it

    def _distinct(self, field: str) -> tuple[np.ndarray, list[object]] | None:
        """Codes of the rows and the distinct values; -1 where unknown. None when no row knows the field."""
        if field not in self._fields:
            column = self._snapshots.fields.get(field)
            self._fields[field] = None if column is None else _distinct(column)
        return self._fields[field]

    def _text(self, field: str) -> Coded:
        found = self._distinct(field)
        if found is None:
            return self._unknown(())
        codes, values = found
        index: dict[str, int] = {}
        table = [index.setdefault(text, len(index)) for text in map(folded_text, values)]
        return Coded(_spread(table, codes), tuple(index))

    def _number(self, field: str) -> np.ndarray:
        found = self._distinct(field)
        if found is None:
            return np.full(len(self._snapshots), np.nan)
        codes, values = found
        return np.array([*map(number_of, values), math.nan])[codes]

    def _either(self, levels: tuple[str, ...], *sources: tuple[str, Callable[[object], str | None]]) -> Coded:
        """The level from the first source that gives one."""
        out: np.ndarray | None = None
        for field, derive in sources:
            found = self._distinct(field)
            if found is None:
                continue
            codes, values = found
            place = [-1 if (level := derive(value)) is None else levels.index(level) for value in values]
            mine = _spread(place, codes)
            out = mine if out is None else np.where(out >= 0, out, mine)
        return self._unknown(levels) if out is None else Coded(out, levels)

    def _seniority(self) -> Coded:
        return self._either(SENIORITIES, *SOURCES["seniority"])

    def _size_band(self) -> Coded:
        return self._either(SIZE_BANDS, *SOURCES["size_band"])

    def _seniority_by_size(self) -> Coded:
        """Who decides in a firm of five is not who decides in one of five thousand. Unknown where either is."""
        seniority, band = self._seniority().codes, self._size_band().codes
        firm = np.array([*FIRM_OF_BAND, 0])[band]
        known = (seniority >= 0) & (band >= 0)
        return Coded(np.where(known, seniority * len(FIRMS) + firm, -1), SENIORITY_BY_SIZE)

    def _domain_kind(self) -> Coded:
        kind = self._either(DOMAIN_KINDS, *SOURCES["domain_kind"])
        missing = DOMAIN_KINDS.index("missing")
        return Coded(np.where(kind.codes < 0, missing, kind.codes), DOMAIN_KINDS)

    def _completeness(self) -> np.ndarray:
        known = np.zeros(len(self._snapshots), dtype=np.int64)
        for field in PROFILE_FIELDS:
            if field in self._snapshots.fields and (found := self._distinct(field)):
                known += found[0] >= 0
        return known / len(PROFILE_FIELDS)

    def _unknown(self, levels: tuple[str, ...]) -> Coded:
        return Coded(np.full(len(self._snapshots), -1, dtype=np.int64), levels)


def is_numeric(column: np.ndarray) -> bool:
    """Whether a field holds numbers only: at least one known value, and none of them text or true/false."""
    if column.dtype.kind in "iuf":
        return True
    found = _distinct(column)
    return found is not None and all(isinstance(v, int | float | np.number) for v in found[1])


def _distinct(column: np.ndarray) -> tuple[np.ndarray, list[object]] | None:
    values: Sequence[object] = column.tolist()
    index: dict[object, int] = {None: -1}
    kinds = set(map(type, values))
    if not kinds <= _PLAIN:
        values = [plain_value(v) for v in values]
    codes = np.array([index.setdefault(v, len(index) - 1) for v in values], dtype=np.int64)
    distinct = list(index)[1:]
    unknown = [i for i, v in enumerate(distinct) if not is_known(v)]
    if unknown:
        codes[np.isin(codes, unknown)] = -1
        if len(unknown) == len(distinct):
            return None
        # Codes stay as they are; a null's table entry is never looked up, so any known value may stand in for it.
        stand_in = next(v for v in distinct if is_known(v))
        for i in unknown:
            distinct[i] = stand_in
    return (codes, distinct) if distinct else None


_PLAIN = frozenset({str, float, int, type(None)})


def plain_value(value: object) -> object:
    """A text, number or None; True and 1.0 would be one dictionary key, so booleans become text, as ``check_profile`` has it."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, np.number):
        return value.item()
    try:
        return None if value != value else str(value)
    except TypeError:  # pandas.NA refuses to say whether it equals itself
        return None


def is_known(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _spread(table: list[int], codes: np.ndarray) -> np.ndarray:
    return np.array([*table, -1], dtype=np.int64)[codes]


def folded_text(value: object) -> str:
    if isinstance(value, str):
        return value.strip().casefold()
    number = float(value)  # type: ignore[arg-type]
    return str(int(number)) if number == int(number) else repr(number)


def number_of(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return math.nan
    return number + 0.0 if math.isfinite(number) else math.nan


def _of_text(derive: Callable[[str], str | None]) -> Callable[[object], str | None]:
    return lambda value: derive(value if isinstance(value, str) else folded_text(value))


def _employees_band(value: object) -> str | None:
    return band_of_employees(number_of(value))


def _size_band(value: object) -> str | None:
    return band_of_text(value) if isinstance(value, str) else band_of_employees(number_of(value))


# Where a derived level comes from: the first field that gives one.
SOURCES: dict[str, tuple[tuple[str, Callable[[object], str | None]], ...]] = {
    "seniority": (("seniority", _of_text(stated_seniority)), ("title", _of_text(seniority_of))),
    "job_function": (("job_function", _of_text(function_of)), ("title", _of_text(function_of))),
    "domain_kind": (("email", _of_text(kind_of_email)), ("company_domain", _of_text(kind_of_domain))),
    "size_band": (("employees", _employees_band), ("company_size", _size_band)),
}
