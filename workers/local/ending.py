"""The end of a local service: asked for, and what a dead one left running."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import suppress
from enum import StrEnum

from graph_schema.errors import StoreUnavailable
from graph_schema.processes import elsewhere, end_process, marked_process
from workers.local.files import POLL_SECONDS, ServiceFiles, State, locked
from workers.settings import Settings

STOP_SECONDS = 60.0


class Ended(StrEnum):
    """What became of the local service that was to end."""

    NOTHING = "no service ran"
    STOPPED = "stopped"
    KILLED = "killed, as it did not end when it was told to"
    FOLLOWED = "stopped, and somebody has started another since"


def down(settings: Settings) -> Ended:
    """End the local service; a running job goes back to the queue.

    Raises:
        StoreUnavailable: It runs on another machine, or cannot be ended.
    """
    files = ServiceFiles(settings)
    files.pinned.unlink(missing_ok=True)
    files.worker_wanted.unlink(missing_ok=True)
    if not files.supervised():
        _end_what_is_left(files)
        return Ended.NOTHING
    state = _told_to_end(files)
    if state is None:
        raise StoreUnavailable(
            f"the local service of {files.home} does not say which process it is; see with: "
            "pgrep -af workers.local.supervisor"
        )
    killed = files.supervised() and marked_process(state.supervisor) is not None
    end_process(state.supervisor, 5.0)  # else it has let go of its lock and is on its way out
    end_leftovers(state)
    if marked_process(state.supervisor) is not None:
        raise StoreUnavailable(
            f"the local service of {files.home} cannot be ended: its process, "
            f"{state.supervisor['pid']:.0f}, stays; see what it waits for"
        )
    if killed:
        return Ended.KILLED
    return Ended.FOLLOWED if files.supervised() else Ended.STOPPED


def end_leftovers(state: State | None) -> None:
    """End what a dead supervisor left running."""
    if state is not None:
        for mark in (state.worker, state.database):
            end_process(mark, 10.0)


def _told_to_end(files: ServiceFiles) -> State | None:
    """The last state of the supervisor that is there, told to end until it has, or for a while."""
    state: State | None = None
    end = time.monotonic() + STOP_SECONDS
    while files.supervised() and time.monotonic() < end:
        # Again and again: one that is only just starting has not written its state yet.
        found = files.read()
        if found and (host := elsewhere(found.supervisor)):
            raise StoreUnavailable(
                f"the local service of {files.home} runs on {host}, or in a container of its own, "
                "and is not stopped; run there: circuits down"
            )
        if found and (state is None or found.supervisor == state.supervisor):
            state = found
        process = marked_process(state.supervisor) if state else None
        if process is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        elif found is not state:
            break  # the one that was there has ended, and somebody has started another since
        else:
            state = None  # of one that ended long ago
        time.sleep(4 * POLL_SECONDS)
    return state


def _end_what_is_left(files: ServiceFiles) -> None:
    with locked(files.start_lock, fcntl.LOCK_EX, wait=True):  # nobody starts one meanwhile
        if not files.supervised():
            end_leftovers(files.read())
