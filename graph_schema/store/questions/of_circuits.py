"""Named questions about one circuit: its edges, its paths, its motifs, and circuits like it."""

from __future__ import annotations

from graph_schema.store.questions.kinds import Parameter, ParameterKind, Question
from graph_schema.store.questions.parameters import CIRCUIT, LIMIT, MOTIF
from graph_schema.store.questions.paths import MOST_HOPS, STRONGEST_PATHS

CIRCUITS = (
    Question(
        "opposing-loops",
        "Which feed-forward loops of a circuit have a direct and an indirect path of opposite "
        "sign? A path's sign is that of the product of its scores.",
        (CIRCUIT, LIMIT),
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
        (CIRCUIT, LIMIT),
        """
        MATCH (c:Circuit {circuit_id: $circuit})-[e:ALIGNED]-(o:Circuit)
        WHERE o.family <> c.family
        RETURN o.circuit_id AS circuit, o.family AS family, o.model AS model, o.task AS task,
               e.similarity AS similarity, e.ci_low AS ci_low, e.ci_high AS ci_high, e.p AS p
        ORDER BY similarity DESC, circuit LIMIT $limit
        """,
    ),
    Question(
        "strongest-paths",
        "Which paths from the input to the logits have the largest product of scores? Of up to "
        "`hops` edges, each with at least `least` of |score|.",
        (
            CIRCUIT,
            Parameter("hops", ParameterKind.WHOLE, "edges at most", 4, least=1, most=MOST_HOPS),
            Parameter("least", ParameterKind.NUMBER, "|score| of each edge", default=0.0, least=0),
            LIMIT,
        ),
        STRONGEST_PATHS,
    ),
    Question(
        "occurrence-effects",
        "What do a circuit's stored occurrences carry, as measured in its model, against the "
        "controls? The share of the effect through each edge between bound nodes, by role graph: "
        "those of the circuit's own metric and ablation, or where there is none all on its task.",
        (CIRCUIT, MOTIF),
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
            CIRCUIT,
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
)
