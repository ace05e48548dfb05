"""Channels: what brought a visit, by GA4's default grouping.

A visit's source, medium and campaign come from its UTM parameters; what these leave open comes from click ids (an advertisement was
clicked), then from the referrer. Channels have the names of GA4's in our writing: "Paid Search" is ``paid_search``.

Source: "[GA4] Default channel group", support.google.com/analytics/answer/9756891, manual traffic; its rows in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from data.channel_sites import kinds_of_site

CHANNELS = (
    "direct", "cross_network", "paid_shopping", "paid_search", "paid_social", "paid_video", "display", "paid_other",
    "organic_shopping", "organic_social", "organic_video", "organic_search", "referral", "email", "affiliates", "audio", "sms",
    "mobile_push", "unassigned",
)  # fmt: skip

# Click id -> the source and medium it stands for. Facebook adds its own to every link, paid for or not.
CLICK_IDS: Mapping[str, tuple[str, str]] = {
    "gclid": ("google", "cpc"),
    "gbraid": ("google", "cpc"),
    "wbraid": ("google", "cpc"),
    "msclkid": ("bing", "cpc"),
    "dclid": ("google", "display"),
    "li_fat_id": ("linkedin", "cpc"),
    "ttclid": ("tiktok", "cpc"),
    "twclid": ("twitter", "cpc"),
    "fbclid": ("facebook", "social"),
}
ORIGIN_FIELDS = ("utm_source", "utm_medium", "utm_campaign", "referrer", "page_url", *CLICK_IDS)

_PAID = re.compile(r"^(.*cp.*|ppc|retargeting|paid.*)$")
_SHOP = re.compile(r"^(.*(([^a-df-z]|^)shop|shopping).*)$")
_EMAIL = re.compile(r"email|e-mail|e_mail|e mail")
_DISPLAY = frozenset({"display", "banner", "expandable", "interstitial", "cpm"})
_SOCIAL = frozenset({"social", "social-network", "social-media", "sm", "social network", "social media"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a visit came from, in lower case; "" for what is not known.

    ``is_known`` is False where nothing was said, or the visitor came from another page of the same site: that visit has no channel.
    """

    source: str = ""
    medium: str = ""
    campaign: str = ""
    is_known: bool = True


def origin_of(said: Mapping[str, str | None], *, own_domains: Iterable[str] = ()) -> Origin:
    """The origin told by some of ``ORIGIN_FIELDS``.

    Parameters
    ----------
    said : what is known; blank counts as not known. UTM parameters and click ids are also read from the query of ``page_url``.
    own_domains : a referrer there, or below, or on the host of ``page_url`` is no origin.

    An address that cannot be read tells nothing.
    """
    known = {name: text for name in ORIGIN_FIELDS if (text := _clean(said.get(name)))}
    for name, text in _query(known.get("page_url", "")):
        if name in ORIGIN_FIELDS and _clean(text):
            known.setdefault(name, _clean(text))
    source, medium, campaign = (known.get(f"utm_{part}", "") for part in ("source", "medium", "campaign"))
    clicked = next((CLICK_IDS[name] for name in CLICK_IDS if name in known), None)
    if clicked is not None and not medium:
        source, medium = source or clicked[0], clicked[1]
    if source or medium or campaign:
        return Origin(source, medium, campaign)
    host, own_host = host_of(known.get("referrer", "")), host_of(known.get("page_url", ""))
    if host and (host == own_host or is_below(host, own_domains)):
        return Origin(is_known=False)
    if host:
        return Origin(host, "organic" if "search" in kinds_of_site(host) else "referral")
    # The page is known and nothing led to it: typed in, or a bookmark.
    return Origin(is_known="page_url" in known or "referrer" in known)


def default_channel(origin: Origin) -> str:
    """GA4's default channel group of the origin: the first row of its table that holds."""
    source, medium, campaign = origin.source, origin.medium, origin.campaign
    site = kinds_of_site(source)
    is_paid = _PAID.match(medium) is not None
    is_shop = "shopping" in site or _SHOP.match(campaign) is not None
    if (source == "(direct)" and medium in ("(not set)", "(none)", "")) or not (source or medium or campaign):
        return "direct"
    if "cross-network" in campaign:
        return "cross_network"
    if is_paid and is_shop:
        return "paid_shopping"
    for kind in ("search", "social", "video"):
        if is_paid and kind in site:
            return f"paid_{kind}"
    if medium in _DISPLAY:
        return "display"
    if is_paid:
        return "paid_other"
    if is_shop:
        return "organic_shopping"
    if "social" in site or medium in _SOCIAL:
        return "organic_social"
    if "video" in site or "video" in medium:
        return "organic_video"
    if "search" in site or medium == "organic":
        return "organic_search"
    if medium in ("referral", "app", "link"):
        return "referral"
    if _EMAIL.search(source) or _EMAIL.search(medium):
        return "email"
    if medium == "affiliate":
        return "affiliates"
    if medium == "audio":
        return "audio"
    if "sms" in (source, medium):
        return "sms"
    if medium.endswith("push") or "mobile" in medium or "notification" in medium or source == "firebase":
        return "mobile_push"
    return "unassigned"


def host_of(address: str) -> str:
    """The host of an address, in lower case and without ``www.``; "" when it has none or cannot be read.

    >>> host_of("https://WWW.Example.com:8080/a?b"), host_of("example.com/a"), host_of("http://[bad")
    ('example.com', 'example.com', '')
    """
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:
        return ""
    host = host.strip().rstrip(".").removeprefix("www.")
    return "" if any(c.isspace() for c in host) else host


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Whether the host is one of the domains or lies below one."""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _clean(text: str | None) -> str:
    return "" if text is None else text.strip().lower()


def _query(address: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(address).query, max_num_fields=200)
    except ValueError:
        return []
