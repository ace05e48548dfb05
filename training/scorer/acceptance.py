"""Models that look too good are promoted only after a person has accepted what the leak probes found.

A ROC-AUC above 0.9 out of time is rare among leads, and common among tables with a field that was filled in afterwards. The registry
marks such a version when it comes in, and keeps that it was accepted, but not by whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.errors import UnacceptedLeaksError

ASK_AUC = 0.90
TAG = "leaks"
ASK, ACCEPTED = "to be accepted", "accepted"


def reason_to_ask(card: Mapping[str, Any]) -> str | None:
    """Why this model needs an acceptance, with the suspicious fields that are still in it; None when it needs none."""
    auc = card.get("out_of_time", {}).get("roc_auc", {}).get("value")
    if auc is None or auc <= ASK_AUC:
        return None
    fields = dict.fromkeys(f["field"] for f in card.get("leaks", ()) if f["action"] != "block")
    blocked = {f["field"] for f in card.get("leaks", ()) if f["action"] == "block"}
    left = [name for name in fields if name not in blocked]
    suspects = f"look at {', '.join(left)}" if left else "the probes found no suspicious field in it"
    return f"its ROC-AUC of {auc:.3f} out of time is above {ASK_AUC:g}, more than leads usually allow; {suspects}"


def mark(card: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a new version: none, or that its findings are to be accepted."""
    return {} if reason_to_ask(card) is None else {TAG: ASK}


def check_accepted(client: Any, name: str, number: str, *, accept_leaks: bool) -> None:
    """Let a version pass, keeping an acceptance as a tag. ``client`` is MLflow's.

    Raises
    ------
    UnacceptedLeaksError
        When the findings have to be accepted and are not.
    """
    if client.get_model_version(name, number).tags.get(TAG) != ASK:
        return
    if not accept_leaks:
        raise UnacceptedLeaksError(
            f"version {number} looks too good to be true: its ROC-AUC out of time is above {ASK_AUC:g}. Read the leaks in its card; "
            f"drop fields that are filled in afterwards, or accept them: `leadloop promote {number} --accept-leaks`"
        )
    client.set_model_version_tag(name, number, TAG, ACCEPTED)
