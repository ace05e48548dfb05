"""Refusals: every one is a problem document that a CRM admin understands, and none repeats what was sent."""

from __future__ import annotations

import ast
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.serving.conftest import Service, assert_problem

VISIT = {"touchpoint_id": "t1", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}
ROOT = Path(__file__).parents[2]
SECRET = "Ada.Lovelace@example.org"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "no_body"),
        (b"   ", "no_body"),
        (b"title=CTO&company=x", "not_json"),
        (b'{"title": "CTO"', "not_json"),
        (b'{"title": "CTO"} {"title": "CTO"}', "not_json"),
        (b"[]", "not_an_object"),
        (b'"CTO"', "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"employees": NaN}', "not_finite"),
        (b'{"employees": -Infinity}', "not_finite"),
        (b'{"employees": 1e999}', "not_finite"),
        (b'{"employees": 1' + b"0" * 5000 + b"}", "not_finite"),
        (b'{"employees": 1e300}', "invalid"),
        (b'{"title": "a", "title": "b"}', "duplicate_key"),
        (b'{"title": "\\ud800"}', "invalid"),
        (b'{"lead_id": "\\udfff", "title": "a"}', "invalid"),
        (b'{"title": "a\\u0000b"}', "invalid"),
        (b'{"lead_id": "a\\u0000b", "title": "a"}', "invalid"),
        (b'{"title": "\xff\xfe"}', "not_utf8"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
        (b"{}", "no_information"),
        (b'{"lead_id": "nobody"}', "no_information"),
        (b'{"title": null, "touchpoints": []}', "no_information"),
        (b'{"title": "  "}', "no_information"),
        (b'{"title": 5}', "invalid"),
        (b'{"title": ["CTO"]}', "invalid"),
        (b'{"title": {"a": 1}}', "invalid"),
        (b'{"employees": "many"}', "invalid"),
        (b'{"employees": true}', "invalid"),
        (b'{"lead_id": "", "title": "a"}', "invalid"),
        (b'{"lead_id": {}, "title": "a"}', "invalid"),
        (b'{"lead_id": "' + b"x" * 201 + b'", "title": "a"}', "invalid"),
        (b'{"title": "' + b"x" * 1001 + b'"}', "invalid"),
        (b'{"store": "no", "title": "a"}', "invalid"),
        (b'{"touchpoints": {}, "title": "a"}', "invalid"),
        (b'{"touchpoints": [5]}', "not_an_object"),
        (b'{"touchpoints": [{"type": "webinar"}]}', "missing_field"),
        (b'{"touchpoints": [{"occurred_at": "2026-03-07T14:30:00Z"}]}', "missing_field"),
        (b'{"created_at": "2026-03-07T14:30:00", "title": "a"}', "invalid"),
        (b'{"created_at": "yesterday", "title": "a"}', "invalid"),
        (b'{"created_at": 1772900000, "title": "a"}', "invalid"),
        (b'{"created_at": "0001-01-01T00:00:00Z", "title": "a"}', "invalid"),
        (b'{"created_at": "2026-03-08T12:06:00Z", "title": "a"}', "in_the_future"),
    ],
)  # fmt: skip
def test_score_refuses(service: Service, body: bytes, code: str):
    document = assert_problem(service.post_raw("/v1/score", body), 422, code)
    assert document["detail"] == document["message"]


def codes_of_serving() -> set[str]:
    """Every code that the source can give a Problem."""
    found = set()
    for path in (ROOT / "serving").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", None) == "Problem"
                and len(node.args) > 1
            ):
                continue
            code = node.args[1]
            if isinstance(code, ast.Constant):
                found.add(code.value)
            elif isinstance(code, ast.JoinedStr):
                found.add("".join(p.value if isinstance(p, ast.Constant) else "…" for p in code.values))
    return found


def test_every_code_is_documented_and_every_documented_code_exists():
    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    table = page.split("| code | status | when |")[1].split("\n\n")[0]
    documented = set(re.findall(r"^\| `([a-z0-9_…]+)`", table, re.MULTILINE))
    codes = codes_of_serving()
    assert {"unknown_field", "no_model", "too_large", "http_…"} <= codes
    assert documented == codes


def test_unknown_field_names_the_nearest(service: Service):
    document = assert_problem(service.post("/v1/score", {"titel": "CTO"}), 422, "unknown_field")
    assert "'titel'; did you mean 'title'?" in document["message"]
    touch = {**VISIT, "chanel": "email"}
    document = assert_problem(
        service.post("/v1/score", {"touchpoints": [VISIT, touch]}), 422, "unknown_field"
    )
    assert "did you mean 'channel'?" in document["message"]
    assert document["errors"][0]["pointer"] == "/touchpoints/1/chanel"


def test_own_fields_start_with_x(service: Service):
    assert service.post("/v1/score", {"x_plan": "gold", "x_seats": 5, "x_trial": True}).status_code == 200
    document = assert_problem(service.post("/v1/score", {"zzz_plan": "gold"}), 422, "unknown_field")
    assert "start with 'x_'" in document["message"]
    assert_problem(service.post("/v1/score", {"x_Plan": "gold"}), 422, "unknown_field")


def test_future_touchpoint_is_refused_beyond_five_minutes(service: Service):
    for path, body in (
        ("/v1/score", {"touchpoints": [{**VISIT, "occurred_at": "2026-03-08T12:05:01Z"}]}),
        ("/v1/touchpoints", {**VISIT, "lead_id": "a", "occurred_at": "2026-03-08T12:05:01Z"}),
        ("/v1/outcomes", {"lead_id": "a", "kind": "won", "occurred_at": "2026-03-08T12:05:01Z"}),
    ):
        document = assert_problem(service.post(path, body), 422, "in_the_future")
        assert "5 minutes" in document["message"]
    exactly = {"touchpoints": [{**VISIT, "occurred_at": "2026-03-08T12:05:00Z"}]}
    assert service.post("/v1/score", exactly).status_code == 200


def test_wrong_addresses_and_methods_are_problems(service: Service):
    assert_problem(service.get("/v1/nothing"), 404, "not_found")
    assert_problem(service.post("/v1/score/", {}), 404, "not_found")
    document = assert_problem(service.get("/v1/score"), 405, "method_not_allowed")
    assert "POST" in document["message"]
    assert_problem(service.call("DELETE", "/v1/model"), 405)
    assert_problem(service.get("/static/../service.py"), 404)


def test_fifty_megabytes_are_refused_declared_or_streamed(service: Service):
    large = b" " * 50_000_000
    assert_problem(service.post_raw("/v1/score", large), 413, "too_large")

    async def streamed() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield large[:1_000_000]

    response = service.call("POST", "/v1/score", content=streamed())
    assert "content-length" not in response.request.headers
    assert_problem(response, 413, "too_large")


def test_gzip_is_read_and_bounded(service: Service):
    packed = gzip.compress(json.dumps({"title": "CTO"}).encode())
    headers = {"Content-Encoding": "gzip"}
    assert service.post_raw("/v1/score", packed, headers=headers).status_code == 200
    assert_problem(service.post_raw("/v1/score", b'{"title": "CTO"}', headers=headers), 422, "bad_gzip")
    assert_problem(service.post_raw("/v1/score", packed[:-9], headers=headers), 422, "bad_gzip")
    bomb = gzip.compress(b" " * 200_000_000)
    assert_problem(service.post_raw("/v1/score", bomb, headers=headers), 413, "too_large")
    assert_problem(service.post_raw("/v1/score", packed, headers={"Content-Encoding": "br"}), 415)


def test_content_type_is_not_looked_at(service: Service):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert service.post_raw("/v1/score", b'{"title": "CTO"}', headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/score", {"email": SECRET, "titel": "CTO"}),
        ("/v1/score", {"email": [SECRET]}),
        ("/v1/score", {SECRET: "x"}),
        ("/v1/score", {"employees": SECRET}),
        ("/v1/score", {"title": "a", "created_at": SECRET}),
        ("/v1/score", {"lead_id": SECRET}),
        ("/v1/score", {"lead_id": SECRET + "\n"* 2 + "x", "title": "a"}),
        ("/v1/score", {"store": SECRET, "title": "a"}),
        ("/v1/score", {"touchpoints": SECRET}),
        ("/v1/score", {"touchpoints": [{SECRET: 1}]}),
        ("/v1/score", {f"x_{SECRET.lower()}": 1}),
        ("/v1/outcomes", {"lead_id": SECRET, "kind": SECRET, "occurred_at": "2026-03-01T00:00:00Z"}),
        ("/v1/outcomes", [{"lead_id": SECRET, "kind": "won", "occurred_at": SECRET}]),
        ("/v1/touchpoints", {"lead_id": SECRET, "type": 5, "occurred_at": "2026-03-01T00:00:00Z"}),
        ("/v1/leads", {"lead_id": SECRET, "email": 5}),
        ("/v1/score/bulk", {"leads": [{"email": SECRET, "titel": SECRET}]}),
    ],
)  # fmt: skip
def test_no_refusal_repeats_what_was_sent(service: Service, caplog, path: str, body: object):
    response = service.post(path, body)
    assert response.status_code in (200, 422)
    if response.status_code == 200:
        assert response.json()["failed"] == 1
    for said in (response.text, caplog.text):
        assert "lovelace" not in said.lower()


def test_a_crash_is_a_problem_and_its_log_line_holds_no_data(service: Service, caplog, monkeypatch):
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError(f"cannot work with {SECRET}")

    monkeypatch.setattr("serving.scoring.answers_of", broken)
    document = assert_problem(service.post("/v1/score", {"email": SECRET}), 500, "internal")
    mark = document["message"].rstrip(".").split()[-1]
    assert mark in caplog.text
    assert "RuntimeError" in caplog.text
    assert "lovelace" not in (caplog.text + json.dumps(document)).lower()


def test_one_refused_request_does_not_undo_its_neighbours(service: Service, monkeypatch):
    """Requests that wait together are committed together; one that breaks is taken out, the others are kept."""
    from serving import scoring

    whole = scoring.answers_of

    def sometimes(seen, served, now, **options):
        if any(item.message.lead_id == "bad" for item in seen if isinstance(item, scoring.Seen)):
            raise RuntimeError("broken")
        return whole(seen, served, now, **options)

    monkeypatch.setattr("serving.scoring.answers_of", sometimes)
    ids = [*(f"ok{i}" for i in range(10)), "bad", *(f"fine{i}" for i in range(10))]
    answers = service.calls([("POST", "/v1/score", {"json": {"lead_id": i, "title": "CTO"}}) for i in ids])
    assert [a.status_code for a in answers] == [500 if i == "bad" else 200 for i in ids]
    assert sorted(service.store.lead_ids()) == sorted(i for i in ids if i != "bad")


@pytest.mark.parametrize(
    ("character", "name"), [("\u0000", "U+0000"), ("\ud800", "U+D800"), ("\u200b", "U+200B")]
)
def test_an_id_with_an_odd_character_is_told_the_character(service: Service, character: str, name: str):
    """It was told that it has more than 200 characters."""
    body = json.dumps({"lead_id": f"ad{character}a", "title": "CTO"}).encode()
    document = assert_problem(service.post_raw("/v1/score", body), 422, "invalid")
    assert name in document["message"]
    assert "place 3" in document["message"]
    assert "at most" not in document["message"]


def test_known_fields_are_named_once_each(service: Service):
    document = assert_problem(service.post("/v1/score", {"zzqqzz": 1}), 422, "unknown_field")
    known = document["message"].split("known are ")[1].split(". ")[0].split(", ")
    assert {"annual_revenue", "campaign", "title", "touchpoints"} <= set(known)
    assert len(known) == len(set(known))


@pytest.mark.parametrize("field", ["employees", "annual_revenue"])
def test_less_than_nobody_is_refused(service: Service, field: str):
    for path in ("/v1/score", "/v1/leads"):
        document = assert_problem(service.post(path, {"lead_id": "ada", field: -1}), 422, "invalid")
        assert document["message"] == f"{field} must not be negative; send null when it is not known"
        assert document["errors"][0]["pointer"] == f"/{field}"
    assert service.post("/v1/score", {"lead_id": "ada", field: 0}).status_code == 200


def test_explaining_a_lead_tells_unknown_from_never_scored(service: Service):
    assert_problem(service.get("/v1/leads/nobody/explanation"), 404, "unknown_lead")
    service.post("/v1/leads", {"lead_id": "ada", "title": "CTO"})
    assert_problem(service.get("/v1/leads/ada/explanation"), 404, "not_scored")
