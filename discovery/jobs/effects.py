"""The effects job: roles, a motif and pairs that roles were not assigned on; a role graph.

Necessity and its controls, direct and mediated parts (`discovery/roles/effects.py`), sufficiency
(`sufficiency.py`). A model that does not do the task has no effects to measure: the graph then says
why, and has no edges.
"""

from __future__ import annotations

from dataclasses import dataclass

from discovery.engine.self_check import check_adapter
from discovery.evaluation.measured import Measured
from discovery.evaluation.session import Session
from discovery.models import LoadedModel
from discovery.progress import Progress
from discovery.roles.behaviour import behaviour_on
from discovery.roles.cast import Cast
from discovery.roles.effects import super_edges
from discovery.roles.movers import TOLD_BY_MOVERS
from discovery.roles.positions import pulled_apart
from discovery.roles.shares import Shares
from discovery.roles.sufficiency import direct_wiring, mediated_wiring
from discovery.tasks.base import PairSet, TokenPair
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import Limits, RoleGraph, RoleName, RoleNode, RolesPlayed, Split
from graph_schema.documents.jobs.effects import AskedEdge, EffectsSpec
from graph_schema.documents.role import Behaviour, RolePlace
from graph_schema.documents.role_graph import Restored, SuperEdge
from graph_schema.models.same import EFFECTS, require_same


@dataclass(frozen=True)
class Effects:
    """What a job found."""

    graph: RoleGraph
    cpu_seconds: dict[str, float]


def measure_effects(
    spec: EffectsSpec,
    played: RolesPlayed,
    model: LoadedModel,
    pairs: PairSet,
    vocabulary: Vocabulary,
    *,
    limits: Limits,
    progress: Progress,
    chunk: int | None = None,
) -> Effects:
    """Measure what the roles of the spec's motif carry to each other in a model.

    Args:
        spec: The job.
        played: Who plays what: what the spec's roles job found.
        model: The spec's model, loaded in its dtype.
        pairs: The spec's data; effects are measured on the held-out pairs.
        vocabulary: The model's, as the task reads it.
        limits: `min_pairs` is read here.
        progress: Stages "baseline", "effects", "sufficiency".
        chunk: Pairs at a time (default: what fits).

    Raises:
        ModelError: Roles of another model, whose weights or shape are not this one's.
        DatasetError: The data lack what the metric or the ablation needs.
        NonFiniteError: NaN or infinite values; names the layer.
    """
    require_same(played.model, model.document, EFFECTS)
    session = Session.of(spec, model, pairs, limits=limits, progress=progress, chunk=chunk)
    cast = _cast(spec, played, session)
    judged, usable = _judged(session)
    with session.clock.stage("baseline"):
        prompts = [pair.clean for pair in (*pairs.discovery, *usable)]
        check_adapter(model.adapter, prompts, together=chunk != 1)
        found_on = _measured(session, Split.DISCOVERY, pairs.discovery)
        split = _measured(session, Split.HELDOUT, usable) if judged else found_on
    told = behaviour_on(split, vocabulary)
    if why := _no_roles(spec, played):
        told = told.model_copy(update={"reason": f"no roles: {why}"})
    if not judged:
        few = f"{len(usable)} held-out pairs that can be ablated; {limits.min_pairs} are needed"
        told = told.model_copy(update={"reason": few})
    edges: tuple[SuperEdge, ...] = ()
    restored: tuple[Restored, ...] = ()
    if not told.reason:
        shares = Shares(split, chunk, session.report("effects"))
        also = None
        if not behaviour_on(found_on, vocabulary).reason:
            also = Shares(found_on, chunk, session.report("effects"))
        with session.clock.stage("effects"):
            apart = pulled_apart(split.pairs, seed=spec.seed, n_ctx=vocabulary.n_ctx)
            edges = super_edges(cast, spec.asked, shares, on_discovery=also, apart=apart)
        with session.clock.stage("sufficiency"):
            restored = _restored(session, cast, spec.asked, edges, shares)
    graph = _graph(spec, played, model, pairs, cast, split, told, edges, restored)
    return Effects(graph, session.clock.seconds)


def _no_roles(spec: EffectsSpec, played: RolesPlayed) -> str:
    """Why nobody knows who plays the motif's roles; empty where that is known, be it nobody.

    All heads bound what a role carries that nobody plays. One that could not be tested may have
    players, so there is nothing to bound. Where there are no name movers, though, nobody inhibits
    or backs them up.
    """
    if played.behaviour is not None and played.behaviour.reason:
        return played.behaviour.reason
    untested = dict(played.untested)
    if RoleName.NAME_MOVER not in untested:
        untested = {role: why for role, why in untested.items() if role not in TOLD_BY_MOVERS}
    return next((why for role, why in untested.items() if role in spec.places), "")


def _cast(spec: EffectsSpec, played: RolesPlayed, session: Session) -> Cast:
    members: dict[RolePlace, tuple[str, ...]] = {
        place: tuple(play.component for play in played.plays if play.role == place and play.passes)
        for place in spec.places
        if place not in ("input", "logits")
    }
    taken = frozenset(play.component for play in played.plays if play.passes)
    return Cast(session.experiment.graph, members, taken)


def _judged(session: Session) -> tuple[bool, tuple[TokenPair, ...]]:
    """Whether there are enough pairs that roles were not assigned on, and these."""
    heldout = session.pairs.heldout
    covered = session.experiment.ablator.covers(heldout) if heldout else []
    usable = tuple(pair for pair, can in zip(heldout, covered, strict=True) if can)
    return len(usable) >= session.limits.min_pairs, usable


def _measured(session: Session, split: Split, pairs: tuple[TokenPair, ...]) -> Measured:
    return Measured(
        session.experiment,
        split,
        pairs,
        seed=session.spec.seed,
        chunk=session.chunk,
        progress=session.report("baseline"),
    )


def _restored(
    session: Session,
    cast: Cast,
    asked: tuple[AskedEdge, ...],
    edges: tuple[SuperEdge, ...],
    shares: Shares,
) -> tuple[Restored, ...]:
    """The share of the gap that comes back under the motif's wiring alone.

    None where a role has no member: there is no such wiring. `mediated` only where somebody does.
    """
    if any(edge.is_bound for edge in edges):
        return ()
    wirings = {"direct": direct_wiring(cast, asked)}
    through = {
        one: [each.component for each in edge.mediators if each.share > 0]
        for one, edge in zip(asked, edges, strict=True)
    }
    if any(through.values()):
        wirings["mediated"] = mediated_wiring(cast, asked, through)
    split = shares.split
    split.measure(list(wirings.values()), session.report("sufficiency"))
    found: list[Restored] = []
    for name, kept in wirings.items():
        share = shares.share(split.recovered(kept))
        assert share is not None, "a split is measured only where its gap is above 0"
        found.append(Restored.model_validate({"wiring": name, **share.model_dump()}))
    return tuple(found)


def _graph(
    spec: EffectsSpec,
    played: RolesPlayed,
    model: LoadedModel,
    pairs: PairSet,
    cast: Cast,
    split: Measured,
    told: Behaviour,
    edges: tuple[SuperEdge, ...],
    restored: tuple[Restored, ...],
) -> RoleGraph:
    nodes = tuple(
        RoleNode(
            role=place,
            members=cast.names(place)
            if place in ("input", "logits")
            else cast.members.get(place, ()),
        )
        for place in spec.places
    )
    return RoleGraph(
        model=model.document,
        task=pairs.task,
        task_id=pairs.task_id,
        dataset_sha256=pairs.document.sha256,
        metric=spec.metric,
        ablation=spec.ablation,
        n_pairs=split.n,
        seed=spec.seed,
        job_id=spec.job_id,
        behaviour=told,
        notes=(*model.notes, *pairs.notes),
        nodes=nodes,
        edges=edges,
        role_test_id=played.role_test_id,
        motif_id=spec.motif.motif_id,
        conditions=tuple(told.accuracy),
        method_version=spec.method_version,
        restored=restored,
    )
