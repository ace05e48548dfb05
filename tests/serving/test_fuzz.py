"""Whatever is sent, the answer is a success or a problem document: never a crash, never FastAPI's own refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import OUTCOME_KINDS, PROFILE_FIELDS
from tests.serving.conftest import Service, make_service, stop_service

PATHS = ["/v1/score", "/v1/score/bulk", "/v1/leads", "/v1/touchpoints", "/v1/outcomes"]

ODD_TEXTS = [
    "\x00",
    "\ud800",
    "2026-03-07T14:30:00Z",
    "2026-03-07T14:30:00",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
]
texts = st.one_of(
    st.text(max_size=30), st.sampled_from(ODD_TEXTS), st.datetimes().map(lambda d: d.isoformat() + "Z")
)
numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.sampled_from([1e299, -1e299, 5e-324, 10**299, 2**63, -0.0]),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
values = st.one_of(anything, numbers, texts, st.none())
ids = st.one_of(st.sampled_from(["a", "b", 7]), values)
times = st.one_of(st.just("2026-03-07T14:30:00Z"), values)
touchpoints = st.fixed_dictionaries(
    {},
    optional={
        "touchpoint_id": ids,
        "occurred_at": times,
        "type": st.one_of(st.sampled_from(["pricing_view", "webinar"]), values),
        "channel": values,
        "campaign": values,
        "content": values,
        "direction": values,
        "value": values,
        "source": values,
        "lead_id": ids,
    },
)
leads = st.fixed_dictionaries(
    {},
    optional={
        "lead_id": ids,
        "created_at": times,
        "store": values,
        "touchpoints": st.one_of(st.lists(touchpoints, max_size=3), values),
        "x_own": values,
        **dict.fromkeys(PROFILE_FIELDS[::3], values),
    },
)
# Mostly well formed, with extreme values: these get as far as the scorer.
plausible = st.fixed_dictionaries(
    {},
    optional={
        "lead_id": st.sampled_from(["a", "b", 7, None]),
        "title": st.text(st.characters(exclude_categories=["C"]), max_size=20),
        "country": st.sampled_from(["de", "DE ", "", "zz", None]),
        "employees": st.one_of(
            st.floats(allow_nan=False, allow_infinity=False, max_value=1e299), st.integers(-10, 10**15)
        ),
        "annual_revenue": st.sampled_from([1e299, -1e299, 0, -0.0, 5e-324, None]),
        "x_own": st.one_of(st.booleans(), st.integers(-5, 5), st.sampled_from(["yes", "no"])),
        "touchpoints": st.lists(
            st.fixed_dictionaries(
                {
                    "occurred_at": st.datetimes(
                        min_value=datetime(1900, 1, 1),  # noqa: DTZ001
                        max_value=datetime(2026, 3, 8),  # noqa: DTZ001
                    ).map(lambda d: d.isoformat() + "Z"),
                    "type": st.sampled_from(["pricing_view", "webinar", "call", "\U0001f600"]),
                },
                optional={
                    "value": st.sampled_from([1e299, -1e299, 0.1]),
                    "touchpoint_id": st.sampled_from(["1", "2"]),
                },
            ),
            max_size=4,
        ),
        "store": st.booleans(),
    },
)
outcomes = st.fixed_dictionaries(
    {},
    optional={
        "outcome_id": ids,
        "lead_id": ids,
        "kind": st.one_of(st.sampled_from(OUTCOME_KINDS), values),
        "occurred_at": times,
        "amount": values,
        "undoes": values,
        "source": values,
    },
)
items = st.one_of(plausible, plausible, leads, touchpoints, outcomes, anything)
bodies = st.one_of(
    items,
    st.lists(items, max_size=4),
    st.lists(items, max_size=4).map(lambda found: {"leads": found}),
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = make_service(Path(tmp_path_factory.mktemp("fuzz")))
    yield made
    stop_service(made)


@given(path=st.sampled_from(PATHS), body=bodies)
def test_json_bodies(fuzzed: Service, path: str, body: object):
    # NaN and Infinity are written as such, which is what careless clients do.
    check(fuzzed, path, json.dumps(body).encode())


@given(path=st.sampled_from(PATHS), body=st.binary(max_size=60))
def test_bytes(fuzzed: Service, path: str, body: bytes):
    check(fuzzed, path, body)


@given(path=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_lead_addresses(fuzzed: Service, path: str):
    from urllib.parse import quote

    response = fuzzed.get(f"/v1/leads/{quote(path)}")
    # "." and ".." are taken out of the address by the client itself, which leaves the list of leads: POST only.
    assert response.status_code in (200, 404, 405)
    assert response.headers["content-type"] in ("application/json", "application/problem+json")


def check(service: Service, path: str, body: bytes) -> None:
    response = service.post_raw(path, body)
    if response.status_code == 200:
        # Strict JSON: no NaN comes back either.
        json.loads(response.content, parse_constant=lambda constant: pytest.fail(f"{constant} in an answer"))
        return
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["code"]
    assert document["message"]
