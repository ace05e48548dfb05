"""Refusals as problem documents.

Every answer that is not a success has one shape: the members of RFC 9457 plus ``code`` and ``message``, which the clients of tracking
tools look for. A refusal names the field and the way to mend it; it never repeats what was sent, because that may be somebody's name.
"""

from __future__ import annotations

import json
import logging
import traceback
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.bars import ERASED, Bar
from data.errors import LeadloopError

MEDIA_TYPE = "application/problem+json"

_TITLES = {
    400: "Bad request",
    401: "A key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Not as things stand",
    410: "Gone for good",
    413: "Body too large",
    415: "Encoding not supported",
    422: "The message cannot be used",
    429: "Too many requests",
    500: "Our mistake",
    503: "Not available now",
}

logger = logging.getLogger("leadloop.serving")


class ProblemPlace(BaseModel):
    """Where a message cannot be used."""

    index: int | None = Field(default=None, description="position in a list of items, from 0")
    pointer: str | None = Field(default=None, description="JSON pointer of the field")
    detail: str = Field(description="what is wrong there")


class ProblemOut(BaseModel):
    """The document of a refusal (RFC 9457)."""

    type: str = Field(description="about:blank, or an address that explains this kind of problem")
    title: str = Field(description="what the status means here")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="the same as message")
    code: str = Field(description="stable name of the problem, for programs")
    message: str = Field(description="what is wrong and how to mend it, for people")
    errors: list[ProblemPlace] | None = Field(default=None, description="where, when it is a certain place")


class Problem(Exception):  # noqa: N818 - it is the problem, as RFC 9457 calls it
    """A refusal on its way to the caller.

    ``message`` must hold no value that was sent; names of fields and counts are welcome. ``pointer`` is the JSON pointer of the place,
    ``index`` the position in a list of items.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        pointer: str | None = None,
        index: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.pointer = pointer
        self.index = index
        self.headers = dict(headers or {})

    def at(self, pointer: str) -> Problem:
        """The same problem with ``pointer`` put before its own."""
        return self._copy(pointer=pointer + (self.pointer or ""))

    def of_item(self, index: int) -> Problem:
        """The same problem, said about item ``index`` of a list."""
        return self._copy(index=index)

    def _copy(self, *, pointer: str | None = None, index: int | None = None) -> Problem:
        return Problem(
            self.status,
            self.code,
            self.message,
            pointer=self.pointer if pointer is None else pointer,
            index=self.index if index is None else index,
            headers=self.headers,
        )

    def document(self) -> dict[str, Any]:
        """RFC 9457 members with ``code`` and ``message``; ``errors`` says where."""
        message = self.message if self.index is None else f"item {self.index}: {self.message}"
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": _TITLES.get(self.status, "Refused"),
            "status": self.status,
            "detail": message,
            "code": self.code,
            "message": message,
        }
        where: dict[str, Any] = {}
        if self.index is not None:
            where["index"] = self.index
        if self.pointer is not None:
            where["pointer"] = self.pointer
        if where:
            document["errors"] = [{**where, "detail": self.message}]
        return document

    def item(self, index: int) -> dict[str, Any]:
        """What a bulk answer says in the place of item ``index``."""
        found: dict[str, Any] = {"index": index, "code": self.code, "message": self.message}
        if self.pointer is not None:
            found["pointer"] = self.pointer
        return found

    def response(self) -> Response:
        body = json.dumps(self.document(), allow_nan=False).encode()
        return _Refusal(body, status_code=self.status, media_type=MEDIA_TYPE, headers=self.headers)


class _Refusal(Response):
    """A problem document, called plain JSON where the caller asks for that alone: some CRMs drop a media type they do not know.

    HubSpot reads ``Retry-After`` in milliseconds and would be back at once; without it, it waits a minute and longer each time.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _takes_json_only(scope):
            self.headers["content-type"] = "application/json"
        if "retry-after" in self.headers and _is_hubspot(scope):
            del self.headers["retry-after"]
        await super().__call__(scope, receive, send)


def _is_hubspot(scope: Scope) -> bool:
    return any(
        name == b"user-agent" and b"hubspot" in value.lower() for name, value in scope.get("headers", ())
    )


def _takes_json_only(scope: Scope) -> bool:
    accepted = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept").lower()
    ranges = {part.split(b";")[0].strip() for part in accepted.split(b",")}
    return b"application/json" in ranges and not ranges & {MEDIA_TYPE.encode(), b"application/*", b"*/*"}


def no_model() -> Problem:
    """Nothing serves yet; says how to change that."""
    return Problem(
        503,
        "no_model",
        "No model serves yet. Train one with `leadloop train` and make it the champion with `leadloop promote VERSION`; "
        "the service takes it up within seconds, without a restart.",
        headers={"Retry-After": "30"},
    )


def store_away() -> Problem:
    """The store did not answer in time; nothing of the request has been acknowledged."""
    return Problem(
        503,
        "store_unavailable",
        "The store is busy or away, so nothing could be kept. Send the same message again after a few seconds; "
        "sending it twice does no harm.",
        headers={"Retry-After": "5"},
    )


def barred(why: Bar) -> Problem:
    """The lead may not be scored: its person was erased, or objected."""
    if why == ERASED:
        return Problem(
            410,
            "erased",
            "What was known of this lead was erased, and nothing about it is taken in any more; leave it out of what you send.",
        )
    return Problem(
        409,
        "suppressed",
        "This lead objected to being scored, so it is neither scored nor learned from, and nothing of the message was kept. "
        "DELETE /v1/leads/{lead_id}/suppress withdraws the objection.",
    )


def store_damaged() -> Problem:
    """The check at the start found the store's file damaged; nothing is read from it or written to it."""
    return Problem(
        503,
        "store_damaged",
        "The store's file is damaged, so nothing is served from it; the service's log says what was found. "
        "Restore it from a backup and start the service again.",
    )


def install(app: FastAPI) -> None:
    """Make every refusal of the application a problem document."""

    @app.exception_handler(Problem)
    async def refused(request: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, fault: RequestValidationError) -> Response:
        # FastAPI's own answer repeats the input and breaks on NaN; say where and nothing else.
        places = {
            ".".join(str(part) for part in error["loc"] if isinstance(part, str)) for error in fault.errors()
        }
        return Problem(422, "invalid", f"not understood: {', '.join(sorted(places))[:200]}").response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, fault: HTTPException) -> Response:
        return _of_status(fault.status_code, headers=fault.headers).response()


def _of_status(status: int, *, headers: Mapping[str, str] | None = None) -> Problem:
    if status == 404:
        return Problem(
            404, "not_found", "There is nothing at this address; GET /docs lists the calls.", headers=headers
        )
    if status == 405:
        allowed = (headers or {}).get("allow") or (headers or {}).get("Allow") or "another method"
        return Problem(
            405,
            "method_not_allowed",
            f"This address takes {allowed}; GET /docs lists the calls.",
            headers=headers,
        )
    return Problem(status, f"http_{status}", _TITLES.get(status, "The request was refused."), headers=headers)


class Crashes:
    """Outermost layer: an unforeseen error becomes a problem document, and a log line without anybody's data.

    A traceback's last line often repeats a value of the request; the log gets the type and the places only, under an id that the
    answer names too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            # The caller left in the middle of its message; there is nobody to answer.
            logger.debug("a caller left before its message was complete")
        except Exception as fault:
            mark = uuid.uuid4().hex[:12]
            logger.error("crash %s: %s", mark, describe(fault))
            if has_started:
                raise
            problem = Problem(
                500, "internal", f"Something broke on our side; the service's log has it as {mark}."
            )
            await problem.response()(scope, receive, send)


def reason_of(fault: BaseException) -> str:
    """What to write to the log: our own errors carry no data and speak for themselves, others are described."""
    return str(fault) if isinstance(fault, LeadloopError) else describe(fault)


def describe(fault: BaseException) -> str:
    """Type and places of an error, without its text."""
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(fault.__traceback__)
    places = " < ".join(f"{_short(f.filename)}:{f.lineno} {f.name}" for f in reversed(frames[-6:]))
    return f"{type(fault).__name__} at {places}"


def _short(filename: str) -> str:
    return "/".join(filename.split("/")[-2:])
