"""The score log: every score given, with the numbers it was made from, so that any of them can be recomputed later.

A lead's score is the champion's. What a challenger scored beside it (``route``) was never answered: only ``by_id`` and ``pairs`` find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, select, text

from data import tables
from data.bars import Bars
from data.database import AMONG, ids_for, insert_new
from data.turns import Turns

CHAMPION, CHALLENGER = "champion", "challenger"
_BESIDE = "-challenger"
_CHUNK = 1_000


class ScoreRow(NamedTuple):
    """One score as it was given.

    Attributes
    ----------
    score_id : ``id_from`` and 80 random bits in hex; of a challenger's score, ``id_beside`` that of the answered one.
    cutoff : instant the lead was looked at, which is when it was scored.
    score, grade, probability : as answered; ``probability`` None where it was withheld.
    points : the score before clipping and rounding.
    features : float64 bytes of the lead's matrix row.
    reasons : JSON list of [sentence, points].
    stored : whether what the caller sent with the lead was kept.
    route : which model was asked, ``champion`` or ``challenger``.
    """

    score_id: str
    lead_id: str
    goal: str
    model_version: str
    cutoff: int
    score: int
    grade: str
    probability: float | None
    points: float
    features: bytes
    reasons: str
    stored: bool
    route: str = CHAMPION


class Told(NamedTuple):
    """What one version said of a lead: the parts of a ``ScoreRow`` that can be compared between versions."""

    model_version: str
    cutoff: int
    score: int
    grade: str
    probability: float | None
    points: float


_rows = select(*(tables.scores.c[name] for name in ScoreRow._fields))
_of_champion = _rows.where(tables.scores.c.route == CHAMPION)
_told = ", ".join(Told._fields)
# The route stands in the statement itself: a parameter would keep databases from the index of challengers' rows.
_newest_of_challenger = text(
    f"SELECT score_id, {_told} FROM scores WHERE route = '{CHALLENGER}' AND goal = :goal ORDER BY seq DESC LIMIT :limit"
)


def id_from(instant: int) -> str:
    """What the id of a score given then begins with: its millisecond, in 12 hex digits.

    So the index of ids grows at its end. Where ids come in no order, each row of a long log reads and writes a page of its own.
    """
    return f"{instant // 1_000:012x}"


def id_beside(score_id: str) -> str:
    """The id of the challenger's score that stands beside an answered one. One answer has at most one."""
    return score_id + _BESIDE


class ScoreLog:
    """The past scores of one store."""

    def __init__(self, turns: Turns, bars: Bars) -> None:
        self._turns = turns
        self._bars = bars

    def append(self, rows: Sequence[ScoreRow]) -> None:
        """Append scores that were given; one that is there already by ``score_id`` stays as it is.

        Scores of persons who were erased or suppressed meanwhile are left out.
        """
        with self._turns.write() as connection:
            barred = self._bars.barred(connection, (row.lead_id for row in rows))
            kept: list[tuple[Any, ...]] = [row for row in rows if row.lead_id not in barred]
            insert_new(connection, tables.scores, ScoreRow._fields, kept)

    def recent(self, *, limit: int) -> list[ScoreRow]:
        """The last ``limit`` scores that were answered, newest first."""
        return self._found(_of_champion.order_by(tables.scores.c.seq.desc()).limit(limit))

    def by_id(self, score_id: str) -> ScoreRow | None:
        """The score of this id, a challenger's too; None when there is none."""
        return next(iter(self._found(_rows.where(tables.scores.c.score_id == score_id))), None)

    def last_of(self, lead_id: str) -> ScoreRow | None:
        """The newest answered score of a lead, None when it was never scored."""
        own = _of_champion.where(tables.scores.c.lead_id == lead_id)
        return next(iter(self._found(own.order_by(tables.scores.c.seq.desc()).limit(1))), None)

    def pairs(self, *, goal: str, limit: int) -> list[tuple[Told, Told | None]]:
        """What challengers said in their last ``limit`` scores, newest first, each with the answer about the same lead at the same cutoff.

        The answer is None where it is no longer in the log.
        """
        with self._turns.read() as connection:
            newest = connection.execute(_newest_of_challenger, {"goal": goal, "limit": limit}).fetchall()
            dialect = connection.dialect.name
            answered = text(f"SELECT score_id, {_told} FROM scores WHERE score_id {AMONG[dialect]}")
            ids = [row[0].removesuffix(_BESIDE) for row in newest]
            known: dict[str, Told] = {}
            for start in range(0, len(ids), _CHUNK):
                among = ids_for(dialect, ids[start : start + _CHUNK])
                for score_id, *told in connection.execute(answered, among):
                    known[score_id] = Told(*told)
        return [(Told(*row[1:]), known.get(score_id)) for row, score_id in zip(newest, ids, strict=True)]

    def _found(self, statement: Select[Any]) -> list[ScoreRow]:
        with self._turns.read() as connection:
            return [ScoreRow(*row) for row in connection.execute(statement)]
