"""Labels: whether a lead reached its goal within the horizon after a cutoff.

Strictly after the cutoff, and no later than its horizon. A label is known from the instant that decides it: the goal, an end (won, lost,
disqualified) that was not undone, or the end of the horizon. Until then the row is immature and has none. Nor has a lead that nobody
worked: that sales did not look says nothing about quality.

Rows that were decided early are no fair sample on their own: a quick goal is known while slow ones are still open. Whoever learns from
them must learn from the open ones beside them as well, by their chance (``training.learning.open_rows``).

Beside the goal, a row tells what else sales said by the end of its horizon (``SAID``): one lead was disqualified,
another was lost; neither is a goal, but sales did not think the same of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.domain import DAY, GOALS, LATEST, Outcome
from data.errors import ConfigError
from data.outcomes import after_reopenings, after_retractions, closed_spans, goal_kinds, is_work

LABELLED = ""
REASONS = (LABELLED, "immature", "goal_before_cutoff", "closed_before_cutoff", "unworked")
# What sales may say beside the goal, and the kinds of outcomes that say it.
SAID = {"disqualified": frozenset({"disqualified"}), "qualified": GOALS["qualified"]}
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of n rows.

    Attributes
    ----------
    y : int8 array, shape (n,): 1 reached the goal, 0 did not, -1 has no label.
    reason : int8 array, shape (n,): position in ``REASONS`` of why there is none; 0 where there is one.
    known_at : int64 array, shape (n,): the instant that decides the row, by what is known now; of an immature row the end of its horizon.
    worked_at : int64 array, shape (n,): when sales was first known to act on the lead, at the latest by the row's end; the cutoff itself
        where work is not recorded, the largest int64 where nobody has acted.
    said : by name of ``SAID``, but for the goal itself, int8 arrays, shape (n,): 1 where sales said it by the end of the horizon, 0
        where not, -1 while the horizon is open.
    """

    y: np.ndarray
    reason: np.ndarray
    known_at: np.ndarray
    worked_at: np.ndarray
    said: Mapping[str, np.ndarray]

    def counts(self) -> dict[str, int]:
        """Rows left out, by reason; reasons that did not occur are absent."""
        found = np.bincount(self.reason, minlength=len(REASONS))
        return {name: int(n) for name, n in zip(REASONS, found, strict=True) if n and name != LABELLED}


@dataclass(frozen=True, slots=True)
class _Story:
    goal_at: int
    worked_at: int
    ended_at: int
    said_at: Mapping[str, int]
    closed: tuple[tuple[int, int], ...]


def label_rows(
    lead_ids: Sequence[str],
    cutoffs: np.ndarray,
    outcomes: Mapping[str, Sequence[Outcome]],
    *,
    goal: str,
    horizon_days: float,
    now: int,
) -> Labels:
    """Label rows (lead, cutoff) by what is known at ``now``.

    Parameters
    ----------
    lead_ids : n texts. cutoffs : int64 array, shape (n,).
    outcomes : by lead id; must hold those of all leads of the store, because whether work is recorded at all is read from them.
    goal : one of ``data.domain.GOALS``.
    horizon_days : above 0.

    A row is left out for the first of these that holds: ``goal_before_cutoff``, the goal was reached at or before the cutoff;
    ``closed_before_cutoff``, the lead was won, lost or disqualified at the cutoff (and not reopened by then); ``immature``, nothing
    has decided it by ``now`` (or the cutoff itself is later); ``unworked``, it did not reach the goal and no outcome by the end of
    the horizon says that sales acted on it. The last holds only where work is recorded (``is_work_recorded``). Retractions and
    reopenings known at ``now`` count as if what they take back had never been stated.

    Raises
    ------
    ConfigError
        For an unknown goal or a horizon not above 0.
    """
    kinds = goal_kinds(goal)
    if not horizon_days > 0:
        raise ConfigError(f"horizon_days must be above 0, not {horizon_days!r}")
    is_work_known = is_work_recorded(outcomes, now=now)
    blank = _Story(_NEVER, _NEVER, _NEVER, {}, ())
    place: dict[str, int] = {}
    lead = np.array([place.setdefault(lead_id, len(place)) for lead_id in lead_ids], dtype=np.int64)
    stories = [_story(outcomes[i], kinds, now) if i in outcomes else blank for i in place]

    cutoffs = np.asarray(cutoffs, dtype=np.int64)
    ends = cutoffs + round(horizon_days * DAY)
    goal_at = np.array([s.goal_at for s in stories], dtype=np.int64)[lead]
    worked_at = np.array([s.worked_at for s in stories], dtype=np.int64)[lead]
    ended_at = np.array([s.ended_at for s in stories], dtype=np.int64)[lead]
    reached = (cutoffs < goal_at) & (goal_at <= ends)
    unworked = ~reached & (worked_at > ends) if is_work_known else np.zeros(len(cutoffs), dtype=bool)
    decided_at = np.where(reached, goal_at, np.minimum(ended_at, ends))
    is_open = (decided_at > now) | (cutoffs > now)
    reason = np.select(
        [goal_at <= cutoffs, _closed_at(stories, lead, cutoffs), is_open, unworked],
        [2, 3, 1, 4],
        default=0,
    ).astype(np.int8)
    return Labels(
        y=np.where(reason == 0, reached, -1).astype(np.int8),
        reason=reason,
        known_at=np.where(reason == 1, ends, decided_at),
        worked_at=worked_at if is_work_known else cutoffs,
        said={
            name: np.where(ends > now, -1, _said_at(stories, name)[lead] <= ends).astype(np.int8)
            for name, own in SAID.items()
            if own != kinds
        },
    )


def is_work_recorded(outcomes: Mapping[str, Sequence[Outcome]], *, now: int) -> bool:
    """Whether the store says which leads were worked: it knows some ``contacted``, ``lost`` or ``disqualified`` that stands."""
    return any(_records_work(own, now) for own in outcomes.values())


def _records_work(outcomes: Iterable[Outcome], now: int) -> bool:
    # Won and qualified alone are no evidence: an export of successes only would turn all other leads into "unworked".
    kinds = ("contacted", "lost", "disqualified")
    return any(o.kind in kinds for o in outcomes) and any(
        o.kind in kinds for o in after_reopenings(after_retractions(outcomes, known_at=now))
    )


def _story(outcomes: Sequence[Outcome], kinds: frozenset[str], now: int) -> _Story:
    stated = after_retractions(outcomes, known_at=now)
    standing = after_reopenings(stated)
    closed = tuple(closed_spans(stated))
    return _Story(
        goal_at=min((o.occurred_at for o in standing if o.kind in kinds), default=_NEVER),
        worked_at=min((o.occurred_at for o in standing if is_work(o)), default=_NEVER),
        ended_at=closed[-1][0] if closed and closed[-1][1] == LATEST else _NEVER,
        said_at={
            name: min((o.occurred_at for o in standing if o.kind in own), default=_NEVER)
            for name, own in SAID.items()
        },
        closed=closed,
    )


def _said_at(stories: Sequence[_Story], name: str) -> np.ndarray:
    """When sales first said it of each lead, the largest int64 where it never did."""
    return np.array([s.said_at.get(name, _NEVER) for s in stories], dtype=np.int64)


def _closed_at(stories: Sequence[_Story], lead: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """Whether each row's lead was closed at its cutoff. A span holds its first instant and not its last."""
    closed = np.zeros(len(cutoffs), dtype=bool)
    for k in range(max((len(s.closed) for s in stories), default=0)):
        spans = np.array(
            [s.closed[k] if k < len(s.closed) else (LATEST, LATEST) for s in stories], dtype=np.int64
        )
        since, until = spans[lead, 0], spans[lead, 1]
        closed |= (since <= cutoffs) & (cutoffs < until)
    return closed
