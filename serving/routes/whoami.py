"""GET /v1/whoami."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from data.keys import SCOPES, Key
from serving.answers import to_json
from serving.auth import KEY
from serving.parts import Parts
from serving.routes.documents import refusals


class WhoamiOut(BaseModel):
    """The key that asks, and what answers."""

    name: str | None = Field(description="the key's name; null where no keys have been made")
    scopes: list[str] = Field(description="what the key allows")
    goal: str = Field(description="the outcome that scores predict")
    model_version: str | None = Field(description="the version that serves; null while none does")
    service_version: str = Field(description="leadloop's version")


def routes(parts: Parts) -> APIRouter:
    """The connection test."""
    router = APIRouter(tags=["model"])

    @router.get(
        "/v1/whoami",
        operation_id="whoami",
        summary="Test the connection: whose key this is, what it allows, and what serves",
        responses={200: {"model": WhoamiOut}, **refusals(503)},
    )
    async def whoami(request: Request) -> Response:
        key: Key | None = request.scope.get(KEY)
        served = parts.live.current()
        return to_json(
            {
                "name": key.name if key else None,
                "scopes": list(SCOPES if key is None or key.allows("admin") else key.scopes),
                "goal": parts.live.goal,
                "model_version": served.version if served else None,
                "service_version": service_version(),
            }
        )

    return router


@cache
def service_version() -> str:
    """The installed version of leadloop; ``unknown`` where it runs without having been installed."""
    try:
        return version("leadloop")
    except PackageNotFoundError:
        return "unknown"
