"""A queue that is a folder: a kombu transport for one machine that needs no server.

A message is a file. It appears under its name when it is complete and is taken by a rename in its
own folder, so that any number of processes may send and take. Names sort in the order in which
messages are to be taken, by priority and then by time; while messages wait the folder is listed
every `LOOK_SECONDS` at most: with 10,000 of them a listing a take took 387 ms. (kombu's own
filesystem transport takes a file as soon as it exists: a worker that looks between its creation and
its writing reads nothing, and ends.)
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Generator
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps

from workers.broker.messages import LONGEST, read_message

log = logging.getLogger(__name__)

ALIAS = "circuits-folder"
POLL_SECONDS = 0.05
LOOK_SECONDS = 0.5
"""How long a message that is more urgent than all that were there may go unseen."""


def folder_url(folder: Path) -> tuple[str, dict[str, Any]]:
    """The broker's URL and transport options for a queue in this folder, which is made, private."""
    _make(folder)
    TRANSPORT_ALIASES[ALIAS] = f"{__name__}:{Transport.__name__}"
    return f"{ALIAS}://localhost", {"folder": str(folder), "polling_interval": POLL_SECONDS}


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


class Channel(virtual.Channel):
    """Messages of all queues are files `pPRIORITY-TIME_ID.QUEUE.msg` in the option `folder`.

    Priority 0 is taken first, as with Redis.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._listed: dict[str, tuple[float, deque[str]]] = {}

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        _make(self._folder)  # again, where somebody has cleaned up
        priority = self._get_message_priority(message)
        file = self._folder / f"p{priority}-{time.time_ns():020}_{uuid.uuid4()}.{queue}.msg"
        part = file.with_suffix(".part")
        try:
            part.write_text(dumps(message))
            part.rename(file)
        except OSError:
            part.unlink(missing_ok=True)  # a full disk's
            raise

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for name in self._next(queue):
            file = self._folder / name
            taken = file.with_suffix(".taken")
            try:
                file.rename(taken)
            except OSError:
                continue  # another process was first, or it is not ours to take
            try:
                with taken.open("rb") as opened:
                    payload = opened.read(LONGEST + 1)
                taken.unlink()
            except OSError as error:
                log.warning("message %s cannot be read and is dropped: %s", file.name, error)
                continue
            # It may be torn, after a full disk or a power cut. The reconciler sends the job again.
            if (message := read_message(payload, file.name)) is not None:
                return message
        raise Empty

    def _next(self, queue: str) -> Generator[str]:
        """Names of messages, the next first: of a look not long ago, and then of a new one."""
        looked, known = self._listed.get(queue, (0.0, deque[str]()))
        while known and time.monotonic() - looked < LOOK_SECONDS:
            yield known.popleft()
        known = deque(sorted(self._messages(queue)))
        self._listed[queue] = time.monotonic(), known
        while known:
            yield known.popleft()

    def _size(self, queue: str) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return len(self._messages(queue))

    def _purge(self, queue: str) -> int:
        messages = self._messages(queue)
        for name in messages:
            (self._folder / name).unlink(missing_ok=True)
        return len(messages)

    def _messages(self, queue: str) -> list[str]:
        """Names of all that wait, in no order."""
        try:
            return [name for name in os.listdir(self._folder) if name.endswith(f".{queue}.msg")]
        except FileNotFoundError:
            return []

    @property
    def _folder(self) -> Path:
        options: dict[str, Any] = self.connection.client.transport_options
        return Path(options["folder"])


class Transport(virtual.Transport):
    """Chosen by `folder_url`."""

    Channel = Channel
    default_port = 0
    driver_type = driver_name = "folder"

    def driver_version(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return "1"
