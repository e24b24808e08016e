"""The files by which a home's local service and those who use it speak.

Under `home/service`:

- `supervisor.lock`: held by the supervisor as long as it lives, however it ends
- `users.lock`: shared by all who use the home
- `start.lock`: held by whoever starts a supervisor, so that two at once start one
- `state.json`: what the supervisor says of itself, passwords included, hence owner-only
- `pinned`, `worker-wanted`: requests, by being there
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from graph_schema.errors import SpecError
from graph_schema.private_files import private_folder, write_private
from graph_schema.processes import Mark
from graph_schema.store.connection import StoreAddress
from workers.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05

USERS = "users.lock"
OURS = frozenset(("service", "store", "broker", "artifacts", "cache", "logs", "owners"))
"""What a home may hold before it had a local service."""
EMPTY = frozenset(("lost+found",))
"""What an empty disk holds."""


class Phase(StrEnum):
    """Where a supervisor stands."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True)
class State:
    """What `state.json` says; a mark tells a process from a later one with its pid."""

    phase: Phase
    starter: str
    supervisor: Mark
    address: StoreAddress | None = None
    database: Mark | None = None
    worker: Mark | None = None
    worker_failures: int = 0
    error: str | None = None
    goes_by: dict[str, str] = field(default_factory=dict[str, str])
    """What its worker goes by (`goes_by.py`)."""


def own_home(home: Path) -> Path:
    """The home, made where it is missing; one that is there is left as it is.

    Raises:
        SpecError: It cannot be made; or it is another user's, or holds something else.
    """
    advice = "have CIRCUITS_HOME name a folder that is yours, and empty or not there yet"
    try:
        home.mkdir(parents=True, mode=0o700, exist_ok=True)
        found, owner = {path.name for path in home.iterdir()}, home.stat().st_uid
    except OSError as error:
        raise SpecError(
            f"{str(home)!r} cannot be used as a private folder: {error.strerror}; {advice}"
        ) from error
    if owner != os.getuid():
        raise SpecError(f"{str(home)!r} belongs to user {owner}, not to you; {advice}")
    known = (home / "service" / USERS).exists()
    if not known and (others := sorted(found - OURS - EMPTY)):
        raise SpecError(
            f"{str(home)!r} is not empty and no home of circuits: it holds {others[0]!r}; {advice}"
        )
    return home


class ServiceFiles:
    """The files by which users and supervisor of one home speak."""

    def __init__(self, settings: Settings) -> None:
        self.home = settings.home
        self.folder = private_folder(own_home(settings.home) / "service")
        self.logs = private_folder(settings.log_dir)
        self.supervisor_lock = self.folder / "supervisor.lock"
        self.users_lock = self.folder / USERS
        self.start_lock = self.folder / "start.lock"
        self.state_file = self.folder / "state.json"
        self.pinned = self.folder / "pinned"
        self.worker_wanted = self.folder / "worker-wanted"

    def read(self) -> State | None:
        """What the last supervisor wrote; it may be dead."""
        try:
            found: dict[str, Any] = json.loads(self.state_file.read_text())
            address = found.pop("address")
            phase = Phase(found.pop("phase"))
            return State(phase, address=StoreAddress(**address) if address else None, **found)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError):
            log.warning("%s is damaged and left aside", self.state_file)
            return None

    def write(self, state: State) -> None:
        write_private(self.state_file, json.dumps(asdict(state)))

    @contextmanager
    def supervising(self) -> Generator[bool]:
        """Be the home's supervisor for the body; yields False where there is one.

        Those who look whether there is one share its lock for an instant, or for as long as they
        stand still in it: no reason to give up.
        """
        while True:
            with locked(self.supervisor_lock, fcntl.LOCK_EX) as alone:
                if alone or self.supervised():
                    yield alone
                    return
            time.sleep(POLL_SECONDS)

    def supervised(self) -> bool:
        """Whether a supervisor lives."""
        with locked(self.supervisor_lock, fcntl.LOCK_SH) as free:
            return not free


@contextmanager
def locked(path: Path, kind: int, *, wait: bool = False) -> Generator[bool]:
    """Hold a file lock; without `wait`, yields False where it cannot be had at once."""
    with path.open("a") as file:
        path.chmod(0o600)
        yield _lock(file, kind, wait)


def _lock(file: IO[str], kind: int, wait: bool) -> bool:
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
