"""Channels and left-out visits of imported touchpoints."""

from __future__ import annotations

import numpy as np

from data.intake import INTAKE_FIELDS, Intake
from data.sources.reading import Fields


def take_in(fields: Fields, intake: Intake) -> None:
    """Fill in ``channel`` and ``campaign`` where they are not known, drop bots and internal visits, and forget what told so."""
    told = {name: fields.columns.pop(name) for name in INTAKE_FIELDS if name in fields.columns}
    if not told:
        return
    channel, campaign = (_column(fields, name) for name in ("channel", "campaign"))
    meant: dict[tuple[str | None, ...], tuple[str | None, str | None]] = {}
    reasons = np.full(fields.n, None, dtype=object)
    for row, said in enumerate(zip(*(column.tolist() for column in told.values()), strict=True)):
        if said not in meant:
            visit = dict(zip(told, said, strict=True))
            meant[said] = intake.traffic.reason(visit), intake.channels.channel_of(visit)
        reasons[row], derived = meant[said]
        channel[row] = derived if channel[row] is None else channel[row]
    if "utm_campaign" in told:
        campaign[:] = np.where(campaign == None, told["utm_campaign"], campaign)  # noqa: E711 - element by element
    for reason in sorted({reason for reason in reasons if reason is not None}):
        fields.drop(reasons == reason, reason)


def _column(fields: Fields, name: str) -> np.ndarray:
    return fields.columns.setdefault(name, np.full(fields.n, None, dtype=object))
