"""Named questions about features: what they are called, what they share, where they disagree.

A circuit's node is read once, before its features, and left behind by a WITH: from each of them on
to the circuit, the embedded server would read and hold all that stands on it as often, which with
long notes is more than the memory that it gives to a query.
"""

from __future__ import annotations

from graph_schema.store.questions.kinds import Parameter, ParameterKind, Question
from graph_schema.store.questions.parameters import CIRCUIT, LIMIT, MODEL

FEATURES = (
    Question(
        "features-by-label",
        "Which features and neurons are called so, in whatever circuit: whose label has this text? "
        "Capitals do not matter.",
        (
            Parameter("text", ParameterKind.TEXT, "a part of the label"),
            Parameter("model", ParameterKind.MODEL, "only of this model", optional=True),
            LIMIT,
        ),
        """
        MATCH (c:Circuit) WHERE $model IS NULL OR c.fingerprint = $model
        WITH c.circuit_id AS circuit, c.model AS model, c.task AS task
        MATCH (:Circuit {circuit_id: circuit})-[:CONTAINS]->(n:CircuitNode)
        WHERE n.kind IN ['neuron', 'feature']
        MATCH (n)-[:OF]->(p:Component)
        WHERE (n.label <> n.name AND toLower(n.label) CONTAINS toLower($text))
           OR toLower(coalesce(p.label, '')) CONTAINS toLower($text)
        WITH p, model, task, circuit,
             CASE WHEN n.label <> n.name THEN n.label ELSE p.label END AS label
        OPTIONAL MATCH (p)-[:FEATURE_OF]->(d:Dictionary)
        WITH p, d.release AS dictionary, model, task, circuit, label
        ORDER BY label, task, circuit
        WITH p, dictionary, model, min(label) AS label, collect(DISTINCT task) AS tasks,
             count(DISTINCT circuit) AS circuits
        RETURN model, p.name AS feature, label, dictionary, p.density AS density,
               p.detection AS detection, p.promotes AS promotes, circuits, tasks,
               p.component_id AS component_id
        ORDER BY circuits DESC, model, feature, component_id LIMIT $limit
        """,
    ),
    Question(
        "shared-features",
        "Which features and neurons of a model are in circuits for several tasks? Those of "
        "different dictionaries are different.",
        (
            MODEL,
            Parameter("tasks", ParameterKind.WHOLE, "tasks at least", default=2, least=1),
            LIMIT,
        ),
        """
        MATCH (m:Model {fingerprint: $model})
        MATCH (same:Model)
        WHERE coalesce(same.weights_sha256, same.fingerprint)
              = coalesce(m.weights_sha256, m.fingerprint)
        MATCH (same)<-[:OF_MODEL]-(c:Circuit) WHERE c.task_id IS NOT NULL
        WITH c.circuit_id AS circuit, c.task_id AS task_id, c.task AS task
        MATCH (:Circuit {circuit_id: circuit})-[:CONTAINS]->(n:CircuitNode)
        WHERE n.kind IN ['neuron', 'feature']
        MATCH (n)-[:OF]->(p:Component)
        WITH p, n.effect AS found, task_id, task, circuit
        OPTIONAL MATCH (p)-[:FEATURE_OF]->(d:Dictionary)
        WITH p.name AS feature, d.dictionary_id AS dictionary_id, min(d.release) AS dictionary,
             min(p.label) AS label, task_id, min(task) AS task,
             count(DISTINCT circuit) AS circuits, sum(abs(found)) AS effect, count(found) AS known
        ORDER BY task, task_id
        WITH feature, dictionary_id, min(dictionary) AS dictionary, min(label) AS label,
             collect(task) AS tasks, sum(circuits) AS circuits,
             collect(CASE WHEN known > 0 THEN effect / known ELSE null END) AS effects
        WHERE size(tasks) >= $tasks
        RETURN feature, label, dictionary, size(tasks) AS n_tasks, circuits, tasks, effects,
               dictionary_id
        ORDER BY n_tasks DESC, circuits DESC, feature, dictionary_id LIMIT $limit
        """,
    ),
    Question(
        "opposing-features",
        "Which features and neurons of a circuit write to one head input with opposite signs? "
        "One row for each query, key or value input: those that raise what the circuit relies on, "
        "and those that lower it, by their edges' scores.",
        (CIRCUIT, LIMIT),
        """
        MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(a:CircuitNode)
              -[e:EDGE]->(h:CircuitNode)
        WHERE e.channel IN ['q', 'k', 'v'] AND a.kind IN ['neuron', 'feature'] AND e.score <> 0
        WITH h.name AS receiver, e.channel AS channel, e.score AS score,
             CASE WHEN a.label = a.name THEN a.name ELSE a.name + ' ' + a.label END AS writer
        ORDER BY abs(score) DESC, writer
        WITH receiver, channel,
             collect(CASE WHEN score > 0 THEN writer ELSE null END) AS positive,
             collect(CASE WHEN score < 0 THEN writer ELSE null END) AS negative,
             sum(CASE WHEN score > 0 THEN score ELSE 0.0 END) AS raised,
             sum(CASE WHEN score < 0 THEN score ELSE 0.0 END) AS lowered
        WHERE size(positive) > 0 AND size(negative) > 0
        RETURN receiver, channel, positive, raised, negative, lowered
        ORDER BY CASE WHEN raised < -lowered THEN raised ELSE -lowered END DESC, receiver, channel
        LIMIT $limit
        """,
    ),
    Question(
        "supernodes",
        "Which groups of nodes has a circuit, and what do they pass to each other? One row for "
        "each group and each that it writes to; a group that writes to none stands alone.",
        (CIRCUIT,),
        """
        MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(n:CircuitNode)
              <-[:ON]-(g:Annotation {kind: 'group'})
        WITH g, collect(n) AS nodes, sum(n.effect) AS effect
        UNWIND nodes AS a
        OPTIONAL MATCH (a)-[e:EDGE]->(b:CircuitNode)<-[:ON]-(t:Annotation {kind: 'group'})
        WHERE t.annotation_id <> g.annotation_id
        WITH g, effect, t, sum(e.score) AS score, count(e) AS edges
        WITH g, effect, collect({to: t.text, score: score, edges: edges}) AS every
        WITH g, effect, every, [each IN every WHERE each.edges > 0] AS written
        UNWIND CASE WHEN size(written) > 0 THEN written ELSE every[0..1] END AS each
        RETURN g.text AS supernode, g.members AS members, effect, each.to AS to,
               each.edges AS edges, CASE WHEN each.edges > 0 THEN each.score ELSE null END AS score,
               g.author AS author
        ORDER BY supernode, abs(coalesce(score, 0.0)) DESC, to
        """,
    ),
)
