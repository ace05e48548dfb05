"""A base rate that moves from 12.8 % to 30.8 %: is it detected, and does recalibration alone mend it?

The leads are those of the synthetic firm and keep their true order; only the level of their true chances is moved, and outcomes are drawn
anew from it. A model learns from the oldest 60 % at 12.8 %. The next 20 % come at 30.8 %: on these the shift is tested and the intercept is
learned anew. The newest 20 % are asked whether the mended chances hold.

    python -m benchmarks.base_rate_shift
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.worlds import TOLD, told, world_dataset
from data.world import make_world
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.run import train
from training.learning.uncertainty import level_shift
from training.loop.recalibration import recalibrated
from training.scorer.scale import probability_of

BEFORE, AFTER = 0.128, 0.308


def shift_figures(n_leads: int = 20_000, *, seed: int = 11, after: float = AFTER) -> dict[str, float]:
    """``detected`` (0 or 1), ``observed`` on the newest leads, and over it the mean chance of the old and of the mended model."""
    world = make_world(n_leads, seed=seed)
    dataset = world_dataset(world, ages_days=tuple(map(float, TOLD)))
    known = told(world, dataset)
    dataset = _taken(dataset, known.rows)
    cuts = np.quantile(dataset.order, [0.6, 0.8])
    older, middle = dataset.order <= cuts[0], dataset.order <= cuts[1]
    rng = np.random.default_rng([seed, 23])
    margin = np.log(known.truth / (1 - known.truth))
    chance = np.empty(len(dataset))
    for rows, rate in ((older, BEFORE), (~older, after)):
        by, _ = level_shift(margin[rows], np.full(int(rows.sum()), rate), np.full(int(rows.sum()), 1e6))
        chance[rows] = probability_of(margin[rows] + by)
    dataset = replace(dataset, y=(rng.random(len(dataset)) < chance).astype(np.float64))

    result = train(_taken(dataset, np.flatnonzero(older)), TrainConfig(ages_days=tuple(map(float, TOLD))))
    mended = recalibrated(result.scorer, result.card, _taken(dataset, np.flatnonzero(middle)))
    newest = np.flatnonzero(~middle)
    matrix = result.scorer.matrix(dataset.snapshots.take(newest))
    observed = float(dataset.y[newest].mean())
    old, new = (float(probability_of(s.margin(matrix)).mean()) for s in (result.scorer, mended.result.scorer))
    figures = {
        "detected": float(mended.shift.detected),
        "observed": observed,
        "predicted_over_observed_before": old / observed,
        "predicted_over_observed_after": new / observed,
    }
    return {name: round(value, 4) for name, value in figures.items()}


def _taken(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """These rows, each with outcomes of its own; what was known of open horizons and what else sales said do not belong to them."""
    return replace(
        dataset,
        matrix=dataset.matrix.take(rows),
        snapshots=dataset.snapshots.take(rows),
        y=dataset.y[rows],
        weight=dataset.weight[rows],
        cutoffs=dataset.cutoffs[rows],
        order=dataset.order[rows],
        lead_ids=dataset.lead_ids[rows],
        followed=None,
        known_at=None,
        said={},
    )


def main() -> None:
    """Print the figures of five seeds, and of a market that did not move."""
    print(f"{'seed':>6}{'market':>18}{'detected':>10}{'observed':>10}{'old / obs.':>12}{'mended / obs.':>15}")
    for after, name in ((AFTER, "12.8 to 30.8 %"), (BEFORE, "stays at 12.8 %")):
        for seed in (11, 12, 13):
            row = shift_figures(seed=seed, after=after)
            print(
                f"{seed:>6}{name:>18}"
                + "".join(f"{v:>{w}.3f}" for v, w in zip(row.values(), (10, 10, 12, 15), strict=True))
            )


if __name__ == "__main__":
    main()
