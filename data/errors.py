"""Errors a person can act on.

Every error says what is wrong, what was found, and how to mend it. They are data: the command prints them, the HTTP service maps them
to problem documents, notebooks show them. None carries personal data.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LeadloopError(ValueError):
    """Anything leadloop refuses, with a message for the person who can mend it."""


class ContractError(LeadloopError):
    """Data that breaks the contract of leads, touchpoints or outcomes."""


class ConfigError(LeadloopError):
    """A setting, mapping file or command that cannot be meant as written."""


class StoreError(LeadloopError):
    """The store cannot be opened, read or written."""


class DamagedStoreError(StoreError):
    """The store's file has broken pages; trying again does not help."""


class CrossedWritesError(StoreError):
    """Two writers waited for each other and PostgreSQL ended this one: nothing was written, and the same again succeeds."""


class NotEnoughDataError(LeadloopError):
    """Too few rows, or only one class, for what was asked."""


class RegistryError(LeadloopError):
    """A model version or alias is missing, or the registry is away."""


class UnacceptedLeaksError(LeadloopError):
    """A model that looks too good, and nobody has accepted what the leak probes found."""


class DamagedScorerError(LeadloopError):
    """Scorer files that are incomplete, altered, or answer differently from when they were made."""


class OtherDefinitionsError(DamagedScorerError):
    """A sound scorer whose features this code computes otherwise than it was trained on."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest known name, or a list of all when none is near.

    >>> did_you_mean("horizon_day", ["horizon_days", "goal"])
    "; did you mean 'horizon_days'?"
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(names)}" if names else ""


def unknown_key(name: str, known: Iterable[str], *, where: str) -> ConfigError:
    """A misspelt key stops the run instead of being ignored."""
    return ConfigError(f"unknown key {name!r} in {where}{did_you_mean(name, known)}")
