"""The one way of keeping what is sent: all items or none, acknowledged after the commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from data.store import Added
from serving.answers import to_json
from serving.messages import read_items
from serving.parts import Parts

T = TypeVar("T")


async def keep(
    parts: Parts,
    body: object,
    *,
    name: str,
    read: Callable[[object], T],
    add: Callable[[list[T], int], Added],
) -> Response:
    """Read every item, write them in one transaction, and answer 200 with the counts.

    The answer is exactly 200 because some tracking clients take any other success for a failure and send the batch again.
    """
    items = await run_in_threadpool(read_items, body, name=name, read=read)
    added = await parts.writer.run(lambda now: add(items, now), patience=parts.write_patience)
    return to_json({"received": len(items), "new": added.new, "known": len(items) - added.new})
