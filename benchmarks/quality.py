"""How good are the chances, against what a data scientist would try first?

Four sets in order of time: learn from the first 70 %, predict the last 30 %, log loss. Beside leadloop stand the base rate, a logistic
regression and LightGBM with their usual settings. The last 30 % is used for the figures and for nothing else. Run it with

    python -m benchmarks.quality

The sets are read from ``../shared/data`` beside the checkout, or from the folder in ``LEADLOOP_SHARED_DATA``. The last line printed is
one JSON object, the log loss over that of the better baseline for each set.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from training.learning.metrics import log_loss, roc_auc
from training.learning.table import fit_table, target_values

OLDER_SHARE = 0.70


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


def measure(table: Table) -> dict[str, tuple[float, float]]:
    """Log loss and ROC-AUC on the newer rows by model, and the candidate leadloop chose."""
    y = target_values(table.frame[table.target])
    n_older = round(len(y) * OLDER_SHARE)
    columns = columns_of(table)
    ours = fit_table(table.frame[:n_older], target=table.target, order_by=table.order_by)
    print(f"  {ours.card['candidate']}: {ours.card['verdict']}", flush=True)
    said = {
        "base rate": np.full(len(y) - n_older, y[:n_older].mean()),
        "logistic": logistic(columns, y, n_older),
        "LightGBM": boosting(columns, y, n_older),
        "leadloop": ours.scorer.predict_proba(table.frame[n_older:])[:, 1],
    }
    return {name: (log_loss(y[n_older:], p), roc_auc(y[n_older:], p)) for name, p in said.items()}


def main() -> int:
    """Print the table and the last line; exit code 2 when the sets are not there."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("LEADLOOP_SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        print(
            f"no data sets in {folder}; set LEADLOOP_SHARED_DATA to the folder that holds them",
            file=sys.stderr,
        )
        return 2
    ratios, lines = {}, []
    for name, read in SETS.items():
        print(name, flush=True)
        found = measure(read(folder))
        ratios[name] = found["leadloop"][0] / min(found["logistic"][0], found["LightGBM"][0])
        figures = "  ".join(f"{loss:.4f} / {auc:.3f}" for loss, auc in found.values())
        lines.append(f"{name:16}  {figures}  {ratios[name]:.3f}")
    heads = "  ".join(f"{name:>14}" for name in ("base rate", "logistic", "LightGBM", "leadloop"))
    print(f"\nlog loss / ROC-AUC on the newest 30 %\n{'':16}  {heads}  ratio to the better baseline")
    print("\n".join(lines))
    print(json.dumps({"ratio_to_best": {name: round(ratio, 4) for name, ratio in ratios.items()}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
