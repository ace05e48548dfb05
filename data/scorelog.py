"""The score log: every score given, with the numbers it was made from, so that any of them can be recomputed later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from data import tables
from data.database import insert_new


class ScoreRow(NamedTuple):
    """One score as it was given.

    Attributes
    ----------
    score_id : a uuid in hex.
    cutoff : instant the lead was looked at, which is when it was scored.
    score, grade, probability : as answered; ``probability`` None where it was withheld.
    points : the score before clipping and rounding.
    features : float64 bytes of the lead's matrix row.
    reasons : JSON list of [sentence, points].
    stored : whether what the caller sent with the lead was kept.
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


_rows = select(*(tables.scores.c[name] for name in ScoreRow._fields))


def append(connection: Connection, rows: Sequence[ScoreRow]) -> None:
    """Append scores; those already there by id stay."""
    insert_new(connection, tables.scores, ScoreRow._fields, list[tuple[Any, ...]](rows))


def recent(connection: Connection, *, limit: int) -> list[ScoreRow]:
    """The last ``limit`` scores, newest first."""
    statement = _rows.order_by(tables.scores.c.seq.desc()).limit(limit)
    return [ScoreRow(*row) for row in connection.execute(statement)]


def by_id(connection: Connection, score_id: str) -> ScoreRow | None:
    row = connection.execute(_rows.where(tables.scores.c.score_id == score_id)).first()
    return ScoreRow(*row) if row else None


def last_of(connection: Connection, lead_id: str) -> ScoreRow | None:
    """The newest score of a lead, None when it has none."""
    statement = _rows.where(tables.scores.c.lead_id == lead_id).order_by(tables.scores.c.seq.desc()).limit(1)
    row = connection.execute(statement).first()
    return ScoreRow(*row) if row else None
