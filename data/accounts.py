"""Accounts: which leads are of one company, and since when that is known.

A lead's account is its company's web domain, or else that of its e-mail address unless a free mailer's, or else the company's name as
it is written, without legal form and punctuation. A lead of which none of these is known has no account. It is of an account from the
instant the profile that says so is known until another profile says otherwise or the lead is known to have been merged into another: at
every cutoff what the profile as of that cutoff says, so each lead is of one account at most, and a merged one counts once.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from data.mail_domains import kind_of_domain, plain_domain

FIELDS = ("company", "company_domain", "email")
# More leads of one account than this are not told apart: a mass of leads under one name is rarely one company.
MOST_LEADS = 1_000

_LEGAL_FORMS = frozenset({
    "ab", "ag", "as", "bv", "co", "company", "corp", "corporation", "gmbh", "inc", "incorporated", "kg", "limited", "llc", "llp",
    "ltd", "mbh", "nv", "oy", "oyj", "plc", "pty", "sa", "sarl", "sas", "sasu", "se", "sl", "spa", "srl", "ug",
})  # fmt: skip
# What people write who have no company, or do not say which.
_NO_COMPANY = frozenset({
    "aucune", "company", "company name", "firma", "freelance", "freelancer", "home", "individual", "keine", "me", "my company", "n a",
    "na", "ninguna", "no company", "none", "not available", "null", "other", "particulier", "personal", "privat", "private", "self",
    "self employed", "selbständig", "selbstständig", "student", "tbd", "test", "unbekannt", "unemployed", "unknown", "xx", "xxx",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spans:
    """Which lead was of which account when: ``since`` is inside, ``until`` is not; int64 instants, shape (m,), in any order.

    ``account`` and ``lead`` are ``hashes`` of their texts. The spans of one lead do not overlap.
    """

    account: np.ndarray
    lead: np.ndarray
    since: np.ndarray
    until: np.ndarray

    def __len__(self) -> int:
        return len(self.since)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, int, int]]) -> Spans:
        """From (account, lead_id, since, until)."""
        account, lead, since, until = zip(*rows, strict=True) if (rows := list(rows)) else ((), (), (), ())
        instants = (np.array(at, dtype=np.int64) for at in (since, until))
        return cls(hashes(account), hashes(lead), *instants)

    @classmethod
    def joined(cls, parts: Sequence[Spans]) -> Spans:
        """All spans of all parts."""
        columns = ([getattr(part, name) for part in parts] for name in cls.__slots__)
        return cls(*map(np.concatenate, columns)) if parts else cls.of(())


@dataclass(frozen=True, slots=True)
class Accounts:
    """What n snapshots know of the leads beside them.

    Attributes
    ----------
    spans : of all leads of the snapshots' accounts, and perhaps of others.
    own : uint64, shape (n,): the lead that is not counted, as a hash: the snapshot's own, or the one it had been merged into by then.
    """

    spans: Spans
    own: np.ndarray

    def take(self, rows: np.ndarray) -> Accounts:
        """Those of the snapshots at these positions."""
        return Accounts(self.spans, self.own[rows])


def hashes(texts: Iterable[str]) -> np.ndarray:
    """64 bits of each text, uint64: the same on every machine."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def account_of(fields: Mapping[str, Any]) -> str | None:
    """The account that these profile fields tell, None when they tell none.

    >>> account_of({"email": "ada@acme.io", "company": "Acme Inc."}), account_of({"email": "ada@gmail.com", "company": "Acme, Inc."})
    ('acme.io', 'acme')
    """
    domain, email, company = (fields.get(name) for name in ("company_domain", "email", "company"))
    return _account(
        domain if isinstance(domain, str) else "",
        email if isinstance(email, str) else "",
        company if isinstance(company, str) else "",
    )


@lru_cache(maxsize=20_000)
def _account(company_domain: str, email: str, company: str) -> str | None:
    _, at, of_address = email.rpartition("@")
    for domain in (company_domain, of_address if at else ""):
        if kind_of_domain(domain) not in (None, "free_mail"):
            return plain_domain(domain)
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", company).casefold().replace(".", ""))
    if " ".join(words) in _NO_COMPANY:
        return None
    while words and words[-1] in _LEGAL_FORMS:
        words.pop()
    name = " ".join(words)
    return name if len(name) > 1 else None
