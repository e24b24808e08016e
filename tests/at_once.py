"""Threads that meet at one moment, for tests of who wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def at_once(n: int, act: Callable[[int], T]) -> list[T | BaseException]:
    """What `n` threads get that all start `act` at the same moment."""
    barrier = threading.Barrier(n)
    results: list[T | BaseException] = [KeyError() for _ in range(n)]

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = act(index)
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
