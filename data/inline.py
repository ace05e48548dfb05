"""Snapshots from plain records, as a request or a notebook holds them: lists of dicts to columns, without an object for each touchpoint.

The same as making ``Touchpoint`` and ``LeadHistory`` of each record and calling ``snapshots_of``, in about a third of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from operator import itemgetter
from typing import Any

import numpy as np

from data.domain import Touchpoint
from data.ledger import TEXT_COLUMNS, CodedColumn, Ledger, sorted_touchpoints
from data.snapshots import Snapshots, field_columns

Record = Mapping[str, Any]
_ID = itemgetter("touchpoint_id")


def inline_snapshots(leads: Sequence[Record], *, cutoff: int) -> Snapshots:
    """One snapshot at the cutoff for each lead, in that order.

    Parameters
    ----------
    leads : each with ``touchpoints`` (dicts with the fields of ``Touchpoint``, in any order, instants in microseconds) and what is known
        of ``lead_id``, ``created_at`` (the cutoff by default) and ``profile`` (fields as of the cutoff). Values are taken as checked
        already. Of touchpoints with one (source, touchpoint_id) the one received first stays.
    """
    own = [lead.get("touchpoints") or () for lead in leads]
    flat: list[Record] = list(chain.from_iterable(own))
    occurred = _column(flat, "occurred_at")
    order = _order(own, flat, occurred)
    if order is None:
        own = [_settled(t, lead.get("lead_id", "")) for t, lead in zip(own, leads, strict=True)]
        flat = list(chain.from_iterable(own))
        occurred = _column(flat, "occurred_at")
    elif len(own) == 1:  # sorting the records themselves costs less than sorting each of their columns
        flat = [flat[i] for i in order]
        occurred = [occurred[i] for i in order]
        order = None
    occurred_at = np.array(occurred, dtype=np.int64)
    received_at = _received(flat, occurred, occurred_at)
    value = np.array(_column(flat, "value"), dtype=np.float64)  # None becomes NaN
    texts = {name: CodedColumn.of(_column(flat, name)) for name in TEXT_COLUMNS}
    if order is not None:
        occurred_at, received_at, value = occurred_at[order], received_at[order], value[order]
        texts = {name: column.take(order) for name, column in texts.items()}
    stop = np.array([0, *accumulate(map(len, own))])
    return Snapshots(
        lead_ids=tuple(lead.get("lead_id", "") for lead in leads),
        cutoffs=np.full(len(leads), cutoff, dtype=np.int64),
        created_at=np.array([lead.get("created_at", cutoff) for lead in leads], dtype=np.int64),
        fields=field_columns([lead.get("profile") or {} for lead in leads]),
        ledger=Ledger(
            occurred_at=occurred_at,
            received_at=received_at,
            value=value,
            **texts,
        ),
        start=stop[:-1],
        stop=stop[1:],
    )


def _column(flat: Sequence[Record], name: str) -> list[Any]:
    try:
        return [t[name] for t in flat]
    except KeyError:  # asking each costs more than finding out that one lacks it
        return [t.get(name) for t in flat]


def _received(flat: Sequence[Record], occurred: list[int], occurred_at: np.ndarray) -> np.ndarray:
    received = [t.get("received_at") for t in flat]
    n_unknown = received.count(None)
    if n_unknown == len(received):
        return occurred_at
    if n_unknown:
        received = [o if r is None else r for o, r in zip(occurred, received, strict=True)]
    return np.array(received, dtype=np.int64)


def _order(own: Sequence[Sequence[Record]], flat: Sequence[Record], occurred: list[int]) -> Any:
    """Each lead's touchpoints in order of time; None when instants are tied or ids occur twice, so that more has to be looked at."""
    if len(set(map(_ID, flat))) < len(flat):
        return None
    if len(own) == 1:
        return sorted(range(len(flat)), key=occurred.__getitem__) if len(set(occurred)) == len(flat) else None
    at = np.array(occurred, dtype=np.int64)
    lead = np.repeat(np.arange(len(own)), list(map(len, own)))
    order = np.lexsort((at, lead))
    at = at[order]
    return None if ((at[1:] == at[:-1]) & (lead[1:] == lead[:-1])).any() else order


def _settled(touchpoints: Sequence[Record], lead_id: str) -> Sequence[Record]:
    """By (time, source, id), each (source, id) once."""
    made = sorted_touchpoints(Touchpoint(**{"lead_id": lead_id, **t}) for t in touchpoints)
    return [{name: getattr(t, name) for name in Touchpoint.__slots__} for t in made]
