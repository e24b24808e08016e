"""What the jobs of one model left in the graph, gathered for a verdict.

A job that failed, or whose findings are not there, is a reason and no error: the model is then
untestable. Nothing here runs a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

from graph_schema.comparing.protocols import output_role
from graph_schema.comparing.states import Measurements
from graph_schema.documents import (
    CircuitDocument,
    Component,
    ModelDocument,
    Motif,
    RoleGraph,
    RoleName,
    RolesPlayed,
)
from graph_schema.documents.jobs import JobRecord, JobState, MeasuringJobs, ModelJobs, Placement
from graph_schema.documents.specificity import Specificity
from graph_schema.errors import CircuitServiceError, NotFoundError
from graph_schema.motifs import CircuitGraph, bindings
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit
from graph_schema.store.records.models import stored_model
from graph_schema.store.records.role_graphs import read_role_graph_of_job
from graph_schema.store.records.role_tests import read_role_test_of_job
from graph_schema.store.records.specificity import read_specificity_of_job

NOT_PERFORMED = "TaskNotPerformedError"
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Gathered:
    """One model's findings.

    Attributes:
        given: Where it lies, as its jobs were told.
        model: As the graph or its configuration knows it; None where neither can be read.
        main: What decides its states.
        stress: The same under the stress test's protocol.
        circuits: Those of its discover job.
        specificity: What its roles are worth on other tasks, where that was asked for.
        jobs: Job ids by what they did.
        failures: By the same names, why those failed that did.
    """

    fingerprint: str
    given: str
    model: ModelDocument | None
    main: Measurements
    stress: Measurements | None
    circuits: tuple[CircuitDocument, ...]
    jobs: dict[str, str]
    failures: dict[str, str]
    specificity: Specificity | None = None


@dataclass
class _Evidence:
    """What one model's jobs have found, and why some of them have nothing to read."""

    store: GraphStore
    failures: dict[str, str] = field(default_factory=dict[str, str])
    not_performed: str = ""

    def read(self, name: str, job_id: str, read: Callable[[JobRecord], _Found]) -> _Found | None:
        """What a job found; None where it failed, with the reason kept."""
        try:
            record = jobs.get(self.store, job_id)
            if record.state is JobState.SUCCEEDED:
                return read(record)
            self.failures[name] = _why(record)
            if record.error and record.error.type == NOT_PERFORMED:
                self.not_performed = self.not_performed or record.error.message
        except NotFoundError as error:
            self.failures[name] = f"job {job_id[:12]}: {error}"
        return None


def gather(store: GraphStore, asked: ModelJobs) -> Gathered:
    """What is stored of the jobs of a model."""
    evidence = _Evidence(store)
    circuits = evidence.read("discover", asked.discover, lambda record: _circuits(store, record))
    main = _measured(evidence, asked.main, "")
    not_performed = evidence.not_performed
    stress = _measured(evidence, asked.stress, "stress ") if asked.stress else None
    names = {"discover": asked.discover, "roles": asked.main.roles, "effects": asked.main.effects}
    if asked.stress:
        names |= {"stress roles": asked.stress.roles, "stress effects": asked.stress.effects}
    specificity: Specificity | None = None
    if asked.specificity:
        names["specificity"] = asked.specificity
        specificity = evidence.read(
            "specificity",
            asked.specificity,
            lambda record: read_specificity_of_job(store, record.job_id),
        )
    placement = _placement(store, names.values())
    return Gathered(
        fingerprint=asked.fingerprint,
        given=placement.model.name if placement else asked.fingerprint,
        model=_model(store, asked.fingerprint, placement, main, circuits or ()),
        main=Measurements(main.roles, main.graph, main.failed, not_performed),
        stress=stress,
        circuits=circuits or (),
        jobs=names,
        failures=evidence.failures,
        specificity=specificity,
    )


def measurements(store: GraphStore, asked: MeasuringJobs) -> Measurements:
    """What a roles and an effects job of one model left, and why one has left nothing."""
    evidence = _Evidence(store)
    found = _measured(evidence, asked, "")
    return Measurements(found.roles, found.graph, found.failed, evidence.not_performed)


def share_with_motif(
    circuits: Sequence[CircuitDocument], motif: Motif, played: RolesPlayed | None
) -> float | None:
    """In what share of the circuits the motif occurs; None without circuits or known roles."""
    if not circuits or played is None or not tells(played, motif):
        return None
    roles = roles_of(played)
    with_motif = [bool(bindings(CircuitGraph.of(each, roles), motif)) for each in circuits]
    return sum(with_motif) / len(with_motif)


def tells(played: RolesPlayed, motif: Motif) -> bool:
    """Whether it is known who plays the motif's output role, be it nobody."""
    return output_role(motif) not in played.untested


def roles_of(played: RolesPlayed) -> dict[str, tuple[RoleName, ...]]:
    """The roles that each component passes."""
    found: dict[str, tuple[RoleName, ...]] = {}
    for play in played.plays:
        if play.passes:
            found[play.component] = (*found.get(play.component, ()), play.role)
    return found


def edge_iou(circuits: Sequence[CircuitDocument]) -> float | None:
    """The mean overlap of the edges of two circuits; None for fewer than two."""
    names = [{edge.name for edge in circuit.edges} for circuit in circuits]
    pairs = [len(a & b) / len(a | b) for a, b in combinations(names, 2) if a | b]
    return sum(pairs) / len(pairs) if pairs else None


def depths(members: Mapping[str, Sequence[str]], model: ModelDocument) -> dict[str, float]:
    """The mean relative depth of each role's members."""
    found: dict[str, float] = {}
    for role, names in members.items():
        each = [Component.parse(name).depth(model.n_layers) for name in names]
        if each and role not in ("input", "logits"):
            found[role] = sum(each) / len(each)
    return found


def _measured(evidence: _Evidence, asked: MeasuringJobs, prefix: str) -> Measurements:
    store = evidence.store
    roles: RolesPlayed | None = evidence.read(
        f"{prefix}roles", asked.roles, lambda record: read_role_test_of_job(store, record.job_id)
    )
    graph: RoleGraph | None = evidence.read(
        f"{prefix}effects",
        asked.effects,
        lambda record: read_role_graph_of_job(store, record.job_id),
    )
    failed = {
        name: evidence.failures[f"{prefix}{name}"]
        for name in ("roles", "effects")
        if f"{prefix}{name}" in evidence.failures
    }
    return Measurements(roles, graph, failed, evidence.not_performed)


def _circuits(store: GraphStore, record: JobRecord) -> tuple[CircuitDocument, ...]:
    return tuple(read_circuit(store, circuit_id) for circuit_id in record.circuit_ids)


def _why(record: JobRecord) -> str:
    told = record.error.message if record.error else "no reason was given"
    if record.state is JobState.CANCELLED:
        told = "it was cancelled"
    return f"{record.kind} job {record.job_id[:12]} {record.state.value}: {told}"


def _placement(store: GraphStore, job_ids: Iterable[str]) -> Placement | None:
    """Where the model lies, as the first of its jobs that is there was told."""
    for job_id in job_ids:
        try:
            return Placement.model_validate_json(jobs.get(store, job_id).placement)
        except NotFoundError:
            continue
    return None


def _model(
    store: GraphStore,
    fingerprint: str,
    placement: Placement | None,
    main: Measurements,
    circuits: Sequence[CircuitDocument],
) -> ModelDocument | None:
    """The model as it was measured, as it is stored, or as its configuration describes it."""
    for measured in (main.roles, main.graph, *circuits):
        if measured is not None:
            return measured.model
    if (known := stored_model(store, fingerprint)) is not None:
        return known
    if placement is None:
        return None
    from graph_schema.models.config import read_model

    try:
        return read_model(placement.model, fingerprint)
    except (CircuitServiceError, OSError):
        return None
