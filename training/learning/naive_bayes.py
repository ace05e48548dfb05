"""Naive Bayes on counts, the way open-source CRMs score leads: the baseline to beat.

Every closed lead adds one to the counts of its values, and to each stage it has passed; a lead's chance is the product of the shares of
its values among won and among lost leads. Counts are whole numbers, and a row that falls back to nothing is gone, so undoing an outcome
restores exactly what was before. Smoothing happens on reading. Not shipped: it knows no numbers and no times, its chances are too
extreme where fields tell the same story, and it reads fields as they are when a lead closes.

References
----------
Written from a description of Odoo's predictive lead scoring (CRM, since version 13); the code is our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SMOOTHING = 0.1
SMALLEST_TAG = 50
LOWEST, HIGHEST = 0.01, 99.99
# Fields whose absence says something.
GAP_COUNTS = frozenset({"email_state", "phone_state"})


@dataclass(frozen=True, slots=True)
class ClosedLead:
    """What the counts need to know of a lead.

    ``stage`` is the place of its stage in ``NaiveBayes.stages``, None where leads have none; ``team`` None belongs to no team.
    """

    values: Mapping[str, str | None]
    stage: int | None = None
    team: str | None = None
    tags: tuple[str, ...] = ()


Key = tuple[str, str]
_Table = tuple[dict[Key, list[float]], dict[str, tuple[float, float]], float, float]


@dataclass
class NaiveBayes:
    """Counts of won and lost leads by team, field and value.

    Attributes
    ----------
    fields : names of the fields that count; others are ignored.
    n_stages : how many stages there are, the won stage included; 0: leads have no stages.
    counts : team -> (field, value) -> [won, lost]; a row exists as long as one of them is above 0.
    closed : team -> [won, lost]; every closed lead has passed the first stage.
    """

    fields: Sequence[str]
    n_stages: int = 0
    counts: dict[str | None, dict[Key, list[int]]] = field(default_factory=dict)
    closed: dict[str | None, list[int]] = field(default_factory=dict)

    def add(self, lead: ClosedLead, *, won: bool, times: int = 1) -> None:
        """Count a lead that closed. ``times`` = -1 takes back exactly what was added."""
        at = 0 if won else 1
        rows = self.counts.setdefault(lead.team, {})
        for key in self._keys(lead, won=won):
            row = rows.setdefault(key, [0, 0])
            row[at] += times
            if row == [0, 0]:
                del rows[key]
        total = self.closed.setdefault(lead.team, [0, 0])
        total[at] += times
        if not rows:
            del self.counts[lead.team]
        if total == [0, 0]:
            del self.closed[lead.team]

    def remove(self, lead: ClosedLead, *, won: bool) -> None:
        """Undo ``add``."""
        self.add(lead, won=won, times=-1)

    def chance(self, lead: ClosedLead) -> float | None:
        """Chance of winning in percent, rounded to 0.01, between 0.01 and 99.99; None before one lead was won and one lost.

        A lead without a team, or of a team without counts, is measured by the counts of all teams.
        """
        return self.chances([lead])[0]

    def chances(self, leads: Sequence[ClosedLead]) -> list[float | None]:
        """``chance`` of each lead."""
        tables: dict[str | None, _Table] = {}
        found = []
        for lead in leads:
            team = lead.team if lead.team in self.counts else None
            if team not in tables:
                own = team is not None
                tables[team] = self._table([team] if own else list(self.counts))
            found.append(self._of(lead, tables[team]))
        return found

    def _of(self, lead: ClosedLead, table: _Table) -> float | None:
        rows, sums, won, lost = table
        if not won or not lost:
            return None
        for_won, for_lost = won / (won + lost), lost / (won + lost)
        for name, value in self._keys(lead, won=None):
            row = rows.get((name, value))
            if row is None or (name == "tag" and row[0] + row[1] < SMALLEST_TAG):
                continue
            of_won, of_lost = (won, lost) if name == "stage" else sums[name]
            for_won *= row[0] / of_won
            for_lost *= row[1] / of_lost
        return min(max(round(100 * for_won / (for_won + for_lost), 2), LOWEST), HIGHEST)

    def frequency(self, name: str, value: str, *, team: str | None) -> tuple[float, float]:
        """Smoothed won and lost count of one value; (0, 0) for a value never seen."""
        row = self.counts.get(team, {}).get((name, value))
        return (0.0, 0.0) if row is None else (row[0] + SMOOTHING, row[1] + SMOOTHING)

    def _keys(self, lead: ClosedLead, *, won: bool | None) -> Iterable[Key]:
        """Rows of a lead: for counting, every stage it has passed (all when won); for scoring (``won`` None), the one it is in."""
        if lead.stage is not None:
            passed = range(self.n_stages) if won else range(lead.stage + 1)
            yield from (("stage", str(s)) for s in ([lead.stage] if won is None else passed))
        for name in self.fields:
            value = lead.values.get(name)
            if value is not None or name in GAP_COUNTS:
                yield name, str(value)
        yield from (("tag", tag) for tag in lead.tags)

    def _table(self, teams: Sequence[str | None]) -> _Table:
        """Smoothed rows of these teams, summed; their sums by field; and the totals of won and lost."""
        rows: dict[Key, list[float]] = {}
        for team in teams:
            for key, (won, lost) in self.counts[team].items():
                row = rows.setdefault(key, [0.0, 0.0])
                row[0] += won + SMOOTHING
                row[1] += lost + SMOOTHING
        totals = [
            sum(self.closed[team][at] + SMOOTHING for team in teams)
            if any(self.closed[team][at] for team in teams)
            else 0.0
            for at in (0, 1)
        ]
        return rows, _sums(rows), totals[0], totals[1]


def _sums(rows: Mapping[Key, Sequence[float]]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for (name, _), (won, lost) in rows.items():
        before = found.get(name, (0.0, 0.0))
        found[name] = (before[0] + won, before[1] + lost)
    return found
