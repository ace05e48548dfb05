"""Values seen with one outcome only, by enough leads for it to be no accident.

An accident is judged against a value that is honestly strong: one that moves the odds by 30 points (a factor of 8) from the overall
rate, stronger than single facts known beforehand are. Only when even then a run of one outcome this long would come up less than once
in a hundred, counting every value of every field that was tried, is it evidence.

Something known beforehand may rule a goal out (a country nobody sells to), but hardly makes it certain. So values that always come with
the goal block the field, once together they hold a tenth of all goals (what is certain about a tenth of the goals is worth 0.05 of a
ROC-AUC); those that never do warn. A field that is filled only for one outcome is blocked either way.
"""

from __future__ import annotations

import math

import numpy as np

from training.learning.leakage.chance import CERTAIN
from training.learning.leakage.columns import Column, Part
from training.learning.leakage.finding import Finding

STRONG_ODDS = 8.0
FEWEST_LEADS = 20
BLOCK_SHARE = 0.10
_MOST_VALUES = 50


def one_label(column: Column, part: Part, *, n_columns: int) -> Finding | None:
    """A field with values, or a filled state, that only ever came with one outcome."""
    if column.is_dated:
        return None
    goals, others = part.held(np.ones(len(part.y), dtype=bool))
    if min(goals, others) <= 0:
        return None
    known = column.is_known
    values = _frequent(column, part)
    n_tried = (len(values) + 1) * n_columns
    if not known.all():
        with_it = part.held(known)
        if _is_no_accident(with_it, goals, others, n_tried):
            return _whole_field(column, with_it)
    found = [(column.named(v), part.held(known & (column.x == v))) for v in values]
    if not known.all():
        found.append(("(empty)", part.held(~known)))
    pure = [(name, held) for name, held in found if _is_no_accident(held, goals, others, n_tried)]
    if not pure:
        return None
    always = sum(held[0] for _, held in pure) / goals
    never = sum(held[1] for _, held in pure) / others
    name, held = max(pure, key=lambda item: (item[1][0] > 0, sum(item[1]), item[0]))
    more = f"; {len(pure) - 1} more of its values came with one outcome only" if len(pure) > 1 else ""
    said = "all" if held[0] else "none"
    return Finding(
        field=column.field,
        probe="one_label",
        action="block" if always >= BLOCK_SHARE else "warn",
        says=f"{said} of the {sum(held):,.0f} leads with {column.field} = {name} reached the goal{more}: "
        "it knows the outcome, or rules it out",
        evidence={
            "values": float(len(pure)), "leads": round(sum(map(sum, (h for _, h in pure))), 1),
            "share_of_goals": round(always, 4), "share_of_others": round(never, 4),
        },
    )  # fmt: skip


def _whole_field(column: Column, held: tuple[float, float]) -> Finding:
    what = "reached the goal" if held[0] else "did not reach the goal"
    return Finding(
        field=column.field,
        probe="one_label",
        action="block",
        says=f"{column.field} is filled for {sum(held):,.0f} leads, and every one of them {what}: it is written once the outcome is known",
        evidence={"values": 0.0, "leads": round(sum(held), 1), "goals": round(held[0], 1), "others": round(held[1], 1)},
    )  # fmt: skip


def _frequent(column: Column, part: Part) -> list[float]:
    """Values of at least 20 leads, the 50 most frequent, ties by value."""
    known = column.is_known
    values, place = np.unique(column.x[known], return_inverse=True)
    held = np.bincount(place, weights=part.weight[known], minlength=len(values))
    order = np.lexsort((values, -held))
    return [float(values[i]) for i in order[:_MOST_VALUES] if held[i] >= FEWEST_LEADS]


def _is_no_accident(held: tuple[float, float], goals: float, others: float, n_tried: int) -> bool:
    n = sum(held)
    if n < FEWEST_LEADS or min(held) > 0:
        return False
    # The odds of the outcome it was always seen with, for a value honestly 8 times as strong.
    odds = STRONG_ODDS * (goals / others if held[0] else others / goals)
    return n * -math.log1p(1 / odds) < math.log((1 - CERTAIN) / n_tried)
