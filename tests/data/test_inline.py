"""Records of a request give the snapshots that the same touchpoints give as objects."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.domain import Touchpoint
from data.inline import inline_snapshots
from data.ledger import TEXT_COLUMNS
from data.snapshots import LeadHistory, ProfileVersion, Snapshots, snapshots_of
from tests.features.histories import NOON, profiles, touchpoint_lists


def assert_same(one: Snapshots, other: Snapshots) -> None:
    assert one.lead_ids == other.lead_ids
    for name in ("cutoffs", "created_at", "start", "stop"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    for name in ("occurred_at", "received_at", "value"):
        assert getattr(one.ledger, name).tobytes() == getattr(other.ledger, name).tobytes(), name
    for name in TEXT_COLUMNS:
        assert _texts(one, name) == _texts(other, name)
    assert {k: repr(v.tolist()) for k, v in one.fields.items()} == {
        k: repr(v.tolist()) for k, v in other.fields.items()
    }


def _texts(snapshots: Snapshots, name: str) -> list[str | None]:
    column = snapshots.ledger.text(name)
    return [None if code < 0 else column.levels[code] for code in column.codes]


@given(st.lists(st.integers(-(1 << 62), 1 << 62), min_size=2, max_size=6, unique=True))
def test_instants_may_lie_as_far_apart_as_they_will(instants):
    records = [
        {
            "lead_id": name,
            "touchpoints": [{"touchpoint_id": f"{name}{t}", "occurred_at": t} for t in instants],
        }
        for name in "ab"
    ]
    assert inline_snapshots(records, cutoff=NOON).ledger.occurred_at.tolist() == 2 * sorted(instants)


@given(st.lists(st.tuples(touchpoint_lists(), profiles), max_size=4))
def test_records_give_what_objects_give(leads):
    objects = [
        (LeadHistory(f"l{k}", NOON - k, [ProfileVersion(0, 0, known)] if known else [], own), NOON)
        for k, (own, known) in enumerate(leads)
    ]
    records = [
        {
            "lead_id": f"l{k}",
            "created_at": NOON - k,
            "profile": known,
            "touchpoints": [_record(t) for t in own],
        }
        for k, (own, known) in enumerate(leads)
    ]
    assert_same(inline_snapshots(records, cutoff=NOON), snapshots_of(objects))


def _record(touchpoint: Touchpoint) -> dict:
    """Only the fields that say something, as a request has them."""
    record = {k: v for k, v in touchpoint._asdict().items() if v is not None}
    if record["source"] == "api":
        del record["source"]
    return record


def test_of_two_with_one_id_the_first_received_stays():
    own = [
        {"touchpoint_id": "t", "occurred_at": 5, "type": "call", "received_at": 9},
        {"touchpoint_id": "t", "occurred_at": 7, "type": "chat", "received_at": 8},
    ]
    made = inline_snapshots([{"touchpoints": own}], cutoff=10)
    assert made.ledger.type.levels == ("chat",)


def test_a_lead_may_have_nothing():
    made = inline_snapshots([{"lead_id": "ada"}, {"lead_id": "bob", "touchpoints": None}], cutoff=10)
    assert made.stop.tolist() == [0, 0]
    assert np.all(made.created_at == 10)
