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
from features.matrix import Matrix, recode

_PERCENTS = (0, 5, 25, 50, 75, 95, 100)


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature, now against then.

    Attributes
    ----------
    psi : at least 0; NaN when either side has no rows.
    expected_psi : what two samples of these sizes show on average when nothing changed.
    missing_then, missing_now : share of rows without a value.
    other_then, other_now : share of rows with a level that has no code of its own: pooled because it was rare, or never seen. NaN for
        numbers.
    """

    name: str
    psi: float
    expected_psi: float
    missing_then: float
    missing_now: float
    other_then: float
    other_now: float

    @property
    def has_changed(self) -> bool:
        """Whether the change is large (0.25 or more) beyond what chance explains."""
        return self.psi - self.expected_psi >= 0.25


def summarise(matrix: Matrix, *, n_bins: int = 10) -> dict[str, Any]:
    """What a matrix looks like, feature by feature, as plain values for JSON.

    Each feature has its ``counts`` by bin, the last one of rows without a value, and ``missing``, their share (null without rows).
    Numbers are cut at ``edges``, quantiles of their known values (fewer when values repeat), and have ``quantiles``: the known value at or
    below which that share of them lies, by percent; empty when none is known. Categories are counted by their ``levels``, then "other";
    ``other`` is the share of that.
    """
    features: dict[str, Any] = {}
    for place, name in enumerate(matrix.names):
        column = matrix.X[:, place]
        if name in matrix.levels:
            record: dict[str, Any] = {"levels": list(matrix.levels[name])}
        else:
            known = column[~np.isnan(column)]
            cuts = np.quantile(known, np.arange(1, n_bins) / n_bins, method="lower") if len(known) else []
            record = {"edges": np.unique(cuts).tolist(), "quantiles": _quantiles(known)}
        counts = _counts(column, record)
        record["counts"] = counts.tolist()
        record["missing"] = float(counts[-1] / len(column)) if len(column) else None
        if "levels" in record:
            record["other"] = float(counts[-2] / len(column)) if len(column) else None
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
        now = _counts(matrix.X[:, place], record)
        found.append(_drift(name, then, now, is_category="levels" in record))
    return sorted(found, key=lambda d: (-d.psi if d.psi == d.psi else 0.0, d.name))


def drift_between(then: Matrix, now: Matrix, *, n_bins: int = 10) -> list[Drift]:
    """Drift of every feature from one matrix to another, as in ``compare``.

    The levels are those of ``then``; a level that only ``now`` has is "other". So ``now`` should know every level that occurs in it (built
    without ``levels``), or those of ``then``.
    """
    if sorted(then.names) != sorted(now.names):
        return compare(summarise(then, n_bins=n_bins), now)  # which says what differs
    return compare(summarise(then, n_bins=n_bins), recode(now, then.levels))


def _quantiles(known: np.ndarray) -> dict[str, float]:
    if not len(known):
        return {}
    found = np.quantile(known, np.array(_PERCENTS) / 100, method="lower")
    return {str(percent): float(value) for percent, value in zip(_PERCENTS, found, strict=True)}


def _counts(column: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
    known = column[~np.isnan(column)]
    if "levels" in record:
        bins, n_bins = known.astype(np.int64), len(record["levels"]) + 1
    else:
        # An edge belongs to the bin below it, so that a frequent zero is a bin of its own.
        bins, n_bins = np.searchsorted(record["edges"], known, side="left"), len(record["edges"]) + 1
    return np.append(np.bincount(bins, minlength=n_bins), len(column) - len(known)).astype(np.float64)


def _drift(name: str, then: np.ndarray, now: np.ndarray, *, is_category: bool) -> Drift:
    n_then, n_now = then.sum(), now.sum()
    if not n_then or not n_now:
        return Drift(name, *[np.nan] * 6)
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
        other_then=float(then[-2] / n_then) if is_category else np.nan,
        other_now=float(now[-2] / n_now) if is_category else np.nan,
    )
