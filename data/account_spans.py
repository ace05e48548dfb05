"""When a lead was of which account, from what is held about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.accounts import FIELDS, Spans, account_of
from data.domain import LATEST
from data.snapshots import LeadHistory, ProfileVersion

if TYPE_CHECKING:
    from data.columns import Patch

Span = tuple[str, int, int]  # account, since, until


def timeline(versions: Iterable[ProfileVersion], *, until: int = LATEST) -> list[Span]:
    """The accounts of a lead by what is held about it, one after the other, none from the instant ``until``."""
    telling = [v for v in versions if any(name in v.fields for name in FIELDS)]
    if len(telling) == 1:  # most leads say it once
        since, account = max(telling[0].observed_at, telling[0].received_at), account_of(telling[0].fields)
        return [(account, since, until)] if account is not None and since < until else []
    instants = sorted({max(v.observed_at, v.received_at) for v in telling})
    ends = [*instants[1:], until]
    history = LeadHistory("", 0, profiles=telling)
    found: list[Span] = []
    for since, end in zip(instants, ends[: len(instants)], strict=True):
        account = account_of(history.profile_at(since)) if since < until else None
        if account is None:
            continue
        if found and found[-1][0] == account and found[-1][2] == since:
            since = found.pop()[1]
        found.append((account, since, min(end, until)))
    return found


def spans_of(patches: Mapping[int, Sequence[Patch]], lead_ids: Sequence[str], merged_at: np.ndarray) -> Spans:
    """Those of all leads, from what ``data.columns.TrainingTables`` holds of them."""
    rows = []
    for position, stated in patches.items():
        # Most of what is said later is about other fields; reading JSON costs more than looking for a name in it.
        versions = [
            ProfileVersion(o, r, json.loads(f), e, i)
            for o, r, f, e, i in stated
            if any(f'"{name}"' in f for name in FIELDS)
        ]
        for account, since, until in timeline(versions, until=int(merged_at[position])):
            rows.append((account, lead_ids[position], since, until))
    return Spans.of(rows)
