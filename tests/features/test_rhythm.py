"""Sessions, hours of the week, days in a row, trend, share and sequence: the rules that need no random history to be seen."""

from __future__ import annotations

import math

import pytest

from data.domain import DAY, HOUR, SECOND, parse_instant
from tests.features.histories import NOON, touchpoint
from tests.features.test_executor import define, value_at

MINUTE = 60 * SECOND


def at(text: str) -> int:
    return parse_instant(text, name="time")


def touches(*instants: int, **columns):
    return [touchpoint(t, touchpoint_id=str(i), **columns) for i, t in enumerate(instants)]


@pytest.mark.parametrize(("silence", "n"), [(0, 1), (30 * MINUTE, 1), (30 * MINUTE + 1, 2)])
def test_a_session_ends_after_more_than_half_an_hour_of_silence(silence, n):
    own = touches(NOON - DAY, NOON - DAY + silence)
    assert value_at(define("sessions"), own) == n
    assert value_at(define("session_size"), own) == 2 / n


def test_a_session_may_last_longer_than_its_gap():
    own = touches(*(NOON - k * 20 * MINUTE for k in range(10)))
    assert value_at(define("sessions"), own) == 1
    assert value_at(define("session_size"), own) == 10


def test_sessions_are_of_the_touchpoints_that_match():
    """Two page views an hour apart are two sessions, whatever e-mails lay between them."""
    own = [
        *touches(NOON - HOUR, NOON, type="page_view"),
        touchpoint(NOON - HOUR // 2, type="email", touchpoint_id="e"),
    ]
    views = (("type", ("page_view",)),)
    assert value_at(define("sessions"), own) == 1
    assert value_at(define("sessions", where=views), own) == 2


@pytest.mark.parametrize(
    ("when", "business", "weekend"),
    [
        ("2026-03-06T07:59:59.999999Z", 0, 0),  # a Friday
        ("2026-03-06T08:00:00Z", 1, 0),
        ("2026-03-06T17:59:59.999999Z", 1, 0),
        ("2026-03-06T18:00:00Z", 0, 0),
        ("2026-03-07T00:00:00Z", 0, 1),  # a Saturday
        ("2026-03-07T12:00:00Z", 0, 1),
        ("2026-03-08T11:00:00Z", 0, 1),
        ("1969-12-31T08:00:00Z", 1, 0),  # a Wednesday
        ("1969-12-28T12:00:00Z", 0, 1),  # a Sunday
    ],
)
def test_hours_of_the_week_are_those_of_utc(when, business, weekend):
    own = touches(at(when))
    assert value_at(define("business_hours"), own) == business
    assert value_at(define("weekend"), own) == weekend


def test_shares_of_the_week_are_over_the_touchpoints_chosen():
    own = touches(at("2026-03-05T09:00:00Z"), at("2026-03-05T20:00:00Z"), at("2026-03-07T12:00:00Z"))
    assert value_at(define("business_hours"), own) == 1 / 3
    assert value_at(define("weekend"), own) == 1 / 3
    assert value_at(define("weekend", window_days=2), own) == 1.0


def test_a_day_that_clocks_make_longer_or_shorter_is_one_day():
    """On 2026-03-29 Berlin had 23 hours, on 2025-10-25/26 UTC days go on as ever."""
    spring = touches(at("2026-03-28T23:30:00Z"), at("2026-03-29T00:30:00Z"), at("2026-03-30T23:59:00Z"))
    assert value_at(define("streak"), spring, cutoff=at("2026-04-02T00:00:00Z")) == 3
    autumn = touches(at("2025-10-25T23:59:59Z"), at("2025-10-26T00:00:00Z"))
    assert value_at(define("streak"), autumn) == 2


def test_the_longest_run_of_days_counts_each_day_once():
    days = [20, 20, 19, 18, 10, 9, 9, 9, 3]
    own = touches(*(NOON - d * DAY + i for i, d in enumerate(days)))
    assert value_at(define("streak"), own) == 3
    assert value_at(define("streak", window_days=15), own) == 2
    assert value_at(define("streak", window_days=5), own) == 1


@pytest.mark.parametrize(
    ("last_day", "expected"), [("2026-03-08", 2), ("2026-03-07", 2), ("2026-03-06", 0), ("2026-02-01", 0)]
)
def test_the_current_run_may_have_ended_yesterday_and_not_earlier(last_day, expected):
    last = at(f"{last_day}T01:00:00Z")
    own = touches(last, last - 20 * HOUR, last - 5 * DAY, last - 6 * DAY, last - 7 * DAY)
    assert value_at(define("streak_now"), own, cutoff=NOON) == expected
    assert value_at(define("streak"), own, cutoff=NOON) == 3


@pytest.mark.parametrize(
    ("now", "before", "expected"), [(0, 0, math.nan), (3, 0, 1), (0, 3, -1), (2, 2, 0), (3, 1, 0.5)]
)
def test_the_trend_is_safe_for_zero_in_either_window(now, before, expected):
    own = touches(*(NOON - i for i in range(now)), *(NOON - 8 * DAY - i for i in range(before)))
    found = value_at(define("trend", window_days=7), own)
    assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_a_share_is_zero_when_none_match_and_unknown_when_there_are_none():
    inbound = (("direction", ("inbound",)),)
    own = [*touches(NOON, NOON - DAY, direction="outbound"), touchpoint(NOON - 9 * DAY, direction="inbound")]
    assert value_at(define("share", where=inbound), own) == 1 / 3
    assert value_at(define("share", where=inbound, window_days=7), own) == 0.0
    assert math.isnan(value_at(define("share", where=inbound, window_days=7), own[2:]))


def test_the_kth_channel_counts_from_the_first_and_keeps_its_null():
    own = [touchpoint(NOON - 3 + i, channel=c) for i, c in enumerate(["email", None, "direct"])]
    found = [value_at(define("nth", column="channel", position=k), own) for k in (1, 2, 3, 4)]
    assert found == ["email", None, "direct", None]


def test_the_least_value_leaves_out_what_is_no_number():
    own = [
        touchpoint(NOON - i, value=v, touchpoint_id=str(i))
        for i, v in enumerate([2.0, math.nan, -math.inf, None])
    ]
    assert value_at(define("min"), own) == 2.0
    assert math.isnan(value_at(define("min"), own[1:]))
