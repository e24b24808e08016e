"""A circuit as a Jupyter widget: what the pages draw, in a cell's output.

It needs no server: all edges go to the browser once, and what is chosen there comes back.
"""

from __future__ import annotations

from typing import Any, cast

import anywidget
import traitlets

from graph_schema.documents import CircuitDocument, PackedEdges
from graph_schema.errors import SpecError
from graph_schema.reports import circuit_html, node_labels, strongest
from graph_schema.reports.drawn_circuit import DrawnCircuit
from workers import static
from workers.notebook.one_module import one_module


class CircuitWidget(anywidget.AnyWidget):
    """A circuit's drawing: `kept` strongest edges, the `chosen` node ("" is none), pinned nodes.

    All change with what is done in the browser, and the browser follows when they are set here.
    Where no script runs, and in a notebook that is kept, it is the circuit's picture and tables.
    """

    _esm = one_module("widget.js")
    _css = static.content("widget.css").decode()
    graph = cast(Any, traitlets.Dict()).tag(sync=True)
    kept = cast(Any, traitlets.Int(1)).tag(sync=True)
    chosen = cast(Any, traitlets.Unicode()).tag(sync=True)
    pins = cast(Any, traitlets.List(traitlets.Unicode())).tag(sync=True)

    def __init__(self, circuit: CircuitDocument, kept: int | None, chosen: str) -> None:
        edges = PackedEdges.of(strongest(circuit.edges))
        drawn = DrawnCircuit.of(edges, circuit.model.n_layers)
        if chosen and chosen not in drawn.number:
            raise SpecError(f"circuit {circuit.circuit_id[:12]} has no node {chosen!r}")
        self._circuit = circuit
        super().__init__(
            graph={**drawn.columns(), "labels": dict(node_labels(circuit))},
            kept=max(1, len(edges) if kept is None else min(kept, len(edges))),
            chosen=chosen,
        )

    def __repr__(self) -> str:
        return f"<CircuitWidget of circuit {self._circuit.circuit_id[:12]}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        found = cast(Any, super())._repr_mimebundle_(**kwargs)
        if found is None:
            return None
        data, about = found
        return {**data, "text/html": circuit_html(self._circuit)}, about
