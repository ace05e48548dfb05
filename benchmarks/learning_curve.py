"""How much history does it take? The learning curve of small firms, on the synthetic world.

Each draw is a small firm: leads taken at random from the older part of one large world, in order of time, until ``n`` have reached the goal
and ``n`` have not. What is learned from it is measured on the world's newest leads, the same for every draw. Beside leadloop stand the base
rate of the draw and the naive Bayes of open-source CRMs. Nothing was chosen on this world (seed 77). Run it with

    python -m benchmarks.learning_curve
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.odoo_style import odoo_style
from benchmarks.worlds import world_dataset
from data.world import make_world
from features.matrix import Matrix, recode
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.metrics import log_loss
from training.learning.run import train
from training.scorer.scale import probability_of
from training.scorer.scorer import Scorer

SIZES = (20, 50, 120, 500)
OLDER_SHARE = 0.6
DRAWS, N_LEADS, SEED = 50, 12_000, 77


def taken(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """The dataset of these rows alone."""
    return replace(
        dataset,
        matrix=dataset.matrix.take(rows),
        snapshots=dataset.snapshots.take(rows),
        y=dataset.y[rows],
        weight=dataset.weight[rows],
        cutoffs=dataset.cutoffs[rows],
        order=dataset.order[rows],
        lead_ids=dataset.lead_ids[rows],
        known_at=None if dataset.known_at is None else dataset.known_at[rows],
        followed=None,
        fills=None,
        said={name: column[rows] for name, column in dataset.said.items()},
    )


def draw(
    dataset: Dataset, older: np.ndarray, n: int, rng: np.random.Generator, *, balanced: bool
) -> np.ndarray:
    """Rows of a small firm, in order of time: random leads among ``older`` rows until ``n`` have the goal and ``n`` have not; ``balanced``
    keeps exactly ``n`` of each."""
    lead = dataset.lead_numbers[older]
    leads = np.unique(lead)
    has_goal = np.isin(leads, lead[dataset.y[older] > 0.5])
    order = rng.permutation(len(leads))
    hit, miss = np.cumsum(has_goal[order]), np.cumsum(~has_goal[order])
    enough = np.arange(len(leads)) <= int(np.argmax((hit >= n) & (miss >= n)))
    kept = np.where(has_goal[order], hit, miss) <= n if balanced else enough
    return older[np.isin(lead, leads[order[kept]])]


def chances(scorer: Scorer, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """What a scorer says of rows of a dataset that has all its features."""
    columns = np.array([dataset.matrix.names.index(name) for name in scorer.features.names])
    levels = {
        name: dataset.matrix.levels[name] for name in scorer.features.names if name in dataset.matrix.levels
    }
    own = Matrix(scorer.features.names, np.ascontiguousarray(dataset.X[rows][:, columns]), levels)
    return probability_of(scorer.margin(recode(own, scorer.levels)))


def learning_curve_figures(
    draws: int = DRAWS,
    *,
    n_leads: int = N_LEADS,
    seed: int = SEED,
    sizes: tuple[int, ...] = SIZES,
    balanced: bool = False,
    config: TrainConfig | None = None,
    dataset: Dataset | None = None,
) -> list[dict[str, Any]]:
    """One row a size: mean log loss on the newest leads of ``leadloop``, ``base_rate`` and ``odoo_style``; the standard error of the first
    against the second (``error``), and in how many draws leadloop was behind the base rate (``behind``)."""
    dataset = world_dataset(make_world(n_leads, seed=seed)) if dataset is None else dataset
    config = TrainConfig(n_bootstrap=20) if config is None else config
    lead_order = np.unique(dataset.order)
    first_new = lead_order[round(len(lead_order) * OLDER_SHARE)]
    older = np.flatnonzero(dataset.order < first_new - 120 * 86_400_000_000)
    newer = np.flatnonzero(dataset.order >= first_new)
    texts = _texts(dataset)
    y, weight = dataset.y[newer], dataset.weight[newer]
    found = []
    for n in sizes:
        losses: dict[str, list[float]] = {"leadloop": [], "base_rate": [], "odoo_style": []}
        candidates: dict[str, int] = {}
        for k in range(draws):
            rows = draw(dataset, older, n, np.random.default_rng([seed, n, k]), balanced=balanced)
            own = taken(dataset, rows)
            result = train(own, config, seed=k)
            name = result.card["candidate"]
            candidates[name] = candidates.get(name, 0) + 1
            rate = float((own.weight * own.y).sum() / own.weight.sum())
            said = {
                "leadloop": chances(result.scorer, dataset, newer),
                "base_rate": np.full(len(newer), rate),
                "odoo_style": odoo_style(texts, dataset.y, rows, newer),
            }
            for what, p in said.items():
                losses[what].append(log_loss(y, p, weight=weight))
        gap = np.array(losses["leadloop"]) - np.array(losses["base_rate"])
        means = {what: round(float(np.mean(values)), 5) for what, values in losses.items()}
        found.append(
            {"n": n, **means, "error": round(float(gap.std() / max(draws - 1, 1) ** 0.5), 5),
             "behind": int((gap > 0).sum()), "draws": draws, "candidates": candidates}
        )  # fmt: skip
    return found


def _texts(dataset: Dataset) -> dict[str, np.ndarray]:
    found = {}
    for name, levels in dataset.matrix.levels.items():
        if levels:
            codes = dataset.X[:, dataset.matrix.names.index(name)]
            known = np.array([*levels, None], dtype=object)
            found[name] = known[np.where(np.isnan(codes), len(levels), codes).astype(np.int64)]
    return found


def show(draws: int) -> None:
    """Print the curve, for draws at the natural rate and for balanced ones."""
    dataset = world_dataset(make_world(N_LEADS, seed=SEED))
    for balanced, title in ((False, "at least n of each, at the natural rate"), (True, "exactly n of each")):
        print(f"\nlearning curve, {title}: mean log loss on the newest leads, {draws} draws")
        print(f"{'outcomes':>10}{'leadloop':>10}{'base rate':>10}{'Odoo-style':>11}{'behind base rate':>18}")
        for row in learning_curve_figures(draws, balanced=balanced, dataset=dataset):
            losses = f"{row['leadloop']:10.4f}{row['base_rate']:10.4f}{row['odoo_style']:11.4f}"
            print(f"{row['n']:>6}+{row['n']:<3}{losses}{row['behind']:>11} of {draws}", flush=True)


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser(description="how much history it takes")
    parser.add_argument("--draws", type=int, default=DRAWS)
    show(parser.parse_args().draws)


if __name__ == "__main__":
    main()
