"""A real Jupyter kernel: cells run in a process of its own, and what it says is kept."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager, start_new_async_kernel

PATIENCE = 120
_Found = TypeVar("_Found")


@dataclass
class Ran:
    """What a cell sent while it ran, and how it ended; the first may be looked at meanwhile."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The content of messages of a kind."""
        return [each["content"] for each in self.messages if each["msg_type"] == kind]

    @property
    def lines(self) -> list[str]:
        """What the line of progress said, in this order."""
        shown = [*self.of("display_data"), *self.of("update_display_data")]
        return [each["data"]["text/plain"] for each in shown]


class Kernel:
    """A kernel whose messages are read by an event loop in a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path, env: Mapping[str, str]):
        self._loop = loop
        names = ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_DATA_DIR")
        whole = {**os.environ, **{name: str(folder) for name in names}, **env}
        self._manager: AsyncKernelManager
        self._client: AsyncKernelClient
        self._manager, self._client = self._do(
            start_new_async_kernel(startup_timeout=PATIENCE, env=whole, cwd=str(folder))
        )

    def run(self, code: str) -> Ran:
        """The cell, run to its end."""
        ran, ended = self.begin(code)
        ended.result(PATIENCE)
        return ran

    def begin(self, code: str) -> tuple[Ran, Future[None]]:
        """The cell as it runs, and its end."""
        ran = Ran()

        async def follow() -> None:
            reply = await self._client.execute_interactive(
                code, output_hook=ran.messages.append, timeout=PATIENCE, allow_stdin=False
            )
            ran.reply.update(reply["content"])

        return ran, asyncio.run_coroutine_threadsafe(follow(), self._loop)

    def interrupt(self) -> None:
        """What the button of a notebook does."""

        async def interrupt() -> None:
            await self._manager.interrupt_kernel()

        self._do(interrupt())

    def close(self) -> None:
        async def end() -> None:
            self._client.stop_channels()
            await self._manager.shutdown_kernel(now=True)

        self._do(end())

    def _do(self, work: Coroutine[Any, Any, _Found]) -> _Found:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)


@contextmanager
def running_kernel(folder: Path, env: Mapping[str, str]) -> Generator[Kernel]:
    """A kernel with this environment beside our own; its files lie in the folder."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        kernel = Kernel(loop, folder, env)
        try:
            yield kernel
        finally:
            kernel.close()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
