"""What became of a lead: the fold of all that sales stated about it.

The fold is a function of the set of statements: order of arrival and repetition change nothing. Undoing restores exactly what was
before: ``retracted`` takes a statement back as if it had never been made, ``reopened`` ends the latest ``lost`` or ``disqualified``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from data.domain import FINAL_KINDS, GOALS, LATEST, OUTCOME_KINDS, Outcome
from data.errors import ConfigError, did_you_mean

# Taken back by `reopened`; a won lead stays won until the `won` is retracted.
REOPENABLE = FINAL_KINDS - {"won"}
_UNDOING = {"reopened": 1, "retracted": 2}
_WORK = frozenset(OUTCOME_KINDS) - frozenset(_UNDOING)


@dataclass(frozen=True)
class OutcomeState:
    """Where a lead stands.

    Attributes
    ----------
    first_at : kind -> instant of the earliest statement of that kind that was not undone.
    final_kind, final_at : the latest ``won``, ``lost`` or ``disqualified`` that was not undone; None for an open lead.
    is_worked : whether any statement stands; an unworked lead says nothing about quality.
    """

    first_at: Mapping[str, int] = field(default_factory=dict)
    final_kind: str | None = None
    final_at: int | None = None
    is_worked: bool = False


def fold(outcomes: Iterable[Outcome], *, known_at: int | None = None) -> OutcomeState:
    """The state of one lead after all its outcomes, or, with ``known_at``, after those that had happened and been received by then.

    Each (source, outcome_id) counts once; of two that differ, the one received first. At one instant, undoing comes last.
    ``retracted`` takes back the outcome it names in ``undoes`` (of its own source, else of any), whenever that happened; without a
    name, the latest earlier one still standing. One that names nothing known waits: it has no effect until that arrives.
    """
    standing = after_reopenings(after_retractions(outcomes, known_at=known_at))
    first_at: dict[str, int] = {}
    final: Outcome | None = None
    for outcome in standing:
        first_at.setdefault(outcome.kind, outcome.occurred_at)
        if outcome.kind in FINAL_KINDS:
            final = outcome
    if final is None:
        return OutcomeState(first_at, is_worked=bool(first_at))
    return OutcomeState(first_at, final.kind, final.occurred_at, is_worked=True)


def goal_reached_at(outcomes: Iterable[Outcome], goal: str) -> int | None:
    """Instant of the earliest outcome of that goal not undone, None when there is none. Raises ConfigError for an unknown goal."""
    first_at = fold(outcomes).first_at
    return min((first_at[kind] for kind in goal_kinds(goal) if kind in first_at), default=None)


def goal_kinds(goal: str) -> frozenset[str]:
    """Outcome kinds that reach a goal. Raises ConfigError for an unknown one."""
    if goal not in GOALS:
        raise ConfigError(f"unknown goal {goal!r}{did_you_mean(goal, GOALS)}")
    return GOALS[goal]


def is_work(outcome: Outcome) -> bool:
    """Whether the statement itself says that sales acted on the lead."""
    return outcome.kind in _WORK


def after_retractions(outcomes: Iterable[Outcome], *, known_at: int | None = None) -> list[Outcome]:
    """Statements that were not retracted, once each and in order, without the retractions themselves."""
    until = LATEST if known_at is None else known_at
    known: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        if outcome.occurred_at <= until and _received(outcome) <= until:
            key = (outcome.source, outcome.outcome_id)
            held = known.get(key)
            if held is None or (outcome != held and _arrival(outcome) < _arrival(held)):
                known[key] = outcome
    ordered = sorted(known.values(), key=_order)
    if not any(o.kind == "retracted" for o in ordered):
        return ordered
    gone = _named_as_undone(ordered)
    # Those without a name act in order on what the named ones left: so a statement and its named retraction leave no trace.
    standing: list[Outcome] = []
    for outcome in ordered:
        if (outcome.source, outcome.outcome_id) in gone:
            continue
        if outcome.kind != "retracted":
            standing.append(outcome)
        elif outcome.undoes is None and standing:
            standing.pop()
    return standing


def _named_as_undone(ordered: list[Outcome]) -> set[tuple[str, str]]:
    """Keys that a standing retraction names. A retraction can itself be retracted, but only by a later one: no circles."""
    by_id: dict[str, list[int]] = {}
    for position, outcome in enumerate(ordered):
        by_id.setdefault(outcome.outcome_id, []).append(position)
    gone: set[tuple[str, str]] = set()
    for position in range(len(ordered) - 1, -1, -1):
        retraction = ordered[position]
        if retraction.kind != "retracted" or retraction.undoes is None:
            continue
        if (retraction.source, retraction.outcome_id) in gone:
            continue
        named = by_id.get(retraction.undoes, [])
        own = [p for p in named if ordered[p].source == retraction.source]
        for p in own or named:
            if ordered[p].kind != "retracted" or p < position:
                gone.add((ordered[p].source, ordered[p].outcome_id))
    return gone


def after_reopenings(standing: Iterable[Outcome]) -> list[Outcome]:
    """Ordered statements without the reopenings and what each took back: the latest earlier ``lost`` or ``disqualified``."""
    kept: list[Outcome] = []
    for outcome in standing:
        if outcome.kind != "reopened":
            kept.append(outcome)
            continue
        for position in range(len(kept) - 1, -1, -1):
            if kept[position].kind in REOPENABLE:
                del kept[position]
                break
    return kept


def closed_spans(standing: Iterable[Outcome]) -> list[tuple[int, int]]:
    """Spans [closed, reopened) in which a lead was closed, from ordered statements; ``LATEST`` ends one that is still closed.

    >>> closed_spans([Outcome("1", "ada", "lost", 5), Outcome("2", "ada", "reopened", 9), Outcome("3", "ada", "won", 12)])
    [(5, 9), (12, 7258118400000000)]
    """
    spans: list[tuple[int, int]] = []
    since, n_closings, is_won = 0, 0, False
    for outcome in standing:
        was_closed = is_won or n_closings > 0
        if outcome.kind in REOPENABLE:
            n_closings += 1
        elif outcome.kind == "won":
            is_won = True
        elif outcome.kind == "reopened" and n_closings:
            n_closings -= 1
        is_closed = is_won or n_closings > 0
        if is_closed and not was_closed:
            since = outcome.occurred_at
        elif was_closed and not is_closed and outcome.occurred_at > since:
            spans.append((since, outcome.occurred_at))
    if is_won or n_closings:
        spans.append((since, LATEST))
    return spans


def _order(outcome: Outcome) -> tuple[int, int, str, str]:
    return outcome.occurred_at, _UNDOING.get(outcome.kind, 0), outcome.source, outcome.outcome_id


def _received(outcome: Outcome) -> int:
    return outcome.occurred_at if outcome.received_at is None else outcome.received_at


def _arrival(outcome: Outcome) -> tuple[int, str]:
    return _received(outcome), repr(outcome)
