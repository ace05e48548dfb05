"""What an import did with every row.

For each file: rows read = kept + known + dropped. Kept said something new, known was held already (or came twice in the file), dropped
is listed by reason with up to three examples. Examples name lines and ids, never e-mail addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TableReport:
    """One file as one kind of row. ``dropped`` and ``examples`` go by reason; ``warnings`` concern rows that were kept."""

    file: str
    kind: str
    read: int
    kept: int
    known: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "kind": self.kind,
            "read": self.read,
            "kept": self.kept,
            "known": self.known,
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
            "dropped": self.dropped,
            "tables": [t.to_dict() for t in self.tables],
        }

    def text(self) -> str:
        """Some lines for people."""
        what = "Dry run of an import" if self.dry_run else "Import"
        lines = [
            f"{what} from {self.source}: {self.read:,} rows read, {self.kept:,} kept, {self.known:,} known already, "
            f"{sum(self.dropped.values()):,} dropped"
        ]
        for table in self.tables:
            n_dropped = sum(table.dropped.values())
            lines.append(
                f"  {table.file} -> {table.kind}: {table.read:,} read, {table.kept:,} kept, {table.known:,} known, "
                f"{n_dropped:,} dropped"
            )
            for reason, n in table.dropped.items():
                shown = "; ".join(table.examples.get(reason, ()))
                lines.append(f"    {n:,} x {reason}" + (f" ({shown})" if shown else ""))
            lines += [f"    note: {warning}" for warning in table.warnings]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()
