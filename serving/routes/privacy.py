"""DELETE /v1/leads/{lead_id}, and POST and DELETE /v1/leads/{lead_id}/suppress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path
from starlette.responses import Response

from data.bars import ERASED
from data.domain import check_id
from serving.answers import ErasedOut, SuppressedOut, to_json
from serving.message_fields import checked_value
from serving.parts import Parts
from serving.problems import barred
from serving.routes.documents import refusals

T = TypeVar("T")
LeadId = Annotated[
    str,
    Path(min_length=1, max_length=200, description="the CRM's id of the lead, or a visitor's anonymous id"),
]


def routes(parts: Parts) -> APIRouter:
    """Erasing a person, and taking and withdrawing an objection."""
    router = APIRouter(tags=["privacy"])

    # Before erasing: ids may hold slashes, so that address would swallow these.
    @router.post(
        "/v1/leads/{lead_id:path}/suppress",
        operation_id="suppressLead",
        summary="Neither score a person nor learn from it",
        responses={
            200: {"model": SuppressedOut, "description": "suppressed, on disk"},
            **refusals(404, 410, 422, 503),
        },
    )
    async def suppress_lead(lead_id: LeadId) -> Response:
        """Takes an objection to profiling, for all ids of the person, those that links join later too. It needs no body. An id that is not
        known yet is suppressed when it comes.
        """
        known = _checked(lead_id)
        n = await _run(parts, lambda now: parts.store.privacy.suppress(known, now=now))
        return _suppressed(n, is_suppressed=True)

    @router.delete(
        "/v1/leads/{lead_id:path}/suppress",
        operation_id="unsuppressLead",
        summary="Withdraw an objection: score the person again",
        responses={
            200: {"model": SuppressedOut, "description": "withdrawn, on disk"},
            **refusals(404, 410, 422, 503),
        },
    )
    async def unsuppress_lead(lead_id: LeadId) -> Response:
        """Withdraws an objection, for all ids of the person."""
        known = _checked(lead_id)
        n = await _run(parts, lambda now: parts.store.privacy.unsuppress(known))
        return _suppressed(n, is_suppressed=False)

    @router.delete(
        "/v1/leads/{lead_id:path}",
        operation_id="eraseLead",
        summary="Erase a person: everything held about it, for good",
        responses={200: {"model": ErasedOut, "description": "erased, on disk"}, **refusals(404, 422, 503)},
    )
    async def erase_lead(lead_id: LeadId) -> Response:
        """Deletes all that is held under all ids of the person, and leaves out what arrives about them later. An id nobody knows is erased
        too, so that a message on its way does not create it. This cannot be undone.
        """
        known = _checked(lead_id)
        return to_json(asdict(await _run(parts, lambda now: parts.store.privacy.erase(known, now=now))))

    return router


def _checked(lead_id: str) -> str:
    return checked_value("lead_id", lambda: check_id(lead_id, name="lead_id"))


async def _run(parts: Parts, do: Callable[[int], T]) -> T:
    return await parts.writer.run(do, patience=parts.write_patience)


def _suppressed(n_ids: int, *, is_suppressed: bool) -> Response:
    if not n_ids:
        raise barred(ERASED)
    return to_json({"suppressed": is_suppressed, "ids": n_ids})
