"""Champion against challenger, on leads neither has learned from.

Both score the same newest mature leads. The challenger is judged by the scorer of its own training that was fitted without those leads,
the champion as it serves; leads that the champion was trained on are left out. A challenger is promoted when it is better beyond chance
and by enough to matter, and breaks nothing: it still catches the goals among the leads sales can take, no segment of leads pays for the
gain, its probabilities mean what they say, it beats the base rate, and it does not fall behind the anchor, the first model ever accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.definition import definition_change
from data.errors import ConfigError
from data.snapshots import Snapshots
from training.learning.calibration_check import calibration_check
from training.loop.gates import SegmentLoss, keeps_its_word, segments_of, worst_segment
from training.loop.paired import Difference, differences, in_top, row_losses
from training.scorer.scale import log_odds
from training.scorer.scorer import Scorer

MIN_LEADS = 100
MIN_GOALS = 20
# A gain below this share of the champion's log loss is what another seed brings by luck; see benchmarks/judging.py.
SMALLEST_GAIN = 0.002
# How many of all goals a challenger may miss among the leads sales can take, as the lower end of the interval.
CAUGHT_MARGIN = 0.05
# How far behind the anchor the lower end may lie, as a share of the anchor's log loss.
ANCHOR_MARGIN = 0.01


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to promote, one sentence why, and the figures: rows of ``measure, champion, challenger, difference, low, high, holds``.

    ``champion`` is what the challenger is held against in that row (the base rate, the anchor); the difference of a calibration is the
    one from 1. ``holds`` says whether the row's rule does.
    """

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


@dataclass(frozen=True)
class Contest:
    """What was said of the judged rows, as log-odds of shape (n,): the champion's, the challenger's and, where there is one, the anchor's.

    Attributes
    ----------
    lead : whole numbers from 0, which lead a row belongs to.
    segments : masks of rows by name.
    base : log-odds of the base rate.
    challenger_is_base_rate : whether the challenger gives every lead the same chance while the champion does not.
    """

    champion: np.ndarray
    challenger: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    lead: np.ndarray
    base: float
    anchor: np.ndarray | None = None
    segments: Mapping[str, np.ndarray] = field(default_factory=dict)
    challenger_is_base_rate: bool = False


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
    champion: Scorer,
    challenger: Scorer,
    judged: Judged,
    *,
    seed: int = 0,
    capacity_share: float = 0.2,
    anchor: Scorer | None = None,
    segment_by: str | None = None,
    base: float | None = None,
) -> Verdict:
    """Paired comparison on the same rows; the rules are those of ``decide``.

    Parameters
    ----------
    anchor : the first model of the family that was accepted; None when it is the champion.
    segment_by : a category or profile field whose levels are the segments; None takes the challenger's three strongest categories.
    base : log-odds of the base rate; None takes the judged leads' own, which no one could have known better.

    Raises ConfigError when the labels of the two mean different things; see ``data.definition``.
    """
    _check_definitions(champion, challenger)
    if early := _too_early(len(set(judged.snapshots.lead_ids)), _leads_with_goal(judged)):
        return early
    matrix = challenger.matrix(judged.snapshots)
    y, weight = judged.y.astype(np.float64), judged.weight
    rate = float((weight * y).sum() / weight.sum())
    contest = Contest(
        champion=champion.margin(champion.matrix(judged.snapshots)),
        challenger=challenger.margin(matrix),
        y=y,
        weight=weight,
        lead=np.unique(np.array(judged.snapshots.lead_ids), return_inverse=True)[1],
        base=log_odds(min(max(rate, 1e-6), 1 - 1e-6)) if base is None else base,
        anchor=None if anchor is None else anchor.margin(anchor.matrix(judged.snapshots)),
        segments=segments_of(challenger, matrix, judged.snapshots, by=segment_by),
        challenger_is_base_rate=_is_flat(challenger) and not _is_flat(champion),
    )
    return decide(contest, seed=seed, capacity_share=capacity_share)


def decide(contest: Contest, *, seed: int = 0, capacity_share: float = 0.2) -> Verdict:
    """The verdict on a contest. A challenger is promoted when all of these hold, and the first that does not is the reason:

    - at least 100 leads with 20 goals; otherwise "too early to tell";
    - it is a model, where the champion is one;
    - its log loss is lower beyond chance (95 % interval over leads above 0) and by at least 0.2 %;
    - its log loss is lower than the base rate's beyond chance;
    - among the leads that sales can take (``capacity_share``) it misses at most 5 of 100 goals more (lower end of the interval);
    - no segment of 100 leads and 10 goals becomes worse beyond chance and by more than 2 %;
    - its calibration does not fail, or the champion's is further off;
    - it is at most 1 % behind the anchor (lower end of the interval).
    """
    c = contest
    n_leads, n_goals = int(c.lead.max()) + 1, len(np.unique(c.lead[c.y > 0.5]))
    if early := _too_early(n_leads, n_goals):
        return early
    old, new = row_losses(c.champion, c.y), row_losses(c.challenger, c.y)
    base = row_losses(np.full(len(c.y), c.base), c.y)
    top_old = in_top(c.champion, c.weight, share=capacity_share)
    top_new = in_top(c.challenger, c.weight, share=capacity_share)
    goals = c.weight * c.y
    columns = [(old - new, c.weight), (base - new, c.weight), (top_new - top_old, goals)]
    if c.anchor is not None:
        columns.append((row_losses(c.anchor, c.y) - new, c.weight))
    gain, over_base, caught, *over_anchor = differences(columns, c.lead, seed=seed)
    before, after = (float((c.weight * loss).sum() / c.weight.sum()) for loss in (old, new))
    caught_old = float((goals * top_old).sum() / goals.sum())
    segment = worst_segment(c.champion, c.challenger, c.y, c.weight, c.lead, c.segments)
    mine, theirs = (
        calibration_check(m, c.y, c.weight, c.lead, seed=seed) for m in (c.challenger, c.champion)
    )

    top = f"top {capacity_share:.0%}"
    interval = f"improvement {gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]"
    rows: list[dict[str, Any]] = []
    faults: list[str] = []

    def rule(holds: bool, otherwise: str) -> bool:
        if not holds:
            faults.append(otherwise)
        return holds

    if c.challenger_is_base_rate:
        rule(False, "the challenger gives every lead the same chance, and a base rate never replaces a model")
    is_gain = rule(gain.low > 0, f"{interval}: the interval contains no gain")
    is_enough = rule(
        gain.value >= SMALLEST_GAIN * before or not is_gain,
        f"{interval}: less than {SMALLEST_GAIN:.1%}, which another seed would bring as well",
    )
    rows.append(_loss_row("log loss", before, gain, is_gain and is_enough))
    is_model = rule(over_base.low > 0, "it is no better than the base rate on these leads")
    rows.append(_loss_row("log loss against the base rate", after + over_base.value, over_base, is_model))
    is_caught = rule(
        caught.low > -CAUGHT_MARGIN,
        f"it may miss more than {CAUGHT_MARGIN:.0%} of the goals in the {top} "
        f"({caught.value:+.1%} [{caught.low:+.1%}, {caught.high:+.1%}])",
    )
    rows.append(_row(f"goals caught in the {top}", caught_old, caught, is_caught))
    if segment is not None:
        rows.append(_segment_row(segment))
        rule(not segment.is_worse, f"leads with {segment.name} become worse: log loss "
             f"{segment.champion:.4f} to {segment.challenger:.4f}")  # fmt: skip
    keeps = rule(
        keeps_its_word(mine, theirs), f"its calibration fails: {mine['why']}; recalibrate it and judge again"
    )
    rows += _calibration_rows(mine["overall"], theirs["overall"], keeps)
    if over_anchor:
        ahead = over_anchor[0]
        anchor = after + ahead.value
        is_kept = rule(ahead.low > -ANCHOR_MARGIN * anchor, f"it falls behind the anchor: log loss {anchor:.4f} to {after:.4f}, "
                       f"at most {ANCHOR_MARGIN:.0%} is allowed")  # fmt: skip
        rows.append(_loss_row("log loss against the anchor", anchor, ahead, is_kept))
    said = f"on {n_leads} leads with {n_goals} goals the log loss goes from {before:.4f} to {after:.4f}"
    if faults:
        return Verdict(False, f"{said}; {faults[0]}", tuple(rows))
    return Verdict(True, f"{said}; {interval}", tuple(rows))


def _too_early(n_leads: int, n_goals: int) -> Verdict | None:
    if n_leads >= MIN_LEADS and n_goals >= MIN_GOALS:
        return None
    return Verdict(
        False,
        f"too early to tell: {n_leads} leads with {n_goals} goals have matured since the champion was trained; "
        f"judging needs {MIN_LEADS} with {MIN_GOALS}",
    )


def _is_flat(scorer: Scorer) -> bool:
    model = scorer.model
    return (model.scorecard is None or model.weight_scorecard == 0) and (
        model.trees is None or model.weight_trees == 0
    )


def _loss_row(measure: str, against: float, gain: Difference, holds: bool) -> dict[str, Any]:
    """A row on a loss: its difference is what the challenger has less, so a gain is negative here."""
    turned = Difference(-gain.value, -gain.high, -gain.low)
    return _row(f"{measure} (lower is better)", against, turned, holds)


def _row(measure: str, against: float, difference: Difference, holds: bool) -> dict[str, Any]:
    return {
        "measure": measure,
        "champion": float(against),
        "challenger": float(against + difference.value),
        "difference": float(difference.value) + 0.0,
        "low": float(difference.low) + 0.0,
        "high": float(difference.high) + 0.0,
        "holds": bool(holds),
    }


def _segment_row(worst: SegmentLoss) -> dict[str, Any]:
    gain = Difference(worst.champion - worst.challenger, worst.low, worst.high)
    return _loss_row(f"log loss of the worst segment, {worst.name}", worst.champion, gain, not worst.is_worse)


def _calibration_rows(
    mine: Mapping[str, Any], theirs: Mapping[str, Any], holds: bool
) -> list[dict[str, Any]]:
    shown = {"observed_over_predicted": "observed over predicted goals", "slope": "slope of the log-odds"}
    return [
        {"measure": f"{says} (1 is right)", "champion": theirs[name]["value"], "challenger": mine[name]["value"],
         "difference": mine[name]["value"] - 1, "low": mine[name]["low"] - 1, "high": mine[name]["high"] - 1, "holds": holds}
        for name, says in shown.items()
        if mine and theirs
    ]  # fmt: skip


def _leads_with_goal(judged: Judged) -> int:
    return len({judged.snapshots.lead_ids[i] for i in np.flatnonzero(judged.y > 0)})


def _check_definitions(champion: Scorer, challenger: Scorer) -> None:
    change = definition_change(
        champion.about.get("definition") or {}, challenger.about.get("definition") or {}
    )
    if change is not None:
        raise ConfigError(f"the two predict different things and cannot be compared: {change}")
