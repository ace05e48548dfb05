"""Large work beside the event loop, so that it delays nobody; small work on it.

To hand work to another thread costs more than a small piece of it, and every thread that was ever needed at once leaves a worker larger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")

# About a millisecond of work.
LARGE_BYTES = 50_000
LARGE_ITEMS = 50


async def worked(is_large: bool, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """What ``work`` returns or raises; in another thread when it is large."""
    if is_large:
        return await run_in_threadpool(work, *arguments, **options)
    return work(*arguments, **options)
