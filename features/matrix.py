"""The matrix: snapshots as rows of float64, the same for one lead and for all of them.

Numbers are themselves, NaN when unknown. Categories are whole-number codes: the place of the level in ``levels[name]``, one past the end
for a level that is not listed ("other"), NaN when missing. Nothing is imputed, scaled or silently mapped to zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from data.errors import ConfigError
from data.snapshots import Snapshots
from features.executor import touchpoint_values
from features.profile import Coded, Profiles
from features.spec import FeatureSet

Levels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Feature values of n rows.

    Attributes
    ----------
    names : p feature names.
    X : float64 array, shape (n, p), C order.
    levels : the levels of each category, by feature name; code ``len(levels[name])`` is "other".
    """

    names: tuple[str, ...]
    X: np.ndarray
    levels: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows: np.ndarray) -> Matrix:
        """The rows at these positions (or where a mask is true), in that order."""
        return Matrix(self.names, np.ascontiguousarray(self.X[rows]), self.levels)

    def text(self, row: int, name: str) -> str | None:
        """The level of a category in one row: None when missing, "other" when it is none of the levels."""
        code = self.X[row, self.names.index(name)]
        if np.isnan(code):
            return None
        levels = self.levels[name]
        return levels[int(code)] if code < len(levels) else "other"


def build_matrix(snapshots: Snapshots, features: FeatureSet, *, levels: Levels | None = None) -> Matrix:
    """Values of all features for all rows.

    ``levels`` None learns every level that occurs, sorted; a scorer passes the levels it was trained with.

    Raises
    ------
    ConfigError
        If ``levels`` lacks one of the categories.
    """
    X = touchpoint_values(snapshots, features)
    profiles = Profiles(snapshots)
    used: dict[str, tuple[str, ...]] = {}
    names, columns = columns_of(features)
    for place, name, feature, text in columns:
        coded: Coded
        if text:
            coded = Coded(_own_codes(X[:, place]), snapshots.ledger.text(text).levels)
        else:
            found = profiles.column(feature)
            if isinstance(found, np.ndarray):
                X[:, place] = found
                continue
            coded = found
        if levels is None:
            wanted = _occurring(coded)
        elif name in levels:
            wanted = levels[name]
        else:
            raise ConfigError(
                f"levels lack the category {name!r}; they have {', '.join(sorted(levels)) or 'none'}"
            )
        used[name] = wanted
        X[:, place] = _codes(coded.levels, wanted)[coded.codes]
    return Matrix(names, X, used)


@lru_cache(maxsize=64)
def columns_of(features: FeatureSet) -> tuple:
    """All names, and the columns that touchpoint values do not end: (place, name, definition, its touchpoint column or "")."""
    return features.names, tuple(
        (place, f.name, f, str(f.column) if f.reads_touchpoints else "")
        for place, f in enumerate(features)
        if f.is_category or not f.reads_touchpoints
    )


def _own_codes(column: np.ndarray) -> np.ndarray:
    """Whole codes of a float column, -1 for NaN."""
    return np.where(np.isnan(column), -1.0, column).astype(np.int64)


def _occurring(coded: Coded) -> tuple[str, ...]:
    present = np.unique(coded.codes)
    return tuple(sorted(coded.levels[code] for code in present.tolist() if code >= 0))


def _codes(own: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """Code in ``wanted`` for each of our own levels; the last entry, which -1 picks, is NaN."""
    place = places_of(tuple(wanted))
    other = len(wanted)
    return np.array([*[place.get(level, other) for level in own], np.nan], dtype=np.float64)


@lru_cache(maxsize=1_024)
def places_of(levels: tuple[str, ...]) -> dict[str, int]:
    return {level: code for code, level in enumerate(levels)}


def recode(matrix: Matrix, levels: Levels) -> Matrix:
    """The matrix with other levels: the codes that ``build_matrix(..., levels=levels)`` gives.

    The matrix must know every level that occurs (built without ``levels``): what is "other" already stays "other".

    Raises
    ------
    ConfigError
        If ``levels`` lacks one of the categories.
    """
    X = matrix.X.copy()
    used: dict[str, tuple[str, ...]] = {}
    for name, own in matrix.levels.items():
        if name not in levels:
            raise ConfigError(
                f"levels lack the category {name!r}; they have {', '.join(sorted(levels)) or 'none'}"
            )
        used[name] = tuple(levels[name])
        table = np.insert(_codes(own, used[name]), len(own), len(used[name]))  # our "other" is their "other"
        column = X[:, matrix.names.index(name)]
        column[:] = table[_own_codes(column)]
    return Matrix(matrix.names, X, used)


def pooled_levels(
    matrix: Matrix, rows: np.ndarray, *, min_count: int, max_levels: int
) -> dict[str, tuple[str, ...]]:
    """Levels worth a code of their own: at least ``min_count`` among these rows, the ``max_levels`` most frequent, sorted by name.

    Equally frequent levels are taken in order of name. ``rows`` are positions or a boolean mask.
    """
    kept: dict[str, tuple[str, ...]] = {}
    for name, own in matrix.levels.items():
        codes = matrix.X[rows, matrix.names.index(name)]
        counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(own) + 1)
        frequent = [(-int(counts[i]), level) for i, level in enumerate(own) if counts[i] >= min_count]
        kept[name] = tuple(sorted(level for _, level in sorted(frequent)[:max_levels]))
    return kept
