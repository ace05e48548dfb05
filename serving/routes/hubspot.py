"""POST /webhooks/hubspot."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from data.sources.hubspot import IGNORED, SOURCE, UNUSABLE, HubSpotNews, read_events
from data.store import Added, Store
from serving.answers import to_json
from serving.messages import check_count
from serving.parts import Parts
from serving.problems import Problem
from serving.routes.keeping import ERASED

# HubSpot waits five seconds, then counts the batch as refused and sends it again.
_PATIENCE_SECONDS = 4.0


def routes(parts: Parts) -> APIRouter:
    """Taking HubSpot's webhooks. Not in the documents of the API: HubSpot alone can call it."""
    router = APIRouter()

    @router.post("/webhooks/hubspot", include_in_schema=False)
    async def take_hubspot(request: Request) -> Response:
        """Keeps what a signed batch says, all of it in one transaction. 200 also where single events are of no use: refused, the whole
        batch would come again for a day."""
        if parts.hubspot is None:
            raise Problem(
                404,
                "not_set_up",
                "No HubSpot app is set up here: set LEADLOOP_HUBSPOT_SECRET to its client secret, and LEADLOOP_PUBLIC_URL.",
            )
        parts.hubspot.check(request.scope, await request.body(), now=parts.clock())
        sent = await parts.body(request)
        events: list[Any] = sent if isinstance(sent, list) else [sent]
        check_count(events, name="the batch")
        rules = parts.hubspot.rules

        def keep(now: int) -> tuple[HubSpotNews, Added]:
            news = read_events(events, rules, now=now)
            return news, kept(parts.store, news, now=now)

        news, added = await parts.writer.run(keep, patience=min(_PATIENCE_SECONDS, parts.write_patience))
        parts.metrics.received_outcomes(outcome.kind for outcome in news.outcomes)
        parts.metrics.left_out(
            [IGNORED] * news.n_ignored + [UNUSABLE] * len(news.unusable) + [ERASED] * added.erased
        )
        counts = {
            "new": added.new,
            "erased": len(news.erased),
            "ignored": news.n_ignored,
            "unusable": len(news.unusable),
        }
        return to_json({"received": len(events), **counts})

    return router


def kept(store: Store, news: HubSpotNews, *, now: int) -> Added:
    """Write a batch in the transaction at hand. Who is erased in it is erased first, and its news left out."""
    for lead_id in news.erased:
        store.privacy.erase(lead_id, now=now)
    store.dead_letters.add(SOURCE, news.unusable, now=now)
    return (
        store.add_leads(news.leads, now=now)
        + store.add_links(news.links, now=now)
        + store.add_outcomes(news.outcomes, now=now)
    )
