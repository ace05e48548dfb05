"""Labels that come again and again are looked up instead of checked, and nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import message_fields
from serving.message_fields import common_label_of, label_of
from serving.problems import Problem
from serving.touches import touchpoint_of
from tests.serving.conftest import NOW

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.text()), st.text(max_size=5),
    st.sampled_from([" padded ", "", "   ", "a\x00b", "\ud800", "x" * 200, "x" * 201, "ä" * 200]),
)  # fmt: skip


def told(read, value: object) -> object:
    try:
        return read({"channel": value}, "channel")
    except Problem as problem:
        return problem.document()


@given(VALUES)
def test_a_common_label_is_read_like_any_other_also_the_second_time(value: object):
    first = told(label_of, value)
    assert told(common_label_of, value) == first
    assert told(common_label_of, value) == first


def test_labels_kept_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(message_fields, "_labels", {})
    monkeypatch.setattr(message_fields, "_MOST_LABELS", 10)
    for n in range(100):
        assert common_label_of({"type": f"type {n}"}, "type") == f"type {n}"
        assert len(message_fields._labels) <= 10


def test_what_may_be_about_one_person_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(message_fields, "_labels", {})
    message = {
        "touchpoint_id": "t-1", "occurred_at": "2026-03-07T14:30:00Z", "type": "page_view", "content": "/for/ada", "gclid": "click-1",
        "page_url": "https://acme.example/?ada", "user_agent": "Firefox",
    }  # fmt: skip
    touchpoint_of(message, lead_id="ada", now=NOW)
    assert set(message_fields._labels) == {"page_view"}
