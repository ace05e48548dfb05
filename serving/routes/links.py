"""POST /v1/links."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.parts import Parts
from serving.routes.documents import LINK, RECEIVED, body_of, one_or_many
from serving.routes.keeping import keep
from serving.touches import read_link, received_link

_EXAMPLE = {"from_id": "a3f0-visitor", "lead_id": "00Q5g00000ABCDE", "occurred_at": "2026-03-07T14:30:00Z"}


def routes(parts: Parts) -> APIRouter:
    """Keeping links: which visitors and merged leads are one person."""
    router = APIRouter(tags=["keep"])

    @router.post(
        "/v1/links",
        operation_id="keepLinks",
        summary="Say that a visitor is a lead, or that a lead was merged into another",
        responses=RECEIVED,
        openapi_extra=body_of(one_or_many(LINK, "links"), _EXAMPLE),
    )
    async def keep_links(request: Request) -> Response:
        """Says that two ids are one person: what is kept under the first counts for the second."""
        now = parts.clock()
        return await keep(
            parts,
            await parts.body(request),
            name="links",
            read=lambda item: read_link(item, now=now),
            add=lambda items, at: parts.store.add_links([received_link(k, now=at) for k in items], now=at),
        )

    return router
