"""docs/connect.md is true: every message on the page is sent, every program on it runs."""

from __future__ import annotations

import io
import json
import re
import urllib.request
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.serving.conftest import Service, assert_problem

PAGE = (Path(__file__).parents[2] / "docs" / "connect.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^## (.+?)$|^```(\w+) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[tuple[str, str, str]]:
    """(title of the section, what the block is for, its text)."""
    found, section = [], ""
    for title, of_kind, name, text in BLOCKS:
        section = title or section
        if of_kind == kind:
            found.append((section, name, text))
    return found


# A signed batch is sent in test_hubspot.
WEBHOOK = next(text for _, name, text in blocks("json") if name == "webhook")
MESSAGES = [
    pytest.param(path, text, id=f"{section} {path}")
    for section, path, text in blocks("json")
    if path != "webhook"
]
PROGRAMS = {name: text for _, name, text in blocks("python")}


def test_every_tool_has_a_block():
    sections = {section for section, *_ in (*blocks("json"), *blocks("python"))}
    assert sections == {
        "curl",
        "Salesforce Flow",
        "HubSpot custom code action",
        "HubSpot webhooks",
        "Power Automate",
        "Odoo",
    }


@pytest.mark.parametrize(("path", "text"), MESSAGES)
def test_a_message_of_the_page_is_taken(service: Service, path: str, text: str):
    answer = service.post_raw(f"/v1/{path}", text.encode())
    assert answer.status_code == 200, answer.text
    said = answer.json()
    if path == "score":
        assert said["stored"]
    elif path == "score/bulk":
        assert said["failed"] == 0
    else:
        assert said["new"] == 1


@pytest.mark.parametrize(("path", "text"), MESSAGES)
def test_a_message_of_the_page_agrees_with_the_document(service: Service, path: str, text: str):
    from openapi_schema_validator import OAS30Validator

    document = service.get("/openapi-3.0.json").json()
    body = document["paths"][f"/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    errors = list(
        OAS30Validator({**body, "components": document["components"]}).iter_errors(json.loads(text))
    )
    assert not errors


class Wire:
    """Stands in for the network: hands a program's request to the service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.requests: list[urllib.request.Request] = []

    def urlopen(self, request: urllib.request.Request, timeout: float) -> Any:
        self.requests.append(request)
        address = request.full_url.removeprefix("https://leads.example.com")
        answer = self.service.call(
            request.get_method(), address, content=request.data, headers=dict(request.headers)
        )
        assert answer.status_code == 200, answer.text
        return io.BytesIO(answer.content)


def run(name: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], Wire]:
    wire = Wire(service)
    monkeypatch.setattr(urllib.request, "urlopen", wire.urlopen)
    monkeypatch.setenv("LEADLOOP_KEY", "secret")
    names: dict[str, Any] = {}
    exec(compile(PROGRAMS[name], f"docs/connect.md:{name}", "exec"), names)
    return names, wire


def test_the_hubspot_action_scores_a_contact(service: Service, monkeypatch: pytest.MonkeyPatch):
    names, wire = run("hubspot", service, monkeypatch)
    fields = {
        "hs_object_id": "151",
        "jobtitle": "CTO",
        "company": None,
        "country": "DE",
        "numemployees": "40",
    }
    said = names["main"]({"inputFields": fields})["outputFields"]
    assert said["model_version"] == "7"
    assert isinstance(said["score"], int)
    assert wire.requests[0].headers["X-api-key"] == "secret"
    assert service.get("/v1/leads/151").json()["profile"] == {
        "title": "CTO",
        "country": "DE",
        "employees": 40.0,
    }


def test_the_odoo_method_scores_leads_and_writes_them(service: Service, monkeypatch: pytest.MonkeyPatch):
    names, _ = run("odoo", service, monkeypatch)
    written: list[dict[str, Any]] = []
    empty = SimpleNamespace(code=False, name=False)
    leads = [
        SimpleNamespace(
            id=number, create_date=datetime(2026, 3, 1, 8, 0), function=function, partner_name=False,  # noqa: DTZ001
            country_id=SimpleNamespace(code="DE"), source_id=empty, campaign_id=empty, write=written.append,
        )
        for number, function in ((1, "CTO"), (2, False))
    ]  # fmt: skip
    results = names["score_leads"](leads, "secret")
    assert [r["lead_id"] for r in results] == ["odoo-1", "odoo-2"]
    assert [set(w) for w in written] == [{"x_score", "x_grade", "x_reason"}] * 2


def test_a_misspelt_field_is_refused_with_the_nearest_name(service: Service):
    assert "with the nearest known name" in " ".join(PAGE.split())
    document = assert_problem(service.post("/v1/score", {"titel": "CTO"}), 422, "unknown_field")
    assert "did you mean 'title'" in document["message"]
