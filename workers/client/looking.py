"""Waiting for jobs: looks at the graph with a pause between, in a thread's own time or a loop's.

A wait is a generator: each step looks once, shows what it saw, and gives the seconds to wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from workers.client.connection import Connection

Looks = Generator[float]
_Found = TypeVar("_Found")


def see_through(looks: Looks) -> None:
    """Look until it has ended; nothing else goes on in this thread."""
    for pause in looks:
        time.sleep(pause)


async def see_through_async(client: Connection, looks: Looks) -> None:
    """The same while other tasks of the event loop go on: each look is a thread's."""

    def look() -> float | None:
        return next(looks, None)

    while (pause := await apart(client, look)) is not None:
        await asyncio.sleep(pause)


async def apart(client: Connection, read: Callable[[], _Found]) -> _Found:
    """What is read in another thread; of one client one thing at a time."""

    def alone() -> _Found:
        with client.reading:
            return read()

    return await asyncio.to_thread(alone)
