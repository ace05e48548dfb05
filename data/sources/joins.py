"""Columns looked up in another file, the way a CRM keeps accounts and contacts apart from leads.

Each row of ours finds at most one row of the other file, so a join never adds or drops rows. A joined column whose name is taken already is
called by its file: ``accounts.created_at``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import ConfigError
from data.sources.cells import as_texts
from data.sources.mapping import Join, TableMapping
from data.sources.tables import Rows, TableFile


def joined_names(columns: tuple[str, ...], join: Join, other: TableFile) -> dict[str, str]:
    """Names of the joined columns: as seen by the mapping -> in the other file. Raises ConfigError for key columns that are not there."""
    for theirs in join.on.values():
        if theirs not in other.columns:
            raise ConfigError(
                f"{other.name} lacks column {theirs!r}, which a join uses; it has {list(other.columns)}"
            )
    for wanted in join.columns or ():
        if wanted not in other.columns:
            raise ConfigError(
                f"{other.name} lacks column {wanted!r}, which a join names; it has {list(other.columns)}"
            )
    stem = Path(other.name).stem
    chosen = join.columns if join.columns is not None else other.columns
    return {(f"{stem}.{c}" if c in columns else c): c for c in chosen if c not in join.on.values()}


def with_joins(
    rows: Rows, table: TableMapping, find: Callable[[str], TableFile], cache: dict[str, Rows]
) -> tuple[Rows, list[str]]:
    """The rows with the joined columns, and what people should know: keys without a match, keys that occur twice."""
    columns = dict(rows.columns)
    notes = []
    for join in table.joins:
        other = find(join.file)
        theirs = cache.get(join.file)
        if theirs is None:
            theirs = cache[join.file] = other.read()
        names = joined_names(tuple(columns), join, other)
        place, n_repeated = _places(
            [columns[c] for c in join.on], [theirs.columns[c] for c in join.on.values()], theirs
        )
        n_alone = int(pc.sum(pc.is_null(place)).as_py() or 0)
        if n_alone:
            notes.append(f"{n_alone:,} rows have no match in {join.file}")
        if n_repeated:
            notes.append(
                f"{n_repeated:,} rows of {join.file} repeat a key; one of them is used, whatever their order"
            )
        for name, original in names.items():
            columns[name] = theirs.columns[original].take(place)
    return replace(rows, columns=columns), notes


def _places(ours: list[pa.Array], theirs: list[pa.Array], other: Rows) -> tuple[pa.Array, int]:
    """For each row of ours the position of its match, null for none, and how many of their rows repeat a key."""
    our_key, their_key = _key(ours), _key(theirs)
    n_repeated = len(their_key) - their_key.null_count - pc.count_distinct(their_key).as_py()
    order = np.arange(len(their_key))
    if n_repeated:
        # Among rows with one key the smallest by content is used, so that the file's order does not matter.
        texts = {str(i): pc.fill_null(as_texts(c), "") for i, c in enumerate(other.columns.values())}
        order = pc.sort_indices(pa.table(texts), sort_keys=[(n, "ascending") for n in texts]).to_numpy()
    place = pc.index_in(our_key, value_set=their_key.take(pa.array(order)), skip_nulls=True)
    return pa.array(order).take(place), n_repeated


def _key(columns: list[pa.Array]) -> pa.Array:
    texts = [as_texts(c) for c in columns]
    return (
        texts[0]
        if len(texts) == 1
        else pc.binary_join_element_wise(*texts, pa.scalar("\x1f", pa.large_string()))
    )
