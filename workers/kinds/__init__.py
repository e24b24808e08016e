"""The kinds of jobs, one file each, and the table of them.

A new kind is a file here and a line in `KINDS`; nothing else asks of what kind a job is.
"""

from __future__ import annotations

from typing import Any

from graph_schema.documents.jobs import JobRecord
from graph_schema.errors import SpecError
from workers.kinds.base import JobKind, Product, Stored
from workers.kinds.discover import DISCOVER
from workers.kinds.effects import EFFECTS
from workers.kinds.evaluate import EVALUATE
from workers.kinds.roles import ROLES
from workers.kinds.shard import SHARD
from workers.kinds.specificity import SPECIFICITY
from workers.kinds.trace import TRACE
from workers.kinds.universality import UNIVERSALITY

KINDS: dict[str, JobKind[Any, Any]] = {
    kind.name: kind
    for kind in (DISCOVER, EFFECTS, EVALUATE, ROLES, SHARD, SPECIFICITY, TRACE, UNIVERSALITY)
}


def kind_of(record: JobRecord) -> JobKind[Any, Any]:
    """The kind of a job.

    Raises:
        SpecError: This installation has no such kind: a newer one submitted the job.
    """
    if (kind := KINDS.get(record.kind)) is None:
        raise SpecError(
            f"job {record.job_id[:12]} is of kind {record.kind!r}; this installation knows "
            f"{', '.join(sorted(KINDS))}: upgrade circuit-atlas here"
        )
    return kind


__all__ = [
    "DISCOVER",
    "EFFECTS",
    "EVALUATE",
    "KINDS",
    "ROLES",
    "SHARD",
    "SPECIFICITY",
    "TRACE",
    "UNIVERSALITY",
    "JobKind",
    "Product",
    "Stored",
    "kind_of",
]
