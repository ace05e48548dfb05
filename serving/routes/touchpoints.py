"""POST /v1/touchpoints."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.parts import Parts
from serving.routes.documents import RECEIVED, TOUCHPOINT, body_of, one_or_many
from serving.routes.keeping import keep
from serving.touches import read_touchpoint, received_touchpoint

_EXAMPLE = {
    "touchpoint_id": "pv-81",
    "lead_id": "00Q5g00000ABCDE",
    "occurred_at": "2026-03-07T14:30:00Z",
    "type": "pricing_view",
    "channel": "organic",
}


def routes(parts: Parts) -> APIRouter:
    """Keeping touchpoints."""
    router = APIRouter(tags=["keep"])

    @router.post(
        "/v1/touchpoints",
        operation_id="keepTouchpoints",
        summary="Keep touchpoints; each id once, however often it is sent",
        responses=RECEIVED,
        openapi_extra=body_of(one_or_many(TOUCHPOINT, "touchpoints"), _EXAMPLE),
    )
    async def keep_touchpoints(request: Request) -> Response:
        """Keeps what a lead or visitor did. Visits of bots and of the firm itself are left out and counted."""
        now = parts.clock()
        return await keep(
            parts,
            await parts.body(request),
            name="touchpoints",
            read=lambda item: read_touchpoint(item, now=now, intake=parts.intake),
            add=lambda items, at: parts.store.add_touchpoints(
                [received_touchpoint(t, now=at) for t in items], now=at
            ),
        )

    return router
