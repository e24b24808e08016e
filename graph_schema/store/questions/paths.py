"""The paths of a circuit from its input to its logits, the strongest first.

A pattern of variable length (`*1..5`) has a fixed bound, and the embedded server walks to it before
it looks at any condition: in a circuit of 2,000 edges it had no answer after 15 s. Written out by
length, with the conditions on each step, four hops take 2 s there.
"""

from __future__ import annotations

from typing import LiteralString

MOST_HOPS = 5

STRONGEST_PATHS: LiteralString = """
CALL {
  WITH $hops AS hops WHERE hops >= 1
  MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(a:CircuitNode)
  WHERE a.kind IN ['input', 'embed', 'pos_embed']
  MATCH (a)-[e1:EDGE]->(z:CircuitNode {kind: 'logits'})
  WHERE abs(e1.score) >= $least
  RETURN [a, z] AS nodes, [e1] AS edges
  UNION ALL
  WITH $hops AS hops WHERE hops >= 2
  MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(a:CircuitNode)
  WHERE a.kind IN ['input', 'embed', 'pos_embed']
  MATCH (a)-[e1:EDGE]->(n1:CircuitNode)-[e2:EDGE]->(z:CircuitNode {kind: 'logits'})
  WHERE abs(e1.score) >= $least AND abs(e2.score) >= $least
  RETURN [a, n1, z] AS nodes, [e1, e2] AS edges
  UNION ALL
  WITH $hops AS hops WHERE hops >= 3
  MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(a:CircuitNode)
  WHERE a.kind IN ['input', 'embed', 'pos_embed']
  MATCH (a)-[e1:EDGE]->(n1:CircuitNode)-[e2:EDGE]->(n2:CircuitNode)
        -[e3:EDGE]->(z:CircuitNode {kind: 'logits'})
  WHERE abs(e1.score) >= $least AND abs(e2.score) >= $least AND abs(e3.score) >= $least
  RETURN [a, n1, n2, z] AS nodes, [e1, e2, e3] AS edges
  UNION ALL
  WITH $hops AS hops WHERE hops >= 4
  MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(a:CircuitNode)
  WHERE a.kind IN ['input', 'embed', 'pos_embed']
  MATCH (a)-[e1:EDGE]->(n1:CircuitNode)-[e2:EDGE]->(n2:CircuitNode)
        -[e3:EDGE]->(n3:CircuitNode)-[e4:EDGE]->(z:CircuitNode {kind: 'logits'})
  WHERE abs(e1.score) >= $least AND abs(e2.score) >= $least AND abs(e3.score) >= $least
    AND abs(e4.score) >= $least
  RETURN [a, n1, n2, n3, z] AS nodes, [e1, e2, e3, e4] AS edges
  UNION ALL
  WITH $hops AS hops WHERE hops >= 5
  MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(a:CircuitNode)
  WHERE a.kind IN ['input', 'embed', 'pos_embed']
  MATCH (a)-[e1:EDGE]->(n1:CircuitNode)-[e2:EDGE]->(n2:CircuitNode)
        -[e3:EDGE]->(n3:CircuitNode)-[e4:EDGE]->(n4:CircuitNode)
        -[e5:EDGE]->(z:CircuitNode {kind: 'logits'})
  WHERE abs(e1.score) >= $least AND abs(e2.score) >= $least AND abs(e3.score) >= $least
    AND abs(e4.score) >= $least AND abs(e5.score) >= $least
  RETURN [a, n1, n2, n3, n4, z] AS nodes, [e1, e2, e3, e4, e5] AS edges
}
WITH [n IN nodes | n.name] AS names, [e IN edges | e.channel] AS channels,
     reduce(x = 1.0, e IN edges | x * e.score) AS product, size(edges) AS hops
RETURN reduce(text = names[0], i IN range(0, hops - 1) |
              text + ' -' + channels[i] + '-> ' + names[i + 1]) AS path, product, hops
ORDER BY abs(product) DESC, path LIMIT $limit
"""
