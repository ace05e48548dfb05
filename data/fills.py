"""When the fields of closed leads were first filled, beside when the lead was closed.

A field that is mostly filled after the outcome is a consequence of it, whatever its values look like.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from data.columns import TrainingTables
from data.domain import FINAL_KINDS, GOALS
from data.outcomes import fold

_MOST_LEADS = 20_000


@dataclass(frozen=True, slots=True)
class Fills:
    """First statements of fields; k of them, about leads whose goal or end is known.

    Attributes
    ----------
    lead_ids, ended_at : the leads, and int64 instants of their goal or end, whichever came first; shape (m,).
    fields : names, sorted.
    lead, field : positions in ``lead_ids`` and ``fields``, shape (k,).
    first_at : int64 instants, shape (k,), at which the field was first stated about the lead.
    as_exported : bool, shape (k,): that statement is from the day of an export, so that its instant says nothing.
    exported : fields that any lead knows from the day of an export, as far as it had been received.
    """

    lead_ids: tuple[str, ...]
    ended_at: np.ndarray
    fields: tuple[str, ...]
    lead: np.ndarray
    field: np.ndarray
    first_at: np.ndarray
    as_exported: np.ndarray
    exported: frozenset[str]

    @property
    def hash(self) -> str:
        """Sha-256 over everything in it."""
        digest = hashlib.sha256(repr((self.lead_ids, self.fields, sorted(self.exported))).encode())
        for array in (self.ended_at, self.lead, self.field, self.first_at, self.as_exported):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def fills_of(tables: TrainingTables, *, goal: str, now: int, most_leads: int = _MOST_LEADS) -> Fills:
    """First fills by what was known at ``now``; of more than ``most_leads`` closed leads every k-th in order of creation."""
    ends: list[tuple[int, int]] = []
    for position, lead_id in enumerate(tables.lead_ids):
        if own := tables.outcomes.get(lead_id):
            state = fold(own, known_at=now)
            at = [t for kind, t in state.first_at.items() if kind in GOALS[goal] | FINAL_KINDS and t <= now]
            if at:
                ends.append((position, min(at)))
    ends = ends[:: max(-(-len(ends) // most_leads), 1)]
    rows: list[tuple[int, str, int, bool]] = []
    for place, (position, _) in enumerate(ends):
        first: dict[str, tuple[int, bool]] = {}
        for observed_at, received_at, fields, is_exported, _ in tables.patches.get(position, ()):
            if max(observed_at, received_at) > now:
                continue
            for name in json.loads(fields):
                first[name] = min(first.get(name, (observed_at, is_exported)), (observed_at, is_exported))
        rows += [(place, name, at, is_exported) for name, (at, is_exported) in sorted(first.items())]
    names = tuple(sorted({name for _, name, _, _ in rows}))
    code = {name: i for i, name in enumerate(names)}
    exported = frozenset(
        name
        for patches in tables.patches.values()
        for observed_at, received_at, fields, is_exported, _ in patches
        if is_exported and max(observed_at, received_at) <= now
        for name in json.loads(fields)
    )
    return Fills(
        lead_ids=tuple(tables.lead_ids[position] for position, _ in ends),
        ended_at=np.array([at for _, at in ends], dtype=np.int64),
        fields=names,
        lead=np.array([place for place, *_ in rows], dtype=np.int64),
        field=np.array([code[name] for _, name, _, _ in rows], dtype=np.int64),
        first_at=np.array([at for *_, at, _ in rows], dtype=np.int64),
        as_exported=np.array([is_exported for *_, is_exported in rows], dtype=bool),
        exported=exported,
    )
