"""Named questions about verdicts: in how many models a motif holds, and what speaks against it.

A verdict is asked for by its motif, task and rung; of several the one over the most models counts,
of those the latest: a later look at fewer models hides no counterexample. Verdicts on the wiring
from member to member alone are another statement and have a question of their own.
"""

from __future__ import annotations

from typing import LiteralString

from graph_schema.store.questions.kinds import Parameter, ParameterKind, Question
from graph_schema.store.questions.parameters import CIRCUIT, MOTIF, RUNG, TASK

_WIDEST: LiteralString = """
        MATCH (v:Verdict)-[:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)
        WHERE ($motif IS NULL OR v.motif = $motif) AND ($task IS NULL OR v.task_id = $task)
          AND coalesce(v.path, 'any') = 'any'
        WITH v, count(m) AS models ORDER BY models DESC, v.judged_at DESC, v.verdict_id
        WITH v.motif_id AS motif_id, v.task_id AS task_id, v.rung AS rung, head(collect(v)) AS v,
             max(models) AS models
"""

VERDICTS = (
    Question(
        "counts-by-family",
        "In k of n testable models of each family, is the motif there? By rung, with 95 % bounds; "
        "models that could not be tested stand beside.",
        (MOTIF, TASK, RUNG),
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
        (MOTIF, TASK, RUNG),
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
        (MOTIF, TASK),
        _WIDEST
        + """
        MATCH (v)-[e:CONTRADICTED_BY {role: 'present'}]->(m:Model) WHERE rung = 'wiring'
        RETURN v.motif AS motif, v.task AS task, m.family AS family, m.name AS model,
               e.reason AS reason, models, v.scope AS scope
        ORDER BY motif, task, family, model
        """,
    ),
    Question(
        "contradicted-verdicts",
        "Which verdicts on its task does a circuit contradict? Its model is a counterexample, or "
        "the verdict on the wiring is strong and the motif was searched for here and not found. "
        "Where roles have changed since that search nobody knows, and the row says so.",
        (CIRCUIT,),
        """
        MATCH (c:Circuit {circuit_id: $circuit})-[:FOR_TASK]->(:Task)<-[:ON_TASK]-(v:Verdict)
              -[:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)
        WHERE coalesce(v.path, 'any') = 'any'
        WITH c, v, count(m) AS models ORDER BY models DESC, v.judged_at DESC, v.verdict_id
        WITH c, v.motif_id AS motif_id, v.rung AS rung, head(collect(v)) AS v,
             max(models) AS models
        OPTIONAL MATCH (c)-[:OF_MODEL]->(:Model)<-[e:CONTRADICTED_BY]-(v)
        OPTIONAL MATCH (c)-[s:SEARCHED]->(:Motif)<-[:ABOUT]-(v)
        WHERE s.occurrences = 0 OR s.stale
        OPTIONAL MATCH (c)-[flag:CONTRADICTS]->(v)
        WITH v, models, rung, e, s, flag
        WHERE e IS NOT NULL OR flag IS NOT NULL OR (s IS NOT NULL AND v.outcome = 'strong')
        RETURN v.motif AS motif, rung, v.outcome AS outcome,
               CASE WHEN e IS NOT NULL THEN 'its model is a counterexample'
                    WHEN s.stale THEN 'not known: roles have changed since; search again'
                    ELSE 'the motif does not occur in it' END AS how,
               e.reason AS reason, models, v.scope AS scope, v.verdict_id AS verdict
        ORDER BY motif, rung
        """,
    ),
    Question(
        "contradictions",
        "What was stored after a verdict and contradicts it: circuits in which its motif does not "
        "occur, role graphs whose wiring falls short, other verdicts?",
        (MOTIF, TASK),
        """
        MATCH (x)-[e:CONTRADICTS]->(v:Verdict)
        WHERE ($motif IS NULL OR v.motif = $motif) AND ($task IS NULL OR v.task_id = $task)
        RETURN v.verdict_id AS verdict, v.motif AS motif, v.task AS task, v.rung AS rung,
               v.outcome AS outcome, labels(x)[0] AS kind,
               coalesce(x.circuit_id, x.role_graph_id, x.verdict_id) AS contradicted_by,
               x.model AS model, e.reason AS reason, e.at AS at
        ORDER BY verdict, at, contradicted_by
        """,
    ),
    Question(
        "wired-otherwise",
        "Where is the same motif wired otherwise? What each super-edge carries, which part of it "
        "runs from member to member, and who mediates the rest, by family and model.",
        (MOTIF, TASK),
        """
        MATCH (t:Motif) WHERE $motif IS NULL OR t.name = $motif
        MATCH (g:RoleGraph {motif_id: t.motif_id})-[:HAS_ROLE]->(a:RoleNode)
              -[e:CARRIES]->(b:RoleNode)
        WHERE ($task IS NULL OR g.task_id = $task) AND b.role <> 'logits'
          AND NOT coalesce(e.is_bound, false)
        RETURN t.name AS motif, g.task AS task, a.role AS sender, e.channel AS channel,
               b.role AS receiver, g.family AS family, g.model AS model, e.share AS share,
               e.direct AS direct, e.mediators AS mediators,
               e.mediator_shares AS mediator_shares, g.ablation AS ablation,
               g.role_graph_id AS role_graph_id
        ORDER BY motif, task, sender, channel, receiver, family, direct, model, role_graph_id
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
