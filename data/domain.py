"""What a lead, a touchpoint, an outcome and a link are.

Instants are whole microseconds since 1970 in UTC (``int``), so that comparing, sorting and storing never round. The only ways from the
outside world to an instant are ``parse_instant`` and ``to_instant``; both refuse a time without a zone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from data.errors import ContractError, did_you_mean

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

# Years 1900 to 2200: a number outside is seconds or milliseconds taken for microseconds, or a broken clock.
EARLIEST = -2_208_988_800 * SECOND
LATEST = 7_258_118_400 * SECOND

OUTCOME_KINDS = (
    "contacted",
    "qualified",
    "opportunity",
    "won",
    "lost",
    "disqualified",
    "reopened",
    "retracted",
)
GOALS = {"qualified": frozenset({"qualified", "opportunity", "won"}), "won": frozenset({"won"})}
FINAL_KINDS = frozenset({"won", "lost", "disqualified"})

TEXT_FIELDS = (
    "email", "company", "company_domain", "title", "seniority", "job_function", "industry", "country", "region",
    "company_size", "revenue_band", "source", "campaign", "language",
)  # fmt: skip
NUMBER_FIELDS = ("employees", "annual_revenue")
PROFILE_FIELDS = TEXT_FIELDS + NUMBER_FIELDS
CUSTOM_PREFIX = "x_"
_TEXTS, _NUMBERS = frozenset(TEXT_FIELDS), frozenset(NUMBER_FIELDS)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CUSTOM_NAME = re.compile(r"x_[a-z0-9_]{1,60}")
MAX_TEXT = 1_000
_MAX_ID = 200


def parse_instant(value: object, *, name: str) -> int:
    """Microseconds since 1970 UTC from an ISO 8601 text or an aware datetime; finer digits are floored.

    Raises
    ------
    ContractError
        For a time without a zone, a text that is no time, or a year outside 1900 to 2200; the message names ``name``.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())  # which drops digits beyond the sixth
        except ValueError:
            raise ContractError(
                f"{name} is not a time; write ISO 8601 with a zone, like 2026-03-07T14:30:00Z"
            ) from None
    if not isinstance(value, datetime):
        raise ContractError(
            f"{name} must be ISO 8601 text with a zone, like 2026-03-07T14:30:00Z, not {type(value).__name__}"
        )
    return to_instant(value, name=name)


def to_instant(moment: datetime, *, name: str = "time") -> int:
    """Microseconds since 1970 UTC of an aware datetime. Raises ContractError for a naive one."""
    if moment.tzinfo is None:
        raise ContractError(
            f"{name} has no time zone; add one, like 2026-03-07T14:30:00Z or 2026-03-07T15:30:00+01:00"
        )
    delta = moment - _EPOCH
    instant = (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
    if not EARLIEST <= instant < LATEST:
        raise ContractError(f"{name} lies outside the years 1900 to 2200")
    return instant


def to_datetime(instant: int) -> datetime:
    """The aware UTC datetime of an instant; exact inverse of ``to_instant``."""
    return _EPOCH + timedelta(microseconds=int(instant))


def format_instant(instant: int) -> str:
    """ISO 8601 in UTC with microseconds and ``Z``, e.g. ``2026-03-07T14:30:00.000000Z``."""
    return to_datetime(instant).isoformat(timespec="microseconds").replace("+00:00", "Z")


def check_id(value: object, *, name: str) -> str:
    """A non-empty text of at most 200 characters without control characters, trimmed; whole numbers become their digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ContractError(f"{name} must be a non-empty text, not {type(value).__name__}")
    text = value.strip()
    if not text:
        raise ContractError(f"{name} must be a non-empty text, and this one is empty")
    if not text.isprintable():
        odd = next(place for place, character in enumerate(text, 1) if not character.isprintable())
        raise ContractError(
            f"{name} holds a character that cannot be printed (U+{ord(text[odd - 1]):04X} at place {odd}); "
            "an id is printable text"
        )
    if len(text) > _MAX_ID:
        raise ContractError(f"{name} must be at most {_MAX_ID} characters; it has {len(text)}")
    return text


def check_text(value: object, *, name: str, limit: int = MAX_TEXT) -> str | None:
    """Trimmed text, ``None`` for null or blank. Raises ContractError for other types, control characters or over ``limit``."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ContractError(f"{name} must be text, not {type(value).__name__}")
    text = value.strip()
    if not text:
        return None
    if len(text) > limit:
        raise ContractError(f"{name} must be at most {limit} characters; it has {len(text)}")
    if "\x00" in text or not (text.isascii() or _is_text(text)):
        raise ContractError(f"{name} contains characters that are not text")
    return text


def _is_text(text: str) -> bool:
    """Whether UTF-8 can write it: it holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_number(value: object, *, name: str) -> float | None:
    """A finite float, ``None`` for null. Raises ContractError for NaN, infinities, booleans and texts."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContractError(f"{name} must be a number, not {type(value).__name__}")
    number = float(value) if abs(value) < 1e300 else math.inf
    if not math.isfinite(number):
        raise ContractError(f"{name} must be a finite number; send null when it is not known")
    return number


def check_profile(fields: Mapping[str, Any], *, extra: Collection[str] = ()) -> dict[str, str | float]:
    """Profile fields that say something, checked and trimmed.

    Nulls and blanks are dropped: "not known" is the absence of a field. Names are ``PROFILE_FIELDS``, any custom field written
    ``x_name``, and those in ``extra`` (what a served model was trained on). Custom fields may be text, number or true/false (kept as
    "true"/"false").
    """
    known: dict[str, str | float] = {}
    for name, value in fields.items():
        checked: str | float | None
        if name in _TEXTS:
            checked = check_text(value, name=name)
        elif name in _NUMBERS:
            checked = check_number(value, name=name)
            if checked is not None and checked < 0:
                raise ContractError(f"{name} must not be negative; send null when it is not known")
        elif _CUSTOM_NAME.fullmatch(name) or name in extra:
            if isinstance(value, bool):
                value = "true" if value else "false"
            is_number = isinstance(value, int | float)
            checked = check_number(value, name=name) if is_number else check_text(value, name=name)
        else:
            hint = did_you_mean(name, (*PROFILE_FIELDS, *sorted(extra)))
            raise ContractError(
                f"unknown field {name[:80]!r}{hint} Your own fields start with {CUSTOM_PREFIX!r}."
            )
        if checked is not None:
            known[name] = checked
    return known


@dataclass(frozen=True, slots=True)
class Lead:
    """A person or company that showed interest, with what was known of it at one time.

    ``profile`` is a patch: fields it does not name keep what was known before. ``as_exported`` marks a profile whose history is
    unknown: its values are those of the day of the export, whatever ``observed_at`` says.
    """

    lead_id: str
    created_at: int
    profile: Mapping[str, str | float] = field(default_factory=dict)
    observed_at: int | None = None
    received_at: int | None = None
    as_exported: bool = False


class Touchpoint(NamedTuple):
    """One dated contact between a lead and marketing or product. ``received_at`` None: assumed to be ``occurred_at``.

    ``is_reckoned``: ``occurred_at`` follows from when the message was received (``data.clocks``), so the same message received again has
    another one and still says the same. The store does not keep it. A named tuple, because a request may hold thousands and each is made
    twice: it costs a sixth of a frozen dataclass.
    """

    touchpoint_id: str
    lead_id: str
    occurred_at: int
    type: str
    channel: str | None = None
    campaign: str | None = None
    content: str | None = None
    direction: str | None = None
    value: float | None = None
    received_at: int | None = None
    source: str = "api"
    is_reckoned: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A dated statement about a lead from sales. ``undoes`` names the outcome that a ``retracted`` takes back."""

    outcome_id: str
    lead_id: str
    kind: str
    occurred_at: int
    undoes: str | None = None
    amount: float | None = None
    received_at: int | None = None
    source: str = "api"

    def __post_init__(self) -> None:
        if self.kind not in OUTCOME_KINDS:
            raise ContractError(f"unknown outcome {self.kind!r}{did_you_mean(self.kind, OUTCOME_KINDS)}")


@dataclass(frozen=True, slots=True)
class Link:
    """One id was found to be another: what is held under ``from_id`` belongs to ``lead_id`` (see ``data.identity``).

    ``from_id`` is an anonymous visitor, or a lead that was merged away; ``lead_id`` a lead or another visitor. Ids of visitors and
    leads share one space.
    """

    link_id: str
    from_id: str
    lead_id: str
    occurred_at: int
    received_at: int | None = None
    source: str = "api"
