"""Time at the door: whole microseconds in UTC, floored, never without a zone; unknown times of receipt are assumed and marked."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from data.asof import snapshots_at
from data.domain import DAY, Lead, Link, Outcome, Touchpoint, format_instant, parse_instant
from data.errors import ContractError
from data.sources.importing import import_tables
from data.sources.instants import instants
from tests.data.test_asof import seen

NOW = parse_instant("2026-07-01T00:00:00Z", name="now")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-03-07T14:30:00.123456999Z", "2026-03-07T14:30:00.123456Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999Z"),
        ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00.000000Z"),
    ],
)
def test_finer_digits_are_floored_before_1970_too(written, kept):
    assert format_instant(parse_instant(written, name="at")) == kept


@given(st.integers(-(10**18), 10**18))
def test_nanoseconds_in_a_file_are_floored_as_in_a_message(nanoseconds):
    moment = pd.Timestamp(nanoseconds, tz="UTC")
    found, _ = instants(pa.array([nanoseconds], pa.timestamp("ns", tz="UTC")))
    assert found[0] == parse_instant(moment.isoformat(), name="at") == nanoseconds // 1_000


def test_a_time_without_a_zone_is_refused_by_the_name_of_its_column(store, tmp_path: Path):
    with pytest.raises(ContractError, match="occurred_at has no time zone"):
        parse_instant("2026-03-07T14:30:00", name="occurred_at")
    frame = pd.DataFrame({"id": ["ada"], "Erstellt am": pd.to_datetime(["2026-03-07T14:30:00"])})
    frame.to_parquet(tmp_path / "leads.parquet")
    (tmp_path / "mapping.toml").write_text(
        '[source]\nname = "crm"\n[leads]\nfile = "leads.parquet"\nlead_id = "id"\ncreated_at = "Erstellt am"\n'
    )
    with pytest.raises(ContractError, match="the times in column 'Erstellt am' have no zone"):
        import_tables(store, path=tmp_path, now=NOW)
    assert store.counts()["leads"] == 0


def test_what_happened_before_and_was_received_after_the_cutoff_is_not_seen(store):
    store.add_leads([Lead("ada", 0)], now=NOW)
    store.add_touchpoints([Touchpoint("late", "ada", DAY, "form", received_at=3 * DAY)], now=NOW)
    n_seen = [len(seen(snapshots_at(store, ["ada"], cutoff=at))[0][4]) for at in (3 * DAY - 1, 3 * DAY)]
    assert n_seen == [0, 1]


def test_an_unknown_time_of_receipt_is_assumed_and_marked(store):
    """History that was imported: as if it had been known at once. What still lies ahead is received now."""
    store.add_touchpoints(
        [Touchpoint("old", "ada", DAY, "form"), Touchpoint("told", "ada", DAY, "form", received_at=2 * DAY)],
        now=NOW,
    )
    store.add_touchpoints([Touchpoint("ahead", "ada", NOW + DAY, "form")], now=NOW)
    store.add_outcomes([Outcome("old", "ada", "won", DAY)], now=NOW)
    store.add_links([Link("old", "cookie", "ada", DAY)], now=NOW)
    with store._turns.read() as connection:
        rows = {
            table: {
                name: (received_at, bool(assumed))
                for name, received_at, assumed in connection.execute(
                    text(f"SELECT {key}, received_at, received_assumed FROM {table}")
                )
            }
            for table, key in (
                ("touchpoints", "touchpoint_id"),
                ("outcomes", "outcome_id"),
                ("links", "link_id"),
            )
        }
    assert rows == {
        "touchpoints": {"old": (DAY, True), "told": (2 * DAY, False), "ahead": (NOW, True)},
        "outcomes": {"old": (DAY, True)},
        "links": {"old": (DAY, True)},
    }
