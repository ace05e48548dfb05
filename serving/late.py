"""The application before there is one.

BentoML wants to know what is mounted when its service class is made, which is before settings are read. ``LateApp`` stands in and passes
everything on to the application once a worker has started.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.auth import INSIDE, Guard
from serving.parts import Parts
from serving.problems import Problem


class LateApp:
    """An ASGI application that is set later; 503 until then."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        self.parts: Parts | None = None
        self.fault: Problem | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            starting = Problem(
                503, "starting", "The service is starting; try again.", headers={"Retry-After": "1"}
            )
            await (self.fault or starting).response()(scope, receive, send)

    async def call_json(self, path: str, content: Any) -> Any:
        """The JSON answer of the application to a POST of ``content``; a refusal comes as its problem document."""
        body = json.dumps(content, allow_nan=False).encode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
            "client": None,
            INSIDE: True,
            "server": None,
        }
        parts: list[bytes] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self(scope, receive, send)
        return json.loads(b"".join(parts))


class KeyDoor:
    """Asks for a key at addresses that BentoML answers by itself, such as ``/metrics``."""

    def __init__(self, app: ASGIApp, *, front: LateApp, paths: frozenset[str]) -> None:
        self.app = app
        self._front = front
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self.app(scope, receive, send)
        elif (parts := self._front.parts) is None:
            await self._front(scope, receive, send)
        else:
            await Guard(self.app, keyring=parts.keyring, rates=parts.rates)(scope, receive, send)


class BulkDoor:
    """Hands the POSTs of one address to another address of the application, with its limits, checks and problem documents."""

    def __init__(self, app: ASGIApp, *, front: LateApp, path: str, inner_path: str) -> None:
        self.app = app
        self._front = front
        self._path = path
        self._inner_path = inner_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == self._path and scope["method"] == "POST":
            inner = {**scope, "path": self._inner_path, "raw_path": self._inner_path.encode()}
            await self._front(inner, receive, send)
        else:
            await self.app(scope, receive, send)
