"""The shortest way to a score answers as the call that FastAPI documents."""

from __future__ import annotations

import pytest

from serving.routes import score
from tests.serving.conftest import Service, assert_problem, make_service, stop_service

AT_EACH_TIME = ("score_id", "scored_at")


@pytest.mark.parametrize(("usual", "other"), [("", "?reasons=1&lenient=0"), ("?reasons=0", "?reasons=false")])
@pytest.mark.parametrize(
    "body",
    [
        b'{"title": "CTO", "employees": 9}',
        b'{"lead_id": "ada", "title": "CTO", "store": false}',
        b'{"titel": "CTO"}',
        b"{}",
        b"",
        b"[1]",
        b'{"title": NaN}',
        b'{"lead_id": "nobody"}',
    ],
)
def test_both_ways_answer_alike(service: Service, body: bytes, usual: str, other: str):
    short, long = (service.call("POST", f"/v1/score{query}", content=body) for query in (usual, other))
    assert short.status_code == long.status_code
    assert short.headers.get("x-model-version") == long.headers.get("x-model-version")
    assert short.headers["content-type"] == long.headers["content-type"]
    differing = {k for k in short.json() if short.json()[k] != long.json()[k]}
    assert differing <= set(AT_EACH_TIME)
    assert short.json().keys() == long.json().keys()


def test_only_a_post_goes_the_short_way(service: Service):
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        assert_problem(service.call(method, "/v1/score"), 405, "method_not_allowed")
    assert_problem(service.call("POST", "/v1/score/", content=b"{}"), 404, "not_found")


def test_a_crash_on_the_short_way_is_told_under_an_id(tmp_path, monkeypatch: pytest.MonkeyPatch, caplog):
    service = make_service(tmp_path)
    try:

        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("Ada.Lovelace@example.org")

        monkeypatch.setattr(score, "read_score", broken)
        document = assert_problem(service.post("/v1/score", {"title": "CTO"}), 500, "internal")
        assert "ZeroDivisionError" in caplog.text
        assert "example.org" not in caplog.text + document["detail"]
    finally:
        stop_service(service)
