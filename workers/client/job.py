"""A submitted job, seen from outside: its record in the graph, polled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from graph_schema.documents.jobs import JobProgress, JobRecord, JobState
from graph_schema.errors import (
    CircuitServiceError,
    JobCancelled,
    JobFailed,
    SpecError,
    StoreUnavailable,
    error_from_document,
)
from graph_schema.printable import printable
from workers.client.bars import Bars
from workers.client.before import Before
from workers.client.looking import Looks, apart, see_through, see_through_async
from workers.client.watch import Watch
from workers.results.circuit import Circuit
from workers.results.evaluation import Evaluated
from workers.results.job_shown import asked, job_html

if TYPE_CHECKING:
    from workers.client.connection import Connection
    from workers.requests.discover import Submission

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.1, 1.0
PATIENCE = 120.0
"""Seconds for which a database that is away is no reason to stop waiting for a job."""


class Job:
    """A handle on a job; what it says is as old as the last `refresh`.

    Args:
        client: Where it is asked for.
        record: What is known of it.
        submission: The request that this handle came from.
        send: Whether such a request is sent to a worker.
    """

    def __init__(
        self,
        client: Connection,
        record: JobRecord,
        submission: Submission | None = None,
        *,
        send: bool = True,
    ) -> None:
        self._client = client
        self.record = record
        self._submission = submission
        self._send = send

    @property
    def job_id(self) -> str:
        return self.record.job_id

    @property
    def state(self) -> JobState:
        return self.record.state

    @property
    def progress(self) -> JobProgress | None:
        """How far a running job is."""
        return self.record.progress

    @property
    def error(self) -> CircuitServiceError | None:
        """What ended the job badly, as its class."""
        if self.state is JobState.CANCELLED:
            return JobCancelled(f"job {self.job_id} was cancelled; submit it again to run it")
        if self.state is not JobState.FAILED:
            return None
        told = self.record.error
        return (
            error_from_document(told.type, told.message) if told else JobFailed("no reason given")
        )

    def refresh(self) -> Job:
        """Read the job's record again; returns the job itself."""
        self.record = self._client.service.job(self.job_id)
        return self

    def wait(self, timeout: float | None = None, progress: bool = True) -> Job:
        """Return when the job has ended, well or not.

        Leaving early, by Ctrl-C or by `timeout`, does not end the job.

        Raises:
            TimeoutError: It has not ended after `timeout` seconds.
        """
        with self._bars(progress) as bars:
            see_through(self._looks(timeout, bars))
        return self

    async def wait_async(self, timeout: float | None = None, progress: bool = True) -> Job:
        """`wait` in an event loop, such as a notebook's, in which other tasks go on meanwhile."""
        with self._bars(progress) as bars:
            await see_through_async(self._client, self._looks(timeout, bars))
        return self

    def __await__(self) -> Generator[Any, Any, Any]:
        """What the job found: `result()` or `evaluation()` of its kind, else `outcome()`.

        Raises what they raise. A cancelled task leaves the job to go on.
        """
        return self._found().__await__()

    async def _found(self) -> Any:
        await self.wait_async()

        def read() -> Any:
            if self.record.kind == "evaluate" and self.error is None:
                return self.evaluation(progress=False)
            found = self.result if self.record.circuit_ids else self.outcome
            return found(progress=False)

        return await apart(self._client, read)

    def result(self, timeout: float | None = None, progress: bool = True) -> Circuit:
        """The circuit that the job found or judged; waits for it.

        Args:
            timeout: Seconds to wait; None waits for as long as it takes.
            progress: Show bars, on a terminal or in a notebook.

        Raises:
            CircuitServiceError: What the job failed with, as its own class.
            JobCancelled: It was cancelled.
            SpecError: Jobs of its kind find no circuit.
            TimeoutError: It has not ended in time; it goes on.
        """
        found = self.results(timeout, progress)
        if not found:
            raise SpecError(
                f"job {self.job_id[:12]} is a {self.record.kind} job, which finds no circuit: take "
                "what it found from job.outcome()"
            )
        return found[0]

    def results(self, timeout: float | None = None, progress: bool = True) -> list[Circuit]:
        """All circuits of the job (a sweep has several), as `result` does."""
        self._succeed(timeout, progress)
        return [self._client.service.circuit(found) for found in self.record.circuit_ids]

    def evaluation(self, timeout: float | None = None, progress: bool = True) -> Evaluated:
        """What an `evaluate` job found; waits for it, as `result` does.

        Raises:
            SpecError: The job is of another kind.
        """
        if self.record.kind != "evaluate":
            raise SpecError(
                f"job {self.job_id[:12]} is a {self.record.kind} job, which makes no evaluation of "
                "its own: its circuits carry their figures (job.result())"
            )
        self._succeed(timeout, progress)
        return self._client.service.evaluation(self.job_id)

    def outcome(self, timeout: float | None = None, progress: bool = True) -> Any:
        """What the job found, as its kind hands it out; waits for it, as `result` does."""
        self._succeed(timeout, progress)
        return self._client.service.outcome(self.record)

    def _succeed(self, timeout: float | None, progress: bool) -> None:
        self.wait(timeout, progress)
        if (error := self.error) is not None:
            raise error

    def submit_here(self) -> bool:
        """Submit a job again that failed at another's place; False where there is no need.

        The same spec is one job, and whoever asked first said where the model lies. If that is why
        it failed, it says nothing about the place that this request named.
        """
        error, asked = self.error, self._submission
        if self.state is not JobState.FAILED or error is None or error.lasting or asked is None:
            return False
        if self.record.placement == asked.placement.canonical_json():
            return False
        log.info("job %s failed where another request had it done; again here", self.job_id[:12])
        self.record = self._client.service.submit(asked, force=False, send=self._send)
        return True

    def cancel(self) -> Job:
        """Ask for the job's end: at once where it is queued, else at its next step."""
        self.record = self._client.service.cancel(self.job_id)
        return self

    def __repr__(self) -> str:
        words = asked(self.record, time.time())
        return printable(f"<Job {self.job_id[:12]}: {self.state.value}, {words}>")

    def _repr_html_(self) -> str:
        return job_html(self.record, time.time())

    def _bars(self, show: bool) -> Bars:
        own = f'client.job("{self.job_id[:12]}")'
        goes_on = f"The job goes on: {own}.result() waits again, {own}.cancel() ends it"
        return Bars(f"job {self.job_id[:12]}", show, goes_on)

    def _needed(self) -> list[str]:
        """The jobs that it waits for, in the order in which they were submitted."""
        before = self._submission.before if self._submission else ()
        needed = [need.job_id for need in self.record.needs]
        return list(dict.fromkeys([*(each.spec.job_id for each in before), *needed]))

    def _looks(self, timeout: float | None, bars: Bars) -> Looks:
        """One look at the job's record after the other, until it has ended."""
        needed = self._needed() if bars.watched else ()
        before, watch = Before(self._client, needed), Watch(self._client)
        if not self.state.ended:
            watch.begin()
        end = None if timeout is None else time.monotonic() + timeout
        pause, live = FIRST_WAIT, False
        while True:
            if live := live or not self.state.ended:  # of what had ended before nothing is shown
                self._tell(bars, before, watch)
            if self.state.ended:
                if self.submit_here():
                    continue
                return
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(
                    f"job {self.job_id} is {self.state.value} after {timeout:g} s; it goes on: "
                    "wait again"
                )
            yield pause if end is None else min(pause, max(0.0, end - time.monotonic()))
            pause = min(LONGEST_WAIT, pause * 1.5)
            patiently(self._client, f"job {self.job_id[:12]}", self.refresh)
            watch.look(self.record)

    def _tell(self, bars: Bars, before: Before, watch: Watch) -> None:
        """Show what the last look saw."""
        if self.state is JobState.QUEUED:
            if not before.tell(bars):
                bars("starting a worker" if watch.starting else "queued", 0, 0)
        elif step := self.progress:
            bars(step.stage, step.done, step.total)
        elif self.state is JobState.RUNNING:
            bars("started", 0, 0)


_Found = TypeVar("_Found")


def patiently(client: Connection, what: str, read: Callable[[], _Found]) -> _Found:
    """What `read` reads, again and again while the store is away; a local one may come elsewhere.

    Raises:
        StoreUnavailable: It has been away for `PATIENCE` seconds.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return read()
        except StoreUnavailable as error:
            if time.monotonic() >= end:
                raise
            log.warning("still waiting for %s: %s", what, error)
            client.close()
            time.sleep(LONGEST_WAIT)
