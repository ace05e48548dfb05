"""Channels: every row of GA4's table, what fills in for UTM parameters, and rules of one's own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.channel_rules import Channels, parse_rules
from data.channel_sites import SEARCH, SHOPPING, SOCIAL, VIDEO, kinds_of_site
from data.channels import CHANNELS, ORIGIN_FIELDS, Origin, default_channel, host_of
from data.errors import ConfigError

PLAIN = Channels()


def channel(**said: str | None) -> str | None:
    return PLAIN.channel_of(said)


def utm(source: str | None, medium: str | None, campaign: str | None = None) -> str | None:
    return channel(utm_source=source, utm_medium=medium, utm_campaign=campaign)


# Source, medium, campaign; at least one case for each row of the table and each alternative in a row.
GOLDEN = [
    ("(direct)", "(none)", None, "direct"),
    ("(direct)", "(not set)", None, "direct"),
    ("google", "cpc", "2026-Cross-Network-de", "cross_network"),
    ("amazon", "cpc", None, "paid_shopping"),
    ("google", "cpc", "spring-shopping", "paid_shopping"),
    ("newsletter", "ppc", "shop now", "paid_shopping"),
    ("google", "cpc", "workshop", "paid_search"),
    ("google", "cpc", "eshop", "paid_shopping"),
    ("bing", "ppc", None, "paid_search"),
    ("google", "paidsearch", None, "paid_search"),
    ("google", "retargeting", None, "paid_search"),
    ("google", "cpm", None, "paid_search"),
    ("facebook", "paid-social", None, "paid_social"),
    ("linkedin", "cpc", None, "paid_social"),
    ("linkedin", "cpm", None, "paid_social"),
    ("youtube", "cpv-cpc", None, "paid_video"),
    ("vimeo", "paid", None, "paid_video"),
    ("acme-ads", "display", None, "display"),
    ("acme-ads", "banner", None, "display"),
    ("acme-ads", "expandable", None, "display"),
    ("acme-ads", "interstitial", None, "display"),
    ("acme-ads", "cpm", None, "display"),
    ("acme-ads", "cpc", None, "paid_other"),
    ("acme-ads", "paid_listing", None, "paid_other"),
    ("acme-ads", "ppc2", None, "unassigned"),
    ("ebay", "referral", None, "organic_shopping"),
    ("acme", "post", "summer shop", "organic_shopping"),
    ("facebook", "post", None, "organic_social"),
    ("acme", "social", None, "organic_social"),
    ("acme", "social-network", None, "organic_social"),
    ("acme", "social-media", None, "organic_social"),
    ("acme", "sm", None, "organic_social"),
    ("acme", "social network", None, "organic_social"),
    ("acme", "social media", None, "organic_social"),
    ("youtube", "description", None, "organic_video"),
    ("acme", "ourvideos", None, "organic_video"),
    ("duckduckgo", "serp", None, "organic_search"),
    ("acme", "organic", None, "organic_search"),
    ("acme", "referral", None, "referral"),
    ("acme", "app", None, "referral"),
    ("acme", "link", None, "referral"),
    ("acme", "email", None, "email"),
    ("acme", "e-mail", None, "email"),
    ("e_mail", "may", None, "email"),
    ("acme", "e mail", None, "email"),
    ("newsletter-email", "may", None, "email"),
    ("acme", "affiliate", None, "affiliates"),
    ("acme", "audio", None, "audio"),
    ("sms", "may", None, "sms"),
    ("acme", "sms", None, "sms"),
    ("acme", "webpush", None, "mobile_push"),
    ("acme", "mobile-app", None, "mobile_push"),
    ("acme", "notifications", None, "mobile_push"),
    ("firebase", "fcm", None, "mobile_push"),
    ("acme", "fax", None, "unassigned"),
    ("acme", None, None, "unassigned"),
    (None, "fax", None, "unassigned"),
    (None, None, "spring", "unassigned"),
]


@pytest.mark.parametrize(("source", "medium", "campaign", "expected"), GOLDEN)
def test_every_row_of_the_table(source, medium, campaign, expected):
    assert utm(source, medium, campaign) == expected


def test_the_golden_cases_reach_every_channel():
    assert {case[-1] for case in GOLDEN} == set(CHANNELS)


@pytest.mark.parametrize(("source", "medium", "campaign", "expected"), GOLDEN)
def test_case_and_blanks_around_do_not_matter(source, medium, campaign, expected):
    def loud(text):
        return None if text is None else f" {text.upper()}\t"

    assert utm(loud(source), loud(medium), loud(campaign)) == expected


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        (SEARCH, "organic_search"),
        (SOCIAL, "organic_social"),
        (VIDEO, "organic_video"),
        (SHOPPING, "organic_shopping"),
    ],
)
def test_every_listed_site_is_known_by_its_name(sites, expected):
    assert {site: utm(site, "x") for site in sites if utm(site, "x") != expected} == {}


@pytest.mark.parametrize(
    ("host", "kinds"),
    [
        ("google.co.uk", {"search"}),
        ("de.search.yahoo.com", {"search"}),
        ("com.google.android.googlequicksearchbox", {"search"}),
        ("mail.google.com", set()),
        ("notgoogle.com", set()),
        ("google.evil.example", set()),
        ("old.reddit.com", {"social"}),
        ("t.co", {"social"}),
        ("at.co", set()),
        ("reddit.co", {"social"}),
        ("m.youtube.com", {"video"}),
        ("amazon.com.br", {"shopping"}),
        ("aws.amazon.com", set()),
        ("shopping.google.com", {"shopping"}),
        ("", set()),
        (".", set()),
        ("bücher.example", set()),
    ],
)
def test_hosts_are_known_by_their_brand(host, kinds):
    assert kinds_of_site(host) == kinds


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # Nothing said: no channel. A page without a referrer: direct.
        ({}, None),
        ({"utm_source": "", "utm_medium": " ", "referrer": None}, None),
        ({"page_url": "https://acme.example/pricing"}, "direct"),
        # Referrers.
        ({"referrer": "https://www.google.com/"}, "organic_search"),
        ({"referrer": "https://www.linkedin.com/feed"}, "organic_social"),
        ({"referrer": "android-app://com.linkedin.android/"}, "organic_social"),
        ({"referrer": "https://blog.partner.example/post"}, "referral"),
        ({"referrer": "https://münchen.example/"}, "referral"),
        # Another page of the same site is no new visit.
        ({"referrer": "https://www.acme.example/", "page_url": "https://acme.example/pricing"}, None),
        ({"referrer": "https://docs.acme.example/", "page_url": "https://acme.example/pricing"}, "referral"),
        # Click ids, as fields and in the address.
        ({"gclid": "abc"}, "paid_search"),
        ({"page_url": "https://acme.example/?gclid=abc"}, "paid_search"),
        ({"gbraid": "1"}, "paid_search"),
        ({"wbraid": "1"}, "paid_search"),
        ({"msclkid": "1"}, "paid_search"),
        ({"dclid": "1"}, "display"),
        ({"li_fat_id": "1"}, "paid_social"),
        ({"ttclid": "1"}, "paid_social"),
        ({"twclid": "1"}, "paid_social"),
        ({"fbclid": "1"}, "organic_social"),
        ({"fbclid": "1", "utm_medium": "cpc", "utm_source": "facebook"}, "paid_social"),
        ({"gclid": "1", "utm_source": "newsletter"}, "paid_other"),
        ({"gclid": "", "referrer": "https://www.google.com"}, "organic_search"),
        # UTM parameters are stronger than click ids, fields stronger than the address.
        ({"gclid": "1", "utm_source": "newsletter", "utm_medium": "email"}, "email"),
        ({"page_url": "https://acme.example/?utm_source=x&utm_medium=email"}, "email"),
        ({"page_url": "https://acme.example/?utm_medium=email", "utm_medium": "sms"}, "sms"),
        ({"page_url": "https://acme.example/?utm_source=&utm_medium="}, "direct"),
        ({"utm_medium": "email", "referrer": "https://www.google.com"}, "email"),
        # Addresses nobody can read.
        ({"referrer": "http://[bad"}, "direct"),
        ({"referrer": "not an address"}, "direct"),
        ({"page_url": "http://[::1", "referrer": "https://www.bing.com"}, "organic_search"),
        ({"page_url": "\x00\ud800"}, "direct"),
    ],
)
def test_what_utm_parameters_leave_open(said, expected):
    assert PLAIN.channel_of(said) == expected


def test_referrers_from_domains_of_our_own_tell_nothing():
    ours = Channels(own_domains=("acme.example",))
    said = {"referrer": "https://app.acme.example/", "page_url": "https://acme.example/"}
    assert ours.channel_of(said) is None
    assert ours.channel_of(said | {"referrer": "https://notacme.example/"}) == "referral"


_texts = (
    st.none()
    | st.text(max_size=30)
    | st.sampled_from(["google", "cpc", "http://", "https://a.b/?utm_source=ß", "//["])
)


@given(st.dictionaries(st.sampled_from(ORIGIN_FIELDS), _texts))
def test_whatever_is_sent_has_one_of_the_channels_or_none(said):
    assert PLAIN.channel_of(said) in {*CHANNELS, None}


def test_hosts_of_odd_addresses():
    assert [
        host_of(a)
        for a in ("", "HTTPS://WWW.Ä.example.:8443/x", "user:pw@acme.example/x", ".", "a b.example")
    ] == [
        "",
        "ä.example",
        "acme.example",
        "",
        "",
    ]


def test_a_shop_needs_the_word_alone_or_after_an_e():
    """GA4's expression: "workshop" is none, "eshop" and "shop" are."""
    assert [
        default_channel(Origin("acme", "post", c)) == "organic_shopping"
        for c in ("workshop", "eshop", "shop")
    ] == [
        False,
        True,
        True,
    ]


# Rules of one's own

RULES = [
    {"name": "partner", "source": ["Acme.com", "partner-*"], "medium": "referral"},
    {"name": "fair", "campaign": "*fair*"},
    {"name": "fair in May", "campaign": "may-fair"},
]


@pytest.mark.parametrize(
    ("source", "medium", "campaign", "expected"),
    [
        ("ACME.com", "Referral", None, "partner"),
        ("partner-7", "referral", None, "partner"),
        ("partner-7", "email", None, "email"),
        ("google", "cpc", "may-fair", "fair"),
        ("(direct)", "(none)", "fair", "fair"),
        ("acme.community", "referral", None, "referral"),
    ],
)
def test_the_first_rule_that_holds_comes_before_the_defaults(source, medium, campaign, expected):
    channels = Channels(parse_rules(RULES, where="[[channels]]"))
    said = {"utm_source": source, "utm_medium": medium, "utm_campaign": campaign}
    assert channels.channel_of(said) == expected


def test_a_rule_sees_what_the_referrer_told():
    channels = Channels(parse_rules(RULES, where="[[channels]]"))
    assert channels.channel_of({"referrer": "https://www.acme.com/x"}) == "partner"
    assert channels.channel_of({"page_url": "https://we.example/"}) == "direct"


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_a_star_stands_for_any_characters(pattern, text):
    rule = parse_rules([{"name": "p", "campaign": pattern or "*"}], where="rules")[0]
    expected = re.fullmatch(".*".join(map(re.escape, (pattern or "*").split("*"))), text) is not None
    assert rule.holds(Origin(campaign=text)) == expected


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (
            [{"name": "p", "sources": "x"}],
            r"unknown key 'sources' in rule 1 of \[\[channels\]\]; did you mean 'source'\?",
        ),
        ([{"source": "x"}], "lacks a name"),
        ([{"name": 3, "source": "x"}], "must be text"),
        ([{"name": "p"}], "has no condition; name at least one of source, medium, campaign"),
        ([{"name": "p", "source": []}], "source of rule 1.*must be a text or a list of texts"),
        ([{"name": "p", "source": ["a", 3]}], "must be a text or a list of texts"),
        ([{"name": "p", "source": " "}], "none of them blank"),
        ({"name": "p"}, "two brackets"),
        (["p"], "must be a table"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(entries, says):
    with pytest.raises(ConfigError, match=says):
        parse_rules(entries, where="[[channels]]")
