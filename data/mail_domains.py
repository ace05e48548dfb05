"""What an e-mail domain or web address tells: a free mailer's, a school's, a government's, or a company's own."""

from __future__ import annotations

import re
from functools import lru_cache

DOMAIN_KINDS = ("free_mail", "corporate", "education", "government", "missing")

# Providers with one domain in each country (yahoo.co.uk, gmx.at): the name alone decides.
_FREE_NAMES = frozenset({
    "aol", "fastmail", "gmail", "gmx", "googlemail", "hey", "hotmail", "icloud", "inbox", "laposte",
    "libero", "live", "mail", "mailbox", "msn", "outlook", "pm", "posteo", "proton", "protonmail",
    "rediffmail", "rocketmail", "t-online", "terra", "tutanota", "web", "yahoo", "yandex", "ymail", "zoho",
    "zohomail",
})  # fmt: skip
_FREE_DOMAINS = frozenset({
    "163.com", "126.com", "arcor.de", "bluewin.ch", "bol.com.br", "comcast.net", "free.fr", "freenet.de",
    "hanmail.net", "inbox.lv", "mac.com", "mail.ru", "me.com", "naver.com", "orange.fr", "qq.com",
    "rambler.ru", "sbcglobal.net", "seznam.cz", "sfr.fr", "skynet.be", "tin.it", "tiscali.it", "tuta.com",
    "uol.com.br", "verizon.net", "virgilio.it", "wanadoo.fr", "wp.pl", "o2.pl", "onet.pl", "btinternet.com",
    "cox.net", "att.net", "bk.ru", "list.ru", "ukr.net", "sina.com", "yeah.net",
})  # fmt: skip
# "example" is the ending reserved for made-up addresses, as in tests and demonstrations (RFC 2606).
_FREE_ENDINGS = re.compile(r"com|net|org|example|(?:com?\.)?[a-z]{2}")
# Names that are ordinary words are providers only under these: web.dev is a company.
_ONLY_WITH = {
    "web": {"web.de"}, "mail": {"mail.com", "mail.de", "mail.ru"}, "inbox": {"inbox.com", "inbox.lv", "inbox.ru"}, "hey": {"hey.com"},
    "pm": {"pm.me"}, "terra": {"terra.es", "terra.com.br", "terra.com"}, "mailbox": {"mailbox.org"},
    "libero": {"libero.it"}, "laposte": {"laposte.net"}, "proton": {"proton.me"}, "zoho": {"zoho.com"},
    "t-online": {"t-online.de"}, "posteo": {"posteo.de", "posteo.net"},
}  # fmt: skip

# Country endings sold as if they were none: gov.io is nobody's government.
_COUNTRY = r"\.(?!io$|ai$|me$|tv$)[a-z]{2}"
_EDUCATION = re.compile(rf"(?:^|\.)(?:edu(?:{_COUNTRY})?|ac{_COUNTRY}|sch{_COUNTRY}|k12\.[a-z]{{2}}\.us)$")
_UNIVERSITY = re.compile(
    r"(?:^|\.)(?:uni|univ|tu|th|fh|hs|universit[a-z]*|ecole|college)-[a-z-]+\.[a-z]{2,3}$"
)
_GOVERNMENT = re.compile(
    rf"(?:^|\.)(?:(?:gov|mil)(?:{_COUNTRY})?|(?:gouv|gob|govt){_COUNTRY}|go\.(?:jp|kr|th|id|ke|tz|ug)|gv\.at|admin\.ch|bund\.de"
    r"|bundeswehr\.(?:de|org)|gc\.ca|europa\.eu|nhs\.uk|gub\.uy)$"
)
_DOMAIN = re.compile(r"(?:[^\s@./]+\.)+[^\s@./\d]{2,}")


def kind_of_email(email: str) -> str | None:
    """The kind of an address's domain, one of ``DOMAIN_KINDS``; None when the text holds no domain."""
    _, at, domain = email.strip().rpartition("@")
    return kind_of_domain(domain) if at else None


@lru_cache(maxsize=20_000)
def kind_of_domain(domain: str) -> str | None:
    """The kind of a domain or web address; None when the text is neither.

    >>> kind_of_domain("gmx.at"), kind_of_domain("https://www.ox.ac.uk/x"), kind_of_domain("acme.io"), kind_of_domain("n/a")
    ('free_mail', 'education', 'corporate', None)
    """
    name = plain_domain(domain)
    if name is None:
        return None
    if _is_free(name):
        return "free_mail"
    if _EDUCATION.search(name) or _UNIVERSITY.search(name):
        return "education"
    if _GOVERNMENT.search(name):
        return "government"
    return "corporate"


def plain_domain(domain: str) -> str | None:
    """A domain without what surrounds it in addresses, in small letters; None when the text holds none.

    >>> plain_domain("https://www.Acme.io/about"), plain_domain("n/a")
    ('acme.io', None)
    """
    name = re.sub(r"^[a-z]+://", "", domain.strip().casefold())
    name = re.split(r"[/?#:]", name)[0].rstrip(">.").removeprefix("www.")
    return name if _DOMAIN.fullmatch(name) else None


def _is_free(name: str) -> bool:
    if name in _FREE_DOMAINS:
        return True
    first, _, ending = name.partition(".")
    if first not in _FREE_NAMES:
        return False
    only = _ONLY_WITH.get(first)
    return name in only if only else bool(_FREE_ENDINGS.fullmatch(ending))
