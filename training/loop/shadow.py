"""What a challenger in shadow said beside the answers.

Both versions looked at the same leads at the same cutoffs, so whatever differs comes from the versions. It tells how scores and grades
would move, not which version is better: that is told by outcomes, which judging waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.domain import format_instant
from data.errors import NotEnoughDataError
from data.scorelog import Told
from training.scorer.policy import LETTERS

Pair = tuple[Told, Told | None]


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two versions on the same scores.

    Attributes
    ----------
    champion, challenger : the version that answered, and the one beside it.
    pairs : how many scores; a lead scored twice counts twice.
    first_at, last_at : cutoffs between which they lie.
    difference, absolute_difference : mean of the challenger's points minus the champion's, with sign and without.
    other_grade : share of scores with another grade, 0 to 1.
    champion_probability, challenger_probability : means over the scores where both told one; None without any.
    champion_grades, challenger_grades : scores by grade, A to D.
    """

    champion: str
    challenger: str
    pairs: int
    first_at: int
    last_at: int
    difference: float
    absolute_difference: float
    other_grade: float
    champion_probability: float | None
    challenger_probability: float | None
    champion_grades: dict[str, int]
    challenger_grades: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **shown,
            "first_at": format_instant(self.first_at),
            "last_at": format_instant(self.last_at),
        }


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """Every two versions that scored the same leads, the newest first; ``unpaired`` are scores whose answer is no longer in the log.

    ``why`` is one sentence about the newest two.
    """

    contrasts: tuple[Contrast, ...]
    unpaired: int
    why: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "contrasts": [found.to_dict() for found in self.contrasts],
            "unpaired": self.unpaired,
            "why": self.why,
        }


def shadow_report(pairs: Sequence[Pair]) -> ShadowReport:
    """What the log says of challengers; ``pairs`` are those of ``Store.scores.pairs``, the newest first.

    Raises NotEnoughDataError, which says how to switch the shadow on, when there is nothing to compare.
    """
    by_versions: dict[tuple[str, str], list[tuple[Told, Told]]] = {}
    for beside, answered in pairs:
        if answered is not None:
            versions = (answered.model_version, beside.model_version)
            by_versions.setdefault(versions, []).append((answered, beside))
    if not by_versions:
        raise NotEnoughDataError(
            "no challenger has scored beside the champion yet; start the service with LEADLOOP_SHADOW=challenger and register a "
            "challenger (`leadloop train` makes one), then let leads be scored"
        )
    contrasts = tuple(_contrast(*versions, own) for versions, own in by_versions.items())
    return ShadowReport(contrasts, sum(answered is None for _, answered in pairs), _sentence(contrasts[0]))


def _contrast(champion: str, challenger: str, pairs: Sequence[tuple[Told, Told]]) -> Contrast:
    points = np.array([(answered.points, beside.points) for answered, beside in pairs])
    moved = points[:, 1] - points[:, 0]
    told = [(a.probability, b.probability) for a, b in pairs if None not in (a.probability, b.probability)]
    means = np.array(told, dtype=np.float64).mean(axis=0).tolist() if told else [None, None]
    cutoffs = [answered.cutoff for answered, _ in pairs]
    return Contrast(
        champion=champion,
        challenger=challenger,
        pairs=len(pairs),
        first_at=min(cutoffs),
        last_at=max(cutoffs),
        difference=float(moved.mean()),
        absolute_difference=float(np.abs(moved).mean()),
        other_grade=sum(answered.grade != beside.grade for answered, beside in pairs) / len(pairs),
        champion_probability=means[0],
        challenger_probability=means[1],
        champion_grades=_volumes(answered for answered, _ in pairs),
        challenger_grades=_volumes(beside for _, beside in pairs),
    )


def _volumes(said: Iterable[Told]) -> dict[str, int]:
    grades = [told.grade for told in said]
    return {letter: grades.count(letter) for letter in LETTERS}


def _sentence(found: Contrast) -> str:
    direction = "higher" if found.difference >= 0 else "lower"
    return (
        f"Version {found.challenger} would have given {found.other_grade:.1%} of {found.pairs:,} scores another grade than version "
        f"{found.champion} did, with points {abs(found.difference):.1f} {direction} on average; which of the two is better, outcomes tell: "
        f"leadloop judge {found.challenger}"
    )
