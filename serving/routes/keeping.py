"""The one way of keeping what is sent: all items or none, acknowledged after the commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.responses import Response

from data.store import Added
from serving.answers import shown_ids, to_json
from serving.beside import LARGE_ITEMS, worked
from serving.messages import read_items
from serving.parts import Parts
from serving.touches import LeftOut

T = TypeVar("T")

ERASED = "of an erased person"
_MENDING = {
    "outcomes": "To correct an outcome, send one of kind retracted whose undoes names the old outcome_id, and the right outcome under a "
    "new outcome_id.",
    "links": "To state the other link, send it under a link_id of its own.",
    "touchpoints": "To add the other touchpoint, send it under a touchpoint_id of its own.",
}


async def keep(
    parts: Parts,
    body: object,
    *,
    name: str,
    read: Callable[[object], T | LeftOut],
    add: Callable[[list[T], int], Added],
    count: Callable[[list[T]], None] | None = None,
) -> Response:
    """Read every item, write them in one transaction, and answer 200 with the counts.

    The answer is exactly 200 because some tracking clients take any other success for a failure and send the batch again.
    """
    sent = await worked(_has_many(body, name), read_items, body, name=name, read=read)
    items = [item for item in sent if not isinstance(item, LeftOut)]
    added = await parts.writer.run(lambda now: add(items, now), patience=parts.write_patience)
    if count is not None:
        count(items)
    reasons = [item.reason for item in sent if isinstance(item, LeftOut)] + [ERASED] * added.erased
    parts.metrics.left_out(reasons)
    answer: dict[str, Any] = {"received": len(sent), "new": added.new, "known": added.known}
    if reasons:
        answer["left_out"] = len(reasons)
    return to_json({**answer, **_conflicts(added, name)})


def _has_many(body: object, name: str) -> bool:
    items = body.get(name) if isinstance(body, dict) else body
    return isinstance(items, list) and len(items) >= LARGE_ITEMS


def _conflicts(added: Added, name: str) -> dict[str, Any]:
    if not added.conflicts:
        return {"conflicts": 0}
    return {
        "conflicts": added.conflicts,
        "conflict_ids": shown_ids(added.conflict_keys),
        "message": f"{added.conflicts:,} of the {name} say something else than what is kept under their id; what came first stays. "
        f"{_MENDING[name]}",
    }
