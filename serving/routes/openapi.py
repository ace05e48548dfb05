"""GET /openapi-3.0.json and /openapi-2.0.json."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from features.spec import FeatureSet
from serving.answers import json_bytes
from serving.openapi import document_2_0, document_3_0
from serving.parts import Parts
from serving.sending import tagged

# Importers turn a field into a name of their own: no double underscore, none at the end, not too long.
_GOOD_NAME = re.compile(r"x(_[a-z0-9]+)+")
_LONGEST_NAME = 40


def routes(parts: Parts) -> APIRouter:
    """The documents for CRM builders. They list the own fields of the model that serves, so a new model may change them."""
    router = APIRouter()
    made: dict[tuple[tuple[str, str], ...], tuple[bytes, bytes]] = {}

    def documents(request: Request) -> tuple[bytes, bytes]:
        served = parts.live.current()
        own = own_fields(served.scorer.features) if served else {}
        key = tuple(sorted(own.items()))
        if key not in made:
            made.clear()
            newer = document_3_0(request.app.openapi(), own=own)
            made[key] = json_bytes(newer), json_bytes(document_2_0(newer))
        return made[key]

    @router.api_route("/openapi-3.0.json", methods=["GET", "HEAD"], include_in_schema=False)
    async def openapi_3_0(request: Request) -> Response:
        return await run_in_threadpool(lambda: tagged(request, documents(request)[0]))

    @router.api_route("/openapi-2.0.json", methods=["GET", "HEAD"], include_in_schema=False)
    async def openapi_2_0(request: Request) -> Response:
        return await run_in_threadpool(lambda: tagged(request, documents(request)[1]))

    return router


def own_fields(features: FeatureSet) -> dict[str, str]:
    """The user's own fields that some feature reads, with their type; those whose names importers cannot take are left out."""
    kinds: dict[str, str] = {}
    for feature in features:
        for name in feature.fields:
            if _GOOD_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME:
                is_number = feature.agg == "field_number"
                # A field that is read both ways is sent as text: numbers are read from it where they are numbers.
                kinds[name] = "number" if is_number and kinds.get(name, "number") == "number" else "string"
    return kinds
