"""What an answer says.

A scored lead is one flat object, so that a CRM can map every member to a field. The points add up: baseline + fit + engagement = points,
the score before it is rounded and clipped, to 1e-9.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

N_REASONS = 5
_SHOWN_IDS = 10


class ScoreOut(BaseModel):
    """A scored lead."""

    lead_id: str | None = Field(description="the CRM's id, null when none was sent")
    score: int = Field(ge=0, le=100, description="0 to 100; every 10 points double the odds")
    grade: str = Field(description="A to D")
    probability: float | None = Field(description="chance of the goal within the horizon; null when withheld")
    low: float | None = Field(
        None, description="lower end of the interval of the probability; null without one"
    )
    high: float | None = Field(None, description="upper end; the card says what share is covered")
    points: float = Field(description="the score before rounding and clipping")
    baseline_points: float = Field(description="what a lead starts from")
    fit_points: float = Field(description="from who the lead is")
    engagement_points: float = Field(description="from what it did")
    reason_1: str | None = None
    reason_1_points: float | None = None
    reason_2: str | None = None
    reason_2_points: float | None = None
    reason_3: str | None = None
    reason_3_points: float | None = None
    reason_4: str | None = None
    reason_4_points: float | None = None
    reason_5: str | None = None
    reason_5_points: float | None = None
    model_version: str = Field(description="the registry's version that scored")
    score_id: str = Field(description="names this score for ever")
    scored_at: str = Field(description="the cutoff: nothing later was looked at; UTC with microseconds")
    goal: str
    horizon_days: int | None
    route: str = Field(description="which model was asked: champion")
    stored: bool = Field(
        description="whether the lead and its touchpoints are kept, for learning from the outcome"
    )
    degraded: bool = Field(
        description="true when the store did not answer, so only the request itself was looked at"
    )
    conflicts: int = Field(
        description="touchpoints of the request that say something else than what is kept under their id; what came first was scored"
    )
    conflict_ids: str | None = Field(
        default=None, description="up to 10 of their touchpoint_ids, with commas; null without any"
    )


class ItemProblem(BaseModel):
    """An item of a bulk that could not be scored."""

    index: int
    code: str
    message: str
    pointer: str | None = None


class BulkOut(BaseModel):
    """Scores in the order of the request; a problem stands in the place of an item that could not be scored."""

    model_version: str
    scored: int
    failed: int
    results: list[ScoreOut | ItemProblem]


class ReceivedOut(BaseModel):
    """What became of the items; sent only after all of them are on disk."""

    received: int
    new: int = Field(description="kept now")
    known: int = Field(description="already kept before, or saying nothing new")
    left_out: int | None = Field(
        default=None, description="visits of bots or of the firm itself, when there are any"
    )
    conflicts: int = Field(
        description="of the known ones, how many say something else than what is kept under their id; what came first stays"
    )
    conflict_ids: list[str] | None = Field(default=None, description="up to 10 of these ids")
    message: str | None = Field(
        default=None, description="how to correct what is kept, when there are conflicts"
    )


class PastScore(BaseModel):
    """A score given before, with the reasons given then."""

    score_id: str
    scored_at: str
    score: int
    grade: str
    probability: float | None
    points: float
    goal: str
    model_version: str
    stored: bool
    reasons: list[dict[str, Any]]


class LeadOut(BaseModel):
    """What is known about a lead; the newest 100 touchpoints."""

    lead_id: str
    created_at: str
    profile: dict[str, str | float]
    n_touchpoints: int
    touchpoints: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    last_score: PastScore | None


class ExplanationOut(PastScore):
    """A past score taken apart: baseline and the points of every feature add up to its points."""

    lead_id: str
    complete: bool = Field(description="false when the version that scored is no longer here")
    baseline_points: float | None
    features: list[dict[str, Any]]


class ModelOut(BaseModel):
    """The model that serves."""

    model_version: str
    goal: str
    horizon_days: int | None
    reference_log_odds: float = Field(description="natural log-odds that are worth 50 points")
    grades: dict[str, int] = Field(description="lowest score of A, B and C")
    fields: list[str] = Field(description="profile fields the model reads by name")
    features: list[dict[str, Any]]
    card: dict[str, Any]
    champion: str | None = Field(description="the champion the registry named last")
    refused: list[dict[str, str]] = Field(description="versions that failed their trial and do not serve")
    registry_reachable: bool


def to_json(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response; floats keep every digit."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def shown_ids(keys: Iterable[tuple[str, str, str]]) -> list[str]:
    """Up to 10 ids of (source, id, lead_id), each once, in order."""
    return list(dict.fromkeys(key[1] for key in keys))[:_SHOWN_IDS]


def number_or_none(value: float) -> float | None:
    """NaN is how columns say "not known"; JSON says null."""
    return None if math.isnan(value) else float(value)


def without_nan(value: Any) -> Any:
    """The same JSON value with null for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value
