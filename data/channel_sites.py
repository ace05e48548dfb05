"""Well-known sites by what they are: search, social, video, shopping.

Short lists of our own. A name without a dot is a brand: the bare word, and its hosts under any country's ending (``google.co.uk``). A name
with a dot is one host and everything below it. Whoever needs another site writes a rule of his own (``data.channel_rules``).
"""

from __future__ import annotations

import re
from functools import lru_cache

SEARCH = frozenset({
    "360.cn", "aol", "ask", "baidu", "bing", "brave", "search.brave.com", "coccoc", "com.google.android.googlequicksearchbox", "daum",
    "duckduckgo", "ecosia", "excite", "google", "kagi", "lycos", "metager", "mojeek", "msn", "naver", "onet", "qwant",
    "seznam", "sogou", "so.com", "startpage", "swisscows", "virgilio", "yahoo", "yandex", "yep", "you.com",
})  # fmt: skip
SOCIAL = frozenset({
    "bsky", "bsky.app", "com.facebook.katana", "com.linkedin.android", "com.reddit.frontpage", "com.twitter.android", "discord",
    "facebook", "fb", "fb.me", "github", "glassdoor", "goodreads", "hackernews", "news.ycombinator.com", "ig", "instagram", "kununu",
    "line.me", "linkedin", "lnkd.in", "mastodon", "mastodon.social", "medium", "meetup", "messenger", "nextdoor", "odnoklassniki", "ok.ru",
    "org.telegram.messenger", "pinterest", "producthunt", "quora", "reddit", "sina.weibo", "slack", "snapchat", "stackexchange",
    "stackoverflow", "t.co", "t.me", "telegram", "threads", "threads.net", "tiktok", "tumblr", "twitter", "viadeo", "vk", "vk.com",
    "wechat", "weibo", "whatsapp", "x.com", "xing",
})  # fmt: skip
VIDEO = frozenset({
    "bilibili", "com.google.android.youtube", "crackle", "curiositystream", "dailymotion", "disneyplus", "hulu", "iqiyi", "netflix",
    "rumble", "ted", "twitch", "utreon", "viki", "vimeo", "wistia", "youku", "youtu.be", "youtube",
})  # fmt: skip
SHOPPING = frozenset({
    "alibaba", "aliexpress", "allegro", "amazon", "bol", "cdiscount", "ebay", "etsy", "flipkart", "idealo", "igshopping", "mercadolibre",
    "mercadolivre", "otto", "rakuten", "shopify", "shopping.google", "shopping.google.com", "shopzilla", "taobao", "temu", "walmart",
    "wish", "zalando",
})  # fmt: skip

_LISTS = (("shopping", SHOPPING), ("video", VIDEO), ("social", SOCIAL), ("search", SEARCH))
# Below a search engine or a shop these are the same thing; other hosts (mail.google.com) are something else.
_PLAIN = re.compile(r"(www\d*|m|mobile|l|lm|search|images|web|cn|[a-z]{2})")
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"})


@lru_cache(maxsize=4_096)
def kinds_of_site(source: str) -> frozenset[str]:
    """What the site is: of "search", "social", "video", "shopping"; empty for one that is not listed.

    ``source`` is a word as it stands in ``utm_source`` or a host, in lower case.

    >>> sorted(kinds_of_site("www.google.co.uk")), sorted(kinds_of_site("mail.google.com")), sorted(kinds_of_site("l.facebook.com"))
    (['search'], [], ['social'])
    """
    labels = source.split(".")
    below = {".".join(labels[i:]) for i in range(len(labels))}
    brand, before = _brand(labels)
    is_plain = all(_PLAIN.fullmatch(label) for label in before)
    found = set()
    for kind, sites in _LISTS:
        is_brand = brand in sites and (is_plain or kind in ("social", "video"))
        if is_brand or below & {site for site in sites if "." in site}:
            found.add(kind)
    return frozenset(found)


def _brand(labels: list[str]) -> tuple[str, list[str]]:
    """The registered name of a host, and the labels before it: ``de.search.yahoo.co.jp`` is yahoo, below it ``de`` and ``search``."""
    if len(labels) == 1:
        return labels[0], []
    n_ending = 2 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 1
    rest = labels[:-n_ending]
    return rest[-1], rest[:-1]
