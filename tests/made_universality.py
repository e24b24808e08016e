"""Jobs of made models in a graph, with what they would have found: no model is run.

Each model is given by a letter: `d` wired directly, `m` through an MLP, `a` without the wiring, `r`
without the role, `b` does not do the task, `f` its roles job failed, `e` its effects job failed,
`n` nothing of it can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from neo4j import Transaction

from graph_schema.comparing.protocols import default_protocol
from graph_schema.documents import (
    Ablation,
    AblationSpec,
    Eap,
    ModelDocument,
    ModelSource,
    RoleGraph,
    RolesPlayed,
    TaskData,
    TopEdges,
)
from graph_schema.documents.jobs import (
    DiscoverSpec,
    EffectsSpec,
    ErrorDocument,
    JobSpec,
    MeasuringJobs,
    ModelJobs,
    Need,
    Placement,
    RolesSpec,
    UniversalitySpec,
)
from graph_schema.documents.universality import UniversalityReport
from graph_schema.motifs import find_motif
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.role_graphs import write_role_graph
from graph_schema.store.records.role_tests import write_roles
from tests.factories import INDUCTION_EDGES, make_circuit, make_model
from tests.findings import role_graph, roles_played
from workers.kinds.universality import UniversalityResult
from workers.kinds.universality_evidence import gather
from workers.kinds.universality_judging import report

MOTIF = find_motif("induction")
DATA = TaskData.model_validate({"task": {"name": "induction"}})
MEAN = AblationSpec(kind=Ablation.MEAN)
WITHOUT = tuple(edge for edge in INDUCTION_EDGES if edge.name != "a0.h1->a1.h2<k>")
"""A circuit in which the motif does not occur."""


def share(value: float, by: float = 0.02) -> dict[str, float]:
    return {"share": value, "ci_low": value - by, "ci_high": value + by}


@dataclass(frozen=True)
class Made:
    """A model and how it is; `weights` where two are one."""

    name: str
    family: str
    how: str

    @property
    def document(self) -> ModelDocument:
        return make_model(self.name, self.family)


def store_jobs(
    store: GraphStore, models: Sequence[Made], *, stressed: str = "", seed: int = 0
) -> UniversalitySpec:
    """Write the jobs of the models, and the spec of the job that judges them.

    `stressed` says how all models are under the stress test's ablation; empty for none.
    """
    protocol = default_protocol(MOTIF)
    stress = default_protocol(MOTIF, ablation=MEAN) if stressed else None
    spec = UniversalitySpec(
        motif=MOTIF,
        data=DATA,
        protocol=protocol,
        stress=stress,
        models=tuple(_store_model(store, each, stressed, seed) for each in models),
        seed=seed,
    )
    needs = [Need(job_id=id, on_failure="proceed") for m in spec.models for id in m.job_ids]
    jobs.submit(store, spec, placed(models[0].name), needs=needs)
    return spec


def store_report(
    store: GraphStore, models: Sequence[Made], *, stressed: str = ""
) -> UniversalityReport:
    """What judging the models comes to, stored as the job would; their jobs are written first."""
    spec = store_jobs(store, models, stressed=stressed)
    gathered = [gather(store, each) for each in spec.models]
    found = report(spec, gathered, (), None)
    documents = tuple(each.model for each in gathered if each.model is not None)
    store.write(UniversalityResult(found, spec.motif, documents, None).write)
    return found


def placed(name: str) -> Placement:
    return Placement(model=ModelSource(name=f"/models/{name}"))


def end(
    store: GraphStore,
    spec: JobSpec,
    name: str,
    write: Callable[[Transaction], None] | None = None,
    circuit_ids: Sequence[str] = (),
    error: ErrorDocument | None = None,
) -> None:
    """Submit a job and end it: with what `write` writes, or with an error."""
    jobs.submit(store, spec, placed(name))
    record = jobs.claim(store, spec.job_id, "token", owner="made", lease=60, max_attempts=3)
    assert record is not None
    if error is not None:
        jobs.fail(store, spec.job_id, "token", error)
    else:
        jobs.finish(store, spec.job_id, "token", write or (lambda tx: None), tuple(circuit_ids))


def _store_model(store: GraphStore, made: Made, stressed: str, seed: int) -> ModelJobs:
    model = made.document
    fields: dict[str, Any] = {"model": {"fingerprint": model.fingerprint}, "data": DATA}
    fields |= {"seed": seed}
    discover = DiscoverSpec(method=Eap(), selection=TopEdges(n_edges=30), alternatives=3, **fields)
    if made.how == "n":
        main = _measuring(fields)
        for spec in (discover, *main[1:]):
            end(store, spec, made.name, error=ErrorDocument(type="ModelError", message="no config"))
        pair = main[0]
    else:
        circuits = [
            make_circuit(
                edges,
                model=model,
                job=f"{made.name} {number}",
                job_id=discover.job_id,
                task_id=DATA.task_id,
            )
            for number, edges in enumerate((INDUCTION_EDGES, INDUCTION_EDGES[:-1], WITHOUT))
        ]

        def write(tx: Transaction) -> None:
            for circuit in circuits:
                write_circuit(tx, circuit)

        end(store, discover, made.name, write, [each.circuit_id for each in circuits])
        pair = _store_measured(store, made, made.how, fields)
    stress = None
    if stressed:
        stress = _store_measured(store, made, stressed, fields | {"ablation": MEAN})
    return ModelJobs(
        fingerprint=model.fingerprint, discover=discover.job_id, main=pair, stress=stress
    )


def _measuring(fields: dict[str, Any]) -> tuple[MeasuringJobs, RolesSpec, EffectsSpec]:
    roles = RolesSpec(**fields)
    effects = EffectsSpec(motif=MOTIF, roles_job=roles.job_id, **fields)
    return MeasuringJobs(roles=roles.job_id, effects=effects.job_id), roles, effects


def _store_measured(
    store: GraphStore, made: Made, how: str, fields: dict[str, Any]
) -> MeasuringJobs:
    pair, roles, effects = _measuring(fields)
    ablation = fields.get("ablation", AblationSpec())
    if how == "f":
        failed = ErrorDocument(type="ResourceError", message="out of memory: 3 GB asked for")
        end(store, roles, made.name, error=failed)
        needed = ErrorDocument(type="JobFailed", message="it needs a job, which is failed")
        end(store, effects, made.name, error=needed)
        return pair
    test = played(made, how, roles, ablation)
    end(store, roles, made.name, lambda tx: write_roles(tx, test))
    if how == "e":
        died = ErrorDocument(type="JobFailed", message="worker died 3 times")
        end(store, effects, made.name, error=died)
    else:
        graph = effects_of(made, how, effects, ablation)
        graph = graph.model_copy(update={"role_test_id": test.role_test_id})
        end(store, effects, made.name, lambda tx: write_role_graph(tx, graph))
    return pair


def _behaviour(how: str) -> dict[str, Any]:
    accuracy = 0.1 if how == "b" else 0.97
    reason = "the task is not done" if how == "b" else ""
    gap = {"gap": 9.0, "gap_low": 8.5, "gap_high": 9.5}
    return gap | {"accuracy": {"period_5": 0.99, "period_9": accuracy}, "reason": reason}


def _told(made: Made, how: str, job_id: str, ablation: AblationSpec) -> dict[str, Any]:
    return {
        "model": made.document,
        "task": DATA.task_name,
        "task_id": DATA.task_id,
        "job_id": job_id,
        "behaviour": _behaviour(how),
        "ablation": ablation,
    }


def played(made: Made, how: str, spec: RolesSpec, ablation: AblationSpec) -> RolesPlayed:
    fields = roles_played(made.document).model_dump()
    if how == "b":
        fields["plays"] = ()
    if how == "r":
        for play in fields["plays"]:
            play |= {"passes": False, "scores": dict.fromkeys(play["scores"], 0.05)}
    moved = {
        "role": "induction",
        "members": ("a1.h2",),
        "moved": share(0.9),
        "same_answer": share(0.05),
        "accuracy": 0.95,
        "others": 0.03,
        "n_prompts": 64,
    }
    fields["transductions"] = () if how in "br" else (moved,)
    return RolesPlayed.model_validate(fields | _told(made, how, spec.job_id, ablation))


def effects_of(
    made: Made, how: str, spec: EffectsSpec, ablation: AblationSpec, keys: float = 0.5
) -> RoleGraph:
    fields = role_graph(made.document).model_dump()
    by_keys, out = fields["edges"]
    by_keys |= share({"a": 0.02, "r": 0.01}.get(how, keys))
    by_keys |= {"is_bound": how == "r", "direct": share(0.15 if how == "m" else 0.9)}
    mediator = {"component": "m0"} | share(0.75)
    by_keys["mediators"] = (mediator,) if how == "m" else ()
    out |= share(0.01 if how == "r" else 0.9) | {"is_bound": how == "r", "direct": share(0.98)}
    if how == "b":
        fields["edges"] = ()
    fields["restored"] = ({"wiring": "direct"} | share(0.8),)
    fields["motif_id"] = MOTIF.motif_id
    return RoleGraph.model_validate(fields | _told(made, how, spec.job_id, ablation))
