"""What Power Platform shows of a call: a label for every field, and which fields come first.

A field marked important is shown at once, an advanced one after a click; the rest comes in between.
"""

from __future__ import annotations

from typing import Any

from data.intake import INTAKE_FIELDS

_ACRONYMS = {"id": "ID", "ids": "IDs", "url": "URL", "ip": "IP", "utm": "UTM"}
_FIRST = frozenset({"lead_id", "score", "grade", "probability", "reason_1", "email", "company", "title"})
_LATER = (
    frozenset({*INTAKE_FIELDS, "store", "undoes", "conflict_ids", "If-None-Match", "Idempotency-Key"})
    - _FIRST
)
_FIRST_CALLS = frozenset({"scoreLead", "keepOutcomes", "keepLeads"})


def hinted(document: dict[str, Any]) -> dict[str, Any]:
    """The Swagger 2.0 document with ``x-ms-summary`` on every field and parameter, and ``x-ms-visibility`` where it says something."""
    for methods in document["paths"].values():
        for call in methods.values():
            if call["operationId"] in _FIRST_CALLS:
                call["x-ms-visibility"] = "important"
            for parameter in call.get("parameters", []):
                if parameter["in"] != "body":
                    _hint(parameter, parameter["name"], is_required=parameter["required"])
    for schema in document["definitions"].values():
        _hint_members(schema)
    return document


def label_of(name: str) -> str:
    """The label of a field.

    >>> label_of("lead_id"), label_of("reason_1_points")
    ('Lead ID', 'Reason 1 points')
    """
    words = name.replace("-", "_").split("_")
    said = " ".join(_ACRONYMS.get(word.lower(), word) for word in words if word)
    return said[:1].upper() + said[1:]


def _hint_members(schema: dict[str, Any]) -> None:
    for name, member in schema.get("properties", {}).items():
        _hint(
            member,
            name,
            is_required=schema.get("additionalProperties") is False and name in schema.get("required", []),
        )
        _hint_members(member)
        _hint_members(member.get("items", {}))


def _hint(member: dict[str, Any], name: str, *, is_required: bool) -> None:
    member["x-ms-summary"] = label_of(name)
    if is_required or name in _FIRST:
        member["x-ms-visibility"] = "important"
    elif name in _LATER:
        member["x-ms-visibility"] = "advanced"
