"""What the graph knows of jobs, runs and workers, without what a job's kind asks for."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from graph_schema.documents.base import Document

SHARD_KIND = "shard"
"""The kind of a job that is a part of another one."""


class JobState(StrEnum):
    """Where a job stands. `queued` and `running` are live, the others are its end."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Need(Document):
    """Another job that must end before this one may be claimed.

    `fail`: it must end well, and this job fails with it; `proceed`: any end will do.
    """

    job_id: str
    on_failure: Literal["fail", "proceed"] = "fail"


class ErrorDocument(Document):
    """A job's error, raised again as its class by `job.result()`."""

    type: str
    message: str


class JobProgress(Document):
    """How far a running job is: `done` of `total` in this `stage`."""

    stage: str
    done: int
    total: int


class JobRecord(Document):
    """A job as the graph knows it; times are the database's, in milliseconds."""

    job_id: str
    kind: str
    state: JobState
    spec: str
    placement: str
    needs: tuple[Need, ...] = ()
    attempts: int = 0
    owner: str | None = None
    progress: JobProgress | None = None
    cancel_requested: bool = False
    error: ErrorDocument | None = None
    """What it failed with; of a queued one what its last try met, which may pass."""
    failed_need: str | None = None
    """The job through which it failed, where it did so for want of what it needs."""
    circuit_ids: tuple[str, ...] = ()
    submitted_at: int
    started_at: int | None = None
    finished_at: int | None = None
    put_off: int = 0
    """How often a try met an error that may pass."""
    retry_at: int | None = None
    """When it is tried again, where it was put off."""


class WorkerRecord(Document):
    """A worker that is live, as it says of itself; times are the database's, in milliseconds.

    `serves` is an `Offer` as text; `job_id` what it is on.
    """

    worker_id: str
    host: str
    pid: int
    serves: str
    since: int
    job_id: str | None = None


class RunRecord(Document):
    """One attempt's provenance: versions and timings (CPU seconds by stage)."""

    run_id: str
    job_id: str
    attempt: int
    versions: dict[str, str]
    cpu_seconds: dict[str, float]
    host: str
