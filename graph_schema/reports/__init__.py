"""What people read: circuits as tables, as pictures of text, and as HTML for notebooks."""

from graph_schema.reports.html import circuit_html, evaluation_html
from graph_schema.reports.picture import ASCII, UNICODE, picture
from graph_schema.reports.text import (
    cell,
    conditions,
    edge_table,
    evaluation_summary,
    figure,
    headline,
    layer_table,
    number,
    strongest,
    summary,
    table,
)

__all__ = [
    "ASCII",
    "UNICODE",
    "cell",
    "circuit_html",
    "conditions",
    "edge_table",
    "evaluation_html",
    "evaluation_summary",
    "figure",
    "headline",
    "layer_table",
    "number",
    "picture",
    "strongest",
    "summary",
    "table",
]
