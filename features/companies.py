"""What an e-mail domain and a company size tell about a lead's company.

Addresses are never kept: only their domain is looked at, and only its kind goes into the matrix.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

DOMAIN_KINDS = ("free_mail", "corporate", "education", "government", "missing")
SIZE_BANDS = ("1-10", "11-50", "51-200", "201-500", "501-1000", "1001-5000", "5001+")

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
_UPPER = (10, 50, 200, 500, 1_000, 5_000)


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
    name = re.sub(r"^[a-z]+://", "", domain.strip().casefold())
    name = re.split(r"[/?#:]", name)[0].rstrip(">.").removeprefix("www.")
    if not _DOMAIN.fullmatch(name):
        return None
    if _is_free(name):
        return "free_mail"
    if _EDUCATION.search(name) or _UNIVERSITY.search(name):
        return "education"
    if _GOVERNMENT.search(name):
        return "government"
    return "corporate"


def _is_free(name: str) -> bool:
    if name in _FREE_DOMAINS:
        return True
    first, _, ending = name.partition(".")
    if first not in _FREE_NAMES:
        return False
    only = _ONLY_WITH.get(first)
    return name in only if only else bool(_FREE_ENDINGS.fullmatch(ending))


def band_of_employees(employees: float) -> str | None:
    """The band of a head count; None below 1, which is how CRMs write "not known".

    >>> band_of_employees(350.0), band_of_employees(10.5), band_of_employees(0.0)
    ('201-500', '11-50', None)
    """
    if not math.isfinite(employees) or employees < 1:
        return None
    return SIZE_BANDS[sum(employees > upper for upper in _UPPER)]


@lru_cache(maxsize=5_000)
def band_of_text(text: str) -> str | None:
    """The band of a written size; of a range, the band its middle lies in. None when no number is in it.

    >>> band_of_text("200-499"), band_of_text("11-50 employees"), band_of_text("2000+"), band_of_text("1.000 – 5.000"), band_of_text("5k")
    ('201-500', '11-50', '1001-5000', '1001-5000', '1001-5000')
    """
    plain = re.sub(r"(?<=\d)[,.'’\u00a0\u202f ](?=\d{3}(?!\d))", "", text.casefold())
    numbers = [
        float(n) * (1_000 if k else 1) for n, k in re.findall(r"(\d+(?:\.\d+)?)\s*(k)?(?![a-z])", plain)
    ]
    if not numbers:
        return (
            SIZE_BANDS[0] if re.search(r"\b(?:self[ -]employed|freelancer?|solo|just me)\b", plain) else None
        )
    if re.search(r"(?:<|\bunder\b|\bless than\b|\bbis zu\b|\bup to\b|\bmoins de\b|\bmenos de\b)", plain):
        return band_of_employees(max(1.0, numbers[0] / 2))
    if len(numbers) == 1 and re.search(
        r"(?:>|\bover\b|\bmore than\b|\b[uü]ber\b|\bplus de\b|\bm[aá]s de\b|\+)", plain
    ):
        return band_of_employees(numbers[0] + 1)
    return band_of_employees(sum(numbers[:2]) / len(numbers[:2]))
