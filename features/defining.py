"""Making definitions from few words: names, units and sentences are filled in, and what cannot be meant is refused with a hint.

``features.own`` has a function for each aggregation; here is what they share, and the TOML form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from data.domain import CUSTOM_PREFIX, PROFILE_FIELDS
from data.errors import ConfigError, did_you_mean, unknown_key
from data.ledger import TEXT_COLUMNS, Ledger
from data.toml_files import read_toml
from features.spec import AGGREGATIONS, DERIVATIONS, Feature, FeatureSet, Where

Conditions = Mapping[str, str | Sequence[str]] | Where

_KEYS = tuple(f.name for f in fields(Feature))
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_VALUE_COLUMN = ("sum", "mean", "min", "max")
_FIELDS = ("field_text", "field_number")
_WITH_COLUMN = (*_VALUE_COLUMN, *_FIELDS, "nunique", "first", "last", "nth")
_UNITS = {
    "recency": "hours", "gap_mean": "hours", "gap_max": "hours", "age": "days", "days_since_created": "days", "streak": "days",
    "streak_now": "days", "share": "percent", "business_hours": "percent", "weekend": "percent", "completeness": "percent",
}  # fmt: skip
_PREFIX = re.compile(
    r"^(?:n|sum|mean|min|max|share|hours_since_last|hours_since|days_since|decayed|distinct)_(?=.)"
)
_WINDOW = re.compile(r"_(\d+)(d|h)$")
_TEXTS = ("says", "topic", "group", "unit", "column", "says_zero", "says_one", "says_missing")
_NUMBERS = ("window_days", "half_life_days")


def define(agg: str, name: str, *, where: Conditions | None = None, **more: Any) -> Feature:
    """A definition with everything filled in that was left out; ``agg`` is a name of the closed list.

    Raises
    ------
    ConfigError
        For an unknown aggregation, key or column, a name that is none, or a combination that cannot be meant.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith(CUSTOM_PREFIX):
        raise ConfigError(
            f"a feature cannot be named {str(name)[:80]!r}; write lower-case letters, digits and _, not beginning with x_ "
            "(those are fields), such as n_demo_requests_30d"
        )
    known = AGGREGATIONS + DERIVATIONS
    if agg not in known:
        raise ConfigError(f"feature {name!r}: unknown agg {agg!r}{did_you_mean(str(agg), known)}")
    for key in more:
        if key not in _KEYS:
            raise unknown_key(key, (*_KEYS, "where"), where=f"feature {name!r}")
    _check_meant(agg, name, more)
    reads_touchpoints = agg in AGGREGATIONS
    if agg in _VALUE_COLUMN:
        more.setdefault("column", "value")
    more = _typed(more, name)
    more.setdefault("group", "engagement" if reads_touchpoints or agg == "account_leads" else "fit")
    more.setdefault("unit", _UNITS.get(agg, "number"))
    subject = _WINDOW.sub("", _PREFIX.sub("", name)).replace("_", " ").strip() or name
    more.setdefault("topic", subject)
    label = _label(subject, name)
    says = more.get("says") or label
    more["says"] = says if "{value}" in says else f"{says}: {{value}}"
    more.setdefault("says_missing", f"{says.replace('{value}', '').strip(' :') or label}: not known")
    return Feature(name=name, agg=agg, where=_conditions(where, name), **more)


def own_features(features: Feature | Iterable[Feature | Mapping[str, Any]]) -> tuple[Feature, ...]:
    """Definitions from one feature, or from a mixture of features and plain records with the keys of the TOML form."""
    if isinstance(features, Feature):
        return (features,)
    return tuple(f if isinstance(f, Feature) else _of_record(f) for f in features)


def read_features(path: str | Path) -> tuple[Feature, ...]:
    """The ``[[feature]]`` tables of a TOML file.

    Raises
    ------
    ConfigError
        For a file that cannot be read or is no TOML, a table of another name, and whatever ``define`` refuses.
    """
    file = Path(path)
    record = read_toml(file)
    for table in record:
        if table != "feature":
            raise unknown_key(table, ["feature"], where=f"{file.name}; features are tables named [[feature]]")
    tables = record.get("feature", [])
    if not isinstance(tables, list):
        raise ConfigError(f"{file.name}: write [[feature]] with two brackets, so that there may be several")
    return own_features(tables)


def with_own(features: FeatureSet, own: Feature | Iterable[Feature | Mapping[str, Any]]) -> FeatureSet:
    """The set with one's own definitions after it. Raises ConfigError for a name that is taken."""
    added = own_features(own)
    taken = set(features.names)
    for feature in added:
        if feature.name in taken:
            raise ConfigError(
                f"your feature {feature.name!r} has the name of another one; choose a name of its own (`leadloop features` lists all)"
            )
        taken.add(feature.name)
    return FeatureSet((*features, *added))


def unmatched(features: Iterable[Feature], ledger: Ledger) -> list[str]:
    """A note for each condition that no touchpoint of the ledger meets: most likely it is misspelt."""
    notes = []
    for feature in features:
        for column, wanted in feature.where:
            held = ledger.text(column).levels
            if not set(wanted) & set(held):
                said = " or ".join(map(repr, wanted))
                hint = did_you_mean(wanted[0], held)
                # Without a near one it lists all there are, which may be thousands of pages.
                near = hint if "did you mean" in hint else ""
                notes.append(
                    f"feature {feature.name!r} finds nothing: no touchpoint has {column} {said}{near}"
                )
    return notes


def _of_record(record: Mapping[str, Any]) -> Feature:
    if not isinstance(record, Mapping):
        raise ConfigError(f"a feature is a definition or a table of its keys, not {type(record).__name__}")
    for key in ("name", "agg"):
        if key not in record:
            raise ConfigError(
                f"a feature lacks {key!r}; it has {', '.join(sorted(map(str, record))) or 'nothing'}"
            )
    return define(**{str(key): value for key, value in record.items()})


def _check_meant(agg: str, name: str, more: Mapping[str, Any]) -> None:
    """Raises ConfigError for a key that this aggregation does not read, and for a field that no lead can have."""
    column = more.get("column")
    if column is not None and agg not in _WITH_COLUMN:
        raise ConfigError(f"feature {name!r}: column has no meaning for {agg}")
    if more.get("half_life_days") is not None and agg != "decay":
        raise ConfigError(f"feature {name!r}: half_life_days has no meaning for {agg}")
    if agg in _FIELDS and isinstance(column, str) and not _is_field(column):
        raise ConfigError(
            f"feature {name!r}: unknown field {column!r}{did_you_mean(column, PROFILE_FIELDS)} Your own fields start with x_."
        )


def _is_field(column: str) -> bool:
    return column in PROFILE_FIELDS or column.startswith(CUSTOM_PREFIX)


def _conditions(where: Conditions | None, name: str) -> Where:
    if not where:
        return ()
    pairs = where.items() if isinstance(where, Mapping) else where
    made = []
    for column, wanted in pairs:
        if column not in TEXT_COLUMNS:
            raise ConfigError(
                f"feature {name!r}: unknown column {column!r} in where{did_you_mean(str(column), TEXT_COLUMNS)}"
            )
        values = (
            (wanted,) if isinstance(wanted, str) else tuple(wanted) if isinstance(wanted, Sequence) else ()
        )
        if not values or not all(isinstance(value, str) for value in values):
            raise ConfigError(
                f"feature {name!r}: {column} in where must be a text or a list of texts, not {wanted!r}"
            )
        made.append((column, values))
    return tuple(made)


def _typed(more: Mapping[str, Any], name: str) -> dict[str, Any]:
    for key, value in more.items():
        if value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if (key in _TEXTS and not isinstance(value, str)) or (key in _NUMBERS and not is_number):
            kind = "a text" if key in _TEXTS else "a number"
            raise ConfigError(f"feature {name!r}: {key} must be {kind}, not {value!r}")
    return dict(more)


def _label(subject: str, name: str) -> str:
    window = _WINDOW.search(name)
    span = f" in {window[1]} {'days' if window[2] == 'd' else 'hours'}" if window else ""
    return subject[:1].upper() + subject[1:] + span
