"""One bucket of a snapshot in columns, as ``data.columns`` reads the whole store.

With one segment the file is the ledger's order already. With several, rows are merged by (lead, time); ids are read only where touchpoints
of one lead and instant lie in different segments. Where ids belong to others, rows are sorted anew, those that count twice among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.account_spans import spans_of
from data.accounts import Spans
from data.buckets.layout import TABLES, Manifest
from data.buckets.owners import owners_in
from data.columns import Heirs, Patch, TrainingTables, coded, heirs_of, ledger_of, patches_of, ties_ordered
from data.ledger import TEXT_COLUMNS, CodedColumn, Ledger

_NUMBERS = ("occurred_at", "received_at", "value")


def read_bucket(folder: Path, manifest: Manifest, bucket: int) -> TrainingTables:
    """The created leads of one bucket and what is held about them; outcomes are not part of a snapshot."""
    leads, heirs, merged_at, patches = _leads(folder, manifest, bucket)
    ids = leads["lead_id"]
    lead_ids = tuple(ids.to_pylist())
    if heirs:
        table = _table(folder, manifest.files("touchpoints", bucket), TABLES["touchpoints"].names)
        ledger, start, stop = ledger_of(table, lead_ids, heirs)
    else:
        ledger, levels, starts, stops = read_ledger(folder, manifest, bucket)
        where = pc.fill_null(pc.index_in(ids, value_set=levels), -1).to_numpy().astype(np.int64)
        start, stop = np.append(starts, 0)[where], np.append(stops, 0)[where]
    return TrainingTables(
        lead_ids=lead_ids,
        created_at=leads["created_at"].to_numpy(),
        received_at=leads["received_at"].to_numpy(),
        patches=patches,
        ledger=ledger,
        start=start,
        stop=stop,
        outcomes={},
        merged_at=merged_at,
        heirs=heirs,
    )


def read_spans(folder: Path, manifest: Manifest, bucket: int) -> Spans:
    """Which of the bucket's leads were of which account when; their touchpoints are not read."""
    leads, _, merged_at, patches = _leads(folder, manifest, bucket)
    return spans_of(patches, leads["lead_id"].to_pylist(), merged_at)


def _leads(
    folder: Path, manifest: Manifest, bucket: int
) -> tuple[pa.Table, Heirs, np.ndarray, dict[int, list[Patch]]]:
    """The bucket's leads by (created_at, lead_id), and ``heirs``, ``merged_at`` and ``patches`` of ``TrainingTables``."""
    leads = _read(folder, manifest, "leads", bucket)
    order = pc.sort_indices(leads, sort_keys=[("created_at", "ascending"), ("lead_id", "ascending")])
    leads = leads.take(order)
    lead_ids = leads["lead_id"].to_pylist()
    owners = owners_in(manifest.owners(folder), bucket)
    heirs, merged_at = heirs_of(owners, lead_ids, leads["received_at"].to_numpy())
    profiles = _read(folder, manifest, "profiles", bucket)
    rows = zip(*(c.to_pylist() for c in profiles.columns), strict=True)
    return leads, heirs, merged_at, patches_of(rows, lead_ids, heirs)


def read_ledger(
    folder: Path, manifest: Manifest, bucket: int
) -> tuple[Ledger, pa.Array, np.ndarray, np.ndarray]:
    """All touchpoints of a bucket, the ids of their leads, and each lead's slice of the ledger."""
    paths = manifest.files("touchpoints", bucket)
    names = ["lead_id", *_NUMBERS, *TEXT_COLUMNS]
    table = _table(folder, paths, names)
    codes, levels = coded(table, "lead_id")
    texts = {name: CodedColumn(*coded(table, name)) for name in TEXT_COLUMNS}
    numbers = {name: table[name].to_numpy() for name in ("occurred_at", "received_at")}
    numbers["value"] = _with_nan(table["value"])
    if len(paths) > 1:
        order, codes = _merged(folder, paths, codes, levels, numbers["occurred_at"])
        texts = {name: CodedColumn(column.codes[order], column.levels) for name, column in texts.items()}
        numbers = {name: column[order] for name, column in numbers.items()}
    begins = np.flatnonzero(np.diff(codes, prepend=-1))
    ledger = Ledger(**{**numbers, **texts})
    ids = pa.array(levels, pa.string()).take(pa.array(codes[begins]))
    return ledger, ids, begins, np.append(begins, len(codes))[1:]


def _merged(
    folder: Path, paths: Sequence[str], codes: np.ndarray, levels: Sequence[str], occurred: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The order of the ledger over several segments, and the lead's code in it."""
    order = np.lexsort((occurred, codes))
    lead, at = codes[order], occurred[order]
    tied = np.flatnonzero((lead[1:] == lead[:-1]) & (at[1:] == at[:-1]))
    if len(tied):
        segment = np.repeat(
            np.arange(len(paths)), [pq.read_metadata(folder / path).num_rows for path in paths]
        )
        # Within a segment ties are in order already.
        if np.any(segment[order[tied]] != segment[order[tied + 1]]):
            ids = _table(folder, paths, ["source", "touchpoint_id"])
            order = ties_ordered(ids, order, codes, occurred)
    return order, codes[order]


def _with_nan(column: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(column, np.nan).to_numpy() if column.null_count else column.to_numpy()


def _read(folder: Path, manifest: Manifest, table: str, bucket: int) -> pa.Table:
    found = [pq.ParquetFile(folder / path).read() for path in manifest.files(table, bucket)]
    return pa.concat_tables(found) if found else TABLES[table].empty_table()


def _table(folder: Path, paths: Sequence[str], names: Sequence[str]) -> pa.Table:
    texts = [name for name in names if name not in _NUMBERS and name != "touchpoint_id"]
    schema = pa.schema(
        [(name, pa.dictionary(pa.int32(), pa.string()) if name in texts else TABLES["touchpoints"].field(name).type) for name in names]
    )  # fmt: skip
    if not paths:
        return schema.empty_table()
    # Not `read_table`: it loads Arrow's datasets, and pandas with them.
    pieces = [pq.ParquetFile(folder / path, read_dictionary=texts).read(list(names)) for path in paths]
    return pa.concat_tables(pieces).select(list(names)).unify_dictionaries()
