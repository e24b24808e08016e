"""The kind of job that says which heads play which roles in a model's behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graph_schema.documents import RolesPlayed
from graph_schema.documents.jobs import JobRecord, RolesSpec
from workers.kinds.base import JobKind, Stored
from workers.kinds.figures import cost
from workers.results.roles import Roles

if TYPE_CHECKING:
    from workers.job.results import RolesResult
    from workers.job.workbench import Workbench


def _work(spec: RolesSpec, bench: Workbench) -> RolesResult:
    from discovery.jobs.roles import examine
    from workers.job.results import RolesResult

    inspected, pairs = bench.inspected(spec)
    chunk = bench.chunk(spec, pairs)
    found = examine(
        spec,
        bench.model(spec, inspected),
        pairs,
        bench.vocabulary(spec, inspected),
        limits=bench.settings.limits,
        progress=bench.lease,
        chunk=chunk,
    )
    return RolesResult(found.played, pairs.document, bench.run(found.cpu_seconds))


def _outcome(stored: Stored, record: JobRecord) -> Roles:
    from workers.results.reading import stored_roles

    return stored_roles(stored.graph, record.job_id)


def _json(found: Roles | None) -> dict[str, Any]:
    """The model, how it behaves, and every play, those that pass first."""
    return {**_measured(found.document if found else None), **cost(found.run if found else None)}


def _measured(document: RolesPlayed | None) -> dict[str, Any]:
    if document is None:
        nothing = ("model", "task", "behaviour")
        return dict.fromkeys(nothing) | {
            "plays": [],
            "transductions": [],
            "untested": {},
            "notes": [],
            "columns": {},
        }
    plays = [{**play.model_dump(mode="json"), "score": play.score} for play in document.ranked]
    behaviour = document.behaviour
    return {
        "model": document.model.model_dump(mode="json"),
        "task": document.task,
        "behaviour": None if behaviour is None else behaviour.model_dump(mode="json"),
        "plays": plays,
        "transductions": [each.model_dump(mode="json") for each in document.transductions],
        "untested": {role.value: why for role, why in document.untested.items()},
        "notes": list(document.notes),
        "columns": document.columns,
    }


def _look(record: JobRecord) -> str:
    return f"circuits job {record.job_id[:12]} --wait"


ROLES = JobKind(spec=RolesSpec, work=_work, outcome=_outcome, text=str, json=_json, look=_look)
