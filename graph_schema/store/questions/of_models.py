"""Named questions about models: what occurs in them, and which of their components play a part.

Models of the same weights are one: counted once, whichever fingerprints they are stored under.
"""

from __future__ import annotations

from graph_schema.store.questions.kinds import Parameter, ParameterKind, Question
from graph_schema.store.questions.parameters import LIMIT, MODEL, TASK

MODELS = (
    Question(
        "induction-in-models",
        "In which models does the induction motif occur (previous_token -k-> induction -> logits), "
        "and in how many of their circuits? with_roles counts those whose nodes have roles at all.",
        (TASK,),
        """
        MATCH (m:Model)
        OPTIONAL MATCH (m)<-[:OF_MODEL]-(c:Circuit) WHERE $task IS NULL OR c.task_id = $task
        WITH m, c, CASE WHEN EXISTS {
          MATCH (c)-[:CONTAINS]->(n:CircuitNode) WHERE size(n.roles) > 0
        } THEN 1 ELSE 0 END AS has_roles
        OPTIONAL MATCH (c)-[:CONTAINS]->(induction:CircuitNode)
                       <-[:EDGE {channel: 'k'}]-(previous:CircuitNode),
                       (induction)-[:EDGE]->(:CircuitNode {kind: 'logits'})
        WHERE has_roles = 1 AND 'induction' IN induction.roles
          AND 'previous_token' IN previous.roles
        WITH m, c, has_roles, count(previous) AS here
        WITH coalesce(m.weights_sha256, m.fingerprint) AS identity, min(m.family) AS family,
             min(m.name) AS model, count(c) AS circuits, sum(has_roles) AS with_roles,
             sum(CASE WHEN here > 0 THEN 1 ELSE 0 END) AS with_motif, sum(here) AS occurrences
        RETURN family, model, circuits, with_roles, with_motif, occurrences
        ORDER BY family, model, identity
        """,
    ),
    Question(
        "role-depth",
        "At which relative depth (input 0, logits 1) do the components that play a role sit, by "
        "family?",
        (Parameter("role", ParameterKind.ROLE, "only this role", optional=True), TASK),
        """
        MATCH (m:Model)-[:HAS]->(p:Component)-[e:PLAYS {passes: true}]->(r:Role)
        WHERE ($role IS NULL OR r.name = $role) AND ($task IS NULL OR e.task_id = $task)
        WITH DISTINCT r.name AS role, m.family AS family, p.name AS name, p.depth AS depth,
             coalesce(m.weights_sha256, m.fingerprint) AS identity
        RETURN role, family, count(DISTINCT identity) AS models, count(name) AS components,
               min(depth) AS shallowest, avg(depth) AS mean, max(depth) AS deepest
        ORDER BY role, family
        """,
    ),
    Question(
        "same-part",
        "What plays a component's part in other models: which components pass its roles, on the "
        "same task?",
        (
            MODEL,
            Parameter("component", ParameterKind.COMPONENT, "a head, MLP or feature, a3.h5"),
            TASK,
        ),
        """
        MATCH (m:Model {fingerprint: $model})
        MATCH (same:Model)
        WHERE coalesce(same.weights_sha256, same.fingerprint)
              = coalesce(m.weights_sha256, m.fingerprint)
        WITH m, same.fingerprint + ':' + $component AS component_id
        MATCH (:Component {component_id: component_id})-[e:PLAYS {passes: true}]->(r:Role)
        WHERE $task IS NULL OR e.task_id = $task
        WITH DISTINCT m, r, e.task_id AS task_id
        MATCH (r)<-[f:PLAYS {passes: true}]-(p:Component)<-[:HAS]-(n:Model)
        WHERE f.task_id = task_id AND coalesce(n.weights_sha256, n.fingerprint)
              <> coalesce(m.weights_sha256, m.fingerprint)
        MATCH (t:RoleTest {role_test_id: f.role_test_id})
        RETURN t.task AS task, r.name AS role, n.family AS family, n.name AS model,
               p.name AS component, p.depth AS depth, f.score AS score, f.effect AS effect,
               t.metric AS metric, t.ablation AS ablation, t.role_test_id AS role_test_id
        ORDER BY task, role, family, model, abs(effect) DESC, component, role_test_id
        """,
    ),
    Question(
        "shared-components",
        "Which components of a model are in circuits for several tasks?",
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
        WHERE NOT n.kind IN ['input', 'embed', 'pos_embed', 'logits']
        MATCH (n)-[:OF]->(p:Component)
        WITH p, task_id, task, circuit
        OPTIONAL MATCH (p)-[:FEATURE_OF]->(d:Dictionary)
        WITH p.name AS component, p.kind AS kind, d.dictionary_id AS dictionary, task_id,
             min(task) AS task, count(DISTINCT circuit) AS circuits
        ORDER BY task, task_id
        WITH component, kind, dictionary, collect(task) AS tasks, sum(circuits) AS circuits
        WHERE size(tasks) >= $tasks
        RETURN component, kind, size(tasks) AS n_tasks, circuits, tasks
        ORDER BY n_tasks DESC, circuits DESC, component LIMIT $limit
        """,
    ),
)
