"""GET /v1/model."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from serving.answers import ModelOut, to_json, without_nan
from serving.parts import Parts
from serving.routes.documents import refusals


def routes(parts: Parts) -> APIRouter:
    """What serves."""
    router = APIRouter(tags=["model"])

    @router.get(
        "/v1/model",
        operation_id="showModel",
        summary="The model that serves: its version, card, features and grades",
        responses={200: {"model": ModelOut}, **refusals(503)},
    )
    async def show_model() -> Response:
        served, watch = parts.served(), parts.live.watch
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
            "champion": watch.champion,
            "refused": [{"version": number, "why": why} for number, why in watch.refused.items()],
            "registry_reachable": watch.trouble is None,
        }
        return to_json(content, headers={"X-Model-Version": served.version})

    return router
