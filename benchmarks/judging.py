"""Is the judge fair? Challengers that are no better, challengers that are a little worse, and grades that should stay put.

Run ``python -m benchmarks.judging``; ``--real N`` sets how many pairs of models are trained. ``judging_figures`` gives the figures to
others. Invented log-odds make 200 runs cheap; real trainings check that the invention is fair.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.domain import parse_instant
from data.snapshots import Snapshots
from data.sources.importing import import_tables
from data.store import open_store
from data.world import make_world, write_world
from training.learning.config import TrainConfig
from training.learning.dataset import build_dataset
from training.learning.run import train
from training.learning.table import fit_table
from training.loop.comparison import Contest, Judged, compare, decide
from training.loop.stability import grade_churn
from training.scorer.flat import snapshots_of_frame
from training.scorer.scale import probability_of

_NOW = parse_instant("2026-07-01T00:00:00Z", name="now")
# What two seeds do to the log-odds of one lead, as a standard deviation of each; measured 0.02 to 0.04 on the synthetic world.
_SEED_SPREAD = 0.05
_WORSE = 1.02


def truth_of(n: int, rng: np.random.Generator) -> np.ndarray:
    """True log-odds of n invented leads; about one in five reaches the goal."""
    return rng.normal(-1.8, 1.2, size=n)


def contest(
    truth: np.ndarray, champion: np.ndarray, challenger: np.ndarray, rng: np.random.Generator, **more: Any
) -> Contest:
    """A contest on fresh outcomes of these leads, with six segments."""
    n = len(truth)
    y = (rng.random(n) < probability_of(truth)).astype(np.float64)
    which = rng.integers(0, 6, size=n)
    segments = {f"segment = {k}": which == k for k in range(6)}
    rate = float(y.mean())
    return Contest(champion, challenger, y, np.ones(n), np.arange(n), base=float(np.log(rate / (1 - rate))),
                   segments=segments, **more)  # fmt: skip


def invented_aa(*, runs: int = 200, n_leads: int = 3_000, seed: int = 0) -> float:
    """Share of runs in which a challenger of the same data and another seed is promoted."""
    promoted = 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        truth = truth_of(n_leads, rng)
        shared = truth + rng.normal(0.0, 0.4, size=n_leads)
        champion, challenger = (shared + rng.normal(0.0, _SEED_SPREAD, size=n_leads) for _ in range(2))
        promoted += decide(contest(truth, champion, challenger, rng), seed=run).promote
    return promoted / runs


def invented_frame(n: int, *, seed: int) -> pd.DataFrame:
    """A flat table of leads in which five columns say something and three do not."""
    rng = np.random.default_rng([seed, 5])
    visits, days = rng.poisson(3.0, size=n), rng.exponential(20.0, size=n)
    industry = rng.choice(["software", "retail", "health", "farming"], size=n, p=[0.4, 0.3, 0.2, 0.1])
    channel = rng.choice(["ads", "search", "event", "partner"], size=n)
    employees = np.where(rng.random(n) < 0.3, np.nan, np.round(np.exp(rng.normal(4.0, 1.0, size=n))))
    margin = -1.4 + 0.4 * (visits - 3) - 0.02 * (days - 20) + np.where(industry == "software", 0.8, 0.0)
    margin += np.where((channel == "event") & (visits > 3), 0.9, 0.0) - np.where(
        np.isnan(employees), 0.6, 0.0
    )
    return pd.DataFrame(
        {
            "visits": visits, "days_since_visit": days, "industry": industry, "channel": channel, "employees": employees,
            "owner": rng.choice(list("abcdef"), size=n), "noise": rng.normal(size=n), "hour": rng.integers(0, 24, size=n),
            "won": (rng.random(n) < probability_of(margin)).astype(int),
        }
    )  # fmt: skip


def real_aa(
    *, pairs: int = 25, judgements: int = 4, n_leads: int = 1_500, seed: int = 0
) -> tuple[float, int]:
    """The same with models that were trained: share promoted, and how many judgements it is a share of.

    Each pair learns from one table with two seeds; each judgement takes 2,000 fresh leads.
    """
    config = TrainConfig(n_trees=100, n_folds=3, n_bootstrap=20)
    promoted = 0
    for pair in range(pairs):
        frame = invented_frame(n_leads, seed=1_000 * seed + pair)
        champion, challenger = (
            fit_table(frame, target="won", config=config, seed=2 * pair + k).scorer for k in range(2)
        )
        for k in range(judgements):
            fresh = invented_frame(2_000, seed=1_000_000 + 100 * pair + k)
            snapshots = snapshots_of_frame(fresh.drop(columns="won"), champion.features)
            judged = Judged(named(snapshots), fresh["won"].to_numpy(), np.ones(len(fresh)))
            promoted += compare(champion, challenger, judged, seed=k).promote
    return promoted / (pairs * judgements), pairs * judgements


def named(snapshots: Snapshots) -> Snapshots:
    """The same rows, each a lead of its own."""
    from dataclasses import replace

    return replace(snapshots, lead_ids=tuple(f"L{i}" for i in range(len(snapshots))))


def expected_loss(truth: np.ndarray, margin: np.ndarray) -> float:
    """The log loss that outcomes of these chances give on average."""
    return float(np.mean(np.logaddexp(0.0, margin) - probability_of(truth) * margin))


def worse_by(truth: np.ndarray, margin: np.ndarray, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Log-odds with noise, so much that their expected log loss is ``ratio`` times that of ``margin``."""
    noise = rng.normal(size=len(margin))
    target = ratio * expected_loss(truth, margin)
    low, high = 0.0, 8.0
    for _ in range(30):
        middle = (low + high) / 2
        if expected_loss(truth, margin + middle * noise) < target:
            low = middle
        else:
            high = middle
    return margin + high * noise


def six_in_a_row(*, series: int = 10, n_leads: int = 3_000, seed: int = 0) -> dict[str, int]:
    """How many of ``series`` x 6 challengers are promoted when each is 2 % worse than the one before it.

    ``promoted``: the champion is whoever was promoted last. ``promoted_by_hand``: somebody promotes each of them all the same, so that
    each is judged against a champion that is 2 % better than itself and, from the second on, against the anchor.
    ``anchor_held``: of the latter, challengers made 1 % *better* than such a champion three steps down, stopped by the anchor.
    """
    promoted = by_hand = held = 0
    for run in range(series):
        rng = np.random.default_rng([seed, 77, run])
        truth = truth_of(n_leads, rng)
        anchor = truth + rng.normal(0.0, 0.3, size=n_leads)
        champion, before = anchor, anchor
        for _ in range(6):
            challenger = worse_by(truth, before, _WORSE, rng)
            kept = None if champion is anchor else anchor
            verdict = decide(contest(truth, champion, challenger, rng, anchor=kept), seed=run)
            promoted += verdict.promote
            champion = challenger if verdict.promote else champion
            forced = None if before is anchor else anchor
            by_hand += decide(contest(truth, before, challenger, rng, anchor=forced), seed=run).promote
            before = challenger
        # Four times 2 % down: a challenger clearly better than that champion is still worse than the anchor.
        fallen = worse_by(truth, anchor, _WORSE**4, rng)
        regained = anchor + (fallen - anchor) * 0.8
        verdict = decide(contest(truth, fallen, regained, rng, anchor=anchor), seed=run)
        held += not verdict.promote and "anchor" in verdict.why
    return {
        "series": series,
        "challengers": 6 * series,
        "promoted": promoted,
        "promoted_by_hand": by_hand,
        "anchor_held": held,
    }


def churn(*, n_leads: int = 6_000, seeds: int = 4, world_seed: int = 5) -> dict[str, float]:
    """Grade changes across retrains of the synthetic world on unchanged data: same seed, and the worst and mean of other seeds."""
    with tempfile.TemporaryDirectory() as work:
        write_world(make_world(n_leads, seed=world_seed, end=_NOW), Path(work) / "world")
        store = open_store(f"sqlite:///{work}/leadloop.db")
        import_tables(store, path=Path(work) / "world", now=_NOW)
        dataset = build_dataset(store, now=_NOW)
        store.close()
    config = TrainConfig(n_bootstrap=20)
    results = [train(dataset, config, seed=seed) for seed in (0, *range(seeds))]
    first = results[0].scorer
    others = [grade_churn(first, r.scorer, dataset.snapshots) for r in results[2:]]
    losses = [r.card["out_of_time"]["log_loss"]["value"] for r in results[1:]]
    return {
        "leads": n_leads,
        "same_seed": grade_churn(first, results[1].scorer, dataset.snapshots).share,
        "other_seed_mean": float(np.mean([c.share for c in others])),
        "other_seed_worst": max(c.share for c in others),
        "score_shift": float(np.mean([c.score_shift for c in others])),
        "log_loss_mean": float(np.mean(losses)),
        "log_loss_spread": float(np.max(losses) / np.min(losses) - 1),
    }


def judging_figures(*, pairs: int = 25, churn_leads: int = 6_000) -> dict[str, Any]:
    """All figures: ``aa_promotion_rate`` of 200 invented runs, ``aa_real``, ``six_in_a_row`` and ``grade_churn``."""
    real, n = real_aa(pairs=pairs)
    return {
        "aa_promotion_rate": invented_aa(),
        "aa_real": {"promotion_rate": real, "judgements": n, "pairs": pairs},
        "six_in_a_row": six_in_a_row(),
        "grade_churn": churn(n_leads=churn_leads),
    }


def main() -> None:
    """Print the figures for people."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=int, default=25, help="pairs of models to train")
    parser.add_argument("--leads", type=int, default=6_000, help="leads of the world for the churn of grades")
    chosen = parser.parse_args()
    found = judging_figures(pairs=chosen.real, churn_leads=chosen.leads)
    real, six, still = found["aa_real"], found["six_in_a_row"], found["grade_churn"]
    print(
        f"A/A, invented log-odds, 200 runs           promoted {found['aa_promotion_rate']:.1%}   (goal: at most 5 %)"
    )
    print(
        f"A/A, {real['pairs']} pairs trained, {real['judgements']} judgements     promoted {real['promotion_rate']:.1%}"
    )
    print(
        f"{six['challengers']} challengers, each 2 % worse           promoted {six['promoted']}       (goal: 0)"
    )
    print(f"  the same, each promoted by hand           promoted {six['promoted_by_hand']}")
    print(
        f"  better than a fallen champion, but 1 % or more behind the anchor: stopped {six['anchor_held']} of {six['series']}"
    )
    print(f"grades changed, {still['leads']:,} leads, same seed     {still['same_seed']:.2%}   (goal: 0)")
    print(
        f"  another seed: mean {still['other_seed_mean']:.2%}, worst {still['other_seed_worst']:.2%}   (goal: at most 5 %)"
    )
    print(
        f"  mean shift of the score {still['score_shift']:.2f}; log loss {still['log_loss_mean']:.5f}, "
        f"between seeds {still['log_loss_spread']:.3%}"
    )


if __name__ == "__main__":
    main()
