"""POST /v1/leads, GET /v1/leads/{lead_id} and its explanation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from data.domain import check_id, format_instant
from data.errors import ContractError
from data.store import Added, Store
from serving.answers import ExplanationOut, LeadOut, to_json
from serving.explanations import explanation_of, shown_score
from serving.messages import LeadMessage, read_lead
from serving.parts import Parts
from serving.problems import Problem, reason_of, store_away
from serving.routes.documents import LEAD, MODEL_VERSION, RECEIVED, body_of, one_or_many, refusals
from serving.routes.keeping import keep
from serving.writer import STORE_FAULTS, logger

_EXAMPLE = {"lead_id": "00Q5g00000ABCDE", "created_at": "2026-03-01T08:00:00Z", "title": "Head of Operations"}
_SHOWN = 100

T = TypeVar("T")
LeadId = Annotated[str, Path(description="the CRM's id of the lead")]


def routes(parts: Parts) -> APIRouter:
    """Keeping leads, and telling what is known about one."""
    router = APIRouter(tags=["leads"])

    @router.post(
        "/v1/leads",
        operation_id="keepLeads",
        summary="Keep leads; a lead sent again adds what is new",
        responses=RECEIVED,
        openapi_extra=body_of(one_or_many(LEAD, "leads"), _EXAMPLE),
    )
    async def keep_leads(request: Request) -> Response:
        """Keeps what is known of a lead without scoring it. Fields that are sent replace what was known; others stay."""
        now, served = parts.clock(), parts.live.current()
        fields = served.scorer.features.fields if served else frozenset()
        return await keep(
            parts,
            await parts.body(request),
            name="leads",
            read=lambda item: read_lead(item, fields=fields, now=now),
            add=lambda items, at: _add(parts.store, items, at),
        )

    # Before the lead itself: ids may hold slashes, so that address would swallow this one.
    @router.get(
        "/v1/leads/{lead_id:path}/explanation",
        operation_id="explainLead",
        summary="Why the lead's last score is what it is",
        responses={
            200: {"model": ExplanationOut, "description": "the score, taken apart", "headers": MODEL_VERSION},
            **refusals(404, 422, 503),
        },
    )
    async def explain_lead(request: Request, lead_id: LeadId) -> Response:
        """Takes the last score apart: the points of every feature, from the numbers it was made of."""
        known = _checked(lead_id)
        row = await _read(parts, lambda: parts.store.scores.last_of(known))
        if row is None:
            if not await _read(parts, lambda: parts.store.histories([known])):
                raise _unknown()
            raise Problem(404, "not_scored", "This lead has not been scored yet; POST it to /v1/score.")
        headers = {"X-Model-Version": row.model_version}
        return to_json(
            await run_in_threadpool(explanation_of, row, parts.live), request=request, headers=headers
        )

    @router.get(
        "/v1/leads/{lead_id:path}",
        operation_id="showLead",
        summary="What is known about a lead",
        responses={200: {"model": LeadOut, "description": "the lead"}, **refusals(404, 422, 503)},
    )
    async def show_lead(request: Request, lead_id: LeadId) -> Response:
        """Profile, newest touchpoints, outcomes and last score of a lead."""
        known = _checked(lead_id)
        return to_json(await _read(parts, lambda: _view(parts, known)), request=request)

    return router


def _add(store: Store, messages: list[LeadMessage], now: int) -> Added:
    links = [link for message in messages for link in message.links(now=now)]
    if links:
        store.add_links(links, now=now)
    return store.add_leads([message.lead(now=now) for message in messages], now=now)


def _view(parts: Parts, lead_id: str) -> dict[str, Any]:
    history = parts.store.histories([lead_id]).get(lead_id)
    if history is None:
        raise _unknown()
    touchpoints = sorted(
        history.touchpoints, key=lambda t: (t.occurred_at, t.source, t.touchpoint_id), reverse=True
    )
    last = parts.store.scores.last_of(lead_id)
    return {
        "lead_id": lead_id,
        "created_at": format_instant(history.created_at),
        "profile": history.profile_at(parts.clock()),
        "n_touchpoints": len(touchpoints),
        "touchpoints": [
            {
                "touchpoint_id": t.touchpoint_id,
                "occurred_at": format_instant(t.occurred_at),
                "type": t.type,
                "channel": t.channel,
                "campaign": t.campaign,
                "content": t.content,
                "direction": t.direction,
                "value": t.value,
                "source": t.source,
            }
            for t in touchpoints[:_SHOWN]
        ],
        "outcomes": [
            {
                "outcome_id": o.outcome_id,
                "kind": o.kind,
                "occurred_at": format_instant(o.occurred_at),
                "amount": o.amount,
                "undoes": o.undoes,
                "source": o.source,
            }
            for o in parts.store.outcomes_of([lead_id]).get(lead_id, [])
        ],
        "last_score": None if last is None else shown_score(last),
        "suppressed": lead_id in parts.store.privacy.barred([lead_id]),
    }


async def _read(parts: Parts, query: Callable[[], T]) -> T:
    try:
        return await run_in_threadpool(query)
    except STORE_FAULTS as fault:
        parts.metrics.store_busy()
        logger.warning("a read failed: %s", reason_of(fault))
        raise store_away() from None


def _checked(lead_id: str) -> str:
    try:
        return check_id(lead_id, name="lead_id")
    except ContractError:
        raise _unknown() from None


def _unknown() -> Problem:
    return Problem(404, "unknown_lead", "No lead of this lead_id is known here.")
