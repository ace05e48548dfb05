"""A challenger in shadow: it scores what the champion answered, its scores are logged beside, and nobody ever gets them.

The leads are taken over once the champion's scores are committed, with the history and the cutoff those were made from, and scored by a
thread of its own with the challenger's own features. Nothing here may hold up or break an answer: what waits is bounded and the rest is
dropped, whatever fails is logged once and counted, and one write at a time is asked of the writer.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from data.accounts import Spans, account_of
from data.scorelog import CHALLENGER, ScoreRow, id_beside
from data.snapshots import LeadHistory, snapshots_of
from data.store import Store
from serving.answers import number_or_none
from serving.live import LiveScorer, Served
from serving.problems import Problem, reason_of
from serving.scored import Seen
from serving.writer import Writer

logger = logging.getLogger("leadloop.serving")

MOST_LEADS, MOST_TOUCHPOINTS = 20_000, 200_000
# Scored in one go, and written in one go: a bulk must not hold the writer from those who wait for an answer.
_PIECE = 250
_GATHER_SECONDS = 0.25
_LOOK_SECONDS = 0.2
# A trial of a version may be under way, and nothing is lost with it.
_STOP_SECONDS = 2.0


class ShadowCounts(Protocol):
    """Where a shadow says what happened."""

    def shadowed(self, rows: Iterable[ScoreRow]) -> None: ...

    def dropped(self, n: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lead to be scored again: what the answered score of this id, by this version, was made from."""

    history: LeadHistory
    lead_id: str
    is_stored: bool
    score_id: str
    answered_by: str
    cutoff: int


class Shadow:
    """Scores answered leads again with the challenger.

    Parameters
    ----------
    store, writer : read for the leads beside; what is scored is logged through the writer.
    champion, challenger : which versions serve. Where both are one version, nothing is scored twice.
    counts : where scores and dropped leads are counted.
    most_leads, most_touchpoints : how much may wait; what does not fit is dropped.
    gather_seconds : how long leads are gathered before they are scored, so that many share one write.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        *,
        champion: LiveScorer,
        challenger: LiveScorer,
        counts: ShadowCounts,
        most_leads: int = MOST_LEADS,
        most_touchpoints: int = MOST_TOUCHPOINTS,
        gather_seconds: float = _GATHER_SECONDS,
    ) -> None:
        self.challenger = challenger
        self._store = store
        self._writer = writer
        self._champion = champion
        self._counts = counts
        self._most_leads = most_leads
        self._most_touchpoints = most_touchpoints
        self._gather_seconds = gather_seconds
        self._lock = threading.Lock()
        self._waiting: deque[Waiting] = deque()
        self._n_touchpoints = 0
        self._wake, self._stop = threading.Event(), threading.Event()
        self._known_troubles: set[tuple[str, str]] = set()
        self._thread: threading.Thread | None = None

    def version(self) -> str | None:
        """The challenger that scores beside the champion; None when there is none, or when it is the champion itself."""
        served, answering = self.challenger.current(), self._champion.current()
        if served is None or (answering is not None and answering.version == served.version):
            return None
        return served.version

    def start(self) -> None:
        """Begin to watch the challenger and to score, as soon as a champion serves: its own trial comes first."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="leadloop-shadow", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the piece under way, drop what waits, and end. What was handed to the writer is still written."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None
        self.challenger.stop(patience=_STOP_SECONDS)
        with self._lock:
            left = len(self._waiting)
            self._waiting.clear()
            self._n_touchpoints = 0
        self._drop(left)

    def follow(self, seen: Sequence[Seen | Problem], rows: Sequence[ScoreRow]) -> None:
        """Take over answered leads, whose committed log rows are ``rows``, in the order of those of ``seen`` that were scored.

        Returns at once. Leads that do not fit beside those that wait are dropped.
        """
        served = self.challenger.current()
        if served is None or served.version == rows[0].model_version:
            return
        good = (item for item in seen if isinstance(item, Seen))
        left_out = 0
        with self._lock:
            for item, row in zip(good, rows, strict=True):
                n = len(item.history.touchpoints)
                if len(self._waiting) >= self._most_leads or self._n_touchpoints + n > self._most_touchpoints:
                    left_out += 1
                    continue
                self._n_touchpoints += n
                self._waiting.append(
                    Waiting(
                        item.history, row.lead_id, row.stored, row.score_id, row.model_version, row.cutoff
                    )
                )
            self._wake.set()
        self._drop(left_out)

    def _run(self) -> None:
        while self._champion.current() is None:
            if self._stop.wait(_LOOK_SECONDS):
                return
        self.challenger.start()
        self._work()

    def _work(self) -> None:
        while True:
            self._wake.wait()
            # Nobody waits for these: what comes meanwhile is scored and written together.
            if self._stop.wait(self._gather_seconds):
                return
            while piece := self._next_piece():
                self._try(piece)
                if self._stop.is_set():
                    return

    def _next_piece(self) -> list[Waiting]:
        with self._lock:
            piece = [self._waiting.popleft() for _ in range(min(_PIECE, len(self._waiting)))]
            self._n_touchpoints -= sum(len(lead.history.touchpoints) for lead in piece)
            if not piece and not self._stop.is_set():
                self._wake.clear()
        return piece

    def _try(self, piece: list[Waiting]) -> None:
        served = self.challenger.current()
        if served is None:
            return
        leads = [lead for lead in piece if lead.answered_by != served.version]
        try:
            rows = rows_of(leads, served, self._store)
            if rows and self._is_written(self._writer.submit(lambda _: self._store.scores.append(rows))):
                self._counts.shadowed(rows)
        except Exception as fault:
            # Whatever it is, it must not end the thread: the next leads may do.
            self._drop(len(leads))
            kind = (served.version, type(fault).__name__)
            if kind not in self._known_troubles:
                self._known_troubles.add(kind)
                logger.warning(
                    "version %s could not score in shadow; its scores of these leads are missing, answers are not touched: %s",
                    served.version,
                    reason_of(fault),
                )

    def _is_written(self, promise: Future[None]) -> bool:
        """Wait for the write, however long the store is away; False when the service ends meanwhile."""
        while not wait([promise], timeout=_LOOK_SECONDS).done:
            if self._stop.is_set():
                return False
        promise.result()
        return True

    def _drop(self, n: int) -> None:
        if n:
            self._counts.dropped(n)


def rows_of(leads: Sequence[Waiting], served: Served, store: Store) -> list[ScoreRow]:
    """The challenger's log rows of these leads, in order; reasons are not told, as nobody asked for them."""
    if not leads:
        return []
    scorer = served.scorer
    beside = (lambda _: spans_beside(leads, store)) if scorer.features.reads_accounts else None
    matrix = scorer.matrix(snapshots_of([(lead.history, lead.cutoff) for lead in leads], beside=beside))
    scored = scorer.score_matrix(matrix)
    columns = (scored.score, scored.grade, scored.probability, scored.points)
    cells = zip(leads, matrix.X, *(column.tolist() for column in columns), strict=True)
    return [
        ScoreRow(
            score_id=id_beside(lead.score_id),
            lead_id=lead.lead_id,
            goal=scorer.goal,
            model_version=served.version,
            cutoff=lead.cutoff,
            score=score,
            grade=grade,
            probability=number_or_none(probability),
            points=points,
            features=row.tobytes(),
            reasons="[]",
            stored=lead.is_stored,
            route=CHALLENGER,
        )
        for lead, row, score, grade, probability, points in cells
    ]


def spans_beside(leads: Sequence[Waiting], store: Store) -> Spans:
    """Which leads are of these leads' accounts, as of each lead's own cutoff.

    Joined, so that one matrix does for all: it costs a third of one for each cutoff. Spans of other cutoffs change no count.
    """
    asked: dict[int, set[str]] = {}
    for lead in leads:
        account = account_of(lead.history.profile_at(lead.cutoff))
        if account is not None:
            asked.setdefault(lead.cutoff, set()).add(account)
    found = Spans.joined(
        [store.account_spans(sorted(accounts), cutoff=cutoff) for cutoff, accounts in asked.items()]
    )
    # Who stands at several cutoffs counts once. A span may have got its end between two of the questions; its beginning stays.
    keys = np.stack([found.account, found.lead, found.since.view(np.uint64)])
    once = np.unique(keys, axis=1, return_index=True)[1]
    return Spans(found.account[once], found.lead[once], found.since[once], found.until[once])
