"""How near do the chances come to the truth? Measured on the synthetic firm, whose laws are known.

A model learns from the oldest 70 % of a firm's leads and says the chance of the newest 30 % at their creation. Beside it stands the
*oracle*: the best chance that can be told from the same record, worked out from the laws that the firm is drawn by
(``data.world.observed``). It knows the calendar and the drift of the market as well, which no model can learn from a year. Log losses
are expected ones, over the draw of the outcome from the oracle's chance, so that luck in 5,000 outcomes does not blur a difference of 1 %.

The lead's *own* chance depends on what no record shows, its intent today and a part of its fit; how far the oracle itself is from that
is shown as well.

    python -m benchmarks.oracle
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.censoring import filled_store
from data.asof import snapshots_at
from data.snapshots import Snapshots
from data.store import Store
from data.world import World, make_world
from data.world.observed import observable_chances
from training.learning.calibration_check import slope_of
from training.learning.config import TrainConfig
from training.learning.dataset import build_dataset
from training.learning.run import train
from training.scorer.scale import probability_of

SEEDS = (41, 42, 43, 44, 45)
OLDER_SHARE = 0.7


def oracle_figures(
    n_leads: int = 20_000, *, seed: int = SEEDS[0], config: TrainConfig | None = None
) -> dict[str, float]:
    """Figures of a model that learned from the oldest 70 % of a world's leads, on the newest 30 % that sales worked, at their creation.

    Returns
    -------
    oracle_gap : log loss over the oracle's, minus 1.
    hidden_gap : the oracle's log loss over that of the leads' own chances, minus 1: what no model can win.
    slope : of the logistic regression of outcomes, drawn from the leads' own chances, on the model's log-odds.
    said_over_true : sum of the model's chances over that of the leads' own.
    interval_coverage : share of leads whose 90 % interval holds the oracle's chance; interval_coverage_own : holds the lead's own.
    interval_width : mean of high - low. log_loss, log_loss_oracle, n_leads.
    """
    world = make_world(n_leads, seed=seed)
    oracle, own = observable_chances(world), world.truth["qualified_at_creation"].to_numpy()
    created = world.leads["created_at"].to_numpy()
    border = int(created[round(OLDER_SHARE * n_leads) - 1])
    config = config or TrainConfig()
    with tempfile.TemporaryDirectory() as work:
        store = filled_store(Path(work), world, born_by=border, now=world.end)
        dataset = build_dataset(store, horizon_days=90, now=world.end, ages_days=config.ages_days)
        store.close()
        store = filled_store(Path(work), world, born_by=world.end, now=world.end)
        newer = np.flatnonzero((created > border) & world.truth["is_worked"].to_numpy())
        snapshots = at_creation(store, world, newer)
        store.close()
    scorer = train(dataset, config, seed=0).scorer
    margin = scorer.margin(scorer.matrix(snapshots))
    chance = probability_of(margin)
    assert scorer.intervals is not None
    low, high = scorer.intervals.of(margin)
    oracle, own = oracle[newer], own[newer]
    y = (np.random.default_rng([seed, 5]).random(len(own)) < own).astype(np.float64)
    loss, loss_oracle = expected_log_loss(oracle, chance), expected_log_loss(oracle, oracle)
    figures = {
        "oracle_gap": loss / loss_oracle - 1,
        "hidden_gap": expected_log_loss(own, oracle) / expected_log_loss(own, own) - 1,
        "slope": slope_of(margin, y, np.ones(len(y)))[0],
        "said_over_true": float(chance.sum() / own.sum()),
        "interval_coverage": float(((low <= oracle) & (oracle <= high)).mean()),
        "interval_coverage_own": float(((low <= own) & (own <= high)).mean()),
        "interval_width": float((high - low).mean()),
        "log_loss": loss,
        "log_loss_oracle": loss_oracle,
        "n_leads": float(len(newer)),
    }
    return {name: round(float(value), 5) for name, value in figures.items()}


def at_creation(store: Store, world: World, leads: np.ndarray) -> Snapshots:
    """Snapshots of these leads (positions in the world), each at its creation."""
    ids = world.leads["lead_id"].iloc[leads].tolist()
    known = snapshots_at(store, ids, cutoff=world.end)
    # Leads do not change their profile in this world; touchpoints are cut at the cutoff by the features.
    return replace(known, cutoffs=world.leads["created_at"].to_numpy()[leads])


def expected_log_loss(truth: np.ndarray, chance: np.ndarray) -> float:
    """Mean log loss of ``chance`` when each outcome is drawn from its ``truth``; both strictly between 0 and 1."""
    return float(-(truth * np.log(chance) + (1 - truth) * np.log1p(-chance)).mean())


def mean_figures(n_leads: int = 20_000, *, seeds: tuple[int, ...] = SEEDS) -> dict[str, float]:
    """Print the figures of every seed; their means."""
    table = [oracle_figures(n_leads, seed=seed) for seed in seeds]
    print(f"{f'synthetic firm, {n_leads:,} leads; seed':40}" + "".join(f"{s:>9}" for s in (*seeds, "mean")))
    means = {name: float(np.mean([row[name] for row in table])) for name in table[0]}
    for name, mean in means.items():
        print(f"{name:40}" + "".join(f"{row[name]:9.3f}" for row in table) + f"{mean:9.3f}")
    return {name: round(mean, 5) for name, mean in means.items()}


if __name__ == "__main__":
    mean_figures()
