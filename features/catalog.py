"""The features a new installation starts with, and those made from a user's own columns.

Names say the formula. ``direction`` is set only where every salesperson would agree on the sign; sentences are what people read as
reasons, so each says something true for zero and for unknown as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data.domain import CUSTOM_PREFIX
from data.snapshots import Snapshots
from features.profile import is_numeric
from features.spec import Feature, FeatureSet, Where

# Vendors name the same thing differently; imports map to these, and a filter takes both spellings.
_PRICING = ("pricing_view",)
_DEMO_VIEW = ("demo_view",)
_DEMO_REQUEST = ("demo_request",)
_WEBINAR = ("webinar", "webinar_attended")
_TALK = ("call", "chat", "linkedin_message")


def default_features() -> FeatureSet:
    """About 45 features over the standard profile and the common touchpoint types."""
    return FeatureSet((*_fit(), *_activity(), *_timing(), *_breadth()))


def _fit() -> tuple[Feature, ...]:
    return (
        _known("industry", "Industry"),
        _known("country", "Country"),
        _known("region", "Region"),
        _known("language", "Language"),
        _known("source", "Lead source"),
        _known("campaign", "Campaign"),
        _known("revenue_band", "Company revenue", topic="company size"),
        _profile("size_band", "size_band", "Company size: {value} employees", "Company size is not known", topic="company size"),
        _profile("employees", "field_number", "{value} employees", "Number of employees is not known", column="employees",
                 topic="company size"),
        _profile("annual_revenue", "field_number", "Annual revenue of {value}", "Annual revenue is not known",
                 column="annual_revenue", topic="company size"),
        _profile("seniority", "seniority", "Job title suggests: {value}", "Job title is not known", topic="job title"),
        _profile("seniority_by_size", "seniority_by_size", "Job title suggests: {value}",
                 "Job title or company size is not known", topic="job title"),
        _profile("job_function", "job_function", "Works in: {value}", "Job title is not known", topic="job title"),
        _profile("domain_kind", "domain_kind", "E-mail domain: {value}", "E-mail domain is not known", topic="e-mail domain"),
        Feature(name="share_fields_known", agg="completeness", group="fit", topic="completeness", unit="percent",
                says="{value} of the profile is filled in", says_zero="Nothing in the profile is filled in",
                says_missing="How much of the profile is filled in is not known"),
    )  # fmt: skip


def _activity() -> tuple[Feature, ...]:
    return (
        _count("n_touches", "touchpoint", None, topic="activity"),
        _count("n_touches_7d", "touchpoint", 7, topic="activity"),
        _count("n_touches_30d", "touchpoint", 30, topic="activity"),
        _count("n_inbound_7d", "contact from the lead", 7, _where("direction", "inbound"), "activity", 1,
               plural="contacts from the lead"),
        _count("n_inbound_30d", "contact from the lead", 30, _where("direction", "inbound"), "activity", 1,
               plural="contacts from the lead"),
        _count("n_outbound_30d", "message from us", 30, _where("direction", "outbound"), "outreach",
               plural="messages from us"),
        _count("n_page_views_7d", "page view", 7, _where("type", "page_view"), "website"),
        _count("n_page_views_30d", "page view", 30, _where("type", "page_view"), "website"),
        _count("n_pricing_views_7d", "pricing page view", 7, _where("type", *_PRICING), "pricing", 1),
        _count("n_pricing_views", "pricing page view", None, _where("type", *_PRICING), "pricing", 1),
        _count("n_demo_views_30d", "demo page view", 30, _where("type", *_DEMO_VIEW), "demo", 1),
        _count("n_demo_requests", "demo request", None, _where("type", *_DEMO_REQUEST), "demo", 1),
        _count("n_form_submits", "form sent", None, _where("type", "form_submit"), "forms", 1, plural="forms sent"),
        _count("n_email_opens_30d", "e-mail opened", 30, _where("type", "email_open"), "e-mail", plural="e-mails opened"),
        _count("n_email_clicks_30d", "e-mail link clicked", 30, _where("type", "email_click"), "e-mail", 1,
               plural="e-mail links clicked"),
        _count("n_emails_30d", "e-mail", 30, _where("type", "email"), "e-mail"),
        _count("n_downloads", "download", None, _where("type", "content_download"), "content", 1),
        _count("n_webinars_90d", "webinar", 90, _where("type", *_WEBINAR), "events", 1),
        _count("n_events_90d", "event attended", 90, _where("type", "event_attended"), "events", 1, plural="events attended"),
        _count("n_ad_clicks_30d", "ad click", 30, _where("type", "ad_click"), "ads"),
        _count("n_talks_30d", "call or chat", 30, _where("type", *_TALK), "conversations", plural="calls or chats"),
    )  # fmt: skip


def _timing() -> tuple[Feature, ...]:
    inbound = _where("direction", "inbound")
    return (
        _recency("hours_since_last_touch", "Last touchpoint {value} ago", "No touchpoint yet", (), "recency"),
        _recency("hours_since_last_inbound", "Last contact from the lead {value} ago", "No contact from the lead yet", inbound, "recency"),
        _recency("hours_since_last_pricing_view", "Last pricing page view {value} ago", "Pricing page never viewed",
                 _where("type", *_PRICING), "pricing"),
        _recency("hours_since_last_demo_request", "Last demo request {value} ago", "No demo request yet",
                 _where("type", *_DEMO_REQUEST), "demo"),
        _engagement("days_since_first_touch", "age", "First touchpoint {value} ago", topic="age", unit="days",
                    missing="No touchpoint yet"),
        _engagement("days_since_created", "days_since_created", "Lead is {value} old", topic="age", unit="days",
                    zero="Lead is brand new", missing="Age of the lead is not known"),
        _engagement("decayed_touches_7d", "decay", "Activity level {value}; each touchpoint counts half after 7 days",
                    topic="activity", half_life_days=7, zero="No activity", missing="Activity level is not known"),
        _engagement("decayed_inbound_14d", "decay", "Own activity level {value}; each contact counts half after 14 days",
                    topic="activity", half_life_days=14, where=inbound, direction=1, zero="No activity of the lead's own",
                    missing="Own activity level is not known"),
        _engagement("touches_trend_7d", "diff", "Touchpoints in the last 7 days against the 7 days before: {value}",
                    topic="trend", window_days=7, zero="As many touchpoints in the last 7 days as in the 7 days before",
                    missing="Trend of activity is not known"),
        _engagement("mean_gap_hours", "gap_mean", "{value} between touchpoints on average", topic="rhythm", unit="hours",
                    zero="All touchpoints at the same time", missing="Fewer than two touchpoints"),
        _engagement("max_gap_hours", "gap_max", "Longest silence: {value}", topic="rhythm", unit="hours",
                    zero="All touchpoints at the same time", missing="Fewer than two touchpoints"),
    )  # fmt: skip


def _breadth() -> tuple[Feature, ...]:
    return (
        _distinct("n_types_30d", "type", 30, "kind of activity", "kinds of activity"),
        _distinct("n_channels", "channel", None, "channel", "channels"),
        _distinct("n_campaigns", "campaign", None, "campaign", "campaigns"),
        _distinct("n_contents_30d", "content", 30, "page or piece of content", "different pages or pieces of content"),
        _engagement("first_channel", "first", "Came in through: {value}", topic="channel", column="channel",
                    missing="First channel is not known"),
        _engagement("last_channel", "last", "Last seen through: {value}", topic="channel", column="channel",
                    missing="Last channel is not known"),
        _engagement("last_type", "last", "Last activity: {value}", topic="last activity", column="type",
                    missing="No activity yet"),
        _account("n_account_leads", None),
        _account("n_account_leads_30d", 30),
    )  # fmt: skip


def with_custom_fields(features: FeatureSet, snapshots: Snapshots) -> FeatureSet:
    """The set with a feature for each ``x_`` field present: a number when every known value is one, text otherwise.

    Fields the set already reads, and fields no row knows, are left out. New features come last, by name.
    """
    taken = features.fields | set(features.names)
    names = sorted(n for n in snapshots.fields if n.startswith(CUSTOM_PREFIX) and n not in taken)
    columns = {n: snapshots.fields[n] for n in names}
    said = {n: n.removeprefix(CUSTOM_PREFIX).replace("_", " ").strip() or n for n in names}
    return FeatureSet((*features, *(_own(n, columns[n], said[n]) for n in names if _any_known(columns[n]))))


def table_features(fields: Mapping[str, np.ndarray]) -> FeatureSet:
    """One feature for each column of a flat table, in the order given, named like the column.

    A column of numbers only is a number; any other, also true/false and one without a known value, is text.
    """
    return FeatureSet(tuple(_own(name, column, name) for name, column in fields.items()))


def _own(name: str, column: np.ndarray, said: str) -> Feature:
    label = said[:1].upper() + said[1:]
    return Feature(
        name=name, agg="field_number" if is_numeric(column) else "field_text", group="fit", topic=name, column=name,
        says=f"{label}: {{value}}", says_missing=f"{label} is not known",
    )  # fmt: skip


def _any_known(column: np.ndarray) -> bool:
    return column.dtype.kind != "O" or any(value is not None for value in column.tolist())


def _where(column: str, *values: str) -> Where:
    return ((column, values),)


def _known(field: str, label: str, *, topic: str | None = None) -> Feature:
    return _profile(field, "field_text", f"{label}: {{value}}", f"{label} is not known", column=field,
                    topic=topic or label.lower())  # fmt: skip


def _profile(
    name: str, agg: str, says: str, missing: str, *, topic: str, column: str | None = None
) -> Feature:
    return Feature(
        name=name, agg=agg, group="fit", says=says, says_missing=missing, topic=topic, column=column
    )


def _engagement(
    name: str,
    agg: str,
    says: str,
    *,
    topic: str,
    column: str | None = None,
    where: Where = (),
    window_days: float | None = None,
    half_life_days: float | None = None,
    direction: int = 0,
    unit: str = "number",
    one: str | None = None,
    zero: str | None = None,
    missing: str | None = None,
) -> Feature:
    return Feature(
        name=name, agg=agg, group="engagement", says=says, topic=topic, column=column, where=where, window_days=window_days,
        half_life_days=half_life_days, direction=direction, unit=unit, says_one=one, says_zero=zero, says_missing=missing,
    )  # fmt: skip


def _count(
    name: str,
    noun: str,
    window_days: int | None,
    where: Where = (),
    topic: str = "activity",
    direction: int = 0,
    *,
    plural: str | None = None,
) -> Feature:
    span = f" in {window_days} days" if window_days else ""
    return _engagement(
        name, "count", f"{{value}} {plural or noun + 's'}{span}", topic=topic, where=where, window_days=window_days,
        direction=direction, one=f"1 {noun}{span}", zero=f"No {noun}{span or ' yet'}",
        missing=f"Number of {plural or noun + 's'}{span} is not known",
    )  # fmt: skip


def _recency(name: str, says: str, missing: str, where: Where, topic: str) -> Feature:
    zero = says.replace("{value} ago", "just now")
    return _engagement(
        name,
        "recency",
        says,
        topic=topic,
        where=where,
        unit="hours",
        direction=-1,
        zero=zero,
        missing=missing,
    )


def _distinct(name: str, column: str, window_days: int | None, noun: str, plural: str) -> Feature:
    span = f" in {window_days} days" if window_days else ""
    return _engagement(
        name, "nunique", f"{{value}} {plural}{span}", topic="variety", column=column, window_days=window_days,
        one=f"1 {noun}{span}", zero=f"No {noun}{span or ' known'}",
        missing=f"Number of {plural}{span} is not known",
    )  # fmt: skip


def _account(name: str, window_days: int | None) -> Feature:
    span = f" in the last {window_days} days" if window_days else ""
    came = "new leads" if window_days else "other leads"
    return _engagement(
        name, "account_leads", f"{{value}} {came} of the same company{span}", topic="company's interest", window_days=window_days,
        one=f"1 {came.removesuffix('s')} of the same company{span}", zero=f"No {came.removesuffix('s')} of the same company{span}",
        missing="Company is not known",
    )  # fmt: skip
