"""The part of the data model that says what a circuit is: its nodes, its edges, its model."""

from __future__ import annotations

from graph_schema.store.vocabulary.kinds import NodeKind, RelationshipKind

_PLACE = {
    "name": "a3.h5, m3, input, logits",
    "kind": "head, mlp, input, logits, …",
    "layer": "layer, counted from 0; none outside the blocks",
    "head": "head within the layer",
    "index": "neuron or feature; of a logit node its token",
    "depth": "relative depth: input 0, logits 1",
}

CIRCUIT_NODES: tuple[NodeKind, ...] = (
    NodeKind(
        "Circuit",
        "kept edges of one model on one task, as one job found them or a file brought them",
        {
            "circuit_id": "SHA-256 of job, selection and edge names; of an imported file",
            "job_id": "the job that found it; none where it was imported",
            "fingerprint": "of its model",
            "model": "name of its model",
            "family": "of its model",
            "task": "name of its task",
            "task_id": "id of its task",
            "dataset_sha256": "hash of its dataset",
            "method": "exact, eap, eap-ig, …; imported",
            "evaluation_id": "the first evaluation of an imported circuit: the figures are its",
            "lock": "written by whoever changes it",
            "selection": "edges or threshold",
            "selection_value": "how many edges, or the threshold",
            "metric": "logit_diff, prob_diff, kl, …",
            "ablation": "corrupt, resample, mean or zero",
            "dtype": "of the run",
            "seed": "of the run",
            "preset": "quick or full: how it was evaluated",
            "n_edges": "edges kept; fewer stored means it is torn",
            "granularity": "head, neuron or dictionary: what its nodes are",
            "n_edges_scored": "edges that have a score",
            "n_nodes": "components it touches",
            "faithfulness": "on the discovery pairs; 1 does as the model, 0 as an empty circuit",
            "faithfulness_low": "lower end of its 95 % interval",
            "faithfulness_high": "upper end of its 95 % interval",
            "heldout_faithfulness": "on pairs that discovery did not see",
            "heldout_faithfulness_low": "lower end of its 95 % interval",
            "heldout_faithfulness_high": "upper end of its 95 % interval",
            "error_share": "of features: the share of the effect that passes errors and rest",
            "complement_faithfulness": "of the model without the circuit",
            "cmd": "distance of the ranking's curve from 1; lower is better",
            "cpr": "area under the ranking's curve",
            "notes": "what a reader must know",
            "created_at": "when it was first stored, milliseconds",
        },
        "MATCH (c:Circuit) RETURN c.circuit_id, c.model, c.task, c.method, c.n_edges, "
        "c.heldout_faithfulness ORDER BY c.created_at DESC LIMIT 10",
    ),
    NodeKind(
        "CircuitDocument",
        "what describes a circuit as a whole, apart because it may be long",
        {
            "circuit_id": "of its circuit",
            "document": "everything but the edges, as JSON",
        },
        "MATCH (c:Circuit)-[:HAS_DOCUMENT]->(d:CircuitDocument) "
        "RETURN c.circuit_id, size(d.document) LIMIT 10",
    ),
    NodeKind(
        "CircuitNode",
        "a component's part in one circuit",
        {
            "node_id": "circuit and name",
            "label": "what to call it",
            "unit": "its name at whatever position: m3.f17 of m3.f17@4",
            "position": "which token of the prompt, where each has its own nodes",
            "effect": "what ablating it alone does to the loss, to first order; of an attribution "
            "graph its influence",
            "activation": "mean |activation| on the clean prompts, or the one at its position",
            "token": "of an embedding or a logit",
            "probability": "of a logit node: what the model gives its token",
            "roles": "every role its component passes on the circuit's task, the strongest first",
        }
        | _PLACE,
        "MATCH (c:Circuit)-[:CONTAINS]->(n:CircuitNode) WHERE n.kind = 'head' "
        "RETURN n.name, count(c) AS circuits ORDER BY circuits DESC LIMIT 10",
    ),
    NodeKind(
        "Component",
        "a head, MLP or end of one model, whatever circuits it is in",
        {
            "component_id": "model, dictionary of a feature, and name",
            "label": "of a unit: what somebody last said that it stands for, or its dictionary",
            "density": "of a unit: share of tokens at which it is active",
            "max_activation": "its activation of the largest size",
            "promotes": "tokens whose logits its direction raises most",
            "suppresses": "tokens whose logits its direction lowers most",
            "detection": "balanced accuracy of telling where it is active by the tokens at which "
            "its examples peak; .5 is chance",
            "detection_activation": "likewise by the activation of the weakest example",
            "examples": "prompts on which it is most active, the token at the peak «marked»",
            "described_on": "hash of the dataset that all this is of",
        }
        | _PLACE,
        "MATCH (m:Model)-[:HAS]->(p:Component) WHERE ' Mary' IN p.promotes "
        "RETURN m.name, p.name, p.label, p.density, p.examples LIMIT 10",
    ),
    NodeKind(
        "Dictionary",
        "what features of a model are units of: an SAE or a transcoder",
        {
            "dictionary_key": "model and dictionary",
            "dictionary_id": "hash of site, tensors, width and how they are read",
            "sha256": "of its tensors",
            "kind": "sae, transcoder, …",
            "site": "the component that it cuts",
            "layer": "of what it cuts",
            "width": "how many units it has",
            "release": "where it was published",
            "explained_variance": "on tokens of the job's own prompts; 1 is all",
            "l0": "units active at a token, mean",
            "dead_share": "units active at none of those tokens",
            "warning": "why not to trust it",
            "document": "everything, as JSON",
            "created_at": "when it was first stored, milliseconds",
        },
        "MATCH (d:Dictionary)<-[:FEATURE_OF]-(p:Component) "
        "RETURN d.release, d.site, d.width, count(p) AS features LIMIT 10",
    ),
    NodeKind(
        "Model",
        "a model, by its files or its commit and never by the place it lies at",
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
            "weights_sha256": "hash of the weights; two models that share it are one",
            "lock": "written by whoever changes what hangs on it",
        },
        "MATCH (m:Model) RETURN m.name, m.family, m.n_layers, m.n_heads, m.n_edges LIMIT 10",
    ),
    NodeKind(
        "ModelFamily",
        "a lineage of models",
        {"name": "gpt2, llama, …"},
        "MATCH (f:ModelFamily)<-[:IN_FAMILY]-(m:Model) RETURN f.name, count(m) AS models",
    ),
)

CIRCUIT_RELATIONSHIPS: tuple[RelationshipKind, ...] = (
    RelationshipKind(
        "EDGE",
        "CircuitNode",
        "CircuitNode",
        "a kept edge: the sender writes what the receiver reads",
        {
            "channel": "q, k or v of a head, r of anything else",
            "score": "loss(patched) - loss(clean), mean over pairs; positive is relied on; "
            "absent where a file gives none",
            "score_kind": "estimate, exact, acdc_delta or mask",
            "stability": "share of bootstraps that keep it",
            "exact": "what an attribution graph's target loses without the source, measured",
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
        "HAS_DOCUMENT",
        "Circuit",
        "CircuitDocument",
        "what describes a circuit as a whole",
        {},
        "MATCH (c:Circuit)-[:HAS_DOCUMENT]->(d) RETURN c.circuit_id, d.document LIMIT 1",
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
        "FEATURE_OF",
        "Component",
        "Dictionary",
        "the dictionary that a feature is a unit of",
        {},
        "MATCH (n:CircuitNode)-[:OF]->(:Component)-[:FEATURE_OF]->(d:Dictionary) "
        "RETURN n.name, d.release LIMIT 10",
    ),
    RelationshipKind(
        "USES",
        "Circuit",
        "Dictionary",
        "the dictionaries that a circuit's components are cut by",
        {},
        "MATCH (c:Circuit)-[:USES]->(d:Dictionary) RETURN c.circuit_id, d.site LIMIT 10",
    ),
    RelationshipKind(
        "HAS",
        "Model",
        "Component",
        "a model's components that a circuit or a role test has touched",
        {},
        "MATCH (m:Model)-[:HAS]->(p:Component {kind: 'head'}) RETURN m.name, count(p) AS heads",
    ),
    RelationshipKind(
        "OF_MODEL",
        "Circuit",
        "Model",
        "the model a circuit was found in, or roles were tested in",
        {},
        "MATCH (c:Circuit)-[:OF_MODEL]->(m:Model) RETURN m.name, count(c) AS circuits",
        also=("RoleTest",),
    ),
)

LINEAGE_RELATIONSHIPS: tuple[RelationshipKind, ...] = (
    RelationshipKind(
        "DERIVED_FROM",
        "Model",
        "Model",
        "the checkpoint of the same run that a model was trained on from",
        {},
        "MATCH (m:Model)-[:DERIVED_FROM]->(o:Model) RETURN m.name, o.name LIMIT 10",
    ),
    RelationshipKind(
        "IN_FAMILY",
        "Model",
        "ModelFamily",
        "a model's lineage",
        {},
        "MATCH (m:Model)-[:IN_FAMILY]->(f:ModelFamily) RETURN f.name, collect(m.name) AS models",
    ),
)
