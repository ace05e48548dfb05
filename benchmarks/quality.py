"""How good are the chances, against what a data scientist would try first?

Four sets in order of time: learn from the first 70 %, predict the last 30 %. Beside leadloop stand the base rate, naive Bayes as
open-source CRMs do it, a logistic regression and LightGBM with their usual settings, and FLAML with a minute where it is installed. The
last 30 % is used for the figures and for nothing else. Then come the synthetic firm against its own truth, open horizons, the judge,
and the learning curve. Run it with

    python -m benchmarks.quality

The sets are read from ``../shared/data`` beside the checkout, or from the folder in ``LEADLOOP_SHARED_DATA``. The last line printed is
one JSON object: for each set, leadloop's log loss over that of the best of base rate, logistic regression and LightGBM; and the
figures of the other sections, null where not measured.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from benchmarks import learning_curve
from benchmarks.odoo_style import odoo_style
from training.learning.calibration_check import slope_of
from training.learning.metrics import Ranking, row_log_loss
from training.learning.table import fit_table, target_values

OLDER_SHARE = 0.70
N_BOOTSTRAP = 200
BASELINES = ("base rate", "logistic", "LightGBM")


@dataclass(frozen=True, slots=True)
class Table:
    """A flat table in order of time; ``order_by`` None: the order of rows."""

    frame: pd.DataFrame
    target: str
    order_by: str | None = None


def x_education(folder: Path) -> Table:
    """An online-course seller's leads, without what reps filled in afterwards."""
    frame = pd.read_csv(folder / "xeducation" / "Leads.csv").replace("Select", np.nan)
    afterwards = ["Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"]
    afterwards += [name for name in frame if name.startswith("Asymmetrique")]
    frame = frame.drop(columns=["Prospect ID", *afterwards])
    return Table(
        frame.sort_values("Lead Number", kind="stable", ignore_index=True), "Converted", "Lead Number"
    )


def bank(folder: Path) -> Table:
    """Phone campaigns of a bank in date order, without the length of the call, which is known only after it."""
    frame = pd.read_csv(folder / "bank_additional" / "bank-additional-full.csv", sep=";")
    return Table(frame.drop(columns="duration"), "y")


def leadforge(folder: Path) -> Table:
    """A synthetic CRM's task table, without ids and the counter that looks past the cutoff."""
    parts = folder / "leadforge" / "tasks" / "converted_within_90_days"
    frame = pd.concat([pd.read_parquet(parts / f"{part}.parquet") for part in ("train", "valid", "test")])
    frame = frame.sort_values(["lead_created_at", "lead_id"], kind="stable", ignore_index=True)
    ids = ["account_id", "contact_id", "lead_id"]
    return Table(
        frame.drop(columns=["total_touches_all", *ids]), "converted_within_90_days", "lead_created_at"
    )


def maven(folder: Path) -> Table:
    """Closed deals of a fictional firm by the day sales engaged; there is nothing to find."""
    deals = pd.read_csv(folder / "maven_crm" / "sales_pipeline.csv").replace(
        {"product": {"GTXPro": "GTX Pro"}}
    )
    deals = deals[deals["deal_stage"].isin(["Won", "Lost"])]
    for name, key in (("accounts", "account"), ("products", "product")):
        deals = deals.merge(pd.read_csv(folder / "maven_crm" / f"{name}.csv"), on=key, how="left")
    deals["won"] = (deals["deal_stage"] == "Won").astype(int)
    deals["engaged"] = pd.to_datetime(deals["engage_date"])
    deals = deals.sort_values(["engaged", "opportunity_id"], kind="stable", ignore_index=True)
    dropped = ["opportunity_id", "deal_stage", "close_value", "engage_date", "close_date"]
    return Table(deals.drop(columns=dropped), "won", "engaged")


SETS: dict[str, Callable[[Path], Table]] = {
    "X Education": x_education, "bank_additional": bank, "leadforge": leadforge, "maven_crm": maven,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """A table's columns as the baselines take them: numbers as float64 with NaN, everything else as text or None."""

    numbers: dict[str, np.ndarray]
    texts: dict[str, pd.Series]


def columns_of(table: Table) -> Columns:
    frame = table.frame.drop(columns=[table.target, *([table.order_by] if table.order_by else [])])
    numbers, texts = {}, {}
    for name in frame:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            numbers[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            texts[name] = column.astype(object).map(lambda value: None if pd.isna(value) else str(value))
    return Columns(numbers, texts)


def logistic(columns: Columns, y: np.ndarray, n_older: int) -> np.ndarray:
    """Chances of the newer rows: one-hot (levels under 10 rows pooled), medians with flags, standardised, C = 1."""
    design: list[np.ndarray] = []
    for values in columns.numbers.values():
        gap = np.isnan(values)
        if gap[:n_older].all():
            continue
        filled = np.where(gap, np.nanmedian(values[:n_older]), values)
        design.append((filled - filled[:n_older].mean()) / (filled[:n_older].std() or 1.0))
        if gap[:n_older].any():
            design.append(gap.astype(np.float64))
    for texts in columns.texts.values():
        known = texts.fillna("(missing)")
        counts = known[:n_older].value_counts()
        pooled = known.where(known.isin(counts.index[counts >= 10]), "(other)")
        design += [(pooled == level).to_numpy(dtype=np.float64) for level in sorted(set(pooled[:n_older]))]
    X = np.column_stack(design)
    model = LogisticRegression(C=1.0, max_iter=10_000).fit(X[:n_older], y[:n_older])
    return model.predict_proba(X[n_older:])[:, 1]


def boosting(columns: Columns, y: np.ndarray, n_older: int) -> np.ndarray:
    """Chances of the newer rows: LightGBM's defaults with native categories."""
    frame = pd.DataFrame(columns.numbers)
    for name, texts in columns.texts.items():
        levels = sorted(set(texts[:n_older].dropna()))
        frame[name] = pd.Categorical(texts.where(texts.isin(levels)), categories=levels)
    frame.columns = [re.sub(r"\W", "_", f"{place}_{name}") for place, name in enumerate(frame.columns)]
    model = lightgbm.LGBMClassifier(verbosity=-1, n_jobs=1, random_state=0).fit(frame[:n_older], y[:n_older])
    return np.asarray(model.predict_proba(frame[n_older:]))[:, 1]


def flaml_chances(
    columns: Columns, y: np.ndarray, n_older: int, *, seconds: float = 60.0
) -> np.ndarray | None:
    """Chances of the newer rows: FLAML with a time budget; None where it is not installed."""
    try:
        from flaml import AutoML
    except ImportError:
        return None
    frame = pd.DataFrame(columns.numbers)
    for name, texts in columns.texts.items():
        frame[name] = pd.Categorical(texts)
    frame.columns = [re.sub(r"\W", "_", f"{place}_{name}") for place, name in enumerate(frame.columns)]
    model = AutoML()
    model.fit(
        frame[:n_older], y[:n_older], task="classification", metric="log_loss", time_budget=seconds, seed=0, verbose=0,
        n_jobs=1, split_type="time",
    )  # fmt: skip
    return np.asarray(model.predict_proba(frame[n_older:]))[:, 1]


def said_by(table: Table) -> tuple[dict[str, np.ndarray], np.ndarray, str]:
    """What each model says of the newer rows, their outcomes, and leadloop's verdict."""
    y = target_values(table.frame[table.target])
    n_older = round(len(y) * OLDER_SHARE)
    columns = columns_of(table)
    ours = fit_table(table.frame[:n_older], target=table.target, order_by=table.order_by)
    texts = {name: column.to_numpy(dtype=object) for name, column in columns.texts.items()}
    rows = np.arange(len(y))
    found: dict[str, np.ndarray | None] = {
        "base rate": np.full(len(y) - n_older, y[:n_older].mean()),
        "Odoo-style": odoo_style(texts, y, rows[:n_older], rows[n_older:]),
        "logistic": logistic(columns, y, n_older),
        "LightGBM": boosting(columns, y, n_older),
        "FLAML 60 s": flaml_chances(columns, y, n_older),
        "leadloop": ours.scorer.predict_proba(table.frame[n_older:])[:, 1],
    }
    kept = {name: p for name, p in found.items() if p is not None}
    return kept, y[n_older:], f"{ours.card['candidate']}: {ours.card['verdict']}"


def figures_of(
    y: np.ndarray, p: np.ndarray, *, n_bootstrap: int = N_BOOTSTRAP
) -> dict[str, tuple[float, float, float]]:
    """Log loss, ROC-AUC, lift at 10 % and calibration slope, each with the ends of its 95 % bootstrap interval over rows."""
    rng = np.random.default_rng(7)
    ranking, loss = Ranking.of(p), row_log_loss(y, p)
    margin = np.log(np.clip(p, 1e-6, 1 - 1e-6)) - np.log1p(-np.clip(p, 1e-6, 1 - 1e-6))
    flat = np.ptp(margin) < 1e-12
    measures: dict[str, Callable[[np.ndarray], float]] = {
        "log loss": lambda w: float((w * loss).sum() / w.sum()),
        "AUC": lambda w: ranking.roc_auc(y, w),
        "lift 10 %": lambda w: ranking.lift_at(y, w, share=0.10),
        "slope": lambda w: float("nan") if flat else slope_of(margin, y, w)[0],
    }
    ones = np.ones(len(y))
    draws = [
        np.bincount(rng.integers(0, len(y), len(y)), minlength=len(y)).astype(float)
        for _ in range(n_bootstrap)
    ]
    found = {}
    for name, measure in measures.items():
        low, high = np.quantile([measure(w) for w in draws], [0.025, 0.975])
        found[name] = (measure(ones), float(low), float(high))
    return found


def real_sets(folder: Path) -> dict[str, float]:
    """Print the table of the real sets; log loss of leadloop over that of the best baseline, by set."""
    ratios = {}
    for name, read in SETS.items():
        said, y, verdict = said_by(read(folder))
        found = {model: figures_of(y, p) for model, p in said.items()}
        best = min(found[model]["log loss"][0] for model in BASELINES)
        ratios[name] = round(found["leadloop"]["log loss"][0] / best, 4)
        print(f"\n{name}: newest {len(y):,} rows, goal rate {y.mean():.1%}; {verdict}")
        heads = "".join(f"{measure:>26}" for measure in next(iter(found.values())))
        print(f"{'':12}{heads}{'log loss over the best':>26}")
        for model, row in found.items():
            cells = "".join(
                f"{value:10.4f} [{low:.4f}, {high:.4f}]".rjust(26) for value, low, high in row.values()
            )
            print(f"{model:12}{cells}{row['log loss'][0] / best:26.4f}", flush=True)
    return ratios


def section(module: str, function: str, *arguments: Any, wanted: Sequence[str]) -> dict[str, float | None]:
    """Figures of another benchmark, printed; None for each that could not be measured, with a note why."""
    try:
        found = getattr(importlib.import_module(f"benchmarks.{module}"), function)(*arguments)
    except (ImportError, AttributeError) as missing:
        print(f"\n{module}: not measured ({missing})")
        return dict.fromkeys(wanted)
    print(f"\n{module}:")
    for name, value in found.items():
        print(f"  {name}: {value}")
    return {name: found.get(name) for name in wanted}


def main() -> int:
    """Print the tables and the last line; exit code 2 when the sets are not there."""
    parser = argparse.ArgumentParser(description="log loss on real sets in time order, next to baselines")
    parser.add_argument("--sets-only", action="store_true", help="leave out the synthetic firm and the judge")
    chosen = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("LEADLOOP_SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        print(
            f"no data sets in {folder}; set LEADLOOP_SHARED_DATA to the folder that holds them",
            file=sys.stderr,
        )
        return 2
    summary: dict[str, Any] = {"ratio_to_best": real_sets(folder)}
    sections = (
        ("oracle", "mean_figures", (), ("oracle_gap", "slope", "interval_coverage")),
        ("censoring", "mean_figures", (20_000,), ("ipcw_bias",)),
        ("judging", "judging_figures", (), ("aa_promotion_rate",)),
    )
    for module, function, arguments, wanted in sections:
        none: dict[str, float | None] = dict.fromkeys(wanted)
        summary |= none if chosen.sets_only else section(module, function, *arguments, wanted=wanted)
    if not chosen.sets_only:
        learning_curve.show(learning_curve.DRAWS)
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
