"""CSV and Parquet files as columns, with every row's place in the file.

CSV cells stay texts exactly as written; Parquet cells keep their types. Rows with too many or too few cells are set aside and counted,
never guessed at. CSV is UTF-8 (a byte order mark is fine) unless told otherwise; the separator is found in the header when not given.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from data.errors import ConfigError, ContractError

_SEPARATORS = (",", ";", "\t", "|")
_PARQUET = (".parquet", ".pq")
_HEADER_BYTES = 1 << 20
_LONG_ROW = 50  # line breaks in one row that make one wonder


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file.

    Attributes
    ----------
    n : rows with as many cells as the header.
    columns : name -> Arrow array, length n.
    malformed : (line, cells found, cells expected) of the other rows.
    lines : int64 array, shape (n,): where each row begins, counted from 1 with the header (``unit`` "line"), or its number ("row").
    notes : what people should know about the file as a whole.
    """

    n: int
    columns: Mapping[str, pa.Array]
    malformed: Sequence[tuple[int, int, int]]
    lines: np.ndarray
    unit: str
    notes: Sequence[str] = ()

    @property
    def n_read(self) -> int:
        return self.n + len(self.malformed)


@dataclass(frozen=True, slots=True)
class TableFile:
    """A CSV or Parquet file whose header has been read. ``name`` is how people know it; ``repeated`` are names that occur twice."""

    path: Path
    name: str
    columns: tuple[str, ...]
    repeated: frozenset[str]
    separator: str | None
    encoding: str

    def read(self) -> Rows:
        """All rows. Raises ContractError when the file is no longer what its header said, or not in its encoding."""
        try:
            return self._read_parquet() if self.separator is None else self._read_csv(self.separator)
        except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
            raise ContractError(f"{self.name} cannot be read{_encoding_hint(error, self.encoding)}") from None

    def _read_parquet(self) -> Rows:
        table = pyarrow.parquet.ParquetFile(self.path).read().combine_chunks()
        columns = {name: _one(table.column(i)) for i, name in enumerate(self.columns)}
        return Rows(table.num_rows, columns, (), np.arange(1, table.num_rows + 1), "row")

    def _read_csv(self, separator: str) -> Rows:
        content = self.path.read_bytes()
        if not _is_utf8(self.encoding):
            content = content.decode(self.encoding).encode()
        if not content.endswith(b"\n"):
            content += b"\n"
        odd: list[pa.csv.InvalidRow] = []

        def set_aside(row: pa.csv.InvalidRow) -> str:
            odd.append(row)
            return "skip"

        # Positions instead of names, so that a name that occurs twice does not hide a column.
        names = [str(i) for i in range(len(self.columns))]
        table = pyarrow.csv.read_csv(
            io.BytesIO(content),
            # One thread: only then does Arrow know the number of a malformed row.
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=names, skip_rows_after_names=1
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=separator,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=set_aside,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
            ),
        ).combine_chunks()
        columns = [_one(column) for column in table.columns]
        lines, malformed, notes = _places(columns, table.num_rows, odd, n_newlines=content.count(b"\n"))
        by_name = dict(zip(reversed(self.columns), reversed(columns), strict=True))
        return Rows(table.num_rows, by_name, malformed, lines, "line", notes)


def open_table(
    folder: Path, name: str, *, separator: str | None = None, encoding: str = "utf-8"
) -> TableFile:
    """Read the header of ``folder/name``.

    Raises
    ------
    ConfigError
        If there is no such file.
    ContractError
        If it is empty, not in its encoding, or no Parquet file although its name says so.
    """
    path = folder / name
    if not path.is_file():
        there = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        raise ConfigError(
            f"there is no file {name} in {folder.name or folder}; there are {', '.join(there[:20]) or 'none'}"
        )
    if path.suffix.lower() in _PARQUET:
        try:
            columns = tuple(pyarrow.parquet.ParquetFile(path).schema_arrow.names)
        except (pa.ArrowException, OSError):
            raise ContractError(
                f"{name} is not a Parquet file; export it again or give it its right ending"
            ) from None
        return _table_file(path, name, columns, separator=None, encoding=encoding)
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    try:
        # A cut inside the last character is no fault of the file.
        text = head.decode("utf-8-sig" if _is_utf8(encoding) else encoding, errors="strict")
    except UnicodeDecodeError as error:
        if len(head) < _HEADER_BYTES or error.start < len(head) - 8:
            raise ContractError(f"{name} cannot be read{_encoding_hint(error, encoding)}") from None
        text = head[: error.start].decode("utf-8-sig" if _is_utf8(encoding) else encoding)
    except LookupError:
        raise ConfigError(f'unknown encoding {encoding!r} for {name}; write "utf-8" or "cp1252"') from None
    if not text.strip():
        raise ContractError(f"{name} is empty; it needs at least a header line")
    separator = separator or _sniffed(text)
    columns = tuple(c.strip() for c in next(csv.reader(io.StringIO(text), delimiter=separator)))
    return _table_file(path, name, columns, separator=separator, encoding=encoding)


def _table_file(path: Path, name: str, columns: tuple[str, ...], *, separator, encoding: str) -> TableFile:
    repeated = frozenset(c for c in columns if columns.count(c) > 1)
    return TableFile(path, name, columns, repeated, separator, encoding)


def _sniffed(text: str) -> str:
    """The candidate most frequent in the header outside quotes; a comma when there is none."""
    outside = "".join(text.split("\n", 1)[0].split('"')[::2])
    return max(_SEPARATORS, key=lambda s: (outside.count(s), -_SEPARATORS.index(s)))


def _one(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # no rows: nothing to combine
        return pa.array([], column.type) if not whole.num_chunks else pa.concat_arrays(whole.chunks)
    return whole


def _places(
    columns: Sequence[pa.Array], n: int, odd: Sequence[pa.csv.InvalidRow], *, n_newlines: int
) -> tuple[np.ndarray, list[tuple[int, int, int]], list[str]]:
    """Line numbers of the good and the malformed rows, and a note where a row looks too long.

    Arrow counts rows from 1 with the header; cells may hold line breaks.
    """
    n_rows = n + len(odd) + 1
    is_odd = np.zeros(n_rows + 1, dtype=bool)
    is_odd[[row.number for row in odd]] = True
    good = np.flatnonzero(~is_odd)[2:]
    breaks = np.zeros(n_rows + 1, dtype=np.int64)
    if n_newlines != n_rows:
        for column in columns:
            breaks[good] += pc.count_substring(column, "\n").to_numpy()
        for row in odd:
            breaks[row.number] += row.text.count("\n")
    line = np.arange(n_rows + 1) + np.cumsum(breaks) - breaks
    # Whatever is left over are line breaks in the header.
    line += max(0, n_newlines - n_rows - int(breaks.sum())) if n_newlines != n_rows else 0
    notes = []
    if breaks.max() > _LONG_ROW:
        place = int(breaks.argmax())
        notes.append(
            f"the row at line {line[place]} runs over {breaks[place] + 1:,} lines: is a quote left open there?"
        )
    return line[good], [(int(line[r.number]), r.actual_columns, r.expected_columns) for r in odd], notes


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")


def _encoding_hint(error: Exception, encoding: str) -> str:
    text = str(error)
    if isinstance(error, UnicodeDecodeError) or "UTF8" in text or "UTF-8" in text:
        return (
            f' as {encoding}; save it as UTF-8, or name its encoding in the mapping file: encoding = "cp1252"'
        )
    return ": its rows do not follow its header (is a quote left open, or the separator another?)"
