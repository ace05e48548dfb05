"""Request bodies as JSON, read strictly.

What JSON leaves open is closed here: no NaN or infinite numbers, no key twice in an object, no bytes that are not UTF-8, no nesting without
end. Every refusal is a problem that repeats nothing of the body.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from typing import Any, NoReturn

import orjson
from starlette.requests import Request

from serving.beside import LARGE_BYTES, worked
from serving.problems import Problem

_MOST_MEMBERS = 100
_NOT_PLAIN = object()
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
_LONG_DIGITS = b"0" * 19
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")


async def read_json(request: Request, *, max_bytes: int) -> Any:
    """The request's body as a JSON value. The Content-Type is not looked at: tracking clients mislabel theirs.

    Raises
    ------
    Problem
        415 for an encoding other than gzip, 413 when the body unpacks to more than ``max_bytes``, 422 for a body that is no strict JSON.
    """
    raw = await request.body()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        raw = gunzip(raw, max_bytes=max_bytes)
    elif encoding not in ("", "identity"):
        raise Problem(415, "unsupported_encoding", "Content-Encoding must be gzip or left out.")
    return await worked(len(raw) >= LARGE_BYTES, parse_json, raw)


def gunzip(raw: bytes, *, max_bytes: int) -> bytes:
    """The unpacked bytes; never holds more than ``max_bytes`` of them."""
    plain = b""
    # A gzip body may be several members in a row; what stands after the first is part of it (RFC 1952, 2.2).
    for _ in range(_MOST_MEMBERS):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            plain += unpacker.decompress(raw, max_bytes - len(plain) + 1)
        except zlib.error:
            raise Problem(422, "bad_gzip", "Content-Encoding says gzip, but the body is not gzip.") from None
        if len(plain) > max_bytes:
            raise too_large(max_bytes)
        if not unpacker.eof:
            raise Problem(422, "bad_gzip", "The gzip body ends too early.")
        raw = unpacker.unused_data
        if not raw:
            return plain
    raise Problem(422, "bad_gzip", f"The gzip body has more than {_MOST_MEMBERS} members.")


def too_large(max_bytes: int) -> Problem:
    """The refusal of a body above the limit."""
    return Problem(
        413,
        "too_large",
        f"The body is larger than {max_bytes:,} bytes; send fewer items in one request.",
    )


def parse_json(raw: bytes) -> Any:
    """The JSON value of these bytes, strictly; raises Problem 422."""
    value = _of_plain(raw)
    return _of_any(raw) if value is _NOT_PLAIN else value


def _of_plain(raw: bytes) -> Any:
    """The value of bytes that orjson reads as strictly as ``_of_any``; else ``_NOT_PLAIN``.

    It takes two fifths less time for a lead with 20 touchpoints, a quarter less for a bulk of 1,000, and as long for one of 10,000.

    orjson takes a key twice without a word, and makes whole numbers beyond 64 bits floats. Where no backslash is, a string has two quotes
    and no more, so a key that was lost shows in their number; and a number that is too long has nineteen digits or more in a row.
    """
    if b"\\" in raw or _LONG_DIGITS in raw.translate(_DIGITS_AS_0):
        return _NOT_PLAIN
    try:
        value = orjson.loads(raw)
        is_whole = orjson.dumps(value).count(b'"') == raw.count(b'"')
    except (ValueError, TypeError):
        return _NOT_PLAIN
    return value if is_whole else _NOT_PLAIN


def _of_any(raw: bytes) -> Any:
    if not raw.strip():
        raise Problem(422, "no_body", "The body is empty; send a JSON object.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(422, "not_utf8", "The body is not UTF-8 text; send JSON in UTF-8.") from None
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except json.JSONDecodeError as fault:
        raise Problem(
            422, "not_json", f"The body is not JSON: it breaks at line {fault.lineno}, column {fault.colno}."
        ) from None
    except RecursionError:
        raise Problem(422, "too_deep", "The body is nested too deeply.") from None


def plain_name(name: object) -> str:
    """A field's name for a message: quoted when it looks like a name, left out when it could be somebody's data."""
    return repr(name) if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) else "of that name"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Problem(422, "duplicate_key", f"A field {plain_name(name)} occurs twice in one object.")
            seen.add(name)
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise Problem(
        422, "not_finite", "NaN and Infinity are not JSON; send null for a number that is not known."
    )


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Problem(422, "not_finite", "A number is too large; send null for a number that is not known.")
    return number


def _whole(digits: str) -> int:
    # Longer than any number we take, and int() itself refuses more than some thousand digits.
    if len(digits) > 300:
        raise Problem(422, "not_finite", "A number is too large; send null for a number that is not known.")
    return int(digits)
