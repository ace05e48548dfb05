"""Definitions are values: checked, hashed, and the same after a trip through JSON."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from data.errors import ConfigError
from features.catalog import default_features
from features.spec import Feature, FeatureSet

CLICKS = Feature(
    name="decayed_clicks", agg="decay", group="engagement", says="{value} clicks", topic="clicks", column="type",
    where=(("type", ("email_click",)),), window_days=30, half_life_days=7, direction=1,
)  # fmt: skip
CHANGED = {
    "name": "other", "agg": "count", "group": "fit", "says": "{value}", "topic": "other", "column": None,
    "where": (("type", ("email_click", "ad_click")),), "window_days": 31, "half_life_days": 8, "direction": 0,
    "says_zero": "none", "says_one": "one", "says_missing": "unknown", "unit": "hours", "position": 3,
}  # fmt: skip


SECOND_CHANNEL = Feature(
    name="second_channel", agg="nth", group="engagement", says="{value}", topic="channel", column="channel", position=2
)  # fmt: skip


@pytest.mark.parametrize("field", [f.name for f in fields(Feature)])
def test_changing_any_field_changes_the_hash(field):
    before = SECOND_CHANNEL if field == "position" else CLICKS
    changed = replace(before, **{field: CHANGED[field]})
    assert FeatureSet((changed,)).hash != FeatureSet((before,)).hash


def test_order_is_part_of_the_definition():
    a, b = CLICKS, replace(CLICKS, name="b")
    assert FeatureSet((a, b)).hash != FeatureSet((b, a)).hash


def test_definitions_survive_json():
    features = FeatureSet((*default_features(), SECOND_CHANNEL))
    back = FeatureSet.from_records(json.loads(json.dumps(features.to_records())))
    assert back == features
    assert back.hash == features.hash


def test_whole_and_fractional_days_are_one_definition():
    assert (
        FeatureSet((replace(CLICKS, window_days=7),)).hash
        == FeatureSet((replace(CLICKS, window_days=7.0),)).hash
    )


def test_names_are_unique():
    with pytest.raises(ConfigError, match="decayed_clicks"):
        FeatureSet((CLICKS, CLICKS))


def test_a_misspelt_key_stops_the_run():
    with pytest.raises(ConfigError, match="did you mean 'window_days'"):
        Feature.from_dict(
            {"name": "n", "agg": "count", "group": "fit", "says": "", "topic": "", "window_day": 7}
        )
    with pytest.raises(ConfigError, match="lacks 'topic'"):
        Feature.from_dict({"name": "n", "agg": "count", "group": "fit", "says": ""})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"agg": "cuont"}, "did you mean 'count'"),
        ({"group": "fitness"}, "group"),
        ({"direction": 2}, "direction"),
        ({"unit": "weeks"}, "unit"),
        ({"half_life_days": None}, "half_life_days"),
        ({"half_life_days": 0}, "half_life_days"),
        ({"window_days": -7}, "window_days"),
        ({"window_days": float("nan")}, "window_days"),
        ({"agg": "diff", "window_days": None}, "window_days"),
        ({"agg": "trend", "window_days": None}, "window_days"),
        ({"agg": "share", "where": ()}, "where"),
        ({"agg": "nth", "column": "type"}, "position"),
        ({"agg": "nth", "column": "type", "position": 0}, "position"),
        ({"position": 2}, "no meaning"),
        ({"agg": "min", "column": None}, "one of value"),
        ({"agg": "sum", "column": "channel"}, "one of value"),
        ({"agg": "last", "column": None}, "column"),
        ({"agg": "field_text", "column": None, "where": (), "window_days": None}, "profile field"),
        ({"agg": "seniority"}, "no meaning"),
        ({"where": (("chanel", ("email",)),)}, "did you mean 'channel'"),
    ],
)
def test_a_definition_that_cannot_be_meant_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        replace(CLICKS, **wrong)


def test_a_set_knows_which_profile_fields_it_reads():
    assert {"title", "seniority", "email", "employees", "industry"} <= default_features().fields
    assert FeatureSet((CLICKS,)).fields == frozenset()


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("number", 12_345.0, "12,345"),
        ("number", 3.0, "3"),
        ("number", 2.25, "2.2"),
        ("number", -0.04, "0"),
        ("hours", 1.0, "1 hour"),
        ("hours", 47.0, "47 hours"),
        ("hours", 192.0, "8 days"),
        ("days", 1.0, "1 day"),
        ("days", 0.5, "0.5 days"),
        ("percent", 0.625, "62%"),
    ],
)
def test_numbers_are_written_for_people(unit, value, text):
    feature = Feature(name="n", agg="count", group="fit", says="{value}", topic="t", unit=unit)
    assert feature.sentence(value) == text
