"""What a caller may choose: unknown fields ignored, reasons left out, answers packed, errors as plain JSON."""

from __future__ import annotations

import gzip
import json

import pytest

from data.domain import PROFILE_FIELDS
from serving.messages import read_score
from tests.serving.conftest import NOW, Service, assert_problem, make_scorer

VISIT = {"touchpoint_id": "t1", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}
REASONS = [f"reason_{n}{end}" for n in range(1, 6) for end in ("", "_points")]
PARTS = ["baseline_points", "fit_points", "engagement_points"]


def near(value: float) -> object:
    """Requests are microseconds apart, and recency counts them."""
    return pytest.approx(value, abs=1e-6)


def test_null_is_not_known_in_every_optional_field(service: Service):
    touch = dict.fromkeys(
        (
            "channel",
            "campaign",
            "content",
            "direction",
            "value",
            "source",
            "utm_source",
            "gclid",
            "page_url",
            "ip",
        )
    )
    nulls = {
        **dict.fromkeys((*PROFILE_FIELDS, "created_at", "anonymous_id", "store", "x_plan")),
        "touchpoints": [{**VISIT, **touch}],
    }
    said = service.post("/v1/score", {**nulls, "lead_id": None})
    plain = service.post("/v1/score", {"touchpoints": [VISIT]})
    assert said.status_code == plain.status_code == 200
    assert said.json()["points"] == near(plain.json()["points"])
    for path, body in (
        ("/v1/leads", {**dict.fromkeys(PROFILE_FIELDS), "lead_id": "a", "created_at": None, "anonymous_id": None}),
        ("/v1/touchpoints", {**VISIT, **touch, "lead_id": "a", "anonymous_id": None}),
        ("/v1/outcomes", {"outcome_id": None, "lead_id": "a", "kind": "won", "occurred_at": VISIT["occurred_at"],
                          "amount": None, "undoes": None, "source": None}),
        ("/v1/links", {"link_id": None, "from_id": "v", "lead_id": "a", "occurred_at": None, "source": None}),
    ):  # fmt: skip
        assert service.post(path, body).status_code == 200, path


def test_lenient_ignores_unknown_fields_and_says_so(service: Service):
    body = {"title": "CTO", "titel": "CEO", "touchpoints": [{**VISIT, "chanel": "email"}], "store": False}
    assert_problem(service.post("/v1/score", body), 422, "unknown_field")
    said = service.post("/v1/score?lenient=true", body).json()
    assert "'titel' was ignored; did you mean 'title'?" in said["warnings"]
    assert "'chanel' was ignored; did you mean 'channel'?" in said["warnings"]
    plain = service.post("/v1/score", {"title": "CTO", "touchpoints": [VISIT], "store": False}).json()
    assert (said["points"], plain["warnings"]) == (near(plain["points"]), None)


def test_lenient_still_refuses_wrong_values_and_repeats_no_odd_name(service: Service):
    assert_problem(service.post("/v1/score?lenient=1", {"titel": "x", "employees": "many"}), 422, "invalid")
    said = service.post("/v1/score?lenient=1", {"title": "CTO", "ada@example.org": "x"}).json()
    assert said["warnings"] == "a field of that name was ignored."


def test_lenient_bulk_warns_item_by_item(service: Service):
    leads = [{"title": "CTO"}, {"title": "CTO", "titel": "x"}, {"titel": "x"}, {"employees": "many"}]
    results = service.post("/v1/score/bulk?lenient=true", {"leads": leads}).json()["results"]
    assert results[0]["warnings"] is None
    assert "did you mean 'title'?" in results[1]["warnings"]
    assert [r.get("code") for r in results[2:]] == ["no_information", "invalid"]


def test_warnings_are_at_most_ten(service: Service):
    body = {"title": "CTO", **{f"zzz_{n}": 1 for n in range(30)}}
    assert service.post("/v1/score?lenient=true", body).json()["warnings"].count("was ignored") == 10


def test_the_nearest_name_is_looked_for_ten_times_at_most(monkeypatch):
    """A body of thousands of odd fields kept the service busy for minutes."""
    asked: list[str] = []
    monkeypatch.setattr(
        "serving.message_fields.did_you_mean", lambda name, known: asked.append(name) or "; known are a"
    )
    touches = [{**VISIT, f"odd_{n}": 1} for n in range(300)]
    body = {"title": "CTO", **{f"odder_{n}": 1 for n in range(300)}, "touchpoints": touches}
    message = read_score(body, fields=(), now=NOW, is_lenient=True)
    assert (len(message.warnings), len(asked), len(message.touchpoints)) == (10, 10, 300)


def test_a_lenient_message_is_told_each_warning_once():
    item = {"title": "CTO", "touchpoints": [{**VISIT, "zzz": 1}, {**VISIT, "zzz": 2}]}
    message = read_score(item, fields=(), now=NOW, is_lenient=True)
    assert message.warnings == ("a field 'zzz' was ignored.",)


@pytest.mark.parametrize("value", ["0", "false"])
def test_reasons_can_be_left_out_and_are_then_not_computed(service: Service, monkeypatch, value: str):
    lead = {"lead_id": "ada", "title": "CTO", "touchpoints": [VISIT]}
    whole = service.post("/v1/score", lead).json()
    monkeypatch.setattr(type(service.scorer), "reasons", None)
    said = service.post(f"/v1/score?reasons={value}", lead).json()
    assert [said[name] for name in PARTS + REASONS] == [None] * 13
    same = ("score", "grade", "model_version", "stored")
    assert [said[name] for name in same] == [whole[name] for name in same]
    assert (said["points"], said["probability"]) == (near(whole["points"]), near(whole["probability"]))
    assert list(said) == list(whole)
    [one] = service.post(f"/v1/score/bulk?reasons={value}", {"leads": [lead]}).json()["results"]
    assert (one["points"], one["reason_1"]) == (near(whole["points"]), None)


def test_a_score_without_reasons_can_still_be_explained(service: Service):
    said = service.post("/v1/score?reasons=0", {"lead_id": "ada", "title": "CTO"}).json()
    answer = service.get("/v1/leads/ada/explanation")
    why = answer.json()
    assert (why["score_id"], why["reasons"], why["complete"]) == (said["score_id"], [], True)
    assert abs(why["baseline_points"] + sum(f["points"] for f in why["features"]) - said["points"]) < 1e-9
    assert answer.headers["x-model-version"] == "7"


def test_an_option_that_cannot_be_meant_is_refused(service: Service):
    document = assert_problem(service.post("/v1/score?reasons=maybe", {"title": "CTO"}), 422, "invalid")
    assert "reasons" in document["message"]
    assert "maybe" not in document["message"]


def test_gzip_of_several_members_is_one_body(service: Service):
    """Only the first member was read: the rest of the message was lost without a word."""
    headers = {"Content-Encoding": "gzip"}
    whole = gzip.compress(b'{"title": "CTO", ') + gzip.compress(b'"lead_id": "ada"}')
    assert service.post_raw("/v1/score", whole, headers=headers).json()["lead_id"] == "ada"
    followed = gzip.compress(b'{"title": "CTO"}') + b"rubbish"
    assert_problem(service.post_raw("/v1/score", followed, headers=headers), 422, "bad_gzip")
    many = gzip.compress(b" ") * 101 + gzip.compress(b'{"title": "CTO"}')
    assert_problem(service.post_raw("/v1/score", many, headers=headers), 422, "bad_gzip")
    bombs = gzip.compress(b" " * 6_000_000) * 2
    assert_problem(service.post_raw("/v1/score", bombs, headers=headers), 413, "too_large")


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("GZIP", True),
        ("identity", False), ("gzip;q=0", False), ("gzip; q=0.0, *", False), ("", False),
    ],
)  # fmt: skip
def test_long_answers_are_packed_where_the_caller_takes_gzip(
    service: Service, accepted: str, is_packed: bool
):
    leads = {"leads": [{"employees": n, "store": False} for n in range(50)]}
    answer = service.call("POST", "/v1/score/bulk", json=leads, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None)
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.json()["scored"] == 50
    assert (int(answer.headers["content-length"]) < len(answer.content)) is is_packed


def test_short_answers_are_never_packed(service: Service):
    answer = service.call("POST", "/v1/score", json={"title": "CTO"}, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


def test_the_model_has_a_tag_and_is_sent_once(service: Service):
    first = service.get("/v1/model")
    tag = first.headers["etag"]
    assert tag.startswith('"')
    for named in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = service.call("GET", "/v1/model", headers={"If-None-Match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["x-model-version"] == "7"
    assert service.call("GET", "/v1/model", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_packed_form_has_a_tag_of_its_own(service: Service):
    plain = service.call("GET", "/v1/model", headers={"Accept-Encoding": "identity"})
    packed = service.call("GET", "/v1/model", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.json() == plain.json()


def test_a_new_champion_has_another_tag(service: Service):
    tag = service.get("/v1/model").headers["etag"]
    service.registry.register("8", make_scorer(slope=0.4))
    service.registry.champion = "8"
    service.live.look()
    answer = service.call("GET", "/v1/model", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.headers["x-model-version"]) == (200, "8")


@pytest.mark.parametrize(
    ("accepted", "media_type"),
    [
        ("application/json", "application/json"),
        ("application/json; charset=utf-8, text/plain", "application/json"),
        ("application/json, application/problem+json", "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("application/json, */*;q=0.1", "application/problem+json"),
        ("text/html", "application/problem+json"),
    ],
)
def test_a_refusal_is_plain_json_where_the_caller_knows_nothing_else(
    service: Service, accepted: str, media_type: str
):
    for path, body in (("/v1/score", {"titel": "x"}), ("/v1/nothing", {})):
        answer = service.call("POST", path, content=json.dumps(body), headers={"Accept": accepted})
        assert answer.headers["content-type"] == media_type
        assert answer.json()["code"]
