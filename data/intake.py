"""What is decided about a visit on its way in: its channel, and whether it counts at all.

The rules are one TOML table, ``[intake]``, in a mapping file or in a file of their own (the setting ``LEADLOOP_INTAKE``)::

    [intake]
    own_domains = ["acme.com"]        # a referrer there is no new visit

    [[intake.channels]]               # see data.channel_rules
    name = "partner"
    source = "partner-*"

    [intake.traffic]                  # see data.traffic
    internal_networks = ["203.0.113.0/24"]

What a visit tells for this (addresses, user agent, click ids) is not kept.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.channel_rules import Channels, parse_rules, texts
from data.channels import ORIGIN_FIELDS
from data.errors import ConfigError, unknown_key
from data.traffic import TRAFFIC_FIELDS, Traffic, parse_traffic

INTAKE_FIELDS = tuple(dict.fromkeys((*ORIGIN_FIELDS, *TRAFFIC_FIELDS)))
# These are longer than labels: up to so many characters.
LONG_FIELDS = {"page_url": 8_000, "referrer": 8_000, "user_agent": 2_000}
_KEYS = ("own_domains", "channels", "traffic")


@dataclass(frozen=True, slots=True)
class Intake:
    """The rules of one installation; the usual ones where nothing is said."""

    channels: Channels = field(default_factory=Channels)
    traffic: Traffic = field(default_factory=Traffic)


def parse_intake(table: Any, *, where: str = "[intake]") -> Intake:
    """The rules from their table. Raises ConfigError for an unknown key or a value that cannot be meant."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table of keys, not {type(table).__name__}")
    for key in table:
        if key not in _KEYS:
            raise unknown_key(key, _KEYS, where=where)
    own = texts(table["own_domains"], name=f"own_domains in {where}") if "own_domains" in table else ()
    return Intake(
        Channels(parse_rules(table.get("channels", []), where="[[intake.channels]]"), own),
        parse_traffic(table.get("traffic", {}), where="[intake.traffic]"),
    )


def load_intake(path: Path | None) -> Intake:
    """The rules of a file that holds ``[intake]`` alone; the usual ones without a file. Raises ConfigError when it cannot be read."""
    if path is None:
        return Intake()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"the intake file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from None
    for key in content:
        if key != "intake":
            raise unknown_key(key, ("intake",), where=path.name)
    return parse_intake(content.get("intake", {}))
