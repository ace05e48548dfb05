"""What the tests of faults share: a guarded server on either database, raw sockets, and a wire to PostgreSQL that can be cut."""

from __future__ import annotations

import contextlib
import http.client
import json
import selectors
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.serving.running import Server

# Nothing of this may be in any answer or log.
PERSON = {
    "email": "ada.lovelace@example.org",
    "title": "Lovelace, Countess",
    "company": "Lovelace & Babbage",
}
WRONG_KEY = "ll_" + "5ec2e7" * 10


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


@dataclass
class Ground:
    """A server, its store, and all that was ever answered."""

    home: Path
    store_url: str
    secret: str
    wire: Wire | None = None
    server: Server = field(init=False)
    answers: list[Answer] = field(default_factory=list)

    def start(self, *, patience: float = 60) -> None:
        served = self.wire.url(self.store_url) if self.wire else self.store_url
        self.server = Server(self.home, LEADLOOP_STORE=served)
        self.server.wait_until_ready(seconds=patience)

    def worker(self) -> psutil.Process:
        [found] = [p for p in self.server.workers() if "worker.service" in " ".join(p.cmdline())]
        return found

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
        connection.sendall(sent)
        return connection

    def answer(self, sent: bytes) -> Answer:
        """The answer to these very bytes; raises OSError when there is none."""
        with self.connect() as connection:
            # A server may refuse before it has read everything.
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent)
            return self.read(connection, "HEAD" if sent.startswith(b"HEAD") else "POST")

    def read(self, connection: socket.socket, method: str = "POST") -> Answer:
        try:
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except http.client.HTTPException as fault:
            raise ConnectionError(type(fault).__name__) from fault
        self.answers.append(found)
        return found

    def request(self, path: str, body: bytes, *, method: str = "POST", headers: str = "") -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {self.secret}\r\nConnection: close\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode("latin-1") + body

    def post(self, path: str, body: object) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.answer(self.request(path, raw))

    def get(self, path: str) -> Answer:
        return self.answer(self.request(path, b"", method="GET"))


class Wire:
    """A way to PostgreSQL that can be cut and mended: to the service, the server is down and up again."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import make_url

        self._to = (make_url(url).host, make_url(url).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._is_cut = False
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, store_url: str) -> str:
        from sqlalchemy import make_url

        made = make_url(store_url).set(host="127.0.0.1", port=self.port)
        return made.render_as_string(hide_password=False)

    def cut(self) -> None:
        self._is_cut = True
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                self._ends += [near, far]
                threading.Thread(target=_carry, args=(near, far), daemon=True).start()


def _carry(near: socket.socket, far: socket.socket) -> None:
    with selectors.DefaultSelector() as ready, near, far, contextlib.suppress(OSError):
        ready.register(near, selectors.EVENT_READ, far)
        ready.register(far, selectors.EVENT_READ, near)
        while True:
            for key, _ in ready.select():
                piece = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                if not piece:
                    return
                key.data.sendall(piece)


@contextlib.contextmanager
def crowd(ground: Ground, sent: bytes, n: int) -> Iterator[list[socket.socket]]:
    connections = [ground.connect(sent) for _ in range(n)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()
