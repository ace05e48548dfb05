"""Who may call what.

A key comes as ``Authorization: Bearer``, as ``X-API-Key``, or as user or password of ``Authorization: Basic`` (what browsers and some
tracking clients can send). Without any key only this machine is answered. What is not named below needs ``admin`` to change something
and ``read`` to look, so that a new call is closed until somebody says who it is for. No refusal repeats what was presented.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from functools import lru_cache

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.keys import Key
from serving.keyring import Keyring
from serving.problems import Problem
from serving.rates import Rates

OPEN = frozenset({"/livez", "/readyz", "/healthz"})
ANY = "any"
KEY = "leadloop.key"
# Set by calls from inside this process; a request from the network cannot set members of the scope.
INSIDE = "leadloop.inside"

_READ = frozenset({"GET", "HEAD", "OPTIONS"})
_POSTS: Mapping[str, str] = {
    "/score": "score", "/v1/score": "score", "/v1/score/bulk": "score", "/v1/outcomes": "outcomes",
    **dict.fromkeys(
        (
            "/v1/leads", "/v1/touchpoints", "/v1/links", "/v1/batch", "/v1/track", "/v1/identify", "/v1/page", "/v1/group",
            "/v1/alias", "/batch/",
        ),
        "ingest",
    ),
}  # fmt: skip
# The sender signs what it sends; the call itself checks that.
_SIGNED = frozenset({"/webhooks/hubspot"})
# Whoever holds a key may see whether it works, and how the calls are made.
_FOR_ALL = frozenset({"/v1/whoami", "/openapi.json", "/openapi-3.0.json", "/openapi-2.0.json"})
_LONGEST = 1_024
# Basic first: browsers read the first challenge, and then ask for a name and a password.
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="leadloop", charset="UTF-8", Bearer realm="leadloop"'}


def scope_of(method: str, path: str) -> str | None:
    """The scope a call needs: one of the keys' scopes, ``any`` for every key, None for none at all.

    >>> scope_of("POST", "/v1/score"), scope_of("GET", "/v1/leads/ada"), scope_of("DELETE", "/v1/leads/ada"), scope_of("GET", "/livez")
    ('score', 'read', 'admin', None)
    """
    if path in OPEN or (method == "POST" and path in _SIGNED):
        return None
    if method in _READ:
        return ANY if path in _FOR_ALL else "read"
    return _POSTS.get(path, "admin") if method == "POST" else "admin"


class Guard:
    """Lets requests through to those who may make them, counted by their key."""

    def __init__(self, app: ASGIApp, *, keyring: Keyring, rates: Rates) -> None:
        self.app = app
        self._keyring = keyring
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or INSIDE in scope:
            await self.app(scope, receive, send)
            return
        wanted = scope_of(scope["method"], scope["path"])
        if wanted is None:
            await self.app(scope, receive, send)
            return
        await self._keyring.refresh()
        headers: dict[str, str] = {}
        try:
            key = self._admitted(scope, wanted)
            if key is not None and (allowance := self._rates.take(key)) is not None:
                headers = allowance.headers()
                if not allowance.is_granted:
                    raise _too_many(allowance.limit, headers)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"]).update(headers)
            await send(message)

        await self.app({**scope, KEY: key}, receive, counted if headers else send)

    def _admitted(self, scope: Scope, wanted: str) -> Key | None:
        if _is_forged(scope):
            raise Problem(
                403, "cross_site", "Another site's page may not change anything here; call from a program."
            )
        if self._keyring.is_empty:
            if _is_local(scope):
                return None
            raise Problem(
                401,
                "no_keys",
                "No API key has been made yet, so only programs on the service's own machine are answered; make one there: "
                "leadloop keys create NAME --scope score",
                headers=_CHALLENGE,
            )
        presented = _presented(scope)
        if not presented:
            raise Problem(
                401,
                "key_required",
                "An API key is needed: send it as Authorization: Bearer KEY, as X-API-Key: KEY, or as the user of Basic "
                "authentication; leadloop keys create NAME --scope score makes one.",
                headers=_CHALLENGE,
            )
        key = self._keyring.find(presented)
        if key is None:
            raise Problem(
                401,
                "unknown_key",
                "This API key is not known here, or has been revoked; leadloop keys list shows those that are live.",
                headers=_CHALLENGE,
            )
        if wanted != ANY and not key.allows(wanted):
            raise Problem(
                403,
                "missing_scope",
                f"This key lacks the scope {wanted!r}; make one that has it: leadloop keys create NAME --scope {wanted}",
            )
        return key


def _too_many(limit: int, headers: Mapping[str, str]) -> Problem:
    return Problem(
        429,
        "rate_limited",
        f"This key may send {limit:,} requests a minute; wait as many seconds as Retry-After says. "
        "POST /v1/score/bulk scores up to 10,000 leads in one request.",
        headers=headers,
    )


def _presented(scope: Scope) -> list[str]:
    found: list[str] = []
    for name, value in scope["headers"]:
        if len(value) > _LONGEST:
            continue
        if name == b"x-api-key":
            found.append(value.decode("latin-1").strip())
        elif name == b"authorization":
            scheme, _, rest = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() == "bearer":
                found.append(rest.strip())
            elif scheme.lower() == "basic":
                found.extend(_basic(rest.strip()))
    return [secret for secret in found if secret]


def _basic(encoded: str) -> list[str]:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return []
    return [user, password]


def _is_forged(scope: Scope) -> bool:
    """A browser says so when a page of another site makes it send something; it would add the user's credentials by itself."""
    return scope["method"] not in _READ and (b"sec-fetch-site", b"cross-site") in scope["headers"]


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and _is_loopback(client[0])


@lru_cache(maxsize=1_024)
def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
