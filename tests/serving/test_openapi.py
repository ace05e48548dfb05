"""The documents for CRM builders: valid, in the small language they understand, and true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from features.catalog import default_features
from features.own import NumberField, TextField
from features.spec import FeatureSet
from serving.messages import read_outcome, read_score
from serving.routes.openapi import own_fields
from tests.serving.conftest import NOW, Service, make_scorer

VISIT = {"touchpoint_id": "t1", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}
WON = {"outcome_id": "o1", "lead_id": "ada", "kind": "won", "occurred_at": "2026-03-07T14:30:00Z"}
ADDRESSES = ["/openapi-3.0.json", "/openapi-2.0.json"]


@pytest.fixture(params=ADDRESSES)
def document(service: Service, request: pytest.FixtureRequest) -> dict[str, Any]:
    return service.get(request.param).json()


def calls_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [call for methods in document["paths"].values() for call in methods.values()]


def named(document: dict[str, Any]) -> dict[str, Any]:
    return document["definitions"] if "swagger" in document else document["components"]["schemas"]


def records(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from records(item)


def members(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, member in schema.get("properties", {}).items():
        yield name, member
        yield from members(member)
        yield from members(member.get("items", {}))


def test_the_document_is_valid(document: dict[str, Any]):
    validate(document)


def test_it_has_no_null_types_and_no_alternatives(document: dict[str, Any]):
    for record in records(document):
        assert not {"anyOf", "oneOf", "patternProperties", "$defs", "const"} & set(record)
        assert not isinstance(record.get("type"), list)
        assert record.get("type") != "null"
    null = "x-nullable" if "swagger" in document else "nullable"
    assert named(document)["ScoreMessage"]["properties"]["title"][null] is True
    assert null not in named(document)["OutcomeMessage"]["properties"]["kind"]


def test_importers_take_its_size(document: dict[str, Any]):
    assert len(json.dumps(document)) < 1_000_000


def test_operation_ids_are_camel_case_and_unique(document: dict[str, Any]):
    ids = [call["operationId"] for call in calls_of(document)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", name) for name in ids)


def test_every_name_is_good_in_apex(document: dict[str, Any]):
    names = [*named(document), *(call["operationId"] for call in calls_of(document))]
    names += [name for schema in named(document).values() for name, _ in members(schema)]
    for name in names:
        # A letter first, no two underscores together, none at the end; 40 characters leave room for what the importer adds.
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", name), name
        assert len(name) <= 40
    assert len({name.lower() for name in named(document)}) == len(named(document))


def test_everything_is_described(document: dict[str, Any]):
    for call in calls_of(document):
        assert call["summary"]
        assert call["description"]
        for parameter in call.get("parameters", []):
            assert parameter["description"], parameter["name"]
        for answer in call["responses"].values():
            assert answer["description"]
    for title, schema in named(document).items():
        assert schema["description"], title
        for name, member in members(schema):
            assert member.get("description"), f"{title}.{name}"
            # Salesforce cuts longer ones.
            assert len(member["description"]) <= 1_333


def test_requests_are_one_named_object_and_reads_have_none(document: dict[str, Any]):
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            bodies = [p["schema"] for p in call.get("parameters", []) if p["in"] == "body"]
            if "requestBody" in call:
                bodies.append(call["requestBody"]["content"]["application/json"]["schema"])
            # An objection is all in the address.
            has_message = method == "post" and not path.endswith("/suppress")
            assert [set(body) for body in bodies] == ([{"$ref"}] if has_message else []), path


def test_a_scored_lead_is_flat(document: dict[str, Any]):
    for title in (
        "ScoreOut",
        "BulkItem",
        "OutcomeMessage",
        "TouchpointMessage",
        "LeadMessage",
        "LinkMessage",
    ):
        for name, member in named(document)[title]["properties"].items():
            assert member["type"] in ("string", "number", "integer", "boolean"), f"{title}.{name}"


def test_refusals_are_json_by_both_names(document: dict[str, Any]):
    for call in calls_of(document):
        for status, answer in call["responses"].items():
            if status not in ("200", "304") and "openapi" in document:
                assert list(answer["content"]) == ["application/json", "application/problem+json"]
            assert {"401", "403", "408", "429", "500"} <= set(call["responses"])
    if "swagger" in document:
        assert document["produces"] == ["application/json", "application/problem+json"]


def test_the_key_has_a_place_and_the_header_comes_first(document: dict[str, Any]):
    schemes = document.get("securityDefinitions") or document["components"]["securitySchemes"]
    first = next(iter(schemes.values()))
    assert (first["type"], first["in"], first["name"]) == ("apiKey", "header", "X-API-Key")
    assert [s["type"] for s in schemes.values()] == (
        ["apiKey", "basic"] if "swagger" in document else ["apiKey", "http", "http"]
    )
    assert [list(need) for need in document["security"]] == [[name] for name in schemes]


def test_power_platform_gets_a_label_for_every_field(service: Service):
    document = service.get("/openapi-2.0.json").json()
    for title, schema in named(document).items():
        for name, member in members(schema):
            assert member["x-ms-summary"], f"{title}.{name}"
    for call in calls_of(document):
        for parameter in call.get("parameters", []):
            if parameter["in"] != "body":
                assert parameter["x-ms-summary"]
    outcome = named(document)["OutcomeMessage"]
    assert all(outcome["properties"][name]["x-ms-visibility"] == "important" for name in outcome["required"])
    seen = {r["x-ms-visibility"] for r in records(document) if "x-ms-visibility" in r}
    assert seen == {"important", "advanced"}
    assert not any("x-ms-summary" in record for record in records(service.get("/openapi-3.0.json").json()))


def test_the_connection_test_is_whoami_where_it_is_served(service: Service):
    document = service.get("/openapi-2.0.json").json()
    is_served = "/v1/whoami" in service.get("/openapi.json").json()["paths"]
    assert ("x-ms-capabilities" in document) is is_served


def test_both_documents_have_the_calls_of_the_application(service: Service, document: dict[str, Any]):
    assert set(document["paths"]) == set(service.get("/openapi.json").json()["paths"])


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_document_has_a_tag_and_is_sent_once(service: Service, address: str):
    first = service.get(address)
    assert first.headers["cache-control"] == "no-cache"
    again = service.call("GET", address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert service.call("HEAD", address).headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_document_is_there_before_the_first_model(service_without_model: Service, address: str):
    validate(service_without_model.get(address).json())


def test_own_fields_of_the_model_are_listed_with_their_type(service: Service):
    own = [
        NumberField("seats", column="x_seats"), TextField("plan", column="x_plan"), TextField("lines", column="x_two__lines"),
        NumberField("age", column="x_age"), TextField("age_text", column="x_age"),
    ]  # fmt: skip
    features = FeatureSet((*default_features(), *own))
    assert own_fields(features) == {"x_seats": "number", "x_plan": "string", "x_age": "string"}
    tag = service.get("/openapi-3.0.json").headers["etag"]
    service.registry.register("8", make_scorer(features=features))
    service.registry.champion = "8"
    service.live.look()
    answer = service.call("GET", "/openapi-3.0.json", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    fields = named(answer.json())["ScoreMessage"]["properties"]
    assert (fields["x_seats"]["type"], fields["x_plan"]["type"]) == ("number", "string")
    assert service.post("/v1/score", {"x_seats": 5, "x_plan": "gold"}).status_code == 200


def test_every_field_of_a_request_is_one_the_service_reads(service: Service):
    """And the other way round: a field that is sent but not in the document would be out of reach for a CRM."""
    schemas = named(service.get("/openapi-3.0.json").json())
    text = {"string": "2026-03-07T14:30:00Z", "number": 1, "boolean": True, "array": []}
    lead = {name: text[of["type"]] for name, of in schemas["ScoreMessage"]["properties"].items()}
    touch = {name: text[of["type"]] for name, of in schemas["TouchpointOfLead"]["properties"].items()}
    read_score({**lead, "touchpoints": [touch]}, fields=service.scorer.features.fields, now=NOW)
    outcome = {name: text[of["type"]] for name, of in schemas["OutcomeMessage"]["properties"].items()}
    read_outcome({**outcome, "kind": "won"}, now=NOW)
    for path, title in (("/v1/score", "ScoreMessage"), ("/v1/outcomes", "OutcomeMessage"), ("/v1/links", "LinkMessage"),
                        ("/v1/touchpoints", "TouchpointMessage"), ("/v1/leads", "LeadMessage")):  # fmt: skip
        told = service.post(path, {"zzqqzz": 1}).json()["message"].split("known are ")[1].split(". ")[0]
        assert set(told.split(", ")) == set(schemas[title]["properties"]), path


def answers(service: Service) -> dict[str, list[Any]]:
    """A real answer of every call, with everything in it that can be."""
    lead = {"lead_id": "ada", "title": "CTO", "employees": 40, "x_plan": "gold", "touchpoints": [VISIT]}
    scored = [service.post("/v1/score", lead), service.post("/v1/score?reasons=0", {**lead, "lead_id": None})]
    bulk = service.post("/v1/score/bulk", {"leads": [{"title": "CTO"}, {"titel": "CTO"}]})
    service.post("/v1/outcomes", WON)
    conflict = service.post("/v1/outcomes", {**WON, "kind": "lost"})
    bot = {**VISIT, "lead_id": "ada", "touchpoint_id": "t2", "user_agent": "Googlebot/2.1"}
    service.live.watch = type(service.live.watch)(named="9", refused={"9": "altered"})
    found = {
        "scoreLead": scored,
        "scoreLeads": [bulk],
        "whoami": [service.get("/v1/whoami")],
        "keepOutcomes": [conflict],
        "keepTouchpoints": [service.post("/v1/touchpoints", bot)],
        "keepLinks": [service.post("/v1/links", {"from_id": "v", "lead_id": "ada"})],
        "keepLeads": [service.post("/v1/leads", {"lead_id": "bob", "title": "CTO"})],
        "showLead": [service.get("/v1/leads/ada"), service.get("/v1/leads/bob")],
        "explainLead": [service.get("/v1/leads/ada/explanation")],
        "showModel": [service.get("/v1/model")],
        "suppressLead": [service.call("POST", "/v1/leads/bob/suppress")],
        "unsuppressLead": [service.call("DELETE", "/v1/leads/bob/suppress")],
        "eraseLead": [service.call("DELETE", "/v1/leads/bob")],
    }
    assert all(answer.status_code == 200 for several in found.values() for answer in several)
    return {name: [answer.json() for answer in several] for name, several in found.items()}


def test_every_member_of_an_answer_is_documented_and_every_documented_one_is_sent(service: Service):
    document = service.get("/openapi-3.0.json").json()
    schemas = named(document)
    sent: dict[str, set[str]] = {}

    def check(value: Any, schema: dict[str, Any], place: str) -> None:
        if "allOf" in schema:
            [schema] = schema["allOf"]
        if "$ref" in schema:
            place = schema["$ref"].rsplit("/", 1)[1]
            schema = schemas[place]
        if value is None:
            assert schema.get("nullable"), f"{place} was null"
            return
        kind = {
            bool: "boolean",
            int: "integer",
            float: "number",
            str: "string",
            list: "array",
            dict: "object",
        }[type(value)]
        assert schema["type"] == kind or (kind, schema["type"]) == ("integer", "number"), place
        if kind == "array":
            for item in value:
                check(item, schema["items"], f"{place}[]")
        if kind == "object" and "properties" in schema:
            sent.setdefault(place, set()).update(value)
            assert set(value) <= set(schema["properties"]), place
            assert set(schema.get("required", [])) <= set(value), place
            for name, member in value.items():
                check(member, schema["properties"][name], f"{place}.{name}")

    real = answers(service)
    for call in calls_of(document):
        if call["operationId"] not in real:
            continue
        for answer in real[call["operationId"]]:
            schema = call["responses"]["200"]["content"]["application/json"]["schema"]
            check(answer, schema, call["operationId"])
    refused = service.post("/v1/leads", [{"lead_id": "a"}, {"lead_id": "b", "titel": "x"}]).json()
    check(refused, {"$ref": "#/components/schemas/ProblemOut"}, "ProblemOut")
    assert set(real) <= {call["operationId"] for call in calls_of(document)}
    for place, names in sent.items():
        schema = schemas.get(place)
        if schema is not None:
            assert names == set(schema["properties"]), place
    answered = {
        t for t in schemas if not t.endswith("Message") and t not in ("TouchpointOfLead", "PastScore")
    }
    assert (
        {"ScoreOut", "BulkItem", "LeadOut", "ModelOut", "ReceivedOut", "ProblemOut"} <= answered <= set(sent)
    )
