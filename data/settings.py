"""Where things are kept and how the service listens, as one frozen value.

The environment is an argument: nothing here reads it by itself. A misspelt ``LEADLOOP_`` name stops the start instead of being ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.domain import GOALS
from data.errors import ConfigError, did_you_mean, unknown_key

PREFIX = "LEADLOOP_"
NAMES = (
    "LEADLOOP_HOME", "LEADLOOP_STORE", "LEADLOOP_REGISTRY", "LEADLOOP_GOAL", "LEADLOOP_HOST", "LEADLOOP_PORT",
    "LEADLOOP_POLL_SECONDS", "LEADLOOP_MAX_BODY_BYTES", "LEADLOOP_INTAKE", "LEADLOOP_LOG",
    "LEADLOOP_WORKERS", "LEADLOOP_SHADOW", "LEADLOOP_PUBLIC_URL", "LEADLOOP_HUBSPOT_SECRET", "LEADLOOP_HUBSPOT",
)  # fmt: skip
LOGS = ("text", "json")
SHADOWS = ("off", "challenger")
# Read by the test suite alone; set in a shell they must not keep the command from starting.
_FOR_TESTS = ("LEADLOOP_TEST_POSTGRES", "LEADLOOP_SHARED_DATA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One installation.

    Attributes
    ----------
    home : folder of run-time files; need not exist yet. ``LEADLOOP_HOME``, default ``var``.
    store_url : leads, touchpoints and outcomes. ``LEADLOOP_STORE``, default a SQLite file in ``home``.
    registry_url : model versions, ``sqlite:///...`` or ``http://...``. ``LEADLOOP_REGISTRY``, default a SQLite file in ``home``.
    goal : what is predicted. ``LEADLOOP_GOAL``, default ``qualified``.
    host, port : where the service listens. ``LEADLOOP_HOST``, ``LEADLOOP_PORT``, default 127.0.0.1 and 3000.
    poll_seconds : how often the service asks for a new champion. ``LEADLOOP_POLL_SECONDS``, default 2.
    max_body_bytes : longest request body. ``LEADLOOP_MAX_BODY_BYTES``, default 10 MiB.
    intake : file with rules of channels and left-out visits (``data.intake``). ``LEADLOOP_INTAKE``, default none.
    workers : processes that answer requests; more than one needs PostgreSQL. ``LEADLOOP_WORKERS``, default 1.
    log : how the service's workers write their log, ``text`` or ``json`` (an object a line). ``LEADLOOP_LOG``, default ``text``.
    shadow : ``challenger`` has the challenger score beside the champion, logged and never answered. ``LEADLOOP_SHADOW``, default ``off``.
    public_url : where others reach the service, ``https://host`` or with a path. Senders sign it. ``LEADLOOP_PUBLIC_URL``, default none.
    hubspot_secret : client secret of the HubSpot app that sends webhooks; needs ``public_url``. ``LEADLOOP_HUBSPOT_SECRET``, default none.
    hubspot : file with what HubSpot's properties mean (``data.sources.hubspot``). ``LEADLOOP_HUBSPOT``, default none.
    """

    home: Path = Path("var")
    store_url: str = "sqlite:///var/leadloop.db"
    registry_url: str = "sqlite:///var/mlflow.db"
    goal: str = "qualified"
    host: str = "127.0.0.1"
    port: int = 3000
    poll_seconds: float = 2.0
    max_body_bytes: int = 10_485_760
    intake: Path | None = None
    workers: int = 1
    log: str = "text"
    shadow: str = "off"
    public_url: str | None = None
    hubspot_secret: str | None = field(default=None, repr=False)
    hubspot: Path | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Settings named in ``env``; a blank value counts as not given.

        Raises
        ------
        ConfigError
            For an unknown ``LEADLOOP_`` name (with the nearest known one), an unknown goal, a word that is none of those known, or a number
            that is none.
        """
        for name in env:
            if name.startswith(PREFIX) and name not in NAMES and name not in _FOR_TESTS:
                raise unknown_key(name, NAMES, where="the environment")
        given = {name: env[name].strip() for name in NAMES if env.get(name, "").strip()}
        home = Path(given.get("LEADLOOP_HOME", "var"))
        goal = given.get("LEADLOOP_GOAL", "qualified")
        if goal not in GOALS:
            raise ConfigError(f"LEADLOOP_GOAL: unknown goal {goal!r}{did_you_mean(goal, GOALS)}")
        store_url = given.get("LEADLOOP_STORE", f"sqlite:///{home.as_posix()}/leadloop.db")
        workers = n_workers(given)
        if workers > 1 and store_url.startswith("sqlite"):
            raise ConfigError(
                f"LEADLOOP_WORKERS is {workers} and the store is SQLite, which one process writes at a time; set LEADLOOP_STORE to a "
                "PostgreSQL database, or LEADLOOP_WORKERS to 1"
            )
        return cls(
            home=home,
            store_url=store_url,
            registry_url=given.get("LEADLOOP_REGISTRY", f"sqlite:///{home.as_posix()}/mlflow.db"),
            goal=goal,
            host=given.get("LEADLOOP_HOST", "127.0.0.1"),
            port=_whole(given, "LEADLOOP_PORT", default=3000, least=0, most=65_535),
            poll_seconds=_seconds(given, "LEADLOOP_POLL_SECONDS", default=2.0),
            max_body_bytes=_whole(
                given, "LEADLOOP_MAX_BODY_BYTES", default=10_485_760, least=1_024, most=2**40
            ),
            intake=Path(given["LEADLOOP_INTAKE"]) if "LEADLOOP_INTAKE" in given else None,
            workers=workers,
            log=_one_of(given, "LEADLOOP_LOG", LOGS),
            shadow=_one_of(given, "LEADLOOP_SHADOW", SHADOWS),
            public_url=_public_url(given),
            hubspot_secret=given.get("LEADLOOP_HUBSPOT_SECRET"),
            hubspot=Path(given["LEADLOOP_HUBSPOT"]) if "LEADLOOP_HUBSPOT" in given else None,
        )


def n_workers(env: Mapping[str, str]) -> int:
    """How many processes answer requests. Raises ConfigError for what is no whole number from 1 to 64."""
    given = {name: env[name].strip() for name in ("LEADLOOP_WORKERS",) if env.get(name, "").strip()}
    return _whole(given, "LEADLOOP_WORKERS", default=1, least=1, most=64)


def _public_url(given: Mapping[str, str]) -> str | None:
    """The address without a slash at its end. A sender that signs it needs one."""
    url = given.get("LEADLOOP_PUBLIC_URL")
    if url is None:
        if "LEADLOOP_HUBSPOT_SECRET" in given:
            raise ConfigError(
                "LEADLOOP_HUBSPOT_SECRET needs LEADLOOP_PUBLIC_URL, the address HubSpot sends to without /webhooks/hubspot, "
                "like https://leads.example.com: HubSpot signs it"
            )
        return None
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise ConfigError(
            f"LEADLOOP_PUBLIC_URL must be an address like https://leads.example.com, not {url!r}"
        )
    return url.rstrip("/")


def _one_of(given: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    """The value of a setting that takes one of a few words; the first of them where nothing is given."""
    word = given.get(name, known[0])
    if word not in known:
        raise ConfigError(f"{name} must be {' or '.join(known)}, not {word!r}")
    return word


def _whole(given: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = given.get(name, str(default))
    # isdecimal alone lets other scripts' digits through, which int() reads and people do not.
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not least <= number <= most:
        raise ConfigError(f"{name} must be a whole number from {least} to {most}, not {text!r}")
    return number


def _seconds(given: Mapping[str, str], name: str, *, default: float) -> float:
    text = given.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.01 <= number <= 86_400:
        raise ConfigError(f"{name} must be seconds from 0.01 to 86400, not {text!r}")
    return number
