"""Version 5: a node's roles are a list, and role tests are nodes.

Until then `CircuitNode.role` was the strongest role alone, and how roles were measured stood on
every `PLAYS`. Where a node has more roles now than it showed, what was found of motifs that read
roles is stale.
"""

from __future__ import annotations

import json
from typing import Any, LiteralString

from neo4j import Transaction

from graph_schema.documents import sha256_hex
from graph_schema.store.batches import Row, fetch, write_batches
from graph_schema.store.schema_lock import Held, Step

MEASURED = ("task", "task_id", "dataset_sha256", "metric", "ablation", "n_pairs", "seed")

SCHEMA: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT role_test_id IF NOT EXISTS FOR (n:RoleTest) "
    "REQUIRE n.role_test_id IS UNIQUE",
    "CREATE INDEX role_test_model IF NOT EXISTS FOR (n:RoleTest) ON (n.fingerprint)",
    "CREATE INDEX model_weights IF NOT EXISTS FOR (n:Model) ON (n.weights_sha256)",
    "DROP INDEX circuit_node_role IF EXISTS",
)

MODELS: LiteralString = """
MATCH (m:Model) WHERE m.fingerprint > $after
RETURN m.fingerprint AS key, properties(m) AS model ORDER BY key LIMIT $limit
"""
PLAYS: LiteralString = """
MATCH (:Model {fingerprint: $fingerprint})-[:HAS]->(p:Component)-[e:PLAYS]->(r:Role)
WHERE e.role_test_id IS NULL
RETURN p.component_id AS component_id, p.name AS name, r.name AS role, properties(e) AS found
"""
WRITE_TEST: LiteralString = """
MATCH (m:Model {fingerprint: $test.fingerprint})
MERGE (t:RoleTest {role_test_id: $test.role_test_id})
ON CREATE SET t.created_at = timestamp()
SET t += $test
MERGE (t)-[:OF_MODEL]->(m)
"""
REWRITE_PLAYS: LiteralString = """
UNWIND $rows AS row
MATCH (:Component {component_id: row.component_id})-[e:PLAYS {task_id: row.task_id}]
      ->(:Role {name: row.role})
SET e.role_test_id = row.role_test_id
REMOVE e.task, e.dataset_sha256, e.metric, e.ablation, e.n_pairs, e.seed
RETURN count(e) AS written
"""

CIRCUITS: LiteralString = """
MATCH (c:Circuit) WHERE c.circuit_id > $after
RETURN c.circuit_id AS key ORDER BY key LIMIT $limit
"""
SHOWN: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})-[:CONTAINS]->(n:CircuitNode)
WHERE n.role IS NOT NULL OR n.roles IS NOT NULL
RETURN id AS circuit_id, n.node_id AS node_id, coalesce(n.roles, [n.role]) AS roles
"""
PASSED: LiteralString = """
UNWIND $rows AS id
MATCH (c:Circuit {circuit_id: id})-[:CONTAINS]->(n:CircuitNode)-[:OF]->(:Component)
      -[e:PLAYS {passes: true}]->(r:Role)
WHERE e.task_id = c.task_id
RETURN id AS circuit_id, n.node_id AS node_id, r.name AS role
ORDER BY abs(e.effect) DESC, role
"""
NO_ROLES: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})-[:CONTAINS]->(n:CircuitNode)
SET n.roles = []
REMOVE n.role
"""
ROLES: LiteralString = """
UNWIND $rows AS row
MATCH (n:CircuitNode {node_id: row.node_id})
SET n.roles = row.roles
RETURN count(n) AS written
"""
LOOKED_FOR: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})-[e:SEARCHED|TESTED]->(m:Motif)
RETURN DISTINCT m.motif_id AS motif_id, m.document AS document
"""
STALE: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})-[e:SEARCHED|TESTED]->(m:Motif)
WHERE m.motif_id IN $motif_ids SET e.stale = true
"""
STALE_OCCURRENCES: LiteralString = """
UNWIND $rows AS id
MATCH (:Circuit {circuit_id: id})<-[:IN_CIRCUIT]-(o:Occurrence)-[:OF_MOTIF]->(m:Motif)
WHERE m.motif_id IN $motif_ids SET o.stale = true
"""

CIRCUITS_AT_A_TIME = 10


def make_role_tests(held: Held) -> None:
    """One node for each measurement that a model's `PLAYS` were written with."""
    held.rewrite(MODELS, _tests_of_models, size=1)


def list_roles(held: Held) -> None:
    """Every role that a node's component passes on the circuit's task, the strongest first."""
    held.rewrite(CIRCUITS, _roles_of_circuits, size=CIRCUITS_AT_A_TIME)


def _tests_of_models(tx: Transaction, models: list[Row]) -> None:
    for row in models:
        model, measurements = row["model"], dict[str, list[Row]]()
        plays = fetch(tx, PLAYS, fingerprint=row["key"])
        for play in plays:
            own = json.dumps({name: play["found"].get(name) for name in MEASURED}, sort_keys=True)
            measurements.setdefault(own, []).append(play)
        for how, of in measurements.items():
            test = _test(model, json.loads(how), of)
            tx.run(WRITE_TEST, test=test).consume()
            ids = {name: test[name] for name in ("role_test_id", "task_id")}
            rows = [
                {"component_id": play["component_id"], "role": play["role"], **ids} for play in of
            ]
            write_batches(tx, REWRITE_PLAYS, rows)


def _test(model: dict[str, Any], how: dict[str, Any], plays: list[Row]) -> Row:
    ablation = {"draws": 1, "kind": how["ablation"]}  # the number of draws was not kept
    spelled = json.dumps(ablation, sort_keys=True, separators=(",", ":"))
    said = (how["task_id"], how["dataset_sha256"], how["metric"], spelled)
    counted = f"{how['n_pairs']} {how['seed']} 1"
    whole = {"schema_version": 1, "method_version": 1, "model": model, **how, "ablation": ablation}
    return {
        "role_test_id": sha256_hex("\n".join([model["fingerprint"], *said, counted])),
        "fingerprint": model["fingerprint"],
        **how,
        "method_version": 1,
        "components": sorted({play["name"] for play in plays}),
        "document": json.dumps(whole),
    }


def _roles_of_circuits(tx: Transaction, circuits: list[Row]) -> None:
    ids = [row["key"] for row in circuits]
    shown = {row["node_id"]: row for row in fetch(tx, SHOWN, rows=ids)}
    passed: dict[str, list[str]] = {}
    circuit_of: dict[str, str] = {}
    for row in fetch(tx, PASSED, rows=ids):
        roles = passed.setdefault(row["node_id"], [])
        circuit_of[row["node_id"]] = row["circuit_id"]
        if row["role"] not in roles:
            roles.append(row["role"])
    tx.run(NO_ROLES, rows=ids).consume()
    write_batches(tx, ROLES, [{"node_id": node, "roles": roles} for node, roles in passed.items()])
    changed = {
        circuit_of.get(node) or shown[node]["circuit_id"]
        for node in shown.keys() | passed.keys()
        if passed.get(node, []) != (shown[node]["roles"] if node in shown else [])
    }
    _mark_stale(tx, sorted(changed))


def _mark_stale(tx: Transaction, circuit_ids: list[str]) -> None:
    found = fetch(tx, LOOKED_FOR, rows=circuit_ids)
    read = [row["motif_id"] for row in found if _reads_roles(json.loads(row["document"]))]
    for statement in (STALE, STALE_OCCURRENCES):
        tx.run(statement, rows=circuit_ids, motif_ids=read).consume()


def _reads_roles(motif: dict[str, Any]) -> bool:
    return any(node.get("roles") for node in motif["nodes"])


VERSION_5: tuple[Step, ...] = (*SCHEMA, make_role_tests, list_roles)
