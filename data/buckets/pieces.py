"""The pieces of work of a build, each a pure function from files to one file.

``partition`` turns a range of the store, or a file that links tore apart, into rows by bucket; ``arrange`` turns a bucket's rows into
the order of the ledger. Both hold one piece in memory and write their file in one step, so a build may be killed at any moment and may do
a piece twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.buckets.layout import TABLES, replacing, sha256_of
from data.buckets.owners import placed
from data.buckets.source import RowSource
from data.columns import ties_ordered

_CODED = ("lead_id", "source", "type", "channel", "campaign", "content", "direction", "fields")
_ROW_GROUP = 1 << 20
_SHORT = pa.ipc.IpcWriteOptions(compression="lz4")


def partition(
    source: RowSource,
    table: str,
    after: int,
    upto: int,
    *,
    n_buckets: int,
    owners: Path | None,
    path: Path,
    is_alone: bool,
) -> None:
    """Write rows ``after < seq <= upto`` as an Arrow file of ``n_buckets`` batches, each in order of arrival."""
    rows = pa.Table.from_batches(source.batches(table, after, upto, is_alone=is_alone), schema=TABLES[table])
    _spread(rows, n_buckets=n_buckets, owners=owners, path=path)


def partition_anew(
    old: Path, table: str, *, n_buckets: int, owners: Path | None, path: Path, is_alone: bool = False
) -> None:
    """``partition`` of a bucket's file, some of whose rows belong into other buckets now."""
    rows = pq.ParquetFile(old).read().cast(TABLES[table])
    _spread(rows, n_buckets=n_buckets, owners=owners, path=path)


def _spread(rows: pa.Table, *, n_buckets: int, owners: Path | None, path: Path) -> None:
    bucket = np.zeros(0, dtype=np.int64)
    if len(rows):
        lead = rows["lead_id"].combine_chunks().dictionary_encode()
        bucket = placed(lead.dictionary.to_pylist(), n_buckets, owners)[lead.indices.to_numpy()]
    rows = rows.take(pa.array(np.argsort(bucket, kind="stable"))).combine_chunks()
    ends = np.cumsum(np.bincount(bucket, minlength=n_buckets)).tolist()
    with replacing(path) as place, pa.ipc.new_file(place, rows.schema, options=_SHORT) as out:
        for start, end in zip([0, *ends], ends, strict=False):
            out.write_batch(_one_batch(rows.slice(start, end - start)))


def _one_batch(rows: pa.Table) -> pa.RecordBatch:
    arrays = [column.chunk(0) if column.num_chunks else pa.array([], column.type) for column in rows.columns]
    return pa.record_batch(arrays, schema=rows.schema)


def arrange(
    table: str, bucket: int, parts: Sequence[Path], older: Sequence[Path], path: Path
) -> tuple[int, str]:
    """Write one bucket's rows of these parts and older files in order; returns how many and the file's sha-256, "" for no rows.

    Touchpoints go by (lead, time, source, touchpoint id), profiles by lead in order of arrival.
    """
    schema = TABLES[table]
    pieces = [pq.ParquetFile(old).read().cast(schema) for old in older]
    for part in parts:
        with pa.memory_map(str(part)) as mapped:
            pieces.append(pa.Table.from_batches([pa.ipc.open_file(mapped).get_batch(bucket)]))
    rows = pa.concat_tables(pieces).combine_chunks() if pieces else schema.empty_table()
    if not len(rows):
        return 0, ""
    rows = rows.take(pa.array(_order(table, rows)))
    coded = [name for name in _CODED if name in schema.names]
    with replacing(path) as place:
        pq.write_table(
            rows, place, compression="zstd", use_dictionary=coded, row_group_size=_ROW_GROUP,
            dictionary_pagesize_limit=1 << 24, write_statistics=["lead_id"], store_schema=False,
        )  # fmt: skip
        return len(rows), sha256_of(place)


def _order(table: str, rows: pa.Table) -> np.ndarray:
    lead = rows["lead_id"].combine_chunks().dictionary_encode()
    # Arrow sorts texts by code point, as Python and both databases do.
    by_text = pc.sort_indices(lead.dictionary).to_numpy()
    rank = np.empty(len(by_text), dtype=np.int64)
    rank[by_text] = np.arange(len(by_text))
    place = rank[lead.indices.to_numpy()]
    if table != "touchpoints":
        return np.argsort(place, kind="stable")
    occurred = rows["occurred_at"].to_numpy()
    return ties_ordered(rows, np.lexsort((occurred, place)), place, occurred)
