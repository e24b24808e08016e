"""What a worker's child tells its main process as it happens, for whoever counts (`metrics.py`).

Words are datagrams over a socket in a private folder: nobody waits for one, and none is written to
a disk, which may be full. One that cannot be sent is lost; nothing but a count hangs on it.
"""

from __future__ import annotations

import json
import logging
import socket
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

log = logging.getLogger(__name__)

LONGEST = 4096
END_SECONDS = 2.0


class What(StrEnum):
    """What has happened."""

    STARTED = "started"
    ENDED = "ended"
    RENEWAL_FAILED = "renewal failed"


class Outcome(StrEnum):
    """How an attempt at a job has ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    """By an error that may pass: the job is tried again later, and charged no attempt."""
    GIVEN_BACK = "given_back"
    """The worker stops; the attempt is not charged."""
    LEASE_LOST = "lease_lost"
    """Another worker has the job."""


@dataclass(frozen=True)
class Word:
    """Something that happened to a job of some kind; `seconds` is how long an attempt took."""

    what: What
    kind: str
    outcome: Outcome | None = None
    seconds: float = 0.0


Tell = Callable[[Word], None]


def untold(word: Word) -> None:
    """Tell nobody."""


class Teller:
    """Tells the main process that hears at a path; never waits, and raises nothing."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, word: Word) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.setblocking(False)
            own.sendto(json.dumps(asdict(word)).encode(), self._path)


@contextmanager
def hearing(hear: Tell) -> Generator[str]:
    """The path to tell words at: a thread passes them on until the block ends.

    Raises:
        OSError: There is no place for the socket.
    """
    with (
        tempfile.TemporaryDirectory(prefix="circuits-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own,
    ):
        path = str(Path(folder, "words"))
        own.bind(path)
        thread = threading.Thread(target=_pass_on, args=(own, hear), name="words", daemon=True)
        thread.start()
        try:
            yield path
        finally:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", path)
            thread.join(END_SECONDS)


def _pass_on(own: socket.socket, hear: Tell) -> None:
    while data := own.recv(LONGEST):
        try:
            told = json.loads(data)
            outcome = told["outcome"] and Outcome(told["outcome"])
            hear(Word(What(told["what"]), told["kind"], outcome, told["seconds"]))
        except Exception:
            log.exception("a word of this worker's child is not counted")
