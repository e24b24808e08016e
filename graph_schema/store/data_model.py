"""The graph's vocabulary: what is stored, in which words, and how to ask for it.

`circuits schema` prints it with counts, `names.py` holds a user's query to it, and a test holds
what is written to it.
"""

from __future__ import annotations

from graph_schema.store.finding_kinds import FINDING_NODES, FINDING_RELATIONSHIPS
from graph_schema.store.kinds import NodeKind, RelationshipKind

_PLACE = {
    "name": "a3.h5, m3, input, logits",
    "kind": "head, mlp, input, logits, …",
    "layer": "layer, counted from 0; none outside the blocks",
    "head": "head within the layer",
    "index": "neuron or feature",
    "depth": "relative depth: input 0, logits 1",
}

NODE_KINDS: tuple[NodeKind, ...] = (
    NodeKind(
        "Circuit",
        "kept edges of one model on one task, as one job found them",
        {
            "circuit_id": "SHA-256 of job, selection and edge names",
            "job_id": "the job that found it",
            "fingerprint": "of its model",
            "model": "name of its model",
            "family": "of its model",
            "task": "name of its task",
            "task_id": "id of its task",
            "dataset_sha256": "hash of its dataset",
            "method": "exact, eap, eap-ig, …",
            "selection": "edges or threshold",
            "selection_value": "how many edges, or the threshold",
            "metric": "logit_diff, prob_diff, kl, …",
            "ablation": "corrupt, resample, mean or zero",
            "dtype": "of the run",
            "seed": "of the run",
            "preset": "quick or full: how it was evaluated",
            "n_edges": "edges kept; fewer stored means it is torn",
            "n_edges_scored": "edges that have a score",
            "n_nodes": "components it touches",
            "faithfulness": "on the discovery pairs; 1 does as the model, 0 as an empty circuit",
            "faithfulness_low": "lower end of its 95 % interval",
            "faithfulness_high": "upper end of its 95 % interval",
            "heldout_faithfulness": "on pairs that discovery did not see",
            "heldout_faithfulness_low": "lower end of its 95 % interval",
            "heldout_faithfulness_high": "upper end of its 95 % interval",
            "complement_faithfulness": "of the model without the circuit",
            "cmd": "distance of the ranking's curve from 1; lower is better",
            "cpr": "area under the ranking's curve",
            "notes": "what a reader must know",
            "document": "everything but the edges, as JSON",
            "created_at": "when it was first stored, milliseconds",
        },
        "MATCH (c:Circuit) RETURN c.circuit_id, c.model, c.task, c.method, c.n_edges, "
        "c.heldout_faithfulness ORDER BY c.created_at DESC LIMIT 10",
    ),
    NodeKind(
        "CircuitNode",
        "a component's part in one circuit",
        {"node_id": "circuit and name", "label": "what to call it", "role": "its strongest role"}
        | _PLACE,
        "MATCH (c:Circuit)-[:CONTAINS]->(n:CircuitNode) WHERE n.kind = 'head' "
        "RETURN n.name, count(c) AS circuits ORDER BY circuits DESC LIMIT 10",
    ),
    NodeKind(
        "Component",
        "a head, MLP or end of one model, whatever circuits it is in",
        {"component_id": "model and name"} | _PLACE,
        "MATCH (m:Model)-[:HAS]->(p:Component) RETURN m.name, p.kind, count(p) AS parts LIMIT 10",
    ),
    NodeKind(
        "Model",
        "a model, by its weights and never by the place it lies at",
        {
            "fingerprint": "the hub's commit, or SHA-256 of its files",
            "name": "what it was called when last seen",
            "family": "its lineage",
            "architecture": "transformers' class",
            "n_layers": "layers",
            "n_heads": "query heads a layer",
            "n_kv_heads": "key-value heads a layer",
            "d_model": "width of the residual stream",
            "d_head": "width of a head",
            "d_mlp": "width of an MLP",
            "d_vocab": "tokens",
            "n_edges": "edges of its graph",
            "weights": "where the weights come from",
        },
        "MATCH (m:Model) RETURN m.name, m.family, m.n_layers, m.n_heads, m.n_edges LIMIT 10",
    ),
    NodeKind(
        "ModelFamily",
        "a lineage of models",
        {"name": "gpt2, llama, …"},
        "MATCH (f:ModelFamily)<-[:IN_FAMILY]-(m:Model) RETURN f.name, count(m) AS models",
    ),
    NodeKind(
        "Task",
        "a behaviour: name, parameters and version, without a tokenizer",
        {"task_id": "hash of name, parameters and version", "name": "ioi, induction, …"},
        "MATCH (t:Task)<-[:FOR_TASK]-(c:Circuit) RETURN t.name, count(c) AS circuits",
    ),
    NodeKind(
        "Dataset",
        "prompt pairs for one tokenizer",
        {
            "sha256": "hash of its text",
            "task": "name of its task",
            "n_pairs": "pairs",
            "jsonl": "the pairs, one JSON line each",
        },
        "MATCH (d:Dataset) RETURN d.sha256, d.task, d.n_pairs LIMIT 10",
    ),
    NodeKind(
        "Run",
        "one attempt at a job that produced circuits",
        {
            "run_id": "job and attempt",
            "job_id": "the job",
            "attempt": "counted from 1",
            "host": "machine",
            "versions": "of what it ran on, as JSON",
            "cpu_seconds": "by stage, as JSON",
        },
        "MATCH (r:Run)-[:PRODUCED]->(c:Circuit) RETURN c.task, r.host, r.cpu_seconds LIMIT 10",
    ),
    NodeKind(
        "Job",
        "a request and where it stands; circuits name it in job_id",
        {
            "job_id": "SHA-256 of its spec",
            "kind": "discover, …",
            "state": "queued, running, succeeded, failed or cancelled",
            "spec": "what was asked, as JSON",
            "placement": "where to run it, as JSON",
            "attempts": "how often it was claimed",
            "owner": "the worker that has it",
            "error_type": "class of its error",
            "error_message": "what went wrong",
            "progress_stage": "what it is doing",
            "progress_done": "how far",
            "progress_total": "of how much",
            "circuit_ids": "what it found",
            "needs": "jobs that must end before it",
            "needs_on_failure": "fail or proceed, for each of them",
            "submitted_at": "milliseconds",
            "started_at": "milliseconds",
            "finished_at": "milliseconds",
            "queued_at": "milliseconds",
            "sent_at": "milliseconds",
            "lease_until": "milliseconds",
            "cancel_requested": "whether somebody asked it to end",
            "token": "of the claim",
            "lock": "written by whoever changes it",
            "nonce": "of the submission",
        },
        "MATCH (j:Job) RETURN j.state, count(j) AS jobs",
    ),
    *FINDING_NODES,
    NodeKind(
        "Annotation",
        "what somebody wrote on a node; survives new runs",
        {
            "annotation_id": "hash of author, node and text",
            "author": "who",
            "text": "what",
            "at": "milliseconds",
        },
        "MATCH (a:Annotation)-[:ON]->(n:CircuitNode) RETURN n.name, a.author, a.text LIMIT 10",
    ),
    NodeKind(
        "Schema",
        "the version of this data model",
        {
            "name": "atlas",
            "version": "number of the last migration",
            "asked": "the last that asked for the lock",
            "holder": "who migrates now",
            "locked_until": "milliseconds",
        },
        "MATCH (s:Schema) RETURN s.version",
    ),
)

RELATIONSHIP_KINDS: tuple[RelationshipKind, ...] = (
    RelationshipKind(
        "EDGE",
        "CircuitNode",
        "CircuitNode",
        "a kept edge: the sender writes what the receiver reads",
        {
            "channel": "q, k or v of a head, r of anything else",
            "score": "loss(patched) - loss(clean), mean over pairs; positive is relied on",
            "score_kind": "estimate, exact, acdc_delta or mask",
            "stability": "share of bootstraps that keep it",
            "position": "place in the circuit's list",
        },
        "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(a)-[e:EDGE {channel: 'k'}]->(b) "
        "RETURN a.name, b.name, e.score ORDER BY e.score DESC LIMIT 10",
    ),
    RelationshipKind(
        "CONTAINS",
        "Circuit",
        "CircuitNode",
        "a circuit's nodes",
        {},
        "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(n) RETURN n.name, n.kind, n.depth "
        "ORDER BY n.depth, n.name",
    ),
    RelationshipKind(
        "OF",
        "CircuitNode",
        "Component",
        "the component that a node is in its circuit",
        {},
        "MATCH (p:Component)<-[:OF]-(:CircuitNode)<-[:CONTAINS]-(c:Circuit) "
        "RETURN p.name, count(DISTINCT c.task) AS tasks ORDER BY tasks DESC LIMIT 10",
    ),
    RelationshipKind(
        "HAS",
        "Model",
        "Component",
        "a model's components that any circuit has touched",
        {},
        "MATCH (m:Model)-[:HAS]->(p:Component {kind: 'head'}) RETURN m.name, count(p) AS heads",
    ),
    RelationshipKind(
        "OF_MODEL",
        "Circuit",
        "Model",
        "the model a circuit was found in",
        {},
        "MATCH (c:Circuit)-[:OF_MODEL]->(m:Model) RETURN m.name, count(c) AS circuits",
    ),
    RelationshipKind(
        "FOR_TASK",
        "Circuit",
        "Task",
        "the task a circuit does",
        {},
        "MATCH (c:Circuit)-[:FOR_TASK]->(t:Task) RETURN t.name, count(c) AS circuits",
    ),
    RelationshipKind(
        "DISCOVERED_ON",
        "Circuit",
        "Dataset",
        "the pairs it was found on (their discovery split)",
        {},
        "MATCH (c:Circuit)-[:DISCOVERED_ON]->(d:Dataset) RETURN c.circuit_id, d.n_pairs LIMIT 10",
    ),
    RelationshipKind(
        "EVALUATED_ON",
        "Circuit",
        "Dataset",
        "the pairs it was judged on (their held-out split)",
        {},
        "MATCH (c:Circuit)-[:EVALUATED_ON]->(d:Dataset) RETURN c.circuit_id, d.n_pairs LIMIT 10",
    ),
    RelationshipKind(
        "PRODUCED",
        "Run",
        "Circuit",
        "the attempt that found a circuit",
        {},
        "MATCH (r:Run)-[:PRODUCED]->(c:Circuit) RETURN c.circuit_id, r.versions LIMIT 10",
    ),
    RelationshipKind(
        "INSTANCE_OF",
        "Dataset",
        "Task",
        "the task whose pairs a dataset holds",
        {},
        "MATCH (d:Dataset)-[:INSTANCE_OF]->(t:Task) RETURN t.name, count(d) AS datasets",
    ),
    RelationshipKind(
        "IN_FAMILY",
        "Model",
        "ModelFamily",
        "a model's lineage",
        {},
        "MATCH (m:Model)-[:IN_FAMILY]->(f:ModelFamily) RETURN f.name, collect(m.name) AS models",
    ),
    *FINDING_RELATIONSHIPS,
    RelationshipKind(
        "ON",
        "Annotation",
        "CircuitNode",
        "what an annotation is about",
        {},
        "MATCH (a:Annotation)-[:ON]->(n:CircuitNode) RETURN n.node_id, a.text LIMIT 10",
    ),
)

KEYS = {kind.label: kind.key for kind in NODE_KINDS}
LABELS = frozenset(KEYS)
TYPES = frozenset(kind.type for kind in RELATIONSHIP_KINDS)
PROPERTIES = frozenset(
    name for kind in (*NODE_KINDS, *RELATIONSHIP_KINDS) for name in kind.properties
)
