"""The local service, from the side of those who use it.

One detached supervisor (`supervisor.py`) per `CIRCUITS_HOME` owns the embedded database and a
worker, which is there while there is work. `ensure_local` joins it or starts it; `renew_worker`
wishes for its worker; `hold` tells it that somebody is here; it ends itself when nobody has been
for `idle_seconds` and no job is live. `files.py` is how they speak.
"""

from __future__ import annotations

import fcntl
import logging
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from secrets import token_hex

from graph_schema.errors import StoreUnavailable
from graph_schema.private_files import private_log, tail
from graph_schema.processes import Mark, elsewhere, marked_process
from graph_schema.store.connection import StoreAddress
from graph_schema.store.servers.embedded import package_folder
from workers.local.able import can_work
from workers.local.files import POLL_SECONDS, Phase, ServiceFiles, locked
from workers.settings import Settings

log = logging.getLogger(__name__)

START_SECONDS = 240.0
DETACH_SECONDS = 60.0
LOADING_SECONDS = 20.0
"""A worker that is younger is likely still loading torch."""


@dataclass(frozen=True)
class LocalService:
    """A running local service: where its graph and its queue are."""

    address: StoreAddress
    broker_url: str


@dataclass(frozen=True)
class ServiceStatus:
    """What `circuits status` shows of the local service."""

    running: bool
    phase: Phase | None = None
    uri: str | None = None
    supervisor_pid: int | None = None
    database_pid: int | None = None
    worker_pid: int | None = None
    worker_failures: int = 0
    pinned: bool = False
    home: str = ""
    elsewhere: str | None = None
    """The host whose service it is, where that is not this machine, or another container's."""

    @property
    def answers(self) -> bool:
        """Whether `ensure_local` would find it ready, and start nothing."""
        return self.running and self.phase is Phase.READY and self.database_pid is not None


@contextmanager
def hold(settings: Settings) -> Generator[None]:
    """Keep the local service from ending for want of users."""
    with locked(ServiceFiles(settings).users_lock, fcntl.LOCK_SH, wait=True):
        yield


def ensure_local(settings: Settings, *, worker: bool = True) -> LocalService:
    """The running local service of the home, started if need be (5-12 s).

    Args:
        settings: `home` says which service; a running one keeps the settings it was started with.
        worker: Jobs that are queued there get a worker, where torch is installed (`require_worker`
            says if it must be). None is waited for.

    Raises:
        MissingExtraError: The embedded database is not installed.
        StoreUnavailable: It does not start; the message has the end of the logs.
    """
    package_folder()
    files = ServiceFiles(settings)
    wanted = worker and can_work(settings)
    starter = token_hex(8)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if wanted:
            # Again and again: a service that ends takes the wish with it, and so does `down`.
            files.worker_wanted.touch(0o600)
        supervised = files.supervised()
        state = files.read()
        if supervised:
            if state and (host := elsewhere(state.supervisor)):
                raise StoreUnavailable(
                    f"the local service of {files.home} runs on {host}, or in a container of its "
                    "own, and answers there alone; run this there, or have CIRCUITS_HOME name "
                    "another folder; for several machines see docs/deployment.md"
                )
            if state and state.phase is Phase.READY and marked_process(state.database):
                assert state.address is not None
                return LocalService(state.address, settings.broker_url)
        elif state and state.starter == starter and state.phase is Phase.FAILED:
            raise StoreUnavailable(
                f"the local service of {files.home} does not start: {state.error}"
            )
        else:
            _start(settings, files, starter)
        time.sleep(POLL_SECONDS)
    raise StoreUnavailable(
        f"the local service of {files.home} is not ready after {START_SECONDS:g} s; "
        f"try `circuits down`, then again; the end of its log:\n{tail(_log(files))}"
    )


class WorkerIs(StrEnum):
    """What there is of the local service's worker."""

    ALIVE = "alive"
    STARTING = "starting"
    MISSING = "missing"
    FAILING = "ending with errors"


def renew_worker(settings: Settings) -> WorkerIs:
    """Wish that the running service has a worker, and say what there is of one.

    Returns at once, and starts no service: whoever asks again sees what came of it. A worker is
    started where a job is queued or running: wish for it when the job is stored, not before.
    """
    files = ServiceFiles(settings)
    state = files.read()
    if state is None or not files.supervised():
        return WorkerIs.MISSING
    alive = marked_process(state.worker)
    if alive is not None or can_work(settings):
        # One that is alive may be about to end, and a database that is not ready soon will be.
        files.worker_wanted.touch(0o600)
    if state.phase is not Phase.READY:
        return WorkerIs.MISSING
    if alive is not None:
        young = time.time() - alive.create_time() < LOADING_SECONDS
        return WorkerIs.STARTING if young else WorkerIs.ALIVE
    return WorkerIs.FAILING if state.worker_failures else WorkerIs.MISSING


def pin(settings: Settings) -> None:
    """Keep the local service until `down`."""
    ServiceFiles(settings).pinned.touch(0o600)


def status(settings: Settings) -> ServiceStatus:
    """What runs, without starting anything."""
    files = ServiceFiles(settings)
    state, running = files.read(), files.supervised()
    if not running or state is None:
        return ServiceStatus(running, home=str(files.home), pinned=files.pinned.exists())
    return ServiceStatus(
        running=True,
        phase=state.phase,
        uri=state.address.uri if state.address else None,
        supervisor_pid=_pid(state.supervisor),
        database_pid=_pid(state.database),
        worker_pid=_pid(state.worker),
        worker_failures=state.worker_failures,
        pinned=files.pinned.exists(),
        home=str(files.home),
        elsewhere=elsewhere(state.supervisor),
    )


def running_graph(settings: Settings) -> StoreAddress | None:
    """The graph of the home's service where that runs here and is ready; makes and starts nothing.

    It is not held: who looks at it keeps it from nothing.
    """
    if not (settings.home / "service" / "state.json").exists():
        return None
    files = ServiceFiles(settings)
    state = files.read()
    if state is None or state.phase is not Phase.READY or elsewhere(state.supervisor):
        return None
    return state.address if files.supervised() and marked_process(state.database) else None


def _start(settings: Settings, files: ServiceFiles, starter: str) -> None:
    """Start a supervisor, if nobody else does; returns when it has the lock or has ended."""
    with locked(files.start_lock, fcntl.LOCK_EX, wait=True):
        if files.supervised():
            return
        log.info("starting the local service of %s", files.home)
        with private_log(_log(files)) as output:
            # It forks and ends at once, so that nobody here has to wait for the real one.
            ran = subprocess.run(
                [sys.executable, "-P", "-m", "workers.local.supervisor", starter],
                env=settings.environment(),
                cwd=files.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                umask=0o077,
                check=False,
            )
        end = time.monotonic() + DETACH_SECONDS
        while ran.returncode == 0 and time.monotonic() < end:
            state = files.read()
            if files.supervised() or (state and state.starter == starter):
                return
            time.sleep(POLL_SECONDS)
    raise StoreUnavailable(
        f"the supervisor of {files.home} ended at once; the end of its log:\n{tail(_log(files))}"
    )


def _log(files: ServiceFiles) -> Path:
    return files.logs / "supervisor.log"


def _pid(mark: Mark | None) -> int | None:
    process = marked_process(mark)
    return process.pid if process else None
