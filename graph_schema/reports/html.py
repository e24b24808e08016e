"""A circuit in a notebook: a small table."""

from __future__ import annotations

from html import escape

from graph_schema.documents import CircuitDocument
from graph_schema.reports.text import conditions, headline, number, strongest


def circuit_html(circuit: CircuitDocument, top: int = 10) -> str:
    """The circuit's headline and its strongest edges as an HTML table."""
    facts = [
        ("model", circuit.model.name),
        ("task", circuit.task or "unknown"),
        ("method", ", ".join([circuit.method.name, *conditions(circuit)])),
        ("edges", f"{circuit.n_edges:,} of {circuit.n_edges_scored:,}"),
        *headline(circuit),
    ]
    head = "".join(
        f"<tr><th style='text-align:left'>{escape(label)}</th><td>{escape(text)}</td></tr>"
        for label, text in facts
    )
    edges = "".join(
        f"<tr><td><code>{escape(edge.name)}</code></td>"
        f"<td style='text-align:right'>{number(edge.score)}</td></tr>"
        for edge in strongest(circuit.edges)[:top]
    )
    return (
        f"<div><b>Circuit <code>{escape(circuit.circuit_id[:12])}</code></b>"
        f"<table>{head}</table>"
        f"<table><tr><th>strongest edges</th><th>score</th></tr>{edges}</table></div>"
    )
