"""How many requests a key may send: a bucket of tokens for each, filled again as time goes by.

Counted in the memory of each worker: with two workers a key gets up to twice its rate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from data.keys import Key


@dataclass(frozen=True, slots=True)
class Allowance:
    """What became of a request. ``remaining`` more may follow at once; the next token is there after ``wait_seconds``."""

    is_granted: bool
    limit: int
    remaining: int
    wait_seconds: int

    def headers(self) -> dict[str, str]:
        """``RateLimit`` and ``RateLimit-Policy`` as draft-ietf-httpapi-ratelimit-headers has them; ``Retry-After`` when refused."""
        found = {
            "RateLimit-Policy": f'"key";q={self.limit};w=60',
            "RateLimit": f'"key";r={self.remaining};t={self.wait_seconds}',
        }
        return found if self.is_granted else {**found, "Retry-After": str(self.wait_seconds)}


class Rates:
    """The buckets of all keys. Holds ``rate_per_minute`` tokens for each; a key not seen before starts with a full one."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: Key) -> Allowance | None:
        """Take a token of the key's bucket; None for a key without a limit."""
        rate = key.rate_per_minute
        if rate is None:
            return None
        now = self._monotonic()
        tokens, since = self._buckets.get(key.sha256, (float(rate), now))
        tokens = min(float(rate), tokens + (now - since) * rate / 60)
        is_granted = tokens >= 1
        tokens -= is_granted
        self._buckets[key.sha256] = (tokens, now)
        wait = max(0, math.ceil((1 - tokens) * 60 / rate))
        return Allowance(is_granted, rate, int(tokens), wait if is_granted else max(1, wait))
