"""Answers and log rows of leads whose histories are at hand: one matrix and one call of the scorer for all of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from data.accounts import Spans
from data.domain import format_instant
from data.scorelog import CHAMPION, ScoreRow, id_from
from data.snapshots import LeadHistory, snapshots_of
from serving.answers import N_REASONS, number_or_none, shown_ids
from serving.live import Served
from serving.messages import LeadMessage
from serving.problems import Problem
from training.scorer.reasons import LeadReasons

Answer = dict[str, Any]
ConflictKey = tuple[str, str, str]
Beside = Callable[[list[str]], Spans]


class Seen(NamedTuple):
    """A message with the history its snapshot is made of, cut at ``cutoff``."""

    message: LeadMessage
    history: LeadHistory
    is_stored: bool
    conflicts: tuple[ConflictKey, ...] = ()


def answers_of(
    seen: Sequence[Seen | Problem],
    served: Served,
    now: int,
    *,
    beside: Beside | None = None,
    is_degraded: bool = False,
    with_reasons: bool = True,
) -> tuple[list[Answer | Problem], list[ScoreRow]]:
    """Answers in order, and their rows for the log: one matrix and one call of the scorer for all of them.

    ``beside`` tells which other leads are of some accounts; where the store is away, they are not known. Without reasons, they and the
    parts of the points are null; score and log are the same.
    """
    good = [item for item in seen if isinstance(item, Seen)]
    if not good:
        return [item for item in seen if isinstance(item, Problem)], []
    scorer = served.scorer
    asked = beside if scorer.features.reads_accounts else None
    if len(good) == 1:
        matrix = scorer.matrix_of_one(good[0].history, now, beside=asked)
    else:
        matrix = scorer.matrix(snapshots_of([(item.history, now) for item in good], beside=asked))
    reasons: Sequence[LeadReasons | None]
    if with_reasons:
        scored, reasons = scorer.score_with_reasons(matrix, most=N_REASONS)
    else:
        scored, reasons = scorer.score_matrix(matrix), [None] * len(good)
    score, probability, low, high, points = (
        column.tolist()
        for column in (scored.score, scored.probability, scored.low, scored.high, scored.points)
    )
    scored_at, began = format_instant(now), id_from(now)
    made: list[Answer] = []
    rows: list[ScoreRow] = []
    for i, (item, why) in enumerate(zip(good, reasons, strict=True)):
        score_id = began + secrets.token_hex(10)
        answer: Answer = {
            "lead_id": item.message.lead_id,
            "score": score[i],
            "grade": scored.grade[i],
            "probability": number_or_none(probability[i]),
            "low": number_or_none(low[i]),
            "high": number_or_none(high[i]),
            "points": points[i],
            **reason_members(why),
            "model_version": served.version,
            "score_id": score_id,
            "scored_at": scored_at,
            "goal": scorer.goal,
            "horizon_days": scorer.horizon_days,
            "route": CHAMPION,
            "stored": item.is_stored,
            "degraded": is_degraded,
            "conflicts": len(item.conflicts),
            "conflict_ids": ", ".join(shown_ids(item.conflicts)) if item.conflicts else None,
            "warnings": " ".join(item.message.warnings) or None,
        }
        made.append(answer)
        rows.append(
            ScoreRow(
                score_id=score_id,
                lead_id=item.message.lead_id or "",
                goal=scorer.goal,
                model_version=served.version,
                cutoff=now,
                score=answer["score"],
                grade=answer["grade"],
                probability=answer["probability"],
                points=answer["points"],
                features=matrix.X[i].tobytes(),
                reasons=orjson.dumps([[r.sentence, r.points] for r in why.reasons]).decode() if why else "[]",
                stored=item.is_stored,
            )
        )
    answers = iter(made)
    return [next(answers) if isinstance(item, Seen) else item for item in seen], rows


def reason_members(why: LeadReasons | None) -> dict[str, Any]:
    """The parts of the points, and ``reason_1`` to ``reason_5`` with theirs, null where there are fewer."""
    if why is None:
        return _NO_REASONS
    members: dict[str, Any] = {
        "baseline_points": why.baseline_points,
        "fit_points": why.fit_points,
        "engagement_points": why.engagement_points,
    }
    for n, (name, its_points) in enumerate(_REASON_NAMES):
        reason = why.reasons[n] if n < len(why.reasons) else None
        members[name] = None if reason is None else reason.sentence
        members[its_points] = None if reason is None else reason.points
    return members


_REASON_NAMES = [(f"reason_{n}", f"reason_{n}_points") for n in range(1, N_REASONS + 1)]
_NO_REASONS: dict[str, Any] = dict.fromkeys(reason_members(LeadReasons(0.0, 0.0, 0.0, ())))
