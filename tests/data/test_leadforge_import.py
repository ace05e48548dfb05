"""The example mapping for leadforge's tables, tried on the tables themselves where they are."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.domain import DAY, parse_instant
from data.outcomes import goal_reached_at
from data.sources.importing import import_tables
from data.sources.report import ImportReport
from data.store import Store, open_store

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("LEADLOOP_SHARED_DATA", ROOT.parent / "shared" / "data"))
LEADFORGE = SHARED / "leadforge"
NOW = parse_instant("2026-07-01T00:00:00Z", name="now")

pytestmark = pytest.mark.skipif(
    not LEADFORGE.is_dir(),
    reason="leadforge's tables are not here; put them in LEADLOOP_SHARED_DATA/leadforge",
)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory):
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('leadforge')}/leadloop.db")
    report = import_tables(
        store, path=LEADFORGE, mapping=ROOT / "docs" / "examples" / "leadforge.toml", now=NOW
    )
    yield store, report
    store.close()


def test_every_row_is_kept_or_not_wanted(imported: tuple[Store, ImportReport]):
    store, report = imported
    assert [t.read for t in report.tables] == [5_000, 38_724, 10_012, 3_500, 750, 750]
    assert [t.kept for t in report.tables] == [5_000, 38_724, 10_012, 705, 177, 167]
    assert (report.skipped, report.dropped) == (3_951, {})
    assert report.warnings == ()
    assert store.counts() == {
        "leads": 5_000,
        "profiles": 5_000,
        "touchpoints": 48_736,
        "outcomes": 1_049,
        "links": 0,
        "scores": 0,
    }


def test_a_lead_has_the_fields_of_its_contact_and_account(imported: tuple[Store, ImportReport]):
    store, _ = imported
    leads = pd.read_parquet(LEADFORGE / "tables" / "leads.parquet").head(200)
    contacts = pd.read_parquet(LEADFORGE / "tables" / "contacts.parquet").set_index("contact_id")
    accounts = pd.read_parquet(LEADFORGE / "tables" / "accounts.parquet").set_index("account_id")
    histories = store.histories(list(leads["lead_id"]))
    for lead in leads.itertuples(index=False):
        contact, account = contacts.loc[lead.contact_id], accounts.loc[lead.account_id]
        expected = {
            "job_function": contact["role_function"],
            "seniority": contact["seniority"],
            "x_buyer_role": contact["buyer_role"],
            "industry": account["industry"],
            "region": account["region"],
            "company_size": account["employee_band"],
            "revenue_band": account["estimated_revenue_band"],
            "x_process_maturity": account["process_maturity_band"],
            "source": lead.lead_source,
        }
        if contact["email_domain_type"] != "unknown":
            expected["x_email_domain_type"] = contact["email_domain_type"]
        history = histories[lead.lead_id]
        assert history.profile_at(history.created_at) == expected
        assert history.created_at == parse_instant(f"{lead.lead_created_at}T00:00:00Z", name="created_at")
        assert history.profiles[0].as_exported


def test_sessions_are_page_views_with_their_seconds(imported: tuple[Store, ImportReport]):
    store, _ = imported
    sessions = pd.read_parquet(LEADFORGE / "tables" / "sessions.parquet")
    kinds = {"website": "page_view", "pricing_page": "pricing_view", "demo_page": "demo_view"}
    ids = list(sessions["lead_id"].unique()[:300])
    some = sessions[sessions["lead_id"].isin(ids)]
    expected = {
        row.session_id: (kinds[row.session_type], "inbound", row.session_duration_seconds)
        for row in some.itertuples(index=False)
    }
    found = {
        t.touchpoint_id: (t.type, t.direction, t.value)
        for history in store.histories(ids).values()
        for t in history.touchpoints
        if t.touchpoint_id.startswith("sess_")
    }
    assert found == expected


def test_a_sale_is_dated_on_the_last_day_of_its_window(imported: tuple[Store, ImportReport]):
    store, _ = imported
    labels = pd.concat(
        pd.read_parquet(p)
        for p in sorted((LEADFORGE / "tasks" / "converted_within_90_days").glob("*.parquet"))
    )
    histories = store.histories(list(labels["lead_id"]))
    outcomes = store.outcomes_of(list(labels["lead_id"]))
    won = np.array([goal_reached_at(outcomes.get(i, []), "won") is not None for i in labels["lead_id"]])
    assert (won == labels["converted_within_90_days"].to_numpy(dtype=bool)).all()
    for lead_id in labels["lead_id"].to_numpy()[won]:
        (outcome,) = outcomes[lead_id]
        assert outcome.occurred_at == histories[lead_id].created_at + 90 * DAY
