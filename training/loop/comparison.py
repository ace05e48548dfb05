"""Champion against challenger, on leads neither has learned from.

Both score the same newest mature leads. The challenger is judged by the scorer of its own training that was fitted without those leads,
the champion as it serves; leads that the champion was trained on are left out. A difference counts when the bootstrap over leads says
that it is no accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.snapshots import Snapshots
from training.learning.metrics import log_loss
from training.scorer.scorer import Scorer

MIN_LEADS = 100
MIN_GOALS = 20
_DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to promote, one sentence why, and the figures: rows of ``measure, champion, challenger, difference, low, high``."""

    promote: bool
    why: str
    table: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"promote": self.promote, "why": self.why, "table": list(self.table)}


@dataclass(frozen=True, slots=True)
class Judged:
    """Labelled snapshots to judge on; arrays of shape (n,)."""

    snapshots: Snapshots
    y: np.ndarray
    weight: np.ndarray

    def newer_than(self, created_at: int) -> Judged:
        """Rows of leads created after that instant."""
        rows = np.flatnonzero(self.snapshots.created_at > created_at)
        return Judged(self.snapshots.take(rows), self.y[rows], self.weight[rows])


def first_verdict(*, log_loss: float, base_log_loss: float, low: float) -> Verdict:
    """The verdict on a model with no champion before it: promote when it beats the base rate.

    ``low`` is the lower end of the interval of ``base_log_loss - log_loss`` out of time.
    """
    gain = 1 - log_loss / base_log_loss
    if low > 0:
        return Verdict(
            True, f"first model; its log loss out of time is {gain:.1%} better than the base rate's"
        )
    return Verdict(
        False,
        f"no better than the base rate: log loss {log_loss:.4f} against {base_log_loss:.4f}; the interval contains no gain",
    )


def compare(
    champion: Scorer, challenger: Scorer, judged: Judged, *, seed: int = 0, capacity_share: float = 0.2
) -> Verdict:
    """Paired comparison on the same rows.

    Promotes when the challenger's log loss is lower beyond chance (95 % bootstrap interval over leads) and it does not lose goals among
    the leads that sales can take (``capacity_share``) beyond chance. Fewer than 100 leads or 20 goals: no verdict but "not yet".
    """
    n_leads, n_goals = len(set(judged.snapshots.lead_ids)), _leads_with_goal(judged)
    if n_leads < MIN_LEADS or n_goals < MIN_GOALS:
        return Verdict(
            False,
            f"too early to tell: {n_leads} leads with {n_goals} goals have matured since the champion was trained; "
            f"judging needs {MIN_LEADS} with {MIN_GOALS}",
        )
    old = champion.score_matrix(champion.matrix(judged.snapshots))
    new = challenger.score_matrix(challenger.matrix(judged.snapshots))
    leads = _lead_index(judged.snapshots)
    loss_old, loss_new = _losses(old.margin, judged.y), _losses(new.margin, judged.y)
    share_old = _caught(old.margin, judged, capacity_share)
    share_new = _caught(new.margin, judged, capacity_share)
    goals = judged.y * judged.weight

    def measures(weight: np.ndarray) -> tuple[float, float]:
        w, g = weight * judged.weight, weight * goals
        gain = float(np.sum(w * (loss_old - loss_new)) / np.sum(w))
        caught = float(np.sum(g * (share_new - share_old)) / max(np.sum(g), 1e-12))
        return gain, caught

    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            measures(rng.multinomial(n_leads, np.full(n_leads, 1 / n_leads))[leads].astype(float))
            for _ in range(_DRAWS)
        ]
    )
    gain, caught = measures(np.ones(len(leads)))
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    before = log_loss(judged.y, old.probability, weight=judged.weight)
    after = log_loss(judged.y, new.probability, weight=judged.weight)
    table = (
        _row("log loss (lower is better)", before, after, -gain, -high[0], -low[0]),
        _row(
            f"goals caught in the top {capacity_share:.0%}",
            float(np.sum(goals * share_old) / np.sum(goals)),
            float(np.sum(goals * share_new) / np.sum(goals)),
            caught,
            low[1],
            high[1],
        ),
    )
    said = f"on {n_leads} leads with {n_goals} goals the log loss goes from {before:.4f} to {after:.4f}"
    interval = f"improvement {gain:.4f} [{low[0]:.4f}, {high[0]:.4f}]"
    if high[1] < 0:
        return Verdict(False, f"{said}, but fewer goals are caught in the top {capacity_share:.0%}", table)
    if low[0] > 0:
        return Verdict(True, f"{said}; {interval}", table)
    return Verdict(False, f"{said}; {interval}: the interval contains no gain", table)


def _row(
    measure: str, champion: float, challenger: float, difference: float, low: float, high: float
) -> dict[str, Any]:
    return {
        "measure": measure,
        "champion": float(champion),
        "challenger": float(challenger),
        "difference": float(difference),
        "low": float(low),
        "high": float(high),
    }


def _losses(margin: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, margin) - y * margin


def _caught(margin: np.ndarray, judged: Judged, share: float) -> np.ndarray:
    """1.0 for rows in the top share by margin, a fair part for those tied at its edge."""
    order = np.argsort(-margin, kind="stable")
    upto = np.cumsum(judged.weight[order])
    edge = margin[order][min(np.searchsorted(upto, share * upto[-1]), len(order) - 1)]
    above = float(np.sum(judged.weight[margin > edge]))
    tied = float(np.sum(judged.weight[margin == edge]))
    part = (share * float(upto[-1]) - above) / tied
    return np.where(margin > edge, 1.0, np.where(margin == edge, part, 0.0))


def _lead_index(snapshots: Snapshots) -> np.ndarray:
    return np.unique(np.array(snapshots.lead_ids), return_inverse=True)[1]


def _leads_with_goal(judged: Judged) -> int:
    return len({judged.snapshots.lead_ids[i] for i in np.flatnonzero(judged.y > 0)})
