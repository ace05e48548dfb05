"""POST /v1/outcomes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.messages import read_outcome, received_outcome
from serving.parts import Parts
from serving.routes.documents import OUTCOME, RECEIVED, body_of, one_or_many
from serving.routes.keeping import keep

_EXAMPLE = {"lead_id": "00Q5g00000ABCDE", "kind": "qualified", "occurred_at": "2026-03-12T09:00:00Z"}


def routes(parts: Parts) -> APIRouter:
    """Keeping outcomes."""
    router = APIRouter(tags=["keep"])

    @router.post(
        "/v1/outcomes",
        operation_id="keepOutcomes",
        summary="Say what became of leads; each id once, however often it is sent",
        responses=RECEIVED,
        openapi_extra=body_of(one_or_many(OUTCOME, "outcomes"), _EXAMPLE),
    )
    async def keep_outcomes(request: Request) -> Response:
        """Keeps what sales decided; scores are learned from it. Nothing is overwritten: an outcome of kind retracted takes another back."""
        now = parts.clock()
        return await keep(
            parts,
            await parts.body(request),
            name="outcomes",
            read=lambda item: read_outcome(item, now=now),
            add=lambda items, at: parts.store.add_outcomes(
                [received_outcome(o, now=at) for o in items], now=at
            ),
            count=lambda items: parts.metrics.received_outcomes(o.kind for o in items),
        )

    return router
