"""Keys at the door: who gets in, for what, how fast a revocation works, and that no key is ever repeated."""

from __future__ import annotations

import asyncio
import base64
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import StoreError
from data.keys import SCOPES, Key, digest_of
from serving.auth import scope_of
from serving.keyring import Keyring
from serving.rates import Rates
from tests.serving.conftest import NOW, Service, assert_problem, make_service, stop_service

LEAD = {"lead_id": "ada", "title": "CTO"}
TOUCH = {"lead_id": "ada", "occurred_at": "2026-03-07T14:30:00Z", "type": "webinar"}
OUTCOME = {"lead_id": "ada", "kind": "won", "occurred_at": "2026-03-08T09:00:00Z"}


class SettableSeconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> SettableSeconds:
    return SettableSeconds()


@pytest.fixture
def guarded(tmp_path: Path, store_url: str, seconds: SettableSeconds) -> Iterator[Service]:
    """A service whose clock of seconds stands still, on both databases."""
    made = make_service(tmp_path, store_url=store_url, rates=Rates(monotonic=seconds), seconds=seconds)
    yield made
    stop_service(made)


@pytest.fixture
def local(tmp_path: Path, seconds: SettableSeconds) -> Iterator[Service]:
    """The same on SQLite."""
    made = make_service(tmp_path, rates=Rates(monotonic=seconds), seconds=seconds)
    yield made
    stop_service(made)


def add_key(service: Service, *scopes: str, name: str = "crm", rate: int | None = None) -> str:
    secret, _ = service.store.keys.create(name, scopes or ["admin"], now=NOW, rate_per_minute=rate)
    service.seconds.now += 1
    return secret


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def from_address(service: Service, host: str, path: str = "/v1/whoami") -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=service.app, client=(host, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get(path)

    return asyncio.run(run())


def test_without_any_key_this_machine_alone_is_answered(local: Service):
    for host in ("127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"):
        assert from_address(local, host).status_code == 200, host
    for host in ("10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", "somewhere"):
        said = assert_problem(from_address(local, host), 401, "no_keys")
        assert "leadloop keys create NAME --scope score" in said["message"]


def test_with_a_key_this_machine_needs_one_too(guarded: Service):
    secret = add_key(guarded)
    assert_problem(guarded.post("/v1/score", LEAD), 401, "key_required")
    assert guarded.call("POST", "/v1/score", json=LEAD, headers=bearer(secret)).status_code == 200


def test_a_key_comes_in_any_of_four_ways(local: Service):
    secret = add_key(local)
    for headers in (
        bearer(secret),
        {"Authorization": f"bearer  {secret}"},
        {"X-API-Key": secret},
        basic(secret, ""),
        basic("anybody", secret),
        {"X-API-Key": secret, "Authorization": "Digest whatever"},
    ):
        assert local.call("GET", "/v1/whoami", headers=headers).status_code == 200, headers


def test_a_wrong_key_is_refused_and_not_repeated(local: Service):
    secret = add_key(local)
    wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    for headers in (
        bearer(wrong),
        bearer(secret[:-1]),
        bearer(secret.upper()),
        bearer(digest_of(secret)),
        basic(wrong, wrong),
        {"X-API-Key": wrong},
    ):
        said = assert_problem(local.call("GET", "/v1/whoami", headers=headers), 401, "unknown_key")
        assert wrong not in str(said)
    for headers in ({"Authorization": "Basic %%%"}, {"Authorization": "Bearer"}, bearer("x" * 2_000)):
        assert_problem(local.call("GET", "/v1/whoami", headers=headers), 401, "key_required")


def test_the_refusals_word_by_word(local: Service):
    secret = add_key(local, "ingest")
    refused = local.get("/v1/model")
    assert (
        refused.headers["www-authenticate"]
        == 'Basic realm="leadloop", charset="UTF-8", Bearer realm="leadloop"'
    )
    assert refused.json() == {
        "type": "about:blank",
        "title": "A key is needed",
        "status": 401,
        "detail": refused.json()["message"],
        "code": "key_required",
        "message": "An API key is needed: send it as Authorization: Bearer KEY, as X-API-Key: KEY, or as the user of Basic "
        "authentication; leadloop keys create NAME --scope score makes one.",
    }
    forbidden = local.call("GET", "/v1/model", headers=bearer(secret))
    assert forbidden.json() == {
        "type": "about:blank",
        "title": "Not allowed",
        "status": 403,
        "detail": forbidden.json()["message"],
        "code": "missing_scope",
        "message": "This key lacks the scope 'read'; make one that has it: leadloop keys create NAME --scope read",
    }


CALLS = [
    ("POST", "/v1/score", LEAD, "score"),
    ("POST", "/v1/score/bulk", {"leads": [LEAD]}, "score"),
    ("POST", "/v1/leads", LEAD, "ingest"),
    ("POST", "/v1/touchpoints", TOUCH, "ingest"),
    ("POST", "/v1/links", {"from_id": "visitor", "lead_id": "ada"}, "ingest"),
    ("POST", "/v1/outcomes", OUTCOME, "outcomes"),
    ("GET", "/v1/leads/ada", None, "read"),
    ("GET", "/v1/leads/ada/explanation", None, "read"),
    ("GET", "/v1/model", None, "read"),
    ("GET", "/", None, "read"),
    ("GET", "/docs", None, "read"),
    ("DELETE", "/v1/leads/ada", None, "admin"),
    ("POST", "/v1/leads/ada/suppress", {}, "admin"),
    ("DELETE", "/v1/leads/ada/suppress", None, "admin"),
    ("POST", "/v1/nothing/yet", {}, "admin"),
]


def test_each_call_needs_its_scope_and_admin_is_all(local: Service):
    secrets = {scope: add_key(local, scope, name=scope) for scope in SCOPES}
    for method, path, body, needed in CALLS:
        for scope, secret in secrets.items():
            said = local.call(method, path, json=body, headers=bearer(secret))
            if scope in (needed, "admin"):
                assert said.status_code not in (401, 403), (method, path, scope)
            else:
                document = assert_problem(said, 403, "missing_scope")
                assert repr(needed) in document["message"]
    assert [scope_of("GET", p) for p in ("/livez", "/readyz", "/metrics", "/v1/whoami")] == [
        None,
        None,
        "read",
        "any",
    ]


def test_whoami_tells_key_scopes_and_what_serves(local: Service):
    assert local.get("/v1/whoami").json()["name"] is None
    secret = add_key(local, "score", "ingest")
    said = local.call("GET", "/v1/whoami", headers=bearer(secret)).json()
    assert said.pop("service_version")
    assert said == {"name": "crm", "scopes": ["score", "ingest"], "goal": "qualified", "model_version": "7"}


def test_a_revoked_key_is_worthless_within_a_second(guarded: Service):
    old, new = add_key(guarded), add_key(guarded)
    assert guarded.call("GET", "/v1/whoami", headers=bearer(old)).status_code == 200
    guarded.store.keys.revoke("crm", ending=old[-4:], now=NOW)
    guarded.seconds.now += 0.5
    assert_problem(guarded.call("GET", "/v1/whoami", headers=bearer(old)), 401, "unknown_key")
    assert guarded.call("GET", "/v1/whoami", headers=bearer(new)).status_code == 200


def test_revoking_the_last_key_does_not_open_the_door(local: Service):
    add_key(local)
    local.store.keys.revoke("crm", now=NOW)
    local.seconds.now += 1
    assert_problem(local.get("/v1/whoami"), 401, "key_required")


class CountedKeys:
    """Keys in memory; counts reads, is away or hangs when told."""

    def __init__(self, secret: str) -> None:
        self.held = [Key("crm", "", "", digest_of(secret), ("admin",), None, NOW)]
        self.n_reads = 0
        self.is_away = False
        self.goes_on = threading.Event()
        self.goes_on.set()

    def all(self) -> list[Key]:
        self.n_reads += 1
        self.goes_on.wait(20)
        if self.is_away:
            raise StoreError("the store is busy")
        return self.held


def test_the_store_is_read_twice_a_second_at_most(seconds: SettableSeconds):
    keys = CountedKeys("secret")
    ring = Keyring(keys, monotonic=seconds)

    async def ask() -> None:
        await asyncio.gather(*(ring.refresh() for _ in range(100)))

    for _ in range(10):
        asyncio.run(ask())
    assert keys.n_reads == 1
    seconds.now += 0.5
    asyncio.run(ask())
    assert keys.n_reads == 2


def test_while_the_store_is_away_the_last_known_keys_go_on(seconds: SettableSeconds):
    keys = CountedKeys("secret")
    ring = Keyring(keys, monotonic=seconds)
    keys.is_away = True
    seconds.now += 5
    asyncio.run(ring.refresh())
    assert ring.find(["secret"]) is not None
    keys.is_away, keys.held = False, []
    seconds.now += 5
    asyncio.run(ring.refresh())
    assert ring.find(["secret"]) is None


def test_a_store_that_hangs_holds_up_nobody_for_long(seconds: SettableSeconds):
    keys = CountedKeys("secret")
    ring = Keyring(keys, monotonic=seconds)
    keys.goes_on.clear()
    seconds.now += 5
    try:
        for _ in range(50):
            asyncio.run(ring.refresh())
        assert ring.find(["secret"]) is not None
        assert keys.n_reads == 2
    finally:
        keys.goes_on.set()


def test_a_browser_is_asked_for_a_name_and_sees_the_pages(local: Service):
    secret = add_key(local, "read")
    assert local.get("/").headers["www-authenticate"].startswith("Basic ")
    page = local.call("GET", "/", headers=basic("leadloop", secret))
    assert (page.status_code, "leadloop" in page.text) == (200, True)


def test_a_page_of_another_site_cannot_change_anything(local: Service):
    forged = {"Sec-Fetch-Site": "cross-site"}
    assert_problem(local.call("POST", "/v1/outcomes", json=OUTCOME, headers=forged), 403, "cross_site")
    assert local.call("GET", "/", headers=forged).status_code == 200


def test_a_key_may_send_its_rate_and_then_waits(local: Service):
    secret, other = add_key(local, rate=3), add_key(local, name="other")
    answers = [local.call("GET", "/v1/whoami", headers=bearer(secret)) for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert [a.headers["ratelimit"] for a in answers] == [
        '"key";r=2;t=0', '"key";r=1;t=0', '"key";r=0;t=20', '"key";r=0;t=20',
    ]  # fmt: skip
    assert answers[3].headers["retry-after"] == "20"
    assert answers[3].headers["ratelimit-policy"] == '"key";q=3;w=60'
    assert_problem(answers[3], 429, "rate_limited")
    free = local.call("GET", "/v1/whoami", headers=bearer(other))
    assert (free.status_code, "ratelimit" in free.headers) == (200, False)
    local.seconds.now += 20
    assert local.call("GET", "/v1/whoami", headers=bearer(secret)).status_code == 200
    assert local.call("GET", "/v1/whoami", headers=bearer(secret)).status_code == 429


@given(
    st.integers(1, 600),
    st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200),
)
def test_no_key_gets_more_than_its_bucket_and_its_rate(rate: int, gaps: list[float]):
    seconds = SettableSeconds()
    rates = Rates(monotonic=seconds)
    key = Key("crm", "", "", "x", ("score",), rate, NOW)
    granted = 0
    for gap in gaps:
        seconds.now += gap
        allowance = rates.take(key)
        assert allowance is not None
        granted += allowance.is_granted
        assert granted <= rate + seconds.now * rate / 60 + 1e-6
        if not allowance.is_granted:
            seconds.now += allowance.wait_seconds
            again = rates.take(key)
            assert again is not None
            assert again.is_granted
            granted += 1


_methods = st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"])
_paths = st.sampled_from(
    [
        "/",
        "/v1/score",
        "/v1/score/bulk",
        "/v1/leads",
        "/v1/model",
        "/v1/whoami",
        "/nothing",
        "/docs",
        "/v1/outcomes",
    ]
)
_ways = st.sampled_from([bearer, lambda s: {"X-API-Key": s}, lambda s: basic(s, ""), lambda s: basic("", s)])
_bodies = st.one_of(st.binary(max_size=40), st.just(b'{"title": "CTO"}'), st.just(b'{"nonsense": 1}'))


def test_neither_answer_nor_log_repeats_a_key(local: Service, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx")  # the test's own client
    good, poor = add_key(local), add_key(local, "outcomes", name="poor", rate=30)
    false = "ll_" + "5" * 64
    secrets = [good, poor, false]

    @settings(max_examples=100)
    @given(
        st.sampled_from(secrets), _ways, _methods, _paths, _bodies, st.sampled_from(["key", "body", "query"])
    )
    def law(secret, way, method, path, body, also):
        if also == "body":
            body = b'{"title": "%s", "%s": 1}' % (secret.encode(), secret.encode())
        query = f"?api_key={secret}" if also == "query" else ""
        said = local.call(method, path + query, content=body, headers=way(secret))
        told = said.text + str(said.headers)
        for known in secrets:
            assert known not in told
            assert known not in caplog.text

    law()
