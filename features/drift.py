"""How far today's leads are from those a model was trained on.

A summary of the training matrix is small, holds no lead, and travels with the model as JSON. Each feature gets the population stability
index (PSI): the sum over bins of (share now - share then) * ln(share now / share then). 0 is the same distribution; the usual reading is
below 0.1 calm, above 0.25 changed. Few rows make it large by chance, so the value expected without any change is given beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import ContractError
from features.matrix import Matrix


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature, now against then.

    Attributes
    ----------
    psi : at least 0; NaN when either side has no rows.
    expected_psi : what two samples of these sizes show on average when nothing changed.
    missing_then, missing_now : share of rows without a value.
    """

    name: str
    psi: float
    expected_psi: float
    missing_then: float
    missing_now: float

    @property
    def has_changed(self) -> bool:
        """Whether the change is large (0.25 or more) beyond what chance explains."""
        return self.psi - self.expected_psi >= 0.25


def summarise(matrix: Matrix, *, n_bins: int = 10) -> dict[str, Any]:
    """Bin edges and counts of every feature, as plain values for JSON.

    Numbers are cut at quantiles of their known values (fewer bins when values repeat); categories are counted by level, with "other".
    The last count is of rows without a value.
    """
    features: dict[str, Any] = {}
    for place, name in enumerate(matrix.names):
        column = matrix.X[:, place]
        if name in matrix.levels:
            record: dict[str, Any] = {"levels": list(matrix.levels[name])}
        else:
            known = column[~np.isnan(column)]
            cuts = np.quantile(known, np.arange(1, n_bins) / n_bins, method="lower") if len(known) else []
            record = {"edges": np.unique(cuts).tolist()}
        record["counts"] = _counts(column, record).tolist()
        features[name] = record
    return {"n": len(matrix), "features": features}


def compare(summary: Mapping[str, Any], matrix: Matrix) -> list[Drift]:
    """Drift of every feature against a summary, the largest PSI first, ties by name.

    Raises
    ------
    ContractError
        If the matrix has other features or levels than the summary.
    """
    then_features = summary["features"]
    if sorted(then_features) != sorted(matrix.names):
        differing = sorted(set(then_features) ^ set(matrix.names))
        raise ContractError(f"summary and matrix differ in the features {', '.join(differing)}")
    found = []
    for place, name in enumerate(matrix.names):
        record = then_features[name]
        if tuple(record.get("levels", ())) != matrix.levels.get(name, ()):
            raise ContractError(
                f"summary and matrix differ in the levels of {name!r}; recode the matrix first"
            )
        then = np.array(record["counts"], dtype=np.float64)
        found.append(_drift(name, then, _counts(matrix.X[:, place], record)))
    return sorted(found, key=lambda d: (-d.psi if d.psi == d.psi else 0.0, d.name))


def _counts(column: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
    known = column[~np.isnan(column)]
    if "levels" in record:
        bins, n_bins = known.astype(np.int64), len(record["levels"]) + 1
    else:
        # An edge belongs to the bin below it, so that a frequent zero is a bin of its own.
        bins, n_bins = np.searchsorted(record["edges"], known, side="left"), len(record["edges"]) + 1
    return np.append(np.bincount(bins, minlength=n_bins), len(column) - len(known)).astype(np.float64)


def _drift(name: str, then: np.ndarray, now: np.ndarray) -> Drift:
    n_then, n_now = then.sum(), now.sum()
    if not n_then or not n_now:
        return Drift(name, np.nan, np.nan, np.nan, np.nan)
    used = then + now > 0
    # Half a row in every bin keeps an empty one from being infinitely far away.
    p = (then[used] + 0.5) / (n_then + 0.5 * used.sum())
    q = (now[used] + 0.5) / (n_now + 0.5 * used.sum())
    return Drift(
        name=name,
        psi=float(((q - p) * np.log(q / p)).sum()),
        expected_psi=float((used.sum() - 1) * (1 / n_then + 1 / n_now)),
        missing_then=float(then[-1] / n_then),
        missing_now=float(now[-1] / n_now),
    )
