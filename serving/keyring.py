"""The keys as a worker knows them: read from the store at most twice a second, kept while the store is away.

A revocation therefore takes hold within a second. While the store does not answer, the keys known last go on working; a request waits for
a new look a moment at most.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from data.keys import Key, Keys, digest_of
from serving.problems import reason_of
from serving.writer import STORE_FAULTS

_FRESH_SECONDS = 0.4
_PATIENCE_SECONDS = 0.3

logger = logging.getLogger("leadloop.serving")


class Keyring:
    """The keys of a store, remembered.

    Parameters
    ----------
    keys : where they are kept; read once at once, which raises StoreError when the store is away.
    monotonic : seconds that only go forward.
    """

    def __init__(self, keys: Keys, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._monotonic = monotonic
        self._held = keys.all()
        self._looked_at = monotonic()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="leadloop-keys")
        self._look: Future[list[Key]] | None = None
        self._given_up: Future[list[Key]] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no key was ever made. A revoked key still counts: to revoke the last one must not open the door."""
        return not self._held

    async def refresh(self) -> None:
        """Look at the store again when the last look is older than 0.4 seconds, waiting 0.3 seconds at most."""
        look = self._look
        if look is None:
            if self._monotonic() - self._looked_at < _FRESH_SECONDS:
                return
            look = self._look = self._pool.submit(self._keys.all)
        if look is not self._given_up:
            await asyncio.wait([asyncio.wrap_future(look)], timeout=_PATIENCE_SECONDS)
        if not look.done():
            self._given_up = look
        elif look is self._look:
            self._take(look)

    def _take(self, look: Future[list[Key]]) -> None:
        self._look, self._looked_at = None, self._monotonic()
        try:
            self._held = look.result()
        except STORE_FAULTS as fault:
            logger.warning("keys could not be read, the last known ones go on working: %s", reason_of(fault))

    def find(self, presented: Iterable[str]) -> Key | None:
        """The live key among what a caller presented. Every key is compared, each in constant time."""
        digests = [digest_of(secret).encode() for secret in presented]
        found = None
        for key in self._held:
            for digest in digests:
                if hmac.compare_digest(key.sha256.encode(), digest) and key.is_live:
                    found = key
        return found
