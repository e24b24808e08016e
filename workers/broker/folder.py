"""A queue that is a folder: a kombu transport for one machine that needs no server.

A message is a file. It appears under its name when it is complete and is taken by a rename in its
own folder, so that any number of processes may send and take. Names say in which order messages
are to be taken, by priority, queue and time; while messages wait the folder is listed every
`LOOK_SECONDS` at most: with 10,000 of them a listing a take took 387 ms. (kombu's own
filesystem transport takes a file as soon as it exists: a worker that looks between its creation and
its writing reads nothing, and ends.)
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from errno import EACCES
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps

from workers.broker.messages import LONGEST, read_message

log = logging.getLogger(__name__)

ALIAS = "circuits-folder"
POLL_SECONDS = 0.05
SUFFIX = ".msg"
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
        self._listed: dict[tuple[str, ...], tuple[float, deque[str]]] = {}

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

    def reach(self) -> None:
        """Return where messages can be put here.

        Raises:
            OSError: They cannot.
        """
        _make(self._folder)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES), str(self._folder))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        return self.take((queue,))[0]

    def take(self, queues: tuple[str, ...]) -> tuple[Any, str]:
        """The most urgent message of these queues, of those alike the first queue's; and its queue.

        Raises:
            Empty: No message waits in any.
        """
        for name in self._next(queues):
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
                return message, _queue_of(name)
        raise Empty

    def _next(self, queues: tuple[str, ...]) -> Generator[str]:
        """Names of messages, the next first: of a look not long ago, and then of a new one."""
        looked, known = self._listed.get(queues, (0.0, deque[str]()))
        while known and time.monotonic() - looked < LOOK_SECONDS:
            yield known.popleft()
        place = {queue: number for number, queue in enumerate(queues)}

        def order(name: str) -> tuple[str, int, str]:
            return name.partition("-")[0], place[_queue_of(name)], name

        known = deque(sorted(self._messages(queues), key=order))
        self._listed[queues] = time.monotonic(), known
        while known:
            yield known.popleft()

    def _reset_cycle(self) -> None:
        # kombu's own takes from one queue after another, whatever is urgent.
        self._cycle = _MostUrgent(self)

    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """How many messages wait in each of these queues, by one look."""
        found = Counter(map(_queue_of, self._messages(queues)))
        return {queue: found[queue] for queue in queues}

    def _size(self, queue: str) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return len(self._messages((queue,)))

    def _purge(self, queue: str) -> int:
        messages = self._messages((queue,))
        for name in messages:
            (self._folder / name).unlink(missing_ok=True)
        return len(messages)

    def _messages(self, queues: Sequence[str]) -> list[str]:
        """Names of all that wait in these queues, in no order."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return [name for name in names if name.endswith(SUFFIX) and _queue_of(name) in queues]

    @property
    def _folder(self) -> Path:
        options: dict[str, Any] = self.connection.client.transport_options
        return Path(options["folder"])


class _MostUrgent:
    """What a channel takes from all queues that it consumes; kombu calls that a cycle."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def get(self, callback: Callable[[Any, str], Any], **_: Any) -> None:
        queues: list[str] = self._channel._active_queues  # pyright: ignore[reportPrivateUsage]
        message, queue = self._channel.take(tuple(queues))
        callback(message, queue)

    def close(self) -> None:
        """Nothing is held."""


def _queue_of(name: str) -> str:
    """The queue of a message, by its file's name."""
    return name.partition(".")[2].removesuffix(SUFFIX)


class Transport(virtual.Transport):
    """Chosen by `folder_url`."""

    Channel = Channel
    default_port = 0
    driver_type = driver_name = "folder"

    def driver_version(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return "1"
