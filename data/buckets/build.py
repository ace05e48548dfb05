"""Building a bucketed snapshot: planned first, then done piece by piece, by as many processes as wanted.

A build reads what is new up to marks written down before it begins, so that one killed at any moment and begun again gives the same
bytes as one left alone. What is new becomes a segment of its own; it takes in those before it that are no larger, so a row is rewritten
about log2(builds) times and a bucket has few files.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data.buckets.layout import (
    FORMAT,
    MANIFEST,
    READ,
    TABLES,
    Files,
    Manifest,
    Segment,
    files_of,
    path_of,
    read_json,
    read_manifest,
    sha256_of,
    sync_folder,
    write_json,
)
from data.buckets.owners import torn, write_owners
from data.buckets.pieces import arrange, partition, partition_anew
from data.buckets.source import Marks, RowSource
from data.errors import ConfigError, StoreError
from data.workers import run_all

PART_ROWS = 500_000
_ROWS_PER_BUCKET = 500_000
MOST_BUCKETS = 4_096
_FEW = 250_000  # rows that are read and sorted sooner than another process has begun

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did.

    Attributes
    ----------
    manifest : what the folder holds now.
    new_rows : touchpoints that were new.
    torn : files written anew because links joined ids that lay in different buckets.
    resumed : an earlier build that was cut off has been ended.
    rebuilt : everything was read anew: the number of buckets changed, somebody was erased, suppressed or freed, or the store no longer
        holds what was read before.
    """

    manifest: Manifest
    new_rows: int
    torn: int
    resumed: bool
    rebuilt: bool


def build_buckets(
    source: RowSource,
    folder: Path,
    *,
    n_buckets: int | None = None,
    processes: int = 1,
    progress: Progress | None = None,
    part_rows: int = PART_ROWS,
) -> Built:
    """Bring the folder up to date with the store.

    A build that was cut off is ended first, as it was planned; rows that came after it wait for the next one. When somebody was erased,
    suppressed or freed meanwhile, it is given up, and everything is read anew.

    Parameters
    ----------
    n_buckets : buckets to spread leads over; None keeps what the folder has, or takes one for each 500,000 touchpoints. Another number
        than the folder has builds everything anew.
    processes : how many work at once. One process works in this one.
    progress : called with (what, done, total).
    part_rows : rows read at a time by each process.

    Raises
    ------
    ConfigError
        For a number of buckets outside 1 to 4,096, or processes below 1.
    StoreError
        If the store cannot be read, the folder cannot be written, or another build works in it.
    """
    if n_buckets is not None and not 1 <= n_buckets <= MOST_BUCKETS:
        raise ConfigError(f"buckets must lie between 1 and {MOST_BUCKETS}, not {n_buckets}")
    if processes < 1:
        raise ConfigError(f"processes must be 1 or more, not {processes}")
    with _locked(folder):
        held = read_manifest(folder)
        plan = read_json(folder / "building" / "plan.json")
        if plan is not None and held is not None and plan["segment"] in {s.name for s in held.segments}:
            plan = None  # cut off after its end, while tidying up
        if plan is not None and (plan["format"] != FORMAT or n_buckets not in (None, plan["buckets"])):
            plan = None
        if plan is not None and plan.get("barred", "") != source.barred():
            plan = None
        resumed = plan is not None
        if plan is None:
            _tidy(folder, held)
            plan = _planned(source, folder, held, n_buckets, part_rows)
            if plan is None:
                assert held is not None
                return Built(held, new_rows=0, torn=0, resumed=False, rebuilt=False)
            write_json(folder / "building" / "plan.json", plan)
        before = Manifest.from_dict(plan["before"])
        segment = _worked(source, folder, plan, before, processes, progress or _silent)
        rest = (s.without(plan["torn"]) for s in before.segments if s.name not in plan["merges"])
        manifest = Manifest(
            plan["buckets"],
            plan["marks"],
            plan["last_rows"],
            plan["leads"],
            files_of(plan["links"]),
            (*(s for s in rest if s.files), segment),
            plan.get("barred", ""),
        )
        write_json(folder / MANIFEST, manifest.to_dict())
        _tidy(folder, manifest)
        return Built(
            manifest, manifest.rows - before.rows, len(plan["torn"]), resumed=resumed, rebuilt=plan["rebuilt"]
        )


def _planned(
    source: RowSource, folder: Path, held: Manifest | None, n_buckets: int | None, part_rows: int
) -> dict[str, Any] | None:
    """What is to be done; None when nothing is new. Owners are written already."""
    now = source.marks()
    rebuilt = held is not None and (
        n_buckets not in (None, held.n_buckets)
        or not source.holds(Marks(held.marks, held.last_rows, held.n_leads, held.barred))
    )
    nothing = Manifest(0, dict.fromkeys(READ, 0), dict.fromkeys(READ, ""), 0, {}, ())
    before = nothing if held is None or rebuilt else held
    if held is not None and not rebuilt and dict(now.last) == dict(held.marks):
        return None
    n_new = now.last["touchpoints"] - before.marks["touchpoints"]
    if held is not None and n_buckets is None:
        n_buckets = held.n_buckets
    n_buckets = n_buckets or max(1, min(MOST_BUCKETS, -(-n_new // _ROWS_PER_BUCKET)))
    newest = 0 if held is None else max(int(s.name) for s in held.segments)
    name = f"{newest + 1:06}"
    links: Files = before.links
    away: list[str] = []
    if now.last["links"] > before.marks["links"]:
        links = write_owners(folder, name, source.links(now.last["links"]), n_buckets=n_buckets)
        away = torn(folder, before, next((folder / path for path in links), None)) if before.segments else []
    segments = [s.without(away) for s in before.segments]
    merges: list[str] = []
    size = n_new + before.rows - sum(s.rows for s in segments)
    for older in reversed(segments):
        if older.rows > size:
            break
        merges.append(older.name)
        size += older.rows
    return {
        "format": FORMAT,
        "segment": name,
        "buckets": n_buckets,
        "before": before.to_dict(),
        "marks": dict(now.last),
        "last_rows": dict(now.rows),
        "leads": now.n_leads,
        "links": links,
        "torn": away,
        "merges": merges,
        "part_rows": part_rows,
        "rebuilt": rebuilt,
        "barred": now.barred,
    }


def _worked(
    source: RowSource,
    folder: Path,
    plan: Mapping[str, Any],
    before: Manifest,
    processes: int,
    progress: Progress,
) -> Segment:
    """Do what is left of the plan."""
    building, name, n_buckets = folder / "building", plan["segment"], plan["buckets"]
    merged = [s.without(plan["torn"]) for s in before.segments if s.name in plan["merges"]]
    n_rows = sum(s.rows for s in merged) + sum(before.all_files()[path][0] for path in plan["torn"])
    n_rows += sum(plan["marks"][table] - before.marks[table] for table in TABLES)
    if n_rows <= _FEW:
        processes = 1
    where = {"n_buckets": n_buckets, "owners": next((folder / path for path in plan["links"]), None)}
    parts: dict[str, list[Path]] = {}
    reading: list[Callable[..., None]] = []
    for table in TABLES:
        pieces = {
            building / f"{table}-torn-{n}.arrow": partial(partition_anew, folder / old, table, **where)
            for n, old in enumerate(plan["torn"])
            if old.startswith(f"{table}/")
        } | {
            building / f"{table}-{low}-{high}.arrow": partial(partition, source, table, low, high, **where)
            for low, high in _ranges(before.marks[table], plan["marks"][table], plan["part_rows"])
        }
        parts[table] = list(pieces)
        reading += [partial(piece, path=path) for path, piece in pieces.items() if not path.exists()]
    # `run_all` does a single piece in this process, which may hold the store open.
    is_alone = min(processes, len(reading)) > 1
    reading = [partial(piece, is_alone=is_alone) for piece in reading]
    n_parts = sum(map(len, parts.values()))
    for done, _ in enumerate(run_all(reading, processes=processes), n_parts - len(reading) + 1):
        progress("reading the store", done, n_parts)

    sorting, places = [], []
    files: dict[str, tuple[int, str]] = {}
    for table in TABLES:
        for bucket in range(n_buckets):
            place = path_of(table, bucket, name)
            if (folder / place).exists():
                files[place] = pq.read_metadata(folder / place).num_rows, sha256_of(folder / place)
                continue
            older = [
                folder / path_of(table, bucket, s.name)
                for s in merged
                if path_of(table, bucket, s.name) in s.files
            ]
            sorting.append(partial(arrange, table, bucket, parts[table], older, folder / place))
            places.append(place)
    total = len(files) + len(sorting)
    for done, (i, made) in enumerate(run_all(sorting, processes=processes), total - len(sorting) + 1):
        if made[0]:
            files[places[i]] = made
        progress("sorting buckets", done, total)
    return Segment(name, dict(sorted(files.items())))


def _ranges(after: int, upto: int, step: int) -> Iterator[tuple[int, int]]:
    for low in range(after, upto, step):
        yield low, min(low + step, upto)


def _tidy(folder: Path, manifest: Manifest | None) -> None:
    """Delete what no manifest names: leftovers of builds that were given up, and segments that were taken in."""
    known = {} if manifest is None else manifest.all_files()
    shutil.rmtree(folder / "building", ignore_errors=True)
    found = [path for table in TABLES for path in (folder / table).glob("bucket=*/*")]
    for path in (*found, *(folder / "links").glob("*")):
        if str(path.relative_to(folder)) not in known:
            path.unlink(missing_ok=True)
    for path in folder.glob(f"{MANIFEST}.*.tmp"):
        path.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One build at a time; the lock of a killed process is gone with it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("w")
    except OSError as fault:
        raise StoreError(f"cannot write to {folder}: {fault.strerror}; choose another folder") from fault
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"another build works in {folder}; wait for its end") from None
        sync_folder(folder)
        yield


def _silent(what: str, done: int, total: int) -> None:
    pass
