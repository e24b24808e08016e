"""The Cypher that writes and reads role graphs, alignments, verdicts and annotations.

As in `statements.py`: MERGE on content ids, batches in `$rows`, and `written` where a statement
matches before it writes.
"""

from __future__ import annotations

from typing import LiteralString

WRITE_ROLE_GRAPH: LiteralString = """
MATCH (m:Model {fingerprint: $graph.fingerprint}) MATCH (t:Task {task_id: $graph.task_id})
MERGE (g:RoleGraph {role_graph_id: $graph.role_graph_id})
ON CREATE SET g.created_at = timestamp()
SET g += $graph
MERGE (g)-[:MEASURED_IN]->(m)
MERGE (g)-[:MEASURED_ON]->(t)
RETURN count(g) AS written
"""

WRITE_ROLE_NODES: LiteralString = """
MATCH (g:RoleGraph {role_graph_id: $role_graph_id})
UNWIND $rows AS row
MERGE (n:RoleNode {role_node_id: row.id})
SET n.role = row.role, n.members = row.members
MERGE (g)-[:HAS_ROLE]->(n)
RETURN count(n) AS written
"""

WRITE_CARRIES: LiteralString = """
UNWIND $rows AS row
MATCH (a:RoleNode {role_node_id: row.sender}) MATCH (b:RoleNode {role_node_id: row.receiver})
MERGE (a)-[e:CARRIES {channel: row.channel}]->(b)
SET e += row.properties
RETURN count(e) AS written
"""

READ_ROLE_GRAPH: LiteralString = """
MATCH (g:RoleGraph {role_graph_id: $role_graph_id}) RETURN g.document AS document
"""

WRITE_ALIGNED: LiteralString = """
MATCH (a:Circuit {circuit_id: $one}) MATCH (b:Circuit {circuit_id: $two})
MERGE (a)-[e:ALIGNED]->(b)
SET e += $properties
RETURN count(e) AS written
"""

READ_ALIGNED: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[e:ALIGNED]-(c:Circuit)
RETURN c.circuit_id AS circuit_ids, e.similarity AS similarity, e.ci_low AS ci_low,
       e.ci_high AS ci_high, e.p AS p, e.draws AS draws
ORDER BY similarity DESC, circuit_ids
"""

# Its time is that of the judgement: the same document again is no new one.
WRITE_VERDICT: LiteralString = """
MATCH (m:Motif {motif_id: $verdict.motif_id}) MATCH (t:Task {task_id: $verdict.task_id})
MERGE (v:Verdict {verdict_id: $verdict.verdict_id})
SET v.judged_at = CASE WHEN v.document = $verdict.document THEN v.judged_at ELSE timestamp() END
SET v += $verdict
MERGE (v)-[:ABOUT]->(m)
MERGE (v)-[:ON_TASK]->(t)
RETURN count(v) AS written
"""

DELETE_FINDINGS: LiteralString = """
MATCH (:Verdict {verdict_id: $verdict_id})
      -[e:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN|COUNTED_IN]->()
DELETE e
"""

# A type cannot be a parameter, so the three sides of a verdict are one text with three types.
_WRITE_SIDE: LiteralString = """
MATCH (v:Verdict {verdict_id: $verdict_id})
UNWIND $rows AS row
MATCH (m:Model {fingerprint: row.fingerprint})
CREATE (v)-[e:SIDE]->(m)
SET e += row.properties
RETURN count(e) AS written
"""
WRITE_SUPPORTED: LiteralString = _WRITE_SIDE.replace("SIDE", "SUPPORTED_BY")
WRITE_CONTRADICTED: LiteralString = _WRITE_SIDE.replace("SIDE", "CONTRADICTED_BY")
WRITE_UNDECIDED: LiteralString = _WRITE_SIDE.replace("SIDE", "UNDECIDED_IN")

WRITE_COUNTED: LiteralString = """
MATCH (v:Verdict {verdict_id: $verdict_id})
UNWIND $rows AS row
MERGE (f:ModelFamily {name: row.family})
CREATE (v)-[e:COUNTED_IN]->(f)
SET e += row.properties
RETURN count(e) AS written
"""

READ_VERDICT: LiteralString = """
MATCH (v:Verdict {verdict_id: $verdict_id}) RETURN v.document AS document
"""

WRITE_ANNOTATION: LiteralString = """
MATCH (n:CircuitNode {node_id: $node_id})
MERGE (a:Annotation {annotation_id: $id})
ON CREATE SET a.at = timestamp(), a.author = $author, a.text = $text
MERGE (a)-[:ON]->(n)
RETURN count(a) AS written
"""

READ_ANNOTATIONS: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)<-[:ON]-(a:Annotation)
RETURN n.name AS component, a.author AS author, a.text AS text, a.at AS at
ORDER BY at, component, a.annotation_id
"""

THERE_CIRCUITS: LiteralString = (
    "UNWIND $ids AS id MATCH (c:Circuit {circuit_id: id}) RETURN c.circuit_id AS id"
)
THERE_MODELS: LiteralString = (
    "UNWIND $ids AS id MATCH (m:Model {fingerprint: id}) RETURN m.fingerprint AS id"
)
SAME_WEIGHTS: LiteralString = """
UNWIND $ids AS id MATCH (m:Model {fingerprint: id}) WHERE m.weights_sha256 IS NOT NULL
WITH m.weights_sha256 AS weights, collect(m.name) AS names WHERE size(names) > 1
RETURN names
"""
THERE_MOTIFS: LiteralString = (
    "UNWIND $ids AS id MATCH (m:Motif {motif_id: id}) RETURN m.motif_id AS id"
)
THERE_NODES: LiteralString = (
    "UNWIND $ids AS id MATCH (n:CircuitNode {node_id: id}) RETURN n.node_id AS id"
)
