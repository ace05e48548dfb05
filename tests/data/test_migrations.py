"""The migrations make exactly the tables the code uses, from anywhere, and refuse what they do not know."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from data.database import connect
from data.domain import LATEST, Link
from data.errors import StoreError
from data.migrations import HEAD, alembic_config
from data.scorelog import id_beside
from data.store import open_store
from data.tables import metadata


@contextmanager
def made_before(store_url: str, revision: str) -> Iterator[Connection]:
    """A new store as a leadloop of that revision made it, to be filled."""
    engine = connect(store_url, create=True, busy_seconds=1)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection
    engine.dispose()


def test_migrated_tables_equal_the_declared_ones(store_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store(store_url)
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    store.close()


def test_the_head_named_in_code_is_the_last_migration():
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


def test_a_store_of_a_newer_leadloop_is_refused(store_url):
    store = open_store(store_url)
    with store._engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match=r"table version '9999'.*upgrade leadloop"):
        open_store(store_url)


def test_a_foreign_database_is_left_alone(sqlite_url):
    """Tables of the same name that we did not make: fail, and change nothing."""
    import sqlite3

    path = sqlite_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE touchpoints (mine TEXT)")
    with pytest.raises(StoreError, match="already exists"):
        open_store(sqlite_url)
    with sqlite3.connect(path) as other:
        tables = [name for (name,) in other.execute("SELECT name FROM sqlite_master")]
    assert tables == ["touchpoints"]


def test_a_store_made_before_there_were_links_keeps_what_it_holds(store_url):
    with made_before(store_url, "0001") as connection:
        connection.execute(text("INSERT INTO leads (lead_id, created_at, received_at) VALUES ('ada', 1, 2)"))
    store = open_store(store_url)
    assert store.lead_ids() == ["ada"]
    assert store.add_links([Link("1", "cookie", "ada", 3)], now=3).new == 1
    store.close()


def test_scores_given_before_there_were_routes_are_the_champions(store_url):
    with made_before(store_url, "0004") as connection:
        for i in range(3):
            connection.execute(
                text(
                    "INSERT INTO scores (score_id, lead_id, goal, model_version, cutoff, score, grade, probability, points, "
                    "features, reasons, stored) "
                    "VALUES (:id, 'ada', 'qualified', '3', :cutoff, 61, 'B', NULL, 61.25, :features, '[]', true)"
                ),
                {"id": f"id{i}", "cutoff": i, "features": b"\x00\xff" * 4},
            )
    store = open_store(store_url)
    held = store.scores.recent(limit=5)
    assert [(row.score_id, row.route, row.features) for row in held] == [
        (f"id{i}", "champion", b"\x00\xff" * 4) for i in (2, 1, 0)
    ]
    assert store.scores.last_of("ada") == held[0]
    beside = held[0]._replace(score_id=id_beside("id2"), model_version="4", route="challenger")
    store.scores.append([beside])
    assert store.scores.last_of("ada") == held[0]
    assert len(store.scores.pairs(goal="qualified", limit=5)) == 1
    store.close()


def test_a_service_of_the_version_before_can_go_on_logging(store):
    """Its rows name no route; they are a champion's."""
    with store._engine.execution_options(writes=True).begin() as connection:
        connection.execute(
            text(
                "INSERT INTO scores (score_id, lead_id, goal, model_version, cutoff, score, grade, points, features, reasons, stored) "
                "VALUES ('id', 'ada', 'qualified', '3', 1, 61, 'B', 61.25, :features, '[]', true)"
            ),
            {"features": b""},
        )
    assert store.scores.last_of("ada").route == "champion"


def test_a_store_made_before_there_were_accounts_gets_them(store_url):
    with made_before(store_url, "0002") as connection:
        for lead_id, company in (("ada", "Acme"), ("bob", "Acme Ltd"), ("eve", "Acme"), ("zoe", "n/a")):
            parameters = {"id": lead_id, "fields": f'{{"company":"{company}"}}'}
            connection.execute(
                text("INSERT INTO leads (lead_id, created_at, received_at) VALUES (:id, 1, 2)"), parameters
            )
            connection.execute(
                text(
                    "INSERT INTO profiles (lead_id, observed_at, received_at, fields, as_exported) VALUES (:id, 3, 2, :fields, false)"
                ),
                parameters,
            )
        connection.execute(
            text(
                "INSERT INTO links (source, link_id, from_id, lead_id, occurred_at, received_at, received_assumed) "
                "VALUES ('crm', '1', 'eve', 'ada', 9, 9, false)"
            )
        )
    store = open_store(store_url)
    spans = store.account_spans(["acme"])
    assert sorted(zip(spans.since.tolist(), spans.until.tolist(), strict=True)) == [
        (3, 9),
        (3, LATEST),
        (3, LATEST),
    ]
    assert len(store.account_spans(["acme"], cutoff=9)) == 2
    store.close()


def test_in_a_store_made_before_anybody_could_be_erased_somebody_can_be(store_url):
    with made_before(store_url, "0005") as connection:
        for lead_id in ("ada", "bob"):
            connection.execute(
                text("INSERT INTO leads (lead_id, created_at, received_at) VALUES (:id, 1, 2)"),
                {"id": lead_id},
            )
    store = open_store(store_url)
    assert store.privacy.barred(["ada", "bob"]) == {}
    assert store.privacy.erase("ada", now=3).leads == 1
    assert store.privacy.suppress("bob", now=3) == 1
    assert (store.counts()["leads"], store.lead_ids()) == (1, [])
    store.close()
