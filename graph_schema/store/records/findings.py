"""Role graphs, alignments, verdicts and annotations in the graph (role tests: `role_tests.py`).

All are written inside the caller's transaction by MERGE on content ids: twice equals once, and the
same measurement made again takes its own place.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import (
    Alignment,
    Annotation,
    RoleGraph,
    Rung,
    RungState,
    Verdict,
)
from graph_schema.documents.verdict import ModelFinding, Tally
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store.batches import Row, fetch, write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records import finding_statements as cypher
from graph_schema.store.records.role_tests import measured, write_measured, write_roles
from graph_schema.store.records.tasks import write_task
from graph_schema.store.stored import stored_document

__all__ = [
    "read_alignments",
    "read_annotations",
    "read_role_graph",
    "read_verdict",
    "write_alignment",
    "write_annotation",
    "write_role_graph",
    "write_roles",
    "write_verdict",
]


def write_role_graph(tx: Transaction, graph: RoleGraph) -> None:
    """Write a role graph; measuring the same again updates its shares."""
    members = {name for node in graph.nodes for name in node.members}
    write_measured(tx, graph, members)
    own = graph.role_graph_id
    properties = {
        "role_graph_id": own,
        "fingerprint": graph.model.fingerprint,
        "model": graph.model.name,
        "family": graph.model.family,
        **measured(graph),
        "document": graph.model_dump_json(),
    }
    write_rows(tx, cypher.WRITE_ROLE_GRAPH, graph=properties, expected=1)
    nodes = [
        {"id": f"{own}:{node.role}", "role": str(node.role), "members": list(node.members)}
        for node in graph.nodes
    ]
    write_batches(tx, cypher.WRITE_ROLE_NODES, nodes, role_graph_id=own)
    edges = [
        {
            "sender": f"{own}:{edge.sender}",
            "receiver": f"{own}:{edge.receiver}",
            "channel": edge.channel.value,
            "properties": {
                "share": edge.share,
                "ci_low": edge.ci_low,
                "ci_high": edge.ci_high,
                "controls": [control.name for control in edge.controls],
                "control_shares": [control.share for control in edge.controls],
                "control_ci_low": [control.ci_low for control in edge.controls],
                "control_ci_high": [control.ci_high for control in edge.controls],
            },
        }
        for edge in graph.edges
    ]
    write_batches(tx, cypher.WRITE_CARRIES, edges)


def read_role_graph(store: GraphStore, role_graph_id: str) -> RoleGraph:
    """The role graph with this id.

    Raises:
        NotFoundError: There is none.
    """
    rows = store.rows(cypher.READ_ROLE_GRAPH, role_graph_id=role_graph_id)
    if not rows:
        raise NotFoundError(f"no role graph has id {role_graph_id!r}")
    return stored_document(RoleGraph, rows[0]["document"], f"role graph {role_graph_id}")


def write_alignment(tx: Transaction, alignment: Alignment) -> None:
    """Write how alike two circuits are; either way round is the same.

    Raises:
        NotFoundError: One of the circuits is not stored.
    """
    ids = sorted(alignment.circuit_ids)
    _must_exist(tx, cypher.THERE_CIRCUITS, "circuit", ids)
    properties = alignment.model_dump(exclude={"schema_version", "circuit_ids"})
    one, two = ids
    write_rows(tx, cypher.WRITE_ALIGNED, one=one, two=two, properties=properties, expected=1)


def read_alignments(store: GraphStore, circuit_id: str) -> tuple[Alignment, ...]:
    """The alignments of a circuit, the closest first; its id stands first in each."""
    rows = store.rows(cypher.READ_ALIGNED, circuit_id=circuit_id)
    return tuple(
        Alignment.model_validate(row | {"circuit_ids": (circuit_id, row["circuit_ids"])})
        for row in rows
    )


def write_verdict(tx: Transaction, verdict: Verdict) -> None:
    """Write a verdict and what each model says to it; judging again replaces what they said.

    Raises:
        NotFoundError: Its motif or one of its models is not stored.
        SpecError: Two of its models have the same weights.
    """
    own = verdict.verdict_id
    _must_exist(tx, cypher.THERE_MOTIFS, "motif", [verdict.motif_id])
    fingerprints = [found.fingerprint for found in verdict.models]
    _must_exist(tx, cypher.THERE_MODELS, "model", fingerprints)
    for row in fetch(tx, cypher.SAME_WEIGHTS, ids=fingerprints):
        names = ", ".join(map(repr, sorted(row["names"])))
        raise SpecError(
            f"models {names} have the same weights and are one: a verdict counts them once, so "
            "leave all but one out"
        )
    write_task(tx, verdict.task_id, verdict.task)
    told = {"verdict_id", "motif", "motif_id", "task", "task_id", "rung", "outcome", "scope"}
    properties = {
        **{name: getattr(verdict, name) for name in told},
        "falsifiers": list(verdict.falsifiers),
        "document": verdict.model_dump_json(),
        **_tally(verdict.pooled),
    }
    write_rows(tx, cypher.WRITE_VERDICT, verdict=properties, expected=1)
    tx.run(cypher.DELETE_FINDINGS, verdict_id=own).consume()
    sides: dict[LiteralString, list[Row]] = {
        cypher.WRITE_SUPPORTED: [],
        cypher.WRITE_CONTRADICTED: [],
        cypher.WRITE_UNDECIDED: [],
    }
    for found in verdict.models:
        sides[_side(found, verdict.rung)].append(_finding_row(found, verdict.rung))
    for statement, rows in sides.items():
        write_batches(tx, statement, rows, verdict_id=own)
    families = [
        {"family": family.family, "properties": _tally(family)} for family in verdict.families
    ]
    write_batches(tx, cypher.WRITE_COUNTED, families, verdict_id=own)


def read_verdict(store: GraphStore, verdict_id: str) -> Verdict:
    """The verdict with this id.

    Raises:
        NotFoundError: There is none.
    """
    rows = store.rows(cypher.READ_VERDICT, verdict_id=verdict_id)
    if not rows:
        raise NotFoundError(f"no verdict has id {verdict_id!r}")
    return stored_document(Verdict, rows[0]["document"], f"verdict {verdict_id}")


def write_annotation(tx: Transaction, annotation: Annotation) -> None:
    """Write a remark on a node; the same remark again changes nothing, not even its time.

    Raises:
        NotFoundError: The circuit has no such node.
    """
    node_id = f"{annotation.circuit_id}:{annotation.component}"
    _must_exist(tx, cypher.THERE_NODES, "circuit node", [node_id])
    write_rows(
        tx,
        cypher.WRITE_ANNOTATION,
        id=annotation.annotation_id,
        node_id=node_id,
        author=annotation.author,
        text=annotation.text,
        expected=1,
    )


def read_annotations(store: GraphStore, circuit_id: str) -> tuple[Annotation, ...]:
    """What was written on a circuit's nodes, the oldest first."""
    rows = store.rows(cypher.READ_ANNOTATIONS, circuit_id=circuit_id)
    return tuple(Annotation.model_validate(row | {"circuit_id": circuit_id}) for row in rows)


def _side(found: ModelFinding, rung: Rung) -> LiteralString:
    """What a model does to a verdict: only `absent` above the behaviour rung contradicts."""
    here = found.at(rung)
    if here is not None and here.state is RungState.PRESENT:
        return cypher.WRITE_SUPPORTED
    if here is not None and here.state is RungState.ABSENT and rung is not Rung.BEHAVIOUR:
        return cypher.WRITE_CONTRADICTED
    return cypher.WRITE_UNDECIDED


def _finding_row(found: ModelFinding, rung: Rung) -> Row:
    here = found.at(rung)
    return {
        "fingerprint": found.fingerprint,
        "properties": {
            "state": here and here.state.value,
            "reason": here and here.reason,
            **{each.rung.value: each.state.value for each in found.rungs},
            "role_graph_id": found.role_graph_id,
            "circuit_ids": list(found.circuit_ids),
        },
    }


def _tally(tally: Tally) -> Row:
    return {
        "k": tally.present,
        "n": tally.n,
        "untestable": tally.untestable,
        "low": tally.low,
        "high": tally.high,
    }


def _must_exist(tx: Transaction, statement: LiteralString, what: str, ids: list[str]) -> None:
    there = {row["id"] for row in fetch(tx, statement, ids=ids)}
    if missing := [each for each in ids if each not in there]:
        raise NotFoundError(f"{what} {missing[0]!r} is not stored; store it first")
