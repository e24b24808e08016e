"""A universality report as one self-contained HTML page: no script, nothing fetched.

Everything that comes from outside (model names, reasons) is escaped; the page's policy forbids what
an oversight would let through.
"""

from __future__ import annotations

from html import escape

from graph_schema.documents.universality import UniversalityReport
from graph_schema.documents.verdict import Outcome, Verdict
from graph_schema.printable import printable
from graph_schema.reports.svg_role_graphs import depth_svg, role_graphs_svg
from graph_schema.reports.universality_sections import Section
from graph_schema.reports.universality_tables import k_of_n, said_of, sections, title

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff;margin:2rem auto;max-width:76rem;
padding:0 1rem}h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .4rem}
table{border-collapse:collapse;font-size:.85rem}
th,td{border-bottom:1px solid #ddd;padding:.25rem .6rem;text-align:left;vertical-align:top}
.wide{overflow-x:auto}
.cards{display:flex;flex-wrap:wrap;gap:1rem}
.card{border:1px solid #999;border-radius:6px;padding:.6rem 1rem;min-width:14rem}
.card b{display:block;font-size:1.3rem}.strong b,.weak b{color:#0072b2}.refuted b{color:#d55e00}
pre{white-space:pre-wrap;background:#f5f5f5;padding:.5rem;font-size:.78rem}
"""
_PICTURES = {"Effects": role_graphs_svg, "Depth of roles": depth_svg}


def universality_html(found: UniversalityReport) -> str:
    """The whole report as a page."""
    heading = _safe(title(found))
    cards = "".join(_card(verdict) for verdict in found.verdicts)
    body = "".join(_section(found, section) for section in sections(found))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{heading}</title><style>{STYLE}</style></head><body>"
        f"<h1>{heading}</h1><div class='cards'>{cards}</div>{body}</body></html>"
    )


def _card(verdict: Verdict) -> str:
    low, high = verdict.pooled.low, verdict.pooled.high
    bounds = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    kind = verdict.outcome if verdict.outcome in Outcome else Outcome.UNDECIDED
    return (
        f"<div class='card {kind.value}'>{_safe(said_of(verdict))}<b>{kind.value}</b>"
        f"{_safe(k_of_n(verdict.pooled))}<br>{bounds}</div>"
    )


def _section(found: UniversalityReport, section: Section) -> str:
    parts = [f"<h2>{_safe(section.title)}</h2>"]
    if len(section.lines) > 1:
        parts.append(
            "<ul>" + "".join(f"<li>{_safe(line)}</li>" for line in section.lines) + "</ul>"
        )
    else:
        parts += [f"<p>{_safe(line)}</p>" for line in section.lines]
    if picture := _PICTURES.get(section.title):
        parts.append(f"<div class='wide'>{picture(found.models)}</div>")
    if section.rows:
        head = "".join(f"<th>{_safe(name)}</th>" for name in section.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>"
            for row in section.rows
        )
        parts.append(f"<div class='wide'><table><tr>{head}</tr>{rows}</table></div>")
    if section.cypher and section.rows:
        parts.append(
            f"<details><summary>Cypher</summary><pre>{_safe(section.cypher)}</pre></details>"
        )
    return "".join(parts)


def _safe(words: str) -> str:
    return escape(printable(words))
