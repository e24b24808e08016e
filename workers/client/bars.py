"""Progress bars for long work: on a terminal or in a notebook, and nowhere else."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from graph_schema.printable import printable

PACE_SECONDS = 300.0
"""The time left is told from the pace of the last five minutes: some steps take one."""


class Bars:
    """One bar a stage, on standard error; a context manager that can be called as a `Progress`.

    Where nobody watches (standard error is a file or a pipe) it stays silent.
    """

    def __init__(self, title: str, show: bool = True) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            speed_estimate_period=PACE_SECONDS,
            console=console,
            disable=not (show and (console.is_terminal or console.is_jupyter)),
        )
        self._title = title = printable(title)
        self._stage: str | None = None
        self._row = self._progress.add_task(title, total=None, start=True)

    @property
    def watched(self) -> bool:
        """Whether anybody sees them: who must ask before it can report may save the question."""
        return not self._progress.disable

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
