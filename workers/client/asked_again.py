"""What asking again for a job that is there does to it, and what it does not."""

from __future__ import annotations

import json
import logging

from graph_schema.documents.jobs import JobRecord, JobState, Placement
from graph_schema.errors import NumericsError, error_from_document
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs import get_all

log = logging.getLogger(__name__)


def tell_placement(record: JobRecord, asked: Placement) -> None:
    """Say where a live job is run in another way than was asked for now.

    One that is queued has taken all but its number of shards, some of which may be done.
    """
    runs = {"shards": 1} | json.loads(record.placement)
    wanted = asked.model_dump(mode="json") | {"shards": asked.shards}
    if record.state is JobState.QUEUED:
        wanted = {"shards": asked.shards}
    other = [
        f"{name} is {runs.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if runs.get(name) != value
    ]
    if other:
        log.warning(
            "job %s %s already, as it was asked for before: %s; that is not changed; to have it "
            "run as asked for now, cancel it first: circuits cancel %s",
            record.job_id[:12],
            "waits" if record.state is JobState.QUEUED else "runs",
            "; ".join(other),
            record.job_id[:12],
        )


def with_failed_needs(store: GraphStore, record: JobRecord) -> tuple[JobRecord, ...]:
    """The jobs to run again so that this one can: those that it fails with, first, and itself."""
    found, level = {record.job_id: record}, (record,)
    while level:
        needed = {e.job_id for each in level for e in each.needs if e.on_failure == "fail"}
        badly = (JobState.FAILED, JobState.CANCELLED)
        level = tuple(each for each in get_all(store, sorted(needed)) if each.state in badly)
        for each in level:  # behind all that need it
            found.pop(each.job_id, None)
            found[each.job_id] = each
    return tuple(reversed(found.values()))


def deserves_another_try(record: JobRecord, wanted: Placement) -> bool:
    """Whether an ended job is begun anew because it is asked for again, placed like this."""
    if record.state is not JobState.FAILED or record.error is None:
        return record.state is JobState.CANCELLED
    error = error_from_document(record.error.type, record.error.message)
    if isinstance(error, NumericsError):
        # Another device rounds otherwise, and what overflows in half precision may not there.
        elsewhere = json.loads(record.placement).get("device") != wanted.device
        return elsewhere or not error.lasting
    return not error.lasting
