"""Dead letters: kept once, the newest only, and gone with the person."""

from __future__ import annotations

import pytest

from data import deadletters
from data.domain import DAY
from data.store import Store

NOW = 20_000 * DAY


def test_the_newest_come_first_and_the_same_one_is_kept_once(store: Store):
    letters = [("ada", "no time", {"b": 1, "a": "ü"}), (None, "no object", "text")]
    assert store.dead_letters.add("hubspot", letters, now=NOW) == 2
    assert store.dead_letters.add("hubspot", [*letters, letters[0]], now=NOW + 1) == 0
    assert store.dead_letters.add("segment", letters[:1], now=NOW + 2) == 1
    held = store.dead_letters.recent()
    assert (held[0].source, held[0].received_at) == ("segment", NOW + 2)
    assert ("hubspot", "ada", NOW, "no time", '{"a": "\\u00fc", "b": 1}') in held
    assert len(held) == 3
    assert store.dead_letters.recent(limit=1) == held[:1]


def test_only_so_many_stay(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deadletters, "MOST", 3)
    for n in range(5):
        store.dead_letters.add("hubspot", [(None, "why", n)], now=NOW)
    assert [letter.body for letter in store.dead_letters.recent()] == ["4", "3", "2"]


def test_a_long_one_is_cut(store: Store):
    store.dead_letters.add("hubspot", [(None, "why", "x" * 10_000)], now=NOW)
    assert len(store.dead_letters.recent()[0].body) == 4_000


def test_they_go_with_the_person_and_none_comes_after(store: Store):
    letters = [("ada", "why", {"n": 1}), ("bob", "why", {"n": 2}), (None, "why", {"n": 3})]
    store.dead_letters.add("hubspot", letters, now=NOW)
    assert store.privacy.erase("ada", now=NOW).dead_letters == 1
    assert store.dead_letters.add("hubspot", [("ada", "why", {"n": 4})], now=NOW) == 0
    assert {letter.lead_id for letter in store.dead_letters.recent()} == {"bob", None}
