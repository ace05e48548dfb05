"""HubSpot's webhooks: who may send them, and what becomes of a batch."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import HOUR, parse_instant
from data.sources.hubspot import load_hubspot_rules
from serving.hubspot import HubSpot
from serving.metrics import Uncounted
from serving.problems import Problem
from tests.data.test_hubspot import change, event
from tests.serving.conftest import NOW, Service, assert_problem, make_scorer, make_service, stop_service
from tests.serving.running import promote, register, serving
from tests.serving.test_connect import PAGE, WEBHOOK
from tests.serving.test_fuzz import anything

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
APP = HubSpot(SECRET, "https://leads.example.com")
ADDRESS = "https://leads.example.com/webhooks/hubspot"
AT = (NOW - HOUR) // 1_000
# The body that HubSpot publishes with its examples of signatures.
PUBLISHED = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation",'
    b'"attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]'
)


class Counting(Uncounted):
    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.outcomes: list[str] = []

    def left_out(self, reasons: Any) -> None:
        self.reasons += reasons

    def received_outcomes(self, kinds: Any) -> None:
        self.outcomes += kinds


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def hooked(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    url = request.getfixturevalue(request.param)
    made = make_service(tmp_path, store_url=url, hubspot=APP, metrics=Counting())
    yield made
    stop_service(made)


@pytest.fixture
def light_hooked(tmp_path: Path) -> Iterator[Service]:
    made = make_service(tmp_path, hubspot=APP)
    yield made
    stop_service(made)


def signed(
    body: bytes, *, at: int = NOW // 1_000, address: str = ADDRESS, secret: str = SECRET
) -> dict[str, str]:
    """The headers HubSpot sends, worked out as its documentation says."""
    source = f"POST{address}".encode() + body + str(at).encode()
    mac = hmac.new(secret.encode(), source, hashlib.sha256).digest()
    return {"X-HubSpot-Signature-v3": base64.b64encode(mac).decode(), "X-HubSpot-Request-Timestamp": str(at)}


def send(service: Service, events: object, **options: Any) -> httpx.Response:
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    headers = {**signed(body), **options.pop("headers", {})}
    return service.post_raw("/webhooks/hubspot", body, headers=headers, **options)


# Who may send


def scope_of(path: bytes, query: bytes = b"", method: str = "POST", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"method": method, "path": path.decode(), "raw_path": path, "query_string": query, "headers": raw}


def test_the_signature_of_the_published_body():
    """/pXD... was worked out by hand from HubSpot's description; HubSpot publishes none for version 3."""
    app = HubSpot(SECRET, "https://www.example.com")
    scope = scope_of(b"/webhook_uri")
    assert (
        app.signature(scope, PUBLISHED, b"1700000000000") == b"/pXDSgWeGksQpwCsgqd43P0eY6gBIse9UX0tfkudUrE="
    )
    scope["headers"] = [
        (b"x-hubspot-signature-v3", b"/pXDSgWeGksQpwCsgqd43P0eY6gBIse9UX0tfkudUrE="),
        (b"x-hubspot-request-timestamp", b"1700000000000"),
    ]
    app.check(scope, PUBLISHED, now=1_700_000_000_000_000)
    with pytest.raises(Problem, match="not that of this request"):
        app.check(scope, PUBLISHED + b" ", now=1_700_000_000_000_000)


def test_twelve_escapes_of_the_address_are_signed_written_out():
    app = HubSpot(SECRET, "https://x.example")
    escaped = b"/a%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B%20b"
    expected = signed(b"[]", at=1, address="https://x.example/a:/?@!$'()*,;%20b?q=:%25")
    found = app.signature(scope_of(escaped, b"q=%3A%25"), b"[]", b"1")
    assert found.decode() == expected["X-HubSpot-Signature-v3"]


def test_the_address_is_the_public_one_whatever_the_request_says(light_hooked: Service):
    body = b"[]"
    for host in ("service", "127.0.0.1:3000", "leads.example.com"):
        answer = send(
            light_hooked,
            [event("deletion", occurredAt=AT)],
            headers={"Host": host, "X-Forwarded-Host": "evil"},
        )
        assert answer.status_code == 200, answer.text
    inside = signed(body, address="http://service/webhooks/hubspot")
    assert_problem(light_hooked.post_raw("/webhooks/hubspot", body, headers=inside), 403, "bad_signature")


def test_a_query_is_part_of_what_is_signed(light_hooked: Service):
    body = json.dumps([event("creation", occurredAt=AT)]).encode()
    path = "/webhooks/hubspot?account=7"
    headers = signed(body, address=ADDRESS + "?account=7")
    assert light_hooked.post_raw(path, body, headers=headers).status_code == 200
    assert_problem(light_hooked.post_raw(path, body, headers=signed(body)), 403, "bad_signature")


@pytest.mark.parametrize("minutes", [-4.9, 0, 4.9])
def test_clocks_may_differ_by_five_minutes(light_hooked: Service, minutes: float):
    body = json.dumps([event("creation", occurredAt=AT)]).encode()
    headers = signed(body, at=NOW // 1_000 + int(minutes * 60_000))
    assert light_hooked.post_raw("/webhooks/hubspot", body, headers=headers).status_code == 200


@pytest.mark.parametrize("minutes", [-5.1, 5.1, -1e6])
def test_what_was_signed_long_ago_or_is_still_to_come_is_refused(light_hooked: Service, minutes: float):
    """HubSpot's own client takes stamps of the future."""
    body = b"[]"
    headers = signed(body, at=NOW // 1_000 + int(minutes * 60_000))
    refused = light_hooked.post_raw("/webhooks/hubspot", body, headers=headers)
    assert_problem(refused, 403, "signature_too_old")


@pytest.mark.parametrize("stamp", ["", "-1", "1e12", "soon", "9" * 5_000, "1700000000000.0"])
def test_a_stamp_that_is_no_number_is_refused(light_hooked: Service, stamp: str):
    refused = send(light_hooked, b"[]", headers={"X-HubSpot-Request-Timestamp": stamp})
    assert_problem(refused, 403, "signature_too_old")


@pytest.mark.parametrize("missing", ["X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp"])
def test_without_a_signature_nothing_is_taken(light_hooked: Service, missing: str):
    headers = signed(b"[]")
    del headers[missing]
    # Older signatures, which anybody who saw them could send again, do not stand in for it.
    headers["X-HubSpot-Signature"] = hashlib.sha256(SECRET.encode() + b"[]").hexdigest()
    headers["X-HubSpot-Signature-Version"] = "v1"
    assert_problem(
        light_hooked.post_raw("/webhooks/hubspot", b"[]", headers=headers), 403, "signature_required"
    )


def test_another_secret_signs_otherwise_and_nothing_is_kept(light_hooked: Service):
    body = json.dumps([event("creation", occurredAt=AT)]).encode()
    for signature in (signed(body, secret="other"), {**signed(body), "X-HubSpot-Signature-v3": "é" * 30}):
        raw = {name: value.encode("latin-1") for name, value in signature.items()}
        refused = light_hooked.post_raw("/webhooks/hubspot", body, headers=raw)
        problem = assert_problem(refused, 403, "bad_signature")
        assert SECRET not in json.dumps(problem)
    assert light_hooked.store.lead_ids() == []


def test_no_key_is_needed_and_none_replaces_the_signature(light_hooked: Service):
    secret, _ = light_hooked.store.keys.create("crm", scopes=("admin",), now=NOW)
    assert send(light_hooked, [event("creation", occurredAt=AT)]).status_code == 200
    key = {"X-API-Key": secret}
    assert_problem(light_hooked.post_raw("/webhooks/hubspot", b"[]", headers=key), 403, "signature_required")


def test_where_no_app_is_set_up_the_caller_is_told(service: Service):
    refused = assert_problem(send(service, []), 404, "not_set_up")
    assert "LEADLOOP_HUBSPOT_SECRET" in refused["message"]


def test_the_secret_is_never_shown():
    assert SECRET not in repr(APP)


# What becomes of a batch


def test_the_batch_of_the_page_is_taken(light_hooked: Service):
    light_hooked.clock.now = parse_instant("2026-03-20T12:00:00Z", name="now")
    headers = signed(WEBHOOK.encode(), at=light_hooked.clock.now // 1_000)
    assert send(light_hooked, WEBHOOK.encode(), headers=headers).json() == {
        "received": 1,
        "new": 1,
        "erased": 0,
        "ignored": 0,
        "unusable": 0,
    }


def test_the_file_of_the_page_is_read(tmp_path: Path):
    path = tmp_path / "hubspot.toml"
    path.write_text(PAGE.split("```toml\n")[1].split("```")[0])
    rules = load_hubspot_rules(path)
    assert rules.outcomes["lifecyclestage"] == {"98765432": "qualified", "customer": "won"}


def test_a_batch_is_kept_and_counted(hooked: Service):
    events = [
        change("jobtitle", "CTO", occurredAt=AT),
        change("lifecyclestage", "customer", occurredAt=AT + 1),
        event("creation", occurredAt=AT - 1, changeFlag="NEW"),
        change("jobtitle", "Intern", objectId=8, occurredAt=AT),
        event("merge", objectId=None, primaryObjectId=123, mergedObjectIds=[8], newObjectId=123, occurredAt=AT + 2),
        event(subscriptionType="deal.creation", occurredAt=AT),
        event("creation", objectId=None, occurredAt=AT),
        "nonsense",
    ]  # fmt: skip
    answer = send(hooked, events)
    assert answer.status_code == 200
    assert answer.json() == {"received": 8, "new": 5, "erased": 0, "ignored": 1, "unusable": 2}
    lead = hooked.get("/v1/leads/123").json()
    assert lead["profile"] == {"title": "CTO"}
    assert parse_instant(lead["created_at"], name="t") == (AT - 1) * 1_000
    assert [o["kind"] for o in lead["outcomes"]] == ["won"]
    assert len(hooked.store.dead_letters.recent()) == 2
    counted = hooked.parts.metrics
    assert isinstance(counted, Counting)
    assert counted.outcomes == ["won"]
    assert len(counted.reasons) == 3
    again = send(hooked, [{**e, "attemptNumber": 1} if isinstance(e, dict) else e for e in events]).json()
    assert (again["new"], again["received"]) == (0, 8)


def test_whom_hubspot_erases_is_erased_here_with_what_the_batch_says_of_it(hooked: Service):
    send(hooked, [event("creation", occurredAt=AT), event("creation", objectId=8, occurredAt=AT)])
    events = [
        change("jobtitle", "CTO", occurredAt=AT),
        change("lifecyclestage", "customer", occurredAt=AT),
        event("privacyDeletion", occurredAt=AT),
        change("jobtitle", "x" * 1_001, occurredAt=AT),
    ]
    assert send(hooked, events).json()["erased"] == 1
    assert isinstance(counted := hooked.parts.metrics, Counting)
    assert counted.reasons.count("of an erased person") == 2
    assert hooked.store.lead_ids() == ["8"]
    assert hooked.store.outcomes_of(["123"]) == {}
    assert hooked.store.dead_letters.recent() == []
    assert_problem(hooked.get("/v1/leads/123"), 404)


def test_a_scored_contact_is_told_of_by_later_events(light_hooked: Service):
    """The custom code action scores the contact by its record id; the webhook says what became of it."""
    scored = light_hooked.post("/v1/score", {"lead_id": "123", "title": "CTO"}).json()
    assert scored["stored"]
    send(light_hooked, [change("lifecyclestage", "opportunity", occurredAt=AT)])
    assert light_hooked.get("/v1/leads/123").json()["outcomes"][0]["kind"] == "opportunity"


@pytest.mark.parametrize(
    ("body", "code"), [(b"", "no_body"), (b"{", "not_json"), (b"[]", "empty_list"), (b"\xff", "not_utf8")]
)
def test_a_signed_body_that_is_no_batch_is_refused(light_hooked: Service, body: bytes, code: str):
    assert_problem(send(light_hooked, body), 422, code)


def test_while_the_store_is_away_hubspot_is_asked_to_come_again(tmp_path: Path):
    made = make_service(tmp_path, hubspot=APP, write_patience=0.2)
    try:
        made.parts.writer.stop()
        agent = {"User-Agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/)"}
        refused = send(made, [event("creation", occurredAt=AT)], headers=agent)
        assert refused.status_code == 503
        assert "retry-after" not in refused.headers  # which HubSpot reads as milliseconds
        made.parts.writer.start()
        assert send(made, [event("creation", occurredAt=AT)]).json()["new"] == 1
    finally:
        stop_service(made)


def test_an_event_that_cannot_be_used_is_kept_and_not_repeated_to_the_caller(light_hooked: Service):
    answer = send(light_hooked, [change("company", "Geheim\x00 GmbH", occurredAt=AT)])
    assert answer.json()["unusable"] == 1
    assert "Geheim" not in answer.text
    assert "Geheim" in light_hooked.store.dead_letters.recent()[0].body


_KINDS = st.sampled_from(
    [
        f"{of}.{what}"
        for of in ("contact", "object", "deal")
        for what in ("creation", "propertyChange", "merge", "privacyDeletion")
    ]
)
_MEMBERS = {
    "subscriptionType": _KINDS | anything, "objectTypeId": st.just("0-1") | anything, "portalId": st.just(62515) | anything,
    "objectId": st.integers(1, 3) | anything, "occurredAt": st.just(AT) | anything,
    "propertyName": st.sampled_from(("jobtitle", "lifecyclestage")) | anything,
    "propertyValue": st.sampled_from(("CTO", "customer")) | anything,
    "primaryObjectId": st.integers(1, 3) | anything, "newObjectId": st.integers(1, 3) | anything,
    "mergedObjectIds": st.lists(st.integers(1, 3) | anything, max_size=3) | anything,
}  # fmt: skip


@given(st.lists(st.fixed_dictionaries({}, optional=_MEMBERS) | anything, max_size=5))
def test_whatever_is_signed_is_taken_or_is_no_batch(hooked: Service, events: list[Any]):
    """200 once and 200 again with nothing new, or 422 for what is no JSON; never a crash, which would bring the batch back for a day."""
    answers = [send(hooked, events) for _ in range(2)]
    assert answers[0].status_code in (200, 422), answers[0].text
    assert answers[0].status_code == answers[1].status_code
    if answers[0].status_code == 200:
        counts = answers[1].json()
        assert (counts["received"], counts["new"]) == (len(events), 0)


# The real server


def test_a_real_server_takes_a_signed_batch_and_writes_down_no_secret(tmp_path: Path):
    promote(tmp_path, register(tmp_path, make_scorer(slope=0.1), now=NOW))
    settings = {"LEADLOOP_HUBSPOT_SECRET": SECRET, "LEADLOOP_PUBLIC_URL": "https://leads.example.com/"}
    with serving(tmp_path, **settings) as server:
        at = int(time.time() * 1_000)
        body = json.dumps(
            [change("company", "Geheim GmbH", occurredAt=at), change("company", 7, occurredAt=at)]
        ).encode()
        answers = [
            httpx.post(f"{server.url}/webhooks/hubspot", content=body, headers=headers)
            for headers in (signed(body, at=at), signed(body, at=at, secret="other"), {})
        ]
        assert [answer.status_code for answer in answers] == [200, 403, 403]
        assert answers[0].json() == {"received": 2, "new": 1, "erased": 0, "ignored": 0, "unusable": 1}
        assert httpx.get(f"{server.url}/v1/leads/123").json()["profile"] == {"company": "Geheim GmbH"}
        counted = httpx.get(f"{server.url}/metrics").text
        assert 'endpoint="/webhooks/hubspot"' in counted
        assert 'leadloop_ingest_dropped_total{reason="HubSpot event that cannot be used"} 1.0' in counted
    told = server.log.read_text() + "".join(answer.text for answer in answers) + counted
    assert SECRET not in told
    assert "Geheim" not in told
