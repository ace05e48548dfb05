"""Feature definitions: frozen records over a closed list of aggregations.

A definition says all there is to say about a feature. The trainer, the service and Spark hand the same records to the same executor, and
the records (with their hash) travel with the model, so a service computes what the model was trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from data.errors import ConfigError, did_you_mean, unknown_key

# Over touchpoints; a touchpoint is in the window when cutoff - window < occurred_at <= cutoff.
AGGREGATIONS = (
    "count", "sum", "mean", "max", "nunique", "recency", "age", "first", "last", "decay", "gap_mean", "gap_max", "diff",
)  # fmt: skip
# Over the profile as of the cutoff; the functions are in features.profile.
DERIVATIONS = (
    "field_text", "field_number", "seniority", "job_function", "domain_kind", "size_band", "completeness",
    "days_since_created",
)  # fmt: skip
GROUPS = ("fit", "engagement")
_CATEGORIES = ("first", "last", "field_text", "seniority", "job_function", "domain_kind", "size_band")


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
    window_days : width of the window; None looks back without end.
    half_life_days : for ``decay``.
    direction : +1, -1 or 0: how the goal's chance may move when the value grows, where an expert is sure.
    """

    name: str
    agg: str
    group: str
    says: str
    topic: str
    column: str | None = None
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    window_days: float | None = None
    half_life_days: float | None = None
    direction: int = 0

    def __post_init__(self) -> None:
        known = AGGREGATIONS + DERIVATIONS
        if self.agg not in known:
            raise ConfigError(f"feature {self.name!r}: unknown agg {self.agg!r}{did_you_mean(self.agg, known)}")
        if self.group not in GROUPS:
            raise ConfigError(f"feature {self.name!r}: group must be fit or engagement, not {self.group!r}")
        if self.agg in ("decay",) and not self.half_life_days:
            raise ConfigError(f"feature {self.name!r}: decay needs half_life_days")
        if self.agg == "diff" and not self.window_days:
            raise ConfigError(f"feature {self.name!r}: diff needs window_days, it compares two windows of that width")

    @property
    def is_category(self) -> bool:
        """Whether the matrix holds level codes in this column rather than a number."""
        return self.agg in _CATEGORIES

    @property
    def reads_touchpoints(self) -> bool:
        return self.agg in AGGREGATIONS

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Feature:
        names = [f.name for f in fields(cls)]
        for key in record:
            if key not in names:
                raise unknown_key(key, names, where="a feature definition")
        where = tuple((str(c), tuple(v)) for c, v in record.get("where", ()))
        return cls(**{**record, "where": where})


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """An ordered set of definitions with unique names."""

    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for feature in self.features:
            if feature.name in seen:
                raise ConfigError(f"two features are named {feature.name!r}; names must be unique")
            seen.add(feature.name)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features)

    @property
    def fields(self) -> frozenset[str]:
        """Profile fields that some definition reads by name."""
        return frozenset(f.column for f in self.features if f.column and not f.reads_touchpoints)

    def to_records(self) -> list[dict[str, Any]]:
        """Plain dicts for JSON; inverse of ``from_records``."""
        return [asdict(f) for f in self.features]

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> FeatureSet:
        return cls(tuple(Feature.from_dict(r) for r in records))

    @property
    def hash(self) -> str:
        """Sha-256 over the definitions; two sets with one hash compute the same numbers."""
        text = json.dumps(self.to_records(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
