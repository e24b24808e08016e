"""Contradictions: what was written after a verdict and speaks against it, flagged as it is written.

A role graph contradicts a strong verdict on the wiring where, measured as the verdict's protocol
asks, a super-edge misses its floor. A verdict contradicts another on the same motif, task and rung
(and path) where one says that it holds and the other refutes it, or where it names a counterexample
to a strong one. A circuit contradicts a strong verdict on the wiring where its nodes' roles are
known and the motif does not occur in it; that takes a search (`graph_schema.motif_search`), so
here is only how it is written. What is written again is flagged anew, so are a model's circuits
where its roles are; and a verdict that is judged again keeps the flags on it that still hold.
"""

from __future__ import annotations

import logging
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Motif, Outcome, RoleGraph, Rung, RungState, Verdict
from graph_schema.documents.protocol import Protocol
from graph_schema.errors import StoreError
from graph_schema.store.batches import Row, fetch, write_batches
from graph_schema.store.stored import stored_document

log = logging.getLogger(__name__)

_ON_TASK: LiteralString = """
MATCH (v:Verdict)-[:ON_TASK]->(:Task {task_id: $task_id})
WHERE v.rung = 'wiring' AND v.outcome = 'strong'
RETURN v.verdict_id AS verdict_id, v.motif_id AS motif_id, v.motif AS motif,
       v.document AS document
"""
_SAME_QUESTION: LiteralString = """
MATCH (v:Verdict {motif_id: $motif_id}) WHERE v.task_id = $task_id AND v.rung = $rung
  AND coalesce(v.path, 'any') = $path AND v.verdict_id <> $verdict_id
RETURN v.verdict_id AS verdict_id, v.outcome AS outcome
"""
_AGAINST: LiteralString = """
MATCH (x:Verdict)-[:CONTRADICTS]->(:Verdict {verdict_id: $id})
RETURN x.verdict_id AS verdict_id, x.document AS document
"""
_NO_LONGER: LiteralString = """
MATCH (x:Verdict)-[e:CONTRADICTS]->(:Verdict {verdict_id: $id})
WHERE x.verdict_id IN $by DELETE e
"""
_NOT_STRONG: LiteralString = """
MATCH (x:Circuit|RoleGraph)-[e:CONTRADICTS]->(:Verdict {verdict_id: $id}) DELETE e
"""
_MOTIFS: LiteralString = """
UNWIND $ids AS id MATCH (m:Motif {motif_id: id}) RETURN m.document AS document
"""
_TASK: LiteralString = "MATCH (c:Circuit {circuit_id: $circuit_id}) RETURN c.task_id AS task_id"
_CIRCUITS: LiteralString = """
MATCH (c:Circuit {fingerprint: $fingerprint}) WHERE c.task_id = $task_id
RETURN c.circuit_id AS circuit_id ORDER BY circuit_id
"""
_UNFLAG: LiteralString = "MATCH (x:LABEL {KEY: $id})-[e:CONTRADICTS]->(:Verdict) DELETE e"
_FLAG: LiteralString = """
MATCH (x:LABEL {KEY: $id})
UNWIND $rows AS row
MATCH (v:Verdict {verdict_id: row.verdict_id})
CREATE (x)-[e:CONTRADICTS]->(v)
SET e.reason = row.reason, e.at = timestamp()
RETURN count(e) AS written
"""
_UNFLAG_CIRCUIT = _UNFLAG.replace("LABEL", "Circuit").replace("KEY", "circuit_id")
_FLAG_CIRCUIT = _FLAG.replace("LABEL", "Circuit").replace("KEY", "circuit_id")
_UNFLAG_ROLE_GRAPH = _UNFLAG.replace("LABEL", "RoleGraph").replace("KEY", "role_graph_id")
_FLAG_ROLE_GRAPH = _FLAG.replace("LABEL", "RoleGraph").replace("KEY", "role_graph_id")
_UNFLAG_VERDICT = _UNFLAG.replace("LABEL", "Verdict").replace("KEY", "verdict_id")
_FLAG_VERDICT = _FLAG.replace("LABEL", "Verdict").replace("KEY", "verdict_id")
_HOLDS = (Outcome.STRONG, Outcome.WEAK)


def strong_on_wiring(tx: Transaction, task_id: str) -> list[Row]:
    """The strong verdicts on the wiring on a task, each with id, motif and document."""
    return fetch(tx, _ON_TASK, task_id=task_id)


def motifs_of(tx: Transaction, verdicts: list[Row]) -> list[Motif]:
    """The motifs of verdicts (`motif_id`), each once."""
    rows = fetch(tx, _MOTIFS, ids=sorted({row["motif_id"] for row in verdicts}))
    return [stored_document(Motif, row["document"], "a motif") for row in rows]


def task_of_circuit(tx: Transaction, circuit_id: str) -> str | None:
    """The id of the task that a stored circuit is for; None where nobody has said."""
    rows = fetch(tx, _TASK, circuit_id=circuit_id)
    return rows[0]["task_id"] if rows else None


def circuits_on_task(tx: Transaction, fingerprint: str, task_id: str) -> list[str]:
    """The ids of a model's circuits for a task."""
    found = fetch(tx, _CIRCUITS, fingerprint=fingerprint, task_id=task_id)
    return [row["circuit_id"] for row in found]


def flag_circuit(tx: Transaction, circuit_id: str, rows: list[Row]) -> None:
    """Say which verdicts (`verdict_id`) a circuit contradicts and why (`reason`), anew."""
    _flag(tx, _UNFLAG_CIRCUIT, _FLAG_CIRCUIT, circuit_id, rows)


def flag_role_graph(tx: Transaction, graph: RoleGraph) -> None:
    """Flag the verdicts that a stored role graph contradicts."""
    rows: list[Row] = []
    if graph.behaviour is None or not graph.behaviour.reason:
        for row in strong_on_wiring(tx, graph.task_id):
            earlier = _readable(row)
            protocol = earlier and earlier.protocol
            if protocol is not None and (missed := _missed(graph, protocol)):
                rows.append({"verdict_id": row["verdict_id"], "reason": missed})
    _flag(tx, _UNFLAG_ROLE_GRAPH, _FLAG_ROLE_GRAPH, graph.role_graph_id, rows)


def flag_verdict(tx: Transaction, verdict: Verdict) -> None:
    """Flag the verdicts that a stored verdict contradicts, and drop what it no longer is.

    What spoke against it when it was judged otherwise may hold no more: circuits and role graphs
    speak against strong verdicts on the wiring alone.
    """
    path = verdict.protocol.path if verdict.protocol else "any"
    asked = {"motif_id": verdict.motif_id, "task_id": verdict.task_id, "path": path}
    asked |= {"rung": verdict.rung.value, "verdict_id": verdict.verdict_id}
    rows: list[Row] = [
        {"verdict_id": row["verdict_id"], "reason": reason}
        for row in fetch(tx, _SAME_QUESTION, **asked)
        if (reason := _opposes(verdict, Outcome(row["outcome"])))
    ]
    _flag(tx, _UNFLAG_VERDICT, _FLAG_VERDICT, verdict.verdict_id, rows)
    own, outcome = verdict.verdict_id, verdict.outcome
    against = [(row["verdict_id"], _readable(row)) for row in fetch(tx, _AGAINST, id=own)]
    past = [by for by, other in against if other is None or not _opposes(other, outcome)]
    tx.run(_NO_LONGER, id=own, by=past).consume()
    if outcome is not Outcome.STRONG or verdict.rung is not Rung.WIRING:
        tx.run(_NOT_STRONG, id=own).consume()


def _readable(row: Row) -> Verdict | None:
    """A stored verdict (`document`); None of one that an older release took and this one does not.

    It is refused where somebody reads it, and must not keep others from being stored.
    """
    try:
        return stored_document(Verdict, row["document"], f"verdict {row['verdict_id']}")
    except StoreError as error:
        log.warning("nothing is held to %s", error)
        return None


def _missed(graph: RoleGraph, protocol: Protocol) -> str:
    """The super-edges that a graph measured by this protocol misses; empty where there is none."""
    if graph.metric is not protocol.metric or graph.ablation != protocol.ablation:
        return ""
    missed: list[str] = []
    for edge in graph.edges:
        rule = protocol.rule_of(edge)
        if rule is not None and rule.is_missed(edge, protocol):
            bounds = f"[{edge.ci_low:.2f}, {edge.ci_high:.2f}]"
            missed.append(f"{rule.name} carries {edge.share:.2f} {bounds}")
    return "; ".join(missed)


def _opposes(verdict: Verdict, earlier: Outcome) -> str:
    if verdict.outcome is Outcome.REFUTED and earlier in _HOLDS:
        return f"it is refuted, which was {earlier.value}"
    if verdict.outcome in _HOLDS and earlier is Outcome.REFUTED:
        return f"it is {verdict.outcome.value}, which was refuted"
    if earlier is Outcome.STRONG and verdict.rung is Rung.WIRING:
        absent = [
            found
            for found in verdict.counterexamples
            if (here := found.at(verdict.rung)) and here.state is RungState.ABSENT
        ]
        if absent:
            return f"{len(absent)} of its models lack the wiring, of which none was known"
    return ""


def _flag(
    tx: Transaction, unflag: LiteralString, flag: LiteralString, own: str, rows: list[Row]
) -> None:
    tx.run(unflag, id=own).consume()
    write_batches(tx, flag, rows, id=own)
