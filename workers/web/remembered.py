"""What pages made last: a page, its picture and its script ask for the same one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """The things made last, by what tells them apart; several threads may ask.

    Args:
        kept: So many.
        seconds: For so long; None where they never change.
        clock: Seconds of any beginning.
    """

    def __init__(
        self,
        kept: int = 8,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept, self._seconds, self._clock = kept, seconds, clock
        self._found: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()
        self._guard = threading.Lock()
        self._making = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The thing of this key; made where it is not remembered."""
        if (found := self._there(key)) is not None:
            return found
        with self._making:  # a page asks for its drawing while the page itself is still made
            if (found := self._there(key)) is not None:
                return found
            made = make()
            with self._guard:
                self._found[key] = (self._clock(), made)
                while len(self._found) > self._kept:
                    self._found.popitem(last=False)
            return made

    def _there(self, key: Hashable) -> T | None:
        with self._guard:
            if key not in self._found:
                return None
            at, found = self._found[key]
            if self._seconds is not None and self._clock() > at + self._seconds:
                del self._found[key]
                return None
            self._found.move_to_end(key)
            return found
