"""Your own features: three lines make a definition, and what cannot be meant is refused with a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.domain import DAY
from data.errors import ConfigError
from data.snapshots import snapshots_of
from features import own
from features.catalog import default_features, with_custom_fields
from features.defining import define, own_features, read_features, unmatched, with_own
from features.matrix import build_matrix
from features.own import Count, Decay, Distinct, Nth, Recency, Share, Sum, TextField
from features.spec import AGGREGATIONS, Feature, FeatureSet
from tests.features.histories import NOON, lead, touchpoint

_NEEDED = {
    "Diff": {"window_days": 7}, "Trend": {"window_days": 7}, "Share": {"where": {"type": "call"}}, "Decay": {"half_life_days": 7},
    "Distinct": {"column": "channel"}, "First": {"column": "channel"}, "Last": {"column": "channel"},
    "Nth": {"column": "channel", "position": 2}, "TextField": {"column": "x_plan"}, "NumberField": {"column": "employees"},
}  # fmt: skip
CONSTRUCTORS = list(own.__all__)


def test_every_aggregation_has_a_function():
    made = {getattr(own, name)("n", **_NEEDED.get(name, {})).agg for name in CONSTRUCTORS}
    assert made == {*AGGREGATIONS, "account_leads", "field_text", "field_number"}


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_what_is_left_out_is_filled_in(constructor):
    feature = getattr(own, constructor)("n_things_30d", **_NEEDED.get(constructor, {}))
    assert feature.topic == "things"
    assert feature.group == ("fit" if constructor in ("TextField", "NumberField") else "engagement")
    for value in (3.0, 0.0, None):
        assert feature.sentence(value).startswith("Things in 30 days: ")


def test_three_lines_make_a_feature():
    feature = Count(
        "n_demo_requests_30d",
        where={"type": "demo_request"},
        window_days=30,
        says="Demo requests in 30 days",
    )
    assert feature == Feature(
        name="n_demo_requests_30d", agg="count", group="engagement", topic="demo requests", window_days=30.0,
        where=(("type", ("demo_request",)),), says="Demo requests in 30 days: {value}",
        says_missing="Demo requests in 30 days: not known",
    )  # fmt: skip
    assert feature.sentence(2.0) == "Demo requests in 30 days: 2"
    hours = Recency("hours_since_last_call", where={"type": ["call", "chat"]}, says="Last talk {value} ago")
    assert hours.sentence(72.0) == "Last talk 3 days ago"
    assert Share("share_calls", where={"type": "call"}).sentence(0.5) == "Calls: 50%"


def test_they_compute_what_they_say():
    keen = lead(
        touchpoint(NOON - 40 * DAY, type="demo_request", channel="email"),
        touchpoint(NOON - DAY, type="demo_request", value=3.0, channel="direct"),
        touchpoint(NOON, type="page_view", channel="email"),
        x_plan="Gold",
    )
    features = with_own(
        FeatureSet(()),
        [
            Count("n_demo_requests_30d", where={"type": "demo_request"}, window_days=30),
            Share("share_demos", where={"type": "demo_request"}),
            Sum("sum_value"),
            Decay("decayed_7d", half_life_days=1),
            Distinct("n_channels", column="channel"),
            Nth("second_channel", column="channel", position=2),
            TextField("plan", column="x_plan"),
        ],
    )
    matrix = build_matrix(snapshots_of([(keen, NOON)]), features)
    assert matrix.X[0, :5].tolist() == pytest.approx([1, 2 / 3, 3.0, 1.5, 2], abs=1e-9)
    assert (matrix.text(0, "second_channel"), matrix.text(0, "plan")) == ("direct", "gold")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Count("n", where={"tpye": "call"}), "feature 'n': .*did you mean 'type'"),
        (lambda: Count("n", where={"type": 3}), "type in where must be a text or a list"),
        (lambda: Count("n", where={"type": []}), "type in where must be a text or a list"),
        (lambda: Count("n", windw_days=7), "did you mean 'window_days'"),
        (lambda: Count("n", window_days="7"), "window_days must be a number, not '7'"),
        (lambda: Count("n", window_days=-1), "window_days"),
        (lambda: Count("n", says=7), "says must be a text"),
        (lambda: Count("n", group="fitness"), "group"),
        (lambda: Count("N Demo"), "cannot be named 'N Demo'"),
        (lambda: Count("x_calls"), "those are fields"),
        (lambda: Count("n", column="value"), "column has no meaning for count"),
        (lambda: Recency("n", half_life_days=3), "half_life_days has no meaning for recency"),
        (lambda: Distinct("n", column="chanel"), "did you mean 'channel'"),
        (lambda: Share("n", where={}), "share needs where"),
        (lambda: TextField("n", column="industy"), "did you mean 'industry'"),
        (lambda: define("cuont", "n"), "did you mean 'count'"),
        (lambda: own_features([{"name": "n"}]), "lacks 'agg'; it has name"),
        (lambda: own_features(["n"]), "not str"),
        (lambda: with_own(default_features(), [Count("n_touches")]), "'n_touches' has the name of another"),
        (lambda: with_own(default_features(), [Count("n"), Count("n")]), "'n' has the name of another"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_toml_says_the_same_as_python(tmp_path: Path):
    file = tmp_path / "my.toml"
    file.write_text(
        """
        [[feature]]
        agg = "count"
        name = "n_demo_requests_30d"
        where = { type = "demo_request" }
        window_days = 30
        says = "Demo requests in 30 days"

        [[feature]]
        agg = "nth"
        name = "second_channel"
        column = "channel"
        position = 2
        """
    )
    assert read_features(file) == (
        Count(
            "n_demo_requests_30d",
            where={"type": "demo_request"},
            window_days=30,
            says="Demo requests in 30 days",
        ),
        Nth("second_channel", column="channel", position=2),
    )
    (tmp_path / "none.toml").write_text("")
    assert read_features(tmp_path / "none.toml") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[features]]\nagg = 'count'", "did you mean 'feature'"),
        ("[feature]\nagg = 'count'", r"\[\[feature\]\] with two brackets"),
        ("[[feature]", "is not TOML"),
        ("[[feature]]\nagg = 'count'\nname = 'n'\nwindow = 7", "did you mean"),
        ("[[feature]]\nagg = 'count'", "lacks 'name'"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text, message):
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_features(file)
    with pytest.raises(ConfigError, match="cannot read"):
        read_features(tmp_path / "nowhere.toml")


def test_a_condition_that_nothing_meets_is_noted():
    ledger = snapshots_of([(lead(touchpoint(NOON, type="demo_request")), NOON)]).ledger
    right = Count("n_demos", where={"type": ["demo_request", "demo"]})
    wrong = Count("n_demoes", where={"type": "demo_reqest"})
    (note,) = unmatched([right, wrong], ledger)
    assert "'n_demoes' finds nothing" in note
    assert "did you mean 'demo_request'" in note
    (note,) = unmatched([Count("n_faxes", where={"type": "fax"})], ledger)
    assert note.endswith("no touchpoint has type 'fax'"), "a list of all there are would be long"


def test_a_custom_field_that_is_read_gets_no_second_feature():
    rows = snapshots_of([(lead(x_plan="Gold", x_size=3.0), NOON)])
    features = with_custom_fields(with_own(default_features(), [TextField("plan", column="x_plan")]), rows)
    assert features.names[-2:] == ("plan", "x_size")
