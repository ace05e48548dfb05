"""Visits that say nothing about a lead: those of bots, and of the firm's own people.

Judged by what a touchpoint tells on its way in; user agents, addresses and e-mail addresses are looked at and not kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from data.channel_rules import texts
from data.channels import host_of, is_below
from data.errors import ConfigError, unknown_key

TRAFFIC_FIELDS = ("user_agent", "ip", "page_url", "email")
BOT, INTERNAL_NETWORK, INTERNAL_HOST, INTERNAL_EMAIL = REASONS = (
    "visit of a bot", "visit from an internal network", "visit of an internal host", "visit of the firm's own people",
)  # fmt: skip

# CUBOT makes phones; "WhatsApp/2" at the start fetches a preview, inside a longer one it is a browser.
_BOTS = re.compile(
    r"(?<!cu)bot(?![a-z])|crawl|spider|headless|preview|monitor|scrap(e|y)|slurp|archiver|lighthouse|pingdom|phantomjs|selenium|playwright"
    r"|puppeteer|facebookexternalhit|embedly|validator|^whatsapp/|^curl/|^wget/|^python-|^go-http-client|^java/|^libwww|^axios/"
)
_KEYS = ("drop_bots", "bot_words", "internal_hosts", "internal_networks", "internal_email_domains")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Which visits are left out.

    Attributes
    ----------
    drop_bots : whether user agents of bots are looked for.
    bot_words : further words by which a user agent is a bot's.
    internal_hosts : hosts whose pages only the firm's own people see, such as a staging site; with everything below them.
    internal_networks : networks of the firm.
    internal_email_domains : domains of the firm's own e-mail addresses, with everything below them.
    """

    drop_bots: bool = True
    bot_words: tuple[str, ...] = ()
    internal_hosts: tuple[str, ...] = ()
    internal_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    internal_email_domains: tuple[str, ...] = ()

    def reason(self, said: Mapping[str, str | None]) -> str | None:
        """Why the visit is left out, one of ``REASONS``; None when it counts. What is not said, or cannot be read, is no reason."""
        agent, ip, page, email = ((said.get(name) or "").strip().lower() for name in TRAFFIC_FIELDS)
        if (
            self.drop_bots
            and agent
            and (_BOTS.search(agent) or any(word in agent for word in self.bot_words))
        ):
            return BOT
        if self.internal_networks and _is_in(ip, self.internal_networks):
            return INTERNAL_NETWORK
        if self.internal_hosts and is_below(host_of(page), self.internal_hosts):
            return INTERNAL_HOST
        if self.internal_email_domains and is_below(email.rpartition("@")[2], self.internal_email_domains):
            return INTERNAL_EMAIL
        return None


def parse_traffic(table: Any, *, where: str) -> Traffic:
    """The filter from its TOML table.

    Raises
    ------
    ConfigError
        For an unknown key (with the nearest known one), or a value of another kind.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table of keys, not {type(table).__name__}")
    for key in table:
        if key not in _KEYS:
            raise unknown_key(key, _KEYS, where=where)
    drop_bots = table.get("drop_bots", True)
    if not isinstance(drop_bots, bool):
        raise ConfigError(f"drop_bots in {where} must be true or false")
    listed = {key: texts(table[key], name=f"{key} in {where}") for key in _KEYS[1:] if key in table}
    networks = tuple(_network(text, where=where) for text in listed.pop("internal_networks", ()))
    return Traffic(drop_bots=drop_bots, internal_networks=networks, **listed)


def _is_in(ip: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any(address in network or (mapped is not None and mapped in network) for network in networks)


def _network(text: str, *, where: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(
            f'{text!r} of internal_networks in {where} is no network; write it like "10.0.0.0/8" or "2001:db8::/32"'
        ) from None
