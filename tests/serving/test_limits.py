"""Slow, half-open and too many: over real sockets, each is answered with a problem and holds up nobody else."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.protocols.http import auto
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.connections import LET_IN_A_TURN, Entrance, bounded, install
from serving.limits import BodyLimit
from tests.serving.conftest import Service, assert_problem, make_service, stop_service

LEAD = {"title": "CTO", "employees": 9}
HALF_HEAD = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-"
HALF_BODY = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


class Listening:
    """An application behind the HTTP server the service uses, in a thread."""

    def __init__(self, app: object, **options: Any) -> None:
        protocol = bounded(H11Protocol, **options)
        self.server = uvicorn.Server(
            uvicorn.Config(app, http=protocol, port=0, log_config=None, lifespan="off", timeout_keep_alive=5)  # type: ignore[arg-type]
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> Listening:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(timeout=20)

    def open(self, sent: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(sent)
        return connection


@contextmanager
def half_open(listening: Listening, sent: bytes, n: int) -> Iterator[list[socket.socket]]:
    connections = [listening.open(sent) for _ in range(n)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    read = b""
    while piece := connection.recv(65_536):
        read += piece
    return read


def document_of(answer: bytes) -> dict:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return json.loads(body)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Service]:
    """Two requests at work at most, and little patience with bodies."""
    made = make_service(tmp_path, max_at_work=2, body_seconds=1.0)
    yield made
    stop_service(made)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Service]:
    made = make_service(tmp_path, max_at_work=2, body_seconds=600.0)
    yield made
    stop_service(made)


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY])
def test_a_hundred_half_open_connections_take_nobodys_place(patient: Service, sent: bytes):
    with Listening(patient.app, head_seconds=600) as there, half_open(there, sent, 100):
        for _ in range(20):
            assert httpx.post(f"{there.url}/v1/score", json=LEAD, timeout=30).status_code == 200


def test_an_unfinished_head_is_told_so_and_closed(small: Service):
    with Listening(small.app, head_seconds=0.3) as there:
        with half_open(there, HALF_HEAD, 3) as connections:
            for connection in connections:
                answer = everything(connection)
                assert answer.startswith(b"HTTP/1.1 408 ")
                assert document_of(answer) == {
                    "type": "about:blank",
                    "title": "Too slow",
                    "status": 408,
                    "detail": "The headers were not complete after 0.3 seconds; send them in one go.",
                    "code": "too_slow",
                    "message": "The headers were not complete after 0.3 seconds; send them in one go.",
                }
        with half_open(there, b"", 1) as [silent]:
            assert everything(silent) == b""


def test_a_head_sent_drop_by_drop_does_not_live_longer(small: Service):
    with Listening(small.app, head_seconds=0.5) as there, half_open(there, b"GET / HT", 1) as [connection]:
        connection.settimeout(0.05)
        answer = b""
        for _ in range(400):
            try:
                connection.sendall(b"T")
                piece = connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                break
            answer += piece
            if not piece:
                break
        else:
            pytest.fail("the connection was never closed")


def test_an_unfinished_body_is_told_so(small: Service):
    with Listening(small.app, head_seconds=600) as there, half_open(there, HALF_BODY, 3) as connections:
        for connection in connections:
            answer = everything(connection)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert document_of(answer)["code"] == "too_slow"


def test_a_kept_connection_serves_again_and_is_not_cut_while_it_waits_for_an_answer(small: Service):
    with Listening(small.app, head_seconds=0.3) as there, httpx.Client(base_url=there.url) as client:
        for _ in range(3):
            assert client.post("/v1/score", json=LEAD).status_code == 200
            time.sleep(0.1)


def test_no_more_than_its_places_are_at_work(small: Service):
    inside = 0
    most = 0
    before = small.parts.writer.run

    async def slow(*args: object, **options: object) -> object:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.2)
        inside -= 1
        return await before(*args, **options)  # type: ignore[arg-type]

    small.parts.writer.run = slow  # type: ignore[method-assign]
    lead = {"lead_id": "ada", **LEAD}
    answers = small.calls([("POST", "/v1/leads", {"json": lead})] * 6)
    assert sorted(a.status_code for a in answers) == [200, 200, 503, 503, 503, 503]
    assert most == 2
    for busy in (a for a in answers if a.status_code == 503):
        document = assert_problem(busy, 503, "too_busy")
        assert document["message"] == (
            "The service works on 2 requests already; send this one again after a moment. Nothing of it was kept."
        )
        assert busy.headers["retry-after"] == "1"
    assert small.post("/v1/leads", lead).status_code == 200


def test_what_is_no_http_is_told_so_in_a_problem(small: Service):
    with Listening(small.app, head_seconds=600) as there:
        for sent in (
            b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000,
        ):
            with half_open(there, sent, 1) as [connection]:
                answer = everything(connection)
                assert answer.startswith(b"HTTP/1.1 400 ")
                assert document_of(answer)["code"] == "not_http"


@pytest.mark.parametrize("is_cut", [False, True])
def test_who_offers_to_go_over_to_http_2_is_answered_here(small: Service, is_cut: bool):
    """Java's own client offers it with every request; httptools would take the body for the other protocol and lose it."""
    body = json.dumps(LEAD).encode()
    head = (
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with (
        Listening(small.app, head_seconds=600) as there,
        half_open(there, head if is_cut else head + body, 1) as [connection],
    ):
        if is_cut:
            time.sleep(0.1)
            connection.sendall(body)
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert "score" in json.loads(answer.partition(b"\r\n\r\n")[2])


def test_heads_are_read_by_h11_whatever_else_is_installed(monkeypatch: pytest.MonkeyPatch):
    class OtherProtocol(asyncio.Protocol):
        """What uvicorn chooses where httptools is installed."""

    monkeypatch.setattr(auto, "AutoHTTPProtocol", OtherProtocol)
    install(lambda app: app)
    assert issubclass(auto.AutoHTTPProtocol, H11Protocol)


def test_a_caller_that_does_not_read_is_dropped():
    """Its answer, longer than all buffers, stayed in memory as long as it kept the connection."""

    async def long(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 50_000_000})

    with (
        Listening(long, head_seconds=600, reading_seconds=0.3) as there,
        half_open(there, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1) as [connection],
    ):
        time.sleep(1)
        with suppress(ConnectionResetError):
            assert len(everything(connection)) < 50_000_000
        assert not there.server.server_state.connections


def test_a_caller_that_reads_gets_all_of_a_long_answer():
    async def long(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"x" * 50_000_000})

    with Listening(long, head_seconds=600, reading_seconds=600) as there:
        assert len(httpx.get(there.url, timeout=60).content) == 50_000_000


def test_an_unfinished_body_never_gets_as_far_as_the_application():
    """BentoML's layers cost a millisecond for each request they see."""
    seen = []

    async def application(scope, receive, send):
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (await receive())["body"]})

    def door(app):
        return BodyLimit(app, max_bytes=1_000, seconds=0.3)

    with Listening(application, head_seconds=600, door=door) as there:
        with half_open(there, HALF_BODY, 3) as connections:
            for connection in connections:
                assert document_of(everything(connection))["code"] == "too_slow"
        assert seen == []
        assert httpx.post(f"{there.url}/whole", content=b"all of it").content == b"all of it"
        assert httpx.post(f"{there.url}/long", content=b"x" * 1_001).status_code == 413
    assert seen == ["/whole"]


def test_a_crowd_that_comes_at_once_is_let_in_a_few_a_turn_in_its_order():
    class Coming:
        """A connection that is read from until it is paused, and again when it is resumed."""

        def __init__(self, number: int, let_in: list[int]) -> None:
            self.number, self.let_in, self.is_paused = number, let_in, False

        def pause_reading(self) -> None:
            self.is_paused = True

        def resume_reading(self) -> None:
            self.let_in.append(self.number)

        def is_closing(self) -> bool:
            return self.number == 7

    async def come() -> tuple[list[int], list[int]]:
        entrance, loop, let_in, a_turn = Entrance(), asyncio.get_running_loop(), [], []
        coming = [Coming(number, let_in) for number in range(40)]
        for one in coming:
            entrance.arrive(one, loop)  # type: ignore[arg-type]
        at_once = [one.number for one in coming if not one.is_paused]
        while len(let_in) < 40 - len(at_once) - 1:
            before = len(let_in)
            await asyncio.sleep(0)
            a_turn.append(len(let_in) - before)
        await asyncio.sleep(0)
        late = Coming(99, let_in)
        await asyncio.sleep(0)
        entrance.arrive(late, loop)  # type: ignore[arg-type]
        assert not late.is_paused, "nobody waits, so it begins at once"
        assert max(a_turn) == LET_IN_A_TURN
        return at_once, let_in

    at_once, let_in = asyncio.run(come())
    assert at_once == list(range(LET_IN_A_TURN))
    assert let_in == [n for n in range(LET_IN_A_TURN, 40) if n != 7], "who left in line is passed over"
