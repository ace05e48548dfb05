"""Boosted trees as LightGBM text.

The raw score comes from LightGBM, always on one thread: it is faster for one lead, and nothing then depends on the machine. Where its
exact division among the features (TreeSHAP) is asked for too, both come from tables if the trees are small (``tree_tables``), the score
with the same bits, and otherwise both from LightGBM. LightGBM matches columns by position only, so names are compared once, when it is
made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from data.errors import DamagedScorerError
from training.scorer.tree_calls import CONTRIBUTIONS, RAW, OneRow, of_rows
from training.scorer.tree_tables import TreeTables

_SETTINGS = re.compile(r"\nparameters:\s*\n.*?\nend of parameters\n", re.DOTALL)
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_]")


def portable_text(text: str) -> str:
    """A LightGBM model text without its settings block, which names the thread count and nothing that scoring needs."""
    return _SETTINGS.sub("\n", text)


class Trees:
    """An ensemble over the columns ``names``.

    ``fill`` holds, per column, what stands in for a missing number that never was missing in training (NaN: LightGBM's own way). LightGBM
    would silently read such a gap as 0.
    """

    def __init__(self, text: str, *, names: Sequence[str], fill: np.ndarray) -> None:
        # Loading LightGBM costs a second or more and is no business of a scorecard.
        import lightgbm

        self.text = portable_text(text)
        self.names = tuple(names)
        self.fill = np.asarray(fill, dtype=np.float64)
        if len(self.fill) != len(self.names):
            raise DamagedScorerError(f"trees have {len(self.names)} columns and {len(self.fill)} fill values")
        try:
            self._booster = lightgbm.Booster(model_str=self.text)
        except lightgbm.basic.LightGBMError as error:
            raise DamagedScorerError(f"LightGBM cannot read the trees: {error}") from error
        if self._booster.feature_name() != column_names(self.names):
            raise DamagedScorerError("the trees were trained on other columns than the scorer names")
        self._one_margin, self._one_division = (
            OneRow(self._booster, kind, n_columns=len(self.names)) for kind in (RAW, CONTRIBUTIONS)
        )
        self._has_fill = bool(np.isfinite(self.fill).any())

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Raw score in log-odds, shape (n,)."""
        if not len(X):
            return np.zeros(0)
        if len(X) == 1:
            return self._one_margin.of(self._filled(X)[0])
        return of_rows(self._booster, RAW, self._filled(X))[:, 0]

    def divided(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``margin``, and the raw score divided among the columns, shape (n, p); the expectation over training rows is left out."""
        if not len(X):
            return np.zeros(0), np.zeros((0, len(self.names)))
        if self._tables is not None:
            return self._tables.divided(self._filled(X))
        if len(X) == 1:
            return self.margin(X), self._one_division.of(self._filled(X)[0])[None, :-1]
        return self.margin(X), of_rows(self._booster, CONTRIBUTIONS, self._filled(X))[:, :-1]

    @cached_property
    def _tables(self) -> TreeTables | None:
        # Made when they are first needed: most trees of a training only ever score.
        return TreeTables.of_text(self.text, n_columns=len(self.names))

    def _filled(self, X: np.ndarray) -> np.ndarray:
        X = np.ascontiguousarray(X, dtype=np.float64)
        return np.where(np.isnan(X), self.fill, X) if self._has_fill else X


def column_names(names: Sequence[str]) -> list[str]:
    """Names under which the trees know the columns: place and name, without the characters that LightGBM refuses or rewrites.

    >>> column_names(["Lead Source", "n_touches_7d"])
    ['0_Lead_Source', '1_n_touches_7d']
    """
    return [f"{place}_{_NOT_PLAIN.sub('_', name)}" for place, name in enumerate(names)]
