"""What an answer says.

A scored lead is one flat object, so that a CRM can map every member to a field. The points add up: baseline + fit + engagement = points,
the score before it is rounded and clipped, to 1e-9.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from serving.sending import packed

N_REASONS = 5
_SHOWN_IDS = 10
_LEFT_OUT = "null with reasons=0"


class ScoreOut(BaseModel):
    """A scored lead."""

    lead_id: str | None = Field(description="the CRM's id, null when none was sent")
    score: int = Field(ge=0, le=100, description="0 to 100; every 10 points double the odds")
    grade: str = Field(description="A to D")
    probability: float | None = Field(description="chance of the goal within the horizon; null when withheld")
    low: float | None = Field(description="lower end of the interval of the probability; null without one")
    high: float | None = Field(description="upper end; the card says what share is covered")
    points: float = Field(description="the score before rounding and clipping")
    baseline_points: float | None = Field(description=f"what a lead starts from; {_LEFT_OUT}")
    fit_points: float | None = Field(description=f"from who the lead is; {_LEFT_OUT}")
    engagement_points: float | None = Field(description=f"from what it did; {_LEFT_OUT}")
    reason_1: str | None = Field(description=f"the reason that moved the score most; {_LEFT_OUT}")
    reason_1_points: float | None = Field(description="its points, negative when it lowers the score")
    reason_2: str | None = Field(description="the second reason")
    reason_2_points: float | None = Field(description="its points")
    reason_3: str | None = Field(description="the third reason")
    reason_3_points: float | None = Field(description="its points")
    reason_4: str | None = Field(description="the fourth reason")
    reason_4_points: float | None = Field(description="its points")
    reason_5: str | None = Field(description="the fifth reason")
    reason_5_points: float | None = Field(description="its points")
    model_version: str = Field(description="the registry's version that scored")
    score_id: str = Field(description="names this score for ever")
    scored_at: str = Field(description="the cutoff: nothing later was looked at; UTC with microseconds")
    goal: str = Field(description="what the chance is of: qualified or won")
    horizon_days: int | None = Field(description="within how many days after the cutoff")
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
        description="up to 10 of their touchpoint_ids, with commas; null without any"
    )
    warnings: str | None = Field(
        description="fields that lenient=true ignored, with the nearest known names; null without any"
    )


class BulkItem(ScoreOut):
    """One result of a bulk, flat: the members of a scored lead, or index, code and message of an item that could not be scored."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.pop("required"))

    index: int = Field(description="position of the item in the request, from 0")
    code: str = Field(description="stable name of the problem, for programs; absent from a scored lead")
    message: str = Field(description="what is wrong with the item and how to mend it")
    pointer: str = Field(description="JSON pointer of the place inside the item, where there is one")


class BulkOut(BaseModel):
    """Scores in the order of the request; a problem stands in the place of an item that could not be scored."""

    model_version: str = Field(description="the registry's version that scored all of them")
    scored: int = Field(description="how many were scored")
    failed: int = Field(description="how many were not")
    results: list[BulkItem] = Field(description="one for each lead, in the order of the request")


class ReceivedOut(BaseModel):
    """What became of the items; sent only after all of them are on disk."""

    received: int = Field(description="items of the request")
    new: int = Field(description="kept now")
    known: int = Field(description="already kept before, or saying nothing new")
    left_out: int | None = Field(
        default=None,
        description="visits of bots or of the firm itself, and items about persons who were erased, when there are any",
    )
    conflicts: int = Field(
        description="of the known ones, how many say something else than what is kept under their id; what came first stays"
    )
    conflict_ids: list[str] | None = Field(default=None, description="up to 10 of these ids")
    message: str | None = Field(
        default=None, description="how to correct what is kept, when there are conflicts"
    )


class PastReason(BaseModel):
    """A reason given then."""

    sentence: str = Field(description="the reason, for people")
    points: float = Field(description="its points, negative when it lowers the score")


class PastScore(BaseModel):
    """A score given before, with the reasons given then."""

    score_id: str = Field(description="names this score for ever")
    scored_at: str = Field(description="the cutoff; UTC with microseconds")
    score: int = Field(description="0 to 100")
    grade: str = Field(description="A to D")
    probability: float | None = Field(description="chance of the goal; null when withheld")
    points: float = Field(description="the score before rounding and clipping")
    goal: str = Field(description="what the chance is of")
    model_version: str = Field(description="the registry's version that scored")
    stored: bool = Field(description="whether the lead was kept with it")
    reasons: list[PastReason] = Field(description="up to 5, empty when they were not asked for")


class KnownTouchpoint(BaseModel):
    """A touchpoint as it is kept."""

    touchpoint_id: str = Field(description="unique within its source")
    occurred_at: str = Field(description="when it happened; UTC")
    type: str = Field(description="what it was")
    channel: str | None = Field(description="where it came from")
    campaign: str | None = Field(description="the campaign it belongs to")
    content: str | None = Field(description="what was seen")
    direction: str | None = Field(description="inbound or outbound")
    value: float | None = Field(description="a number that goes with it")
    source: str = Field(description="who said so")


class KnownOutcome(BaseModel):
    """An outcome as it is kept."""

    outcome_id: str = Field(description="unique within its source")
    kind: str = Field(description="what happened")
    occurred_at: str = Field(description="when it happened; UTC")
    amount: float | None = Field(description="revenue that came of it")
    undoes: str | None = Field(description="the outcome it takes back")
    source: str = Field(description="who said so")


class LeadOut(BaseModel):
    """What is known about a lead; the newest 100 touchpoints."""

    lead_id: str = Field(description="the CRM's id")
    created_at: str = Field(description="when the lead came into being; UTC")
    profile: dict[str, Any] = Field(description="profile and own fields that are known, by name")
    n_touchpoints: int = Field(description="how many touchpoints are kept")
    touchpoints: list[KnownTouchpoint] = Field(description="the newest 100, newest first")
    outcomes: list[KnownOutcome] = Field(description="all outcomes")
    last_score: PastScore | None = Field(description="the newest score; null before the first")
    suppressed: bool = Field(
        description="true when the person objected: it is neither scored nor learned from"
    )


class ErasedOut(BaseModel):
    """What was deleted of a person, in rows."""

    ids: int = Field(description="how many ids the person had; none of them is taken in any more")
    leads: int = Field(description="leads")
    profiles: int = Field(description="versions of profiles")
    touchpoints: int = Field(description="touchpoints")
    outcomes: int = Field(description="outcomes")
    links: int = Field(description="links between ids")
    accounts: int = Field(description="statements of which company the leads were of")
    scores: int = Field(description="past scores, those of a challenger too")
    dead_letters: int = Field(description="messages that could not be used")
    replies: int = Field(description="answers kept for requests that are sent again")


class SuppressedOut(BaseModel):
    """Whether a person is left alone."""

    suppressed: bool = Field(description="true: neither scored nor learned from")
    ids: int = Field(description="for how many ids of the person this holds now")


class FeaturePoints(BaseModel):
    """What one feature added to a score."""

    feature: str = Field(description="its name")
    group: str = Field(description="fit or engagement")
    topic: str = Field(description="features of one topic make one reason")
    points: float = Field(description="its points, negative when it lowers the score")
    sentence: str = Field(description="its value, for people")


class ExplanationOut(PastScore):
    """A past score taken apart: baseline and the points of every feature add up to its points."""

    lead_id: str = Field(description="the CRM's id")
    complete: bool = Field(description="false when the version that scored is no longer here")
    baseline_points: float | None = Field(description="what a lead starts from; null when not complete")
    features: list[FeaturePoints] = Field(description="largest first; empty when not complete")


class GradesOut(BaseModel):
    """Lowest score of each grade; below C is D."""

    A: int = Field(description="lowest score of A")
    B: int = Field(description="lowest score of B")
    C: int = Field(description="lowest score of C")


class FeatureOut(BaseModel):
    """A feature of the model."""

    name: str = Field(description="its name")
    group: str = Field(description="fit or engagement")
    topic: str = Field(description="features of one topic make one reason")
    says: str = Field(description="its sentence, with {value} for the value")


class RefusedVersion(BaseModel):
    """A version that failed its trial and does not serve."""

    version: str = Field(description="the registry's version")
    why: str = Field(description="what was wrong")


class ModelOut(BaseModel):
    """The model that serves."""

    model_version: str = Field(description="the registry's version")
    goal: str = Field(description="what the chance is of")
    horizon_days: int | None = Field(description="within how many days after the cutoff")
    reference_log_odds: float = Field(description="natural log-odds that are worth 50 points")
    grades: GradesOut = Field(description="lowest score of A, B and C")
    fields: list[str] = Field(description="profile fields the model reads by name")
    features: list[FeatureOut] = Field(description="what the model looks at")
    card: dict[str, Any] = Field(description="how it was made and how good it is")
    champion: str | None = Field(description="the champion the registry named last")
    refused: list[RefusedVersion] = Field(description="versions that failed their trial and do not serve")
    shadow: str | None = Field(
        description="the challenger that scores beside it, logged and never answered; null without one"
    )
    registry_reachable: bool = Field(description="whether the registry answered the last time it was asked")


def to_json(
    content: Any, *, request: Request | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A JSON response; floats keep every digit. With the ``request``, a long one is packed where the caller takes gzip."""
    body = json_bytes(content)
    if request is None:
        return Response(body, media_type="application/json", headers=headers)
    return packed(request, body, headers=headers)


def json_bytes(content: Any) -> bytes:
    """The value as JSON in UTF-8, without spaces; NaN and infinite numbers become null. Raises TypeError for what JSON cannot say."""
    return orjson.dumps(content)


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
