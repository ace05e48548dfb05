"""The OpenAPI documents that CRM builders import: 3.0 for Salesforce, 2.0 for Power Platform.

Both are made from the application's own description, so a call, a field or an answer is stated in one place. What the importers cannot
read is not in them: no null types, no alternatives, names that are good in Apex, one named object for each message.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from serving.importer_hints import hinted
from serving.plain_schemas import Plain, Schema
from serving.problems import MEDIA_TYPE

_JSON = "application/json"
_PROBLEM = {"$ref": "#/components/schemas/ProblemOut"}
_MANY = (
    " The body is one object; a list of them, or an object that holds the list under the last part of the address, is taken as well, up to "
    "10,000: all of them or none."
)
_ABOUT = (
    'Null means "not known" in every field that is not required. Fields nobody knows are refused with the nearest known name. '
    "Your own fields start with x_; those the served model reads are listed. The key goes into any one of the places named here; a "
    "service without keys answers on its own machine only, and needs none."
)
_KEYS: dict[str, Schema] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the key"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "the key after the word Bearer"},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "the key as the name of the user, no password",
    },
}
_AT_THE_DOOR = {
    "401": "no key, or one that is not known",
    "403": "the key lacks the scope of this call",
    "409": "a request with this Idempotency-Key is still being worked on",
    "429": "too many requests for this key; Retry-After says when to try again",
    "500": "an error of the service; its log has more",
}
_RETRY_AFTER = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "seconds to wait before the next try"}
}
_ONCE: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "names this request: sent again under the same key it is not worked on twice",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def document_3_0(description: Mapping[str, Any], *, own: Mapping[str, str] | None = None) -> dict[str, Any]:
    """OpenAPI 3.0.3.

    Parameters
    ----------
    description : the application's OpenAPI 3.1 document.
    own : the user's own fields that the served model reads, each ``string`` or ``number``.
    """
    fields = {name: _own_field(kind) for name, kind in sorted((own or {}).items())}
    plain = Plain(description["components"]["schemas"], own=fields)
    plain.answer(_PROBLEM)
    paths = {
        path: {method: _call(call, method, plain) for method, call in methods.items()}
        for path, methods in description["paths"].items()
    }
    info = description["info"]
    return {
        "openapi": "3.0.3",
        "info": {**info, "description": f"{info['description']} {_ABOUT}"},
        "servers": [{"url": "/", "description": "this service"}],
        "paths": paths,
        "components": {"schemas": dict(sorted(plain.found.items())), "securitySchemes": _KEYS},
        "security": [{name: []} for name in _KEYS],
    }


def document_2_0(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same as Swagger 2.0, with the hints Power Platform shows to people.

    There is no host in it: who imports the document says where the service is reached. Bearer has no word in 2.0; the other two places for
    the key remain, the header first, since importers take the first.
    """
    paths = {
        path: {method: _call_2_0(call) for method, call in methods.items()}
        for path, methods in document["paths"].items()
    }
    calls = [call for methods in paths.values() for call in methods.values()]
    swagger: dict[str, Any] = {
        "swagger": "2.0",
        "info": document["info"],
        "basePath": "/",
        "schemes": ["https"],
        "consumes": [_JSON],
        "produces": [_JSON, MEDIA_TYPE],
        "paths": paths,
        "definitions": document["components"]["schemas"],
        "securityDefinitions": {
            "apiKey": _KEYS["apiKey"],
            "basic": {"type": "basic", "description": _KEYS["basic"]["description"]},
        },
        "security": [{"apiKey": []}, {"basic": []}],
    }
    if any(call["operationId"] == "whoami" for call in calls):
        swagger["x-ms-capabilities"] = {"testConnection": {"operationId": "whoami", "parameters": {}}}
    return hinted(_in_words_of_2_0(swagger))


def _own_field(kind: str) -> Schema:
    limit = {"maxLength": 1_000} if kind == "string" else {}
    return {
        "type": kind,
        "nullable": True,
        "description": "a field of your own that the served model reads",
        **limit,
    }


def _call(call: Mapping[str, Any], method: str, plain: Plain) -> dict[str, Any]:
    parameters = [_parameter(p, plain) for p in call.get("parameters", [])]
    # Docstrings are wrapped for the source, importers show every break.
    said = " ".join(call.get("description", call["summary"]).split())
    made: dict[str, Any] = {
        "operationId": call["operationId"],
        "summary": call["summary"],
        "tags": call.get("tags", []),
    }
    if method == "post":
        parameters.append(_ONCE)
    if "requestBody" in call:
        content = call["requestBody"]["content"][_JSON]
        said += _MANY if "oneOf" in content["schema"] else ""
        made["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": plain.message(content["schema"]), "example": content["example"]}},
        }
    answers = {status: _answer(status, a, plain) for status, a in call["responses"].items()}
    for status, why in _AT_THE_DOOR.items():
        if status != "409" or method == "post":
            answers.setdefault(status, _refusal(why, headers=_RETRY_AFTER if status == "429" else None))
    return {
        **made,
        "description": said,
        **({"parameters": parameters} if parameters else {}),
        "responses": dict(sorted(answers.items())),
    }


def _parameter(parameter: Mapping[str, Any], plain: Plain) -> Schema:
    schema = plain.answer(parameter["schema"])
    # A parameter that is not known is left out; there is no null in an address or a header.
    schema = {name: value for name, value in schema.items() if name not in ("nullable", "description")}
    kept = {name: parameter[name] for name in ("name", "in", "required", "description")}
    return {**kept, "schema": schema}


def _answer(status: str, answer: Mapping[str, Any], plain: Plain) -> Schema:
    headers = answer.get("headers")
    if not answer.get("content"):
        return {"description": answer["description"]}
    if status != "200":
        return _refusal(answer["description"], headers=headers)
    schema = plain.answer(next(iter(answer["content"].values()))["schema"])
    made = {"description": answer["description"], "content": {_JSON: {"schema": schema}}}
    return {**made, "headers": headers} if headers else made


def _refusal(why: str, *, headers: Mapping[str, Any] | None = None) -> Schema:
    made: Schema = {
        "description": why,
        "content": {media_type: {"schema": _PROBLEM} for media_type in (_JSON, MEDIA_TYPE)},
    }
    return {**made, "headers": headers} if headers else made


def _call_2_0(call: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in call.items() if name != "requestBody"}
    parameters = [
        {**{name: value for name, value in p.items() if name != "schema"}, **p["schema"]}
        for p in call.get("parameters", [])
    ]
    if "requestBody" in call:
        [content] = call["requestBody"]["content"].values()
        parameters.insert(
            0,
            {
                "name": "message",
                "in": "body",
                "required": True,
                "description": "the message",
                "schema": content["schema"],
            },
        )
    if parameters:
        made["parameters"] = parameters
    made["responses"] = {status: _answer_2_0(answer) for status, answer in call["responses"].items()}
    return made


def _answer_2_0(answer: Mapping[str, Any]) -> Schema:
    made: Schema = {"description": answer["description"]}
    if "content" in answer:
        made["schema"] = answer["content"][_JSON]["schema"]
    if "headers" in answer:
        made["headers"] = {
            name: {**header["schema"], "description": header["description"]}
            for name, header in answer["headers"].items()
        }
    return made


def _in_words_of_2_0(value: Any) -> Any:
    if isinstance(value, dict):
        words = {"nullable": "x-nullable"}
        made = {words.get(name, name): _in_words_of_2_0(item) for name, item in value.items()}
        if isinstance(made.get("$ref"), str):
            made["$ref"] = made["$ref"].replace("#/components/schemas/", "#/definitions/")
        return made
    if isinstance(value, list):
        return [_in_words_of_2_0(item) for item in value]
    return copy.copy(value)
