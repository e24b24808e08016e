"""The part of the data model that says what was found of motifs: where, how likely, how widely."""

from __future__ import annotations

from graph_schema.store.vocabulary.kinds import INTERVAL, NodeKind, RelationshipKind

_TALLY = {
    "untestable": "models that could not be tested",
    "low": "lower bound of the share present, inconclusive ones counted as not present",
    "high": "upper bound of the share present, inconclusive ones counted as present",
}
_FOUND_IN_MODEL = {
    "state": "present, absent, inconclusive or untestable, of the verdict's rung",
    "reason": "why",
    "behaviour": "state of the lowest rung: the task is done",
    "role": "state of the next rung: the output role is there and causal",
    "wiring": "state of the top rung: the edges between the roles carry the effect",
    "role_graph_id": "the evidence, where it is stored",
    "circuit_ids": "likewise",
}

MOTIF_NODES: tuple[NodeKind, ...] = (
    NodeKind(
        "Motif",
        "a small pattern of roles, kinds, channels and signs",
        {
            "motif_id": "hash of its name and pattern",
            "name": "induction, bi_fan, …",
            "description": "what it does",
            "source": "who described it",
            "document": "the pattern, as JSON",
            "created_at": "milliseconds",
        },
        "MATCH (m:Motif) RETURN m.name, m.description, m.source LIMIT 10",
    ),
    NodeKind(
        "Occurrence",
        "a place in one circuit where a motif matches",
        {
            "occurrence_id": "hash of motif, circuit and nodes",
            "motif": "name of its motif",
            "circuit_id": "its circuit",
            "variables": "of the motif, in order",
            "nodes": "names of the nodes they are bound to",
            "stale": "whether roles have changed since it was found",
        },
        "MATCH (o:Occurrence)-[:IN_CIRCUIT]->(c:Circuit) "
        "RETURN o.motif, c.model, o.variables, o.nodes LIMIT 10",
    ),
    NodeKind(
        "MotifTest",
        "motifs tested against chance in circuits, together: one correction over all results",
        {
            "test_id": "hash of what was asked and what came out",
            "alpha": "what p_max and q had to reach; none where an older release kept it not",
            "draws": "asked for, from each null model",
            "seed": "of the draws",
            "without": "kinds of nodes that were left out, with their edges",
            "null_models": "those drawn from: rewired, roles_permuted",
            "circuits": "how many",
            "motifs": "how many",
            "family": "results that q is adjusted over: those that are not untestable",
            "called": "results that were called",
            "at": "milliseconds",
        },
        "MATCH (t:MotifTest) RETURN t.test_id, t.circuits, t.motifs, t.family, t.called LIMIT 10",
    ),
    NodeKind(
        "Verdict",
        "a statement on a motif over models",
        {
            "verdict_id": "hash of motif, task, rung, models and protocol",
            "motif": "name of its motif",
            "motif_id": "id of its motif",
            "task": "name of its task",
            "task_id": "id of its task",
            "rung": "what it is said of: behaviour, role or wiring",
            "outcome": "strong, weak, refuted or undecided",
            "k": "models in which the rung is present",
            "n": "models that could be tested",
        }
        | _TALLY
        | {
            "scope": "of which models it is said",
            "falsifiers": "what would overturn it",
            "path": "where wiring counts: any path, or direct from member to member",
            "protocol_id": "hash of floors, controls, ablation, methods; none of older verdicts",
            "job_id": "of the universality job that judged it last; none where nobody's",
            "document": "all of it, as JSON",
            "judged_at": "milliseconds",
        },
        "MATCH (v:Verdict) RETURN v.motif, v.task, v.rung, v.outcome, v.k, v.n, v.low LIMIT 10",
    ),
    NodeKind(
        "Report",
        "everything that one universality job found",
        {
            "job_id": "the job",
            "motif": "name of its motif",
            "motif_id": "id of its motif",
            "task": "name of its task",
            "task_id": "id of its task",
            "models": "how many it asked about",
            "document": "all of it, as JSON",
            "judged_at": "milliseconds",
        },
        "MATCH (r:Report) RETURN r.job_id, r.motif, r.task, r.models ORDER BY r.judged_at DESC "
        "LIMIT 10",
    ),
)

MOTIF_RELATIONSHIPS: tuple[RelationshipKind, ...] = (
    RelationshipKind(
        "OF_MOTIF",
        "Occurrence",
        "Motif",
        "the motif that matches",
        {},
        "MATCH (o:Occurrence)-[:OF_MOTIF]->(m:Motif) RETURN m.name, count(o) AS occurrences",
    ),
    RelationshipKind(
        "IN_CIRCUIT",
        "Occurrence",
        "Circuit",
        "the circuit it matches in",
        {},
        "MATCH (o:Occurrence)-[:IN_CIRCUIT]->(c:Circuit) "
        "RETURN c.model, c.task, o.motif, count(o) AS occurrences",
    ),
    RelationshipKind(
        "BINDS",
        "Occurrence",
        "CircuitNode",
        "the node that a variable of the motif is bound to",
        {"variable": "of the motif"},
        "MATCH (o:Occurrence)-[b:BINDS]->(n:CircuitNode) RETURN o.motif, b.variable, n.name "
        "LIMIT 10",
    ),
    RelationshipKind(
        "SEARCHED",
        "Circuit",
        "Motif",
        "the circuit was searched for the motif: all its occurrences there are stored",
        {
            "occurrences": "how many there are",
            "stale": "whether roles have changed since; search again",
            "at": "milliseconds",
        },
        "MATCH (c:Circuit)-[s:SEARCHED]->(m:Motif) RETURN c.circuit_id, m.name, s.occurrences "
        "LIMIT 10",
    ),
    RelationshipKind(
        "TESTED_IN",
        "MotifTest",
        "Circuit",
        "a circuit that motifs were tested in",
        {},
        "MATCH (t:MotifTest)-[:TESTED_IN]->(c:Circuit) RETURN t.test_id, c.circuit_id LIMIT 10",
    ),
    RelationshipKind(
        "RESULT",
        "MotifTest",
        "Motif",
        "whether a motif occurs in one of the circuits more often than chance has it",
        {
            "circuit_id": "of the circuit",
            "state": "called, not_called or untestable",
            "reason": "why it is untestable",
            "observed": "occurrences in the circuit",
            "null_model": "rewired or roles_permuted",
            "null_mean": "mean of the null's counts",
            "null_sd": "their standard deviation",
            "p": "of the motif alone",
            "p_max": "adjusted for the motifs tested in the circuit",
            "q": "adjusted for the test's circuits and motifs together; none where untestable",
            "draws": "from the null",
            "distinct": "different ones among them",
            "exact": "whether the whole null was listed",
            "position": "place among the test's results",
            "stale": "whether roles that the motif reads have changed since; test again",
        },
        "MATCH (t:MotifTest)-[r:RESULT]->(m:Motif) "
        "RETURN t.test_id, r.circuit_id, m.name, r.state, r.observed, r.null_mean, r.p, r.q "
        "LIMIT 10",
    ),
    RelationshipKind(
        "ALIGNED",
        "Circuit",
        "Circuit",
        "how alike two circuits, or two role graphs, are in what their roles carry to each other; "
        "either way round",
        {"similarity": "weighted Jaccard index of role super-edges"}
        | INTERVAL
        | {
            "p": "against the null",
            "draws": "from the null",
            "testable": "of role graphs: whether the null is large enough for p to mean something",
        },
        "MATCH (a)-[e:ALIGNED]-(b) WHERE a.family < b.family "
        "RETURN labels(a), a.model, b.model, e.similarity ORDER BY e.similarity DESC LIMIT 10",
        also=("RoleGraph",),
        also_to=("RoleGraph",),
    ),
    RelationshipKind(
        "ABOUT",
        "Verdict",
        "Motif",
        "the motif of a verdict",
        {},
        "MATCH (v:Verdict)-[:ABOUT]->(m:Motif) RETURN m.name, v.rung, v.outcome, v.k, v.n LIMIT 10",
    ),
    RelationshipKind(
        "ON_TASK",
        "Verdict",
        "Task",
        "the task of a verdict",
        {},
        "MATCH (v:Verdict)-[:ON_TASK]->(t:Task) RETURN t.name, count(v) AS verdicts",
    ),
    RelationshipKind(
        "REPORTS",
        "Report",
        "Verdict",
        "a verdict that the job came to; a later job may have judged it again since",
        {},
        "MATCH (r:Report)-[:REPORTS]->(v:Verdict) RETURN v.verdict_id, v.outcome, r.job_id, "
        "r.judged_at ORDER BY v.verdict_id, r.judged_at DESC LIMIT 10",
    ),
    RelationshipKind(
        "SUPPORTED_BY",
        "Verdict",
        "Model",
        "the verdict's rung is present in the model",
        _FOUND_IN_MODEL,
        "MATCH (v:Verdict)-[:SUPPORTED_BY]->(m:Model) RETURN v.motif, v.rung, m.family, m.name "
        "LIMIT 10",
    ),
    RelationshipKind(
        "CONTRADICTED_BY",
        "Verdict",
        "Model",
        "the verdict's rung, which is above behaviour, is absent: a counterexample",
        _FOUND_IN_MODEL,
        "MATCH (v:Verdict)-[e:CONTRADICTED_BY]->(m:Model) "
        "RETURN v.motif, v.rung, m.family, m.name, e.reason LIMIT 10",
    ),
    RelationshipKind(
        "UNDECIDED_IN",
        "Verdict",
        "Model",
        "the model says neither: inconclusive, untestable, or it does not do the task",
        _FOUND_IN_MODEL,
        "MATCH (v:Verdict)-[e:UNDECIDED_IN]->(m:Model) "
        "RETURN v.motif, v.rung, m.name, e.state, e.reason LIMIT 10",
    ),
    RelationshipKind(
        "CONTRADICTS",
        "Circuit",
        "Verdict",
        "what was stored later, a circuit, a role graph or a verdict, speaks against a verdict",
        {"reason": "how", "at": "milliseconds"},
        "MATCH (x)-[e:CONTRADICTS]->(v:Verdict) RETURN v.motif, v.rung, v.outcome, labels(x), "
        "e.reason LIMIT 10",
        also=("RoleGraph", "Verdict"),
    ),
    RelationshipKind(
        "COUNTED_IN",
        "Verdict",
        "ModelFamily",
        "how many of a family's models a verdict holds for; relatives count once",
        {"k": "models in which the rung is present", "n": "models that could be tested"} | _TALLY,
        "MATCH (v:Verdict)-[e:COUNTED_IN]->(f:ModelFamily) "
        "RETURN v.motif, v.rung, f.name, e.k, e.n, e.low, e.high LIMIT 10",
    ),
)
