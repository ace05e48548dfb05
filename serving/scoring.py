"""From a request to a score.

Kept first, then scored: the lead and its touchpoints are written, the history is read back in the same transaction, and the snapshot is cut
at the transaction's time. So a score saw exactly what a later retraining will see at that cutoff. Every score is logged with its row of the
matrix, by which it can be recomputed bit for bit. One scorer is taken at the start and answers the whole request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from starlette.concurrency import run_in_threadpool

from data.bars import SUPPRESSED, Bar
from data.scorelog import ScoreRow
from data.snapshots import LeadHistory, ProfileVersion
from data.store import Store
from serving.beside import LARGE_ITEMS, worked
from serving.live import Served
from serving.messages import LeadMessage
from serving.metrics import Counts
from serving.problems import Problem, barred, reason_of, store_away
from serving.scored import Answer, Beside, ConflictKey, Seen, answers_of
from serving.shadow import Shadow
from serving.writer import STORE_FAULTS, Clock, Next, Writer

logger = logging.getLogger("leadloop.serving")

# One lead is scored inside its transaction; a bulk would hold the store too long and is scored after it.
_SCORED_INSIDE = 50


class Scoring:
    """Scores messages and keeps what came with them.

    Parameters
    ----------
    store, writer : where leads are kept; the writer's thread is the only one that writes.
    clock : microseconds since 1970 UTC, for answers made without the store.
    patience : seconds a score waits for the store before it is made from the request alone.
    counts : told of the rows that were scored.
    shadow : where a challenger scores the same leads again, once their scores are committed; None: nowhere.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        *,
        clock: Clock,
        patience: float,
        counts: Counts,
        shadow: Shadow | None = None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._patience = patience
        self._shadow = shadow
        self._counts = counts
        # While the store holds the writer up it may hold readers up as well: more of them would wait, each with a connection.
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="leadloop-reading")

    async def score(
        self, messages: Sequence[LeadMessage], served: Served, *, with_reasons: bool = True
    ) -> list[Answer | Problem]:
        """An answer or a problem for each message, in order. Without reasons, they are not computed.

        When the store does not answer in time, what the request itself says is scored (``degraded``), and a lead that is only named by its
        id gets a 503 problem.
        """
        try:
            if len(messages) == 1:
                item = (messages[0], served, with_reasons)
                return [await self._writer.run_together(self._scored_together, item, patience=self._patience)]
            if len(messages) <= _SCORED_INSIDE:
                return await self._writer.run(
                    lambda now: self._scored_and_logged(messages, served, now, with_reasons),
                    patience=self._patience,
                )
            # A bulk writes and reads for longer than one lead does.
            patience = self._patience + len(messages) / 250
            now, seen = await self._writer.run(
                lambda now: (now, self._keep(messages, now)), patience=patience
            )
            answers, rows = await run_in_threadpool(
                answers_of, seen, served, now, beside=self._beside(now), with_reasons=with_reasons
            )
        except Problem as problem:
            if problem.code != store_away().code:
                raise
            return await self._degraded(messages, served, with_reasons)
        except (
            STORE_FAULTS
        ):  # the leads were kept, but the store went away before it told who else is of their companies
            return await self._degraded(messages, served, with_reasons)
        try:
            await self._writer.run(lambda _: self._log(rows, seen, served), patience=patience)
        except Problem:
            # The leads are kept and the scores are right; the log gets them when the store is back.
            self._log_later(rows, served)
        return answers

    def _scored_together(
        self, now: Next, items: Sequence[tuple[LeadMessage, Served, bool]]
    ) -> list[Answer | Problem]:
        """Messages of several requests, in order: those of one version in one go, as far as no two of them are about one lead."""
        found: list[Answer | Problem] = []
        for _, own in groupby(items, key=lambda item: (id(item[1]), item[2])):
            group = list(own)
            _, served, with_reasons = group[0]
            for messages in _without_repeats([item[0] for item in group]):
                found += self._scored_and_logged(messages, served, now(), with_reasons)
        return found

    def _scored_and_logged(
        self, messages: Sequence[LeadMessage], served: Served, now: int, with_reasons: bool
    ) -> list[Answer | Problem]:
        seen = self._keep(messages, now)
        answers, rows = answers_of(seen, served, now, beside=self._beside(now), with_reasons=with_reasons)
        if rows:
            self._log(rows, seen, served)
        return answers

    def _log(self, rows: list[ScoreRow], seen: Sequence[Seen | Problem], served: Served) -> None:
        self._store.scores.append(rows)
        if rows:
            self._writer.after_commit(lambda: self._logged(rows, seen, served))

    def _logged(self, rows: list[ScoreRow], seen: Sequence[Seen | Problem], served: Served) -> None:
        self._counts.saw(served.scorer, rows)
        if self._shadow is not None:
            self._shadow.follow(seen, rows)

    def _keep(self, messages: Sequence[LeadMessage], now: int) -> list[Seen | Problem]:
        """What is seen of each message once it is kept; a problem, and nothing kept, for who is erased or suppressed."""
        bars = self._store.privacy.barred(_named(messages))
        if not bars:
            return self._kept(messages, now)
        problems = [_bar(message, bars) for message in messages]
        for message, problem in zip(messages, problems, strict=True):
            if problem is not None and message.is_to_store and message.lead_id not in bars:
                # Its visitor objected: the two being one person is all that is kept, and the objection is the lead's too.
                self._store.add_links(message.links(now=now), now=now)
        free = [m for m, problem in zip(messages, problems, strict=True) if problem is None]
        seen = iter(self._kept(free, now))
        return [next(seen) if problem is None else problem for problem in problems]

    def _kept(self, messages: Sequence[LeadMessage], now: int) -> list[Seen | Problem]:
        """Write what is to be kept, then read every history once."""
        kept = [m for m in messages if m.is_to_store and m.lead_id is not None and m.is_news]
        conflicts: dict[str, list[ConflictKey]] = {}
        if kept:
            self._store.add_leads([m.lead(now=now) for m in kept], now=now)
            links = [link for m in kept for link in m.links(now=now)]
            if links:
                self._store.add_links(links, now=now)
            touchpoints = [t for m in kept for t in m.received(now=now)]
            if touchpoints:
                for key in self._store.add_touchpoints(touchpoints, now=now).conflict_keys:
                    conflicts.setdefault(key[2], []).append(key)
        unkept = [t for m in messages if not m.is_to_store and m.lead_id is not None for t in m.touchpoints]
        known = self._store.held_touchpoints(unkept) if unkept else set()
        return self._seen(messages, self._histories(messages, now), now, conflicts=conflicts, known=known)

    def _histories(self, messages: Sequence[LeadMessage], now: int) -> Mapping[str, LeadHistory]:
        ids = sorted({m.lead_id for m in messages if m.lead_id is not None})
        return self._store.histories(ids, cutoff=now) if ids else {}

    def _read(
        self, messages: Sequence[LeadMessage], now: int
    ) -> tuple[Mapping[str, LeadHistory], Mapping[str, Bar]]:
        return self._histories(messages, now), self._store.privacy.barred(_named(messages))

    def _beside(self, now: int) -> Beside:
        return lambda accounts: self._store.account_spans(accounts, cutoff=now)

    def _seen(
        self,
        messages: Sequence[LeadMessage],
        histories: Mapping[str, LeadHistory],
        now: int,
        *,
        is_kept: bool = True,
        conflicts: Mapping[str, Sequence[ConflictKey]] | None = None,
        known: Collection[tuple[str, str]] = (),
    ) -> list[Seen | Problem]:
        found: list[Seen | Problem] = []
        for message in messages:
            held = None if message.lead_id is None else histories.get(message.lead_id)
            if is_kept and not message.is_to_store and (links := message.links(now=now)):
                # Each by itself: what one message says without keeping it is no matter to the others.
                held = self._store.histories([links[0].lead_id], cutoff=now, also=links).get(links[0].lead_id)
            is_stored = is_kept and message.is_to_store and held is not None
            if held is None and not message.says_something:
                found.append(no_information(message) if is_kept else store_away())
            elif is_stored and held is not None:
                of_lead = tuple((conflicts or {}).get(held.lead_id, ()))
                found.append(Seen(message, held, is_stored=True, conflicts=of_lead))
            else:
                found.append(Seen(message, joined(held, message, now=now, known=known), is_stored=False))
        return found

    async def _degraded(
        self, messages: Sequence[LeadMessage], served: Served, with_reasons: bool
    ) -> list[Answer | Problem]:
        now = self._clock()
        histories: Mapping[str, LeadHistory] = {}
        bars: Mapping[str, Bar] = {}
        try:
            # Given up before a thread took it, the reading is never done: nobody waits for it any more.
            reading = asyncio.get_running_loop().run_in_executor(self._readers, self._read, messages, now)
            histories, bars = await asyncio.wait_for(reading, self._patience)
        except (TimeoutError, *STORE_FAULTS) as fault:
            logger.warning("scoring without the store: %s", reason_of(fault))
        free = [m for m in messages if _bar(m, bars) is None]
        found = iter(self._seen(free, histories, now, is_kept=False))
        seen = [_bar(m, bars) or next(found) for m in messages]
        answers, rows = await worked(
            len(seen) >= LARGE_ITEMS,
            answers_of,
            seen,
            served,
            now,
            is_degraded=True,
            with_reasons=with_reasons,
        )
        self._log_later(rows, served)
        if len(messages) == 1 and isinstance(answers[0], Problem):
            raise answers[0]
        return answers

    def _log_later(self, rows: list[ScoreRow], served: Served) -> None:
        if not rows:
            return
        self._counts.saw(served.scorer, rows)
        try:
            # Written when the store is back; nobody waits for it.
            self._writer.submit(lambda _: self._store.scores.append(rows))
        except Problem:
            logger.warning("%d scores are not logged: too much waits for the store already", len(rows))


def _named(messages: Sequence[LeadMessage]) -> list[str]:
    """The ids of leads and visitors in the messages."""
    return [i for m in messages for i in (m.lead_id, m.anonymous_id) if i is not None]


def _bar(message: LeadMessage, bars: Mapping[str, Bar]) -> Problem | None:
    """Why the message may not be scored. A visitor who was erased bars nobody: the lead is another's, or begins anew."""
    if message.lead_id is not None and message.lead_id in bars:
        return barred(bars[message.lead_id])
    if message.anonymous_id is not None and bars.get(message.anonymous_id) == SUPPRESSED:
        return barred(SUPPRESSED)
    return None


def _without_repeats(messages: Sequence[LeadMessage]) -> Iterator[list[LeadMessage]]:
    """The messages in order, cut before each that is about a lead or visitor of the same part: it must see what came before."""
    part: list[LeadMessage] = []
    ids: set[str | None] = set()
    for message in messages:
        own = {message.lead_id, message.anonymous_id} - {None}
        if ids & own:
            yield part
            part, ids = [], set()
        part.append(message)
        ids |= own
    if part:
        yield part


def no_information(message: LeadMessage) -> Problem:
    """Nothing is known about the lead, neither here nor in the message."""
    if message.lead_id is None:
        said = (
            "The lead says nothing: send a profile field, touchpoints, or the lead_id of a lead sent before."
        )
    else:
        said = "No lead of this lead_id is known, and the message says nothing about it: send a profile field or touchpoints."
    return Problem(422, "no_information", said)


def joined(
    held: LeadHistory | None, message: LeadMessage, *, now: int, known: Collection[tuple[str, str]] = ()
) -> LeadHistory:
    """What is held about a lead and what the message adds, as if it had been kept now.

    ``known`` are (source, id) of touchpoints that are held already: the lead has them in its history, or they are another's.
    """
    lead_id = message.lead_id or ""
    stated = (ProfileVersion(now, now, message.profile),) if message.profile else ()
    received = message.received(now=now)
    if known:
        received = [t for t in received if (t.source, t.touchpoint_id) not in known]
    if held is None:
        created = now if message.created_at is None else min(message.created_at, now)
        return LeadHistory(lead_id, created, profiles=stated, touchpoints=received)
    return LeadHistory(
        lead_id,
        held.created_at,
        profiles=(*held.profiles, *stated),
        touchpoints=(*held.touchpoints, *received),
        owners=held.owners,
    )
