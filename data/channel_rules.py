"""Channel rules of one's own, looked at before GA4's grouping.

In TOML, as many as wanted; the first whose conditions all hold names the channel::

    [[channels]]
    name = "partner"
    source = ["acme.com", "partner-*"]
    medium = "referral"

Conditions are texts or lists of texts, without regard to case; ``*`` stands for any characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.channels import Origin, default_channel, origin_of
from data.domain import check_text
from data.errors import ConfigError, ContractError, unknown_key

CONDITIONS = ("source", "medium", "campaign")


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """One rule: ``name`` is the channel where every condition (of ``CONDITIONS``) matches one of its patterns."""

    name: str
    conditions: Mapping[str, tuple[str, ...]]

    def holds(self, origin: Origin) -> bool:
        return all(
            any(_matches(getattr(origin, part), pattern) for pattern in patterns)
            for part, patterns in self.conditions.items()
        )


@dataclass(frozen=True, slots=True)
class Channels:
    """How channels are told here: our own rules first, then GA4's. ``own_domains`` are sites of ours, whose referrers tell nothing."""

    rules: tuple[ChannelRule, ...] = ()
    own_domains: tuple[str, ...] = field(default=())

    def channel_of(self, said: Mapping[str, str | None]) -> str | None:
        """The channel told by some of ``data.channels.ORIGIN_FIELDS``; None when they tell none (see ``origin_of``)."""
        origin = origin_of(said, own_domains=self.own_domains)
        if not origin.is_known:
            return None
        return next((rule.name for rule in self.rules if rule.holds(origin)), None) or default_channel(origin)


def parse_rules(entries: Any, *, where: str) -> tuple[ChannelRule, ...]:
    """Rules from a TOML list of tables.

    Raises
    ------
    ConfigError
        For an unknown key (with the nearest known one), a rule without a name or without a condition, or a value that is no text.
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise ConfigError(f"{where} must be a list of tables; write it with two brackets: [[...]]")
    return tuple(
        _parse_rule(entry, where=f"rule {number} of {where}") for number, entry in enumerate(entries, 1)
    )


def _parse_rule(entry: Any, *, where: str) -> ChannelRule:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} must be a table of keys, not {type(entry).__name__}")
    for key in entry:
        if key not in ("name", *CONDITIONS):
            raise unknown_key(key, ("name", *CONDITIONS), where=where)
    try:
        name = check_text(entry.get("name"), name=f"name of {where}", limit=200)
    except ContractError as error:
        raise ConfigError(str(error)) from None
    if name is None:
        raise ConfigError(f'{where} lacks a name; write name = "partner", say')
    conditions = {part: texts(entry[part], name=f"{part} of {where}") for part in CONDITIONS if part in entry}
    if not conditions:
        raise ConfigError(f"{where} has no condition; name at least one of {', '.join(CONDITIONS)}")
    return ChannelRule(name, conditions)


def texts(given: Any, *, name: str) -> tuple[str, ...]:
    """A text or a list of texts, trimmed and in lower case. Raises ConfigError for anything else, an empty list or a blank."""
    listed: Iterable[Any] = given if isinstance(given, list) else [given]
    found = tuple(item.strip().lower() for item in listed if isinstance(item, str))
    if not found or len(found) != len(list(listed)) or not all(found):
        raise ConfigError(f"{name} must be a text or a list of texts, and none of them blank")
    return found


def _matches(text: str, pattern: str) -> bool:
    """Whether the pattern describes the whole text. Not a regular expression: those can take hours on a text made for it."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        place = text.find(part, place, end) + len(part)
        if place < len(part):
            return False
    return True
