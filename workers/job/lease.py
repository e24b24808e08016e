"""A claimed job while it is worked on: kept alive, reported, and stopped when it must be.

A thread renews the lease every third of it and carries progress there and the cancel flag back.
Another one watches, and asks no database, which may hang: it sees that this worker stops or that
the job has had its time. The work itself calls `Lease` as its `Progress` callback; that is where it
learns that it must stop. Work that does not call back within `cancel_seconds` is settled by the
watch, which then ends the process: nothing else stops a computation that never returns.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from graph_schema.documents.jobs import ErrorDocument, JobProgress
from graph_schema.errors import JobCancelled, JobFailed, LeaseLost, StoreUnavailable
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from workers.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
LONGEST_LOOK = 2 * POLL_SECONDS
REPORT_SECONDS = 1.0
RENEWAL_SECONDS = 2.0
"""What a renewal that is on its way is waited for when its job has ended."""
SETTLE_SECONDS = 10.0
"""For the database to take down how a job ended whose work does not stop; it may hang."""


class Stopped(BaseException):
    """This worker stops: the job goes back to the queue. No error: nothing else catches it."""


class AwakeTime:
    """Seconds of which a watch saw most: a machine that stands still does not disobey.

    Nobody is told to stop and ended for it when all that passed was a pause between two looks.
    """

    def __init__(self, now: float) -> None:
        self.seconds = 0.0
        self._looked = now

    def look(self, now: float) -> float:
        """The seconds so far; between two looks at most `LONGEST_LOOK` count."""
        self.seconds += min(now - self._looked, LONGEST_LOOK)
        self._looked = now
        return self.seconds


class Lease:
    """The lease on a claimed job; a context manager and a `Progress`.

    Args:
        store: Used by the renewing thread alone; impatient, so that it looks again soon.
        settle: Ends the job in the graph in the name of work that does not stop itself.
        stopping: Says whether this worker is to stop.
        parent: The process without which this one must not go on.
        report: Also told of the progress, in the process.
        missed: Told of each renewal that fails.
    """

    def __init__(
        self,
        settings: Settings,
        store: GraphStore,
        job_id: str,
        token: str,
        *,
        settle: Callable[[BaseException], None],
        stopping: Callable[[], bool] = lambda: False,
        parent: int | None = None,
        report: Callable[[str, int, int], None] | None = None,
        missed: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.job_id = job_id
        self.token = token
        self._settle = settle
        self._stopping = stopping
        self._parent = parent
        self._report = report
        self._missed = missed
        self._progress: JobProgress | None = None
        self._verdict: BaseException | None = None
        self._done = threading.Event()
        self._once_stored: list[Callable[[], None]] = []
        self._guard = threading.Lock()
        self._watching = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report progress.

        Raises:
            JobCancelled: Somebody cancelled the job.
            LeaseLost: Another worker has it.
            Stopped: This worker stops.
            JobFailed: The job took longer than it may.
        """
        if self._verdict is not None:
            raise self._verdict
        self._progress = JobProgress(stage=stage, done=done, total=total)
        if self._report is not None:
            self._report(stage, done, total)

    def check(self) -> None:
        """Raise what `__call__` would, without progress."""
        if self._verdict is not None:
            raise self._verdict

    def hold_for_storing(self) -> None:
        """Renew one last time, for long: a renewal would abort the transaction of the result.

        Raises:
            LeaseLost: Another worker has the job.
            JobCancelled: Somebody cancelled it.
        """
        self._end()
        self._renewing.join(self.settings.lease_seconds)
        self.check()
        try:
            cancelled = self.renew(self.settings.storing_seconds, self._progress)
        except StoreUnavailable as error:
            log.warning("renewal failed: %s", error, extra=self._extra)
            return  # storing is more patient
        if cancelled:
            raise JobCancelled(f"job {self.job_id[:12]} was cancelled")

    def once_stored(self, act: Callable[[], None]) -> None:
        """Leave this to do until the result is in the graph; not done where it never gets there."""
        self._once_stored.append(act)

    def stored(self) -> None:
        """Do what was left until now: the result is in the graph. What fails is logged alone."""
        for act in self._once_stored:
            try:
                act()
            except Exception:
                log.exception("clearing up after a job failed", extra=self._extra)

    def renew(self, lease: float, progress: JobProgress | None) -> bool:
        """Renew the lease; True where the job is to be cancelled."""
        renewal = jobs.renew(self.store, self.job_id, self.token, lease=lease, progress=progress)
        return renewal.cancel_requested

    def __enter__(self) -> Self:
        self._watching.start()
        self._renewing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        # Under the guard: the watch is then not in the middle of ending the process.
        with self._guard:
            self._done.set()
        self._watching.join()
        # One that takes longer is left alone: it is by token, and the database may hang.
        self._renewing.join(RENEWAL_SECONDS)

    def _watch(self) -> None:
        began = time.monotonic()
        told: AwakeTime | None = None
        while not self._done.wait(POLL_SECONDS):
            now = time.monotonic()
            if self._parent is not None and os.getppid() != self._parent:
                # Worker gone, and whoever sees its lock free gives the job to another.
                log.error("this worker's main process is gone; ending", extra=self._extra)
                os._exit(1)
            if self._verdict is None:
                self._verdict = self._own_verdict(now - began)
            if self._verdict is None:
                continue
            if told is None:
                told = AwakeTime(now)
            elif told.look(now) > self.settings.cancel_seconds:
                self._end_process(self._verdict)
                return

    def _renew(self) -> None:
        renewed = time.monotonic()
        sent: JobProgress | None = None
        while not self._done.wait(POLL_SECONDS):
            now = time.monotonic()
            progress = self._progress
            fresh = progress != sent and now - renewed >= REPORT_SECONDS
            if not fresh and now - renewed < self.settings.lease_seconds / 3:
                continue
            try:
                if self.renew(self.settings.lease_seconds, progress) and self._verdict is None:
                    self._verdict = JobCancelled(f"job {self.job_id[:12]} was cancelled")
            except LeaseLost as error:
                self._verdict = error
                return
            except StoreUnavailable as error:
                log.warning("renewal failed: %s", error, extra=self._extra)
                self._missed()
            except Exception:
                log.exception("renewal failed", extra=self._extra)
                self._missed()
            else:
                sent = progress
            renewed = time.monotonic()

    def _own_verdict(self, seconds: float) -> BaseException | None:
        limit = self.settings.limits.job_seconds
        if self._stopping():
            return Stopped()
        if seconds > limit:
            return JobFailed(
                f"the job took longer than {limit:g} s; raise CIRCUITS_LIMITS__JOB_SECONDS on the "
                "worker, or ask for less"
            )
        return None

    def _end_process(self, verdict: BaseException) -> None:
        with self._guard:
            if self._done.is_set():
                return  # the work stopped by itself at the last moment
            log.error("the work does not stop; ending its process", extra=self._extra)
            settling = threading.Thread(
                target=self._try_to_settle, args=(verdict,), name="settle", daemon=True
            )
            settling.start()
            settling.join(SETTLE_SECONDS)
            if settling.is_alive():
                log.error(
                    "the database does not answer: the job is left to its lease", extra=self._extra
                )
            logging.shutdown()
            os._exit(1)

    def _try_to_settle(self, verdict: BaseException) -> None:
        try:
            self._settle(verdict)
        except Exception:
            log.exception("the job could not be settled", extra=self._extra)

    @property
    def _extra(self) -> dict[str, Any]:
        return {"job_id": self.job_id}


def error_document(error: BaseException) -> ErrorDocument:
    """The error as the job keeps it: `{type, message}`."""
    return ErrorDocument(type=type(error).__name__, message=str(error))
