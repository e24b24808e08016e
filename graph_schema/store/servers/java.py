"""Starting and stopping a database that is a Java process of ours.

What both servers share (`embedded.py`, `neo4j_server.py`): an owner-only argument file, so that no
password shows in a process list; a log file; readiness; a clean end, also when we are killed.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from graph_schema.errors import CircuitServiceError, SpecError, StoreUnavailable
from graph_schema.store.connection import GraphStore, StoreAddress

PR_SET_PDEATHSIG = 1
SAME_SECONDS = 2.0
"""How exactly a process's start is known: the machine's start is told in whole seconds."""


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


def process_mark(pid: int) -> dict[str, float]:
    """What tells this process from a later one with the same pid."""
    return {"pid": pid, "started": _started(psutil.Process(pid))}


def marked_process(mark: Mapping[str, float] | None) -> psutil.Process | None:
    """The process of this mark, None where it has ended."""
    if not mark:
        return None
    try:
        process = psutil.Process(int(mark["pid"]))
        same = abs(_started(process) - mark["started"]) < SAME_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, KeyError):
        return None


def _started(process: psutil.Process) -> float:
    """Seconds from the machine's start to the process's: setting the clock moves neither."""
    boot = psutil.boot_time()  # first: older versions count the other from what this found
    return process.create_time() - boot


def end_process(mark: Mapping[str, float] | None, seconds: float) -> None:
    """End the process of this mark and its children: a request, then force after `seconds`."""
    process = marked_process(mark)
    if process is None:
        return
    with suppress(psutil.Error):
        tree = [*process.children(recursive=True), process]
        process.terminate()
        _, alive = psutil.wait_procs(tree, timeout=seconds)
        for left in alive:
            with suppress(psutil.Error):
                left.kill()
        psutil.wait_procs(alive, timeout=5.0)


def die_with_parent() -> None:
    """Ask the kernel for a SIGTERM when our parent ends, however it ends (Linux).

    To be called in a child between fork and exec.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, "" where there is none."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def private_log(path: Path, megabytes: float = 5.0) -> IO[bytes]:
    """An owner-only log, open to append; one grown too long is put aside, one generation of it."""
    if path.exists() and path.stat().st_size > megabytes * 2**20:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


@contextmanager
def reserved_port(wanted: int | None = None) -> Generator[int]:
    """A port of 127.0.0.1, the wanted one if it is free, that nobody else is given meanwhile.

    It refuses connections until somebody who asks for it by number (and sets SO_REUSEADDR, as
    servers do) listens on it. Other systems than Linux would refuse that one too: there the port
    is only free at this moment.
    """
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            kept.bind(("127.0.0.1", wanted or 0))
        except OSError:
            if not wanted:
                raise
            kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        if sys.platform != "linux":
            kept.close()
        yield port


def private_folder(path: Path) -> Path:
    """The folder, made where missing, that only its owner may enter.

    Raises:
        SpecError: It cannot be one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
    except OSError as error:
        raise SpecError(
            f"{str(path)!r} cannot be used as a private folder: {error.strerror}; have "
            "CIRCUITS_HOME name a folder of your own"
        ) from error
    return path


def write_private(path: Path, text: str) -> None:
    """Put `text` into a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # a full disk's
        raise
