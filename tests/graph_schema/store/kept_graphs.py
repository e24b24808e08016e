"""Graphs as earlier releases left them (`kept/`), and how one is put back into a database.

`graph_version_N.json` is all that its `release` wrote, as the embedded server gave it back: nodes
as label and properties, relationships as both ends' labels and ids, type and properties.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, LiteralString, cast

from graph_schema.store.connection import GraphStore

KEYS = {
    "Annotation": "annotation_id",
    "Circuit": "circuit_id",
    "CircuitNode": "node_id",
    "Component": "component_id",
    "Dataset": "sha256",
    "Evaluation": "evaluation_id",
    "Job": "job_id",
    "Model": "fingerprint",
    "ModelFamily": "name",
    "Motif": "motif_id",
    "Occurrence": "occurrence_id",
    "Role": "name",
    "RoleGraph": "role_graph_id",
    "RoleNode": "role_node_id",
    "RoleTest": "role_test_id",
    "Run": "run_id",
    "Task": "task_id",
    "Verdict": "verdict_id",
}


def kept_graph(version: int) -> dict[str, Any]:
    """The graph that the last release with this version of the schema left."""
    file = Path(__file__).parent / "kept" / f"graph_version_{version}.json"
    return json.loads(file.read_text())


def restore(store: GraphStore, kept: dict[str, Any]) -> None:
    """Write a kept graph into an empty database, all but its schema node."""
    nodes: defaultdict[str, list[Any]] = defaultdict(list)
    for label, properties in kept["nodes"]:
        nodes[label].append(properties)
    links: defaultdict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for label, key, kind, to, end, properties in kept["relationships"]:
        links[label, kind, to].append({"a": key, "b": end, "p": properties})
    statements = [(f"UNWIND $rows AS row CREATE (n:{k}) SET n = row", r) for k, r in nodes.items()]
    statements += [
        (
            f"UNWIND $rows AS row MATCH (a:{a} {{{KEYS[a]}: row.a}}) MATCH (b:{b} {{{KEYS[b]}: "
            f"row.b}}) CREATE (a)-[e:{kind}]->(b) SET e = row.p",
            rows,
        )
        for (a, kind, b), rows in links.items()
    ]
    for statement, rows in statements:
        if ":Schema)" not in statement:
            text = cast("LiteralString", statement)
            store.write(lambda tx, text=text, rows=rows: tx.run(text, rows=rows).consume())
