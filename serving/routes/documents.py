"""What the OpenAPI documents say about bodies that are read by hand.

Bodies are parsed strictly by ``serving.json_body``, so FastAPI cannot derive their schema; these records state it. A ``title`` names a
schema in the documents for CRM builders (``serving.openapi``), which need a name for every object.
"""

from __future__ import annotations

from typing import Any

from data.domain import NUMBER_FIELDS, OUTCOME_KINDS
from data.intake import INTAKE_FIELDS, LONG_FIELDS
from serving.answers import ReceivedOut
from serving.field_meanings import PROFILE_MEANINGS, TELLING_MEANINGS
from serving.problems import MEDIA_TYPE, ProblemOut

Schema = dict[str, Any]


def _text(description: str, limit: int = 200) -> Schema:
    return {"type": ["string", "null"], "maxLength": limit, "description": description}


def _number(description: str, **more: Any) -> Schema:
    return {"type": ["number", "null"], "description": description, **more}


def _time(description: str) -> Schema:
    return {
        "type": ["string", "null"],
        "format": "date-time",
        "description": f"{description}; ISO 8601 with a zone",
        "examples": ["2026-03-07T14:30:00Z"],
    }


def _id(description: str) -> Schema:
    return {"type": ["string", "null"], "minLength": 1, "maxLength": 200, "description": description}


def _needed(schema: Schema) -> Schema:
    """The same field where it must be sent."""
    return {**schema, "type": "string"}


_PROFILE: Schema = {
    name: _number(meaning, minimum=0) if name in NUMBER_FIELDS else _text(meaning, 1_000)
    for name, meaning in PROFILE_MEANINGS.items()
}
_CUSTOM: Schema = {"^x_[a-z0-9_]{1,60}$": {"type": ["string", "number", "boolean", "null"]}}
_LEAD_ID = _id("the CRM's id of the lead")
_ANONYMOUS = _id("the visitor who turned out to be this lead: its touchpoints count for the lead from now on")
_SOURCE = _text("who says so, api when left out; ids are unique within a source")
_TOUCH: Schema = {
    "touchpoint_id": _id("names the touchpoint for ever; without one, its content names it"),
    "occurred_at": _needed(_time("when it happened")),
    "sent_at": _time(
        "when the sender sent this, by the clock that wrote occurred_at; then how long ago it happened counts"
    ),
    "type": {
        **_needed(_text("what it was")),
        "minLength": 1,
        "examples": ["page_view", "email_open", "webinar", "form_submit"],
    },
    "channel": _text(
        "where it came from, like email, organic, paid_search; left out, it is told from the address"
    ),
    "campaign": _text("the campaign it belongs to; left out, utm_campaign"),
    "content": _text("what was seen, like the title of a page or a webinar", 1_000),
    "direction": _text("inbound or outbound"),
    "value": _number("a number that goes with it, like minutes watched"),
    "source": _SOURCE,
    **{
        name: _text(
            f"{TELLING_MEANINGS[name]}; tells channel and traffic, and is not kept",
            LONG_FIELDS.get(name, 200),
        )
        for name in INTAKE_FIELDS
    },
}

LEAD: Schema = {
    "title": "LeadMessage",
    "description": "A lead to keep.",
    "type": "object",
    "required": ["lead_id"],
    "properties": {
        "lead_id": _needed(_LEAD_ID),
        "anonymous_id": _ANONYMOUS,
        "created_at": _time("when the lead came into being"),
        **_PROFILE,
    },
    "patternProperties": _CUSTOM,
}
SCORE: Schema = {
    "title": "ScoreMessage",
    "description": "A lead to score. Everything may be left out, but something must be known of the lead, here or from before.",
    "type": "object",
    "properties": {
        "lead_id": _id("the CRM's id; without one the lead is scored, but not kept and not learned from"),
        "anonymous_id": _ANONYMOUS,
        "created_at": _time(
            "when the lead came into being; left out, a lead not known yet counts as created now"
        ),
        **_PROFILE,
        "touchpoints": {
            "type": ["array", "null"],
            "description": "what the lead did; those sent before need not be sent again",
            "items": {
                "title": "TouchpointOfLead",
                "description": "A touchpoint of the lead that is scored.",
                "type": "object",
                "required": ["occurred_at", "type"],
                "properties": _TOUCH,
            },
        },
        "store": {
            "type": ["boolean", "null"],
            "default": True,
            "description": "false: score only, keep neither the lead nor its touchpoints",
        },
    },
    "patternProperties": _CUSTOM,
}
SCORES: Schema = {
    "title": "ScoresMessage",
    "description": "Leads to score, each once.",
    "type": "object",
    "required": ["leads"],
    "properties": {
        "leads": {
            "type": "array",
            "items": SCORE,
            "minItems": 1,
            "maxItems": 10_000,
            "description": "the leads; answers come in this order",
        }
    },
}
TOUCHPOINT: Schema = {
    "title": "TouchpointMessage",
    "description": "A touchpoint to keep; lead_id or anonymous_id says whose it is.",
    "type": "object",
    "required": ["occurred_at", "type"],
    "properties": {
        "lead_id": _LEAD_ID,
        "anonymous_id": _id("the visitor, where no lead_id is known yet"),
        **_TOUCH,
    },
}
LINK: Schema = {
    "title": "LinkMessage",
    "description": "A link to keep: two ids are one person.",
    "type": "object",
    "required": ["from_id", "lead_id"],
    "properties": {
        "link_id": _id("names the link for ever; without one, the two ids name it"),
        "from_id": _needed(_id("a visitor's anonymous id, or the lead that was merged away")),
        "lead_id": _needed(_id("the lead, or another visitor, it belongs to")),
        "occurred_at": _time("since when; left out: now"),
        "source": _SOURCE,
    },
}
OUTCOME: Schema = {
    "title": "OutcomeMessage",
    "description": "An outcome to keep: what became of a lead.",
    "type": "object",
    "required": ["lead_id", "kind", "occurred_at"],
    "properties": {
        "outcome_id": _id("names the outcome for ever; without one, lead, kind and time name it"),
        "lead_id": _needed(_LEAD_ID),
        "kind": {
            "type": "string",
            "enum": list(OUTCOME_KINDS),
            "description": "what happened; reopened and retracted undo",
        },
        "occurred_at": _needed(_time("when it happened")),
        "amount": _number("revenue that came of it"),
        "undoes": _id("the outcome_id that a retracted takes back"),
        "source": _SOURCE,
    },
}


MODEL_VERSION: dict[str, Any] = {
    "X-Model-Version": {
        "schema": {"type": "string"},
        "description": "the registry's version behind the answer",
    }
}
TAGGED: dict[str, Any] = {
    "ETag": {"schema": {"type": "string"}, "description": "names this very content; send it as If-None-Match"}
}
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "unchanged since the ETag in If-None-Match"}
}
_RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "seconds to wait before the next try"}
}
REFUSED = {
    404: "nothing of this name is known",
    409: "the lead objected to being scored, or a request with this Idempotency-Key is still being worked on",
    410: "the person was erased",
    413: "the body is too large",
    415: "the Content-Encoding is not gzip",
    422: "the message cannot be used; the answer says where and why",
    500: "an error of the service; its log has more",
    503: "no model serves yet, or the store is away; Retry-After says when to try again",
}


def body_of(schema: Schema, example: object) -> dict[str, Any]:
    """``openapi_extra`` for a body of this schema."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        }
    }


def one_or_many(schema: Schema, name: str) -> Schema:
    """The schema of one item, a list of them, or an object that holds the list."""
    many = {"type": "array", "items": schema, "minItems": 1, "maxItems": 10_000}
    return {"oneOf": [schema, many, {"type": "object", "required": [name], "properties": {name: many}}]}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents a call may answer with."""
    schema = {"$ref": "#/components/schemas/ProblemOut"}
    return {
        status: {
            "model": ProblemOut,
            "content": {MEDIA_TYPE: {"schema": schema}},
            "description": REFUSED[status],
            **({"headers": _RETRY_AFTER} if status in (429, 503) else {}),
        }
        for status in statuses
    }


RECEIVED: dict[int | str, dict[str, Any]] = {
    200: {"model": ReceivedOut, "description": "kept, on disk"},
    **refusals(413, 415, 422, 503),
}
