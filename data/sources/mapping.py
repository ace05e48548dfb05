"""Mapping files: how somebody else's columns become leads, touchpoints, outcomes and links.

A mapping is TOML. Every field of ours is named with the column it comes from, or with a table that says more::

    occurred_at = "Created Date"
    type = {const = "webinar_attended"}
    occurred_at = {column = "created", plus_days = 90}
    x_score = {column = "Score", type = "number"}

A misspelt key stops the import; nothing is guessed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from data.domain import NUMBER_FIELDS, check_id, check_profile
from data.errors import ConfigError, ContractError, did_you_mean, unknown_key
from data.intake import INTAKE_FIELDS, Intake, parse_intake

NUMBER_FORMATS = ("decimal_comma", "decimal_point")
EPOCH_FORMATS = ("epoch_s", "epoch_ms", "epoch_us")

# Our fields of each table: what may be named, and what must be.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "leads": ("lead_id", "created_at", "observed_at"),
    "touchpoints": (
        "touchpoint_id", "lead_id", "anonymous_id", "occurred_at", "sent_at", "received_at", "type", "channel", "campaign", "content",
        "direction", "value", *INTAKE_FIELDS,
    ),
    "outcomes": ("outcome_id", "lead_id", "kind", "occurred_at", "received_at", "amount", "undoes"),
    "links": ("link_id", "from_id", "lead_id", "occurred_at", "received_at"),
}  # fmt: skip
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "leads": ("lead_id", "created_at"),
    "touchpoints": ("lead_id", "occurred_at", "type"),
    "outcomes": ("lead_id", "kind", "occurred_at"),
    "links": ("from_id", "lead_id", "occurred_at"),
}
INSTANT_FIELDS = ("created_at", "observed_at", "occurred_at", "sent_at", "received_at")
_NUMBERS = ("value", "amount", *NUMBER_FIELDS)
_CELL_KEYS = ("column", "const", "default", "format", "plus_days", "type")
_TABLE_KEYS = ("file", "files", "separator", "encoding", "join", "where", "values")
_KINDS = tuple(_FIELDS)


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one field comes from.

    ``column`` or ``const`` (exactly one), ``default`` where the column is blank, ``format`` of a time or number, days to add to a time,
    and for custom fields ``is_number``.
    """

    column: str | None = None
    const: str | None = None
    default: str | None = None
    format: str | None = None
    plus_days: float = 0.0
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """Columns of another file, looked up by key: ``on`` maps our table's columns to the other file's."""

    file: str
    on: Mapping[str, str]
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TableMapping:
    """One table of ours from one or more files.

    ``cells`` are our fields, ``profile`` the profile fields (leads only), ``where`` the rows wanted (column -> allowed texts),
    ``values`` what texts mean (field -> theirs -> ours, None for "not known").
    """

    kind: str
    files: tuple[str, ...]
    cells: Mapping[str, Cell]
    profile: Mapping[str, Cell] = field(default_factory=dict)
    joins: tuple[Join, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    separator: str | None = None
    encoding: str = "utf-8"

    def columns(self) -> list[str]:
        """Every column of the files that is named, in order, each once."""
        cells = (*self.cells.values(), *self.profile.values())
        named = [c.column for c in cells if c.column is not None] + list(self.where)
        named += [ours for join in self.joins for ours in join.on]
        return list(dict.fromkeys(named))

    def field_of(self, column: str) -> str:
        """The first field of ours that reads the column, as it stands in the mapping file."""
        for name, cell in (*self.cells.items(), *self.profile.items()):
            if cell.column == column:
                return name
        return "where" if column in self.where else "join.on"


@dataclass(frozen=True, slots=True)
class ImportMapping:
    """A whole mapping file.

    ``as_exported`` None: profiles without ``observed_at`` count as exported, others not. ``intake`` None: the file has no such rules.
    """

    source: str
    tables: tuple[TableMapping, ...]
    time_zone: str | None = None
    as_exported: bool | None = None
    intake: Intake | None = None


def load_mapping(path: str | Path) -> ImportMapping:
    """Read a mapping file. Raises ConfigError for a missing file, broken TOML, or a key nobody knows (with the nearest known one)."""
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name the mapping file in it, like {path / 'mapping.toml'}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no mapping file at {path}; write one (docs/examples has some) or name it with `mapping`"
        ) from None
    except OSError as error:
        raise ConfigError(f"the mapping file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from None
    return parse_mapping(content)


def parse_mapping(content: Mapping[str, Any]) -> ImportMapping:
    """A mapping from the content of its file; see ``load_mapping``."""
    _only(content, ("source", "intake", *_KINDS), where="the mapping file")
    head = _table(content.get("source"), where="[source]")
    _only(head, ("name", "time_zone", "as_exported"), where="[source]")
    if "name" not in head:
        raise ConfigError(
            '[source] lacks a name; write name = "salesforce", say: ids are kept apart by source'
        )
    tables = []
    for kind in _KINDS:
        given = content.get(kind, [])
        for entry in given if isinstance(given, list) else [given]:
            tables.append(_parse_table(kind, _table(entry, where=f"[{kind}]")))
    if not tables:
        raise ConfigError(
            "the mapping file names no table; write [leads], [[touchpoints]], [[outcomes]] or [[links]]"
        )
    as_exported = head.get("as_exported")
    if as_exported is not None and not isinstance(as_exported, bool):
        raise ConfigError("as_exported in [source] must be true or false")
    return ImportMapping(
        source=_checked_id(head["name"], name="name in [source]"),
        tables=tuple(tables),
        time_zone=_zone(head.get("time_zone")),
        as_exported=as_exported,
        intake=parse_intake(content["intake"]) if "intake" in content else None,
    )


def _parse_table(kind: str, entry: Mapping[str, Any]) -> TableMapping:
    where = f"[{kind}]"
    extra = ("profile",) if kind == "leads" else ()
    _only(entry, (*_TABLE_KEYS, *_FIELDS[kind], *extra), where=where)
    files = entry.get("files", [entry["file"]] if "file" in entry else [])
    if not isinstance(files, list) or not files or not all(isinstance(f, str) for f in files):
        raise ConfigError(f'{where} names no file; write file = "{kind}.csv" or files = [...]')
    cells = {
        name: _parse_cell(entry[name], name=name, where=where) for name in _FIELDS[kind] if name in entry
    }
    for name in _REQUIRED[kind]:
        if name not in cells and not (name == "lead_id" and "anonymous_id" in cells):
            raise ConfigError(f'{where} lacks {name}; name its column: {name} = "..."')
    if "sent_at" in cells and "received_at" not in cells:
        raise ConfigError(
            f"{where} names sent_at without received_at: a sender's clock is set right by when the message was received; "
            'name its column too: received_at = "..."'
        )
    profile = _table(entry.get("profile", {}), where=f"[{kind}.profile]")
    try:
        check_profile(dict.fromkeys(profile))
    except ContractError as error:
        raise ConfigError(f"[{kind}.profile]: {error}") from None
    values = _table(entry.get("values", {}), where=f"[{kind}.values]")
    _only(values, (*cells, *profile), where=f"[{kind}.values]")
    return TableMapping(
        kind=kind,
        files=tuple(files),
        cells=cells,
        profile={n: _parse_cell(c, name=n, where=f"[{kind}.profile]") for n, c in profile.items()},
        joins=tuple(_parse_join(join, where=where) for join in entry.get("join", [])),
        where={
            column: tuple(_text(v) for v in (wanted if isinstance(wanted, list) else [wanted]))
            for column, wanted in _table(entry.get("where", {}), where=f"where in {where}").items()
        },
        values={
            name: {k: _text(v) or None for k, v in _table(m, where=f"[{kind}.values.{name}]").items()}
            for name, m in values.items()
        },
        separator=_separator(entry.get("separator"), where=where),
        encoding=_text(entry.get("encoding", "utf-8")),
    )


def _parse_cell(given: Any, *, name: str, where: str) -> Cell:
    place = f"{name} in {where}"
    if isinstance(given, str):
        given = {"column": given}
    given = _table(given, where=place)
    _only(given, _CELL_KEYS, where=place)
    if ("column" in given) == ("const" in given):
        raise ConfigError(f"{place} needs a column or a const, and not both")
    form = given.get("format")
    if form is not None and name not in INSTANT_FIELDS and form not in NUMBER_FORMATS:
        raise ConfigError(f"unknown format {form!r} of {place}{did_you_mean(str(form), NUMBER_FORMATS)}")
    if form is not None and name in INSTANT_FIELDS and form not in EPOCH_FORMATS and "%" not in str(form):
        raise ConfigError(
            f'format {form!r} of {place} has no % sign; write it like "%d.%m.%Y %H:%M", or one of {", ".join(EPOCH_FORMATS)}'
        )
    kind = given.get("type", "text")
    if kind not in ("text", "number"):
        raise ConfigError(f'type of {place} must be "text" or "number"')
    days = given.get("plus_days", 0)
    if isinstance(days, bool) or not isinstance(days, int | float) or not abs(days) < 40_000:
        raise ConfigError(f"plus_days of {place} must be a number of days")
    if "plus_days" in given and name not in INSTANT_FIELDS:
        raise ConfigError(f"plus_days is for times; {place} is none")
    return Cell(
        column=None if "column" not in given else _text(given["column"]),
        const=None if "const" not in given else _text(given["const"]),
        default=None if "default" not in given else _text(given["default"]),
        format=form,
        plus_days=float(days),
        is_number=name in _NUMBERS or kind == "number",
    )


def _parse_join(given: Any, *, where: str) -> Join:
    place = f"join in {where}"
    given = _table(given, where=place)
    _only(given, ("file", "on", "columns"), where=place)
    if "file" not in given or "on" not in given:
        raise ConfigError(f'{place} needs file and on, like {{file = "accounts.csv", on = "account_id"}}')
    on = given["on"]
    if isinstance(on, str):
        on = [on]
    pairs = {_text(c): _text(c) for c in on} if isinstance(on, list) else dict(_table(on, where=place))
    columns = given.get("columns")
    return Join(
        file=_text(given["file"]), on=pairs, columns=None if columns is None else tuple(map(_text, columns))
    )


def _only(given: Mapping[str, Any], known: tuple[str, ...], *, where: str) -> None:
    for key in given:
        if key not in known:
            raise unknown_key(key, known, where=where)


def _table(given: Any, *, where: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where} must be a table of keys, not {type(given).__name__}")
    return given


def _text(value: Any) -> str:
    """A TOML value as the text it has in a file: true is "true", 1 is "1"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _checked_id(value: Any, *, name: str) -> str:
    try:
        return check_id(value, name=name)
    except ContractError as error:
        raise ConfigError(str(error)) from None


def _zone(name: Any) -> str | None:
    if name is None:
        return None
    try:
        ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            f'unknown time_zone {str(name)!r} in [source]; write "Europe/Berlin" or "UTC"'
        ) from None
    return str(name)


def _separator(value: Any, *, where: str) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) != 1):
        raise ConfigError(f'separator in {where} must be one character, like ";"')
    return value
