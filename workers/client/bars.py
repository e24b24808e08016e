"""Progress of long work: bars on a terminal, a line in a notebook, elsewhere a line a minute."""

from __future__ import annotations

import time
from asyncio import CancelledError
from types import TracebackType
from typing import Self

from graph_schema.printable import printable
from workers.client.notebook_line import NotebookLine, in_notebook
from workers.results.job_facts import duration

PACE_SECONDS = 300.0
"""The time left is told from the pace of the last five minutes: some steps take one."""

LINE_SECONDS = 60.0
"""Where standard error is a file or a pipe a line is written so often."""


class Bars:
    """One bar a stage, on standard error; a context manager that can be called as a `Progress`.

    In a notebook it is one line that changes in its place. Where standard error is a file or a
    pipe it says a line a minute: what, how far, and the time that is left where that is known.

    Args:
        title: What is at work.
        show: False shows nothing.
        goes_on: What a notebook says to who interrupts: how to come back, how to end the work.
    """

    def __init__(self, title: str, show: bool = True, goes_on: str = "") -> None:
        # Loaded by who waits; a command that only reads has no use for it.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._notebook = NotebookLine() if show and in_notebook() else None
        self._goes_on = goes_on
        self._began = time.monotonic()
        self._console = console = Console(stderr=True, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            speed_estimate_period=PACE_SECONDS,
            get_time=lambda: time.monotonic(),
            console=console,
            disable=not (show and console.is_terminal and self._notebook is None),
        )
        self._lines = show and self._progress.disable and self._notebook is None
        self._said = time.monotonic()
        self._title = self._words = title = printable(title)
        self._stage: str | None = None
        self._row = self._progress.add_task(title, total=None, start=True)

    @property
    def watched(self) -> bool:
        """Whether anybody sees them: who must ask before it can report may save the question."""
        return self._notebook is not None or not self._progress.disable

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Report `done` of `total` in this stage; a new stage closes the one before.

        `note` says what it is at just now, behind the stage's name.
        """
        stage, note = printable(stage), printable(note)
        if stage != self._stage:
            if self._stage is None:
                self._progress.remove_task(self._row)
            else:
                before = self._progress.tasks[-1]
                self._progress.update(self._row, completed=before.total or 0)
                self._progress.stop_task(self._row)
            self._stage = stage
            self._row = self._progress.add_task(f"{self._title}: {stage}")
        words = f"{self._title}: {stage}{f' ({note})' if note else ''}"
        self._progress.update(self._row, completed=done, total=total or None, description=words)
        self._words = _line(words, done, total, self._left())
        if self._notebook is not None:
            self._notebook.show(self._words, done, total)
        if self._lines and time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            self._console.out(self._words, highlight=False)

    def _left(self) -> float | None:
        """Seconds that are left at the pace so far."""
        task = next(each for each in self._progress.tasks if each.id == self._row)
        return task.time_remaining

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if self._notebook is None:
            return
        if isinstance(error, KeyboardInterrupt | CancelledError):
            self._notebook.close(f"{self._words}: interrupted. {self._goes_on}".rstrip())
        elif error is not None:
            self._notebook.close(self._words)
        else:
            took = duration(time.monotonic() - self._began)
            self._notebook.close(f"{self._title}: ended after {took}")


def _line(words: str, done: int, total: int, left: float | None) -> str:
    """`job 3f2a: scores 300/900, about 4 min left`."""
    if not total:
        return words
    said = f"{words} {done}/{total}"
    if left is None or done >= total:
        return said
    return f"{said}, about {f'{left:.0f} s' if left < 90 else f'{left / 60:.0f} min'} left"
