"""Feature definitions: frozen records over a closed list of aggregations.

A definition says all there is to say about a feature. The trainer, the service and Spark hand the same records to the same executor, and
the records (with their hash) travel with the model, so a service computes what the model was trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from data.accounts import FIELDS as ACCOUNT_FIELDS
from data.domain import PROFILE_FIELDS
from data.errors import ConfigError, did_you_mean, unknown_key
from data.ledger import TEXT_COLUMNS

# Over touchpoints; a touchpoint is in the window when cutoff - window < occurred_at <= cutoff.
AGGREGATIONS = (
    "count", "sum", "mean", "min", "max", "nunique", "recency", "age", "first", "last", "nth", "decay", "gap_mean", "gap_max",
    "diff", "trend", "share", "sessions", "session_size", "business_hours", "weekend", "streak", "streak_now",
)  # fmt: skip
# Over the profile as of the cutoff; the functions are in features.profile.
DERIVATIONS = (
    "field_text", "field_number", "seniority", "job_function", "domain_kind", "size_band", "seniority_by_size", "completeness",
    "days_since_created", "account_leads",
)  # fmt: skip
GROUPS = ("fit", "engagement")
Where = tuple[tuple[str, tuple[str, ...]], ...]
# How a number is written in a sentence.
UNITS = ("number", "hours", "days", "percent")

_FARTHEST = 1_000  # position
_LONGEST = 300 * 366 * 86_400  # seconds; instants lie within 1900 to 2200
_CATEGORIES = (
    "first",
    "last",
    "nth",
    "field_text",
    "seniority",
    "job_function",
    "domain_kind",
    "size_band",
    "seniority_by_size",
)
_COLUMNS: dict[str, tuple[str, ...]] = {
    "sum": ("value",), "mean": ("value",), "min": ("value",), "max": ("value",),
    "first": TEXT_COLUMNS, "last": TEXT_COLUMNS, "nth": TEXT_COLUMNS, "nunique": (*TEXT_COLUMNS, "value"),
}  # fmt: skip
_READS: dict[str, tuple[str, ...]] = {
    "seniority": ("seniority", "title"),
    "job_function": ("job_function", "title"),
    "domain_kind": ("email", "company_domain"),
    "size_band": ("employees", "company_size"),
    "seniority_by_size": ("seniority", "title", "employees", "company_size"),
    "completeness": PROFILE_FIELDS,
    "account_leads": ACCOUNT_FIELDS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of the matrix.

    Attributes
    ----------
    name : names its formula, e.g. ``n_pricing_views_7d``.
    agg : one of ``AGGREGATIONS`` (touchpoints) or ``DERIVATIONS`` (profile).
    group : ``fit`` (who the lead is) or ``engagement`` (what it did).
    says : a sentence for people; ``{value}`` is replaced by the lead's value.
    topic : correlated features share a topic; a reason is given for the topic, not for each of them.
    column : touchpoint column (``value``, ``type``, ``channel``, ...) or profile field the aggregation reads.
    where : ((column, (value, ...)), ...): touchpoints must match all; any of the values suffices.
    window_days : width of the window; None looks back without end. ``account_leads`` has one too: those that joined the account in it.
    half_life_days : for ``decay``.
    position : for ``nth``: 1 is the first touchpoint.
    direction : +1, -1 or 0: how the goal's chance may move when the value grows, where an expert is sure.
    says_zero, says_one, says_missing : sentences for 0, exactly 1, and an unknown value, where ``says`` would read badly.
    unit : one of ``UNITS``: how the number is written; ``hours`` above two days are written as days.
    """

    name: str
    agg: str
    group: str
    says: str
    topic: str
    column: str | None = None
    where: Where = ()
    window_days: float | None = None
    half_life_days: float | None = None
    direction: int = 0
    says_zero: str | None = None
    says_one: str | None = None
    says_missing: str | None = None
    unit: str = "number"
    position: int | None = None

    def __post_init__(self) -> None:
        for name in ("window_days", "half_life_days"):
            days = getattr(self, name)
            if days is None:
                continue
            if not 1 <= days * 86_400 <= _LONGEST:
                raise ConfigError(
                    f"feature {self.name!r}: {name} must lie between a second and 300 years, not {days!r}"
                )
            # 7 and 7.0 are one definition and must have one hash.
            object.__setattr__(self, name, float(days))
        object.__setattr__(self, "where", tuple((str(c), tuple(values)) for c, values in self.where))
        problem = self._problem()
        if problem:
            raise ConfigError(f"feature {self.name!r}: {problem}")

    def _problem(self) -> str | None:
        known = AGGREGATIONS + DERIVATIONS
        if self.agg not in known:
            return f"unknown agg {self.agg!r}{did_you_mean(self.agg, known)}"
        if self.group not in GROUPS:
            return f"group must be fit or engagement, not {self.group!r}"
        if self.direction not in (-1, 0, 1):
            return f"direction must be -1, 0 or 1, not {self.direction!r}"
        if self.unit not in UNITS:
            return f"unknown unit {self.unit!r}{did_you_mean(self.unit, UNITS)}"
        if self.agg == "decay" and not self.half_life_days:
            return "decay needs half_life_days"
        if self.agg in ("diff", "trend") and not self.window_days:
            return f"{self.agg} needs window_days, it compares two windows of that width"
        if self.agg == "share" and not self.where:
            return "share needs where: it is the share of touchpoints that match"
        if self.agg == "nth" and not _is_position(self.position):
            return f"nth needs position, a whole number from 1 up; it has {self.position!r}"
        if self.agg != "nth" and self.position is not None:
            return f"position has no meaning for {self.agg}; it is for nth"
        allowed = _COLUMNS.get(self.agg)
        if allowed and self.column not in allowed:
            near = did_you_mean(self.column, allowed) if isinstance(self.column, str) else ""
            return f"{self.agg} needs a column, one of {', '.join(allowed)}; it has {self.column!r}{near}"
        if self.agg in ("field_text", "field_number") and not self.column:
            return f"{self.agg} needs the name of a profile field as its column"
        for column, _ in self.where:
            if column not in TEXT_COLUMNS:
                return f"unknown column {column!r} in where{did_you_mean(column, TEXT_COLUMNS)}"
        has_window = self.window_days is not None and not self.reads_accounts
        if not self.reads_touchpoints and (self.where or has_window):
            return f"{self.agg} reads the profile; where and window_days have no meaning for it"
        return None

    @property
    def is_category(self) -> bool:
        """Whether the matrix holds level codes in this column rather than a number."""
        return self.agg in _CATEGORIES

    @property
    def reads_touchpoints(self) -> bool:
        return self.agg in AGGREGATIONS

    @property
    def reads_accounts(self) -> bool:
        """Whether the value is about other leads of the same company."""
        return self.agg == "account_leads"

    @property
    def fields(self) -> tuple[str, ...]:
        """Profile fields the value is computed from; empty for touchpoint features."""
        if self.agg in ("field_text", "field_number"):
            return (str(self.column),)
        return _READS.get(self.agg, ())

    def sentence(self, value: float | str | None) -> str:
        """What the value means, for people, with a capital. ``value`` is a number, a level's text, or None (or NaN) when unknown."""
        said = self._said(value)
        return said[:1].upper() + said[1:]

    def _said(self, value: float | str | None) -> str:
        if value is None or value != value:
            if self.says_missing is not None:
                return self.says_missing
            return self.says.replace("{value}", "unknown")
        if isinstance(value, str):
            return self.says.replace("{value}", value.replace("_", " "))
        if value == 0 and self.says_zero is not None:
            return self.says_zero
        if value == 1 and self.says_one is not None:
            return self.says_one
        return self.says.replace("{value}", _written(float(value), self.unit))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Feature:
        """A definition from plain values, e.g. out of JSON. Raises ConfigError for unknown and missing keys."""
        names = [f.name for f in fields(cls)]
        for key in record:
            if key not in names:
                raise unknown_key(key, names, where="a feature definition")
        for name in ("name", "agg", "group", "says", "topic"):
            if name not in record:
                raise ConfigError(f"a feature definition lacks {name!r}; it has {', '.join(sorted(record))}")
        return cls(**record)


def _is_position(position: object) -> bool:
    return isinstance(position, int) and not isinstance(position, bool) and 1 <= position <= _FARTHEST


def _written(value: float, unit: str) -> str:
    if unit == "percent":
        return f"{100 * value:.0f}%"
    if unit == "hours" and value >= 48:
        value, unit = value / 24, "days"
    digits = 0 if abs(value) >= 10 or value == int(value) else 1
    text = f"{value:,.{digits}f}"
    if digits:
        text = text.removesuffix(".0")
    if text == "-0":
        text = "0"
    if unit == "number":
        return text
    return f"{text} {unit.removesuffix('s')}" if text == "1" else f"{text} {unit}"


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """An ordered set of definitions with unique names.

    Attributes
    ----------
    hash : sha-256 over the definitions; two sets with one hash compute the same numbers, and are equal.
    names : the features' names, in order.
    fields : profile fields that some definition reads.
    reads_accounts : whether some definition is about other leads of the same company.
    """

    features: tuple[Feature, ...]
    hash: str = field(init=False, repr=False)
    names: tuple[str, ...] = field(init=False, repr=False)
    fields: frozenset[str] = field(init=False, repr=False)
    reads_accounts: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for feature in self.features:
            if feature.name in seen:
                raise ConfigError(f"two features are named {feature.name!r}; names must be unique")
            seen.add(feature.name)
        # Compiled plans are looked up by the set on every request, those of a version loaded later by a set that is another object:
        # neither its hash nor its equality must walk all definitions each time.
        definitions = json.dumps(self.to_records(), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "hash", hashlib.sha256(definitions.encode()).hexdigest())
        object.__setattr__(self, "names", tuple(f.name for f in self.features))
        object.__setattr__(self, "fields", frozenset(name for f in self.features for name in f.fields))
        object.__setattr__(self, "reads_accounts", any(f.reads_accounts for f in self.features))

    def __hash__(self) -> int:
        return hash(self.hash)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, FeatureSet) and self.hash == other.hash)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, name: str) -> Feature:
        """The definition of that name. Raises KeyError."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)

    def to_records(self) -> list[dict[str, Any]]:
        """Plain dicts for JSON; inverse of ``from_records``. ``position`` is left out where there is none."""
        return [
            {k: v for k, v in asdict(f).items() if k != "position" or v is not None} for f in self.features
        ]

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> FeatureSet:
        return cls(tuple(Feature.from_dict(r) for r in records))
