"""What is known of one node of a circuit: its edges, the roles it was tested for, what it is."""

from __future__ import annotations

from typing import Any

from graph_schema.documents import CircuitDocument, Component
from graph_schema.reports.drawn_circuit import DrawnCircuit
from graph_schema.store.records.features import StoredFeature, read_features
from graph_schema.store.records.node_evidence import read_plays
from workers.web.site import Site

MOST = 40
"""Edges of a table on either side."""


def node_facts(
    site: Site, header: CircuitDocument, drawn: DrawnCircuit, name: str, kept: int
) -> dict[str, Any]:
    """The node's edges among the `kept` strongest, roles, description and figures."""
    part = Component.parse(name)
    into, out = (each[each < kept] for each in drawn.around(name))
    figures = next((node for node in header.nodes if node.name == name), None)
    store = site.service.store
    return {
        "name": name,
        "kind": part.kind.value.replace("_", " "),
        "token": header.token_at(name),
        "figures": figures,
        "into": drawn.rows(into[:MOST]),
        "n_into": len(into),
        "out": drawn.rows(out[:MOST]),
        "n_out": len(out),
        "plays": read_plays(store, header.model.fingerprint, part.unit, header.task_id),
        "feature": _feature(site, header, part) if part.fine else None,
    }


def _feature(site: Site, header: CircuitDocument, part: Component) -> StoredFeature | None:
    found = read_features(site.service.store, header.circuit_id)
    return next((each for each in found if each.name == part.unit), None)
