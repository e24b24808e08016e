"""`CircuitNode.roles`: every role that a node's component passes on its circuit's task.

The truth is `PLAYS`; the list is a copy, so that a pattern over one circuit can read it. It is
written here alone. Every writer of circuits, role tests and first evaluations calls `keep_roles`
inside its transaction, which holds the model (`models.hold_models`): of two that meet, the later
one sees what the earlier one wrote.

What was found of a motif that reads roles held for the roles that were read: where they change, the
stored searches, tests and occurrences are marked `stale`, and stay so until they are made again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Motif, RoleName
from graph_schema.store.batches import batched, fetch, fetch_batches, write_batches
from graph_schema.store.connection import GraphStore, Row
from graph_schema.store.records.models import hold_models
from graph_schema.store.stored import stored_document

Roles = dict[str, tuple[RoleName, ...]]
"""The roles of a circuit's nodes, by name; nodes without one are left out."""

_PLAYED: LiteralString = """
MATCH (t:RoleTest {fingerprint: $fingerprint}) WHERE t.task_id IN $task_ids
UNWIND t.components AS name
MATCH (p:Component {component_id: $fingerprint + ':' + name})
      -[e:PLAYS {role_test_id: t.role_test_id, passes: true}]->(r:Role)
RETURN t.task_id AS task_id, name, r.name AS role, max(abs(e.effect)) AS effect
ORDER BY effect DESC, role
"""
_CIRCUITS: LiteralString = """
MATCH (c:Circuit {fingerprint: $fingerprint}) WHERE c.task_id = $task_id
RETURN c.circuit_id AS circuit_id, c.task_id AS task_id
"""
_CIRCUIT: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
RETURN c.circuit_id AS circuit_id, c.task_id AS task_id, c.fingerprint AS fingerprint
"""
_HAVE: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})-[:CONTAINS]->(n:CircuitNode)
WHERE size(n.roles) > 0 OR n.name IN $names
RETURN id AS circuit_id, n.node_id AS node_id, n.name AS name, n.roles AS roles
"""
_WRITE: LiteralString = """
UNWIND $rows AS row
MATCH (n:CircuitNode {node_id: row.node_id})
SET n.roles = row.roles
RETURN count(n) AS written
"""
_READ: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)
WHERE size(n.roles) > 0
RETURN n.name AS name, n.roles AS roles ORDER BY name
"""
_LOOKED_FOR: LiteralString = """
UNWIND $rows AS id
MATCH (c:Circuit {circuit_id: id})
CALL (c) {
  MATCH (c)-[:SEARCHED]->(m:Motif) RETURN m
  UNION
  MATCH (c)<-[:TESTED_IN]-(:MotifTest)-[:RESULT {circuit_id: c.circuit_id}]->(m:Motif) RETURN m
}
RETURN DISTINCT m.motif_id AS motif_id, m.document AS document
"""
_MARK: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})-[s:SEARCHED]->(m:Motif)
WHERE m.motif_id IN $motif_ids
SET s.stale = true
"""
_MARK_RESULTS: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})<-[:TESTED_IN]-(:MotifTest)-[r:RESULT {circuit_id: id}]->(m:Motif)
WHERE m.motif_id IN $motif_ids
SET r.stale = true
"""
_OCCURRENCES: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})<-[:IN_CIRCUIT]-(o:Occurrence)-[:OF_MOTIF]->(m:Motif)
WHERE m.motif_id IN $motif_ids AND coalesce(o.stale, false) <> $stale
RETURN o.occurrence_id AS id
"""
_MARK_OCCURRENCES: LiteralString = """
UNWIND $rows AS id
MATCH (o:Occurrence {occurrence_id: id})
SET o.stale = $stale
RETURN count(o) AS written
"""
_FRESH: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[s:SEARCHED]->(:Motif {motif_id: $motif_id})
SET s.stale = false
"""


def keep_roles_on_task(tx: Transaction, fingerprint: str, task_id: str) -> None:
    """Give the nodes of the model's circuits on this task the roles that are stored of it.

    The transaction holds the model.
    """
    _keep(tx, fingerprint, fetch(tx, _CIRCUITS, fingerprint=fingerprint, task_id=task_id))


def keep_roles(tx: Transaction, circuit_id: str) -> None:
    """Give a circuit's nodes the roles that are stored of its model on its task.

    The transaction holds the model.
    """
    circuits = fetch(tx, _CIRCUIT, circuit_id=circuit_id)
    for circuit in circuits:
        _keep(tx, circuit["fingerprint"], [circuit])


def read_node_roles(store: GraphStore, circuit_id: str) -> Roles:
    """The roles of a circuit's nodes, the strongest first."""
    return store.read(lambda tx: _read(tx, circuit_id))


def hold_for_roles(tx: Transaction, circuit_ids: Iterable[str]) -> None:
    """Hold the circuits' models: their nodes' roles stay as they are until the transaction ends."""
    circuits = [row for id in circuit_ids for row in fetch(tx, _CIRCUIT, circuit_id=id)]
    hold_models(tx, (row["fingerprint"] for row in circuits))


def stale_where_changed(
    tx: Transaction, read: Mapping[str, Mapping[str, Collection[RoleName]]]
) -> None:
    """Mark what is stored of motifs in circuits whose roles are no longer those that were read.

    For whoever reads roles, works for long and then stores what came out: called in the transaction
    that stores it. `read` holds the roles by circuit id.
    """
    hold_for_roles(tx, read)
    mark_stale(tx, [each for each, roles in read.items() if _sets(_read(tx, each)) != _sets(roles)])


def _sets(roles: Mapping[str, Collection[RoleName]]) -> dict[str, frozenset[RoleName]]:
    return {name: frozenset(played) for name, played in roles.items()}


def mark_stale(tx: Transaction, circuit_ids: Sequence[str]) -> None:
    """Say of what is stored of motifs that read roles in these circuits that it may be past."""
    looked_for = fetch_batches(tx, _LOOKED_FOR, circuit_ids)
    motif_ids = sorted({row["motif_id"] for row in looked_for if reads_roles(row["document"])})
    if not motif_ids:
        return
    for batch in batched(circuit_ids):
        for statement in (_MARK, _MARK_RESULTS):
            tx.run(statement, rows=batch, motif_ids=motif_ids).consume()
    _mark_occurrences(tx, circuit_ids, motif_ids, stale=True)


def mark_fresh(tx: Transaction, circuit_id: str, motif_id: str) -> None:
    """Say of a search that has just been stored, and of its occurrences, that they hold."""
    tx.run(_FRESH, circuit_id=circuit_id, motif_id=motif_id).consume()
    _mark_occurrences(tx, [circuit_id], [motif_id], stale=False)


def _keep(tx: Transaction, fingerprint: str, circuits: Iterable[Row]) -> None:
    task_of: dict[str, str | None] = {row["circuit_id"]: row["task_id"] for row in circuits}
    tasks = sorted({task for task in task_of.values() if task is not None})
    played: dict[str | None, dict[str, list[str]]] = {}
    for row in fetch(tx, _PLAYED, fingerprint=fingerprint, task_ids=tasks):
        played.setdefault(row["task_id"], {}).setdefault(row["name"], []).append(row["role"])
    names = sorted({name for roles in played.values() for name in roles})
    changes: list[Row] = []
    changed: set[str] = set()
    for row in fetch_batches(tx, _HAVE, sorted(task_of), names=names):
        roles = played.get(task_of[row["circuit_id"]], {}).get(row["name"], [])
        if roles != (row["roles"] or []):
            changes.append({"node_id": row["node_id"], "roles": roles})
            changed.add(row["circuit_id"])
    write_batches(tx, _WRITE, changes)
    if changed:
        mark_stale(tx, sorted(changed))


def _read(tx: Transaction, circuit_id: str) -> Roles:
    rows = fetch(tx, _READ, circuit_id=circuit_id)
    return {row["name"]: tuple(RoleName(role) for role in row["roles"]) for row in rows}


def _mark_occurrences(
    tx: Transaction, circuit_ids: Sequence[str], motif_ids: Sequence[str], *, stale: bool
) -> None:
    there = fetch_batches(tx, _OCCURRENCES, circuit_ids, motif_ids=motif_ids, stale=stale)
    write_batches(tx, _MARK_OCCURRENCES, [row["id"] for row in there], stale=stale)


def reads_roles(document: str) -> bool:
    """Whether a stored motif names roles."""
    return stored_document(Motif, document, "a motif").reads_roles
