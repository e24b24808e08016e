"""What is known of one node of a circuit: its edges, the roles it was tested for, what it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graph_schema.documents import CircuitDocument, Component
from graph_schema.reports.arranged_circuit import ArrangedCircuit, arranged, shown_edges
from graph_schema.reports.drawn_circuit import DrawnCircuit
from graph_schema.store.records.features import StoredFeature, read_features
from graph_schema.store.records.node_evidence import read_plays
from workers.web.site import Site
from workers.web.view import View

MOST = 40
"""Edges of a table on either side."""


def node_facts(
    site: Site, header: CircuitDocument, drawn: DrawnCircuit, name: str, shown: Sequence[int]
) -> dict[str, Any]:
    """The node's edges among those that are shown, roles, description and figures."""
    part = Component.parse(name)
    into, out = (each[np.isin(each, shown)] for each in drawn.around(name))
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


def group_facts(drawn: DrawnCircuit, view: View, name: str) -> dict[str, Any] | None:
    """A group's members and the sums of their edges; None where the name is none of a group."""
    group = view.group_of(name)
    if group is None:
        return None
    found = arranged(drawn, view.kept, view.pins, view.groups)
    into, out = found.drawn.around(name)
    inside = [
        i
        for i in shown_edges(drawn, view.kept, view.pins)
        if {drawn.edges.senders[i], drawn.edges.receivers[i]} <= set(group.members)
    ]
    return {
        "name": name,
        "title": group.name,
        "members": group.members,
        "same": (group.name, frozenset(group.members)),
        "inside": len(inside),
        "into": _sums(found, into[:MOST]),
        "n_into": len(into),
        "out": _sums(found, out[:MOST]),
        "n_out": len(out),
        "ungrouped": view.ungrouped(group),
    }


def _sums(found: ArrangedCircuit, numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Rows of a table, with how many edges each is the sum of, and what its ends are called."""
    rows = found.drawn.rows(numbers)
    for row, i in zip(rows, numbers, strict=True):
        row["summed"] = found.counts[i]
        row["titles"] = {
            end: found.titles.get(row[end], row[end]) for end in ("sender", "receiver")
        }
    return rows


def _feature(site: Site, header: CircuitDocument, part: Component) -> StoredFeature | None:
    found = read_features(site.service.store, header.circuit_id)
    return next((each for each in found if each.name == part.unit), None)
