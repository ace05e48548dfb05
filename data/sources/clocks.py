"""Times of imported touchpoints by the sender's clock, set right where the file tells when a message was sent and received."""

from __future__ import annotations

import numpy as np

from data.clocks import corrected_instant
from data.sources.reading import Fields


def is_to_reckon(fields: Fields) -> np.ndarray:
    """Rows whose time is reckoned from when they were received: those that say when they were sent and received; bool, shape (n,)."""
    sent, received = (fields.is_given.get(name) for name in ("sent_at", "received_at"))
    if sent is None or received is None:
        return np.zeros(fields.n, dtype=bool)
    return sent & received


def reckon(fields: Fields) -> None:
    """Set the times of those rows right (``data.clocks``)."""
    rows = np.flatnonzero(is_to_reckon(fields))
    if not len(rows):
        return
    stated, sent, received = (
        fields.columns[name][rows].tolist() for name in ("occurred_at", "sent_at", "received_at")
    )
    right = fields.columns["occurred_at"].copy()
    right[rows] = [
        corrected_instant(at, sent_at=s, received_at=r)
        for at, s, r in zip(stated, sent, received, strict=True)
    ]
    fields.columns["occurred_at"] = right
