"""API keys: who may call the service, and for what.

A key is 256 random bits. Only its SHA-256 is kept: a slow hash would add nothing to a secret nobody can guess, and would cost every
request. A key is shown once, when it is made; afterwards only its beginning and its last four characters are told.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, text, update

from data import tables
from data.errors import ConfigError, did_you_mean
from data.turns import Turns

SCOPES = ("score", "ingest", "outcomes", "read", "admin")
MOST_LIVE = 2
PREFIX = "ll_"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_MOST_PER_MINUTE = 1_000_000
_COLUMNS = ("name", "beginning", "ending", "sha256", "scopes", "rate_per_minute", "created_at", "revoked_at")
_rows = select(*(tables.keys.c[name] for name in _COLUMNS)).order_by(tables.keys.c.seq)


@dataclass(frozen=True, slots=True)
class Key:
    """One API key, without its secret.

    Attributes
    ----------
    beginning, ending : its first seven and last four characters, to tell keys apart.
    sha256 : of the whole key, in hex.
    scopes : what it allows, in the order of ``SCOPES``; ``admin`` allows everything.
    rate_per_minute : requests a minute, None for no limit.
    revoked_at : None while it works.
    """

    name: str
    beginning: str
    ending: str
    sha256: str
    scopes: tuple[str, ...]
    rate_per_minute: int | None
    created_at: int
    revoked_at: int | None = None

    def allows(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None


def digest_of(secret: str) -> str:
    """What is kept of a key: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class Keys:
    """The keys of one store."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        now: int,
        rate_per_minute: int | None = None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> tuple[str, Key]:
        """Make a key; returns the key itself, which is kept nowhere, and what is known of it.

        Raises
        ------
        ConfigError
            For a name, scope or rate that cannot be meant, or when two keys of this name are live already.
        """
        allowed = _checked(name, scopes, rate_per_minute)
        secret = PREFIX + entropy(32).hex()
        made = Key(name, secret[:7], secret[-4:], digest_of(secret), allowed, rate_per_minute, now)
        with self._turns.write() as connection:
            if connection.dialect.name == "postgresql":
                # Two that are made at once must not both find a free place.
                connection.execute(text("LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE"))
            live = [key for key in _read(connection) if key.name == name and key.is_live]
            if len(live) >= MOST_LIVE:
                raise ConfigError(
                    f"{name!r} has {len(live)} live keys already, ending in {' and '.join(k.ending for k in live)}; "
                    f"revoke one first: leadloop keys revoke {name} --ending {live[0].ending}"
                )
            connection.execute(insert(tables.keys), _values(made))
        return secret, made

    def all(self) -> list[Key]:
        """Every key ever made, in order."""
        with self._turns.read() as connection:
            return _read(connection)

    def revoke(self, name: str, *, now: int, ending: str | None = None) -> Key:
        """Make a key worthless; ``ending`` tells which, where two of the name are live.

        Raises ConfigError when no live key is meant, or more than one could be.
        """
        with self._turns.write() as connection:
            keys = _read(connection)
            live = [key for key in keys if key.is_live and key.name == name]
            meant = [key for key in live if ending in (None, key.ending)]
            if not live:
                known = [key.name for key in keys if key.is_live]
                raise ConfigError(f"no live key is named {name!r}{did_you_mean(name, known)}")
            if len(meant) != 1:
                raise ConfigError(
                    f"{name!r} has live keys ending in {' and '.join(k.ending for k in live)}; say which one: "
                    f"leadloop keys revoke {name} --ending {live[0].ending}"
                )
            which = tables.keys.c.sha256 == meant[0].sha256
            connection.execute(update(tables.keys).where(which).values(revoked_at=now))
        return meant[0]


def _read(connection: Connection) -> list[Key]:
    return [_key(row) for row in connection.execute(_rows)]


def _key(row: Row) -> Key:
    name, beginning, ending, sha256, scopes, *rest = row
    return Key(name, beginning, ending, sha256, tuple(scopes.split()), *rest)


def _values(key: Key) -> dict[str, object]:
    return {name: getattr(key, name) for name in _COLUMNS} | {"scopes": " ".join(key.scopes)}


def _checked(name: str, scopes: Sequence[str], rate_per_minute: int | None) -> tuple[str, ...]:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "a key's name says who uses it: up to 80 letters, digits, dots, dashes or underscores, such as salesforce"
        )
    if not scopes:
        raise ConfigError(f"name what the key allows with --scope; known are {', '.join(SCOPES)}")
    for scope in scopes:
        if scope not in SCOPES:
            raise ConfigError(f"unknown scope {scope!r}{did_you_mean(scope, SCOPES)}")
    if rate_per_minute is not None and not 1 <= rate_per_minute <= _MOST_PER_MINUTE:
        raise ConfigError(
            f"requests a minute must be from 1 to {_MOST_PER_MINUTE:,}, found {rate_per_minute:,}"
        )
    return tuple(scope for scope in SCOPES if scope in scopes)
