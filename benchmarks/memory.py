"""How much memory a large training takes: 1,000,000 rows x 60 features by default, goal under 6 GB.

Run ``python -m benchmarks.memory --rows 1000000``. The training runs in a process of its own, whose peak is read when it ends. Columns
are invented: 48 numbers, some with gaps, and 12 categories; a lead has four rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from data.domain import DAY
from data.ledger import Ledger
from data.snapshots import Snapshots
from features.catalog import table_features
from features.matrix import Matrix
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.run import train

GOAL_GB = 6.0
_ROWS_PER_LEAD = 4
_CATEGORIES = 12
_AGES_DAYS = (0, 3, 7, 14)


def invented(n_rows: int, n_features: int, *, seed: int = 0) -> Dataset:
    """A dataset of the shape ``build_dataset`` makes, without a store: leads over two years, four ages each."""
    rng = np.random.default_rng(seed)
    n_leads = n_rows // _ROWS_PER_LEAD
    n = n_leads * _ROWS_PER_LEAD
    n_numbers = n_features - _CATEGORIES
    X = np.empty((n, n_features))
    margin = np.full(n, -2.0)
    for j in range(n_numbers):
        X[:, j] = rng.normal(size=n)
        margin += (0.3 if j < 8 else 0.0) * X[:, j]
        if j % 4 == 3:
            X[rng.random(n) < 0.2, j] = np.nan
    levels = {}
    for k in range(_CATEGORIES):
        name = f"c{k}"
        levels[name] = tuple(f"level {i:02}" for i in range(5 + 3 * k))
        X[:, n_numbers + k] = rng.integers(0, len(levels[name]), size=n)
    margin += 0.5 * (X[:, n_numbers] == 1)
    number, text = np.array([0.5], dtype=object), np.array(["a"], dtype=object)
    features = table_features({**{f"n{j}": number for j in range(n_numbers)}, **dict.fromkeys(levels, text)})
    matrix = Matrix(features.names, X, levels)
    end = 1_780_000_000_000_000
    created = np.repeat(np.sort(end - rng.integers(95 * DAY, 730 * DAY, size=n_leads)), _ROWS_PER_LEAD)
    cutoffs = created + np.tile(np.array(_AGES_DAYS, dtype=np.int64) * DAY, n_leads)
    lead_ids = np.repeat(np.array([f"L{i:07}" for i in range(n_leads)], dtype=object), _ROWS_PER_LEAD)
    nothing = np.zeros(n, dtype=np.int64)
    return Dataset(
        matrix=matrix,
        snapshots=Snapshots(tuple(lead_ids), cutoffs, created, {}, Ledger.of(()), nothing, nothing),
        y=(rng.random(n) < 1 / (1 + np.exp(-margin))).astype(np.float64),
        weight=np.full(n, 1 / _ROWS_PER_LEAD),
        cutoffs=cutoffs,
        order=created,
        lead_ids=lead_ids,
        goal="qualified",
        features=features,
        horizon_days=60,
        now=end,
    )


def peak_gb() -> float:
    """Peak resident memory of this process so far, in GB of 10^9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measured(n_rows: int, n_features: int, *, n_trees: int) -> dict[str, Any]:
    """Train once in this process: rows, features, the data's own size, peak memory before and after, and seconds."""
    started = time.monotonic()
    dataset = invented(n_rows, n_features)
    before, made = peak_gb(), time.monotonic()
    result = train(dataset, TrainConfig(n_trees=n_trees))
    return {
        "rows": len(dataset),
        "features": n_features,
        "data_gb": round(dataset.X.nbytes / 1e9, 2),
        "peak_before_gb": round(before, 2),
        "peak_gb": round(peak_gb(), 2),
        "seconds_to_invent": round(made - started, 1),
        "seconds_to_train": round(time.monotonic() - made, 1),
        "candidate": result.card["candidate"],
    }


def memory_figures(*, rows: int = 1_000_000, features: int = 60, trees: int = 200) -> dict[str, Any]:
    """The figures of a training in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", "--inside", "--rows", str(rows)]
    command += ["--features", str(features), "--trees", str(trees)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Print the figures; exit code 1 when a training of the full size takes more than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=60)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        print(json.dumps(measured(chosen.rows, chosen.features, n_trees=chosen.trees)))
        return 0
    found = memory_figures(rows=chosen.rows, features=chosen.features, trees=chosen.trees)
    print(f"{found['rows']:,} rows x {found['features']} features ({found['data_gb']} GB): peak {found['peak_gb']} GB, "
          f"{found['peak_before_gb']} GB of it before training; {found['seconds_to_train']} s   (goal: under {GOAL_GB:g} GB)")  # fmt: skip
    return int(found["peak_gb"] > GOAL_GB)


if __name__ == "__main__":
    sys.exit(main())
