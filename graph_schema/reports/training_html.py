"""A motif along a training as one self-contained page: no script, nothing fetched."""

from __future__ import annotations

from html import escape

from graph_schema.documents.training import TrainingReport
from graph_schema.printable import printable
from graph_schema.reports.svg_training import training_svg
from graph_schema.reports.training import (
    checkpoint_table,
    loss_note,
    reasons,
    shares_cypher,
    since_line,
    training_title,
)
from graph_schema.reports.universality_html import POLICY, STYLE, WITHIN


def training_html(found: TrainingReport) -> str:
    """The whole report as a page."""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{_safe(training_title(found))}</title><style>{STYLE}</style></head>"
        f"<body>{_body(found)}</body></html>"
    )


def training_part(found: TrainingReport) -> str:
    """The same as a part of somebody else's page: for a notebook."""
    return f"<div class='atlas-report'>{WITHIN}{_body(found)}</div>"


def _body(found: TrainingReport) -> str:
    columns, rows = checkpoint_table(found)
    head = "".join(f"<th>{_safe(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    since = "".join(f"<li>{_safe(since_line(each))}</li>" for each in found.since)
    why = "".join(
        f"<li>{_safe(line)}</li>" for part in reasons(found) for line in part.splitlines()
    )
    return (
        f"<h1>{_safe(training_title(found))}</h1>"
        f"<ul>{since}</ul><div class='wide'>{training_svg(found)}</div>"
        f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"
        f"<p>{_safe(loss_note(found))}</p><h2>Why not present</h2><ul>{why}</ul>"
        f"<details><summary>Cypher</summary><pre>{_safe(shares_cypher(found))}</pre></details>"
    )


def _safe(words: str) -> str:
    return escape(printable(words))
