"""What a job found as the document that is stored."""

from __future__ import annotations

import numpy as np

from discovery.engine.graph import Graph
from discovery.evaluation.stability import EdgeStability
from discovery.jobs.cutting import Cut
from discovery.methods.finding import Found
from discovery.models import LoadedModel
from discovery.tasks.base import PairSet
from graph_schema.documents import (
    CircuitDocument,
    CircuitEdge,
    Evaluation,
    ScoreKind,
    circuit_id,
)
from graph_schema.documents.jobs import DiscoverSpec


def grouped(spec: DiscoverSpec, model: LoadedModel) -> tuple[str, ...]:
    """What a reader must know of receivers that are patched together."""
    if spec.receivers == "query_head":
        return ()
    group = model.adapter.shape.kv_group
    if group == 1:
        return ("receivers kv_group is query_head here: no query heads share keys and values",)
    return (
        f"receivers kv_group: the keys, and the values, of {group} query heads that share them "
        "were patched together; their edges carry the joint score and stay or go together",
    )


def document_of(
    spec: DiscoverSpec,
    model: LoadedModel,
    pairs: PairSet,
    graph: Graph,
    found: Found,
    evaluation: Evaluation,
    notes: tuple[str, ...],
    parts: Cut,
    stable: EdgeStability | None = None,
) -> CircuitDocument:
    """A found circuit with its evidence; exact scores stand where an estimate was tested."""
    by_edge = graph.to_matrix(found.scores)
    tested = None if found.tested is None else graph.to_matrix(found.tested)
    frequency = graph.to_matrix(stable.frequency) if stable else None
    edges: list[CircuitEdge] = []
    for receiver, sender in np.argwhere(found.kept.T):
        edge = graph.edge(int(sender), int(receiver))
        score, kind = by_edge[sender, receiver], found.kind
        if tested is not None and np.isfinite(tested[sender, receiver]):
            score, kind = tested[sender, receiver], ScoreKind.EXACT
        edges.append(
            CircuitEdge(
                sender=edge.sender,
                receiver=edge.receiver,
                channel=edge.channel,
                score=float(score),
                score_kind=kind,
                stability=None if frequency is None else float(frequency[sender, receiver]),
            )
        )
    names = (edge.name for edge in edges)
    nodes = dict.fromkeys(name for edge in edges for name in (edge.sender, edge.receiver))
    return CircuitDocument(
        circuit_id=circuit_id(spec.job_id, found.selection.value, names),
        job_id=spec.job_id,
        model=model.document,
        task=pairs.task,
        task_id=pairs.task_id,
        dataset_sha256=pairs.document.sha256,
        method=spec.method,
        selection=found.selection,
        metric=spec.metric,
        ablation=spec.ablation,
        dtype=spec.dtype,
        seed=spec.seed,
        receivers=spec.receivers,
        granularity=spec.granularity,
        dictionaries=spec.dictionaries,
        dictionary_checks=parts.checks,
        nodes=parts.figures(nodes),
        n_edges_scored=found.n_scored,
        edges=tuple(edges),
        evaluation=evaluation,
        notes=notes,
    )
