"""How far the jobs are that another one waits for: what a bar shows while that one is queued."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.errors import NotFoundError, StoreUnavailable
from workers.client.bars import Bars

if TYPE_CHECKING:
    from workers.client.connection import Connection

AT_A_TIME = 16
"""Jobs asked for at a look, the first that have not ended: nearly all that run are among them."""


class Before:
    """Jobs that something waits for, in the order in which they were submitted."""

    def __init__(self, client: Connection, job_ids: Sequence[str]) -> None:
        self._client = client
        self._left = list(job_ids)
        self._total = len(self._left)

    def tell(self, bars: Bars) -> bool:
        """Show how many have ended and what one that runs is at; False where all have ended.

        While the graph is away nothing is shown: whoever waits says when it has been for long.
        """
        running: list[JobRecord] = []
        for each in self._left[:AT_A_TIME]:
            try:
                record = self._client.service.job(each)
            except StoreUnavailable:
                return True
            except NotFoundError:  # deleted, or of a job that was asked for in other shards
                self._left.remove(each)
                continue
            if record.state.ended:
                self._left.remove(each)
            elif record.state is JobState.RUNNING:
                running.append(record)
        if self._left:
            note = told_step(running[0]) if running else ""
            bars("jobs that it needs", self._total - len(self._left), self._total, note)
        return bool(self._left)


def told_step(record: JobRecord) -> str:
    """What a job is at: `effects of gpt2-0: mediators 3/8`."""
    model = json.loads(record.placement).get("model", {}).get("name", "")
    what = f"{record.kind} of {Path(model).name}"
    step = record.progress
    return f"{what}: {step.stage} {step.done}/{step.total}" if step else what
