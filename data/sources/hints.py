"""What a column holds, shown so that a mapping can be mended.

Dates and short labels are shown as found. Of anything else only the shape is told, because a column named by mistake may hold names or
addresses.
"""

from __future__ import annotations

import re
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.sources.cells import as_texts
from data.sources.mapping import Cell

_SAMPLE = 1_000
_SHOWN = 5
_MOST_LABELS = 100
_LABEL = re.compile(r"[^\W_][\w .:/+-]{0,39}")
_MONTH = r"[A-Za-z]{3,9}\.?"
_CLOCK = r"([T ,]+\d{1,2}[:.]\d{2}([:.]\d{2}(\.\d+)?)?( ?[AaPp][Mm])?( ?(Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)?"
_DATE = re.compile(
    rf"(\d{{1,4}}[-./]\d{{1,2}}[-./]\d{{1,4}}|\d{{1,2}}[-. ]+{_MONTH}[-, ]+\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}){_CLOCK}"
)
_DAYS = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y.%m.%d", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
_TIMES = (" %H:%M", "", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", "T%H:%M:%S")
_USUAL = "%d.%m.%Y %H:%M"


def holds(texts: pa.Array) -> str:
    """What a column of labels holds: up to five values, the most frequent first. Shapes only where it does not look like labels."""
    counted = pc.value_counts(texts.drop_null())
    pairs = sorted(
        ((row["values"].as_py(), row["counts"].as_py()) for row in counted), key=lambda p: (-p[1], p[0])
    )
    if not pairs:
        return "the column is empty"
    if len(pairs) > _MOST_LABELS:
        return f"the column holds {len(pairs):,} different texts"
    shown = ", ".join(repr(value) if _LABEL.fullmatch(value) else shape(value) for value, _ in pairs[:_SHOWN])
    return f"the column holds {shown}" + (f" and {len(pairs) - _SHOWN:,} more" if len(pairs) > _SHOWN else "")


def unread_times(column: pa.Array, unread: np.ndarray, *, name: str, cell: Cell, is_hopeless: bool) -> str:
    """One cell that could not be read as a time, and the line of the mapping that mends it.

    Parameters
    ----------
    unread : mask, shape (n,), with at least one True.
    is_hopeless : whether no cell of the column could be read.
    """
    rows = np.flatnonzero(unread)
    found = as_texts(column.take(pa.array(rows[:_SAMPLE]))).to_pylist()
    dates = [text for text in found if _DATE.fullmatch(text)]
    shown = repr(dates[0]) if dates else f"of the shape {shape(found[0])}"
    said = f"{name}: {len(rows):,} cells are no times, like one {shown}"
    if not dates and not is_hopeless:
        return said
    line = f'{name} = {{column = "{cell.column}", format = "{guessed(dates)}"}}'
    return f"{said}; say in the mapping file how they are written, like {line}"


def guessed(dates: list[str]) -> str:
    """A format that reads all of the texts; the usual one where none does."""
    for time in _TIMES:
        for day in _DAYS:
            if dates and all(_reads(text, day + time) for text in dates):
                return day + time
    return _USUAL


def shape(text: str) -> str:
    """Letters as a, digits as 9, at most 30 characters.

    >>> shape("Ada Lovelace, 1815")
    "'aaa aaaaaaaa, 9999'"
    """
    return repr(re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text))[:30])


def _reads(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether it fits
    except ValueError:
        return False
    return True
