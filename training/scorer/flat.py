"""Flat tables, one row per lead, as snapshots without touchpoints.

A column becomes a profile field: numbers stay numbers, everything else is text, true and false are "true" and "false". A gap (None, NaN,
NaT, pd.NA) or a blank text is "not known". The same cells give the same fields whatever the column's dtype says.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from data.errors import ContractError
from data.ledger import Ledger
from data.snapshots import Snapshots
from features.spec import FeatureSet


def text_column(column: pd.Series) -> np.ndarray:
    """Object array of trimmed texts and None, shape (n,)."""
    found = np.empty(len(column), dtype=object)
    found[:] = [_text(value) for value in column.tolist()]
    return found


def number_column(column: pd.Series) -> np.ndarray:
    """Object array of floats and None, shape (n,); infinities count as gaps. Raises ContractError for texts that are no numbers."""
    try:
        values = pd.to_numeric(column, errors="raise").to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        raise ContractError(
            f"column {column.name!r} held numbers in training and now holds {column.dtype}; convert it with pandas.to_numeric"
        ) from None
    found = np.empty(len(values), dtype=object)
    found[:] = [v if math.isfinite(v) else None for v in values.tolist()]
    return found


def snapshots_of_frame(frame: pd.DataFrame, features: FeatureSet) -> Snapshots:
    """Snapshots of a flat frame for a scorer that reads only profile fields, one per row, in order.

    Raises ContractError when the definitions need touchpoints, or naming every column that is missing.
    """
    timed = [f.name for f in features if f.agg not in ("field_number", "field_text")]
    if timed:
        raise ContractError(
            f"this scorer reads more than flat columns ({', '.join(timed[:3])}, ...); score snapshots with scorer.score"
        )
    wanted = [(str(f.column), f.agg == "field_number") for f in features]
    columns = {str(name): place for place, name in enumerate(frame.columns)}
    missing = [name for name, _ in wanted if name not in columns]
    if missing:
        raise ContractError(
            f"the frame lacks {len(missing)} of the scorer's columns: {', '.join(map(repr, missing))}; "
            "add them, with None where the value is not known"
        )
    fields = {}
    for name, is_number in wanted:
        column = frame.iloc[:, columns[name]]
        fields[name] = number_column(column) if is_number else text_column(column)
    return flat_snapshots(fields, len(frame))


def flat_snapshots(fields: dict[str, np.ndarray], n: int) -> Snapshots:
    """Snapshots without touchpoints, all at instant 0, lead ids "0" to n-1."""
    nothing = np.zeros(n, dtype=np.int64)
    return Snapshots(
        lead_ids=tuple(map(str, range(n))),
        cutoffs=nothing,
        created_at=nothing,
        fields=fields,
        ledger=Ledger.of([]),
        start=nothing,
        stop=nothing,
    )


def _text(value: Any) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return str(value).strip() or None
