"""Single fields of a message, checked, with the place of what is wrong.

Checks of values are those of ``data.domain``; here they become problems that name the field and never repeat the value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

from data.clocks import CLOCK_SKEW
from data.domain import CUSTOM_PREFIX, check_id, check_number, check_text, parse_instant
from data.errors import ContractError, did_you_mean
from serving.json_body import plain_name
from serving.problems import Problem

MAX_LABEL = 200
MAX_WARNINGS = 10
_MOST_LABELS = 4_096
_labels: dict[str, str] = {}
_CUSTOM_NAME = re.compile(r"x_[a-z0-9_]{1,60}")

T = TypeVar("T")


def check_object(body: object, *, what: str) -> dict[str, Any]:
    """The body as an object; raises Problem for anything else."""
    if not isinstance(body, dict):
        raise Problem(422, "not_an_object", f'{what} must be a JSON object, like {{"lead_id": "L-1", ...}}')
    return body


def refuse_unknown(message: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raises Problem for the first field that is not among ``known``."""
    for name in message:
        if name not in known:
            raise unknown_field(name, known)


def without_unknown(
    message: dict[str, Any], known: tuple[str, ...], *, ignored: list[str] | None
) -> dict[str, Any]:
    """The message without the fields that are not among ``known``; what was left out is told in ``ignored``.

    Raises Problem for the first such field when ``ignored`` is None.
    """
    if ignored is None:
        refuse_unknown(message, known)
        return message
    for name in message:
        if name not in known:
            note_ignored(name, known, ignored)
    return {name: value for name, value in message.items() if name in known}


def note_ignored(name: str, known: tuple[str, ...], ignored: list[str]) -> None:
    """Add the warning that this field was left out, unless it is there already or there are ten.

    Looking for the nearest name takes long beside reading a field, so it is not done for more than are shown, nor twice.
    """
    if len(ignored) < MAX_WARNINGS and (warning := _ignored_field(name[:100], known)) not in ignored:
        ignored.append(warning)


@lru_cache(maxsize=1_000)
def _ignored_field(name: str, known: tuple[str, ...]) -> str:
    hint = did_you_mean(name, known)
    return f"a field {plain_name(name)} was ignored{hint if 'did you mean' in hint else '.'}"


def is_custom(name: str) -> bool:
    """Whether the name is one of the user's own fields."""
    return _CUSTOM_NAME.fullmatch(name) is not None


def unknown_field(name: str, known: Collection[str]) -> Problem:
    """The refusal of a field nobody knows, with the nearest known name; the name itself is told only when it looks like one."""
    hint = did_you_mean(name[:100], known)
    own = "" if "did you mean" in hint else f". Your own fields start with {CUSTOM_PREFIX!r}, in lower case"
    shown = plain_name(name)
    return Problem(
        422,
        "unknown_field",
        f"there is no field {shown}{hint}{own}",
        pointer=f"/{name}" if shown != "of that name" else None,
    )


def missing_field(name: str, meaning: str) -> Problem:
    """The refusal of a message that lacks a field."""
    return Problem(422, "missing_field", f"{name} is missing: {meaning}", pointer=f"/{name}")


def checked_value(name: str, check: Callable[[], T]) -> T:
    """What ``check`` returns; its ContractError becomes a Problem at that field."""
    try:
        return check()
    except ContractError as fault:
        raise _invalid(name, fault) from None


def _invalid(name: str, fault: ContractError) -> Problem:
    return Problem(422, "invalid", str(fault), pointer=f"/{name}")


def id_of(message: Mapping[str, Any], name: str) -> str | None:
    """The id in that field, None for null."""
    value = message.get(name)
    if value is None:
        return None
    try:
        return check_id(value, name=name)
    except ContractError as fault:
        raise _invalid(name, fault) from None


def label_of(message: Mapping[str, Any], name: str, *, limit: int = MAX_LABEL) -> str | None:
    """The short text in that field, None for null or blank."""
    value = message.get(name)
    if value is None:
        return None
    try:
        return check_text(value, name=name, limit=limit)
    except ContractError as fault:
        raise _invalid(name, fault) from None


def common_label_of(message: Mapping[str, Any], name: str) -> str | None:
    """``label_of`` a field whose texts come again and again, like a channel: what was checked once is only looked up.

    Not for what may be about one person: the texts stay in memory.
    """
    value = message.get(name)
    if value is None:
        return None
    if value.__class__ is str and (known := _labels.get(value)) is not None:
        return known
    label = label_of(message, name)
    if label is not None:
        if len(_labels) >= _MOST_LABELS:
            _labels.clear()
        _labels[value] = label
    return label


def number_of(message: Mapping[str, Any], name: str) -> float | None:
    """The finite number in that field, None for null."""
    value = message.get(name)
    # Checking costs six times as much as seeing that there is nothing, as in most touchpoints.
    return None if value is None else checked_value(name, partial(check_number, value, name=name))


def instant_of(message: Mapping[str, Any], name: str, *, now: int) -> int:
    """The instant in that field; raises Problem when it is missing or more than five minutes after ``now``."""
    value = message.get(name)
    if value is None:
        raise missing_field(name, "when it happened, like 2026-03-07T14:30:00Z")
    try:
        instant = parse_instant(value, name=name)
    except ContractError as fault:
        raise _invalid(name, fault) from None
    if instant > now + CLOCK_SKEW:
        raise Problem(
            422,
            "in_the_future",
            f"{name} is more than 5 minutes in the future; look at the sender's clock and time zone",
            pointer=f"/{name}",
        )
    return instant


def derived_id(*parts: object) -> str:
    """An id from the content: the same content always has the same."""
    text = "\x1f".join("" if part is None else str(part) for part in parts)
    return "auto-" + hashlib.sha256(text.encode()).hexdigest()[:32]
