"""One turn of the loop: learn from everything that is mature, and let the better model serve.

``train`` makes a challenger, ``judge`` says whether it is better, ``retrain`` does both and promotes when the verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.store import Store
from features.spec import Feature, FeatureSet
from training.insights.charts import figures
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset, build_dataset
from training.learning.readiness import NOT_READY
from training.learning.run import TrainingResult, train
from training.loop.comparison import Judged, Verdict, compare, first_verdict
from training.scorer.acceptance import reason_to_ask
from training.scorer.provenance import family_of
from training.scorer.registry import ModelVersion, Registry


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn made: the training, the registered version and the verdict; ``promoted`` says whether it serves now."""

    result: TrainingResult
    version: ModelVersion
    verdict: Verdict
    promoted: bool


def retrain(
    store: Store,
    registry: Registry,
    *,
    now: int,
    config: TrainConfig | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
    own: Sequence[Feature] | None = None,
) -> Turn:
    """Train on all mature leads at ``now``, register, judge, and promote when the verdict says so, and nothing looks too good.

    ``own`` are features added to the catalog's; None keeps those of the champion.
    """
    config = config or TrainConfig()
    if own is None:
        own = _own_of_champion(registry, config.goal)
    dataset = build_dataset(
        store,
        goal=config.goal,
        horizon_days=config.horizon_days,
        now=now,
        ages_days=config.ages_days,
        immature=config.immature,
        own=own,
    )
    result = train(dataset, config, seed=seed, progress=progress)
    version = registry.register(result, now=now, figures=figures(result.card))
    verdict = judge(registry, version, dataset)
    ask = reason_to_ask(result.card)
    if verdict.promote and ask is not None:
        verdict = Verdict(False, f"{ask}. Promote it by hand once the findings are accepted", verdict.table)
    if verdict.promote:
        registry.promote(version.goal, version.number)
    return Turn(result=result, version=version, verdict=verdict, promoted=verdict.promote)


def _own_of_champion(registry: Registry, goal: str) -> tuple[Feature, ...]:
    if registry.resolve(goal, "champion") is None:
        return ()
    return FeatureSet.from_records(registry.card(goal, "champion").get("own_features", ())).features


def judge(registry: Registry, version: ModelVersion, dataset: Dataset) -> Verdict:
    """The verdict on a registered version against the present champion, on the dataset's newest leads."""
    card = registry.card(version.goal, version.number)
    champion = registry.resolve(version.goal, "champion")
    if champion == version.number:
        return Verdict(False, f"version {version.number} is the champion already")
    by_hand = card.get("readiness", {}).get("state") == NOT_READY
    if by_hand:
        return (
            _first_by_hand(card)
            if champion is None
            else Verdict(False, f"{card['verdict']}; a champion serves already")
        )
    if champion is None:
        return _first(card)
    held = registry.card(version.goal, champion)
    family = family_of(card)
    if family_of(held) != family:
        return _first_of_family(
            card, f"the champion, version {champion}, predicts something else ({family_of(held)})"
        )
    # Leads after both: the champion has not learned from them, nor has the challenger's held-out scorer.
    unseen = max(held["data"]["trained_through"], card["data"]["held_out_after"])
    anchor = registry.anchor(version.goal, family)
    if anchor is not None and anchor != champion:
        unseen = max(unseen, registry.card(version.goal, anchor)["data"]["trained_through"])
    mature = np.flatnonzero(dataset.is_mature)
    judged = Judged(dataset.snapshots.take(mature), dataset.y[mature], dataset.weight[mature])
    return compare(
        registry.load(version.goal, champion),
        registry.load_held_out(version.goal, version.number),
        judged.newer_than(unseen),
        anchor=None if anchor in (None, champion) else registry.load(version.goal, str(anchor)),
        segment_by=card["config"].get("segment_by") or None,
    )


def _first_by_hand(card: Mapping[str, Any]) -> Verdict:
    """An empty firm starts with points set by hand, and is told so."""
    return Verdict(True, f"first model; {card['verdict']}")


def _first(card: Mapping[str, Any]) -> Verdict:
    measured = card["out_of_time"]
    return first_verdict(
        log_loss=measured["log_loss"]["value"],
        base_log_loss=measured["log_loss_base_rate"]["value"],
        low=measured["log_loss_gain"]["low"],
    )


def _first_of_family(card: Mapping[str, Any], why: str) -> Verdict:
    """Versions of two definitions are never compared: the new family's first model is measured by the base rate alone."""
    verdict = _first(card)
    return Verdict(
        False,
        f"{why}, so the two cannot be compared; {verdict.why}. Promote it by hand if the new definition is meant",
    )
