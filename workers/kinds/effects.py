"""The kind of job that measures what roles carry to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graph_schema.documents import RolesPlayed
from graph_schema.documents.jobs import EffectsSpec, JobRecord
from graph_schema.documents.role import Interval, Share
from graph_schema.documents.role_graph import SuperEdge
from graph_schema.errors import NotFoundError, SpecError
from workers.kinds.base import JobKind, Stored
from workers.kinds.figures import cost
from workers.results.effects import EffectsFound

if TYPE_CHECKING:
    from graph_schema.store.connection import GraphStore
    from workers.job.results import EffectsResult
    from workers.job.workbench import Workbench


def _work(spec: EffectsSpec, bench: Workbench) -> EffectsResult:
    from discovery.jobs.effects import measure_effects
    from workers.job.results import EffectsResult

    played = _played(bench.store, spec.roles_job)
    inspected, pairs = bench.inspected(spec)
    chunk = bench.chunk(spec, pairs)
    if chunk is not None and bench.placement.chunk is None:
        chunk = max(1, chunk // 2)  # what follows from a patch is held beside a state
    found = measure_effects(
        spec,
        played,
        bench.model(spec, inspected),
        pairs,
        bench.vocabulary(spec, inspected),
        limits=bench.settings.limits,
        progress=bench.lease,
        chunk=chunk,
    )
    return EffectsResult(found.graph, pairs.document, bench.run(found.cpu_seconds))


def _played(store: GraphStore, job_id: str) -> RolesPlayed:
    """What a roles job found.

    Raises:
        SpecError: There is no such job, or none that found roles.
    """
    from graph_schema.store.records.role_tests import read_role_test_of_job

    try:
        return read_role_test_of_job(store, job_id)
    except NotFoundError as error:
        raise SpecError(
            f"job {job_id[:12]} has stored no roles: expected a roles job that succeeded (see "
            f"circuits job {job_id[:12]})"
        ) from error


def _outcome(stored: Stored, record: JobRecord) -> EffectsFound:
    from graph_schema.store.records.role_graphs import read_role_graph_of_job
    from graph_schema.store.records.runs import run_of_job

    graph = read_role_graph_of_job(stored.graph, record.job_id)
    spec = EffectsSpec.model_validate_json(record.spec)
    return EffectsFound(graph, spec.motif.name, run_of_job(stored.graph, record.job_id))


def _json(found: EffectsFound | None) -> dict[str, Any]:
    """The role graph's figures; shares are numbers, their intervals beside them."""
    graph = found.document if found else None
    dump = graph.model_dump(mode="json") if graph else {}
    return {
        "role_graph_id": graph.role_graph_id if graph else None,
        "model": dump.get("model"),
        "motif": found.motif if found else None,
        "motif_id": graph.motif_id if graph else None,
        "task": graph.task if graph else None,
        "metric": dump.get("metric"),
        "ablation": dump.get("ablation"),
        "n_pairs": graph.n_pairs if graph else None,
        "conditions": dump.get("conditions", []) if graph else [],
        "behaviour": dump.get("behaviour"),
        "roles": {str(node.role): list(node.members) for node in graph.nodes} if graph else {},
        "super_edges": [_edge(edge) for edge in graph.edges] if graph else [],
        "restored": [each.model_dump(mode="json") for each in graph.restored] if graph else [],
        "notes": list(graph.notes) if graph else [],
        **cost(found.run if found else None),
    }


def _edge(edge: SuperEdge) -> dict[str, Any]:
    """One super-edge, flat."""
    return {
        "sender": str(edge.sender),
        "channel": edge.channel.value,
        "receiver": str(edge.receiver),
        "share": edge.share,
        "ci_low": edge.ci_low,
        "ci_high": edge.ci_high,
        "is_bound": edge.is_bound,
        **_flat("direct", edge.direct),
        "mediators": [each.model_dump(mode="json") for each in edge.mediators],
        **_flat("everywhere", edge.everywhere),
        **_flat("on_discovery", edge.on_discovery),
        "controls": [each.model_dump(mode="json") for each in edge.controls],
    }


def _flat(name: str, share: Share | None) -> dict[str, float | None]:
    ends: Interval | None = share
    return {
        name: share.share if share else None,
        f"{name}_ci_low": ends.ci_low if ends else None,
        f"{name}_ci_high": ends.ci_high if ends else None,
    }


def _look(record: JobRecord) -> str:
    return f"circuits job {record.job_id[:12]} --wait"


EFFECTS = JobKind(spec=EffectsSpec, work=_work, outcome=_outcome, text=str, json=_json, look=_look)
