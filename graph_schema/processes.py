"""Processes of ours: marks that outlive a pid, ends, and ports that nobody else is given."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

Mark = dict[str, float | str]

PR_SET_PDEATHSIG = 1
SAME_SECONDS = 2.0
"""How exactly a process's start is known: the machine's start is told in whole seconds."""

NO_LINUX = " pids"
"""Ends what names a machine's start where the system itself does not."""


def process_mark(pid: int) -> Mark:
    """What tells this process from every other one: of this machine's, and of other machines'."""
    started = _started(psutil.Process(pid))
    return {"pid": pid, "started": started, "host": socket.gethostname(), "boot": boot_id()}


def marked_process(mark: Mapping[str, float | str] | None) -> psutil.Process | None:
    """The process of this mark, None where it has ended, or is not of this machine as it is now."""
    if not mark or not _of_here(mark):
        return None
    try:
        process = psutil.Process(int(mark["pid"]))
        same = abs(_started(process) - float(mark["started"])) < SAME_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, KeyError):
        return None


def elsewhere(mark: Mapping[str, float | str] | None) -> str | None:
    """The host of a mark that another machine or container made: whether it lives is not known.

    None where it is of this one, or of this one before it was started again.
    """
    if not mark or _of_here(mark):
        return None
    host, space = str(mark.get("host")), str(mark.get("boot")).partition(" ")[2]
    here = host == socket.gethostname() and space == boot_id().partition(" ")[2]
    return None if here else host


def boot_id() -> str:
    """Names this start of the machine, and behind a space whose pids these are (a container's)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # no Linux
        return f"{round(psutil.boot_time() / 60)}{NO_LINUX}"
    return f"{boot} {space}"


def _of_here(mark: Mapping[str, float | str]) -> bool:
    """Whether the mark's pid is one of those that this process sees; older marks do not say.

    A machine may be given another name while it runs: where its start has an id, that alone counts.
    """
    if "boot" not in mark:
        return True
    named = boot_id().endswith(NO_LINUX) and mark["host"] != socket.gethostname()
    return mark["boot"] == boot_id() and not named


def _started(process: psutil.Process) -> float:
    """Seconds from the machine's start to the process's: setting the clock moves neither."""
    boot = psutil.boot_time()  # first: older versions count the other from what this found
    return process.create_time() - boot


def end_process(mark: Mapping[str, float | str] | None, seconds: float) -> None:
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

    To be called in the child, between fork and exec or first of all. "Our parent" is the thread
    that started it.
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
