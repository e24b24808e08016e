"""The messages that wait in a broker, taken out and put back by somebody it does not know."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Any, Protocol

import redis

from graph_schema.errors import ResourceError
from graph_schema.processes import die_with_parent
from tests.workers.tiny import until

Taken = tuple[str, bytes]
"""Where a message was, and what it is."""


class Queue(Protocol):
    """A broker's messages."""

    @property
    def url(self) -> str: ...

    def take(self, rng: random.Random) -> Taken | None:
        """A message that waits, any; nobody will have it."""
        ...

    def put(self, message: Taken) -> None:
        """Put a message where it was, beside whatever waits there."""
        ...

    def lose(self) -> None:
        """Lose all that waits, as this kind of broker may."""
        ...

    def stop(self) -> None: ...


class FolderQueue:
    """A folder: whoever may write to it may do all this."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> str:
        return f"filesystem://{self._folder}"

    def take(self, rng: random.Random) -> Taken | None:
        files = sorted(self._folder.rglob("*.msg"))
        if not files:
            return None
        file = rng.choice(files)
        try:
            data = file.read_bytes()
            file.unlink()
        except FileNotFoundError:
            return None  # a worker was first
        return str(file), data

    def put(self, message: Taken) -> None:
        file, data = Path(message[0]), message[1]
        draft = file.with_name(f"{uuid.uuid4()}.part")
        draft.write_bytes(data)
        priority, _, rest = file.name.partition("_")
        draft.rename(file.with_name(f"{priority}_{uuid.uuid4()}.{rest.partition('.')[2]}"))

    def lose(self) -> None:
        shutil.rmtree(self._folder)

    def stop(self) -> None:
        return None


class RedisQueue:
    """A Redis server of its own, which keeps nothing on a disk."""

    def __init__(self, folder: Path, port: int) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise ResourceError("no redis-server on the PATH; install it")
        where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
        self._command = [binary, *where, "--save", "", "--loglevel", "warning"]
        self._port = port
        self._process = self._start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def take(self, rng: random.Random) -> Taken | None:
        with self._client() as client:
            keys: list[str] = [key.decode() for key in client.scan_iter(_type="list")]
            if not keys:
                return None
            key = rng.choice(sorted(keys))
            data: Any = client.rpop(key)
            return None if data is None else (key, data)

    def put(self, message: Taken) -> None:
        with self._client() as client:
            client.lpush(message[0], message[1])

    def lose(self) -> None:
        """`kill -9`; another starts in its place with nothing in it."""
        self.stop()
        self._process = self._start()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _client(self) -> redis.Redis:
        return redis.Redis(port=self._port)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent
        )

        def answers() -> bool:
            try:
                with self._client() as client:
                    return bool(client.ping())
            except redis.ConnectionError:
                return False

        until(answers)
        return process
