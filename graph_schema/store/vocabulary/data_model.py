"""The graph's vocabulary: what is stored, in which words, and how to ask for it.

`circuits schema` prints it with counts, `names.py` holds a user's query to it, and a test holds
what is written to it.
"""

from __future__ import annotations

from graph_schema.store.vocabulary.circuits import (
    CIRCUIT_NODES,
    CIRCUIT_RELATIONSHIPS,
    LINEAGE_RELATIONSHIPS,
)
from graph_schema.store.vocabulary.kinds import NodeKind, RelationshipKind
from graph_schema.store.vocabulary.motifs import MOTIF_NODES, MOTIF_RELATIONSHIPS
from graph_schema.store.vocabulary.roles import ROLE_NODES, ROLE_RELATIONSHIPS
from graph_schema.store.vocabulary.work import WORK_NODES, WORK_RELATIONSHIPS

NODE_KINDS: tuple[NodeKind, ...] = (
    *CIRCUIT_NODES,
    *WORK_NODES,
    *ROLE_NODES,
    *MOTIF_NODES,
    NodeKind(
        "Annotation",
        "what somebody wrote on a node, a circuit or a job; survives new runs",
        {
            "annotation_id": "hash of author, place and text",
            "author": "who",
            "text": "what",
            "at": "milliseconds",
            "kind": "note, tag, label (what a node stands for) or group (several nodes' name)",
            "members": "names of the nodes that it is on",
            "circuit_id": "of a note or tag on a whole circuit",
            "job_id": "of a note or tag on a job, which no relationship leads to",
            "score": "of a label: balanced accuracy of telling where its node is active",
        },
        "MATCH (a:Annotation)-[:ON]->(n:CircuitNode) RETURN n.name, a.author, a.text LIMIT 10",
    ),
    NodeKind(
        "Schema",
        "the version of this data model",
        {
            "name": "atlas",
            "version": "number of the last migration",
            "graph_id": "by what name stores of artifacts know the graph",
            "asked": "the last that asked for the lock",
            "holder": "who migrates now",
            "locked_until": "milliseconds",
            "step": "of a migration that is not done",
            "after": "how far that step is",
            "restoring": "who restores a backup, while it is not whole",
        },
        "MATCH (s:Schema) RETURN s.version",
    ),
)

RELATIONSHIP_KINDS: tuple[RelationshipKind, ...] = (
    *CIRCUIT_RELATIONSHIPS,
    *WORK_RELATIONSHIPS,
    *LINEAGE_RELATIONSHIPS,
    *ROLE_RELATIONSHIPS,
    *MOTIF_RELATIONSHIPS,
    RelationshipKind(
        "ON",
        "Annotation",
        "CircuitNode",
        "what an annotation is about; the model that a dictionary is on",
        {},
        "MATCH (a:Annotation)-[:ON]->(n:CircuitNode) RETURN n.node_id, a.text LIMIT 10",
        also=("Dictionary",),
        also_to=("Model", "Circuit"),
    ),
)

KEYS = {kind.label: kind.key for kind in NODE_KINDS}
LABELS = frozenset(KEYS)
TYPES = frozenset(kind.type for kind in RELATIONSHIP_KINDS)
PROPERTIES = frozenset(
    name for kind in (*NODE_KINDS, *RELATIONSHIP_KINDS) for name in kind.properties
)
