"""Answers that leave in one piece.

The HTTP server below writes the head of an answer and its body one after the other, and each costs a call of the operating system and the
caller a wake-up. Here a head waits for what follows it, as ASGI allows.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11

# Longer bodies are not copied once more to save a call.
_COPIED_UP_TO = 65_536


class WholeAnswers:
    """A transport of an HTTP/1.1 connection that joins each head with the first of its body.

    Parameters
    ----------
    transport : where it goes; everything but ``write`` and ``close`` is the transport's own.
    connection : knows what is being sent.
    """

    def __init__(self, transport: asyncio.Transport, connection: h11.Connection) -> None:
        self._transport = transport
        self._connection = connection
        self._head = b""
        self._is_in_body = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._connection.our_state is not h11.SEND_BODY:
            self._is_in_body = False
        elif not self._is_in_body:
            self._is_in_body = True
            self._head = data
            return
        if self._head:
            if len(data) <= _COPIED_UP_TO:
                data = self._head + data
            else:
                self._transport.write(self._head)
            self._head = b""
        if data:
            self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()
