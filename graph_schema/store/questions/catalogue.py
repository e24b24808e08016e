"""The named questions: what each answers, its parameters, and the Cypher that asks it.

`asking.py` runs them. A verdict is asked for by its motif, task and rung; of several the one over
the most models counts, of those the latest: a later look at fewer models hides no counterexample.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import LiteralString

from graph_schema.store.questions.kinds import Parameter, ParameterKind, Question
from graph_schema.store.questions.paths import MOST_HOPS, STRONGEST_PATHS

_CIRCUIT = Parameter("circuit", ParameterKind.CIRCUIT, "id of a circuit, or its first digits")
_MODEL = Parameter("model", ParameterKind.MODEL, "name of a model, or its fingerprint")
_MOTIF = Parameter("motif", ParameterKind.MOTIF, "only this motif", optional=True)
_TASK = Parameter("task", ParameterKind.TASK, "only this task, by name or id", optional=True)
_RUNG = Parameter("rung", ParameterKind.RUNG, "only behaviour, role or wiring", optional=True)
_LIMIT = Parameter("limit", ParameterKind.WHOLE, "rows at most", default=20, least=1)

_WIDEST: LiteralString = """
        MATCH (v:Verdict)-[:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)
        WHERE ($motif IS NULL OR v.motif = $motif) AND ($task IS NULL OR v.task_id = $task)
        WITH v, count(m) AS models ORDER BY models DESC, v.judged_at DESC, v.verdict_id
        WITH v.motif_id AS motif_id, v.task_id AS task_id, v.rung AS rung, head(collect(v)) AS v,
             max(models) AS models
"""

_QUESTIONS = (
    Question(
        "induction-in-models",
        "In which models does the induction motif occur (previous_token -k-> induction -> logits), "
        "and in how many of their circuits? with_roles counts those whose nodes have roles at all.",
        (_TASK,),
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
        "counts-by-family",
        "In k of n testable models of each family, is the motif there? By rung, with 95 % bounds; "
        "models that could not be tested stand beside.",
        (_MOTIF, _TASK, _RUNG),
        _WIDEST
        + """
        MATCH (v)-[e:COUNTED_IN]->(f:ModelFamily) WHERE $rung IS NULL OR rung = $rung
        RETURN v.motif AS motif, v.task AS task, rung, f.name AS family, e.k AS k, e.n AS n,
               e.untestable AS untestable, e.low AS low, e.high AS high, models,
               v.scope AS scope
        ORDER BY motif, task, rung, family
        """,
    ),
    Question(
        "counterexamples",
        "Which motifs are candidates for universality, and which models speak against each? A "
        "candidate without a counterexample has one row with no model.",
        (_MOTIF, _TASK, _RUNG),
        _WIDEST
        + """
        OPTIONAL MATCH (v)-[e:CONTRADICTED_BY]->(m:Model)
        WITH v, models, rung, e, m WHERE $rung IS NULL OR rung = $rung
        RETURN v.motif AS motif, v.task AS task, rung, v.outcome AS outcome, v.k AS k, v.n AS n,
               m.family AS family, m.name AS model, e.reason AS reason, models,
               v.scope AS scope
        ORDER BY motif, task, rung, family, model
        """,
    ),
    Question(
        "role-without-wiring",
        "In which models is the motif's output role there and causal, but its wiring absent?",
        (_MOTIF, _TASK),
        _WIDEST
        + """
        MATCH (v)-[e:CONTRADICTED_BY {role: 'present'}]->(m:Model) WHERE rung = 'wiring'
        RETURN v.motif AS motif, v.task AS task, m.family AS family, m.name AS model,
               e.reason AS reason, models, v.scope AS scope
        ORDER BY motif, task, family, model
        """,
    ),
    Question(
        "role-depth",
        "At which relative depth (input 0, logits 1) do the components that play a role sit, by "
        "family?",
        (Parameter("role", ParameterKind.ROLE, "only this role", optional=True), _TASK),
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
        "opposing-loops",
        "Which feed-forward loops of a circuit have a direct and an indirect path of opposite "
        "sign? A path's sign is that of the product of its scores.",
        (_CIRCUIT, _LIMIT),
        """
        MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(a:CircuitNode)
              -[x:EDGE]->(b:CircuitNode)-[y:EDGE]->(c:CircuitNode), (a)-[z:EDGE]->(c)
        WHERE sign(x.score) * sign(y.score) * sign(z.score) < 0
        RETURN a.name AS first, x.channel AS in_by, b.name AS relay, y.channel AS out_by,
               c.name AS last, z.channel AS direct_by, x.score * y.score AS indirect,
               z.score AS direct
        ORDER BY abs(x.score * y.score * z.score) DESC, first, relay, last LIMIT $limit
        """,
    ),
    Question(
        "closest-circuits",
        "Which circuits of other families are closest to a circuit, by what their roles carry to "
        "each other?",
        (_CIRCUIT, _LIMIT),
        """
        MATCH (c:Circuit {circuit_id: $circuit})-[e:ALIGNED]-(o:Circuit)
        WHERE o.family <> c.family
        RETURN o.circuit_id AS circuit, o.family AS family, o.model AS model, o.task AS task,
               e.similarity AS similarity, e.ci_low AS ci_low, e.ci_high AS ci_high, e.p AS p
        ORDER BY similarity DESC, circuit LIMIT $limit
        """,
    ),
    Question(
        "same-part",
        "What plays a component's part in other models: which components pass its roles, on the "
        "same task?",
        (
            _MODEL,
            Parameter("component", ParameterKind.COMPONENT, "a head, MLP or feature, a3.h5"),
            _TASK,
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
            _MODEL,
            Parameter("tasks", ParameterKind.WHOLE, "tasks at least", default=2, least=1),
            _LIMIT,
        ),
        """
        MATCH (m:Model {fingerprint: $model})
        MATCH (same:Model)
        WHERE coalesce(same.weights_sha256, same.fingerprint)
              = coalesce(m.weights_sha256, m.fingerprint)
        MATCH (same)-[:HAS]->(p:Component)<-[:OF]-(:CircuitNode)<-[:CONTAINS]-(c:Circuit)
        WHERE NOT p.kind IN ['input', 'embed', 'pos_embed', 'logits'] AND c.task_id IS NOT NULL
        WITH p.name AS component, p.kind AS kind, c.task_id AS task_id, min(c.task) AS task,
             count(DISTINCT c) AS circuits
        ORDER BY task, task_id
        WITH component, kind, collect(task) AS tasks, sum(circuits) AS circuits
        WHERE size(tasks) >= $tasks
        RETURN component, kind, size(tasks) AS n_tasks, circuits, tasks
        ORDER BY n_tasks DESC, circuits DESC, component LIMIT $limit
        """,
    ),
    Question(
        "strongest-paths",
        "Which paths from the input to the logits have the largest product of scores? Of up to "
        "`hops` edges, each with at least `least` of |score|.",
        (
            _CIRCUIT,
            Parameter("hops", ParameterKind.WHOLE, "edges at most", 4, least=1, most=MOST_HOPS),
            Parameter("least", ParameterKind.NUMBER, "|score| of each edge", default=0.0, least=0),
            _LIMIT,
        ),
        STRONGEST_PATHS,
    ),
    Question(
        "occurrence-effects",
        "What do a circuit's stored occurrences carry, as measured in its model, against the "
        "controls? The share of the effect through each edge between bound nodes, by role graph: "
        "those of the circuit's own metric and ablation, or where there is none all on its task.",
        (_CIRCUIT, _MOTIF),
        """
        MATCH (c:Circuit {circuit_id: $circuit})-[:OF_MODEL]->(m:Model)
        MATCH (same:Model)<-[:MEASURED_IN]-(g:RoleGraph)
        WHERE g.task_id = c.task_id AND coalesce(same.weights_sha256, same.fingerprint)
              = coalesce(m.weights_sha256, m.fingerprint)
        WITH c, collect(g.role_graph_id) AS every,
             collect(CASE WHEN g.metric = c.metric AND g.ablation = c.ablation
                     THEN g.role_graph_id ELSE null END) AS own
        UNWIND CASE WHEN size(own) > 0 THEN own ELSE every END AS measured
        MATCH (c)<-[:IN_CIRCUIT]-(o:Occurrence)
              -[:BINDS]->(a:CircuitNode)-[x:EDGE]->(b:CircuitNode)<-[:BINDS]-(o)
        WHERE $motif IS NULL OR o.motif = $motif
        MATCH (g:RoleGraph {role_graph_id: measured})-[:HAS_ROLE]->(s:RoleNode)
              -[e:CARRIES]->(t:RoleNode)
        WHERE e.channel = x.channel AND a.name IN s.members AND b.name IN t.members
        RETURN o.motif AS motif, o.nodes AS nodes, a.name AS sender, b.name AS receiver,
               x.channel AS channel, x.score AS score, e.share AS share, e.ci_low AS ci_low,
               e.ci_high AS ci_high, e.controls AS controls, e.control_shares AS control_shares,
               g.metric AS metric, g.ablation AS ablation, g.seed AS seed,
               measured AS role_graph_id, coalesce(o.stale, false) AS stale
        ORDER BY motif, nodes, sender, receiver, channel, seed, role_graph_id
        """,
    ),
    Question(
        "unstable-edges",
        "Which edges of a circuit do fewer than `below` of the bootstraps keep? Edges whose "
        "stability was not measured are left out.",
        (
            _CIRCUIT,
            Parameter(
                "below", ParameterKind.NUMBER, "share of bootstraps", default=0.9, least=0, most=1
            ),
        ),
        """
        MATCH (:Circuit {circuit_id: $circuit})-[:CONTAINS]->(a:CircuitNode)
              -[e:EDGE]->(b:CircuitNode)
        WHERE e.stability < $below
        RETURN a.name AS sender, b.name AS receiver, e.channel AS channel, e.score AS score,
               e.stability AS stability
        ORDER BY stability, abs(score) DESC, sender, receiver
        """,
    ),
    Question(
        "contradicted-verdicts",
        "Which verdicts on its task does a circuit contradict? Its model is a counterexample, or "
        "the verdict on the wiring is strong and the motif was searched for here and not found. "
        "Where roles have changed since that search nobody knows, and the row says so.",
        (_CIRCUIT,),
        """
        MATCH (c:Circuit {circuit_id: $circuit})-[:FOR_TASK]->(:Task)<-[:ON_TASK]-(v:Verdict)
              -[:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)
        WITH c, v, count(m) AS models ORDER BY models DESC, v.judged_at DESC, v.verdict_id
        WITH c, v.motif_id AS motif_id, v.rung AS rung, head(collect(v)) AS v,
             max(models) AS models
        OPTIONAL MATCH (c)-[:OF_MODEL]->(:Model)<-[e:CONTRADICTED_BY]-(v)
        OPTIONAL MATCH (c)-[s:SEARCHED]->(:Motif)<-[:ABOUT]-(v)
        WHERE s.occurrences = 0 OR s.stale
        WITH v, models, rung, e, s
        WHERE e IS NOT NULL OR (s IS NOT NULL AND v.outcome = 'strong')
        RETURN v.motif AS motif, rung, v.outcome AS outcome,
               CASE WHEN e IS NOT NULL THEN 'its model is a counterexample'
                    WHEN s.stale THEN 'not known: roles have changed since; search again'
                    ELSE 'the motif does not occur in it' END AS how,
               e.reason AS reason, models, v.scope AS scope, v.verdict_id AS verdict
        ORDER BY motif, rung
        """,
    ),
    Question(
        "verdict-evidence",
        "What stands behind a verdict: every model with its state on each rung, its role graph, "
        "its circuits with their data and runs, and what searching and testing them came to? Stale "
        "is what was found before roles changed.",
        (Parameter("verdict", ParameterKind.VERDICT, "id of a verdict, or its first digits"),),
        """
        MATCH (v:Verdict {verdict_id: $verdict})
              -[e:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)
        OPTIONAL MATCH (m)<-[:OF_MODEL]-(c:Circuit) WHERE c.circuit_id IN e.circuit_ids
        OPTIONAL MATCH (c)<-[:PRODUCED]-(r:Run)
        OPTIONAL MATCH (c)-[s:SEARCHED]->(:Motif {motif_id: v.motif_id})
        OPTIONAL MATCH (c)<-[:TESTED_IN]-(k:MotifTest)
                       -[t:RESULT {circuit_id: c.circuit_id}]->(:Motif {motif_id: v.motif_id})
        RETURN m.family AS family, m.name AS model, type(e) AS says, e.behaviour AS behaviour,
               e.role AS role, e.wiring AS wiring, e.reason AS reason,
               e.role_graph_id AS role_graph, c.circuit_id AS circuit,
               c.dataset_sha256 AS dataset, r.run_id AS run, s.occurrences AS occurrences,
               coalesce(s.stale, false) AS search_stale, t.p AS p, t.q AS q,
               coalesce(t.stale, false) AS test_stale, k.test_id AS test
        ORDER BY family, model, circuit, run, test
        """,
    ),
)

QUESTIONS = MappingProxyType({question.name: question for question in _QUESTIONS})
