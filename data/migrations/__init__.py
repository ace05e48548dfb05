"""Versions of the tables, and the way from one to the next.

``upgrade`` brings a database to the version this code knows, inside one transaction: several processes may start at once on an empty
database, one of them makes the tables and the others wait. Alembic is imported only when there is something to do.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from data.account_rows import fill_accounts
from data.errors import StoreError

HEAD = "0007"

# Alembic's environment is a module-level proxy: two threads must not run it at once.
_one_at_a_time = threading.Lock()
_LOCK_KEY = 0x6C656164  # "lead": any number, the same in every process


def upgrade(engine: Engine) -> None:
    """Make or renew the tables. Raises StoreError when a newer leadloop made them."""
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with _one_at_a_time, engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        # Asked again under the lock: another process may have done it meanwhile.
        if _version(connection) != HEAD:
            had_accounts = inspect(connection).has_table("accounts")
            _run(connection)
            if not had_accounts:
                fill_accounts(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.util.exc import CommandError

    config = alembic_config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"this store has table version {_version(connection)!r}, which this leadloop does not know "
            f"(it knows {HEAD!r}); a newer leadloop made it: upgrade leadloop, or open another store"
        ) from error


def alembic_config() -> Any:
    """Alembic's configuration, found beside this file: no ``alembic.ini``, no working directory."""
    from alembic.config import Config

    config = Config()
    # ConfigParser reads % as the start of a reference.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
