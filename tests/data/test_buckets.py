"""The store in files by lead: nothing lost, nothing twice, in the ledger's order, and the same bytes after any kill."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.buckets import build
from data.buckets.build import build_buckets
from data.buckets.layout import TABLES, bucket_of, existing_manifest
from data.buckets.read import read_bucket, read_ledger
from data.buckets.source import StoreSource
from data.domain import DAY, Lead, Link, Touchpoint
from data.errors import ConfigError, StoreError
from data.store import Store, open_store

NOON = 1_772_971_200_000_000
_ROOT = Path(__file__).parents[2]


def fill(store: Store, *, first: int, n: int, leads: int = 40, seed: int = 0) -> None:
    """Touchpoints number ``first`` and up of some leads; many share an instant, some belong to leads never created."""
    rng = random.Random(f"{seed}-{first}")
    store.add_leads(
        (Lead(f"l{rng.randrange(leads)}", NOON - 50 * DAY, {"country": rng.choice(["DE", "FR"])}) for _ in range(20)),
        now=NOON,
    )  # fmt: skip
    store.add_touchpoints(
        [
            Touchpoint(
                touchpoint_id=f"t{i}",
                lead_id=f"l{rng.randrange(leads)}" if rng.random() < 0.95 else "nobody",
                occurred_at=NOON - rng.randrange(30) * DAY,
                type=rng.choice(["page_view", "email_open"]),
                channel=rng.choice([None, "paid_search", "\U0001f600"]),
                content=f"/page/{i}",
                value=rng.choice([None, 1.5, -0.0]),
                received_at=NOON,
                source=rng.choice(["web", "crm"]),
            )
            for i in range(first, first + n)
        ],
        now=NOON,
    )


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder with the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def whole(folder: Path) -> dict[str, list[tuple]]:
    """Each lead's history as the buckets tell it."""
    manifest = existing_manifest(folder)
    found = {}
    for bucket in range(manifest.n_buckets):
        ledger, leads, starts, stops = read_ledger(folder, manifest, bucket)
        assert (bucket_of(leads.to_pylist(), manifest.n_buckets) == bucket).all()
        assert leads.to_pylist() == sorted(leads.to_pylist()) or len(manifest.segments) > 1
        for lead, start, stop in zip(leads.to_pylist(), starts, stops, strict=True):
            found[lead] = [
                (
                    int(ledger.occurred_at[i]),
                    *(_text(ledger.text(c), i) for c in ("type", "channel", "content")),
                )
                for i in range(start, stop)
            ]
    return found


def _text(column, i: int) -> str | None:
    return None if column.codes[i] < 0 else column.levels[column.codes[i]]


def from_store(store: Store, leads: list[str]) -> dict[str, list[tuple]]:
    histories = store.histories(leads)
    return {
        lead: [
            (t.occurred_at, t.type, t.channel, t.content)
            for t in sorted(
                histories[lead].touchpoints, key=lambda t: (t.occurred_at, t.source, t.touchpoint_id)
            )
        ]
        for lead in leads
        if histories[lead].touchpoints
    }


def test_buckets_hold_every_touchpoint_in_the_order_of_the_ledger(store_url: str, tmp_path: Path):
    store = open_store(store_url)
    fill(store, first=0, n=600)
    built = build_buckets(StoreSource(store_url), tmp_path / "out", n_buckets=3, part_rows=97)
    assert built.new_rows == built.manifest.rows == 600
    assert whole(tmp_path / "out") == from_store(store, [*(f"l{i}" for i in range(40)), "nobody"])
    store.close()


def test_a_bucket_reads_as_the_store_does(sqlite_url: str, tmp_path: Path):
    store = open_store(sqlite_url)
    fill(store, first=0, n=600)
    store.add_leads([Lead("l1", NOON, {"country": "ES"})], now=NOON + 5)
    build_buckets(StoreSource(sqlite_url), tmp_path / "out", n_buckets=3)
    manifest, tables = existing_manifest(tmp_path / "out"), store.read_training()
    found = [read_bucket(tmp_path / "out", manifest, b) for b in range(3)]
    assert sorted(i for part in found for i in part.lead_ids) == sorted(tables.lead_ids)
    for part in found:
        for place, lead in enumerate(part.lead_ids):
            there = tables.lead_ids.index(lead)
            assert part.created_at[place] == tables.created_at[there]
            assert part.received_at[place] == tables.received_at[there]
            assert sorted(part.patches.get(place, [])) == sorted(tables.patches.get(there, []))
            mine, theirs = (
                t.ledger.occurred_at[t.start[k] : t.stop[k]].tolist()
                for t, k in ((part, place), (tables, there))
            )
            assert mine == theirs
    store.close()


def test_what_is_new_becomes_a_segment_and_the_history_is_that_of_a_full_build(
    store_url: str, tmp_path: Path
):
    store = open_store(store_url)
    source, grown, full = StoreSource(store_url), tmp_path / "grown", tmp_path / "full"
    done = 0
    for n in (500, 20, 20, 1, 150, 0):
        fill(store, first=done, n=n)
        done += n
        assert build_buckets(source, grown, n_buckets=3).new_rows == n
    manifest = build_buckets(source, full, n_buckets=3).manifest
    held = existing_manifest(grown)
    assert held.rows == manifest.rows == done
    assert 1 < len(held.segments) <= 4
    assert whole(grown) == whole(full)
    assert sum(pq.read_metadata(p).num_rows for p in grown.glob("touchpoints/*/*.parquet")) == done
    store.close()


def test_nothing_new_changes_no_file(sqlite_url: str, tmp_path: Path):
    store = open_store(sqlite_url)
    fill(store, first=0, n=100)
    build_buckets(StoreSource(sqlite_url), tmp_path / "out", n_buckets=2)
    before = contents(tmp_path / "out")
    again = build_buckets(StoreSource(sqlite_url), tmp_path / "out")
    assert (again.new_rows, again.rebuilt, contents(tmp_path / "out")) == (0, False, before)
    store.close()


def test_processes_and_sizes_of_parts_do_not_show_in_the_bytes(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(build, "_FEW", 0)
    store = open_store(sqlite_url)
    fill(store, first=0, n=400)
    store.close()
    build_buckets(StoreSource(sqlite_url), tmp_path / "one", n_buckets=2, part_rows=61)
    build_buckets(StoreSource(sqlite_url), tmp_path / "two", n_buckets=2, processes=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_lead_deleted_from_the_store_is_not_kept(sqlite_url: str, tmp_path: Path):
    store = open_store(sqlite_url)
    fill(store, first=0, n=300)
    source, out = StoreSource(sqlite_url), tmp_path / "out"
    build_buckets(source, out, n_buckets=2)
    gone = store.lead_ids()[0]
    with store.transaction(), store._turns.write() as connection:
        for table in TABLES:
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE lead_id = ?", (gone,))
    assert build_buckets(source, out).rebuilt
    assert gone not in whole(out)
    assert build_buckets(source, tmp_path / "fresh", n_buckets=2).manifest.rows == existing_manifest(out).rows
    store.close()


@pytest.mark.parametrize("how", ["erase", "suppress"])
@pytest.mark.parametrize("who", ["l3", "nobody", "visitor"])
def test_erased_and_suppressed_persons_are_gone_from_the_files_after_the_next_build(
    store_url: str, tmp_path: Path, how: str, who: str
):
    """Leads, ids that only have touchpoints, and visitors of a lead; and back again when an objection is withdrawn."""
    store, source, out = open_store(store_url), StoreSource(store_url), tmp_path / "out"
    fill(store, first=0, n=300)
    store.add_touchpoints([Touchpoint("v", "visitor", NOON, "form", content="/page/v")], now=NOON)
    store.add_links([Link("1", "visitor", "l4", NOON)], now=NOON)
    before = build_buckets(source, out, n_buckets=2).manifest
    getattr(store.privacy, how)(who, now=NOON)
    fill(store, first=300, n=50)
    built = build_buckets(source, out)
    assert built.rebuilt
    gone = {"l4", "visitor"} if who == "visitor" else {who}
    assert ids_in(out).isdisjoint(gone)
    assert existing_manifest(out).rows == build_buckets(source, tmp_path / "fresh", n_buckets=2).manifest.rows
    assert build_buckets(source, out).rebuilt is False
    if how == "suppress":
        store.privacy.unsuppress(who)
        assert build_buckets(source, out).rebuilt
        assert gone <= ids_in(out)
        assert existing_manifest(out).rows == before.rows + 50
    store.close()


def ids_in(folder: Path) -> set[str]:
    """Every id in any Parquet file of the folder, whether a manifest names it or not."""
    found: set[str] = set()
    for path in folder.rglob("*.parquet"):
        table = pq.ParquetFile(path).read()
        for name in {"lead_id", "from_id"} & set(table.column_names):
            found.update(table[name].to_pylist())
    return found


def test_a_build_that_was_cut_off_before_somebody_was_erased_is_given_up(sqlite_url: str, tmp_path: Path):
    store, source, out = open_store(sqlite_url), StoreSource(sqlite_url), tmp_path / "out"
    fill(store, first=0, n=300)

    def cut_off(what: str, done: int, total: int) -> None:
        if what == "sorting buckets" and done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_buckets(source, out, n_buckets=2, progress=cut_off)
    assert "l3" in ids_in(out)
    store.privacy.erase("l3", now=NOON)
    built = build_buckets(source, out, n_buckets=2)
    assert (built.resumed, "l3" in ids_in(out)) == (False, False)
    assert not (out / "building").exists()
    store.close()


def test_another_store_is_read_anew(tmp_path: Path):
    for name, seed in (("a", 1), ("b", 2)):
        store = open_store(f"sqlite:///{tmp_path}/{name}.db")
        fill(store, first=0 if name == "a" else 1_000, n=50, seed=seed)
        store.close()
    build_buckets(StoreSource(f"sqlite:///{tmp_path}/a.db"), tmp_path / "out", n_buckets=2)
    built = build_buckets(StoreSource(f"sqlite:///{tmp_path}/b.db"), tmp_path / "out")
    assert built.rebuilt
    assert {content for rows in whole(tmp_path / "out").values() for *_, content in rows} == {
        f"/page/{i}" for i in range(1_000, 1_050)
    }


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_adbc_and_the_plain_driver_read_the_same(request: pytest.FixtureRequest, kind: str):
    pytest.importorskip(f"adbc_driver_{kind}", reason="ADBC is not installed; install the 'adbc' extra")
    url = request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_url")
    store = open_store(url)
    fill(store, first=0, n=300)
    store.close()
    source = StoreSource(url)
    for table in TABLES:
        plain, adbc = (
            pa.Table.from_batches(source.batches(table, 3, 250, is_alone=alone), schema=TABLES[table])
            for alone in (False, True)
        )
        assert len(plain) > 0
        assert plain.equals(adbc), table


def test_an_empty_store_makes_empty_buckets(sqlite_url: str, tmp_path: Path):
    open_store(sqlite_url).close()
    manifest = build_buckets(StoreSource(sqlite_url), tmp_path / "out", n_buckets=2).manifest
    assert (manifest.rows, whole(tmp_path / "out")) == (0, {})
    assert read_bucket(tmp_path / "out", manifest, 0).lead_ids == ()


def test_a_lead_s_bucket_is_the_same_everywhere():
    assert bucket_of(["ada", "bob", "\u6771\u4eac"], 64).tolist() == [21, 52, 46]
    counts = np.bincount(bucket_of([f"L{i:07}" for i in range(10_000)], 16), minlength=16)
    assert counts.min() > 500


@pytest.mark.parametrize("bad", [0, 4_097])
def test_a_number_of_buckets_out_of_bounds_is_refused(bad: int, tmp_path: Path):
    with pytest.raises(ConfigError, match="between 1 and 4096"):
        build_buckets(StoreSource("sqlite:///nowhere.db"), tmp_path, n_buckets=bad)


def test_two_builds_in_one_folder_are_refused(sqlite_url: str, tmp_path: Path):
    store = open_store(sqlite_url)
    fill(store, first=0, n=50)
    store.close()
    refused = []

    def meanwhile(what: str, done: int, total: int) -> None:
        try:
            build_buckets(StoreSource(sqlite_url), tmp_path / "out")
        except StoreError as refusal:
            refused.append(str(refusal))

    build_buckets(StoreSource(sqlite_url), tmp_path / "out", n_buckets=1, progress=meanwhile)
    assert refused
    assert "another build works" in refused[0]


_BUILD = """
import sys
from pathlib import Path
from data.buckets import build
from data.buckets.build import build_buckets
from data.buckets.source import StoreSource
if __name__ == "__main__":
    build._FEW = 0
    build_buckets(StoreSource(sys.argv[1]), Path(sys.argv[2]), n_buckets=4, part_rows=300, processes=int(sys.argv[3]))
"""


@pytest.mark.slow
def test_a_build_killed_at_any_moment_and_begun_again_gives_the_same_bytes(sqlite_url: str, tmp_path: Path):
    """Twenty kills of a real process; every other one in an incremental build that tears files, every fourth with two processes."""
    store = open_store(sqlite_url)
    fill(store, first=0, n=3_000, leads=200)
    source, base, expected = StoreSource(sqlite_url), tmp_path / "base", tmp_path / "expected"
    build_buckets(source, base, n_buckets=4, part_rows=300)
    fill(store, first=3_000, n=3_000, leads=200)
    store.add_links([Link(f"k{n}", f"l{n}", f"l{n + 1}", NOON) for n in range(0, 20, 2)], now=NOON)
    store.close()
    script = tmp_path / "build.py"
    script.write_text(_BUILD)
    _copy(base, expected)
    assert build_buckets(source, expected, part_rows=300).torn > 0
    build_buckets(source, tmp_path / "fresh", n_buckets=4, part_rows=300)
    wanted = {"incremental": contents(expected), "fresh": contents(tmp_path / "fresh")}
    rng, n_cut = random.Random(0), 0
    for attempt in range(20):
        out, kind = tmp_path / f"out{attempt}", ("fresh", "incremental")[attempt % 2]
        if kind == "incremental":
            _copy(base, out)
        command = [sys.executable, str(script), sqlite_url, str(out), "2" if attempt % 4 == 3 else "1"]
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        _wait_for_work(process, out)
        time.sleep(rng.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        n_cut += process.wait() == -signal.SIGKILL
        build_buckets(source, out, n_buckets=4, part_rows=300)
        assert contents(out) == wanted[kind], f"attempt {attempt}, {kind}"
    assert n_cut >= 10, "hardly any build was cut off: the kills come too late"


def _wait_for_work(process: subprocess.Popen, out: Path) -> None:
    while process.poll() is None and not (out / "building").exists():
        time.sleep(0.002)


def _copy(old: Path, new: Path) -> None:
    subprocess.run(["cp", "-r", str(old), str(new)], check=True)
