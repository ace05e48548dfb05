"""The features every executor of the benchmark computes, and those that Featuretools can express too."""

from __future__ import annotations

from typing import Any

from features.catalog import default_features
from features.spec import Feature, FeatureSet

SHARED_TYPES = (
    "page_view",
    "email_open",
    "pricing_view",
    "email_click",
    "form_submit",
    "content_download",
    "webinar",
    "call",
)


def benchmark_features() -> FeatureSet:
    """45 features over touchpoints: those of the catalog, and some over ``value`` and others."""
    own = tuple(f for f in default_features() if f.reads_touchpoints)
    inbound = (("direction", ("inbound",)),)
    return FeatureSet(
        (
            *own,
            _more("value_sum", "sum", column="value"),
            _more("value_sum_30d", "sum", column="value", window_days=30),
            _more("value_mean", "mean", column="value"),
            _more("value_max", "max", column="value"),
            _more("days_since_first_inbound", "age", where=inbound),
            _more("last_campaign", "last", column="campaign"),
            _more("hours_since_last_email_click", "recency", where=(("type", ("email_click",)),)),
        )
    )


def _more(name: str, agg: str, **what: Any) -> Feature:
    return Feature(name=name, agg=agg, group="engagement", says="{value}", topic="more", **what)


def shared_features() -> FeatureSet:
    """What Featuretools' primitives say as well: over all time and over 30 days, 17 features each."""
    made = []
    for window in (None, 30):
        when = "" if window is None else "_30d"
        made += [
            _more(f"n{when}", "count", window_days=window),
            *(
                _more(f"n_{t}{when}", "count", where=(("type", (t,)),), window_days=window)
                for t in SHARED_TYPES
            ),
            *(
                _more(f"{agg}{when}", agg, column="value", window_days=window)
                for agg in ("sum", "mean", "max")
            ),
            *(
                _more(f"n_{c}s{when}", "nunique", column=c, window_days=window)
                for c in ("channel", "campaign", "content")
            ),
            _more(f"recency{when}", "recency", window_days=window),
            _more(f"age{when}", "age", window_days=window),
        ]
    return FeatureSet(tuple(made))
