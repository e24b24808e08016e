"""Jobs asked for together: one wait with one progress, ended together, or what failed run again.

Checkpoints of a training and sweeps are such jobs. Specs are content, so whoever asks for the same
again has the same jobs; nothing is kept of a set of them but what each job says itself.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from graph_schema.documents.jobs import JobRecord, JobState, ShardSpec
from workers.client.bars import Bars
from workers.client.before import told_step
from workers.client.job import FIRST_WAIT, LONGEST_WAIT, Job, patiently
from workers.client.looking import Looks, see_through, see_through_async
from workers.client.watch import Watch

if TYPE_CHECKING:
    from workers.client.connection import Connection
    from workers.requests.discover import Submission

AT_A_TIME = 500
"""Jobs read at a look, in turn of all that have not ended: the first may wait for ever."""


class ManyJobs:
    """Handles on many jobs; what they say is as old as the last look.

    Args:
        client: Where they are asked for.
        title: What they are called where progress is shown.
        submissions: What was asked, in the order to submit it; each before what needs it.
        records: What is known of each; of one that nobody has asked for yet, nothing.
    """

    def __init__(
        self,
        client: Connection,
        title: str,
        submissions: Sequence[Submission],
        records: Sequence[JobRecord],
    ) -> None:
        self._client = client
        self._title = title
        self._submissions = tuple(submissions)
        self._jobs: dict[str, Job] = {}
        self._know(records)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Those that have been asked for."""
        return tuple(self._jobs.values())

    @property
    def ended(self) -> bool:
        """Whether all have, well or not, as of the last look."""
        return len(self._jobs) == len(self._submissions) and not self._left()

    def states(self) -> dict[str, int]:
        """How many jobs are in which state, as of the last look."""
        found = [job.state for job in self.jobs]
        return {state.value: found.count(state) for state in JobState if state in found}

    def refresh(self) -> Self:
        """Read again what has not ended; returns the handle itself."""
        self._know(self._client.service.records([job.job_id for job in self._left()]))
        return self

    def wait(self, timeout: float | None = None, progress: bool = True) -> Self:
        """Return when all that were asked for have ended, well or not.

        Leaving early, by Ctrl-C or by `timeout`, ends none.

        Raises:
            TimeoutError: They have not after `timeout` seconds.
        """
        with self._bars(progress) as bars:
            see_through(self._looks(timeout, bars))
        return self

    async def wait_async(self, timeout: float | None = None, progress: bool = True) -> Self:
        """`wait` in an event loop, such as a notebook's, in which other tasks go on meanwhile."""
        with self._bars(progress) as bars:
            await see_through_async(self._client, self._looks(timeout, bars))
        return self

    def __await__(self) -> Generator[Any, Any, Self]:
        """The handle itself, when all have ended, well or not. A cancelled task ends none."""
        return self.wait_async().__await__()

    def cancel(self) -> Self:
        """End all that have not ended: at once what is queued, at its next step what runs."""
        self.refresh()
        for job in reversed(self._left()):  # none is to start because what it needs has ended
            job.cancel()
        return self

    def rerun(self) -> Self:
        """Run again what failed or was cancelled, and what was never asked for.

        A job that failed for want of another one comes after that one. What ended well stays.
        """
        wanted = list({each.spec.job_id: each for each in self._with_before()}.values())
        known = self._client.service.records([each.spec.job_id for each in wanted])
        state = {record.job_id: record.state for record in known}
        badly = (JobState.FAILED, JobState.CANCELLED, None)
        again = [
            each
            for each in wanted
            if state.get(each.spec.job_id) in badly
            # A job that ended well needs no shards any more.
            and not (
                isinstance(each.spec, ShardSpec)
                and state.get(each.spec.discover.job_id) not in badly
            )
        ]
        alone = [replace(each, before=()) for each in again]
        self._know(known)
        self._know(self._client.service.submit_many(alone, force=True))
        return self

    def _bars(self, show: bool) -> Bars:
        return Bars(self._title, show, "The jobs go on: wait() waits again, cancel() ends them")

    def _looks(self, timeout: float | None, bars: Bars) -> Looks:
        """One look at the jobs after the other, until all have ended."""
        end = None if timeout is None else time.monotonic() + timeout
        watch, pause, turn = Watch(self._client), FIRST_WAIT, 0
        while True:
            for job in self.jobs:
                job.submit_here()
            left = self._left()
            bars("jobs", len(self._jobs) - len(left), len(self._jobs), _note(left))
            if not left:
                return
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(
                    f"{len(left)} of {len(self._jobs)} jobs have not ended after {timeout:g} "
                    "s; they go on: wait again"
                )
            yield pause
            pause = min(LONGEST_WAIT, pause * 1.5)
            looked = [job.job_id for job in (left[turn:] + left[:turn])[:AT_A_TIME]]
            turn = (turn + AT_A_TIME) % len(left) if len(left) > AT_A_TIME else 0
            self._know(patiently(self._client, self._title, lambda ids=looked: self._read(ids)))
            watch.look(among=[job.record for job in left])

    def _with_before(self) -> Iterator[Submission]:
        for each in self._submissions:
            yield from each.before
            yield each

    def _left(self) -> list[Job]:
        return [job for job in self.jobs if not job.state.ended]

    def _read(self, job_ids: Sequence[str]) -> tuple[JobRecord, ...]:
        return self._client.service.records(job_ids)

    def _know(self, records: Sequence[JobRecord]) -> None:
        """Put what is known now in the jobs, which keep the order of the submissions."""
        found = {record.job_id: record for record in records}
        jobs: dict[str, Job] = {}
        for each in self._submissions:
            job_id = each.spec.job_id
            job, record = self._jobs.get(job_id), found.get(job_id)
            if job is None and record is not None:
                job = Job(self._client, record, each)
            if job is not None:
                job.record = record or job.record
                jobs[job_id] = job
        self._jobs = jobs


def _note(left: Sequence[Job]) -> str:
    """What one that runs is at."""
    running = [job for job in left if job.state is JobState.RUNNING]
    return told_step(running[0].record) if running else ""
