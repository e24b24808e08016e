"""A queue that is a folder: a kombu transport for one machine that needs no server.

A message is a file. It appears under its name when it is complete and is taken by a rename in its
own folder, so that any number of processes may send and take. (kombu's own filesystem transport
takes a file as soon as it exists: a worker that looks between its creation and its writing reads
nothing, and ends.)
"""

from __future__ import annotations

import logging
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps

from workers.broker.messages import read_message

log = logging.getLogger(__name__)

ALIAS = "circuits-folder"
POLL_SECONDS = 0.05


def folder_url(folder: Path) -> tuple[str, dict[str, Any]]:
    """The broker's URL and transport options for a queue in this folder, which is made, private."""
    _make(folder)
    TRANSPORT_ALIASES[ALIAS] = f"{__name__}:{Transport.__name__}"
    return f"{ALIAS}://localhost", {"folder": str(folder), "polling_interval": POLL_SECONDS}


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


class Channel(virtual.Channel):
    """Messages of all queues are files `TIME_ID.QUEUE.msg` in the transport option `folder`."""

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        _make(self._folder)  # again, where somebody has cleaned up
        file = self._folder / f"{round(time.monotonic() * 1000):015}_{uuid.uuid4()}.{queue}.msg"
        part = file.with_suffix(".part")
        try:
            part.write_text(dumps(message))
            part.rename(file)
        except OSError:
            part.unlink(missing_ok=True)  # a full disk's
            raise

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for file in self._messages(queue):
            taken = file.with_suffix(".taken")
            try:
                file.rename(taken)
            except OSError:
                continue  # another process was first, or it is not ours to take
            try:
                payload = taken.read_bytes()
                taken.unlink()
            except OSError as error:
                log.warning("message %s cannot be read and is dropped: %s", file.name, error)
                continue
            # It may be torn, after a full disk or a power cut. The reconciler sends the job again.
            if (message := read_message(payload, file.name)) is not None:
                return message
        raise Empty

    def _size(self, queue: str) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return len(self._messages(queue))

    def _purge(self, queue: str) -> int:
        messages = self._messages(queue)
        for file in messages:
            file.unlink(missing_ok=True)
        return len(messages)

    def _messages(self, queue: str) -> list[Path]:
        """The oldest first."""
        return sorted(self._folder.glob(f"*.{queue}.msg"))

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
