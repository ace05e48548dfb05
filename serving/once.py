"""Requests that are worked on once, however often they are sent.

A POST with an ``Idempotency-Key`` is claimed in the store, worked on, and its answer kept for 72 hours: the same request again gets the
same answer, marked ``Idempotent-Replayed: true``, from whichever worker. Keys belong to the name of the API key, so that they outlive its
rotation. Refusals are not kept: nothing was done, and the same request may do better later. While the store is away a score is given all
the same, unkept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.keys import Key
from data.replies import Claimed, Reply
from serving.auth import KEY, scope_of
from serving.beside import LARGE_BYTES, worked
from serving.json_body import read_json
from serving.limits import replayed
from serving.parts import Parts
from serving.problems import Problem

_NAME = b"idempotency-key"
_PLAIN = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = (b"content-type", b"x-model-version")
_LEAD_IN_PATH = re.compile(r"/v1/leads/(.+)/suppress")
_REAP_EVERY = 3_600 * 1_000_000
_ID_FIELDS = frozenset({"lead_id", "from_id", "anonymous_id", "userId", "anonymousId", "distinct_id"})


class Once:
    """Answers repeated POSTs with their first answer."""

    def __init__(self, app: ASGIApp, *, parts: Parts) -> None:
        self.app = app
        self._parts = parts
        self._reaped_at = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == _NAME]
        if not given:
            await self.app(scope, receive, send)
            return
        try:
            await self._once(given, scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)

    async def _once(self, given: list[bytes], scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope, given)
        body = (await receive()).get("body", b"")
        receive = replayed(body, receive)
        fingerprint = _fingerprint(scope, body)
        try:
            claimed, claimed_at = await self._claim(request_id, fingerprint)
        except Problem:
            if scope_of("POST", scope["path"]) != "score":
                raise
            await self.app(scope, receive, send)
            return
        if claimed.is_other:
            raise Problem(
                422,
                "idempotency_key_reused",
                "This Idempotency-Key came with another request before; give every request a key of its own.",
            )
        if claimed.reply is not None:
            await _send_again(claimed.reply, send)
            return
        if not claimed.is_ours:
            raise Problem(
                409,
                "in_progress",
                "The request with this Idempotency-Key is still being worked on; send it again after a moment to get its answer.",
                headers={"Retry-After": "1"},
            )
        lead_ids = await self._lead_ids(scope, body)
        await self._work(request_id, claimed_at, lead_ids, scope, receive, send)

    async def _work(
        self, request_id: str, claimed_at: int, lead_ids: set[str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        replies, writer, patience = self._parts.store.replies, self._parts.writer, self._parts.write_patience
        messages: list[Message] = []

        async def held(message: Message) -> None:
            messages.append(message)

        # Kept unpacked: whoever asks again may not take gzip.
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        try:
            await self.app({**scope, "headers": headers}, receive, held)
            size = sum(len(message.get("body", b"")) for message in messages)
            reply = await worked(size >= LARGE_BYTES, _reply_of, messages)
        except BaseException:
            with contextlib.suppress(Problem):
                writer.submit(lambda _: replies.release(request_id, claimed_at=claimed_at))
            raise

        # The answer goes out only once it is kept, or what was done would be done again. Where it cannot be kept, the work
        # is done nevertheless and known by its ids: the answer goes out, and the claim runs out by itself.
        def finish(_: int) -> None:
            if 200 <= reply.status < 300:
                replies.keep(request_id, reply, claimed_at=claimed_at, lead_ids=lead_ids)
            else:
                replies.release(request_id, claimed_at=claimed_at)

        with contextlib.suppress(Problem):
            await writer.run(finish, patience=patience)
        for message in messages:
            await send(message)

    async def _claim(self, request_id: str, fingerprint: str) -> tuple[Claimed, int]:
        replies, clock = self._parts.store.replies, self._parts.clock

        def claim(now: int) -> tuple[Claimed, int]:
            return replies.claim(request_id, fingerprint, now=now), now

        if clock() - self._reaped_at > _REAP_EVERY:
            self._reaped_at = clock()
            self._parts.writer.submit(lambda now: replies.reap(now=now))
        return await self._parts.writer.run(claim, patience=self._parts.score_patience)

    async def _lead_ids(self, scope: Scope, body: bytes) -> set[str]:
        """Whom the request is about, as far as it can be read."""
        if named := _LEAD_IN_PATH.fullmatch(scope["path"]):
            return {named[1]}
        request = Request(scope, replayed(body, _nothing))
        try:
            message = await read_json(request, max_bytes=self._parts.max_body_bytes)
        except Problem:
            return set()
        return set(await worked(len(body) >= LARGE_BYTES, lambda: list(_ids(message))))


def _request_id(scope: Scope, given: list[bytes]) -> str:
    name = given[0].decode("latin-1")
    if len(given) > 1 or not _PLAIN.fullmatch(name):
        raise Problem(
            422,
            "bad_idempotency_key",
            "Idempotency-Key must be given once, as 1 to 255 ASCII characters without spaces, such as a UUID.",
        )
    key: Key | None = scope.get(KEY)
    return hashlib.sha256(f"{key.name if key else ''}\n{name}".encode()).hexdigest()


def _fingerprint(scope: Scope, body: bytes) -> str:
    encoding = next((value for name, value in scope["headers"] if name == b"content-encoding"), b"")
    asked = b"\n".join((scope["path"].encode(), scope["query_string"], encoding, b""))
    return hashlib.sha256(asked + body).hexdigest()


def _reply_of(messages: list[Message]) -> Reply:
    start = messages[0]
    headers = {n.decode(): v.decode("latin-1") for n, v in start["headers"] if n in _KEPT_HEADERS}
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Reply(start["status"], json.dumps(headers), zlib.compress(body, 3))


async def _send_again(reply: Reply, send: Send) -> None:
    body = await worked(len(reply.body) >= LARGE_BYTES // 10, zlib.decompress, reply.body)
    kept: Mapping[str, str] = json.loads(reply.headers)
    headers = {**kept, "content-length": str(len(body)), "idempotent-replayed": "true"}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _ids(message: Any) -> Iterator[str]:
    if isinstance(message, dict):
        for name, value in message.items():
            if name in _ID_FIELDS and isinstance(value, str):
                yield value
            elif isinstance(value, dict | list):
                yield from _ids(value)
    elif isinstance(message, list):
        for item in message:
            yield from _ids(item)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
