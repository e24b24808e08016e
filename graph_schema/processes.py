"""Processes of ours: marks that outlive a pid, ends, and ports that nobody else is given."""

from __future__ import annotations

import ctypes
import signal
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

import psutil

PR_SET_PDEATHSIG = 1
SAME_SECONDS = 2.0
"""How exactly a process's start is known: the machine's start is told in whole seconds."""


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
