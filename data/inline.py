"""Snapshots from plain records, as a request or a notebook holds them: lists of dicts to columns, without an object for each touchpoint.

The same as making ``Touchpoint`` and ``LeadHistory`` of each record and calling ``snapshots_of``, in about a third of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.domain import Touchpoint
from data.ledger import TEXT_COLUMNS, CodedColumn, Ledger, sorted_touchpoints
from data.snapshots import Snapshots, field_columns

_SOURCE = "api"  # as in Touchpoint
Record = Mapping[str, Any]


def inline_snapshots(leads: Sequence[Record], *, cutoff: int) -> Snapshots:
    """One snapshot at the cutoff for each lead, in that order.

    Parameters
    ----------
    leads : each with ``touchpoints`` (dicts with the fields of ``Touchpoint``, in any order, instants in microseconds) and what is known
        of ``lead_id``, ``created_at`` (the cutoff by default) and ``profile`` (fields as of the cutoff). Values are taken as checked
        already. Of touchpoints with one (source, touchpoint_id) the one received first stays.
    """
    flat: list[Record] = []
    ends = [0]
    for lead in leads:
        flat += _in_order(lead.get("touchpoints") or (), lead.get("lead_id", ""))
        ends.append(len(flat))
    stop = np.array(ends, dtype=np.int64)
    occurred = [t["occurred_at"] for t in flat]
    received = [t.get("received_at") for t in flat]
    if None in received:
        received = [o if r is None else r for o, r in zip(occurred, received, strict=True)]
    # numpy reads None as NaN.
    value = np.array([t.get("value") for t in flat], dtype=np.float64)
    texts = {name: CodedColumn.of([t.get(name) for t in flat]) for name in TEXT_COLUMNS}
    return Snapshots(
        lead_ids=tuple(lead.get("lead_id", "") for lead in leads),
        cutoffs=np.full(len(leads), cutoff, dtype=np.int64),
        created_at=np.array([lead.get("created_at", cutoff) for lead in leads], dtype=np.int64),
        fields=field_columns([lead.get("profile") or {} for lead in leads]),
        ledger=Ledger(
            occurred_at=np.array(occurred, dtype=np.int64),
            received_at=np.array(received, dtype=np.int64),
            value=value,
            **texts,
        ),
        start=stop[:-1],
        stop=stop[1:],
    )


def _in_order(touchpoints: Sequence[Record], lead_id: str) -> Sequence[Record]:
    """By (time, source, id), each (source, id) once."""
    keyed = [((t["occurred_at"], t.get("source", _SOURCE), t["touchpoint_id"]), t) for t in touchpoints]
    if len({key[1:] for key, _ in keyed}) == len(keyed):
        keyed.sort(key=_first)
        return [t for _, t in keyed]
    made = sorted_touchpoints(Touchpoint(**{"lead_id": lead_id, **t}) for t in touchpoints)
    return [{name: getattr(t, name) for name in Touchpoint.__slots__} for t in made]


def _first(pair: tuple[Any, Record]) -> Any:
    return pair[0]
