"""Who belongs to whom, beside the buckets.

All ids of a person lie in one bucket, that of the id all others belong to, so that a bucket's leads can be read from it alone. The file
has a row for every owner of an id, not only the nearest, with the instant from which that is known (``data.identity``): one join tells
what else counts for a lead. Rows go by bucket; an id that no link speaks of, or that belongs to no other, is in no ``from_id``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.buckets.layout import TABLES, Files, Manifest, bucket_of, path_of, replacing, sha256_of
from data.domain import Link
from data.identity import Identities

_SCHEMA = pa.schema(
    [("bucket", pa.int64()), ("from_id", pa.string()), ("lead_id", pa.string()), ("known_at", pa.int64())]
)
_ROW_GROUP = 1 << 16  # a bucket's rows are found by the statistics of few groups


def write_owners(folder: Path, name: str, links: Iterable[Link], *, n_buckets: int) -> Files:
    """Write all owners of all ids that belong to another; returns the file with its rows and sha-256, nothing where there are none."""
    who = Identities(links)
    rows, persons = [], []
    for some_id in sorted(who.owned()):
        owners = list(who.owners(some_id))
        rows += [(some_id, owner, since) for owner, since in owners]
        persons += [owners[-1][0]] * len(owners)
    if not rows:
        return {}
    from_id, lead_id, known_at = zip(*rows, strict=True)
    table = pa.table([bucket_of(persons, n_buckets), from_id, lead_id, known_at], schema=_SCHEMA)
    order = pa.array(np.argsort(table["bucket"].to_numpy(), kind="stable"))
    path = f"links/{name}.parquet"
    with replacing(folder / path) as place:
        pq.write_table(
            table.take(order), place, compression="zstd", row_group_size=_ROW_GROUP, store_schema=False
        )
        return {path: (len(rows), sha256_of(place))}


def placed(lead_ids: Sequence[str], n_buckets: int, owners: Path | None) -> np.ndarray:
    """The bucket of each id, int64: that of the id it belongs to in the end. ``owners`` None: nobody belongs to another."""
    found = bucket_of(lead_ids, n_buckets)
    if owners is not None:
        held = pq.ParquetFile(owners).read(["bucket", "from_id"])
        where = pc.index_in(pa.array(lead_ids, pa.string()), value_set=held["from_id"].combine_chunks())
        found[where.is_valid().to_numpy(zero_copy_only=False)] = held["bucket"].take(where.drop_null())
    return found


def owners_in(owners: Path | None, bucket: int) -> list[tuple[str, str, int]]:
    """One bucket's rows: (id, an id it belongs to, the instant from which that is known)."""
    if owners is None:
        return []
    opened = pq.ParquetFile(owners)
    bounds = [opened.metadata.row_group(g).column(0).statistics for g in range(opened.num_row_groups)]
    rows = opened.read_row_groups([g for g, b in enumerate(bounds) if b.min <= bucket <= b.max])
    rows = rows.filter(pc.equal(rows["bucket"], bucket))
    return list(zip(*(rows[name].to_pylist() for name in _SCHEMA.names[1:]), strict=True))


def torn(folder: Path, held: Manifest, owners: Path | None) -> list[str]:
    """Files with rows of ids that newer ``owners`` put into another bucket than the manifest's."""
    ids = sorted({*_linked(held.owners(folder)), *_linked(owners)})
    before, now = (placed(ids, held.n_buckets, path) for path in (held.owners(folder), owners))
    moved = [[ids[i] for i in np.flatnonzero((before == b) & (now != b))] for b in range(held.n_buckets)]
    found = []
    for table in TABLES:
        for bucket, own in enumerate(moved):
            wanted = pa.array(own, pa.string())
            for segment in held.segments if own else ():
                path = path_of(table, bucket, segment.name)
                if path in segment.files and _has(folder / path, wanted):
                    found.append(path)
    return found


def _linked(owners: Path | None) -> list[str]:
    return [] if owners is None else pq.ParquetFile(owners).read(["from_id"])["from_id"].unique().to_pylist()


def _has(path: Path, lead_ids: pa.Array) -> bool:
    column = pq.ParquetFile(path, read_dictionary=["lead_id"]).read(["lead_id"])["lead_id"]
    return any(pc.any(pc.is_in(chunk.dictionary, value_set=lead_ids)).as_py() for chunk in column.chunks)
