"""Pages: readable without a network, and nothing that was sent becomes markup."""

from __future__ import annotations

import json
import re

import pytest

from tests.serving.conftest import Service, make_scorer

CARD = {
    "goal": "qualified",
    "verdict": "better than the base rate: log loss 0.44 against 0.47",
    "data": {"leads": 2557},
    "out_of_time": {"log_loss": {"value": 0.44, "low": 0.4, "high": 0.48}, "roc_auc": {"value": 0.7}},
    "importances": {"topics": [{"topic": "job title </script><b>", "group": "fit", "mean_abs_points": 6.5}]},
    "calibration": [{"predicted": 0.1, "observed": 0.12, "low": 0.08, "high": 0.2}],
    "grades": [{"grade": "A", "share": 0.1, "goal_rate": 0.4}],
}


@pytest.fixture
def carded(service: Service) -> Service:
    folder = service.registry.register("8", make_scorer(slope=0.4))
    (folder / "card.json").write_text(json.dumps(CARD))
    service.registry.champion = "8"
    service.live.look()
    return service


def test_start_page_tells_the_model_and_the_last_scores(carded: Service):
    carded.post("/v1/score", {"lead_id": "ada", "title": "CTO"})
    page = carded.get("/").text
    for said in (
        "Version 8 serves",
        "2,557 leads",
        "Better than the base rate: log loss 0.44 against 0.47",
        "0.440",
        "0.400 to 0.480",
        "40.0 %",
        "ada",
    ):
        assert said in page
    answer = carded.post("/v1/score", {"lead_id": "ada"}).json()
    assert answer["reason_1"] in page


def test_nothing_sent_becomes_markup(carded: Service):
    carded.post(
        "/v1/score", {"lead_id": "<img src=x onerror=alert(1)>", "country": "<b>at</b>", "title": "</script>"}
    )
    page = carded.get("/").text
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "job title </script><b>" not in page
    [figures] = re.findall(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert set(json.loads(figures)) == {"importances", "calibration", "grades"}


def test_pages_load_nothing_from_elsewhere(carded: Service):
    for path in ("/", "/docs"):
        response = carded.get(path)
        assert "default-src 'self'" in response.headers["content-security-policy"]
        loaded = re.findall(r'(?:src|href)="([^"]+)"', response.text)
        assert loaded
        for address in loaded:
            assert address.startswith("/")
            assert carded.get(address).status_code == 200
    assert carded.get("/static/plotly.min.js").headers["content-type"].startswith("text/javascript")


def test_without_a_model_the_page_says_how_to_begin(service_without_model: Service):
    page = service_without_model.get("/")
    assert page.status_code == 200
    assert "leadloop train" in page.text


def test_a_refused_version_and_a_silent_registry_are_shown(carded: Service):
    scorer_file = carded.registry.register("9", make_scorer()) / "scorer.json"
    scorer_file.write_bytes(b"{}")
    carded.registry.champion = "9"
    carded.live.look()
    page = carded.get("/").text
    assert "Version 9 was refused" in page
    assert "Version 8 serves" in page
    [refused] = carded.get("/v1/model").json()["refused"]
    assert refused["version"] == "9"


def test_docs_list_every_call(service: Service):
    page = service.get("/docs").text
    paths = service.get("/openapi.json").json()["paths"]
    assert {
        "/v1/score",
        "/v1/score/bulk",
        "/v1/leads",
        "/v1/touchpoints",
        "/v1/outcomes",
        "/v1/model",
    } <= set(paths)
    for path in paths:
        assert f"<code>{path}</code>" in page


def test_every_call_has_an_id_and_its_refusals_are_problems(service: Service):
    document = service.get("/openapi.json").json()
    calls = [call for methods in document["paths"].values() for call in methods.values()]
    ids = [call["operationId"] for call in calls]
    assert len(set(ids)) == len(ids)
    for call in calls:
        assert call["summary"]
        for status, answer in call["responses"].items():
            if status not in ("200", "304"):
                assert list(answer["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("path", ["/", "/docs", "/docs.json", "/static/plotly.min.js", "/static/page.css"])
def test_a_page_answers_head_like_get(service: Service, path: str):
    """Monitors and link previews ask with HEAD; they got 405."""
    head, get = service.call("HEAD", path), service.get(path)
    assert head.status_code == get.status_code == 200
    assert head.headers["content-type"] == get.headers["content-type"]


def test_the_page_leads_with_grades_and_ends_with_the_measures(carded: Service):
    page = carded.get("/").text
    places = [page.index(f"<h2>{title}</h2>") for title in (
        "What a score means", "What moves scores", "Last scores", "How good is it"
    )]  # fmt: skip
    assert places == sorted(places)
    assert page.index("Log loss") > places[-1]
    assert "can offset each other" in page


def test_last_scores_link_to_their_leads(carded: Service):
    carded.post("/v1/score", {"lead_id": "a b/c?d", "title": "CTO"})
    page = carded.get("/").text
    assert 'href="/v1/leads/a%20b/c%3Fd"' in page
    assert carded.get("/v1/leads/a%20b/c%3Fd").json()["lead_id"] == "a b/c?d"
