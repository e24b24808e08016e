"""From what was gathered of each model to a report: states, verdicts, alignment, stress test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from graph_schema.comparing.assumptions import assumptions
from graph_schema.comparing.protocols import output_role
from graph_schema.comparing.role_alignment import align
from graph_schema.comparing.states import rungs, super_edges
from graph_schema.comparing.universality import judge, shares_of
from graph_schema.documents import ModelFinding, MotifTest, Rung, RungFinding
from graph_schema.documents.jobs import UniversalitySpec
from graph_schema.documents.protocol import Protocol
from graph_schema.documents.role import Behaviour
from graph_schema.documents.role_graph import RoleNode
from graph_schema.documents.universality import (
    ModelEvidence,
    StateMove,
    StressTest,
    UniversalityReport,
)
from graph_schema.documents.verdict import Verdict
from workers.kinds.universality_evidence import Gathered, depths, edge_iou, share_with_motif

SCOPE = (
    "Said over trainings of these families, on this task, its prompts and this protocol; models "
    "trained otherwise were not looked at."
)

PAIR_DRAWS = 500
MOST_PAIRED = 50
"""Role graphs of which each pair is aligned as well as all together."""


def report(
    spec: UniversalitySpec,
    gathered: Sequence[Gathered],
    derived: Iterable[tuple[str, str]],
    occurrences: MotifTest | None,
) -> UniversalityReport:
    """All that the job found.

    Args:
        spec: The job.
        gathered: Each model's findings, in the spec's order.
        derived: (model, what it was derived from), as fingerprints.
        occurrences: Of the motif in the models' circuits, against chance.
    """
    lineage = tuple(derived)
    models = tuple(_evidence(spec, each) for each in gathered)
    direct = spec.protocol.model_copy(update={"path": "direct"})
    verdicts = (
        _verdict(spec, Rung.ROLE, spec.protocol, gathered, models, lineage),
        _verdict(spec, Rung.WIRING, spec.protocol, gathered, models, lineage),
        _verdict(spec, Rung.WIRING, direct, gathered, models, lineage),
    )
    counted = {each.fingerprint for each in verdicts[0].models if each.counted_with is None}
    graphs = [
        each.main.graph
        for each in gathered
        if each.fingerprint in counted and each.main.graph and each.main.graph.edges
    ]
    return UniversalityReport(
        job_id=spec.job_id,
        motif=spec.motif.name,
        motif_id=spec.motif.motif_id,
        notation="; ".join(rule.name for rule in spec.protocol.edges),
        task=spec.data.task_name,
        task_id=spec.data.task_id,
        protocol=spec.protocol,
        models=models,
        verdicts=verdicts,
        assumptions=assumptions(spec.protocol),
        stress=_stressed(spec, gathered, models),
        alignment=align(graphs, seed=spec.seed, alpha=spec.protocol.alpha)
        if len(graphs) > 1
        else None,
        alignments=tuple(
            align(pair, draws=PAIR_DRAWS, seed=spec.seed, alpha=spec.protocol.alpha)
            for pair in combinations(graphs if len(graphs) <= MOST_PAIRED else (), 2)
        ),
        occurrences=occurrences,
    )


def _evidence(spec: UniversalitySpec, found: Gathered) -> ModelEvidence:
    protocol, role = spec.protocol, output_role(spec.motif)
    roles, graph = found.main.roles, found.main.graph
    members = graph.nodes if graph else ()
    by_role = {str(node.role): node.members for node in members}
    values = [each.evaluation for each in found.circuits]
    return ModelEvidence(
        model=found.given,
        name=found.model.name if found.model else found.given,
        fingerprint=found.fingerprint,
        family=found.model.family if found.model else "unknown",
        rungs=rungs(found.main, protocol, role),
        behaviour=_behaviour(found),
        members=tuple(RoleNode(role=node.role, members=node.members) for node in members),
        depths=depths(by_role, found.model) if found.model else {},
        super_edges=super_edges(protocol, graph),
        transduction=next((t for t in roles.transductions if t.role is role), None)
        if roles
        else None,
        restored=graph.restored if graph else (),
        circuits=tuple(each.circuit_id for each in found.circuits),
        faithfulness=tuple(each.faithfulness.value if each else None for each in values),
        motif_in_circuits=share_with_motif(found.circuits, spec.motif, roles),
        edge_iou=edge_iou(found.circuits),
        role_graph_id=graph.role_graph_id if graph else None,
        role_test_id=roles.role_test_id if roles else None,
        jobs=found.jobs,
        failures=found.failures,
        specificity=found.specificity,
    )


def _behaviour(found: Gathered) -> Behaviour | None:
    measured = (found.main.roles, found.main.graph)
    return next((each.behaviour for each in measured if each and each.behaviour), None)


def _verdict(
    spec: UniversalitySpec,
    rung: Rung,
    protocol: Protocol,
    gathered: Sequence[Gathered],
    models: Sequence[ModelEvidence],
    derived: tuple[tuple[str, str], ...],
) -> Verdict:
    role = output_role(spec.motif)
    known = [each for each in gathered if each.model is not None]
    unknown = [each for each in gathered if each.model is None]
    found = [
        ModelFinding(
            fingerprint=each.fingerprint,
            weights_sha256=each.model.weights_sha256,
            family=each.model.family,
            rungs=rungs(each.main, protocol, role),
            role_graph_id=each.main.graph.role_graph_id if each.main.graph else None,
            circuit_ids=tuple(circuit.circuit_id for circuit in each.circuits),
        )
        for each in known
        if each.model is not None
    ]
    graphs = {each.fingerprint: each.main.graph for each in known if each.main.graph}
    return judge(
        rung,
        found,
        motif=spec.motif,
        task=spec.data.task_name,
        task_id=spec.data.task_id,
        protocol=protocol,
        shares=shares_of(graphs, protocol),
        derived=derived,
        scope=" ".join([*_beyond(unknown), *_circuits_differ(models), SCOPE]),
        assumptions=assumptions(protocol),
        job_id=spec.job_id,
    )


def _beyond(unknown: Sequence[Gathered]) -> list[str]:
    if not unknown:
        return []
    names = ", ".join(each.given for each in unknown)
    return [f"{len(unknown)} more could not be read at all and are not counted: {names}."]


def _circuits_differ(models: Sequence[ModelEvidence]) -> list[str]:
    """A verdict that depends on the circuit says so."""
    mixed = [each.name for each in models if each.motif_in_circuits not in (None, 0.0, 1.0)]
    if not mixed:
        return []
    return [f"In {', '.join(mixed)} the motif occurs in some circuits and not in others."]


def _stressed(
    spec: UniversalitySpec, gathered: Sequence[Gathered], models: Sequence[ModelEvidence]
) -> StressTest | None:
    if spec.stress is None:
        return None
    role = output_role(spec.motif)
    states: dict[str, tuple[RungFinding, ...]] = {}
    moves: list[StateMove] = []
    for found, model in zip(gathered, models, strict=True):
        assert found.stress is not None, "a stress test is of all models or of none"
        states[found.fingerprint] = after = rungs(found.stress, spec.stress, role)
        moves += [
            StateMove(
                fingerprint=found.fingerprint,
                model=model.model,
                rung=one.rung,
                before=one.state,
                after=other.state,
                reason=other.reason,
            )
            for one, other in zip(model.rungs, after, strict=True)
            if one.state is not other.state
        ]
    kinds = (spec.protocol.ablation.kind.value, spec.stress.ablation.kind.value)
    what = f"roles and effects measured again under ablation {kinds[1]} in place of {kinds[0]}"
    return StressTest(what=what, protocol=spec.stress, states=states, moves=tuple(moves))
