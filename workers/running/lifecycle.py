"""From claim to end: one job, done by whoever calls `perform`.

The worker's task and `circuits run` both go this way, so that a job is done once, whoever comes
first.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from graph_schema.documents.jobs import ErrorDocument, JobProgress, JobRecord, Offer
from graph_schema.errors import (
    CircuitServiceError,
    JobCancelled,
    JobFailed,
    LeaseLost,
)
from graph_schema.models.fingerprint import is_path
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore, StoreAddress
from workers.job.drafts import clear_drafts
from workers.job.lease import Lease, Stopped, error_document
from workers.kinds import Product
from workers.log_lines import about_job
from workers.machine import known_error
from workers.running.words import Outcome, Tell, What, Word, untold
from workers.settings import Settings

log = logging.getLogger(__name__)

WORKER_PATIENCE = 600.0
"""A result that took hours is worth waiting for a database that restarts."""

FEWEST_ANSWER_SECONDS = 5.0
"""A renewal is waited for so long, however short the lease is: a machine may be slow."""

MESSAGE_LENGTH = 500

_RELEASED = {jobs.Action.FAILED: Outcome.FAILED, jobs.Action.CANCELLED: Outcome.CANCELLED}


class Work(Protocol):
    """The work of a job: `workers.kinds.perform.run_job` with its surroundings filled in."""

    def __call__(self, record: JobRecord, run_id: str, lease: Lease, /) -> Product: ...


@dataclass
class Performer:
    """Claims jobs and sees them through. One a process; close it at the end.

    Args:
        owner: Name of the worker's main process (`workers.running.owner`).
        deliver: Sends the messages of jobs, as far as it can.
        stopping: Says whether this worker is to stop.
        parent: The process without which this one must not go on.
        offer: What it serves; None: whatever it is told to do.
        patience: Seconds to wait for a database that is away.
        log_place: Where to look when an error was not expected.
        quiet: Whoever asked for the work tells of the errors that we know; do not log them too.
        tell: Told of what happens, for whoever counts.
    """

    settings: Settings
    address: StoreAddress
    owner: str
    deliver: Callable[[Iterable[str]], None]
    stopping: Callable[[], bool] = lambda: False
    parent: int | None = None
    offer: Offer | None = None
    patience: float = WORKER_PATIENCE
    log_place: str = "the worker's log"
    quiet: bool = False
    tell: Tell = untold
    store: GraphStore = field(init=False)
    _pulse: GraphStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = GraphStore(self.address, patience=self.patience)
        lease = self.settings.lease_seconds
        answer = max(FEWEST_ANSWER_SECONDS, lease / 3)
        self._pulse = GraphStore(self.address, patience=lease / 6, answer=answer)

    def close(self) -> None:
        self.store.close()
        self._pulse.close()

    def perform(
        self,
        job_id: str,
        work: Work,
        report: Callable[[str, int, int], None] | None = None,
    ) -> bool:
        """Claim the job, do it, store what came out; False where it was not to be had.

        However the job ends, that is in the graph and not in an exception; only what stops the
        process itself (KeyboardInterrupt) passes through, after the job was cancelled.
        """
        with about_job(job_id):
            return self._perform(job_id, work, report)

    def _perform(
        self, job_id: str, work: Work, report: Callable[[str, int, int], None] | None
    ) -> bool:
        token = uuid4().hex
        record = jobs.claim_served(
            self.store,
            job_id,
            token,
            owner=self.owner,
            lease=self.settings.lease_seconds,
            max_attempts=self.settings.max_attempts,
            offer=self.offer,
        )
        extra = {"job_id": job_id}
        if isinstance(record, jobs.Unserved):
            log.info("job %s is left to a worker with %s", job_id[:12], record.demand, extra=extra)
            self.deliver(record.send)
            return False
        if record is None:
            log.info("job %s is not to be had: done, or another's", job_id[:12], extra=extra)
            return False
        log.info("job %s: attempt %d", job_id[:12], record.attempts, extra=extra)
        self.tell(Word(What.STARTED, record.kind))
        began = time.monotonic()
        lease = Lease(
            self.settings,
            self._pulse,
            job_id,
            token,
            settle=lambda verdict: self._settle(self._pulse, record, token, verdict, began),
            missed=lambda: self.tell(Word(What.RENEWAL_FAILED, record.kind)),
            stopping=self.stopping,
            parent=self.parent,
            report=report,
        )
        try:
            with lease:
                product = work(record, token, lease)
                lease.hold_for_storing()
            self._write_parts(job_id, token, product, report)
            send = jobs.finish(self.store, job_id, token, product.write, product.circuit_ids)
        except BaseException as error:
            self._settle(self.store, record, token, error, began)
            if not isinstance(error, (Exception, Stopped)):
                raise
        else:
            log.info("job %s succeeded", job_id[:12], extra=extra)
            self._tell_end(record, Outcome.SUCCEEDED, began)
            self.deliver(send)
            lease.stored()
        self._clear_drafts(job_id)
        return True

    def _write_parts(
        self,
        job_id: str,
        token: str,
        product: Product,
        report: Callable[[str, int, int], None] | None,
    ) -> None:
        """Store what is too much for the transaction that ends the job; nobody sees it before."""
        parts = tuple(product.parts())
        for done, part in enumerate(parts):
            if self.stopping():
                raise Stopped
            if report is not None:
                report("storing", done, len(parts))
            jobs.write_part(
                self.store,
                job_id,
                token,
                part.write,
                draft=part.circuit_id,
                lease=self.settings.storing_seconds,
                progress=JobProgress(stage="storing", done=done, total=len(parts)),
            )

    def _clear_drafts(self, job_id: str) -> None:
        """Remove what the job, if it has ended, left of circuits that it did not come to store."""
        try:
            clear_drafts(self.store, job_id)
        except CircuitServiceError as error:
            log.warning("drafts stay for `circuits gc`: %s", error, extra={"job_id": job_id})

    def _tell_end(self, record: JobRecord, outcome: Outcome, began: float) -> None:
        self.tell(Word(What.ENDED, record.kind, outcome, time.monotonic() - began))

    def _settle(
        self,
        store: GraphStore,
        record: JobRecord,
        token: str,
        error: BaseException,
        began: float,
    ) -> None:
        """End the job, or give it back, as the error that stopped the work asks."""
        job_id = record.job_id
        extra = {"job_id": job_id}
        try:
            if isinstance(error, LeaseLost):
                raise error
            if isinstance(error, (JobCancelled, KeyboardInterrupt)):
                log.info("job %s is cancelled", job_id[:12], extra=extra)
                send, outcome = jobs.stop(store, job_id, token), Outcome.CANCELLED
            elif isinstance(error, Stopped):
                log.info("job %s is given back: this worker stops", job_id[:12], extra=extra)
                settled = jobs.release(store, job_id, token)
                send, outcome = settled.send, Outcome.GIVEN_BACK
            else:
                send, outcome = self._fail(store, record, token, error)
        except LeaseLost as lost:
            log.warning("%s", lost, extra=extra)
            self._tell_end(record, Outcome.LEASE_LOST, began)
        else:
            self._tell_end(record, outcome, began)
            self.deliver(send)

    def _patience(self) -> jobs.Patience:
        settings = self.settings
        return jobs.Patience(
            settings.max_attempts, settings.put_off_seconds, settings.resend_seconds
        )

    def _fail(
        self, store: GraphStore, record: JobRecord, token: str, error: BaseException
    ) -> tuple[tuple[str, ...], Outcome]:
        job_id = record.job_id
        extra = {"job_id": job_id}
        known = known_error(error)
        if known is None:
            log.error("job %s failed", job_id[:12], exc_info=error, extra=extra)
            first = (str(error).strip().splitlines() or [""])[0][:MESSAGE_LENGTH]
            message = f"{type(error).__name__}: {first}; the traceback is in {self.log_place}"
            document = ErrorDocument(type=JobFailed.__name__, message=message)
            return jobs.fail(store, job_id, token, document), Outcome.FAILED
        trace = None if known is error else error
        log.log(
            logging.DEBUG if self.quiet else logging.WARNING,
            "job %s: %s: %s",
            job_id[:12],
            type(known).__name__,
            known,
            exc_info=trace,
            extra=extra,
        )
        document = error_document(known)
        if known.lasting:
            document = _for_everyone(document, record)
        if known.retryable:
            settled = jobs.put_off(store, job_id, token, document, self._patience())
            return settled.send, _RELEASED.get(settled.action, Outcome.RETRIED)
        return jobs.fail(store, job_id, token, document), Outcome.FAILED


def _for_everyone(document: ErrorDocument, record: JobRecord) -> ErrorDocument:
    """The error with the model's fingerprint in place of its path.

    A lasting error answers whoever submits the same spec, and they have the model elsewhere.
    """
    # Not as documents: a job whose spec cannot be read must end as well.
    placed, asked = json.loads(record.placement), json.loads(record.spec)
    asked = asked if "model" in asked else asked.get("discover", {})  # of a shard
    name = placed.get("model", {}).get("name", "")
    if not is_path(name):
        return document
    known_as = asked.get("model", {}).get("fingerprint", "")[:12] or "of the job"
    message = document.message.replace(repr(name), known_as).replace(name, known_as)
    return document.model_copy(update={"message": message})
