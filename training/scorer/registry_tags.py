"""What the registry remembers of a goal beside its versions, as tags of the registered model: past champions, and anchors by family.

A family is all versions that predict the same thing. Its anchor is the first version ever accepted; every later one is held against it,
so that small losses cannot add up. ``client`` is MLflow's; the name is the registered model's.
"""

from __future__ import annotations

import json
from typing import Any

_HISTORY = "leadloop.champions"
_ANCHORS = "leadloop.anchors"


def history(client: Any, name: str) -> list[str]:
    """Numbers of the champions so far, the present one last."""
    return list(json.loads(_tag(client, name, _HISTORY, "[]")))


def set_history(client: Any, name: str, numbers: list[str]) -> None:
    # A tag holds 5,000 characters: the newest 200 champions fit with room to spare.
    client.set_registered_model_tag(name, _HISTORY, json.dumps(numbers[-200:]))


def anchors(client: Any, name: str) -> dict[str, str]:
    """Number of the anchor of each family."""
    return dict(json.loads(_tag(client, name, _ANCHORS, "{}")))


def drop_anchor(client: Any, name: str, number: str) -> None:
    """Make a version the anchor of its family, unless it has one."""
    family = client.get_model_version(name, number).tags.get("family", "")
    known = anchors(client, name)
    if family not in known:
        client.set_registered_model_tag(name, _ANCHORS, json.dumps({**known, family: number}))


def _tag(client: Any, name: str, key: str, otherwise: str) -> str:
    return str(client.get_registered_model(name).tags.get(key, otherwise))
