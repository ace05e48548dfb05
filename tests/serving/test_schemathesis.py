"""The API keeps what its documents say, tried with invented requests; ``make bench-contract`` tries many more."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.responses import JSONResponse

from benchmarks.contract import ADDRESSES, make_key, try_document
from tests.serving.conftest import Service, make_service, stop_service


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_api_keeps_what_its_documents_say(service: Service, address: str):
    tally = try_document(service.app, address, cases=160, number=3)
    assert tally.cases > 120
    assert tally.server_errors == 0
    assert not tally.violations, "\n".join(tally.violations.values())
    calls = {call for call, _ in tally.statuses}
    assert {"POST /v1/score", "POST /v1/score/bulk", "POST /v1/outcomes", "GET /v1/leads/{lead_id}"} <= calls


def test_without_a_model_it_keeps_them_too(service_without_model: Service):
    tally = try_document(service_without_model.app, ADDRESSES[0], cases=60, number=4)
    # 503 no_model is in the documents; it is the one answer above 499 there may be.
    assert {status for _, status in tally.statuses if status >= 500} <= {503}
    assert all("Server error" in kind for kind in tally.violations), list(tally.violations.values())


def test_with_a_key_on_either_database_it_keeps_them_too(store_url: str, tmp_path: Path):
    key = make_key(store_url)
    made = make_service(tmp_path, store_url=store_url)
    tally = try_document(made.app, ADDRESSES[1], cases=80, number=6, key=key)
    stop_service(made)
    assert tally.server_errors == 0
    assert not tally.violations, "\n".join(tally.violations.values())
    assert any(status == 200 for _, status in tally.statuses)


def test_a_broken_promise_is_found(tmp_path: Path):
    """The trial itself: an answer that lacks a member, one of another type and a status nobody told of."""
    made = make_service(tmp_path)

    async def broken(scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/v1/outcomes":
            await JSONResponse({"received": "one"})(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/v1/links":
            await JSONResponse({}, status_code=418)(scope, receive, send)
        else:
            await made.app(scope, receive, send)

    tally = try_document(broken, ADDRESSES[0], cases=100, number=5)
    stop_service(made)
    told = " ".join(tally.violations)
    assert "POST /v1/outcomes: Response violates schema" in told
    assert "POST /v1/links: Undocumented status code" in told
