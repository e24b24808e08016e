"""Circuits, judgements and answers in a notebook: parts of a page, all text of others escaped.

No script, nothing fetched, and no style that reaches beyond the part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from graph_schema.documents import CircuitDocument, CircuitEvaluation
from graph_schema.printable import printable
from graph_schema.reports.circuit_picture import circuit_svg
from graph_schema.reports.quality import evaluation_summary
from graph_schema.reports.tables import cell
from graph_schema.reports.text import conditions, headline, strongest

MOST_ROWS = 100
"""Of an answer; the rest is counted."""


def evaluation_html(found: CircuitEvaluation) -> str:
    """What a circuit was judged on, and its figures, as an HTML table."""
    rows = [line.partition("  ") for line in evaluation_summary(found).splitlines()]
    return facts_html([(label, text.strip()) for label, _, text in rows])


def facts_html(facts: Iterable[tuple[str, str]]) -> str:
    """Facts under each other, each with its label."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{safe(label)}</th>"
        f"<td style='text-align:left'>{safe(text)}</td></tr>"
        for label, text in facts
    )
    return f"<table>{rows}</table>"


def rows_html(
    columns: Sequence[str], rows: Sequence[Sequence[object]], more: str = "", most: int = MOST_ROWS
) -> str:
    """The first rows as a table; `more` is said where the rows themselves are not all."""
    head = "".join(f"<th>{safe(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell(value))}</td>' for value in row)}</tr>"
        for row in rows[:most]
    )
    left = f"{most:,} of {len(rows):,} rows shown" if len(rows) > most else ""
    said = "; ".join(filter(None, (left, safe(more))))
    below = f"<p><small>{said}</small></p>" if said else ""
    return f"<table><tr>{head}</tr>{body}</table>{below}"


def words_html(text: str) -> str:
    """Text that was laid out for a terminal."""
    return "<pre>" + "\n".join(map(safe, text.split("\n"))) + "</pre>"


def picture_html(picture: str) -> str:
    """An SVG document that is never wider than its place."""
    return picture.replace("<svg ", "<svg style='max-width:100%;height:auto' ", 1)


def circuit_html(circuit: CircuitDocument, top: int = 10) -> str:
    """The circuit's headline, a drawing, and its strongest edges, as HTML."""
    facts = [
        ("model", circuit.model.name),
        ("task", circuit.task or "unknown"),
        ("method", ", ".join([circuit.method.name, *conditions(circuit)])),
        ("edges", f"{circuit.n_edges:,} of {circuit.n_edges_scored:,}"),
        *headline(circuit),
    ]
    edges = "".join(
        f"<tr><td style='text-align:left'><code>{safe(edge.name)}</code></td>"
        f"<td style='text-align:right'>{cell(edge.score)}</td></tr>"
        for edge in strongest(circuit.edges)[:top]
    )
    left = circuit.n_edges - top
    more = f"<p><small>{left:,} more edges: to_pandas()</small></p>" if left > 0 else ""
    return (
        f"<div><b>Circuit <code>{safe(circuit.circuit_id[:12])}</code></b>"
        f"{facts_html(facts)}{picture_html(circuit_svg(circuit))}"
        f"<details><summary>strongest edges</summary><table><tr><th>edge</th><th>score</th></tr>"
        f"{edges}</table>{more}</details></div>"
    )


def safe(words: str) -> str:
    """Words of others as text of a page."""
    return escape(printable(words))
