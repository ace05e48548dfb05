"""Touchpoints in columns.

The ledger holds the touchpoints of many leads as flat arrays, sorted by lead, then time, then (source, touchpoint id), so that a lead's
history is one slice and ties have one order. Texts are dictionary-coded: filters compare integers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from typing import cast

import numpy as np

from data.domain import Touchpoint

TEXT_COLUMNS = ("type", "channel", "campaign", "content", "direction")


@dataclass(frozen=True, slots=True)
class CodedColumn:
    """Texts as int32 codes into ``levels``; -1 is null."""

    codes: np.ndarray
    levels: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> CodedColumn:
        """Code texts in order of first appearance."""
        index: defaultdict[str | None, int] = defaultdict(count().__next__)
        index[None] = -1
        codes = np.fromiter(map(index.__getitem__, texts), np.int32, len(texts))
        del index[None]
        return cls(codes, tuple(cast("dict[str, int]", index)))

    def take(self, order: np.ndarray) -> CodedColumn:
        """The entries at these positions."""
        return CodedColumn(self.codes[order], self.levels)

    def code_of(self, text: str) -> int:
        """The code of ``text``, or -2 when no touchpoint has it."""
        try:
            return self.levels.index(text)
        except ValueError:
            return -2


@dataclass(frozen=True, slots=True)
class Ledger:
    """Touchpoints of many leads, shape (m,) each: int64 instants, coded texts, float64 ``value`` with NaN for none."""

    occurred_at: np.ndarray
    received_at: np.ndarray
    type: CodedColumn
    channel: CodedColumn
    campaign: CodedColumn
    content: CodedColumn
    direction: CodedColumn
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.occurred_at)

    def text(self, column: str) -> CodedColumn:
        """The coded column of that name, one of ``TEXT_COLUMNS``."""
        return getattr(self, column)

    @classmethod
    def of(cls, touchpoints: Sequence[Touchpoint]) -> Ledger:
        """Columns of touchpoints in the order given; callers sort and deduplicate first (``sorted_touchpoints``)."""
        columns = dict(zip(Touchpoint._fields, zip(*touchpoints, strict=True), strict=False))
        occurred, received = columns.get("occurred_at", ()), columns.get("received_at", ())
        if None in received:
            received = tuple(o if r is None else r for o, r in zip(occurred, received, strict=True))
        texts = {c: CodedColumn.of(columns.get(c, ())) for c in TEXT_COLUMNS}
        return cls(
            occurred_at=np.array(occurred, dtype=np.int64),
            received_at=np.array(received, dtype=np.int64),
            value=np.array(columns.get("value", ()), dtype=np.float64),  # None becomes NaN
            **texts,
        )


# By place, because a touchpoint is a tuple: a third of the time of asking by name.
_KEY = itemgetter(*map(Touchpoint._fields.index, ("source", "touchpoint_id")))
_ORDER = itemgetter(*map(Touchpoint._fields.index, ("occurred_at", "source", "touchpoint_id")))


def sorted_touchpoints(touchpoints: Iterable[Touchpoint]) -> list[Touchpoint]:
    """One lead's touchpoints by (time, source, id), each (source, id) once: the one received first stays.

    Two received at once that differ are told apart by content, so that order of arrival is no matter.
    """
    own = list(touchpoints)
    if len(set(map(_KEY, own))) == len(own):
        return sorted(own, key=_ORDER)
    first: dict[tuple[str, str], Touchpoint] = {}
    for t in own:
        key = (t.source, t.touchpoint_id)
        held = first.get(key)
        if held is None or (t != held and _arrival(t) < _arrival(held)):
            first[key] = t
    return sorted(first.values(), key=_ORDER)


def _arrival(t: Touchpoint) -> tuple[int, str]:
    return (t.occurred_at if t.received_at is None else t.received_at), repr(t)
