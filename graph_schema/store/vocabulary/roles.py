"""The part of the data model that says what components do: roles, and what they carry."""

from __future__ import annotations

from graph_schema.store.vocabulary.kinds import INTERVAL, NodeKind, RelationshipKind

_MEASURED = {
    "task": "name of its task",
    "task_id": "id of its task",
    "dataset_sha256": "hash of the probe data",
    "metric": "logit_diff, prob_diff, kl, …",
    "ablation": "corrupt, resample, mean or zero",
    "n_pairs": "pairs it was measured on",
    "seed": "of the measurement",
}

ROLE_NODES: tuple[NodeKind, ...] = (
    NodeKind(
        "Role",
        "what a component can do in a behaviour",
        {"name": "previous_token, induction, name_mover, …"},
        "MATCH (p:Component)-[e:PLAYS {passes: true}]->(r:Role) "
        "RETURN r.name, count(DISTINCT p) AS components",
    ),
    NodeKind(
        "RoleTest",
        "a measurement of what roles one model's components play on one task",
        {
            "role_test_id": "hash of what was measured and how",
            "fingerprint": "of its model",
        }
        | _MEASURED
        | {
            "method_version": "of the patterns and interventions",
            "job_id": "the job that made it, where one did",
            "components": "names of those that were tested",
            "document": "how it was measured, as JSON",
            "created_at": "milliseconds",
        },
        "MATCH (t:RoleTest)-[:OF_MODEL]->(m:Model) "
        "RETURN m.name, t.task, t.metric, t.ablation, t.seed, size(t.components) LIMIT 10",
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
        | {
            "job_id": "of the effects job that measured it",
            "role_test_id": "of the role test that says who plays what",
            "motif_id": "of the motif whose edges were measured",
            "method_version": "of the interventions",
            "conditions": "what it was measured on, by accuracy (periods, templates)",
            "untestable": "why nothing could be measured; none where it could",
            "restored_direct": "share of the gap that comes back under the members' edges alone",
            "restored_mediated": "the same with the mediators' paths; none where nobody mediates",
            "document": "all of it, as JSON",
            "created_at": "milliseconds",
        },
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
)

ROLE_RELATIONSHIPS: tuple[RelationshipKind, ...] = (
    RelationshipKind(
        "PLAYS",
        "Component",
        "Role",
        "a component was tested for a role on a task",
        {
            "role_test_id": "the measurement, which says how",
            "task_id": "id of its task",
            "passes": "whether it plays it",
            "score": "of the pattern, on the probe condition it does worst on",
            "scores": "of the pattern, on each probe condition",
            "conditions": "the probe conditions",
            "effect": "loss(component ablated) - loss(clean); positive is relied on",
        }
        | INTERVAL
        | {
            "control": "mean effect of random components alike; none where there are too few",
            "control_sets": "distinct random sets",
            "q": "Benjamini and Hochberg's, over components and roles",
            "reason": "why it does not pass, or what is to be said where it does",
            "kin": "components with the same pattern that it was judged among; 0: it was not",
            "kin_effect": "what it is worth among them, its Shapley value",
            "kin_low": "lower end of that one's 95 % interval",
            "kin_high": "upper end of that one's 95 % interval",
        },
        "MATCH (m:Model)-[:HAS]->(p:Component)-[e:PLAYS {passes: true}]->(r:Role) "
        "RETURN m.name, p.name, r.name, e.score, e.effect ORDER BY e.effect DESC LIMIT 10",
    ),
    RelationshipKind(
        "TESTED",
        "Run",
        "RoleTest",
        "the attempt that made a role test",
        {},
        "MATCH (r:Run)-[:TESTED]->(t:RoleTest) RETURN t.task, r.host, r.cpu_seconds LIMIT 10",
    ),
    RelationshipKind(
        "ABLATED_ON",
        "RoleTest",
        "Task",
        "what all heads of a role that the test found are worth on a task, its own or another",
        {
            "job_id": "of the specificity job that measured it",
            "role": "whose heads were ablated together",
            "members": "names of these",
            "share": "of the task's loss(empty) - loss(full) that is lost without them",
        }
        | INTERVAL
        | {
            "control_sets": "distinct random sets of as many heads alike in depth",
            "random_mean": "mean share lost without such a set; none where they are too few",
            "random_low": "95 % of the sets lose more than this",
            "random_high": "95 % of the sets lose less than this",
            "p": "share of random sets that lose as much, the role's own counted",
            "n_pairs": "pairs of the task",
        },
        "MATCH (t:RoleTest)-[e:ABLATED_ON]->(k:Task) RETURN t.task, e.role, k.name, e.share, "
        "e.random_mean, e.p LIMIT 10",
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
        | INTERVAL
        | {
            "direct": "the part of the share that edges from member to member carry alone",
            "direct_ci_low": "lower end of its 95 % interval",
            "direct_ci_high": "upper end of its 95 % interval",
            "mediators": "components without a role that carry the rest into the channel",
            "mediator_shares": "the part of the share that each carries",
            "mediator_ci_low": "lower end of each one's 95 % interval",
            "mediator_ci_high": "upper end of each one's 95 % interval",
            "everywhere": "share where everything sees the sender patched, for contrast",
            "on_discovery": "share on the pairs that roles were assigned on",
            "is_bound": "a role has no member: the share is what all heads together carry",
            "controls": "the same patch where it should carry nothing: wrong_position, …",
            "control_shares": "the share of each",
            "control_ci_low": "lower end of each one's 95 % interval",
            "control_ci_high": "upper end of each one's 95 % interval",
        },
        "MATCH (g:RoleGraph)-[:HAS_ROLE]->(a)-[e:CARRIES]->(b) "
        "RETURN g.model, a.role, e.channel, b.role, e.share, e.ci_low, e.ci_high LIMIT 10",
    ),
)
