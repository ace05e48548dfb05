"""What an import did with every row.

For each file: rows read = kept + known + skipped + dropped. Kept said something new, known was held already or came twice in the file
(``repeated`` of them), skipped was not asked for by the mapping's ``where``, dropped is listed by reason with
up to three examples. Examples name lines and ids, never e-mail addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The reason of rows that were dropped because they name an erased person (``data.privacy``); they have no examples.
ERASED = "names a person who was erased"


@dataclass(frozen=True, slots=True)
class TableReport:
    """One file as one kind of row.

    ``dropped`` and ``examples`` go by reason. ``repeated`` is how many of the ``known`` rows came more than once in this very file.
    ``warnings`` concern rows that were kept, and ways to mend the mapping.
    """

    file: str
    kind: str
    read: int
    kept: int
    known: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    repeated: int = 0
    skipped: int = 0

    @property
    def is_failed(self) -> bool:
        """Whether rows were asked for and every one of them was dropped; rows about erased persons do not count."""
        n_erased = self.dropped.get(ERASED, 0)
        return 0 < self.read - self.skipped - n_erased == sum(self.dropped.values()) - n_erased

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "kind": self.kind,
            "read": self.read,
            "kept": self.kept,
            "known": self.known,
            "repeated": self.repeated,
            "skipped": self.skipped,
            "dropped": dict(self.dropped),
            "examples": {reason: list(found) for reason, found in self.examples.items()},
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class ImportReport:
    """An import, file by file. With ``dry_run`` nothing was written; the numbers are those the import would have."""

    source: str
    dry_run: bool
    tables: tuple[TableReport, ...]

    @property
    def read(self) -> int:
        return sum(t.read for t in self.tables)

    @property
    def kept(self) -> int:
        return sum(t.kept for t in self.tables)

    @property
    def known(self) -> int:
        return sum(t.known for t in self.tables)

    @property
    def repeated(self) -> int:
        return sum(t.repeated for t in self.tables)

    @property
    def skipped(self) -> int:
        return sum(t.skipped for t in self.tables)

    @property
    def failed_tables(self) -> tuple[str, ...]:
        """The tables of which every row was dropped, as ``file -> kind``: most likely the mapping is wrong."""
        return tuple(f"{t.file} -> {t.kind}" for t in self.tables if t.is_failed)

    @property
    def dropped(self) -> dict[str, int]:
        """Rows dropped over all files, by reason."""
        total: dict[str, int] = {}
        for table in self.tables:
            for reason, n in table.dropped.items():
                total[reason] = total.get(reason, 0) + n
        return total

    @property
    def examples(self) -> dict[str, tuple[str, ...]]:
        """Up to three examples by reason over all files, each with its file."""
        found: dict[str, tuple[str, ...]] = {}
        for table in self.tables:
            for reason, those in table.examples.items():
                named = tuple(f"{table.file} {example}" for example in those)
                found[reason] = (found.get(reason, ()) + named)[:3]
        return found

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{table.file}: {warning}" for table in self.tables for warning in table.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "source": self.source,
            "dry_run": self.dry_run,
            "read": self.read,
            "kept": self.kept,
            "known": self.known,
            "repeated": self.repeated,
            "skipped": self.skipped,
            "dropped": self.dropped,
            "failed_tables": list(self.failed_tables),
            "tables": [t.to_dict() for t in self.tables],
        }

    def text(self) -> str:
        """Some lines for people."""
        what = "Dry run of an import" if self.dry_run else "Import"
        lines = [f"{what} from {self.source}: {self.read:,} rows read, {_counts(self)}"]
        for table in self.tables:
            lines.append(f"  {table.file} -> {table.kind}: {table.read:,} read, {_counts(table)}")
            for reason, n in table.dropped.items():
                shown = "; ".join(table.examples.get(reason, ()))
                lines.append(f"    {n:,} x {reason}" + (f" ({shown})" if shown else ""))
            lines += [f"    note: {warning}" for warning in table.warnings]
        lines += [f"Nothing of {name} could be used: see its reasons above." for name in self.failed_tables]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


def _counts(of: TableReport | ImportReport) -> str:
    said = f"{of.kept:,} kept, {of.known - of.repeated:,} known already"
    if of.repeated:
        said += f", {of.repeated:,} repeated in the file"
    if of.skipped:
        said += f", {of.skipped:,} skipped by where"
    return f"{said}, {sum(of.dropped.values()):,} dropped"
