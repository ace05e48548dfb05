"""API keys on both databases: made once, two live for rotation, revoked, and never kept themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from data.errors import ConfigError
from data.keys import SCOPES, Key, digest_of
from data.store import open_store

NOW = 1_000_000


@pytest.fixture
def keys(store_url):
    with closing(open_store(store_url)) as store:
        yield store.keys


def test_a_key_is_known_by_its_digest_and_told_by_its_ends(keys):
    secret, made = keys.create("crm", ["read", "score"], now=NOW, rate_per_minute=60)
    assert secret.startswith("ll_")
    assert len(secret) == 3 + 64
    [held] = keys.all()
    assert held == made
    assert held == Key("crm", secret[:7], secret[-4:], digest_of(secret), ("score", "read"), 60, NOW)


def test_the_key_itself_is_nowhere_in_the_database(sqlite_url):
    with closing(open_store(sqlite_url)) as store:
        secret, _ = store.keys.create("crm", ["score"], now=NOW)
        with store._engine.connect() as connection:
            row = connection.execute(text("SELECT * FROM keys")).one()
    assert secret not in repr(row)
    assert secret[7:-4] not in repr(row)


def test_two_of_a_name_live_and_a_third_is_refused_with_the_way_to_mend_it(keys):
    _, first = keys.create("crm", ["score"], now=NOW)
    keys.create("crm", ["score"], now=NOW)
    keys.create("other", ["score"], now=NOW)
    with pytest.raises(ConfigError, match=f"leadloop keys revoke crm --ending {first.ending}"):
        keys.create("crm", ["score"], now=NOW)
    keys.revoke("crm", ending=first.ending, now=NOW + 5)
    keys.create("crm", ["score"], now=NOW)
    assert [key.revoked_at for key in keys.all()] == [NOW + 5, None, None, None]


def test_of_many_made_at_once_two_live(store_url):
    def make(_: int) -> bool:
        with closing(open_store(store_url)) as store:
            try:
                store.keys.create("crm", ["score"], now=NOW)
            except ConfigError:
                return False
            return True

    open_store(store_url).close()
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(make, range(6))) == 2


def test_a_revocation_says_which_when_two_are_meant(keys):
    keys.create("crm", ["score"], now=NOW)
    _, second = keys.create("crm", ["score"], now=NOW)
    with pytest.raises(ConfigError, match="say which one"):
        keys.revoke("crm", now=NOW)
    assert keys.revoke("crm", now=NOW, ending=second.ending).sha256 == second.sha256
    keys.revoke("crm", now=NOW)
    with pytest.raises(ConfigError, match="no live key is named 'crm'"):
        keys.revoke("crm", now=NOW)


@pytest.mark.parametrize(
    ("name", "scopes", "rate", "said"),
    [
        ("", ["score"], None, "a key's name"),
        ("a b", ["score"], None, "a key's name"),
        ("crm", [], None, "known are score, ingest"),
        ("crm", ["scores"], None, "did you mean 'score'"),
        ("crm", ["score"], 0, "from 1 to"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys, name, scopes, rate, said):
    with pytest.raises(ConfigError, match=said):
        keys.create(name, scopes, now=NOW, rate_per_minute=rate)


@given(st.sets(st.sampled_from(SCOPES)), st.sampled_from(SCOPES))
def test_a_scope_is_allowed_when_named_or_when_admin_is(scopes, asked):
    key = Key("crm", "ll_aaaa", "bbbb", "", tuple(scopes), None, NOW)
    assert key.allows(asked) == (asked in scopes or "admin" in scopes)
