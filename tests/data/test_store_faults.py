"""Faults for real: killed writers, locked and damaged files, full disks, writers that meet."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from data.database import wal_is_safe
from data.domain import DAY, Lead, Touchpoint
from data.errors import StoreError
from data.store import Added, open_store

NOW = 100 * DAY
ROOT = Path(__file__).parents[2]

# Prints an id only after the store has said that it is kept.
WRITER = """
import sys
from data.domain import Lead, Touchpoint
from data.store import open_store
url, name = sys.argv[1:]
store = open_store(url, busy_seconds=60)
n = 0
while True:
    batch = [Touchpoint(f"{name}-{n}-{i}", f"lead-{n % 50}", n, "page_view") for i in range(5)]
    with store.transaction():
        store.add_leads([Lead(f"lead-{n % 50}", 0, {"x_n": str(n)})], now=n)
        store.add_touchpoints(batch, now=n)
    for touchpoint in batch:
        print(touchpoint.touchpoint_id)
    sys.stdout.flush()
    n += 1
"""


def start(code: str, *arguments: str, cwd: Path = ROOT) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, env=env, cwd=cwd
    )


def ids_in(store) -> set[str]:
    with store._engine.connect() as connection:
        return set(connection.execute(text("SELECT touchpoint_id FROM touchpoints")).scalars())


def test_every_acknowledged_row_survives_kill_9(store_url):
    open_store(store_url).close()
    writers = [start(WRITER, store_url, f"w{k}") for k in range(4)]
    acked: list[str] = []
    readers = [
        threading.Thread(target=lambda w=w: acked.extend(w.stdout.read().split("\n")[:-1])) for w in writers
    ]
    for reader in readers:
        reader.start()
    deadline = time.monotonic() + 60
    store = open_store(store_url, busy_seconds=60)
    while len({i.split("-")[0] for i in ids_in(store)}) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.5)
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
    for writer, reader in zip(writers, readers, strict=True):
        writer.wait()
        reader.join()
        writer.stdout.close()
    kept = ids_in(store)
    assert len(acked) > 20
    assert set(acked) <= kept
    # A transaction is there whole or not at all.
    whole = {i.rsplit("-", 1)[0] for i in kept}
    assert len(kept) == 5 * len(whole)
    store.check()
    if store_url.startswith("sqlite"):
        with store._engine.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    assert store.add_touchpoints([Touchpoint("after", "ada", 1, "form")], now=NOW).new == 1
    store.close()


def test_processes_that_start_at_once_on_nothing_make_one_store(store_url, tmp_path):
    """From a foreign working directory, each adding a lead of its own."""
    code = """
import sys
from data.domain import Lead
from data.store import open_store
sys.stdin.readline()
print(open_store(sys.argv[1]).add_leads([Lead(sys.argv[2], 0)], now=0).new)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", code, store_url, f"lead-{k}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=tmp_path,
        )
        for k in range(4)
    ]  # fmt: skip
    for starter in starters:
        starter.stdin.write("go\n")
        starter.stdin.flush()
    results = [starter.communicate(timeout=60) for starter in starters]
    assert [
        (out.strip(), starter.returncode) for (out, _), starter in zip(results, starters, strict=True)
    ] == [("1", 0)] * 4, results
    store = open_store(store_url)
    assert store.lead_ids() == [f"lead-{k}" for k in range(4)]
    store.close()


def test_a_locked_file_is_refused_after_the_wait(sqlite_url):
    store = open_store(sqlite_url, busy_seconds=0.3)
    other = sqlite3.connect(store._engine.url.database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with pytest.raises(StoreError, match="busy: another writer holds it; nothing was written, try again"):
        store.add_leads([Lead("ada", 0)], now=NOW)
    assert 0.25 <= time.monotonic() - began < 5
    other.execute("ROLLBACK")
    assert store.add_leads([Lead("ada", 0)], now=NOW) == Added(new=1, known=0)
    store.close()


def test_a_locked_row_of_postgresql_is_refused_after_the_wait(postgres_url):
    first, second = open_store(postgres_url), open_store(postgres_url, busy_seconds=0.3)
    with first.transaction():
        first.add_leads([Lead("ada", 0)], now=NOW)
        with pytest.raises(StoreError, match="busy"):
            second.add_leads([Lead("ada", 0)], now=NOW)
    assert second.add_leads([Lead("ada", 0)], now=NOW) == Added(new=0, known=1)
    first.close()
    second.close()


def test_a_thread_that_waits_too_long_for_its_turn_is_told(sqlite_url):
    store = open_store(sqlite_url, busy_seconds=0.2)
    refused = []

    def other_thread():
        try:
            store.add_leads([Lead("bob", 0)], now=NOW)
        except StoreError as error:
            refused.append(str(error))

    with store.transaction():
        store.add_leads([Lead("ada", 0)], now=NOW)
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert "busy" in refused[0]
    assert store.lead_ids() == ["ada"]
    store.close()


def test_writers_that_read_first_take_turns(store_url):
    """Each asks whether the profile is news and then writes: without a lock from the start both would find that it is."""
    stores = [open_store(store_url, busy_seconds=30) for _ in range(4)]
    said = [Lead("ada", 0, {"x_n": str(n)}, observed_at=n, received_at=n) for n in range(20)]
    added, failed = [], []
    gate = threading.Barrier(len(stores))

    def write(store):
        try:
            for lead in said:
                gate.wait()
                added.append(store.add_leads([lead], now=NOW).new)
        except Exception as error:
            failed.append(error)
            gate.abort()

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert stores[0].counts()["profiles"] == 20
    assert sum(added) == 20
    for store in stores:
        store.close()


def test_a_reader_does_not_stop_a_writer_for_longer_than_a_page(sqlite_url):
    """Reading for training goes on while touchpoints arrive, and sees a part that was there before."""
    store = open_store(sqlite_url, busy_seconds=5)
    store.add_leads([Lead("ada", 0)], now=NOW)
    store.add_touchpoints((Touchpoint(f"t{i}", "ada", i, "form") for i in range(120_000)), now=NOW)
    done = threading.Event()
    waits = []

    def keep_writing():
        n = 0
        while not done.is_set():
            began = time.monotonic()
            store.add_touchpoints([Touchpoint(f"new{n}", "ada", n, "form")], now=NOW)
            waits.append(time.monotonic() - began)
            n += 1

    writer = threading.Thread(target=keep_writing)
    writer.start()
    tables = store.read_training()
    done.set()
    writer.join()
    assert 120_000 <= len(tables.ledger) <= 120_000 + len(waits)
    assert len(waits) > 3
    assert max(waits) < 2
    store.close()


def test_a_damaged_file_is_refused(sqlite_url):
    store = open_store(sqlite_url)
    store.add_touchpoints((Touchpoint(f"t{i}", f"lead-{i}", i, "form") for i in range(5_000)), now=NOW)
    store.check()
    store.close()
    path = Path(store._engine.url.database)
    whole = path.read_bytes()
    place = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:place] + b"\xa5" * 112 + whole[place + 112 :])
    damaged = open_store(sqlite_url)
    with pytest.raises(StoreError, match=r"file is damaged \(.*restore it from a backup"):
        damaged.check()
    damaged.close()


def test_a_file_of_another_kind_is_refused(sqlite_url, tmp_path):
    (tmp_path / "leadloop.db").write_text("lead_id,created_at\n" * 500)
    with pytest.raises(StoreError, match="damaged"):
        open_store(sqlite_url)


def test_a_truncated_file_is_refused(sqlite_url):
    store = open_store(sqlite_url)
    store.add_touchpoints((Touchpoint(f"t{i}", f"lead-{i}", i, "form") for i in range(5_000)), now=NOW)
    store.close()
    path = Path(store._engine.url.database)
    path.write_bytes(path.read_bytes()[:100_000])

    def use():
        open_store(sqlite_url).check()

    with pytest.raises(StoreError, match="damaged"):
        use()


def test_a_full_disk_loses_nothing_that_was_acknowledged(sqlite_url, tmp_path):
    """A file size limit stands for the full disk; it needs a process of its own."""
    code = """
import resource, signal, sys
from data.domain import Touchpoint
from data.errors import StoreError
from data.store import open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
n = 0
try:
    while n < 1000:
        store.add_touchpoints([Touchpoint(f"{n}-{i}", "ada", n, "form") for i in range(50)], now=n)
        n += 1
    print("never full")
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(n * 50, store.counts()["touchpoints"])
store.check()
print(store.add_touchpoints([Touchpoint("after", "ada", n, "form")], now=n).new)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    child = start(code, sqlite_url)
    lines = child.communicate(timeout=60)[0].splitlines()
    assert "could not write" in lines[0]
    acked, kept = lines[1].split()
    assert int(acked) > 0
    assert acked == kept
    assert lines[2] == "1"


def test_wal_only_where_its_bug_is_mended():
    mended = [(3, 44, 6), (3, 44, 9), (3, 50, 7), (3, 51, 3), (3, 53, 0)]
    broken = [(3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 0), (3, 51, 2)]
    assert [wal_is_safe(v) for v in mended + broken] == [True] * 5 + [False] * 6


def test_sqlite_is_set_to_keep_what_it_acknowledges(sqlite_url):
    store = open_store(sqlite_url)
    with store._engine.connect() as connection:
        mode = connection.execute(text("PRAGMA journal_mode")).scalar()
        assert mode == ("wal" if wal_is_safe(sqlite3.sqlite_version_info[:3]) else "truncate")
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    store.close()
