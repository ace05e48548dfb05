"""An answer leaves in one piece; what must not wait does not."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import httpx
import pytest

from serving.whole_answers import WholeAnswers
from tests.serving.test_limits import Listening, everything

OK = [("content-type", "text/plain")]


class Wire:
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.fixture
def asked() -> tuple[Wire, h11.Connection, WholeAnswers]:
    """A connection that has read one request."""
    wire, connection = Wire(), h11.Connection(h11.SERVER)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while type(connection.next_event()) is not h11.EndOfMessage:
        pass
    return wire, connection, WholeAnswers(wire, connection)  # type: ignore[arg-type]


def send(connection: h11.Connection, answers: WholeAnswers, *events: h11.Event) -> None:
    for event in events:
        answers.write(connection.send(event) or b"")


def response(headers: list[tuple[str, str]]) -> h11.Response:
    return h11.Response(status_code=200, headers=headers)


def test_head_and_body_are_written_once(asked):
    wire, connection, answers = asked
    for _ in range(2):
        wire.written.clear()
        send(connection, answers, response([*OK, ("content-length", "4")]), h11.Data(data=b"body"))
        send(connection, answers, h11.EndOfMessage())
        [written] = wire.written
        assert written.startswith(b"HTTP/1.1 200 ")
        assert written.endswith(b"\r\n\r\nbody")
        connection.start_next_cycle()
        connection.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while type(connection.next_event()) is not h11.EndOfMessage:
            pass


def test_an_answer_without_a_body_is_its_head(asked):
    wire, connection, answers = asked
    send(connection, answers, response([("content-length", "0")]), h11.Data(data=b""), h11.EndOfMessage())
    [written] = wire.written
    assert written.endswith(b"\r\n\r\n")


def test_each_piece_of_a_stream_goes_when_it_comes(asked):
    wire, connection, answers = asked
    send(connection, answers, response([*OK, ("transfer-encoding", "chunked")]), h11.Data(data=b"one"))
    assert [w[-8:] for w in wire.written] == [b"3\r\none\r\n"]
    send(connection, answers, h11.Data(data=b"two"))
    assert wire.written[1:] == [b"3\r\ntwo\r\n"]
    send(connection, answers, h11.EndOfMessage())
    assert wire.written[2:] == [b"0\r\n\r\n"]


def test_a_long_body_is_not_copied(asked):
    wire, connection, answers = asked
    body = b"x" * 100_000
    send(connection, answers, response([*OK, ("content-length", "100000")]), h11.Data(data=body))
    head, told = wire.written
    assert head.endswith(b"\r\n\r\n")
    assert told is body


def test_to_go_on_is_said_at_once():
    wire, connection = Wire(), h11.Connection(h11.SERVER)
    connection.receive_data(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    )
    connection.next_event()
    answers = WholeAnswers(wire, connection)  # type: ignore[arg-type]
    send(connection, answers, h11.InformationalResponse(status_code=100, headers=[]))
    assert len(wire.written) == 1


def test_a_head_that_nothing_follows_goes_before_the_connection_closes(asked):
    wire, connection, answers = asked
    send(connection, answers, response(OK))
    assert wire.written == []
    answers.close()
    assert len(wire.written) == 1
    assert answers.is_closing()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers what it is sent, in pieces; breaks off at /broken."""
    body, has_more = b"", True
    while has_more:
        message = await receive()
        body, has_more = body + message["body"], message["more_body"]
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    if scope["path"] == "/broken":
        raise ValueError("broken")
    await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": body[:3], "more_body": True})
    await send({"type": "http.response.body", "body": body[3:]})


def test_over_a_real_connection_every_byte_comes_in_order():
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
    with Listening(echo, head_seconds=600) as there, httpx.Client(base_url=there.url) as client:
        for body in (b"", b"abc", b"abcdef", b"x" * 200_000):
            assert client.post("/", content=body).content == body
        assert client.head("/").content == b""
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/broken", content=b"abcdef")
        with there.open(post + b"first!" + post + b"second" + b"no HTTP\r\n\r\n") as connection:
            answer = everything(connection)
        assert 0 < answer.find(b"first!") < answer.find(b"second") < answer.find(b"HTTP/1.1 400 ")
        with there.open(
            post.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        ) as waiting:
            assert waiting.recv(1_000).startswith(b"HTTP/1.1 100 ")
            waiting.sendall(b"answer")
            assert everything(waiting).endswith(b"\r\n\r\nanswer")
