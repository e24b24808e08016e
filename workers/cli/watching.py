"""The table of jobs, and how it goes on: `jobs`, `jobs --watch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graph_schema.documents.jobs import JobRecord
from graph_schema.reports import cell, table
from workers.cli.output import emit, reader_left

if TYPE_CHECKING:
    from rich.console import Console

LOOK_SECONDS = 2.0
HEADINGS = ("job", "kind", "state", "model", "task", "method", "edges", "since", "ran")
COLUMNS = (*HEADINGS, "attempts", "what")
IN_A_LINE = ("job", "kind", "state", "model", "task", "what")
"""Columns of a line that says what has changed."""


@dataclass(frozen=True)
class Listed:
    """Jobs with what is known of them besides: their tags, and whom those wait for that nobody has.

    All by a job's id, of those that have any; `shards` says how many are done.
    """

    records: Sequence[JobRecord]
    tags: Mapping[str, Sequence[str]]
    waits: Mapping[str, str]
    shards: Mapping[str, str]

    @property
    def why_queued(self) -> Mapping[str, str]:
        return {**self.shards, **self.waits}

    @property
    def any_live(self) -> bool:
        return any(not each.state.ended for each in self.records)

    def more(self, job_id: str) -> dict[str, Any]:
        """What `jobs --json` says besides the record."""
        return {"waits_for": self.waits.get(job_id), "tags": self.tags.get(job_id, ())}


Ask = Callable[[], Listed]
Row = Callable[[JobRecord, float, Mapping[str, str]], tuple[object, ...]]


def job_table(listed: Listed, row: Row) -> str:
    """A line a job; with tags where one of them has any."""
    now = time.time()
    rows = [row(each, now, listed.why_queued) for each in listed.records]
    if not listed.tags:
        return table(COLUMNS, rows)
    tags = [", ".join(listed.tags.get(each.job_id, ())) for each in listed.records]
    return table((*COLUMNS, "tags"), [(*of, tag) for of, tag in zip(rows, tags, strict=True)])


def watch_jobs(ask: Ask, row: Row) -> None:
    """Show the jobs until none of them is live, or Ctrl-C; jobs that come meanwhile too.

    On a terminal it is a table that changes; elsewhere a line is said when a job comes, or its
    state, attempt or stage is another.
    """
    from rich.console import Console

    console = Console()
    try:
        if console.is_terminal:
            _table(ask, row, console)
        else:
            _lines(ask, row)
    except KeyboardInterrupt:
        return  # the jobs go on


def _table(ask: Ask, row: Row, console: Console) -> None:
    from rich.live import Live
    from rich.text import Text

    # Nothing wraps: what is too wide for the terminal is cut there.
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            listed = ask()
            shown = Text(job_table(listed, row), no_wrap=True, overflow="ellipsis")
            live.update(shown, refresh=True)
            if not listed.any_live:
                return
            time.sleep(LOOK_SECONDS)


def _lines(ask: Ask, row: Row) -> None:
    told: dict[str, tuple[object, ...]] = {}
    while not reader_left():
        listed = ask()
        for each in reversed(listed.records):  # the oldest first
            stage = each.progress.stage if each.progress else None
            now = (each.state, each.attempts, stage)
            if told.get(each.job_id) != now:
                told[each.job_id] = now
                said = dict(zip(COLUMNS, row(each, time.time(), listed.why_queued), strict=True))
                words = [cell(said[name]) for name in IN_A_LINE]
                emit(" ".join([time.strftime("%H:%M:%S"), *filter(None, words)]))
        if not listed.any_live:
            return
        time.sleep(LOOK_SECONDS)
