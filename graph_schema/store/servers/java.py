"""Starting and stopping a database that is a Java process of ours.

What both servers share (`embedded.py`, `neo4j.py`): an owner-only argument file, so that no
password shows in a process list; a log file; readiness; a clean end, also when we are killed.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from graph_schema.errors import CircuitServiceError, StoreUnavailable
from graph_schema.private_files import private_log, tail, write_private
from graph_schema.processes import die_with_parent, end_process, process_mark
from graph_schema.store.connection import GraphStore, StoreAddress


@dataclass
class JavaServer:
    """A database server that this process started: stop it, or it ends with this process."""

    name: str
    process: subprocess.Popen[bytes]
    address: StoreAddress
    log: Path
    more_log: Path | None = None

    def last_words(self) -> str:
        """Where the logs are and how they end."""
        found = {path: tail(path) for path in (self.log, self.more_log) if path}
        return "\n".join(f"the end of {path}:\n{text}" for path, text in found.items() if text)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, seconds: float = 20.0) -> None:
        """End it: a request first, so that it closes its files, force after `seconds`."""
        if self.alive:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def start_java(
    name: str,
    java: Path,
    arguments: Iterable[str],
    *,
    folder: Path,
    address: StoreAddress,
    more_log: str | None = None,
    ready: Callable[[StoreAddress], None] | None = None,
    seconds: float = 120.0,
) -> JavaServer:
    """A running server that answers at `address`.

    The arguments go through `folder/java.args`, the output to `folder/server.log`.

    Raises:
        StoreUnavailable: It ended, or did not answer in time; the message has the log's end.
    """
    end_leftover(folder)
    log = folder / "server.log"
    arguments_file = folder / "java.args"
    write_private(arguments_file, "".join(f"{_quoted(word)}\n" for word in arguments))
    with private_log(log) as output:
        process = subprocess.Popen(
            [str(java), f"@{arguments_file}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is not for the database
            umask=0o077,
            preexec_fn=die_with_parent,
        )
    write_private(folder / "server.pid", json.dumps(process_mark(process.pid)))
    server = JavaServer(name, process, address, log, folder / more_log if more_log else None)
    try:
        _wait(server, ready or _answers, seconds)
    except BaseException:
        server.stop(5.0)
        raise
    return server


def _answers(address: StoreAddress) -> None:
    with GraphStore(address, patience=0.0) as store:
        store.ping()


def _wait(server: JavaServer, ready: Callable[[StoreAddress], None], seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        if not server.alive:
            raise StoreUnavailable(
                f"{server.name} ended while starting (exit status {server.process.returncode}); "
                f"{server.last_words()}"
            )
        try:
            # Before the port opens a driver's attempt costs more than a plain connection.
            if _listening(server.address):
                ready(server.address)
                return
        except CircuitServiceError as error:
            reason = str(error)
        else:
            reason = "its port is closed"
        if time.monotonic() > end:
            raise StoreUnavailable(
                f"{server.name} did not answer within {seconds:g} s ({reason}); "
                f"{server.last_words()}"
            )
        time.sleep(0.1)


def _listening(address: StoreAddress) -> bool:
    host, _, port = address.uri.rpartition("/")[2].partition(":")
    try:
        with socket.create_connection((host, int(port)), 1.0):
            return True
    except OSError:
        return False


def end_leftover(folder: Path, seconds: float = 20.0) -> None:
    """End the server that a dead parent left running on this folder, if there is one.

    Where the kernel does not end children with their parents (macOS) it would hold the files.
    """
    try:
        mark = json.loads((folder / "server.pid").read_text())
    except (FileNotFoundError, ValueError):
        return
    end_process(mark, seconds)


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
