"""Visitors, merged leads, channels and bots over HTTP; what is scored is what training will see."""

import pytest

from data.asof import snapshots_at
from data.intake import parse_intake
from features.matrix import build_matrix
from tests.serving.conftest import Service, assert_problem, make_service, stop_service

VISITS = [
    {
        "touchpoint_id": f"v{n}",
        "anonymous_id": "cookie",
        "occurred_at": f"2026-03-0{n}T10:00:00Z",
        "type": "pricing_view",
    }
    for n in range(1, 6)
]


def score(service: Service, **message) -> dict:
    response = service.post("/v1/score", message)
    assert response.status_code == 200, response.text
    return response.json()


def same(points: float):
    """The writer's clock moves on by a microsecond from job to job, and recency with it."""
    return pytest.approx(points, abs=1e-6)


def types_of(service: Service, lead_id: str) -> list[str]:
    held = service.store.histories([lead_id])
    return sorted(t.touchpoint_id for t in held[lead_id].touchpoints) if lead_id in held else []


def test_visits_before_the_form_count_from_the_score_that_tells_whose_they_were(service: Service):
    assert service.post("/v1/touchpoints", VISITS).json()["new"] == 5
    before = score(service, lead_id="ada", title="CEO")
    after = score(service, lead_id="ada", anonymous_id="cookie")
    assert after["engagement_points"] != before["engagement_points"]
    assert types_of(service, "ada") == ["v1", "v2", "v3", "v4", "v5"]


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_a_score_that_keeps_nothing_sees_the_visits_too(service: Service, order):
    service.post("/v1/touchpoints", VISITS)
    score(service, lead_id="ada", title="CEO")
    points = [score(service, lead_id="ada", anonymous_id="cookie", store=store)["points"] for store in order]
    assert points[0] == same(points[1])


def test_what_was_scored_is_what_training_sees_bit_for_bit(service: Service):
    service.post("/v1/touchpoints", VISITS)
    score(service, lead_id="bob", anonymous_id="kiosk", title="CTO")
    said = {"lead_id": "ada", "anonymous_id": "cookie", "title": "CEO"}
    scored = score(service, **said)
    row = service.store.scores.by_id(scored["score_id"])
    assert row is not None
    # Later claims and merges change nothing of it.
    service.clock.forward(1)
    service.post("/v1/links", [{"from_id": "cookie", "lead_id": "bob"}, {"from_id": "bob", "lead_id": "ada"}])
    then = snapshots_at(service.store, ["ada"], cutoff=row.cutoff)
    assert (
        build_matrix(then, service.scorer.features, levels=service.scorer.levels).X.tobytes() == row.features
    )


def test_a_merge_counts_from_the_next_score_on(service: Service):
    service.post("/v1/touchpoints", [{**v, "anonymous_id": None, "lead_id": "old"} for v in VISITS])
    score(service, lead_id="new", title="CEO")
    sent = {"from_id": "old", "lead_id": "new", "occurred_at": "2026-03-07T00:00:00Z"}
    assert service.post("/v1/links", sent).json() == {"received": 1, "new": 1, "known": 0, "conflicts": 0}
    assert service.post("/v1/links", {**sent, "occurred_at": None}).json()["known"] == 1
    assert (
        score(service, lead_id="new")["engagement_points"] != score(service, title="CEO")["engagement_points"]
    )
    assert types_of(service, "new") == ["v1", "v2", "v3", "v4", "v5"]


def test_a_touchpoint_of_another_lead_does_not_count_whether_it_is_kept_or_not(service: Service):
    """It counted where nothing was kept: one id, one touchpoint, whoever sends it again."""
    mine = {"touchpoint_id": "t1", "occurred_at": "2026-03-07T10:00:00Z", "type": "pricing_view"}
    service.post("/v1/touchpoints", {**mine, "lead_id": "bob"})
    plain = score(service, lead_id="ada", title="CEO")["points"]
    unkept = score(service, lead_id="ada", title="CEO", touchpoints=[mine], store=False)["points"]
    kept = score(service, lead_id="ada", title="CEO", touchpoints=[mine])["points"]
    assert (unkept, kept) == (same(plain), same(plain))


def test_an_inline_touchpoint_of_a_linked_visitor_counts_once(service: Service):
    service.post("/v1/touchpoints", VISITS)
    service.post("/v1/leads", {"lead_id": "ada", "anonymous_id": "cookie"})
    again = [{k: v for k, v in visit.items() if k != "anonymous_id"} for visit in VISITS]
    once = score(service, lead_id="ada", title="CEO", store=False)["points"]
    assert score(service, lead_id="ada", title="CEO", touchpoints=again, store=False)["points"] == same(once)
    assert score(service, lead_id="ada", title="CEO", touchpoints=again)["points"] == same(once)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/links", {"lead_id": "ada"}, "from_id"),
        ("/v1/links", {"from_id": "cookie"}, "lead_id"),
        ("/v1/score", {"anonymous_id": "cookie", "title": "CEO"}, "lead_id"),
        ("/v1/touchpoints", {"type": "x", "occurred_at": "2026-03-07T10:00:00Z"}, "lead_id"),
    ],
)
def test_a_missing_id_is_named(service: Service, path, body, field):
    document = assert_problem(service.post(path, body), 422, "missing_field")
    assert document["errors"][0]["pointer"] == f"/{field}"


def test_keeping_a_lead_tells_who_the_visitor_was(service: Service):
    service.post("/v1/touchpoints", VISITS)
    service.post("/v1/leads", [{"lead_id": "ada", "anonymous_id": "cookie"}, {"lead_id": "bob"}])
    assert types_of(service, "ada") == ["v1", "v2", "v3", "v4", "v5"]


# Channels and traffic


def visit(**more) -> dict:
    return {"lead_id": "ada", "occurred_at": "2026-03-07T10:00:00Z", "type": "page_view", **more}


def channels_of(service: Service, lead_id: str = "ada") -> dict[str, str | None]:
    return {t.touchpoint_id: t.channel for t in service.store.histories([lead_id])[lead_id].touchpoints}


def test_visits_tell_their_channel(service: Service):
    sent = [
        visit(touchpoint_id="ad", utm_source="google", utm_medium="cpc", utm_campaign="Spring"),
        visit(touchpoint_id="stated", channel="booth", utm_source="google"),
        visit(touchpoint_id="found", referrer="https://www.bing.com/", page_url="https://acme.example/"),
        visit(touchpoint_id="silent", utm_source=None),
    ]
    assert service.post("/v1/touchpoints", sent).json()["new"] == 4
    assert channels_of(service) == {
        "ad": "paid_search",
        "stated": "booth",
        "found": "organic_search",
        "silent": None,
    }
    assert {t.campaign for t in service.store.histories(["ada"])["ada"].touchpoints} == {"Spring", None}


def test_bots_and_the_firm_itself_are_left_out_and_counted(tmp_path):
    rules = parse_intake({"traffic": {"internal_networks": ["10.0.0.0/8"]}})
    service = make_service(tmp_path, intake=rules)
    sent = [
        visit(touchpoint_id="1", user_agent="Googlebot/2.1"),
        visit(touchpoint_id="2", ip="10.0.0.1"),
        visit(touchpoint_id="3", ip="192.0.2.1"),
    ]
    assert service.post("/v1/touchpoints", sent).json() == {
        "received": 3,
        "new": 1,
        "known": 0,
        "left_out": 2,
        "conflicts": 0,
    }
    inline = [{k: v for k, v in item.items() if k != "lead_id"} for item in sent[:2]]
    answer = score(service, lead_id="bob", title="CEO", touchpoints=inline)
    assert answer["stored"]
    assert types_of(service, "bob") == []
    assert b"192.0.2.1" not in (tmp_path / "store.db").read_bytes()
    stop_service(service)
