"""What the OpenAPI document says about bodies that are read by hand.

Bodies are parsed strictly by ``serving.json_body``, so FastAPI cannot derive their schema; these records state it.
"""

from __future__ import annotations

from typing import Any

from data.domain import NUMBER_FIELDS, OUTCOME_KINDS, TEXT_FIELDS
from data.intake import INTAKE_FIELDS
from serving.answers import ReceivedOut
from serving.problems import MEDIA_TYPE, ProblemOut

_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_NUMBER: dict[str, Any] = {"type": ["number", "null"]}
_TIME: dict[str, Any] = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "ISO 8601 with a zone",
    "examples": ["2026-03-07T14:30:00Z"],
}
_ID: dict[str, Any] = {"type": ["string", "null"], "maxLength": 200}

_PROFILE: dict[str, Any] = {**dict.fromkeys(TEXT_FIELDS, _TEXT), **dict.fromkeys(NUMBER_FIELDS, _NUMBER)}
_CUSTOM: dict[str, Any] = {"^x_[a-z0-9_]{1,60}$": {"type": ["string", "number", "boolean", "null"]}}
_TOUCH: dict[str, Any] = {
    "touchpoint_id": {**_ID, "description": "without one, the content names the touchpoint"},
    "occurred_at": {**_TIME, "type": "string"},
    "type": {"type": "string", "examples": ["page_view", "email_open", "webinar", "form_submit"]},
    "channel": _TEXT,
    "campaign": _TEXT,
    "content": _TEXT,
    "direction": _TEXT,
    "value": _NUMBER,
    "source": {**_TEXT, "description": "who says so; ids are unique within a source"},
    **{
        name: {**_TEXT, "description": "tells channel and traffic, and is not kept"} for name in INTAKE_FIELDS
    },
}
_ANONYMOUS = {
    **_ID,
    "description": "the visitor who turned out to be this lead: its touchpoints count for the lead from now on",
}

LEAD: dict[str, Any] = {
    "type": "object",
    "required": ["lead_id"],
    "properties": {
        "lead_id": {**_ID, "type": "string"},
        "anonymous_id": _ANONYMOUS,
        "created_at": _TIME,
        **_PROFILE,
    },
    "patternProperties": _CUSTOM,
}
SCORE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "lead_id": {
            **_ID,
            "description": "without one the lead is scored, but not kept and not learned from",
        },
        "anonymous_id": _ANONYMOUS,
        "created_at": {**_TIME, "description": "left out, a lead not known yet counts as created now"},
        **_PROFILE,
        "touchpoints": {
            "type": ["array", "null"],
            "items": {"type": "object", "required": ["occurred_at", "type"], "properties": _TOUCH},
        },
        "store": {
            "type": ["boolean", "null"],
            "default": True,
            "description": "false: score only, keep neither the lead nor its touchpoints",
        },
    },
    "patternProperties": _CUSTOM,
}
TOUCHPOINT: dict[str, Any] = {
    "type": "object",
    "required": ["occurred_at", "type"],
    "properties": {
        "lead_id": _ID,
        "anonymous_id": {**_ID, "description": "the visitor, where no lead_id is known yet"},
        **_TOUCH,
    },
}
LINK: dict[str, Any] = {
    "type": "object",
    "required": ["from_id", "lead_id"],
    "properties": {
        "link_id": {**_ID, "description": "without one, the two ids name the link"},
        "from_id": {
            **_ID,
            "type": "string",
            "description": "a visitor's anonymous id, or the lead that was merged away",
        },
        "lead_id": {**_ID, "type": "string", "description": "the lead, or another visitor, it belongs to"},
        "occurred_at": {**_TIME, "description": "left out: now"},
        "source": _TEXT,
    },
}
OUTCOME: dict[str, Any] = {
    "type": "object",
    "required": ["lead_id", "kind", "occurred_at"],
    "properties": {
        "outcome_id": {**_ID, "description": "without one, lead, kind and time name the outcome"},
        "lead_id": {**_ID, "type": "string"},
        "kind": {"enum": list(OUTCOME_KINDS)},
        "occurred_at": {**_TIME, "type": "string"},
        "amount": _NUMBER,
        "undoes": {**_ID, "description": "the outcome that a retracted takes back"},
        "source": _TEXT,
    },
}


def body_of(schema: dict[str, Any], example: object) -> dict[str, Any]:
    """``openapi_extra`` for a body of this schema."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        }
    }


def one_or_many(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The schema of one item, a list of them, or an object that holds the list."""
    many = {"type": "array", "items": schema, "minItems": 1, "maxItems": 10_000}
    return {"oneOf": [schema, many, {"type": "object", "required": [name], "properties": {name: many}}]}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents a call may answer with."""
    schema = {"$ref": "#/components/schemas/ProblemOut"}
    return {
        status: {"model": ProblemOut, "content": {MEDIA_TYPE: {"schema": schema}}, "description": "refused"}
        for status in statuses
    }


RECEIVED: dict[int | str, dict[str, Any]] = {200: {"model": ReceivedOut}, **refusals(413, 422, 503)}
