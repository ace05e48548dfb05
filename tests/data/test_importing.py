"""Imports: what becomes of every row of somebody else's files."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import DAY, SECOND, Outcome, Touchpoint, parse_instant
from data.errors import ConfigError, ContractError, StoreError
from data.sources import importing
from data.sources.importing import import_tables
from data.sources.mapping import load_mapping, parse_mapping
from data.sources.report import ImportReport
from data.store import Store, open_store
from data.world import make_world, write_world

NOW = parse_instant("2026-07-01T00:00:00Z", name="now")

MAPPING = """
[source]
name = "crm"
time_zone = "Europe/Berlin"

[leads]
file = "leads.csv"
lead_id = "id"
created_at = "created"
[leads.profile]
email = "mail"
industry = "branch"
employees = "staff"
x_plan = "plan"
[leads.values.industry]
"Select" = ""
"SW" = "software"

[[touchpoints]]
file = "touches.csv"
touchpoint_id = "tid"
lead_id = "id"
occurred_at = "at"
received_at = "got"
type = "what"
direction = {const = "inbound"}
value = "seconds"

[[outcomes]]
file = "outcomes.csv"
lead_id = "id"
kind = "status"
occurred_at = "at"
amount = "amount"
"""


def at(text: str) -> int:
    return parse_instant(text, name="at")


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def export(folder: Path, **changes: str) -> Path:
    files = {
        "leads__csv": "id,created,mail,branch,staff,plan\nada,2026-01-05 09:00,ada@acme.example,SW,12,pro\n"
        "bob,2026-01-06,,Select,,\n",
        "touches__csv": "tid,id,at,got,what,seconds\nt1,ada,2026-01-07T10:00:00Z,2026-01-07T10:00:09Z,page_view,31\n"
        "t2,ada,1767780000,,form_submit,\n",
        "outcomes__csv": "id,status,at,amount\nada,won,2026-02-01,900\n",
        "mapping__toml": MAPPING,
    }
    return write(folder, **(files | changes))


def accounts_for_every_row(report: ImportReport) -> bool:
    return all(t.read == t.kept + t.known + t.skipped + sum(t.dropped.values()) for t in report.tables)


def content(store: Store) -> dict:
    """Everything in the store that a snapshot or a label could see, in an order of its own."""
    ids = [*store.lead_ids(), "ada", "bob", "cid", "eve@x.example"]
    histories = store.histories(ids)
    return {
        "created": {i: h.created_at for i, h in histories.items()},
        "profiles": {
            i: sorted(
                (p.observed_at, p.received_at, sorted(p.fields.items()), p.as_exported) for p in h.profiles
            )
            for i, h in histories.items()
        },
        "touchpoints": {i: sorted(h.touchpoints, key=repr) for i, h in histories.items()},
        "outcomes": store.outcomes_of(ids),
    }


# What a good export becomes


def test_columns_become_leads_touchpoints_and_outcomes(store: Store, tmp_path: Path):
    report = import_tables(store, path=export(tmp_path / "x"), now=NOW)
    assert [(t.kind, t.read, t.kept) for t in report.tables] == [
        ("leads", 2, 2),
        ("touchpoints", 2, 2),
        ("outcomes", 1, 1),
    ]
    ada = store.histories(["ada"])["ada"]
    assert ada.created_at == at("2026-01-05T08:00:00Z")
    assert ada.profile_at(NOW) == {
        "email": "ada@acme.example",
        "industry": "software",
        "employees": 12.0,
        "x_plan": "pro",
    }
    assert ada.touchpoints == (
        Touchpoint(
            "t1", "ada", at("2026-01-07T10:00:00Z"), "page_view", direction="inbound", value=31.0,
            received_at=at("2026-01-07T10:00:09Z"), source="crm",
        ),
        Touchpoint(
            "t2", "ada", at("2026-01-07T10:00:00Z"), "form_submit", direction="inbound",
            received_at=at("2026-01-07T10:00:00Z"), source="crm",
        ),
    )  # fmt: skip
    (outcome,) = store.outcomes_of(["ada"])["ada"]
    assert (outcome.kind, outcome.occurred_at, outcome.amount) == ("won", at("2026-01-31T23:00:00Z"), 900.0)
    assert store.histories(["bob"])["bob"].profile_at(NOW) == {}


def test_a_world_comes_back_as_it_was(store: Store, tmp_path: Path):
    """The warts of its files are listed and leave no trace."""
    world = make_world(300, seed=5)
    write_world(world, tmp_path / "w")
    report = import_tables(store, path=tmp_path / "w", now=world.end)
    assert accounts_for_every_row(report)
    assert report.kept == len(world.leads) + len(world.touchpoints) + len(world.outcomes)
    assert report.known >= 4
    assert report.dropped == {
        "created_at is not a time": 2,
        "lead_id is missing": 3,
        "occurred_at is not a time": 3,
        "occurred_at is missing": 1,
        "unknown outcome kind": 2,
    }
    lead = world.leads.iloc[7]
    history = store.histories([lead["lead_id"]])[lead["lead_id"]]
    known = {
        name: value.strip() if isinstance(value, str) else value
        for name, value in lead.drop(["lead_id", "created_at"]).items()
        if pd.notna(value) and value != "n/a"
    }
    assert history.profile_at(lead["created_at"]) == known
    touches = world.touchpoints[world.touchpoints["lead_id"] == lead["lead_id"]]
    found = {t.touchpoint_id: (t.occurred_at, t.received_at, t.type) for t in history.touchpoints}
    assert found == {
        t.touchpoint_id: (t.occurred_at, t.received_at, t.type) for t in touches.itertuples(index=False)
    }


def test_a_retraction_keeps_what_it_takes_back(light: Store, tmp_path: Path):
    folder = write(
        tmp_path / "x",
        outcomes__csv="oid,id,status,at,undoes\no1,ada,qualified,2026-02-01T00:00:00Z,\no2,ada,retracted,2026-02-02T00:00:00Z,o1\n",
        mapping__toml='[source]\nname = "crm"\n[outcomes]\nfile = "outcomes.csv"\noutcome_id = "oid"\nlead_id = "id"\n'
        'kind = "status"\noccurred_at = "at"\nundoes = "undoes"\n',
    )
    import_tables(light, path=folder, now=NOW)
    when = at("2026-02-02T00:00:00Z")
    assert light.outcomes_of(["ada"])["ada"][1] == Outcome(
        "o2", "ada", "retracted", when, "o1", None, when, "crm"
    )


def test_profiles_without_a_time_count_as_exported(light: Store, tmp_path: Path):
    import_tables(light, path=export(tmp_path / "x"), now=NOW)
    (profile,) = light.histories(["ada"])["ada"].profiles
    assert profile.as_exported
    assert profile.observed_at == at("2026-01-05T08:00:00Z")


def test_profiles_with_a_time_are_a_history(light: Store, tmp_path: Path):
    rows = "id,created,seen,branch\nada,2026-01-05,2026-01-05,retail\nada,2026-01-05,2026-03-01,media\n"
    mapping = (
        '[source]\nname="crm"\ntime_zone="UTC"\n[leads]\nfile="leads.csv"\nlead_id="id"\ncreated_at="created"\nobserved_at="seen"\n'
        '[leads.profile]\nindustry="branch"\n'
    )
    folder = write(tmp_path / "x", leads__csv=rows, mapping__toml=mapping)
    assert import_tables(light, path=folder, now=NOW).kept == 2
    assert import_tables(light, path=folder, now=NOW + DAY).kept == 0
    ada = light.histories(["ada"])["ada"]
    assert ada.profile_at(at("2026-02-01T00:00:00Z")) == {"industry": "retail"}
    assert ada.profile_at(at("2026-03-02T00:00:00Z")) == {"industry": "media"}


# Files as they come


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found_and_a_byte_order_mark_is_fine(light: Store, tmp_path: Path, separator: str):
    folder = export(tmp_path / "x")
    for path in folder.glob("*.csv"):
        rows = list(csv.reader(io.StringIO(path.read_text())))
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, delimiter=separator).writerows(rows)
    report = import_tables(light, path=folder, now=NOW)
    assert (report.kept, report.dropped) == (5, {})


def test_a_parquet_file_says_the_same_as_its_csv(tmp_path: Path):
    folder = export(tmp_path / "x")
    csv_store, parquet_store = (open_store(f"sqlite:///{tmp_path}/{n}.db") for n in ("c", "p"))
    import_tables(csv_store, path=folder, now=NOW)
    leads = pd.read_csv(folder / "leads.csv").assign(
        created=lambda t: pd.to_datetime(t["created"], format="ISO8601")
    )
    leads.to_parquet(folder / "leads.parquet")
    touches = pd.read_csv(folder / "touches.csv", dtype={"seconds": "Int64"})
    touches.to_parquet(folder / "touches.parquet")
    mapping = MAPPING.replace("leads.csv", "leads.parquet").replace("touches.csv", "touches.parquet")
    (folder / "mapping.toml").write_text(mapping)
    report = import_tables(parquet_store, path=folder, now=NOW)
    assert report.kept == 5
    assert content(parquet_store) == content(csv_store)


def test_lines_are_counted_as_an_editor_does(light: Store, tmp_path: Path):
    """Quoted line breaks, blank lines and rows of the wrong length above do not shift them."""
    rows = 'tid,id,at,got,what,seconds\nt1,ada,2026-01-07T10:00:00Z,,"a\nb",1\n\nt2,ada,soon,,x,1\nt3,ada\nt4,ada,late,,x,1\n'
    report = import_tables(light, path=export(tmp_path / "x", touches__csv=rows), now=NOW)
    touches = report.tables[1]
    assert (touches.read, touches.kept) == (5, 1)
    assert touches.dropped == {"wrong number of cells": 1, "blank row": 1, "occurred_at is not a time": 2}
    assert touches.examples["occurred_at is not a time"] == (
        "line 5, touchpoint_id t2",
        "line 7, touchpoint_id t4",
    )
    assert touches.examples["wrong number of cells"] == ("line 6 has 2 cells, 6 expected",)
    assert touches.examples["blank row"] == ("line 4",)


@pytest.mark.parametrize(
    ("content_", "says"),
    [
        (b"", "leads.csv is empty"),
        (
            "id,created,mail,branch,staff,plan\nada,2026-01-05,,Möbel,,\n".encode("cp1252"),
            'encoding = "cp1252"',
        ),
    ],
)
def test_a_file_that_cannot_be_read_says_how_to_mend_it(
    light: Store, tmp_path: Path, content_: bytes, says: str
):
    folder = export(tmp_path / "x")
    (folder / "leads.csv").write_bytes(content_)
    with pytest.raises(ContractError, match=says):
        import_tables(light, path=folder, now=NOW)


def test_a_quote_left_open_is_pointed_at(light: Store, tmp_path: Path):
    rows = 'ada,2026-01-05,,"SW,,\n' + "bob,2026-01-05,,,,\n" * 60
    folder = export(tmp_path / "x", leads__csv="id,created,mail,branch,staff,plan\n" + rows)
    report = import_tables(light, path=folder / "leads.csv", now=NOW)
    assert accounts_for_every_row(report)
    assert "the row at line 2 runs over 61 lines: is a quote left open there?" in report.warnings[0]


def test_a_damaged_file_far_below_its_header_is_refused(light: Store, tmp_path: Path):
    folder = export(tmp_path / "x")
    good = b"ada,2026-01-05,,SW,12,pro\n" * 60_000
    (folder / "leads.csv").write_bytes(
        b"id,created,mail,branch,staff,plan\n" + good + b"bob,2026-01-05,,\xff,,\n"
    )
    with pytest.raises(ContractError, match=r"leads\.csv cannot be read as utf-8"):
        import_tables(light, path=folder, now=NOW)
    assert light.counts()["leads"] == 0


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_other_encodings_can_be_named(light: Store, tmp_path: Path, encoding: str):
    folder = export(tmp_path / "x")
    (folder / "leads.csv").write_bytes(
        "id,created,mail,branch,staff,plan\nada,2026-01-05,,Möbel,,\n".encode(encoding)
    )
    (folder / "mapping.toml").write_text(MAPPING.replace("[leads]\n", f'[leads]\nencoding = "{encoding}"\n'))
    import_tables(light, path=folder, now=NOW)
    assert light.histories(["ada"])["ada"].profile_at(NOW) == {"industry": "Möbel"}


# What is refused as a whole


def test_a_missing_column_is_named_and_nothing_is_written(store: Store, tmp_path: Path):
    folder = export(
        tmp_path / "x", touches__csv="tid,id,ts,got,what,seconds\nt1,ada,2026-01-07T10:00:00Z,,page_view,1\n"
    )
    with pytest.raises(ContractError) as refused:
        import_tables(store, path=folder, now=NOW)
    assert str(refused.value) == (
        "touches.csv lacks column 'at'; it has ['tid', 'id', 'ts', 'got', 'what', 'seconds'].\n"
        'Name it in the mapping file: [touchpoints] occurred_at = "...".'
    )
    assert store.counts() == dict.fromkeys(store.counts(), 0)


def test_a_column_nearly_named_is_suggested(light: Store, tmp_path: Path):
    folder = export(tmp_path / "x", leads__csv="id,created,mail,branche,staff,plan\n")
    with pytest.raises(ContractError, match=r'\[leads.profile\] industry = "branche"'):
        import_tables(light, path=folder, now=NOW)


def test_a_column_that_occurs_twice_is_refused(light: Store, tmp_path: Path):
    folder = export(tmp_path / "x", leads__csv="id,created,mail,branch,staff,plan,created\n")
    with pytest.raises(ContractError, match="'created' twice"):
        import_tables(light, path=folder, now=NOW)


def test_times_without_a_zone_are_refused_with_their_column(light: Store, tmp_path: Path):
    folder = export(tmp_path / "x", mapping__toml=MAPPING.replace('time_zone = "Europe/Berlin"\n', ""))
    with pytest.raises(ContractError, match=r"(?s)leads.csv.*'created'.*time_zone"):
        import_tables(light, path=folder, now=NOW)
    assert light.counts()["leads"] == 0


def test_a_file_goes_in_whole_or_not_at_all(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    add, calls = store.add_touchpoints, []

    def fails_later(touchpoints, *, now):
        calls.append(1)
        if len(calls) == 2:
            raise StoreError("the store is busy")
        return add(touchpoints, now=now)

    monkeypatch.setattr(importing, "_CHUNK", 1)
    monkeypatch.setattr(store, "add_touchpoints", fails_later)
    with pytest.raises(StoreError):
        import_tables(store, path=export(tmp_path / "x"), now=NOW)
    assert store.counts()["touchpoints"] == 0
    assert store.counts()["leads"] == 2
    assert import_tables(store, path=tmp_path / "x", now=NOW).kept == 3


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("occured_at", "occurred_at", "unknown key 'occured_at' in [touchpoints]; did you mean 'occurred_at'?"),
        ("[leeds]", "[leads]", "unknown key 'leeds' in the mapping file; did you mean 'leads'?"),
        ("timezone", "time_zone", "unknown key 'timezone' in [source]; did you mean 'time_zone'?"),
        ('industrie = "branch"', 'industry = "branch"', "unknown field 'industrie'; did you mean 'industry'?"),
        ('{konst = "inbound"}', '{const = "inbound"}', "unknown key 'konst' in direction in [touchpoints]"),
        ('"Europe/Berlim"', '"Europe/Berlin"', "unknown time_zone 'Europe/Berlim'"),
        ('{column = "at", plus_day = 1}', '"at"', "unknown key 'plus_day'"),
        ("", 'name = "crm"', "[source] lacks a name"),
        ("", 'kind = "status"', "[outcomes] lacks kind"),
    ],
)  # fmt: skip
def test_a_misspelt_mapping_stops(tmp_path: Path, wrong: str, right: str, says: str):
    path = tmp_path / "mapping.toml"
    broken = MAPPING.replace(right, wrong)
    assert broken != MAPPING
    if right == "[leads]":
        broken = broken.replace("[leads.", "[leeds.")
    path.write_text(broken)
    with pytest.raises(ConfigError) as refused:
        load_mapping(path)
    assert says in str(refused.value)


def test_missing_files_are_named(light: Store, tmp_path: Path):
    with pytest.raises(ConfigError, match="no mapping file"):
        import_tables(light, path=write(tmp_path / "empty"), now=NOW)
    folder = export(tmp_path / "x")
    (folder / "touches.csv").unlink()
    with pytest.raises(
        ConfigError, match=r"no file touches.csv in x; there are leads.csv, mapping.toml, outcomes.csv"
    ):
        import_tables(light, path=folder, now=NOW)
    assert light.counts()["leads"] == 0


# Fields


def lead_with(
    light: Store, tmp_path: Path, cell: str, values: str = "", rows: str = "ada,2026-01-05T00:00:00Z,{}"
) -> dict:
    """ada's profile when x_field is mapped to ``cell`` and its column holds what ``rows`` says."""
    mapping = (
        '[source]\nname="crm"\n[leads]\nfile="leads.csv"\nlead_id="id"\ncreated_at="created"\n[leads.profile]\n'
        f"x_field={cell}\n{values}"
    )
    folder = write(tmp_path / "x", leads__csv=f"id,created,c\n{rows}\n", mapping__toml=mapping)
    import_tables(light, path=folder, now=NOW)
    return light.histories(["ada"])["ada"].profile_at(NOW)


@pytest.mark.parametrize(
    ("raw", "cell", "known"),
    [
        (" blue ", '"c"', {"x_field": "blue"}),
        ("", '"c"', {}),
        ("", '{column="c", default="grey"}', {"x_field": "grey"}),
        ("blue", '{const="red"}', {"x_field": "red"}),
        ("1.5", '"c"', {"x_field": "1.5"}),
        ("1.5", '{column="c", type="number"}', {"x_field": 1.5}),
        ('"1.234,5"', '{column="c", type="number", format="decimal_comma"}', {"x_field": 1234.5}),
        ('"1,234.5"', '{column="c", type="number", format="decimal_point"}', {"x_field": 1234.5}),
        ("many", '{column="c", type="number"}', {}),
        ("nan", '{column="c", type="number"}', {}),
        ("x" * 1_001, '"c"', {}),
    ],
)
def test_a_cell_means_what_the_mapping_says(light: Store, tmp_path: Path, raw: str, cell: str, known: dict):
    assert lead_with(light, tmp_path, cell, rows=f"ada,2026-01-05T00:00:00Z,{raw}") == known


def test_listed_values_are_translated_and_others_stay(light: Store, tmp_path: Path):
    values = '[leads.values.x_field]\n"Select" = ""\n"1" = "one"\n'
    rows = "ada,2026-01-05T00:00:00Z,1\nbob,2026-01-05T00:00:00Z,Select\ncid,2026-01-05T00:00:00Z,2"
    assert lead_with(light, tmp_path, '"c"', values, rows) == {"x_field": "one"}
    histories = light.histories(["bob", "cid"])
    assert histories["bob"].profile_at(NOW) == {}
    assert histories["cid"].profile_at(NOW) == {"x_field": "2"}


def test_cells_that_are_no_numbers_are_counted_and_the_row_is_kept(light: Store, tmp_path: Path):
    folder = export(
        tmp_path / "x", leads__csv="id,created,mail,branch,staff,plan\nada,2026-01-05,,SW,lots,\n"
    )
    leads = import_tables(light, path=folder, now=NOW).tables[0]
    assert (leads.kept, leads.warnings) == (
        1,
        ("employees: 1 cells are not numbers; they count as not known",),
    )
    assert light.histories(["ada"])["ada"].profile_at(NOW) == {"industry": "software"}


def test_where_selects_rows(light: Store, tmp_path: Path):
    folder = write(
        tmp_path / "x",
        task__csv="id,day,converted\nada,2026-01-05,TRUE\nbob,2026-01-05,FALSE\ncid,2026-01-05,maybe\n",
        mapping__toml='[source]\nname="crm"\ntime_zone="UTC"\n[outcomes]\nfile="task.csv"\nlead_id="id"\nkind={const="won"}\n'
        'occurred_at={column="day", plus_days=90}\nwhere={converted=["TRUE", "maybe"]}\n',
    )
    report = import_tables(light, path=folder, now=NOW)
    assert (report.kept, report.skipped, report.dropped) == (2, 1, {})
    assert "1 skipped by where, 0 dropped" in report.text()
    assert light.outcomes_of(["ada"])["ada"][0].occurred_at == at("2026-04-05T00:00:00Z")
    assert "bob" not in light.outcomes_of(["bob"])


# Joins


JOINED = """
[source]
name = "crm"
time_zone = "UTC"
[leads]
file = "leads.csv"
lead_id = "id"
created_at = "created_at"
join = [{file = "contacts.csv", on = {contact = "cid"}, columns = ["role", "account"]}, {file = "accounts.csv", on = "account"}]
[leads.profile]
job_function = "role"
industry = "industry"
x_account_created = "accounts.created_at"
"""


def test_fields_are_looked_up_in_other_files(light: Store, tmp_path: Path):
    folder = write(
        tmp_path / "x",
        leads__csv="id,created_at,contact\nada,2026-01-05,c1\nbob,2026-01-06,c9\n",
        contacts__csv="cid;role;account\nc1;finance;a1\nc2;sales;a1\n",
        accounts__csv="account,industry,created_at\na1,retail,2020-01-01\n",
        mapping__toml=JOINED,
    )
    (table,) = import_tables(light, path=folder, now=NOW).tables
    assert (table.read, table.kept) == (2, 2)
    assert table.warnings == ("1 rows have no match in contacts.csv", "1 rows have no match in accounts.csv")
    found = light.histories(["ada", "bob"])
    assert found["ada"].profile_at(NOW) == {
        "job_function": "finance",
        "industry": "retail",
        "x_account_created": "2020-01-01",
    }
    assert found["bob"].profile_at(NOW) == {}


def test_a_repeated_key_takes_one_row_whatever_the_order(tmp_path: Path):
    contacts = ["c1,finance,a1", "c1,sales,a1"]
    roles = set()
    for n, rows in enumerate([contacts, contacts[::-1]]):
        store = open_store(f"sqlite:///{tmp_path}/{n}.db")
        folder = write(
            tmp_path / f"x{n}",
            leads__csv="id,created_at,contact\nada,2026-01-05,c1\n",
            contacts__csv="\n".join(["cid,role,account", *rows]) + "\n",
            accounts__csv="account,industry,created_at\n",
            mapping__toml=JOINED,
        )
        (table,) = import_tables(store, path=folder, now=NOW).tables
        assert "1 rows of contacts.csv repeat a key" in table.warnings[0]
        assert table.kept == 1
        roles.add(store.histories(["ada"])["ada"].profile_at(NOW)["job_function"])
    assert len(roles) == 1


# Duplicates and repetition


def test_of_two_deliveries_of_a_touchpoint_the_first_received_stays(light: Store, tmp_path: Path):
    rows = (
        "tid,id,at,got,what,seconds\nt1,ada,2026-01-07T10:00:00Z,2026-01-07T12:00:00Z,page_view,2\n"
        "t1,ada,2026-01-07T10:00:00Z,2026-01-07T11:00:00Z,page_view,1\n"
    )
    touches = import_tables(light, path=export(tmp_path / "x", touches__csv=rows), now=NOW).tables[1]
    assert (touches.kept, touches.known) == (1, 1)
    (held,) = light.histories(["ada"])["ada"].touchpoints
    assert (held.received_at, held.value) == (at("2026-01-07T11:00:00Z"), 1.0)


def test_rows_without_an_id_get_one_from_what_they_say(light: Store, tmp_path: Path):
    rows = "tid,id,at,got,what,seconds\n,ada,2026-01-07T10:00:00Z,,page_view,2\n,ada,2026-01-07T10:00:00Z,,page_view,2\n"
    rows += ",ada,2026-01-07T10:00:00Z,,page_view,3\n"
    folder = export(tmp_path / "x", touches__csv=rows)
    touches = import_tables(light, path=folder, now=NOW).tables[1]
    assert (touches.kept, touches.known) == (2, 1)
    assert import_tables(light, path=folder, now=NOW).tables[1].kept == 0


def test_the_same_rows_of_two_sources_are_apart(light: Store, tmp_path: Path):
    folder = export(tmp_path / "x")
    import_tables(light, path=folder, now=NOW)
    again = import_tables(light, path=folder, source="dialer", now=NOW)
    assert again.source == "dialer"
    assert [t.kept for t in again.tables] == [0, 2, 1]


def test_a_dry_run_reports_the_same_and_writes_nothing(store: Store, tmp_path: Path):
    folder = export(
        tmp_path / "x", outcomes__csv="id,status,at,amount\nada,won,2026-02-01,900\nada,nurture,2026-02-01,\n"
    )
    dry = import_tables(store, path=folder, dry_run=True, now=NOW)
    assert store.counts() == dict.fromkeys(store.counts(), 0)
    real = import_tables(store, path=folder, now=NOW)
    assert dry.dry_run
    assert not real.dry_run
    assert dry.tables == real.tables
    assert real.kept == 5


def test_one_file_of_the_folder_can_be_imported_alone(light: Store, tmp_path: Path):
    folder = export(tmp_path / "x")
    report = import_tables(light, path=folder / "touches.csv", now=NOW)
    assert [t.file for t in report.tables] == ["touches.csv"]


def test_progress_is_told_per_file(light: Store, tmp_path: Path):
    steps: list[tuple[str, int, int]] = []
    import_tables(light, path=export(tmp_path / "x"), now=NOW, progress=lambda *step: steps.append(step))
    assert steps[0] == ("leads.csv", 0, 2)
    assert ("touches.csv", 2, 2) in steps
    assert steps[-1] == ("outcomes.csv", 1, 1)


# The report


def test_the_report_names_lines_and_ids_but_no_addresses(light: Store, tmp_path: Path):
    folder = export(
        tmp_path / "x",
        leads__csv="id,created,mail,branch,staff,plan\neve@acme.example,someday,eve@acme.example,,,\nada,never,,,,\n",
        outcomes__csv="id,status,at,amount\nada,nurture,2026-02-01,\nada,eve@acme.example,2026-02-01,\n",
    )
    report = import_tables(light, path=folder, now=NOW)
    assert report.tables[0].examples == {"created_at is not a time": ("line 2", "line 3, lead_id ada")}
    assert report.tables[2].examples == {
        "unknown outcome kind": ("line 2, lead_id ada: 'nurture'", "line 3, lead_id ada")
    }
    assert "@" not in report.text() + json.dumps(report.to_dict())
    assert "2 x created_at is not a time (line 2; line 3, lead_id ada)" in report.text()
    assert report.text().startswith("Import from crm: 6 rows read, 2 kept, 0 known already, 4 dropped")


def test_three_examples_of_a_reason_are_enough(light: Store, tmp_path: Path):
    rows = "".join(f"t{n},ada,soon,,x,\n" for n in range(9))
    folder = export(tmp_path / "x", touches__csv=f"tid,id,at,got,what,seconds\n{rows}")
    touches = import_tables(light, path=folder, now=NOW).tables[1]
    assert touches.dropped == {"occurred_at is not a time": 9}
    assert len(touches.examples["occurred_at is not a time"]) == 3


def test_what_lies_ahead_is_noted(light: Store, tmp_path: Path):
    report = import_tables(light, path=export(tmp_path / "x"), now=at("2026-01-20T00:00:00Z"))
    assert report.warnings == ("outcomes.csv: occurred_at: 1 rows lie after the time of the import",)


# Properties

IDS = st.sampled_from(["ada", " ada ", "bob", "", "x" * 201, "eve@x.example", "a\x07b", "ädä"])
TIMES = st.sampled_from(
    ["2026-01-02T03:04:05Z", "2026-01-02", "2026-01-02 03:04", "", "soon", "1767323045", "1767323045123", "1800-01-01T00:00:00Z",
     "2026-01-02T03:04:05.123456789+05:30", "20260103", "45000", "2026-02-30T00:00:00Z"]
)  # fmt: skip
KINDS = st.sampled_from(["won", "lost", "contacted", "qualified", "Won", "", "nurture"])
NUMBERS = st.sampled_from(["1", "2.5", "1,5", "nan", "inf", "", "1e400", " 7 ", "0x1"])
TEXTS = st.sampled_from(
    ["", "a", "b", 'say "x"', "two\nlines", "a,b;c\td|e", "Ö", "\u00a0", "z" * 1_001, "nul\x00", "Select"]
)


def rows_of(*cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    row = st.tuples(*cells).map(list)
    odd = st.sampled_from([["ada"], ["ada"] * 9, [""] * len(cells), []])
    return st.lists(st.one_of(row, row, row, row, row, odd), max_size=8)


FILES = st.fixed_dictionaries({
    "leads.csv": rows_of(IDS, TIMES, TEXTS, TEXTS, NUMBERS, TEXTS),
    "touches.csv": rows_of(st.sampled_from(["t1", "t2", "", "t 3"]), IDS, TIMES, TIMES, TEXTS, NUMBERS),
    "outcomes.csv": rows_of(IDS, KINDS, TIMES, NUMBERS),
})  # fmt: skip
HEADERS = {
    "leads.csv": ["id", "created", "mail", "branch", "staff", "plan"],
    "touches.csv": ["tid", "id", "at", "got", "what", "seconds"],
    "outcomes.csv": ["id", "status", "at", "amount"],
}


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "leadloop.db"
    open_store(f"sqlite:///{path}").close()
    return path


def imported(
    files: dict[str, list[list[str]]], folder: Path, empty_store: Path, *, separator: str, times: int = 1
):
    """Reports and contents of a fresh store after importing these rows, once or several times, and its counts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, rows in files.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=separator, lineterminator="\n").writerows([HEADERS[name], *rows])
    (folder / "mapping.toml").write_text(MAPPING)
    shutil.copy(empty_store, folder / "leadloop.db")
    store = open_store(f"sqlite:///{folder}/leadloop.db")
    try:
        steps = [(import_tables(store, path=folder, now=NOW + n), content(store)) for n in range(times)]
        return [r for r, _ in steps], [c for _, c in steps], store.counts()
    finally:
        store.close()


@given(FILES, st.sampled_from([",", ";", "\t", "|"]))
def test_every_row_of_dirty_files_is_accounted_for(tmp_path: Path, empty_store: Path, files, separator: str):
    (report,), _, counts = imported(files, tmp_path / "x", empty_store, separator=separator)
    assert [t.read for t in report.tables] == [len(files[name]) for name in HEADERS]
    assert accounts_for_every_row(report)
    assert counts["touchpoints"] == report.tables[1].kept
    assert counts["outcomes"] == report.tables[2].kept
    for table in report.tables:
        assert all(n > 0 for n in table.dropped.values())
        assert all(len(table.examples[reason]) == min(n, 3) for reason, n in table.dropped.items())


@given(FILES)
def test_importing_again_keeps_nothing_new(tmp_path: Path, empty_store: Path, files):
    (first, second), (once, twice), _ = imported(files, tmp_path / "x", empty_store, separator=",", times=2)
    assert second.kept == 0
    assert second.dropped == first.dropped
    assert twice == once


@given(FILES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(tmp_path: Path, empty_store: Path, files, random):
    (before,), content_before, _ = imported(files, tmp_path / "x", empty_store, separator=",")
    shuffled = {name: random.sample(rows, len(rows)) for name, rows in files.items()}
    (after,), content_after, _ = imported(shuffled, tmp_path / "x", empty_store, separator=",")
    assert content_after == content_before
    assert [(t.kept, t.known, t.dropped) for t in after.tables] == [
        (t.kept, t.known, t.dropped) for t in before.tables
    ]


def test_a_mapping_may_be_given_as_a_value(light: Store, tmp_path: Path):
    folder = write(tmp_path / "x", o__csv="id,at\nada,1767323045\n")
    mapping = parse_mapping(
        {
            "source": {"name": "crm"},
            "outcomes": [{"file": "o.csv", "lead_id": "id", "kind": {"const": "won"}, "occurred_at": "at"}],
        }
    )
    assert import_tables(light, path=folder, mapping=mapping, now=NOW).kept == 1
    assert light.outcomes_of(["ada"])["ada"][0].occurred_at == 1_767_323_045 * SECOND


def test_a_hundred_thousand_touchpoints_take_seconds(light: Store, tmp_path: Path):
    import time

    n = 100_000
    occurred = np.char.add(np.datetime_as_string(np.datetime64("2026-01-01T00:00:00") + np.arange(n)), "Z")
    frame = pd.DataFrame(
        {"tid": np.arange(n), "id": np.arange(n) % 9_000, "at": occurred, "got": "", "what": "page_view"}
    )
    folder = export(tmp_path / "x")
    frame.assign(seconds=5).to_csv(folder / "touches.csv", index=False)
    start = time.process_time()
    assert import_tables(light, path=folder / "touches.csv", now=NOW).kept == n
    assert time.process_time() - start < 6


# What people can mend is told


def note(report: ImportReport) -> str:
    [said] = report.tables[0].warnings
    return said


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (("07.01.2026 10:00", "31.12.2025 23:59"), "%d.%m.%Y %H:%M"),
        (("07.01.2026",), "%d.%m.%Y"),
        (("12/31/2025 10:00 PM", "01/02/2026 9:05 AM"), "%m/%d/%Y %I:%M %p"),
        (("7 Jan 2026",), "%d %b %Y"),
    ],
)
def test_dates_of_another_writing_are_shown_with_the_line_that_reads_them(
    light: Store, tmp_path: Path, cells: tuple[str, ...], form: str
):
    """Every row was dropped as "not a time", without a word on what was found or how to mend it."""
    rows = "".join(f'l{i},"{cell}"\n' for i, cell in enumerate(cells))
    folder = write(tmp_path / "x", leads__csv="id,created\n" + rows)
    mapping = '[source]\nname = "crm"\ntime_zone = "UTC"\n[leads]\nfile = "leads.csv"\nlead_id = "id"\n'
    write(folder, mapping__toml=mapping + 'created_at = "created"\n')
    report = import_tables(light, path=folder, now=NOW)
    line = f'created_at = {{column = "created", format = "{form}"}}'
    assert repr(cells[0]) in note(report)
    assert note(report).endswith(line)
    assert note(report) in report.text()
    assert report.failed_tables == ("leads.csv -> leads",)
    write(folder, mapping__toml=mapping + line)
    mended = import_tables(light, path=folder, now=NOW)
    assert (mended.kept, mended.failed_tables) == (len(cells), ())


def test_of_a_column_that_holds_no_dates_only_the_shape_is_told(light: Store, tmp_path: Path):
    for cell in ("Ada Lovelace", "ada@acme.example", "+49 170 1234567"):
        folder = export(tmp_path / "x", leads__csv=f"id,created,mail,branch,staff,plan\nada,{cell},,,,\n")
        report = import_tables(light, path=folder, now=NOW)
        assert cell not in report.text()
        assert "created_at = {column" in report.text()


def test_a_few_cells_without_a_date_do_not_ask_for_a_format(light: Store, tmp_path: Path):
    leads = "id,created,mail,branch,staff,plan\nada,2026-01-05,,,,\nbob,n/a,,,,\n"
    report = import_tables(light, path=export(tmp_path / "x", leads__csv=leads), now=NOW)
    assert note(report) == "created_at: 1 cells are no times, like one of the shape 'a/a'"
    assert report.failed_tables == ()


@pytest.mark.parametrize("form", ["DD.MM.YYYY", "iso", ""])
def test_a_format_without_a_percent_sign_is_refused(tmp_path: Path, form: str):
    cell = f'{{column = "created", format = "{form}"}}'
    folder = write(tmp_path / "x", mapping__toml=MAPPING.replace('"created"', cell, 1))
    with pytest.raises(ConfigError, match="has no % sign"):
        load_mapping(folder / "mapping.toml")


def test_where_that_selects_nothing_tells_what_the_column_holds(light: Store, tmp_path: Path):
    mapping = MAPPING.replace('file = "outcomes.csv"', 'file = "outcomes.csv"\nwhere = {status = "Won"}')
    outcomes = "id,status,at,amount\n" + "ada,won,2026-02-01,\n" * 3 + "bob,lost,2026-02-01,\n"
    report = import_tables(
        light, path=export(tmp_path / "x", mapping__toml=mapping, outcomes__csv=outcomes), now=NOW
    )
    table = report.tables[2]
    assert table.warnings == ("where status selects no row; the column holds 'won', 'lost'",)
    assert (table.read, table.skipped, table.kept, table.dropped, table.is_failed) == (4, 4, 0, {}, False)


def test_rows_repeated_in_the_file_are_told_from_known_ones(light: Store, tmp_path: Path):
    row = "t1,ada,2026-01-07T10:00:00Z,,page_view,31\n"
    folder = export(tmp_path / "x", touches__csv="tid,id,at,got,what,seconds\n" + row * 3)
    first, second = (import_tables(light, path=folder, now=NOW).tables[1] for _ in range(2))
    assert (first.kept, first.known, first.repeated) == (1, 2, 2)
    assert (second.kept, second.known, second.repeated) == (0, 3, 2)
    assert not second.is_failed


def test_another_content_under_a_known_id_is_noted(store: Store, tmp_path: Path):
    head = "tid,id,at,got,what,seconds\n"
    rows = [f"t{i},ada,2026-01-07T10:00:00Z,,page_view,31\n" for i in range(5)]
    first = import_tables(store, path=export(tmp_path / "x", touches__csv=head + "".join(rows)), now=NOW)
    assert first.warnings == ()
    others = "".join(rows).replace("page_view", "webinar")
    again = import_tables(store, path=export(tmp_path / "x", touches__csv=head + others), now=NOW)
    assert again.tables[1].known == 5
    assert again.tables[1].warnings == (
        "5 rows have an id that is known with other content; what came first stays (t0, t1, t2)",
    )
    twice = (
        rows[0].replace("t0", "n1")
        + rows[0].replace("t0", "n1").replace("31", "32")
        + rows[0].replace("t0", "n1")
    )
    within = import_tables(store, path=export(tmp_path / "x", touches__csv=head + twice), now=NOW).tables[1]
    assert (within.kept, within.known, within.repeated) == (1, 2, 2)
    assert [w.split(" rows")[0] for w in within.warnings] == ["1"]
    assert accounts_for_every_row(again)


def test_negative_staff_counts_as_not_known(light: Store, tmp_path: Path):
    leads = "id,created,mail,branch,staff,plan\nada,2026-01-05,,,-5,pro\n"
    report = import_tables(light, path=export(tmp_path / "x", leads__csv=leads), now=NOW)
    assert note(report) == "employees: 1 cells are negative; they count as not known"
    assert light.histories(["ada"])["ada"].profile_at(NOW) == {"x_plan": "pro"}


def test_a_folder_is_no_mapping(tmp_path: Path):
    with pytest.raises(ConfigError, match="is a folder"):
        load_mapping(tmp_path)


# Clocks


def test_times_by_a_wrong_clock_are_set_right_where_sending_and_receipt_are_known(
    light: Store, tmp_path: Path
):
    rows = [
        "t1,ada,2031-01-01T10:00:00Z,2031-01-01T10:01:00Z,2026-01-07T10:00:00Z,page_view,",  # years fast
        "t2,ada,2026-01-07T09:00:00Z,,2026-01-07T12:00:00Z,page_view,",
        "t3,ada,2026-01-07T08:00:00Z,2026-01-07T08:30:00Z,,page_view,",
        "t4,ada,2026-01-07T11:00:00Z,2026-01-07T10:00:00Z,2026-01-07T12:00:00Z,page_view,",  # after it was sent
    ]
    touches = "\n".join(["tid,id,at,sent,got,what,seconds", *rows, ""])
    mapping = MAPPING.replace('received_at = "got"', 'sent_at = "sent"\nreceived_at = "got"')
    folder = export(tmp_path / "x", touches__csv=touches, mapping__toml=mapping)
    report = import_tables(light, path=folder, now=NOW)
    assert not report.tables[1].warnings
    assert {t.touchpoint_id: t.occurred_at for t in light.histories(["ada"])["ada"].touchpoints} == {
        "t1": at("2026-01-07T09:59:00Z"),
        "t2": at("2026-01-07T09:00:00Z"),
        "t3": at("2026-01-07T08:00:00Z"),
        "t4": at("2026-01-07T12:00:00Z"),
    }
    assert [t.known for t in import_tables(light, path=folder, now=NOW).tables] == [2, 4, 1]


def test_a_time_of_sending_without_one_of_receipt_is_refused(light: Store, tmp_path: Path):
    mapping = MAPPING.replace('received_at = "got"', 'sent_at = "got"')
    with pytest.raises(ConfigError, match="sent_at without received_at"):
        import_tables(light, path=export(tmp_path / "x", mapping__toml=mapping), now=NOW)
