"""What becomes of leads whose horizon is still open: four choices, against the truth.

A synthetic firm is looked at when half of its leads are younger than the horizon. Each choice trains a model on what was known then, and
the model says what share of the newest leads will reach the goal; the world knows what share really does. ``hindsight`` learns from the
same leads four months later, when all is decided: what it misses is drift and chance, and no treatment of open leads can mend. Run it with

    python -m benchmarks.censoring
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.asof import snapshots_at
from data.domain import DAY, Lead, Outcome, Touchpoint
from data.snapshots import Snapshots
from data.store import Store, open_store
from data.world import World, make_world
from data.world.world import HISTORY_DAYS
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset, build_dataset
from training.learning.run import train
from training.scorer.scale import probability_of

HORIZON_DAYS = 90
# Worlds 1 to 6 were used to choose how to learn from open leads; figures to report come from these.
SEEDS = (61, 62, 63, 64)
# When every row of the leads born by now, the one at 30 days too, has had its horizon.
_LATER = (HORIZON_DAYS + 31) * DAY
CHOICES = ("ipcw", "wait", "drop", "negative")


def half_open_world(n_leads: int, *, seed: int) -> tuple[World, int]:
    """A world, and the instant at which it has had ``n_leads`` leads, half of them younger than the horizon.

    The world goes on afterwards; what is made after the instant is for nobody's eyes.
    """
    world = make_world(round(n_leads * HISTORY_DAYS / (2 * HORIZON_DAYS)), seed=seed)
    created = world.leads["created_at"].to_numpy()
    days = np.arange(HORIZON_DAYS + 10, HISTORY_DAYS)
    instants = created[0] // DAY * DAY + days * DAY
    n_born = np.searchsorted(created, instants)
    n_open = n_born - np.searchsorted(created, instants - HORIZON_DAYS * DAY)
    return world, int(instants[np.argmin(np.abs(n_open / n_born - 0.5))])


def filled_store(folder: Path, world: World, *, born_by: int, now: int) -> Store:
    """A store that holds what had happened to the leads born by then, and had been received, by ``now``."""
    store = open_store(f"sqlite:///{folder / f'{now}.db'}")
    leads = []
    for row in _records(world.leads[world.leads["created_at"] <= born_by]):
        lead_id, created_at = row.pop("lead_id"), int(row.pop("created_at"))
        profile = {name: value for name, value in row.items() if value is not None}
        leads.append(Lead(lead_id, created_at, profile, received_at=created_at))
    known = {lead.lead_id for lead in leads}
    touches, outcomes = world.touchpoints, world.outcomes
    touches = touches[(touches["received_at"] <= now) & touches["lead_id"].isin(known)]
    outcomes = outcomes[(outcomes["occurred_at"] <= now) & outcomes["lead_id"].isin(known)]
    with store.transaction():
        store.add_leads(leads, now=now)
        store.add_touchpoints((Touchpoint(**row) for row in _records(touches)), now=now)
        store.add_outcomes((Outcome(**row) for row in _records(outcomes)), now=now)
    return store


def censoring_figures(
    n_leads: int,
    seed: int,
    *,
    choices: Sequence[str] = CHOICES,
    config: TrainConfig | None = None,
) -> dict[str, Any]:
    """Predicted and true share of the newest leads that reach the goal, by choice.

    The newest leads are those younger than the horizon that sales works, each asked at its creation. ``rows`` holds, per choice and for
    ``hindsight``: ``predicted``, ``miss`` (relative, signed), ``miss_30`` (the same for the last 30 days alone), ``log_loss`` (expected,
    under the true chances) and ``excess`` over the oracle's.
    """
    config = config or TrainConfig()
    world, now = half_open_world(n_leads, seed=seed)
    truth = world.truth.set_index("lead_id")
    with tempfile.TemporaryDirectory() as work:
        store = filled_store(Path(work), world, born_by=now, now=now)
        data = {choice: _dataset(store, now=now, immature=choice, config=config) for choice in choices}
        cohort = _newest(store, world, now=now)
        store.close()
        store = filled_store(Path(work), world, born_by=now, now=now + _LATER)
        data["hindsight"] = _dataset(store, now=now + _LATER, immature="wait", config=config)
        store.close()
    p = truth.loc[list(cohort.lead_ids), "qualified_at_creation"].to_numpy()
    oracle = _expected_loss(p, p)
    last = cohort.cutoffs > now - 30 * DAY
    created = world.leads["created_at"].to_numpy()
    born = created[created <= now]
    found: dict[str, Any] = {
        "leads": len(born),
        "immature": float((born > now - HORIZON_DAYS * DAY).mean()),
        "newest": len(p),
        "truth": float(p.mean()),
        "rows": {},
    }
    for choice, dataset in data.items():
        result = train(dataset, config, seed=seed)
        # From the margin: a probability that failed its check is withheld from answers.
        q = probability_of(result.scorer.margin(result.scorer.matrix(cohort)))
        loss = _expected_loss(p, q)
        found["rows"][choice] = {
            "candidate": result.card["candidate"],
            "learned_from": result.card["censoring"]["rows"] if result.card["censoring"] else len(dataset),
            "predicted": float(q.mean()),
            "miss": float(q.mean() / p.mean() - 1),
            "miss_30": float(q[last].mean() / p[last].mean() - 1),
            "log_loss": loss,
            "excess": loss / oracle - 1,
        }
    return found


def _dataset(store: Store, *, now: int, immature: str, config: TrainConfig) -> Dataset:
    return build_dataset(
        store, horizon_days=HORIZON_DAYS, now=now, ages_days=config.ages_days, immature=immature
    )


def _newest(store: Store, world: World, *, now: int) -> Snapshots:
    """Worked leads younger than the horizon, each at its creation."""
    leads = world.leads.merge(world.truth[["lead_id", "is_worked"]], on="lead_id")
    created = leads["created_at"].to_numpy()
    leads = leads[(created <= now) & (created > now - HORIZON_DAYS * DAY) & leads["is_worked"].to_numpy()]
    ids, at = leads["lead_id"].tolist(), leads["created_at"].to_numpy()
    known = snapshots_at(store, ids, cutoff=now)
    # Leads do not change their profile in this world; touchpoints are cut at the cutoff by the features.
    return replace(known, cutoffs=at)


def _expected_loss(p: np.ndarray, q: np.ndarray) -> float:
    return float(-(p * np.log(q) + (1 - p) * np.log1p(-q)).mean())


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def table(found: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"{found['leads']:,} leads, {found['immature']:.0%} younger than {HORIZON_DAYS} days; of the {found['newest']:,} newest that "
        f"sales works, {found['truth']:.4f} reach the goal",
        f"{'':10}{'rows':>9}{'predicted':>11}{'miss':>9}{'last 30 d':>11}{'log loss':>10}{'over oracle':>13}",
    ]
    for choice, row in found["rows"].items():
        lines.append(
            f"{choice:10}{row['learned_from']:>9,}{row['predicted']:>11.4f}{row['miss']:>+9.1%}{row['miss_30']:>+11.1%}"
            f"{row['log_loss']:>10.4f}{row['excess']:>13.1%}"
        )
    return "\n".join(lines)


def mean_figures(n_leads: int, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """The misses over several worlds, each of which has the luck of its own outcomes in it; each world's table is printed on the way.

    ``misses`` holds, per choice and for ``hindsight``, the signed miss of each world, in the order of ``seeds``; ``mean_miss`` their
    mean; ``ipcw_bias`` the size of the mean of ``ipcw``.
    """
    misses: dict[str, list[float]] = {}
    for seed in seeds:
        found = censoring_figures(n_leads, seed)
        print(f"seed {seed}: {table(found)}\n", flush=True)
        for choice, row in found["rows"].items():
            misses.setdefault(choice, []).append(row["miss"])
    means = {choice: float(np.mean(values)) for choice, values in misses.items()}
    return {"misses": misses, "mean_miss": means, "ipcw_bias": abs(means["ipcw"])}


def main() -> int:
    """Print a table for each of four worlds, and the mean misses."""
    found = mean_figures(20_000)
    print("mean miss: " + ", ".join(f"{choice} {miss:+.1%}" for choice, miss in found["mean_miss"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
