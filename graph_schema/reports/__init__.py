"""What people read: circuits as tables, as pictures of text, and as HTML for notebooks."""

from typing import TYPE_CHECKING

from graph_schema.on_demand import on_demand

if TYPE_CHECKING:
    from graph_schema.reports.circuit_picture import circuit_svg
    from graph_schema.reports.citations import bibtex
    from graph_schema.reports.comparison import comparison_text
    from graph_schema.reports.features import feature_table
    from graph_schema.reports.graph_check import graph_words
    from graph_schema.reports.html import (
        circuit_html,
        evaluation_html,
        facts_html,
        rows_html,
        words_html,
    )
    from graph_schema.reports.nodes import node_labels, node_table
    from graph_schema.reports.quality import evaluation_summary, figure
    from graph_schema.reports.role_graphs import role_graph_text
    from graph_schema.reports.roles import roles_text
    from graph_schema.reports.svg_comparison import comparison_html, comparison_svg
    from graph_schema.reports.tables import cell, number, table
    from graph_schema.reports.text import (
        conditions,
        edge_table,
        headline,
        layer_table,
        strongest,
        summary,
    )
    from graph_schema.reports.text_picture import ASCII, UNICODE, picture
    from graph_schema.reports.traces import path_lines, trace_text
else:  # pictures load numpy, and a table needs none
    __getattr__, __dir__ = on_demand(__name__)

__all__ = [
    "ASCII",
    "UNICODE",
    "bibtex",
    "cell",
    "circuit_html",
    "circuit_svg",
    "comparison_html",
    "comparison_svg",
    "comparison_text",
    "conditions",
    "edge_table",
    "evaluation_html",
    "evaluation_summary",
    "facts_html",
    "feature_table",
    "figure",
    "graph_words",
    "headline",
    "layer_table",
    "node_labels",
    "node_table",
    "number",
    "path_lines",
    "picture",
    "role_graph_text",
    "roles_text",
    "rows_html",
    "strongest",
    "summary",
    "table",
    "trace_text",
    "words_html",
]
