"""POST /v1/score and /v1/score/bulk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from data.intake import Intake
from serving.answers import BulkOut, ScoreOut, to_json
from serving.beside import LARGE_ITEMS, worked
from serving.garbage import collected_later
from serving.live import Served
from serving.messages import LeadMessage, check_count, read_score
from serving.metrics import Counts
from serving.parts import Parts
from serving.problems import Problem
from serving.routes.documents import MODEL_VERSION, SCORE, SCORES, body_of, refusals
from serving.scored import Answer

_EXAMPLE = {
    "lead_id": "00Q5g00000ABCDE",
    "title": "Head of Operations",
    "company_size": "51-200",
    "country": "DE",
    "touchpoints": [
        {"touchpoint_id": "pv-81", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}
    ],
}


Reasons = Annotated[
    bool, Query(description="0 leaves out reasons and the parts of the points, which are then not computed")
]
Lenient = Annotated[
    bool,
    Query(description="true ignores fields nobody knows and tells them in warnings, instead of refusing"),
]


def routes(parts: Parts) -> APIRouter:
    """Scoring, one lead or many."""
    router = APIRouter(tags=["score"])
    scoring = parts.scoring()

    @router.post(
        "/v1/score",
        operation_id="scoreLead",
        summary="Score a lead",
        responses={
            200: {"model": ScoreOut, "description": "scored", "headers": MODEL_VERSION},
            **refusals(409, 410, 413, 415, 422, 503),
        },
        openapi_extra=body_of(SCORE, _EXAMPLE),
    )
    async def score_lead(request: Request, reasons: Reasons = True, lenient: Lenient = False) -> Response:
        """Scores one lead from the message and from what is known of it, and keeps the message unless store is false.

        The answer is flat: score, grade, chance, up to five reasons with their points, and the version that scored.
        """
        served = parts.served()
        body = await parts.body(request)
        message = read_score(
            body,
            fields=served.scorer.features.fields,
            now=parts.clock(),
            intake=parts.intake,
            is_lenient=lenient,
        )
        [answer] = await scoring.score([message], served, with_reasons=reasons)
        if isinstance(answer, Problem):
            raise answer
        parts.metrics.scored([answer])
        parts.metrics.left_out(message.left_out)
        return to_json(answer, headers=_named(served))

    @router.post(
        "/v1/score/bulk",
        operation_id="scoreLeads",
        summary="Score up to 10,000 leads",
        responses={
            200: {"model": BulkOut, "description": "scored", "headers": MODEL_VERSION},
            **refusals(413, 415, 422, 503),
        },
        openapi_extra=body_of(SCORES, {"leads": [_EXAMPLE]}),
    )
    async def score_leads(request: Request, reasons: Reasons = True, lenient: Lenient = False) -> Response:
        """Scores many leads with one version, at one cutoff. Results come in the order of the request; an item that cannot be scored has
        index, code and message instead, and the others are scored all the same.
        """
        served = parts.served()
        with collected_later():
            items = _items(await parts.body(request))
            is_large = len(items) >= LARGE_ITEMS
            fields, now = served.scorer.features.fields, parts.clock()
            messages = await worked(is_large, _read_all, items, fields, now, parts.intake, lenient)
            good = [m for m in messages if isinstance(m, LeadMessage)]
            scored = await scoring.score(good, served, with_reasons=reasons) if good else []
            answers = iter(scored)
            results = [next(answers) if isinstance(m, LeadMessage) else m for m in messages]
            await worked(is_large, _count, parts.metrics, good, scored)
            return await worked(is_large, _bulk, request, results, served)

    return router


def _items(body: object) -> list[object]:
    if isinstance(body, dict) and set(body) == {"leads"}:
        body = body["leads"]
    if not isinstance(body, list):
        raise Problem(422, "not_a_list", 'send {"leads": [...]} with one object per lead')
    check_count(body, name="leads")
    return body


def _read_all(
    items: list[object], fields: Collection[str], now: int, intake: Intake, is_lenient: bool
) -> list[LeadMessage | Problem]:
    """Each item as a message or a problem. A lead comes once in a request: all items are scored at one cutoff, so a second message
    would be seen by the first one's score too."""
    found: list[LeadMessage | Problem] = []
    place: dict[str, int] = {}
    for index, item in enumerate(items):
        try:
            message = read_score(item, fields=fields, now=now, intake=intake, is_lenient=is_lenient)
        except Problem as problem:
            found.append(problem)
            continue
        if message.lead_id is not None and place.setdefault(message.lead_id, index) != index:
            found.append(_duplicate(place[message.lead_id]))
        else:
            found.append(message)
    return found


def _duplicate(first: int) -> Problem:
    return Problem(
        422,
        "duplicate_lead",
        f"This lead_id is item {first} of the request already, so this item was neither scored nor kept; "
        "join the two items, or send this one in a request of its own.",
        pointer="/lead_id",
    )


def _count(metrics: Counts, messages: Sequence[LeadMessage], scored: Sequence[Answer | Problem]) -> None:
    metrics.scored(answer for answer in scored if not isinstance(answer, Problem))
    metrics.left_out(reason for message in messages for reason in message.left_out)


def _bulk(request: Request, results: list[Answer | Problem], served: Served) -> Response:
    shown = [r.item(index) if isinstance(r, Problem) else r for index, r in enumerate(results)]
    failed = sum(isinstance(r, Problem) for r in results)
    content = {
        "model_version": served.version,
        "scored": len(results) - failed,
        "failed": failed,
        "results": shown,
    }
    return to_json(content, request=request, headers=_named(served))


def _named(served: Served) -> dict[str, str]:
    return {"X-Model-Version": served.version}
