"""A flat table, one row per lead, no touchpoints: any CSV a data scientist has.

Columns become profile fields and go the same way as everything else: snapshots, features, matrix. Columns that cannot help, or would only
encode the row, are left out and named in the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from data.definition import label_definition
from data.errors import ContractError, NotEnoughDataError, did_you_mean
from features.catalog import table_features
from features.matrix import build_matrix
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.run import TrainingResult, train
from training.scorer.flat import flat_snapshots, number_column, text_column

_YES = {"1": 1.0, "1.0": 1.0, "true": 1.0, "yes": 1.0, "y": 1.0, "t": 1.0}
_NO = {"0": 0.0, "0.0": 0.0, "false": 0.0, "no": 0.0, "n": 0.0, "f": 0.0}


def fit_table(
    frame: pd.DataFrame,
    *,
    target: str,
    order_by: str | None = None,
    groups: str | None = None,
    ignore: Sequence[str] = (),
    config: TrainConfig | None = None,
    seed: int = 0,
) -> TrainingResult:
    """Learn a scorer from a flat table.

    Parameters
    ----------
    frame : one row per lead. Numbers are used as numbers, everything else as text; gaps may be None, NaN, NaT, pd.NA or blank.
    target : column of 0/1, true/false or yes/no, without gaps.
    order_by : column that puts the rows in order of time, used for nothing else; ties keep the order of rows. None: the order of rows.
    groups : column of what must not be split between training and test, such as the account; used for nothing else.
    ignore : further columns to leave out.

    Raises
    ------
    ContractError
        For a column that is not there, a target of other values, or gaps in ``target`` or ``order_by``.
    NotEnoughDataError
        With no column left to learn from. Few rows are no error; see ``train``.
    """
    dataset = table_dataset(frame, target=target, order_by=order_by, groups=groups, ignore=ignore)
    return train(dataset, config, seed=seed)


def table_dataset(
    frame: pd.DataFrame,
    *,
    target: str,
    order_by: str | None = None,
    groups: str | None = None,
    ignore: Sequence[str] = (),
) -> Dataset:
    """The dataset of a flat table, rows in order of time; parameters and errors as in ``fit_table``."""
    names = frame.columns.map(str)
    if not names.is_unique:
        twice = sorted(set(names[names.duplicated()]))
        raise ContractError(f"the frame has two columns named {', '.join(map(repr, twice))}; rename one")
    named = [target, *([order_by] if order_by else []), *([groups] if groups else []), *ignore]
    for name in named:
        if name not in frame.columns:
            raise ContractError(
                f"the frame lacks column {name!r}{did_you_mean(str(name), map(str, frame.columns))}"
            )
    frame = _ordered(frame, order_by)
    y = target_values(frame[target])
    fields, notes = _usable(frame.drop(columns=list(dict.fromkeys(named))))
    if not fields:
        raise NotEnoughDataError(
            f"no column is left to learn from: {'; '.join(notes) or 'the frame has no others'}"
        )
    snapshots = flat_snapshots(fields, len(frame))
    features = table_features(fields)
    return Dataset(
        matrix=build_matrix(snapshots, features),
        snapshots=snapshots,
        y=y,
        weight=np.ones(len(frame)),
        cutoffs=snapshots.cutoffs,
        order=np.arange(len(frame), dtype=np.int64),
        lead_ids=np.array(snapshots.lead_ids, dtype=object),
        goal=str(target),
        definition=label_definition(goal=str(target), horizon_days=None),
        features=features,
        groups=None if groups is None else _group_keys(frame[groups]),
        notes=tuple(notes),
    )


def target_values(column: pd.Series) -> np.ndarray:
    """0.0 or 1.0 for each cell of 0/1, true/false or yes/no, shape (n,). Raises ContractError for gaps and other values."""
    found = []
    for value in column.tolist():
        key = str(value).strip().lower()
        if key in _YES:
            found.append(1.0)
        elif key in _NO:
            found.append(0.0)
        else:
            what = "a gap" if pd.isna(value) else f"{str(value)[:40]!r}"
            raise ContractError(
                f"target {column.name!r} must be 0/1, true/false or yes/no, found {what}; convert it or drop those rows"
            )
    return np.array(found, dtype=np.float64)


def _ordered(frame: pd.DataFrame, order_by: str | None) -> pd.DataFrame:
    if order_by is None:
        return frame.reset_index(drop=True)
    if frame[order_by].isna().any():
        raise ContractError(
            f"order_by {order_by!r} has {int(frame[order_by].isna().sum())} gaps; fill them or drop those rows"
        )
    try:
        return frame.sort_values(order_by, kind="stable").reset_index(drop=True)
    except TypeError:
        raise ContractError(
            f"order_by {order_by!r} mixes kinds of values that have no order; convert it"
        ) from None


def _group_keys(column: pd.Series) -> np.ndarray:
    """Texts of the groups; a row without one is a group of its own."""
    keys = [f"row {i}" if pd.isna(value) else f"group {value}" for i, value in enumerate(column.tolist())]
    return np.array(keys, dtype=object)


def _usable(frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns worth learning from, and a note for each one left out."""
    fields: dict[str, np.ndarray] = {}
    notes: list[str] = []
    for name in frame.columns:
        values, problem = _field(frame[name])
        if problem:
            notes.append(f"column {str(name)!r} is left out: {problem}")
        elif values is not None:
            fields[str(name)] = values
    return fields, notes


def _field(column: pd.Series) -> tuple[np.ndarray | None, str | None]:
    kind = column.dtype
    if pd.api.types.is_datetime64_any_dtype(kind) or pd.api.types.is_timedelta64_dtype(kind):
        return (
            None,
            "it holds times; turn it into a number that is known at scoring, such as days since another time",
        )
    is_number = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
    if is_number and pd.api.types.is_complex_dtype(kind):
        return None, "it holds complex numbers"
    values = number_column(column) if is_number else text_column(column)
    known: list[Any] = [v for v in values.tolist() if v is not None]
    n_distinct = len(set(known))
    if n_distinct == 0:
        return None, "it is empty"
    if n_distinct == 1 and len(known) == len(values):
        return None, "it has one value"
    if not is_number and n_distinct == len(known) and len(known) > 20:
        return None, "all its texts differ, as in an id"
    return values, None
