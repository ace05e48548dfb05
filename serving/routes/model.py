"""GET /v1/model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from serving.answers import ModelOut, json_bytes, without_nan
from serving.parts import Parts
from serving.routes.documents import MODEL_VERSION, TAGGED, UNCHANGED, refusals
from serving.sending import tagged

IfNoneMatch = Annotated[
    str | None,
    Header(description="the ETag of the answer you have; unchanged, the answer is 304 without a body"),
]


def routes(parts: Parts) -> APIRouter:
    """What serves."""
    router = APIRouter(tags=["model"])

    @router.get(
        "/v1/model",
        operation_id="showModel",
        summary="The model that serves: its version, card, features and grades",
        responses={
            200: {"model": ModelOut, "description": "the model", "headers": {**MODEL_VERSION, **TAGGED}},
            **UNCHANGED,
            **refusals(422, 503),
        },
    )
    async def show_model(request: Request, if_none_match: IfNoneMatch = None) -> Response:
        """The version that serves, how it was made, how good it is, and what it looks at."""
        served, watch, shadow = parts.served(), parts.live.watch, parts.shadow
        refused = {**({} if shadow is None else shadow.challenger.watch.refused), **watch.refused}
        scorer = served.scorer
        content = {
            "model_version": served.version,
            "goal": scorer.goal,
            "horizon_days": scorer.horizon_days,
            "reference_log_odds": scorer.scale.reference_log_odds,
            "grades": scorer.grades.thresholds,
            "fields": sorted(scorer.features.fields),
            "features": [
                {"name": f.name, "group": f.group, "topic": f.topic, "says": f.says} for f in scorer.features
            ],
            "card": without_nan(served.card),
            "champion": watch.named,
            "refused": [{"version": number, "why": why} for number, why in refused.items()],
            "shadow": None if shadow is None else shadow.version(),
            "registry_reachable": watch.trouble is None,
        }
        headers = {"X-Model-Version": served.version}
        return await run_in_threadpool(lambda: tagged(request, json_bytes(content), headers=headers))

    return router
