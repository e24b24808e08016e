"""The Cypher that writes and reads circuits.

Named constants with `$parameters`. Writes are MERGE on content ids: twice equals once. Statements
over many rows take a batch in `$rows` (`batches.py`). Those that match before they write return how
many rows they wrote, to be checked (`write_rows`).

On the embedded server a relationship between two given nodes, matched or merged, is looked for from
the left one, relationship by relationship. So nothing here looks for one from a node that has as
many as a model has components or a circuit nodes: whether it is there is asked from the other end,
and what is not is created.
"""

from __future__ import annotations

from typing import LiteralString

# A dataset is its text: what it was first called stays.
WRITE_DATASET: LiteralString = """
MERGE (d:Dataset {sha256: $sha256})
ON CREATE SET d.task = $task, d.n_pairs = $n_pairs, d.jsonl = $jsonl
"""

READ_DATASET: LiteralString = """
MATCH (d:Dataset {sha256: $sha256})
RETURN d.sha256 AS sha256, d.task AS task, d.n_pairs AS n_pairs, d.jsonl AS jsonl
"""

HAS_DATASET: LiteralString = "MATCH (d:Dataset {sha256: $sha256}) RETURN d.sha256 AS sha256"

LINK_DATASET: LiteralString = """
MATCH (d:Dataset {sha256: $sha256}) MATCH (t:Task {task_id: $task_id})
MERGE (d)-[:INSTANCE_OF]->(t)
"""

WRITE_RUN: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
MERGE (r:Run {run_id: $run.run_id})
SET r += $run, r.finished_at = timestamp()
MERGE (r)-[:PRODUCED]->(c)
RETURN count(r) AS written
"""

WRITE_CIRCUIT: LiteralString = """
MATCH (m:Model {fingerprint: $circuit.fingerprint})
MERGE (c:Circuit {circuit_id: $circuit.circuit_id})
ON CREATE SET c.created_at = timestamp()
SET c += $circuit
MERGE (c)-[:OF_MODEL]->(m)
RETURN count(c) AS written
"""

LINK_TASK: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) MATCH (t:Task {task_id: $task_id})
MERGE (c)-[:FOR_TASK]->(t)
RETURN count(c) AS written
"""

LINK_DATA: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) MATCH (d:Dataset {sha256: $sha256})
MERGE (c)-[:DISCOVERED_ON]->(d)
"""

LINK_JUDGED: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) MATCH (d:Dataset {sha256: $sha256})
MERGE (c)-[:EVALUATED_ON]->(d)
"""

COUNT_STORED: LiteralString = """
OPTIONAL MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)
OPTIONAL MATCH (n)-[e:EDGE]->(:CircuitNode)
RETURN count(DISTINCT n) AS nodes, count(e) AS edges
"""

FIND_COMPONENTS: LiteralString = """
UNWIND $rows AS id MATCH (p:Component {component_id: id}) RETURN p.component_id AS component_id
"""

# Under the model's lock (`model_lock.py`): nobody else makes the same one meanwhile.
CREATE_COMPONENTS: LiteralString = """
MATCH (m:Model {fingerprint: $fingerprint})
UNWIND $rows AS row
CREATE (p:Component {component_id: row.component_id, name: row.name, kind: row.kind,
                     layer: row.layer, head: row.head, index: row.index, depth: row.depth})
CREATE (m)-[:HAS]->(p)
RETURN count(p) AS written
"""

FIND_NODES: LiteralString = """
UNWIND $rows AS id MATCH (n:CircuitNode {node_id: id}) RETURN n.node_id AS node_id
"""

CREATE_NODES: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
UNWIND $rows AS row
MATCH (p:Component {component_id: row.component_id})
CREATE (n:CircuitNode {node_id: row.node_id, name: row.name, label: row.name, kind: row.kind,
                       layer: row.layer, head: row.head, index: row.index, depth: row.depth,
                       roles: []})
CREATE (c)-[:CONTAINS]->(n)
CREATE (n)-[:OF]->(p)
RETURN count(n) AS written
"""

# Edges are created, not merged: `write_circuit` knows that none of the circuit's is there. A row is
# a sender, looked up once for all its edges.
CREATE_EDGES: LiteralString = """
UNWIND $rows AS row
MATCH (a:CircuitNode {node_id: row.sender})
UNWIND row.edges AS edge
MATCH (b:CircuitNode {node_id: edge.receiver})
CREATE (a)-[:EDGE {channel: edge.channel, score: edge.score, score_kind: edge.score_kind,
                   stability: edge.stability, position: edge.position}]->(b)
RETURN count(*) AS written
"""

DELETE_EDGES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(:CircuitNode)-[e:EDGE]->(:CircuitNode)
DELETE e
"""

# An existing circuit has the same edges (they are in its id): only what was measured can differ.
# A row is a sender with what changed of its edges, by receiver and channel: one walk over them.
UPDATE_EDGES: LiteralString = """
UNWIND $rows AS row
MATCH (:CircuitNode {node_id: row.sender})-[e:EDGE]->(b:CircuitNode)
WITH e, row.changes[b.name + ' ' + e.channel] AS new
WHERE new IS NOT NULL
SET e.score = new.score, e.score_kind = new.score_kind, e.stability = new.stability,
    e.position = new.position
RETURN count(e) AS written
"""

FIND_CIRCUITS: LiteralString = """
MATCH (c:Circuit) WHERE c.circuit_id STARTS WITH $prefix
RETURN c.circuit_id AS circuit_id ORDER BY circuit_id LIMIT $limit
"""

READ_CIRCUIT: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
OPTIONAL MATCH (c)-[:OF_MODEL]->(m:Model)
RETURN c.document AS document, c.n_edges AS n_edges, m.weights_sha256 AS weights_sha256
"""

READ_EDGES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(a:CircuitNode)-[e:EDGE]->(b:CircuitNode)
RETURN a.name AS sender, b.name AS receiver, e.channel AS channel, e.score AS score,
       e.score_kind AS score_kind, e.stability AS stability, e.position AS position
ORDER BY position
"""

# Only what was asked for stands in the statement: an index serves `x = $x`, none `$x IS NULL OR …`.
LIST_FILTERS: dict[str, LiteralString] = {
    "job_id": "AND c.job_id = $job_id",
    "model": "AND (c.model = $model OR c.family = $model OR c.fingerprint STARTS WITH $model)",
    "task": "AND (c.task = $task OR c.task_id = $task)",
    "method": "AND c.method = $method",
    "min_faithfulness": "AND c.faithfulness >= $min_faithfulness",
    "max_edges": "AND c.n_edges <= $max_edges",
}
LIST_START: LiteralString = "MATCH (c:Circuit) WHERE true\n"
LIST_NEWEST: LiteralString = "AND c.created_at > 0\n"
"""Makes the index of created_at give the order, where no other one narrows the list down."""
NARROWING = frozenset({"job_id", "model", "task"})
# Sorted before anything is read from the circuits that will not be shown.
LIST_CIRCUITS: LiteralString = """
WITH c, c.created_at AS created_at, c.circuit_id AS circuit_id
ORDER BY created_at DESC, circuit_id LIMIT $limit
RETURN circuit_id, created_at, c.job_id AS job_id, c.model AS model, c.family AS family,
       c.fingerprint AS fingerprint, c.task AS task, c.dataset_sha256 AS dataset_sha256,
       c.method AS method, c.metric AS metric, c.ablation AS ablation, c.selection AS selection,
       c.n_edges AS n_edges, c.n_edges_scored AS n_edges_scored, c.faithfulness AS faithfulness,
       c.heldout_faithfulness AS heldout_faithfulness, c.cmd AS cmd, c.cpr AS cpr
ORDER BY created_at DESC, circuit_id
"""
