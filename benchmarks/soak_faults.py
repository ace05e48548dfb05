"""What goes wrong during a soak, and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from data.errors import LeadloopError
from tests.postgres import Postgres
from tests.serving.running import MlflowServer, Server
from training.scorer.registry import Registry

# In minutes of twenty. Every whole minute without another promotion promotes the next sound version.
KILLS, REGISTRY_AWAY, LOCK, RESTART, CUT_OFF, FLIPPED = (3.5, 16.5), 7.3, 11.5, 14.5, 5.0, 9.0
LOCK_SECONDS, REGISTRY_AWAY_SECONDS = 10.0, 60.0
_TABLES = "leads, profiles, touchpoints, outcomes, scores"


def worker_processes(server: Server) -> list[psutil.Process]:
    """The processes that answer requests."""
    found = []
    for process in server.workers():
        try:
            if "worker.service" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def damage(files: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change one file of the registry's newest version where it lies."""
    newest = max(files.rglob(f"artifacts/scorer/{name}"), key=lambda p: p.stat().st_mtime_ns)
    newest.write_bytes(change(newest.read_bytes()))


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    place = len(content) * 2 // 3
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


@dataclass
class Faults:
    """The faults of one soak, on a thread of their own.

    ``minute`` is how long a minute of the plan lasts, in seconds: a trial run is shorter than twenty minutes.
    """

    server: Server
    database: Postgres
    mlflow: MlflowServer
    registry: Registry
    good: tuple[str, ...]
    bad: tuple[str, str]
    minute: float
    done: list[tuple[float, str]] = field(default_factory=list)

    def plan(self, minutes: float) -> list[tuple[float, Callable[[], str]]]:
        """What happens, by minute of the plan."""
        events: list[tuple[float, Callable[[], str]]] = [
            *((at, self.kill_worker) for at in KILLS),
            (REGISTRY_AWAY, self.stop_registry),
            (LOCK, self.lock_store),
            (RESTART, self.restart_database),
            (CUT_OFF, lambda: self.promote(self.bad[0], "cut off")),
            (FLIPPED, lambda: self.promote(self.bad[1], "one bit flipped")),
        ]
        for n in range(1, round(minutes)):
            if n not in (CUT_OFF, FLIPPED):
                number = self.good[n % len(self.good)]
                events.append((float(n), lambda number=number: self.promote(number, "sound")))  # type: ignore[misc]
        return sorted((event for event in events if event[0] < minutes), key=lambda event: event[0])

    def rehearsal(self) -> list[tuple[float, Callable[[], str]]]:
        """What happens before the measuring begins: the first times of each leave a worker larger, later ones must not."""
        promotions = [
            (0.5 + n, lambda number=number: self.promote(number, "sound"))
            for n, number in enumerate(self.good)
        ]
        others = [
            (0.3, self.kill_worker),
            *((at, self.lock_store) for at in (1.0, 2.3)),
            *((at, self.restart_database) for at in (1.7, 3.0)),
        ]
        return sorted([*promotions, *others], key=lambda event: event[0])

    def run(self, plan: list[tuple[float, Callable[[], str]]], stop: threading.Event) -> None:
        """Carry a plan out; returns at its end or when ``stop`` is set."""
        began = time.monotonic()
        for at, act in plan:
            if stop.wait(max(0.0, began + at * self.minute - time.monotonic())):
                return
            try:
                said = act()
            except Exception as fault:
                # Whatever it is, the plan goes on; the line says what was not done, and the soak fails at its end.
                said = f"{act} failed: {type(fault).__name__}: {fault}"
            self.done.append((at, said))
            print(f"  minute {at:4.1f}: {said}", flush=True)

    def promote(self, number: str, what: str) -> str:
        try:
            self.registry.promote("qualified", number)
        except LeadloopError as fault:
            return f"version {number} could not be promoted: {type(fault).__name__}"
        return f"version {number} ({what}) is champion"

    def kill_worker(self) -> str:
        # The youngest: one worker lives through all of it, and its memory is looked at all the time.
        worker = max(worker_processes(self.server), key=lambda process: process.create_time())
        worker.kill()
        return f"worker {worker.pid} killed"

    def stop_registry(self) -> str:
        self.mlflow.stop()
        time.sleep(REGISTRY_AWAY_SECONDS * self.minute / 60)
        self.mlflow.start()
        return "registry stopped and started again"

    def lock_store(self) -> str:
        engine = create_engine(self.database_url)
        try:
            for _ in range(20):
                try:
                    with engine.begin() as connection:
                        connection.execute(text(f"LOCK TABLE {_TABLES} IN ACCESS EXCLUSIVE MODE"))
                        time.sleep(LOCK_SECONDS)
                    return f"tables locked for {LOCK_SECONDS:.0f} s"
                except OperationalError:
                    # A deadlock with a transaction that takes the tables in another order.
                    time.sleep(0.2)
        finally:
            engine.dispose()
        raise RuntimeError("the tables could not be locked: twenty deadlocks")

    def restart_database(self) -> str:
        self.database.stop(how="fast")
        self.database.start()
        return "PostgreSQL restarted"

    @property
    def database_url(self) -> str:
        return self.database.url
