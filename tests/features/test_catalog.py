"""The default features, and those made from a user's own columns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data.domain import DAY, HOUR
from data.snapshots import snapshots_of
from features.catalog import default_features, table_features, with_custom_fields
from features.matrix import build_matrix
from tests.features.histories import NOON, lead, touchpoint

FEATURES = default_features()


@pytest.mark.parametrize("feature", list(FEATURES), ids=lambda f: f.name)
def test_every_sentence_reads_for_a_number_zero_unknown_and_an_unseen_level(feature):
    texts = ["never seen", "other"] if feature.is_category else []
    for value in (3.0, 1.0, 0.5, 0.0, 1e9, None, math.nan, *texts):
        sentence = feature.sentence(value)
        assert sentence.strip() == sentence != ""
        assert "{" not in sentence
        assert "nan" not in sentence.lower().split()
        assert "unknown" not in sentence, "says_missing would read better"
        assert sentence[0].isupper() or sentence[0].isdigit()
    assert all(text in feature.sentence(text) for text in texts)
    assert feature.sentence(None) == feature.sentence(math.nan)
    if not feature.is_category:
        assert feature.sentence(3.0) != feature.sentence(0.0)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("n_pricing_views_7d", 3.0, "3 pricing page views in 7 days"),
        ("n_pricing_views_7d", 1.0, "1 pricing page view in 7 days"),
        ("n_pricing_views_7d", 0.0, "No pricing page view in 7 days"),
        ("n_demo_requests", 0.0, "No demo request yet"),
        ("n_inbound_30d", 2.0, "2 contacts from the lead in 30 days"),
        ("seniority", "director", "Job title suggests: director"),
        ("seniority", "c_level", "Job title suggests: c level"),
        ("seniority", None, "Job title is not known"),
        ("size_band", "201-500", "Company size: 201-500 employees"),
        ("hours_since_last_touch", 5.0, "Last touchpoint 5 hours ago"),
        ("hours_since_last_touch", 240.0, "Last touchpoint 10 days ago"),
        ("hours_since_last_touch", None, "No touchpoint yet"),
        ("share_fields_known", 0.5, "50% of the profile is filled in"),
        ("first_channel", "paid_search", "Came in through: paid search"),
        ("industry", None, "Industry is not known"),
    ],
)
def test_sentences(name, value, sentence):
    assert FEATURES[name].sentence(value) == sentence


def test_there_are_about_45_and_both_groups():
    assert 40 <= len(FEATURES) <= 60
    assert {f.group for f in FEATURES} == {"fit", "engagement"}


def test_a_lead_that_is_keen():
    keen = lead(
        touchpoint(NOON - 9 * DAY, type="page_view", channel="organic_search", direction="inbound"),
        touchpoint(NOON - 2 * DAY, type="pricing_view", channel="direct", direction="inbound"),
        touchpoint(NOON - 6 * HOUR, type="demo_request", channel="direct", direction="inbound"),
        touchpoint(NOON - 3 * HOUR, type="email", channel="sdr_outbound", direction="outbound"),
        title="VP Operations",
        email="ada@acme.com",
        employees=120.0,
    )
    matrix = build_matrix(snapshots_of([(keen, NOON)]), FEATURES)
    value = dict(zip(matrix.names, matrix.X[0].tolist(), strict=True))
    expected = {
        "n_touches": 4, "n_touches_7d": 3, "n_inbound_7d": 2, "n_outbound_30d": 1, "n_page_views_7d": 0,
        "n_page_views_30d": 1, "n_pricing_views_7d": 1, "n_demo_requests": 1, "hours_since_last_touch": 3,
        "hours_since_last_inbound": 6, "hours_since_last_demo_request": 6, "days_since_first_touch": 9,
        "days_since_created": 30, "touches_trend_7d": 2, "n_channels": 3, "employees": 120, "share_fields_known": 3 / 16,
    }  # fmt: skip
    assert {name: value[name] for name in expected} == expected
    texts = {
        n: matrix.text(0, n)
        for n in ("seniority", "job_function", "size_band", "domain_kind", "first_channel", "last_type")
    }
    assert texts == {
        "seniority": "vp", "job_function": "operations", "size_band": "51-200", "domain_kind": "corporate",
        "first_channel": "organic_search", "last_type": "email",
    }  # fmt: skip


def test_custom_fields_become_features():
    rows = [
        (lead(x_budget=5.0, x_plan="gold", x_mixed="7", industry="steel"), NOON),
        (lead(x_mixed=7.0), NOON),
    ]
    features = with_custom_fields(FEATURES, snapshots_of(rows))
    added = {f.name: f.agg for f in features if f.name not in FEATURES.names}
    assert added == {"x_budget": "field_number", "x_mixed": "field_text", "x_plan": "field_text"}
    assert features["x_plan"].sentence("gold") == "Plan: gold"
    assert with_custom_fields(features, snapshots_of(rows)) == features


def test_a_custom_field_nobody_filled_in_is_no_feature():
    assert with_custom_fields(FEATURES, snapshots_of([(lead(x_plan=None, title="CEO"), NOON)])) == FEATURES


def test_a_flat_table_gets_one_feature_per_column_in_order():
    fields = {
        "Total Visits": np.array([1.0, np.nan]),
        "city {value}": np.array(["Köln", None], dtype=object),
        "opted in": np.array([True, False]),
        "empty": np.array([None, None], dtype=object),
    }
    features = table_features(fields)
    assert features.names == tuple(fields)
    assert [f.agg for f in features] == ["field_number", "field_text", "field_text", "field_text"]
    assert {(f.group, f.topic == f.name) for f in features} == {("fit", True)}
    assert features["Total Visits"].sentence(2.0) == "Total Visits: 2"
    assert features["Total Visits"].sentence(None) == "Total Visits is not known"
