"""The part of the data model that says what was found of circuits: roles, motifs, verdicts."""

from __future__ import annotations

from graph_schema.store.kinds import NodeKind, RelationshipKind

_MEASURED = {
    "task": "name of its task",
    "task_id": "id of its task",
    "dataset_sha256": "hash of the probe data",
    "metric": "logit_diff, prob_diff, kl, …",
    "ablation": "corrupt, resample, mean or zero",
    "n_pairs": "pairs it was measured on",
    "seed": "of the measurement",
}
_INTERVAL = {
    "ci_low": "lower end of its 95 % interval",
    "ci_high": "upper end of its 95 % interval",
}
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

FINDING_NODES: tuple[NodeKind, ...] = (
    NodeKind(
        "Role",
        "what a component can do in a behaviour",
        {"name": "previous_token, induction, name_mover, …"},
        "MATCH (p:Component)-[e:PLAYS {passes: true}]->(r:Role) "
        "RETURN r.name, count(DISTINCT p) AS components",
    ),
    NodeKind(
        "RoleGraph",
        "the roles of one model on one task and what they carry to each other",
        {
            "role_graph_id": "hash of what was measured and how",
            "fingerprint": "of its model",
            "model": "name of its model",
            "family": "of its model",
        }
        | _MEASURED
        | {"document": "all of it, as JSON", "created_at": "milliseconds"},
        "MATCH (g:RoleGraph)-[:HAS_ROLE]->(n) RETURN g.model, g.task, collect(n.role) AS roles "
        "LIMIT 10",
    ),
    NodeKind(
        "RoleNode",
        "a role in one role graph",
        {
            "role_node_id": "role graph and role",
            "role": "name of the role, or input or logits",
            "members": "names of the components that play it together",
        },
        "MATCH (g:RoleGraph)-[:HAS_ROLE]->(n:RoleNode) RETURN g.model, n.role, n.members LIMIT 10",
    ),
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
        },
        "MATCH (o:Occurrence)-[:IN_CIRCUIT]->(c:Circuit) "
        "RETURN o.motif, c.model, o.variables, o.nodes LIMIT 10",
    ),
    NodeKind(
        "Verdict",
        "a statement on a motif over models",
        {
            "verdict_id": "hash of motif, task, rung and models",
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
            "document": "all of it, as JSON",
            "judged_at": "milliseconds",
        },
        "MATCH (v:Verdict) RETURN v.motif, v.task, v.rung, v.outcome, v.k, v.n, v.low LIMIT 10",
    ),
)

FINDING_RELATIONSHIPS: tuple[RelationshipKind, ...] = (
    RelationshipKind(
        "PLAYS",
        "Component",
        "Role",
        "a component was tested for a role on a task",
        {
            "passes": "whether it plays it",
            "score": "of the pattern, on the probe condition it does worst on",
            "scores": "of the pattern, on each probe condition",
            "conditions": "the probe conditions",
            "effect": "loss(component ablated) - loss(clean); positive is relied on",
        }
        | _INTERVAL
        | {
            "control": "mean effect of random components alike; none where there are too few",
            "control_sets": "distinct random sets",
            "q": "Benjamini and Hochberg's, over components and roles",
            "reason": "why it does not pass",
        }
        | _MEASURED,
        "MATCH (m:Model)-[:HAS]->(p:Component)-[e:PLAYS {passes: true}]->(r:Role) "
        "RETURN m.name, p.name, r.name, e.score, e.effect ORDER BY e.effect DESC LIMIT 10",
    ),
    RelationshipKind(
        "MEASURED_IN",
        "RoleGraph",
        "Model",
        "the model of a role graph",
        {},
        "MATCH (g:RoleGraph)-[:MEASURED_IN]->(m:Model) RETURN m.family, m.name, g.task LIMIT 10",
    ),
    RelationshipKind(
        "MEASURED_ON",
        "RoleGraph",
        "Task",
        "the task of a role graph",
        {},
        "MATCH (g:RoleGraph)-[:MEASURED_ON]->(t:Task) RETURN t.name, count(g) AS role_graphs",
    ),
    RelationshipKind(
        "HAS_ROLE",
        "RoleGraph",
        "RoleNode",
        "a role graph's nodes",
        {},
        "MATCH (g:RoleGraph)-[:HAS_ROLE]->(n:RoleNode) "
        "RETURN n.role, count(g) AS role_graphs ORDER BY role_graphs DESC",
    ),
    RelationshipKind(
        "CARRIES",
        "RoleNode",
        "RoleNode",
        "what one role carries to another through one channel, by intervention",
        {
            "channel": "q, k or v of heads, r of anything else",
            "share": "of loss(empty) - loss(full) that is lost when it is patched",
        }
        | _INTERVAL
        | {
            "controls": "the same patch where it should carry nothing: wrong_position, …",
            "control_shares": "the share of each",
            "control_ci_low": "lower end of each one's 95 % interval",
            "control_ci_high": "upper end of each one's 95 % interval",
        },
        "MATCH (g:RoleGraph)-[:HAS_ROLE]->(a)-[e:CARRIES]->(b) "
        "RETURN g.model, a.role, e.channel, b.role, e.share, e.ci_low, e.ci_high LIMIT 10",
    ),
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
        {"occurrences": "how many there are", "at": "milliseconds"},
        "MATCH (c:Circuit)-[s:SEARCHED]->(m:Motif) RETURN c.circuit_id, m.name, s.occurrences "
        "LIMIT 10",
    ),
    RelationshipKind(
        "TESTED",
        "Circuit",
        "Motif",
        "whether the motif occurs in the circuit more often than chance has it",
        {
            "state": "called, not_called or untestable",
            "reason": "why it is untestable",
            "observed": "occurrences in the circuit",
            "null_model": "rewired or roles_permuted",
            "null_mean": "mean of the null's counts",
            "null_sd": "their standard deviation",
            "p": "of the motif alone",
            "p_max": "adjusted for the motifs tested in the circuit",
            "q": "adjusted for circuits and motifs tested together; none where untestable",
            "draws": "from the null",
            "distinct": "different ones among them",
            "exact": "whether the whole null was listed",
            "seed": "of the draws",
            "at": "milliseconds",
        },
        "MATCH (c:Circuit)-[t:TESTED]->(m:Motif) "
        "RETURN c.circuit_id, m.name, t.state, t.observed, t.null_mean, t.p, t.q LIMIT 10",
    ),
    RelationshipKind(
        "ALIGNED",
        "Circuit",
        "Circuit",
        "how alike two circuits are in what their roles carry to each other; either way round",
        {"similarity": "weighted Jaccard index of role super-edges"}
        | _INTERVAL
        | {"p": "against the null", "draws": "from the null"},
        "MATCH (a:Circuit)-[e:ALIGNED]-(b:Circuit) WHERE a.family < b.family "
        "RETURN a.model, b.model, e.similarity ORDER BY e.similarity DESC LIMIT 10",
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
        "COUNTED_IN",
        "Verdict",
        "ModelFamily",
        "how many of a family's models a verdict holds for; relatives count once",
        {"k": "models in which the rung is present", "n": "models that could be tested"} | _TALLY,
        "MATCH (v:Verdict)-[e:COUNTED_IN]->(f:ModelFamily) "
        "RETURN v.motif, v.rung, f.name, e.k, e.n, e.low, e.high LIMIT 10",
    ),
)
