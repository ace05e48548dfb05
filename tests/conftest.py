"""What all tests share: how hard properties are tried, and both databases.

``LEADLOOP_HYPOTHESIS=nightly`` or ``--hypothesis-profile nightly`` tries 2,000 examples instead of 200 (``make nightly`` does so for
features). PostgreSQL tests start a server of their own from the system's
binaries, on loopback, and throw it away; ``LEADLOOP_TEST_POSTGRES=postgresql+psycopg://...`` uses one that runs already.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.detection import is_hypothesis_test

from data.store import Store, open_store
from tests.postgres import NoPostgresError, postgres

# A store made by a fixture serves all examples of one test; the tests clear it themselves.
_CALM = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
# The same examples in every run: a change is judged by what it changed. New examples are the nightly run's task.
settings.register_profile(
    "default", max_examples=200, deadline=None, derandomize=True, suppress_health_check=_CALM
)
settings.register_profile("nightly", max_examples=2_000, deadline=None, suppress_health_check=_CALM)
settings.load_profile(os.environ.get("LEADLOOP_HYPOTHESIS", "default"))


# Properties hold above the database; with PostgreSQL, where an example costs four times as much, a quarter of them is tried.
_SHARE_WITH_POSTGRES = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and "[postgresql" in item.name and settings.default is not None:
            _try_fewer(item, settings.default.max_examples // _SHARE_WITH_POSTGRES)


def _try_fewer(item: pytest.Function, n: int) -> None:
    tried = item.obj
    if not is_hypothesis_test(tried) or hasattr(tried, "_hypothesis_internal_settings_applied"):
        return
    # The same function is tried on both databases: PostgreSQL gets a copy with settings of its own.
    copy = FunctionType(
        tried.__code__, tried.__globals__, tried.__name__, tried.__defaults__, tried.__closure__
    )
    copy.__kwdefaults__ = tried.__kwdefaults__
    copy.__dict__.update(tried.__dict__)
    item.obj = settings(max_examples=n)(copy)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server in which databases may be made; skips where there is none."""
    given = os.environ.get("LEADLOOP_TEST_POSTGRES")
    if given:
        yield given
        return
    pytest.importorskip("psycopg", reason="psycopg is not installed; install the 'postgres' extra")
    try:
        with postgres() as server:
            yield server.url
    except NoPostgresError as why:
        pytest.skip(f"{why}; or name a server in LEADLOOP_TEST_POSTGRES")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A new, empty database, dropped afterwards."""
    from sqlalchemy import create_engine, make_url, text

    name = f"leadloop_{uuid.uuid4().hex}"
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/leadloop.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store in a database of each kind."""
    store = open_store(store_url)
    yield store
    store.close()


@pytest.fixture
def light(sqlite_url: str) -> Iterator[Store]:
    """An empty store on SQLite, where the kind of database is no matter."""
    store = open_store(sqlite_url)
    yield store
    store.close()
