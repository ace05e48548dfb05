"""Are leaks found, and clean columns left alone?

Four sets with every column left in, as somebody who exports a CRM would hand them over, go through ``fit_table``. Each known leak must be
blocked or warned of, and at most two clean columns of a set may be blocked. Then the price: noise, and a synthetic firm without a leak.

    python -m benchmarks.leaks

The probes look at the older 70 % only. The sets are read from ``../shared/data`` beside the checkout, or from the folder in
``LEADLOOP_SHARED_DATA``. The last line printed is one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.world import make_world
from training.learning.config import TrainConfig
from training.learning.folds import split_newest
from training.learning.leakage import Finding, find_leaks
from training.learning.run import TrainingResult
from training.learning.table import fit_table, table_dataset
from training.scorer.acceptance import reason_to_ask

# Findings come before any model is chosen: one quick candidate is enough to see them.
QUICK = TrainConfig(candidates=("base_rate", "scorecard"), n_folds=2, n_bootstrap=20)
WORLD_LEADS = 6_000
NOISE_DRAWS = 200


@dataclass(frozen=True, slots=True)
class WithLeaks:
    """A table with every column left in, in order of time. ``leaks`` are known ones; ``beside`` are ids and order columns."""

    frame: pd.DataFrame
    target: str
    order_by: str | None
    leaks: tuple[str, ...]
    beside: tuple[str, ...] = ()


def x_education(folder: Path) -> WithLeaks:
    frame = pd.read_csv(folder / "xeducation" / "Leads.csv").replace("Select", np.nan)
    leaks = ["Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"]
    leaks += [name for name in frame if name.startswith("Asymmetrique")]
    return WithLeaks(frame, "Converted", "Lead Number", tuple(leaks), ("Prospect ID", "Lead Number"))


def bank(folder: Path) -> WithLeaks:
    frame = pd.read_csv(folder / "bank_additional" / "bank-additional-full.csv", sep=";")
    return WithLeaks(frame, "y", None, ("duration",))


def leadforge(folder: Path) -> WithLeaks:
    """The task table, with the opportunity's final stage joined as a profile field."""
    parts = folder / "leadforge" / "tasks" / "converted_within_90_days"
    frame = pd.concat([pd.read_parquet(parts / f"{part}.parquet") for part in ("train", "valid", "test")])
    deals = pd.read_parquet(folder / "leadforge" / "tables" / "opportunities.parquet")
    frame = frame.merge(deals[["lead_id", "stage"]].drop_duplicates("lead_id"), on="lead_id", how="left")
    frame = frame.sort_values(["lead_created_at", "lead_id"], kind="stable", ignore_index=True)
    ids = ("account_id", "contact_id", "lead_id", "lead_created_at")
    return WithLeaks(
        frame, "converted_within_90_days", "lead_created_at", ("total_touches_all", "stage"), ids
    )


def maven(folder: Path) -> WithLeaks:
    """Closed deals; the stage they ended in, which the target is made from, is left in as well."""
    deals = pd.read_csv(folder / "maven_crm" / "sales_pipeline.csv")
    deals = deals[deals["deal_stage"].isin(["Won", "Lost"])]
    for name, key in (("accounts", "account"), ("products", "product")):
        deals = deals.merge(pd.read_csv(folder / "maven_crm" / f"{name}.csv"), on=key, how="left")
    deals["won"] = (deals["deal_stage"] == "Won").astype(int)
    deals["engaged"] = pd.to_datetime(deals["engage_date"])
    deals = deals.sort_values(["engaged", "opportunity_id"], kind="stable", ignore_index=True)
    return WithLeaks(
        deals, "won", "engaged", ("close_value", "deal_stage", "close_date"), ("opportunity_id", "engage_date", "engaged")
    )  # fmt: skip


SETS: dict[str, Callable[[Path], WithLeaks]] = {
    "X Education": x_education, "bank_additional": bank, "leadforge": leadforge, "maven_crm": maven,
}  # fmt: skip


def fitted(table: WithLeaks, config: TrainConfig = QUICK) -> TrainingResult:
    return fit_table(table.frame, target=table.target, order_by=table.order_by, config=config)


def actions(findings: Sequence[Finding]) -> dict[str, str]:
    """The gravest action of each field that was found; findings come with it first."""
    found: dict[str, str] = {}
    for finding in findings:
        found.setdefault(finding.field, finding.action)
    return found


def clean_columns(table: WithLeaks) -> list[str]:
    """Columns that are neither leaks nor the target, the order or ids."""
    apart = {table.target, table.order_by, *table.leaks, *table.beside}
    return [name for name in table.frame if name not in apart]


def noise_frame(seed: int, *, n: int = 1_000) -> pd.DataFrame:
    """Ten columns without information, of every kind: counts, sums, levels, rare levels, gaps."""
    rng = np.random.default_rng([seed, 99])
    rate = rng.uniform(0.05, 0.6)
    half_empty = np.where(rng.random(n) < 0.5, np.nan, rng.normal(size=n))
    return pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "count": rng.poisson(2.0, size=n),
            "amount_paid": np.exp(rng.normal(6, 2, size=n)),
            "mostly_zero": np.where(rng.random(n) < 0.9, 0.0, rng.random(n)),
            "half_empty": half_empty,
            "mostly_empty": pd.Series("x", index=range(n), dtype=object).mask(rng.random(n) < 0.97),
            "two": rng.choice(["a", "b"], size=n),
            "ten": rng.choice(list("abcdefghij"), size=n),
            "rare_levels": rng.integers(0, 150, size=n).astype(str),
            "one_in_hundred": rng.random(n) < 0.01,
            "won": (rng.random(n) < rate).astype(int),
        }
    )


def leaks_of(frame: pd.DataFrame, target: str = "won") -> tuple[Finding, ...]:
    """Findings alone, without a training."""
    dataset = table_dataset(frame, target=target)
    return find_leaks(dataset, split_newest(dataset.rows, share=0.3).train)


def noise_rates(draws: int = NOISE_DRAWS) -> dict[str, float]:
    """Share of noise columns blocked and warned of."""
    blocked = warned = tried = 0
    for seed in range(draws):
        frame = noise_frame(seed)
        found = list(actions(leaks_of(frame)).values())
        blocked, warned = blocked + found.count("block"), warned + found.count("warn")
        tried += frame.shape[1] - 1
    return {"blocked": blocked / tried, "warned": warned / tried}


def _show(name: str, table: WithLeaks, result: TrainingResult) -> dict[str, Any]:
    found = actions(result.leaks)
    clean = clean_columns(table)
    print(f"\n{name}: {len(table.frame):,} rows, {len(table.leaks)} known leaks, {len(clean)} clean columns")
    for leak in table.leaks:
        own = [f for f in result.leaks if f.field == leak]
        why = f"{own[0].probe}: {own[0].says}" if own else ""
        print(f"  {found.get(leak, 'MISSED'):6}  {leak:28}  {why}")
    blocked = [c for c in clean if found.get(c) == "block"]
    warned = [c for c in clean if found.get(c) == "warn"]
    print(
        f"  clean columns blocked: {', '.join(blocked) or 'none'}; warned of: {', '.join(warned) or 'none'}"
    )
    if (ask := reason_to_ask(result.card)) is not None:
        print(f"  what is left has to be accepted before a promotion: {ask}")
    return {
        "found": sum(leak in found for leak in table.leaks),
        "of": len(table.leaks),
        "clean_blocked": blocked,
        "clean_warned": len(warned),
    }


def main() -> int:
    """Print the tables and the last line; exit code 2 when the sets are not there, 1 when a leak was missed."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("LEADLOOP_SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        print(f"no data sets in {folder}; set LEADLOOP_SHARED_DATA to the folder that holds them", file=sys.stderr)  # fmt: skip
        return 2
    summary: dict[str, Any] = {}
    for name, read in SETS.items():
        table = read(folder)
        summary[name] = _show(name, table, fitted(table))
    verdict = fitted(maven(folder), TrainConfig()).card["verdict"]
    print(f"\nmaven_crm, every column left in, full training: {verdict}")

    rates = noise_rates()
    print(
        f"\n{NOISE_DRAWS} draws of 10 columns of noise, 1,000 rows: {rates['blocked']:.2%} blocked, {rates['warned']:.2%} warned of"
    )
    from benchmarks.worlds import world_dataset

    dataset = world_dataset(make_world(WORLD_LEADS, seed=5))
    clean = actions(find_leaks(dataset, split_newest(dataset.rows, share=0.3).train))
    print(
        f"synthetic firm, {WORLD_LEADS:,} leads, {len(dataset.features)} features, no leak in it: {clean or 'nothing found'}"
    )
    last = {
        "leaks": summary,
        "maven_verdict": verdict.split(":")[0],
        "noise": rates,
        "world_blocked": sum(action == "block" for action in clean.values()),
    }
    print(json.dumps(last))
    return 0 if all(row["found"] == row["of"] for row in summary.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
