"""The kind of job that scores a part of a discover job's pairs.

What it finds lies among the checkpoints of that job, which adds the parts up and removes them once
its own result is stored.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graph_schema.documents.jobs import DiscoverSpec, JobRecord, RunRecord, ShardSpec
from graph_schema.errors import StoreUnavailable
from workers.job.in_one_go import InOneGo
from workers.kinds.base import JobKind, Stored
from workers.kinds.figures import cost
from workers.kinds.scoring import ready

if TYPE_CHECKING:
    from neo4j import Transaction

    from discovery.methods.shards import Part
    from workers.job.checkpoints import Checkpoints
    from workers.job.workbench import Workbench

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardResult(InOneGo):
    """What is written of a shard: that it was done, by whom and what it took."""

    run: RunRecord

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return ()

    def write(self, tx: Transaction) -> None:
        """Write the run."""
        from graph_schema.store.records.runs import write_run

        write_run(tx, self.run)


@dataclass(frozen=True)
class ShardDone:
    """A shard that was scored."""

    spec: ShardSpec
    run: RunRecord | None

    def __str__(self) -> str:
        job = self.spec.discover.job_id
        return (
            f"shard {self.spec.index + 1} of {self.spec.of} is scored; what becomes of all: "
            f"circuits job {job[:12]}"
        )


def _name(index: int, of: int) -> str:
    return f"shard-{index}-of-{of}"


def _work(spec: ShardSpec, bench: Workbench) -> ShardResult:
    from discovery.jobs.shard import score_shard
    from workers.job.checkpoints import checkpoint_key, save_sealed

    at_hand = ready(spec.discover, bench)
    part = score_shard(spec, at_hand.model, at_hand.pairs, **at_hand.options)
    bench.lease("storing", 0, 1)
    try:  # whoever has it now writes the same
        bench.lease.renew(bench.settings.lease_seconds, None)
    except StoreUnavailable as error:
        log.warning("renewal failed: %s", error, extra={"job_id": bench.record.job_id})
    key = checkpoint_key(spec.discover.job_id, _name(spec.index, spec.of))
    save_sealed(bench.artifacts, key, part.to_arrays())
    return ShardResult(bench.run({"shard": part.cpu_seconds}))


def parts_of(checkpoints: Checkpoints, spec: DiscoverSpec, of: int) -> tuple[Part, ...]:
    """What the shards of a job have found; nothing where not all of it is there."""
    from discovery.methods.shards import Part

    if of == 1:
        return ()
    loaded = [checkpoints.load(_name(index, of)) for index in range(of)]
    found = [None if arrays is None else Part.from_arrays(arrays) for arrays in loaded]
    parts = tuple(part for part in found if part is not None)
    if len(parts) == of:
        return parts
    job_id = spec.job_id
    log.warning(
        "job %s scores all pairs itself: the scores of %d of its %d shards are not there",
        job_id[:12],
        of - len(parts),
        of,
        extra={"job_id": job_id},
    )
    return ()


def _outcome(stored: Stored, record: JobRecord) -> ShardDone:
    from graph_schema.store.records.runs import run_of_job

    spec = ShardSpec.model_validate_json(record.spec)
    return ShardDone(spec, run_of_job(stored.graph, record.job_id))


def _json(done: ShardDone | None) -> dict[str, Any]:
    """Which part of which job it is."""
    return {
        "discover_job": done.spec.discover.job_id if done else None,
        "shard": done.spec.index + 1 if done else None,
        "shards": done.spec.of if done else None,
        **cost(done.run if done else None),
    }


def _look(record: JobRecord) -> str:
    spec = ShardSpec.model_validate_json(record.spec)
    return f"circuits job {spec.discover.job_id[:12]}"


SHARD = JobKind(spec=ShardSpec, work=_work, outcome=_outcome, text=str, json=_json, look=_look)
