"""Another way to a server of 127.0.0.1, which can hang: take calls and say nothing."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import psutil

from graph_schema.processes import reserved_port
from graph_schema.store.connection import StoreAddress
from tests.workers.tiny import until

DOOR = """
import asyncio, sys

async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

async def answer(reader, writer):
    inner = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(pump(reader, inner[1]), pump(inner[0], writer))

async def main():
    async with await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Door:
    """A process that passes on what it is sent."""

    process: psutil.Process

    def hang(self) -> None:
        """Connections stay, new ones are taken, and nothing is answered: a server that hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def door(port: int, uri: str) -> Generator[Door]:
    """Another way to the server at `uri`, open for a while."""
    target = urlsplit(uri).port
    process = subprocess.Popen(
        [sys.executable, "-c", DOOR, str(port), str(target)], stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: _open(port))
        yield Door(psutil.Process(process.pid))
    finally:
        process.kill()
        process.wait()


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 60.0).close()
    except ConnectionRefusedError:
        return False
    return True


@contextmanager
def graph_behind_a_door(address: StoreAddress) -> Generator[tuple[StoreAddress, Door]]:
    """The graph's address by way of a door, which is open."""
    with reserved_port() as port, door(port, address.uri) as way:
        outside = replace(address, uri=f"bolt://127.0.0.1:{port}")
        yield outside, way
