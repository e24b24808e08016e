"""What a job needs: how those jobs stand, and whether it can still run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import ErrorDocument, JobState
from graph_schema.store.jobs.node import CANCELLED, Row, error_of, need_list

STATES: LiteralString = """
MATCH (j:Job) WHERE j.job_id IN $job_ids
RETURN j.job_id AS id, j.state AS state, j.error_type AS error_type,
       j.error_message AS error_message, j.failed_need AS failed_need
"""


class Standing(StrEnum):
    """Whether what a job needs has ended, and well enough."""

    WAITING = "waiting"
    MET = "met"
    FAILED = "failed"


@dataclass(frozen=True)
class Needed:
    """A job that another one needs: how it stands and, where it ended badly, through which job.

    `root` is the first of the line that failed or was cancelled, itself or what it needed; `error`
    is that one's.
    """

    state: JobState
    root: str
    error: ErrorDocument | None

    @property
    def ended(self) -> bool:
        return self.state.ended


@dataclass(frozen=True)
class Unmet:
    """Why a job cannot run any more, and the job that it lies with."""

    error: ErrorDocument
    root: str


States = dict[str, Needed]


def standing_of(tx: Transaction, row: Row) -> tuple[Standing, Unmet | None]:
    """How a job stands with what it needs, and where it cannot run any more, why."""
    return standing(row, states_of(tx, needed_by([row])))


def needed_by(rows: Iterable[Row]) -> set[str]:
    """The ids of all jobs that these need."""
    return {need for row in rows for need in row.get("needs") or ()}


def standing(row: Row, states: Mapping[str, Needed]) -> tuple[Standing, Unmet | None]:
    """As `standing_of`, with the states of what it needs at hand."""
    needs = need_list(row)
    for need in needs:
        found = states.get(need.job_id)
        failed = found is None or found.state in (JobState.FAILED, JobState.CANCELLED)
        if need.on_failure == "fail" and failed:
            return Standing.FAILED, _unmet(need.job_id, found)
    if all(states[need.job_id].ended for need in needs if need.job_id in states):
        return Standing.MET, None
    return Standing.WAITING, None


def _unmet(job_id: str, found: Needed | None) -> Unmet:
    needed = f"it needs job {job_id[:12]}"
    if found is None:
        return Unmet(ErrorDocument(type="JobFailed", message=f"{needed}, which is gone"), job_id)
    cancelled = found.error is not None and found.error.type == CANCELLED.type
    own = found.root == job_id
    what = (
        ("was cancelled" if cancelled else "failed")
        if own
        else f"failed because job {found.root[:12]} {'was cancelled' if cancelled else 'did'}"
    )
    why = "" if cancelled or found.error is None else f": {found.error.type}: {found.error.message}"
    error = ErrorDocument(type="JobFailed", message=f"{needed}, which {what}{why}")
    return Unmet(error, found.root)


def states_of(tx: Transaction, job_ids: set[str]) -> States:
    """How these jobs stand; those that are not there are left out."""
    rows = _state_rows(tx, job_ids)
    # What a job failed through is told as it is, however long the line is.
    roots = _state_rows(tx, {row["failed_need"] for row in rows.values()} - {None, *rows}) | rows
    found: States = {}
    for job_id, row in rows.items():
        root = row["failed_need"] or job_id
        found[job_id] = Needed(JobState(row["state"]), root, error_of(roots.get(root, {})))
    return found


def needed_as(row: Row, states: States) -> Needed:
    """How a job stands to those that need it, by its own row and what is known of others."""
    job_id = row["job_id"]
    root = row.get("failed_need") or job_id
    told = states.get(root) if root != job_id else None
    return Needed(JobState(row["state"]), root, told.error if told else error_of(row))


def _state_rows(tx: Transaction, job_ids: set[str]) -> dict[str, Row]:
    if not job_ids:
        return {}
    return {row["id"]: row.data() for row in tx.run(STATES, job_ids=sorted(job_ids))}
