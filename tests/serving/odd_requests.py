"""Requests that no honest client sends: too large, no JSON, hardly HTTP."""

from __future__ import annotations

import gzip
import json

from tests.serving.faults import WRONG_KEY

RAW = [
    b"\r\n\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"get /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET http://elsewhere/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /%00%ff%2e%2e/%2fetc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\nConnection: close\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}{",
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\nConnection: close\r\n\r\n{}",
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic " + b"=" * 5_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: " + WRONG_KEY.encode() + b"\r\n\r\n",
]  # fmt: skip


def oversize() -> list[tuple[bytes, str, set[int]]]:
    """Body, headers, and what may be answered."""
    deep = b'{"x_a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    wide = json.dumps({f"x_{i}": i for i in range(100_000)}).encode()
    bomb = gzip.compress(b" " * 300_000_000, 9)
    return [
        (b" " * 40_000_000, "", {413}),
        (bomb, "Content-Encoding: gzip\r\n", {413}),
        (gzip.compress(bomb), "Content-Encoding: gzip\r\n", {413, 422}),
        (deep, "", {422}),
        (b"[" * 1_000_000, "", {422}),
        (wide, "", {200, 422}),
        (b'{"employees": NaN}', "", {422}),
        (b'{"employees": -Infinity}', "", {422}),
        (b'{"employees": 1e999}', "", {422}),
        (b'{"employees": ' + b"9" * 100_000 + b"}", "", {422}),
        (b'{"title": "\\ud800"}', "", {422}),
        (b'{"title": "a", "title": "b"}', "", {422}),
        (b'{"title": "a\\u0000"}', "", {200, 422}),
        (b'\xff\xfe{"title": 1}', "", {422}),
        (b"", "", {422}),
    ]
