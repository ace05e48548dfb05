"""Columns of times: what is read as which instant, and what is not."""

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import parse_instant, to_instant
from data.sources.instants import MISSING, NO_TIME, NO_ZONE, OUTSIDE, READ, instants


def read(text: str | None, *, form: str | None = None, zone: str | None = None) -> tuple[int, int]:
    found, problem = instants(pa.array([text], pa.large_string()), form=form, zone=zone)
    return int(found[0]), int(problem[0])


def at(text: str) -> int:
    return parse_instant(text, name="at")


@pytest.mark.parametrize(
    ("text", "form", "zone", "expected"),
    [
        ("2026-03-07T14:30:00Z", None, None, "2026-03-07T14:30:00Z"),
        (" 2026-03-07 14:30:00+01:00 ", None, None, "2026-03-07T13:30:00Z"),
        ("2026-03-07T14:30:00+0530", None, None, "2026-03-07T09:00:00Z"),
        ("2026-03-07T14:30:00-05", None, None, "2026-03-07T19:30:00Z"),
        ("2026-03-07T14:30Z", None, None, "2026-03-07T14:30:00Z"),
        ("2026-03-07T14:30:00.123456789Z", None, None, "2026-03-07T14:30:00.123456Z"),
        ("2026-03-07", None, "UTC", "2026-03-07T00:00:00Z"),
        ("20260307", None, "UTC", "2026-03-07T00:00:00Z"),
        ("2026-03-07 14:30", None, "Europe/Berlin", "2026-03-07T13:30:00Z"),
        ("2026-07-07 14:30", None, "Europe/Berlin", "2026-07-07T12:30:00Z"),
        # Clocks go back on 25 October 2026: the earlier of the two. They go forward on 29 March: the next moment that exists.
        ("2026-10-25 02:30", None, "Europe/Berlin", "2026-10-25T00:30:00Z"),
        ("2026-03-29 02:30", None, "Europe/Berlin", "2026-03-29T01:00:00Z"),
        ("2026-03-07T14:30:00+01:00", None, "America/New_York", "2026-03-07T13:30:00Z"),
        ("1772893800", None, None, "2026-03-07T14:30:00Z"),
        ("1772893800123", None, None, "2026-03-07T14:30:00.123Z"),
        ("1772893800123456", None, None, "2026-03-07T14:30:00.123456Z"),
        ("1772893800.25", None, None, "2026-03-07T14:30:00.25Z"),
        ("5", "epoch_s", None, "1970-01-01T00:00:05Z"),
        ("1772893800", "epoch_ms", None, "1970-01-21T12:28:13.8Z"),
        ("07.03.2026 14:30", "%d.%m.%Y %H:%M", "UTC", "2026-03-07T14:30:00Z"),
        ("03/07/2026", "%m/%d/%Y", "UTC", "2026-03-07T00:00:00Z"),
        ("07.03.2026 14:30 +0100", "%d.%m.%Y %H:%M %z", None, "2026-03-07T13:30:00Z"),
    ],
)  # fmt: skip
def test_writings_that_are_read(text: str, form: str | None, zone: str | None, expected: str):
    assert read(text, form=form, zone=zone) == (at(expected), READ)


@pytest.mark.parametrize(
    ("text", "form", "problem"),
    [
        (None, None, MISSING), ("  ", None, MISSING), ("soon", None, NO_TIME), ("2026-02-30T00:00:00Z", None, NO_TIME),
        ("2026-03", None, NO_TIME), ("45000", None, NO_TIME), ("03/07/2026", None, NO_TIME), ("-5", None, NO_TIME),
        ("2026-03-07", None, NO_ZONE), ("2026-03-07T14:30:00", None, NO_ZONE), ("20260307", None, NO_ZONE),
        ("1850-01-01T00:00:00Z", None, OUTSIDE), ("9999-01-01T00:00:00Z", None, OUTSIDE), ("99999999999999999", None, OUTSIDE),
        ("31.12.2026", "%d/%m/%Y", NO_TIME), ("31.12.2026", "%d.%m.%Y", NO_ZONE), ("2026-03-07T14:30:00Z", "epoch_s", NO_TIME),
    ],
)  # fmt: skip
def test_writings_that_are_not_read(text: str | None, form: str | None, problem: int):
    assert read(text, form=form) == (0, problem)


@given(st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_iso_texts_mean_what_they_mean_to_the_contract(moment: datetime, offset_minutes: int):
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert read(aware.isoformat()) == (to_instant(aware), READ)
    assert read(aware.isoformat()) == (parse_instant(aware.isoformat(), name="at"), READ)


@given(
    st.lists(
        st.sampled_from(
            ["2026-03-07T14:30:00Z", "2026-03-07", "1772893800", "x", "", "2026-03-07T14:30:00.5+01:00"]
        )
    )
)
def test_a_cell_is_read_alike_among_others_and_alone(texts: list[str]):
    found, problem = instants(pa.array(texts, pa.large_string()), zone="UTC")
    assert list(zip(found, problem, strict=True)) == [read(t, zone="UTC") for t in texts]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_typed_columns(unit: str):
    moment = datetime(2026, 3, 7, 14, 30, tzinfo=UTC)
    zoned, _ = instants(pa.array([moment, None], pa.timestamp(unit, "UTC")))
    naive, problem = instants(
        pa.array([moment.replace(tzinfo=None), None], pa.timestamp(unit)), zone="Europe/Berlin"
    )
    assert zoned.tolist() == [at("2026-03-07T14:30:00Z"), 0]
    assert naive.tolist() == [at("2026-03-07T13:30:00Z"), 0]
    assert problem.tolist() == [READ, MISSING]
    _, problem = instants(pa.array([moment.replace(tzinfo=None), None], pa.timestamp(unit)))
    assert problem.tolist() == [NO_ZONE, MISSING]


def test_typed_dates_and_numbers():
    days, _ = instants(pa.array([date(2026, 3, 7)]), zone="UTC")
    seconds, _ = instants(pa.array([1_772_893_800]))
    floats, problem = instants(pa.array([1_772_893_800.5, None, float("nan")]))
    assert days.tolist() == [at("2026-03-07T00:00:00Z")]
    assert seconds.tolist() == [at("2026-03-07T14:30:00Z")]
    assert floats.tolist() == [at("2026-03-07T14:30:00.5Z"), 0, 0]
    assert problem.tolist() == [READ, MISSING, MISSING]
