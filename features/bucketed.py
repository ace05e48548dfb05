"""The matrix of a snapshot in files, bucket by bucket, by as many processes as wanted.

The same executor works on each bucket, and a row never depends on its neighbours: the matrix is bit for bit the one made from the store at
once. Memory is one bucket for each process, and the matrix itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.accounts import Spans
from data.asof import table_snapshots
from data.buckets.layout import Manifest, existing_manifest
from data.buckets.owners import placed
from data.buckets.read import read_bucket, read_spans
from data.columns import TrainingTables
from data.domain import DAY
from data.errors import ConfigError
from data.workers import run_all
from features.matrix import Levels, Matrix, build_matrix, recode
from features.spec import FeatureSet

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a matrix: n lead ids, their cutoffs and when the leads were created, int64 arrays of shape (n,)."""

    lead_ids: np.ndarray
    cutoffs: np.ndarray
    created_at: np.ndarray

    def __len__(self) -> int:
        return len(self.lead_ids)

    def take(self, order: np.ndarray) -> Rows:
        """The rows at these positions."""
        return Rows(self.lead_ids[order], self.cutoffs[order], self.created_at[order])


def bucketed_matrix(
    folder: Path,
    features: FeatureSet,
    *,
    cutoff: int | None = None,
    ages_days: Sequence[float] = (),
    given: tuple[Sequence[str], np.ndarray] | None = None,
    levels: Levels | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> tuple[Rows, Matrix]:
    """Rows and their features from a folder made by ``leadloop snapshot``.

    Exactly one of these says which rows there are; leads never created are none:

    - ``cutoff``: every lead received by then and not known to have been merged into another, at that instant;
    - ``ages_days``: every lead at these ages after it was created and known, until it was merged away, as training has it;
    - ``given``: lead ids and int64 cutoffs, shape (n,); ids that are not in the folder are left out.

    Rows come by (created_at, lead_id, cutoff). ``levels`` None learns every level that occurs, sorted, as ``build_matrix`` does.

    Raises
    ------
    ConfigError
        If not exactly one kind of rows is asked for, or ``levels`` lacks a category.
    StoreError
        If the folder holds no snapshot.
    """
    if (cutoff is not None) + bool(ages_days) + (given is not None) != 1:
        raise ConfigError("say which rows there are by one of cutoff, ages_days and given")
    manifest = existing_manifest(folder)
    with TemporaryDirectory(prefix="leadloop-accounts-") as place:
        spans = None
        if any(f.reads_accounts for f in features):
            # Leads of one account lie in any buckets; each process maps the one file.
            spans = Path(place) / "spans.npy"
            np.save(spans, _stacked(bucketed_spans(folder, processes=processes, progress=progress)))
        tasks = [
            partial(_bucket_matrix, folder, manifest, bucket, features, chosen, levels, spans)
            for bucket, chosen in _choices(folder, manifest, cutoff, ages_days, given)
        ]
        parts: dict[int, tuple[Rows, Matrix]] = {}
        for done, (bucket, part) in enumerate(run_all(tasks, processes=processes), 1):
            parts[bucket] = part
            if progress is not None:
                progress("computing features", done, len(tasks))
    return _joined([parts[bucket] for bucket in sorted(parts)], features, levels)


def bucketed_spans(folder: Path, *, processes: int = 1, progress: Progress | None = None) -> Spans:
    """Which lead of a folder made by ``leadloop snapshot`` was of which account when: 32 bytes for each lead of one.

    Raises StoreError if the folder holds no snapshot.
    """
    manifest = existing_manifest(folder)
    tasks = [partial(read_spans, folder, manifest, bucket) for bucket in range(manifest.n_buckets)]
    parts: dict[int, Spans] = {}
    for done, (bucket, part) in enumerate(run_all(tasks, processes=processes), 1):
        parts[bucket] = part
        if progress is not None:
            progress("finding accounts", done, len(tasks))
    return Spans.joined([parts[bucket] for bucket in sorted(parts)])


def _stacked(spans: Spans) -> np.ndarray:
    return np.stack([getattr(spans, name).view(np.int64) for name in Spans.__slots__])


def _unstacked(path: Path) -> Spans:
    account, lead, since, until = np.load(path, mmap_mode="r")
    return Spans(account.view(np.uint64), lead.view(np.uint64), since, until)


Choice = Callable[[TrainingTables], tuple[np.ndarray, np.ndarray]]


def _choices(
    folder: Path,
    manifest: Manifest,
    cutoff: int | None,
    ages_days: Sequence[float],
    given: tuple[Sequence[str], np.ndarray] | None,
) -> Iterator[tuple[int, Choice]]:
    if given is not None:
        ids = np.array(given[0], dtype=object)
        bucket = placed(ids.tolist(), manifest.n_buckets, manifest.owners(folder))
    for number in range(manifest.n_buckets):
        if given is not None:
            own = np.flatnonzero(bucket == number)
            yield number, partial(_given, ids[own].tolist(), np.asarray(given[1], dtype=np.int64)[own])
        elif cutoff is not None:
            yield number, partial(_at, cutoff)
        else:
            yield number, partial(_at_ages, tuple(sorted({round(age * DAY) for age in ages_days})))


def _at(cutoff: int, tables: TrainingTables) -> tuple[np.ndarray, np.ndarray]:
    lead = np.flatnonzero((tables.received_at <= cutoff) & (tables.merged_at > cutoff))
    return lead, np.full(len(lead), cutoff, dtype=np.int64)


def _at_ages(ages: tuple[int, ...], tables: TrainingTables) -> tuple[np.ndarray, np.ndarray]:
    born = np.maximum(tables.created_at, tables.received_at)
    lead = np.repeat(np.arange(len(born)), len(ages))
    cutoffs = born[lead] + np.tile(np.array(ages, dtype=np.int64), len(born))
    stands = cutoffs < tables.merged_at[lead]
    return lead[stands], cutoffs[stands]


def _given(ids: list[str], cutoffs: np.ndarray, tables: TrainingTables) -> tuple[np.ndarray, np.ndarray]:
    place = {lead_id: position for position, lead_id in enumerate(tables.lead_ids)}
    lead = np.array([place.get(i, -1) for i in ids], dtype=np.int64)
    return lead[lead >= 0], cutoffs[lead >= 0]


def _bucket_matrix(
    folder: Path,
    manifest: Manifest,
    bucket: int,
    features: FeatureSet,
    choice: Choice,
    levels: Levels | None,
    spans: Path | None,
) -> tuple[Rows, Matrix]:
    tables = read_bucket(folder, manifest, bucket)
    lead, cutoffs = choice(tables)
    snapshots = table_snapshots(tables, lead, cutoffs, spans=None if spans is None else _unstacked(spans))
    ids = np.array(snapshots.lead_ids, dtype=object)
    return Rows(ids, cutoffs, snapshots.created_at), build_matrix(snapshots, features, levels=levels)


def _joined(
    parts: list[tuple[Rows, Matrix]], features: FeatureSet, levels: Levels | None
) -> tuple[Rows, Matrix]:
    if levels is None:
        names = parts[0][1].levels
        levels = {
            name: tuple(sorted({level for _, m in parts for level in m.levels[name]})) for name in names
        }
    used = {name: tuple(levels[name]) for name in parts[0][1].levels}
    rows = Rows(*(np.concatenate([getattr(r, name) for r, _ in parts]) for name in Rows.__slots__))
    by_text = pc.rank(pa.array(rows.lead_ids, pa.string()), tiebreaker="dense").to_numpy()
    order = np.lexsort((rows.cutoffs, by_text, rows.created_at))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    X = np.empty((len(rows), len(features)))
    done = 0
    while parts:  # each part is let go once it is copied
        _, matrix = parts.pop(0)
        X[place[done : done + len(matrix)]] = recode(matrix, used).X if matrix.levels != used else matrix.X
        done += len(matrix)
    return rows.take(order), Matrix(features.names, X, used)
