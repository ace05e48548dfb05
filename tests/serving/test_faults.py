"""What must hold whatever goes wrong: a real server with keys, raw sockets, and either database.

One test a fault. The last reads every answer and the whole log of the run for what must never be there.
"""

from __future__ import annotations

import itertools
import json
import random
import resource
import shutil
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
from sqlalchemy import create_engine, make_url, text

from data.store import open_store
from tests.serving.conftest import NOW, make_scorer
from tests.serving.faults import PERSON, WRONG_KEY, Ground, Wire, crowd
from tests.serving.odd_requests import RAW, oversize
from tests.serving.running import promote, register, store_url, until

pytestmark = pytest.mark.slow

LEAD = {"employees": 9, "country": "de", **PERSON}
DAY_BEFORE = "2026-03-07T14:30:00Z"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    home = tmp_path_factory.mktemp(request.param)
    promote(home, register(home, make_scorer(slope=0.1), now=NOW))
    register(home, make_scorer(slope=0.3), now=NOW)
    url, wire = store_url(home), None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        engine = create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("DROP DATABASE IF EXISTS leadloop_faults"))
            connection.execute(text("CREATE DATABASE leadloop_faults"))
        url = make_url(server).set(database="leadloop_faults").render_as_string(hide_password=False)
        wire = Wire(url)
    store = open_store(url)
    secret, _ = store.keys.create("faults", ["admin"], now=NOW)
    store.close()
    made = Ground(home, url, secret, wire)
    made.start()
    yield made
    made.server.stop()
    if wire is not None:
        wire.close()
        with engine.connect() as connection:
            connection.execute(text("DROP DATABASE leadloop_faults WITH (FORCE)"))
        engine.dispose()


@pytest.fixture(autouse=True)
def in_order(ground: Ground) -> Iterator[None]:
    """Each fault is over before the next begins."""
    yield
    assert ground.post("/v1/score", LEAD).status == 200


@contextmanager
def under_writes(ground: Ground) -> Iterator[list[str]]:
    """Outcomes from four callers at once while the block lasts; the leads whose outcome was acknowledged."""
    kept: list[str] = []
    numbers = itertools.count(len(ground.answers) * 1_000)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            lead_id = f"w{next(numbers)}"
            try:
                answer = ground.post(
                    "/v1/outcomes", {"lead_id": lead_id, "kind": "contacted", "occurred_at": DAY_BEFORE}
                )
            except OSError:
                time.sleep(0.05)
                continue
            assert answer.status in (200, 503)
            if answer.status == 200:
                kept.append(lead_id)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(kept) > 30, "too few acknowledgements")
        yield kept
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def lost(ground: Ground, acknowledged: list[str]) -> list[str]:
    store = open_store(ground.store_url)
    store.check()
    kept = store.outcomes_of(acknowledged)
    store.close()
    return [lead_id for lead_id in acknowledged if not kept.get(lead_id)]


def test_01_killed_while_it_writes_it_keeps_what_it_acknowledged(ground: Ground):
    with under_writes(ground) as acknowledged:
        ground.server.kill()
    ground.start()
    assert lost(ground, acknowledged) == []


def test_02_a_commit_waits_for_the_disk(ground: Ground):
    """Power cannot be cut in a test; that the database flushes before it acknowledges can be asked."""
    store = open_store(ground.store_url)
    with store._engine.connect() as connection:
        if ground.wire is None:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
    store.close()


@contextmanager
def full_disk(ground: Ground) -> Iterator[None]:
    if ground.wire is None:
        # To SQLite a limit on the size of files is a disk error. The log is shorter than that.
        worker = ground.worker()
        most = (ground.home / "leadloop.db").stat().st_size
        worker.rlimit(psutil.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        yield
        worker.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        with refusing(ground, "53100"):
            yield


@contextmanager
def refusing(ground: Ground, state: str) -> Iterator[None]:
    """PostgreSQL answers every outcome with this SQLSTATE, as it does on a full disk or a broken page."""
    engine = create_engine(ground.store_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN RAISE EXCEPTION 'Lovelace' USING ERRCODE = '{state}'; END$$"
        ))  # fmt: skip
        connection.execute(text("CREATE TRIGGER refuse BEFORE INSERT ON outcomes EXECUTE FUNCTION refuse()"))
        yield
        connection.execute(text("DROP FUNCTION refuse() CASCADE"))
    engine.dispose()


def many_outcomes(n: int) -> list[dict]:
    return [{"lead_id": f"d{i}-{n}", "kind": "contacted", "occurred_at": DAY_BEFORE} for i in range(n)]


def test_03_a_full_disk_refuses_and_recovers(ground: Ground):
    many = many_outcomes(5_000)
    before = {"lead_id": "before", "kind": "contacted", "occurred_at": DAY_BEFORE}
    assert ground.post("/v1/outcomes", before).status == 200
    with full_disk(ground):
        refused = ground.post("/v1/outcomes", many)
        assert (refused.status, refused.said["code"]) == (503, "store_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert ground.get("/v1/leads/before").said["outcomes"]
    assert len(lost(ground, [item["lead_id"] for item in many])) == len(many)
    assert ground.post("/v1/outcomes", many).said["received"] == len(many)
    assert lost(ground, ["before", *(item["lead_id"] for item in many)]) == []


def test_04_broken_pages_are_never_served_from(ground: Ground):
    if ground.wire is not None:
        with refusing(ground, "XX001"):
            assert ground.post("/v1/outcomes", many_outcomes(1)).status == 503
            assert ground.post("/v1/score", LEAD).status == 200
        return
    home = ground.home / "damaged"
    shutil.copytree(ground.home / "serving", home / "serving")
    ground.server.stop()
    whole = (ground.home / "leadloop.db").read_bytes()
    ground.start()
    place = len(whole) // 2 // 4096 * 4096
    (home / "leadloop.db").write_bytes(whole[:place] + b"\xa5" * 112 + whole[place + 112 :])
    broken = Ground(home, store_url(home), ground.secret, answers=ground.answers)
    with pytest.raises(AssertionError):
        broken.start(patience=8)

    def listens() -> bool:
        with suppress(ConnectionRefusedError):
            return broken.post("/v1/score", LEAD).said["code"] != "starting"
        return False

    try:
        until(listens, "the damaged service does not listen")
        answer = broken.post("/v1/score", LEAD)
        assert (answer.status, answer.said["code"]) == (503, "store_damaged")
        assert broken.get("/readyz").status == 503
        log = broken.server.log.read_text()
        assert "the store's file is damaged" in log
        assert "restore it from a backup" in log
        assert "Traceback" not in log
    finally:
        broken.server.stop()


def test_05_damaged_models_are_refused_and_the_old_one_serves_on(ground: Ground):
    before = ground.post("/v1/score", LEAD).said
    for harm in (lambda whole: whole[: len(whole) // 2], lambda whole: bytes([whole[0] ^ 1]) + whole[1:]):
        known = set(ground.home.rglob("scorer.json"))
        number = register(ground.home, make_scorer(slope=0.7), now=NOW)
        for path in set(ground.home.rglob("scorer.json")) - known:
            path.write_bytes(harm(path.read_bytes()))
        promote(ground.home, number)
        until(lambda: "leadloop_champion_refused 1.0" in ground.get("/metrics").body.decode(), "not refused")
        after = ground.post("/v1/score", LEAD).said
        assert (after["points"], after["model_version"]) == (before["points"], "1")
        assert ground.get("/readyz").status == 200
        promote(ground.home, "1")
        until(
            lambda: "leadloop_champion_refused 0.0" in ground.get("/metrics").body.decode(), "still refused"
        )


def test_06_a_message_sent_again_because_no_answer_came_is_kept_once(ground: Ground):
    visit = {"lead_id": "again", "touchpoint_id": "t1", "occurred_at": DAY_BEFORE, "type": "webinar"}
    sent = ground.request("/v1/touchpoints", json.dumps(visit).encode())
    for _ in range(5):
        ground.connect(sent).close()
    ground.answer(sent)
    store = open_store(ground.store_url)
    with store._engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM touchpoints WHERE lead_id = 'again'"))
        assert found.scalar_one() == 1
    store.close()


def test_07_order_changes_no_score(ground: Ground):
    visits = [
        {"touchpoint_id": f"t{i}", "occurred_at": f"2026-03-0{1 + i % 7}T1{i % 9}:00:00Z", "type": kind}
        for i, kind in enumerate(["page_view", "pricing_view", "webinar", "email_open"] * 4)
    ]
    points = set()
    for turn in range(5):
        random.Random(turn).shuffle(visits)
        lead = f"order{turn}"
        for half in (visits[:5], visits[5:]):
            items = [{**v, "lead_id": lead, "touchpoint_id": f"{lead}-{v['touchpoint_id']}"} for v in half]
            assert ground.post("/v1/touchpoints", items).status == 200
        answer = ground.post(
            "/v1/score", {"lead_id": lead, "created_at": "2026-03-01T00:00:00Z", "store": False}
        )
        points.add((answer.said["engagement_points"], answer.said["score"]))
    assert len({score for _, score in points}) == 1
    # Hours pass between the requests: what depends on age may move in the third digit.
    assert max(p for p, _ in points) - min(p for p, _ in points) < 0.01


def test_08_no_clock_makes_a_feature_of_the_future(ground: Ground):
    def at(when: object) -> int:
        return ground.post(
            "/v1/score", {**LEAD, "touchpoints": [{"occurred_at": when, "type": "webinar"}]}
        ).status

    now = time.time()
    written = "%Y-%m-%dT%H:%M:%SZ"
    assert at(time.strftime(written, time.gmtime(now + 86_400))) == 422
    assert at(time.strftime(written, time.gmtime(now + 600))) == 422
    assert at(time.strftime(written, time.gmtime(now + 120))) == 200
    for odd in (
        int(now),
        int(now * 1_000),
        "2026-03-29T02:30:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
    ):
        assert at(odd) == 422, odd
    # The same instant on both sides of a change to summer time.
    same = {"lead_id": "dst", "touchpoint_id": "t", "type": "webinar"}
    ground.post("/v1/touchpoints", {**same, "occurred_at": "2026-03-29T01:30:00+00:00"})
    again = ground.post("/v1/touchpoints", {**same, "occurred_at": "2026-03-29T03:30:00+02:00"})
    assert (again.said["known"], again.said["conflicts"]) == (1, 0)


def test_09_slow_callers_hold_up_nobody_and_are_closed(ground: Ground):
    head = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-"
    body = ground.request("/v1/score", b"x" * 100)[:-50]
    with crowd(ground, head, 300) as heads, crowd(ground, body, 300):
        for _ in range(20):
            assert ground.post("/v1/score", LEAD).status == 200
        ends = time.monotonic() + 20
        for connection in heads:
            connection.settimeout(max(0.1, ends - time.monotonic()))
            assert ground.read(connection).status == 408


def test_10_what_is_too_large_or_no_json_is_refused_in_bounded_memory(ground: Ground):
    worker = ground.worker()
    before = worker.memory_info().rss
    for path in ("/v1/score", "/score"):
        for body, headers, statuses in oversize():
            answer = ground.answer(ground.request(path, body, headers=headers))
            assert answer.status in statuses | ({422} if path == "/score" else set()), (
                path,
                body[:30],
                answer,
            )
            if answer.status != 200:
                assert answer.said["code"]
    assert worker.memory_info().rss - before < 150_000_000


@pytest.mark.parametrize("sent", RAW, ids=range(len(RAW)))
def test_10_bytes_that_are_hardly_http_get_a_refusal_or_a_close(ground: Ground, sent: bytes):
    with ground.connect() as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = ground.read(connection)
        except OSError:
            return
    assert answer.status in {200, *range(400, 500)}, answer
    # An address that is no path, and a WebSocket, are the server's own: it answers in plain text.
    assert answer.status == 200 or b"://" in sent or b"Upgrade" in sent or answer.said["code"], answer


def test_11_told_to_stop_it_ends_what_it_has_begun(ground: Ground):
    leads = {"leads": [{"employees": n, "title": "Lovelace"} for n in range(2_000)]}
    begun = ground.connect(ground.request("/v1/score/bulk", json.dumps(leads).encode()))
    with under_writes(ground) as acknowledged:
        ground.server.process.send_signal(signal.SIGTERM)
        answer = ground.read(begun)
        assert ground.server.process.wait(timeout=30) == 0
    begun.close()
    assert (answer.status, answer.said["scored"]) == (200, 2_000)
    ground.start()
    assert lost(ground, acknowledged) == []


def test_12_a_killed_worker_comes_back_with_what_it_acknowledged(ground: Ground):
    with under_writes(ground) as acknowledged:
        worker = ground.worker()
        worker.kill()
        worker.wait(timeout=10)
        n = len(acknowledged)
        until(lambda: len(acknowledged) > n + 20, "it does not come back")
    assert lost(ground, acknowledged) == []


@contextmanager
def store_away(ground: Ground) -> Iterator[None]:
    if ground.wire is not None:
        ground.wire.cut()
        yield
        ground.wire.mend()
        return
    other = sqlite3.connect(ground.home / "leadloop.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.execute("ROLLBACK")
    other.close()


def test_13_while_the_store_is_away_it_scores_and_acknowledges_nothing(ground: Ground):
    outcome = {"lead_id": "away", "kind": "contacted", "occurred_at": DAY_BEFORE}
    with under_writes(ground) as acknowledged, store_away(ground):
        score = ground.post("/v1/score", LEAD)
        assert (score.status, score.said["degraded"]) == (200, True)
        refused = ground.post("/v1/outcomes", outcome)
        assert (refused.status, refused.said["code"]) == (503, "store_unavailable")
        assert int(refused.headers["retry-after"]) > 0
    until(lambda: ground.post("/v1/outcomes", outcome).status == 200, "the store does not come back")
    assert lost(ground, [*acknowledged, "away"]) == []


def test_14_one_answer_is_of_one_version_while_the_alias_moves(ground: Ground):
    seen: set[tuple[str, str, float]] = set()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = ground.post("/v1/score", {**LEAD, "store": False})
            seen.add((answer.headers["x-model-version"], answer.said["model_version"], answer.said["points"]))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in ("2", "1", "2", "1"):
        promote(ground.home, number)
        until(lambda number=number: ground.get("/v1/model").said["model_version"] == number, "not taken up")
    stop.set()
    for thread in threads:
        thread.join()
    assert all(header == body for header, body, _ in seen)
    assert sorted(version for _, version, _ in seen) == ["1", "2"]


def test_16_memory_does_not_grow_with_requests(ground: Ground):
    worker = ground.worker()

    def ask(n: int) -> int:
        for i in range(n):
            assert ground.post("/v1/score", {**LEAD, "lead_id": f"s{i % 20}"}).status == 200
        return worker.memory_info().rss

    warm = ask(300)
    assert ask(900) - warm < 20_000_000


def test_99_no_answer_and_no_line_of_the_log_tells_a_secret(ground: Ground):
    log = "".join(path.read_text() for path in ground.home.rglob("service.log"))
    assert len(ground.answers) > 1_000
    told = log + "\n".join(f"{a.headers} {a.body.decode('utf-8', 'replace')}" for a in ground.answers)
    password = make_url(ground.store_url).password
    for secret in ("lovelace", "babbage", ground.secret, WRONG_KEY, ground.secret[8:40], password):
        if secret:
            assert secret.lower() not in told.lower()
    for trace in ("Traceback (most recent", 'File "', '.py", line', "sqlalchemy.exc", "psycopg."):
        assert trace not in told, told[max(0, told.index(trace) - 500) :][:1500]
