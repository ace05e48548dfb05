"""How an answer travels: packed where the caller takes gzip, and not at all where the caller has it already."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

# Shorter answers fit a few packets anyway, and packing would cost more than sending.
_PACKED_FROM = 4_096
_LEVEL = 3


def packed(
    request: Request,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """The body, packed with gzip when it is long and the caller takes it.

    Packing takes time: call it beside the event loop for large ones.
    """
    sent = {**(headers or {}), "Vary": "Accept-Encoding"}
    if _is_packed(request, body):
        body = gzip.compress(body, compresslevel=_LEVEL, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(body, media_type=media_type, headers=sent)


def tagged(request: Request, body: bytes, *, headers: Mapping[str, str] | None = None) -> Response:
    """The body with a strong ETag; 304 without a body when ``If-None-Match`` names it.

    The packed and the plain form are two representations, so each has a tag of its own (RFC 9110, 8.8.3).
    """
    form = "-gzip" if _is_packed(request, body) else ""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}{form}"'
    sent = {**(headers or {}), "ETag": tag, "Cache-Control": "no-cache"}
    if _names(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers={**sent, "Vary": "Accept-Encoding"})
    return packed(request, body, headers=sent)


def _names(wanted: str, tag: str) -> bool:
    tags = [part.strip().removeprefix("W/") for part in wanted.split(",")]
    return "*" in tags or tag in tags


def _is_packed(request: Request, body: bytes) -> bool:
    return len(body) >= _PACKED_FROM and _takes_gzip(request.headers.get("accept-encoding", ""))


def _takes_gzip(accepted: str) -> bool:
    weights = {}
    for part in accepted.lower().split(","):
        coding, _, parameter = part.partition(";")
        weights[coding.strip()] = parameter.replace(" ", "")
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return weight.rstrip("0.") != "q="
