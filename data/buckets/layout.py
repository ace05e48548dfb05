"""Where a bucketed snapshot keeps what, and which bucket a lead belongs to.

A folder holds ``manifest.json`` and, for each table, ``bucket=0007/000002.parquet``: the rows of bucket 7 that segment 2 added. Segments
are disjoint and together hold every row of the store up to the manifest's marks. Only files the manifest names count; it is replaced in
one step, when everything it names is there. ``links/000002.parquet`` says which ids belong to which (``data.buckets.owners``).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import StoreError
from data.ledger import TEXT_COLUMNS

FORMAT = 2
MANIFEST = "manifest.json"

_TEXT, _WHOLE = pa.string(), pa.int64()
TABLES: Mapping[str, pa.Schema] = {
    "leads": pa.schema([("lead_id", _TEXT), ("created_at", _WHOLE), ("received_at", _WHOLE)]),
    "profiles": pa.schema(
        [("lead_id", _TEXT), ("observed_at", _WHOLE), ("received_at", _WHOLE), ("fields", _TEXT), ("as_exported", pa.bool_())]
    ),
    "touchpoints": pa.schema(
        [("lead_id", _TEXT), ("source", _TEXT), ("touchpoint_id", _TEXT), ("occurred_at", _WHOLE), ("received_at", _WHOLE),
         *((name, _TEXT) for name in TEXT_COLUMNS), ("value", pa.float64())]
    ),
}  # fmt: skip

READ = (*TABLES, "links")


def bucket_of(lead_ids: Iterable[str], n_buckets: int) -> np.ndarray:
    """The bucket of each person, int64 in 0 to n_buckets - 1: the same on every machine and in every version of Python."""
    digests = b"".join(hashlib.blake2b(i.encode(), digest_size=8).digest() for i in lead_ids)
    return (np.frombuffer(digests, dtype="<u8") % np.uint64(n_buckets)).astype(np.int64)


# Path below the folder -> (rows, sha-256).
Files = Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Segment:
    """What one build added.

    Attributes
    ----------
    name : its number, "000001" and up.
    files : a bucket without rows has none.
    """

    name: str
    files: Files

    @property
    def rows(self) -> int:
        """Touchpoints in it."""
        return sum(n for path, (n, _) in self.files.items() if path.startswith("touchpoints/"))

    def without(self, paths: Container[str]) -> Segment:
        """The segment less these files."""
        return Segment(self.name, {path: what for path, what in self.files.items() if path not in paths})


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the files hold.

    Attributes
    ----------
    n_buckets : buckets the leads are spread over.
    marks : last ``seq`` read, by table.
    last_rows : hash of the row at each mark, by which the store is known again.
    n_leads : leads of the store up to its mark.
    links : the file that says which ids belong to which; none where no id belongs to another.
    segments : oldest first.
    barred : who was erased or suppressed when it was read (``Marks``).
    """

    n_buckets: int
    marks: Mapping[str, int]
    last_rows: Mapping[str, str]
    n_leads: int
    links: Files
    segments: tuple[Segment, ...]
    barred: str = ""

    @property
    def hash(self) -> str:
        """Sha-256 over the hashes of all files: the same touchpoints in the same segments have the same hash."""
        shas = {path: sha for path, (_, sha) in self.all_files().items()}
        return hashlib.sha256(json.dumps(shas, sort_keys=True).encode()).hexdigest()

    @property
    def rows(self) -> int:
        """Touchpoints in all segments."""
        return sum(segment.rows for segment in self.segments)

    def all_files(self) -> Files:
        """Every file that counts."""
        return {**self.links, **{path: what for s in self.segments for path, what in s.files.items()}}

    def owners(self, folder: Path) -> Path | None:
        """Where it is said which ids belong to which."""
        return next((folder / path for path in self.links), None)

    def files(self, table: str, bucket: int) -> list[str]:
        """Paths below the folder of one bucket's rows, oldest segment first."""
        paths = (path_of(table, bucket, segment.name) for segment in self.segments)
        known = {path for segment in self.segments for path in segment.files}
        return [path for path in paths if path in known]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; inverse of ``from_dict``."""
        segments = [{"name": s.name, "rows": s.rows, "files": _lists(s.files)} for s in self.segments]
        return {
            "format": FORMAT, "buckets": self.n_buckets, "hash": self.hash, "marks": dict(self.marks),
            "last_rows": dict(self.last_rows), "leads": self.n_leads, "links": _lists(self.links), "segments": segments,
            "barred": self.barred,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Manifest:
        segments = tuple(Segment(s["name"], files_of(s["files"])) for s in record["segments"])
        marks, last_rows, links = record["marks"], record["last_rows"], files_of(record["links"])
        # Manifests from before anybody could be erased do not say.
        barred = record.get("barred", "")
        return cls(record["buckets"], marks, last_rows, record["leads"], links, segments, barred)


def files_of(record: Mapping[str, Sequence[Any]]) -> Files:
    """Files as they are kept in JSON."""
    return {path: (rows, sha) for path, (rows, sha) in record.items()}


def _lists(files: Files) -> dict[str, list[Any]]:
    return {path: list(what) for path, what in files.items()}


def path_of(table: str, bucket: int, segment: str) -> str:
    """A file's path below the folder; Spark, DuckDB and Polars read ``bucket`` from it as a column."""
    return f"{table}/bucket={bucket:04}/{segment}.parquet"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None where no build has ended yet. Raises StoreError when it is damaged or of another format."""
    record = read_json(folder / MANIFEST)
    if record is None:
        return None
    if record.get("format") != FORMAT:
        raise StoreError(
            f"{folder / MANIFEST} has format {record.get('format')!r}, this leadloop reads {FORMAT}; build into another folder"
        )
    return Manifest.from_dict(record)


def existing_manifest(folder: Path) -> Manifest:
    """The manifest of a folder. Raises StoreError where no build has ended yet."""
    found = read_manifest(folder)
    if found is None:
        raise StoreError(f"there is no snapshot in {folder}; make one: leadloop snapshot --out {folder}")
    return found


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, None where there is no file. Raises StoreError when it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as fault:
        raise StoreError(
            f"{path} cannot be read ({type(fault).__name__}); delete its folder and build again"
        ) from fault
    return dict(found)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON file in one step: it is there whole or not at all."""
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    with replacing(path) as place:
        place.write_text(text, encoding="utf-8")


class replacing:  # noqa: N801  a context manager, named like a verb
    """A place to write a file that takes the name ``path`` when the block ends well; durable then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = path.with_name(f"{path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> Path:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._place

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self._place.unlink(missing_ok=True)
            return
        with self._place.open("rb+") as written:
            os.fsync(written.fileno())
        self._place.replace(self._path)
        sync_folder(self._path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Sha-256 of a file's bytes."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
