"""A way to a server of this machine that can be cut: at once, or right after a COMMIT.

Threads of this process, two a connection. What is in flight when it is cut is lost, and nobody is
told more than that the connection is gone.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

COMMIT = b"\x00\x02\xb0\x12\x00\x00"
"""Bolt's message, in its chunk."""


@dataclass(eq=False)
class _Pair:
    """One client's connection and ours to the server."""

    client: socket.socket
    server: socket.socket
    drop_answer: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Proxy:
    """Passes on what comes to `port`; a context manager.

    Args:
        target: The server's port on 127.0.0.1.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.commits_cut = 0
        self._to_cut = 0
        self._open = True
        self._guard = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.cut()

    def cut(self) -> None:
        """Cut all connections; whoever connects anew is let through."""
        with self._guard:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            pair.close()

    @contextmanager
    def closed(self) -> Generator[None]:
        """Cut all connections, and every new one, until the block ends."""
        self._open = False
        self.cut()
        try:
            yield
        finally:
            self._open = True

    def cut_after_commits(self, n: int) -> None:
        """The next `n` transactions are committed, and their clients never hear of it."""
        with self._guard:
            self._to_cut = n

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._open:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5.0)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            pair = _Pair(client, server)
            with self._guard:
                self._pairs.add(pair)
            for work in (self._ask, self._answer):
                threading.Thread(target=work, args=(pair,), daemon=True).start()

    def _ask(self, pair: _Pair) -> None:
        while data := _received(pair.client):
            if COMMIT in data:
                with self._guard:
                    if self._to_cut:
                        self._to_cut -= 1
                        pair.drop_answer.set()
            if not _sent(pair.server, data):
                break
        self._end(pair)

    def _answer(self, pair: _Pair) -> None:
        while data := _received(pair.server):
            if pair.drop_answer.is_set():
                self.commits_cut += 1  # the server has answered: it is committed
                break
            if not _sent(pair.client, data):
                break
        self._end(pair)

    def _end(self, pair: _Pair) -> None:
        with self._guard:
            self._pairs.discard(pair)
        pair.close()


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""


def _sent(end: socket.socket, data: bytes) -> bool:
    try:
        end.sendall(data)
    except OSError:
        return False
    return True
