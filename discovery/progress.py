"""How long work reports: callbacks, because the science knows no queue and no database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Report = Callable[[int, int], None]
"""Of one stage: told how much of how much is done."""


def part(report: Report, number: int, of: int) -> Report:
    """The callback of one of several parts alike."""
    return lambda done, total: report(number * total + done, of * total)


@runtime_checkable
class Progress(Protocol):
    """Called often; may raise `JobCancelled`, which passes through all of `discovery`."""

    def __call__(self, stage: str, done: int, total: int, /) -> None: ...


@runtime_checkable
class Checkpoint(Protocol):
    """Keeps decisions of a long job so that a restart goes on from them."""

    def load(self, name: str) -> dict[str, NDArray[np.generic]] | None: ...

    def save(self, name: str, arrays: dict[str, NDArray[np.generic]]) -> None: ...


LAYOUT = 1
"""Of checkpoints: raised when arrays, or the order of the work that they count, change."""


SAVE_EVERY = 60.0
"""Seconds between checkpoints."""


class Pace:
    """Says when the next checkpoint is due: `SAVE_EVERY` seconds after the last."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= SAVE_EVERY

    def saved(self) -> None:
        self._last = time.monotonic()


def same_layout(saved: dict[str, NDArray[np.generic]]) -> bool:
    """Whether a checkpoint has this layout: an upgrade may come between two attempts."""
    return "layout" in saved and int(saved["layout"]) == LAYOUT


def no_progress(stage: str, done: int, total: int) -> None:
    """Report nowhere."""


class NoCheckpoint:
    """Keep nothing."""

    def load(self, name: str) -> dict[str, NDArray[np.generic]] | None:
        return None

    def save(self, name: str, arrays: dict[str, NDArray[np.generic]]) -> None:
        return None
