"""A circuit in a notebook: its figures, a drawing, its strongest edges."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from graph_schema.documents import CircuitDocument, CircuitEvaluation
from graph_schema.reports.circuit_picture import circuit_svg
from graph_schema.reports.quality import evaluation_summary
from graph_schema.reports.tables import cell
from graph_schema.reports.text import conditions, headline, strongest


def evaluation_html(found: CircuitEvaluation) -> str:
    """What a circuit was judged on, and its figures, as an HTML table."""
    rows = [line.partition("  ") for line in evaluation_summary(found).splitlines()]
    return _facts([(label, text.strip()) for label, _, text in rows])


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(label)}</th><td>{escape(text)}</td></tr>"
        for label, text in facts
    )
    return f"<table>{rows}</table>"


def circuit_html(circuit: CircuitDocument, top: int = 10) -> str:
    """The circuit's headline, a drawing, and its strongest edges, as HTML."""
    facts = [
        ("model", circuit.model.name),
        ("task", circuit.task or "unknown"),
        ("method", ", ".join([circuit.method.name, *conditions(circuit)])),
        ("edges", f"{circuit.n_edges:,} of {circuit.n_edges_scored:,}"),
        *headline(circuit),
    ]
    head = _facts(facts)
    edges = "".join(
        f"<tr><td><code>{escape(edge.name)}</code></td>"
        f"<td style='text-align:right'>{cell(edge.score)}</td></tr>"
        for edge in strongest(circuit.edges)[:top]
    )
    return (
        f"<div><b>Circuit <code>{escape(circuit.circuit_id[:12])}</code></b>"
        f"{head}{circuit_svg(circuit)}"
        f"<table><tr><th>strongest edges</th><th>score</th></tr>{edges}</table></div>"
    )
