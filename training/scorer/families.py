"""Model families: a version replaces only a version that predicts the same thing.

A family is a goal together with the definition of its label. A champion of another family gives way only when somebody says that the new
definition is meant.
"""

from __future__ import annotations

from typing import Any

from data.errors import RegistryError


class OtherFamilyError(RegistryError):
    """The version predicts something else than the champion."""


def check_family(client: Any, name: str, number: str, *, champion: str | None, new_family: bool) -> None:
    """Refuse a version whose family is not the champion's, unless ``new_family``; ``client`` is MLflow's, ``name`` the registered model's.

    Raises OtherFamilyError; the message names both families.
    """
    if new_family or champion is None or champion == number:
        return
    before, after = (
        client.get_model_version(name, n).tags.get("family", "unknown") for n in (champion, number)
    )
    if before != after:
        raise OtherFamilyError(
            f"version {number} predicts {after}, the champion, version {champion}, {before}: their labels mean different things, the two "
            f"cannot be compared. If the new definition is meant, start a new family: leadloop promote {number} --new-family"
        )
