"""A world as files, the way a CRM's export looks: three CSV files with a few warts, and the mapping file that imports them.

The warts are rows that came twice, a second delivery of the same touchpoint, and a handful of rows nobody can read. They are additional
rows: without them the files hold exactly the world. The truth is not among the files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from data.domain import SECOND
from data.world.world import World

MAPPING = """\
# How the columns of these files become leads, touchpoints and outcomes. Times carry their zone ("Z").

[source]
name = "world"

[leads]
file = "leads.csv"
lead_id = "lead_id"
created_at = "created_at"
observed_at = "created_at"        # the profile is what was known when the lead came in

[leads.profile]                   # our field = "their column"
email = "email"
company = "company"
company_domain = "company_domain"
title = "job_title"
seniority = "seniority"
job_function = "job_function"
industry = "industry"
country = "country"
language = "language"
employees = "employees"
annual_revenue = "annual_revenue"
source = "lead_source"
campaign = "campaign"

[leads.values.industry]           # what was written -> what it means; "" is "not known"
"n/a" = ""

[[touchpoints]]
file = "touchpoints.csv"
touchpoint_id = "touchpoint_id"
lead_id = "lead_id"
occurred_at = "occurred_at"
received_at = "received_at"
type = "type"
channel = "channel"
campaign = "campaign"
content = "content"
direction = "direction"
value = "value"

[[outcomes]]
file = "outcomes.csv"
outcome_id = "outcome_id"
lead_id = "lead_id"
kind = "kind"
occurred_at = "occurred_at"
amount = "amount"
undoes = "undoes"
"""
_THEIR_NAMES = {"title": "job_title", "source": "lead_source"}


def write_world(world: World, folder: str | Path) -> None:
    """Write leads.csv, touchpoints.csv, outcomes.csv and mapping.toml; the folder is made. The same world gives the same bytes."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([world.seed, 1])

    leads = _texts(world.leads.rename(columns=_THEIR_NAMES))
    leads = _repeated(rng, leads, share=0.0005)
    leads = _broken(rng, leads, created_at="00/00/0000", n=2)
    _write(_broken(rng, leads, lead_id="", n=1), folder / "leads.csv")

    touchpoints = _texts(world.touchpoints)
    touchpoints = _repeated(rng, touchpoints, share=0.0005)
    touchpoints = _delivered_again(rng, touchpoints, world.touchpoints, share=0.0005)
    touchpoints = _broken(rng, touchpoints, occurred_at="yesterday", n=2)
    touchpoints = _broken(rng, touchpoints, occurred_at="", n=1)
    _write(_broken(rng, touchpoints, lead_id="", n=2), folder / "touchpoints.csv")

    outcomes = _texts(world.outcomes)
    outcomes = _repeated(rng, outcomes, share=0.001)
    outcomes = _broken(rng, outcomes, kind="nurturing", n=2)
    _write(_broken(rng, outcomes, occurred_at="2025-13-45T00:00:00Z", n=1), folder / "outcomes.csv")
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")


def write_truth(world: World, path: str | Path) -> None:
    """Write the truth as CSV. Keep it away from the folder that is imported."""
    world.truth.to_csv(Path(path), index=False, lineterminator="\n")


def _texts(frame: pd.DataFrame) -> pa.Table:
    """The frame as a table of texts; null where nothing is known."""
    columns = {}
    for name, column in frame.items():
        if str(name).endswith("_at"):
            seconds = pa.array(column.to_numpy() // SECOND).cast(pa.timestamp("s"))
            columns[name] = pc.strftime(seconds, format="%Y-%m-%dT%H:%M:%SZ")
        elif column.dtype.kind == "f":
            # Every number of the world is whole; as integers they are written without ".0".
            columns[name] = pa.array(column.to_numpy(), from_pandas=True).cast(pa.int64()).cast(pa.string())
        else:
            columns[name] = pa.Array.from_pandas(column.astype(object)).cast(pa.string())
    return pa.table(columns)


def _merged(table: pa.Table, extra: pa.Table, after: np.ndarray) -> pa.Table:
    """The table with each extra row put behind the row at position ``after``."""
    order = np.argsort(np.concatenate([np.arange(len(table)), after]), kind="stable")
    return pa.concat_tables([table, extra]).take(pa.array(order))


def _some(rng: np.random.Generator, table: pa.Table, n: int) -> np.ndarray:
    return np.sort(rng.choice(len(table), min(n, len(table)), replace=False))


def _repeated(rng: np.random.Generator, table: pa.Table, *, share: float) -> pa.Table:
    rows = _some(rng, table, 1 + int(share * len(table)))
    return _merged(table, table.take(pa.array(rows)), np.minimum(rows + 3, len(table) - 1))


def _delivered_again(
    rng: np.random.Generator, table: pa.Table, touchpoints: pd.DataFrame, *, share: float
) -> pa.Table:
    """Some touchpoints a second time, received a minute later, as after a lost acknowledgement."""
    rows = _some(rng, pa.table({"n": np.arange(len(touchpoints))}), 1 + int(share * len(touchpoints)))
    again = touchpoints.iloc[rows].assign(received_at=lambda t: t["received_at"] + 60 * SECOND)
    return _merged(table, _texts(again), np.minimum(rows + 5, len(table) - 1))


def _broken(rng: np.random.Generator, table: pa.Table, *, n: int, **column: str) -> pa.Table:
    """Copies of ``n`` rows with one column overwritten."""
    rows = _some(rng, table, n)
    copies = table.take(pa.array(rows))
    for name, text in column.items():
        place = copies.column_names.index(name)
        copies = copies.set_column(place, name, pa.array([text] * len(rows), pa.string()))
    return _merged(table, copies, rows)


def _write(table: pa.Table, path: Path) -> None:
    with path.open("wb") as file:
        csv.write_csv(table, file, csv.WriteOptions(quoting_style="needed"))
