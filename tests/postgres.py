"""A PostgreSQL server of one's own, from the system's binaries, on loopback, thrown away afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoPostgresError(Exception):
    """PostgreSQL cannot run here; the text says why."""


class Postgres:
    """A running server; ``url`` names its database ``postgres``.

    ``is_durable`` makes it flush to disk as an installation does; tests of what is said to it do without.
    """

    def __init__(self, folder: Path, *, is_durable: bool = False) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
            Path(path) for path in [shutil.which("initdb")] if path
        ]
        if not found:
            raise NoPostgresError("PostgreSQL's initdb is not installed")
        # PostgreSQL refuses to run as root.
        as_user: list[str] = []
        if os.geteuid() == 0:
            try:
                pwd.getpwnam("postgres")
            except KeyError:
                raise NoPostgresError(
                    "running as root and there is no user 'postgres' to run PostgreSQL as"
                ) from None
            as_user = ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres", "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c max_connections=100"
        self._options = options if is_durable else f"{options} -c fsync=off"
        self._log = f"{folder}/log"
        self._control = [*as_user, str(found[-1].parent / "pg_ctl"), "-D", f"{folder}/data", "-w"]
        initdb = [*as_user, str(found[-1]), "-D", f"{folder}/data", "-U", "leadloop"]
        _run([*initdb, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        self.url = f"postgresql+psycopg://leadloop@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        _run([*self._control, "-l", self._log, "-o", self._options, "start"])

    def stop(self, *, how: str = "immediate") -> None:
        _run([*self._control, "-m", how, "stop"])


@contextmanager
def postgres(*, is_durable: bool = False) -> Iterator[Postgres]:
    """A started server in a folder of its own. Raises NoPostgresError where there can be none."""
    with tempfile.TemporaryDirectory(prefix="leadloop-pg-") as folder:
        server = Postgres(Path(folder), is_durable=is_durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _run(command: list[str]) -> None:
    # Output goes to a file: a server that inherits a pipe would keep `run` waiting for its end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", check=False
        )
        if done.returncode:
            output.seek(0)
            raise NoPostgresError(
                f"PostgreSQL did not start: {output.read().decode(errors='replace')[-500:]}"
            )
