"""What a probe found in a field, with its evidence and what is done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

ACTIONS = ("block", "warn", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """One probe's finding about one field.

    Attributes
    ----------
    field : the profile field or column; the feature's name where it reads several fields, or touchpoints.
    probe : which probe found it.
    action : ``block``: dropped before anything is learned; ``warn``: kept, to be looked at by a person; ``ok``: would be blocked, but
        is allowed by name.
    says : one sentence with the figures.
    evidence : the figures by name.
    """

    field: str
    probe: str
    action: str
    says: str
    evidence: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"action must be one of {', '.join(ACTIONS)}, not {self.action!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "evidence": dict(self.evidence)}


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Fields that are blocked first, then by field, then the gravest finding of a field first."""
    found = list(findings)
    gravest: dict[str, int] = {}
    for f in found:
        place = ACTIONS.index(f.action)
        gravest[f.field] = min(place, gravest.get(f.field, place))
    return tuple(sorted(found, key=lambda f: (gravest[f.field], f.field, ACTIONS.index(f.action), f.probe)))
