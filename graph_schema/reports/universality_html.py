"""A universality report as one self-contained HTML page: no script, nothing fetched.

Everything that comes from outside (model names, reasons) is escaped; the page's policy forbids what
an oversight would let through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape

from graph_schema.documents.universality import UniversalityReport
from graph_schema.documents.verdict import Outcome, Verdict
from graph_schema.printable import printable
from graph_schema.reports.svg_role_graphs import depth_svg, role_graph_svgs
from graph_schema.reports.universality_sections import Section
from graph_schema.reports.universality_tables import by_family, k_of_n, said_of, sections, title

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
SHEET = "font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff;overflow-wrap:anywhere;"
RULES = """
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .4rem}h3{font-size:.95rem;margin:.8rem 0 0}
ul{margin:.3rem 0;padding-left:1.3rem}
table{border-collapse:collapse;font-size:.85rem;overflow-wrap:normal}
th,td{border-bottom:1px solid #ddd;padding:.25rem .6rem;text-align:left;vertical-align:top}
.tight{font-size:.74rem}.tight th,.tight td{padding:.2rem .3rem}.tight .long{min-width:11rem}
.long{min-width:16rem}.wide{overflow-x:auto}.nw{white-space:nowrap}
.graphs{display:flex;flex-wrap:wrap;gap:.5rem}svg{max-width:100%;height:auto}
.cards{display:flex;flex-wrap:wrap;gap:1rem}
.card{border:1px solid #999;border-radius:6px;padding:.6rem 1rem;min-width:14rem;flex:1}
.card b{font-size:1.3rem}.strong b,.weak b{color:#0072b2}.refuted b{color:#d55e00}
.of{font-size:1.05rem}
pre{white-space:pre-wrap;background:#f5f5f5;padding:.5rem;font-size:.78rem}
@media (max-width:44rem){
table,tbody,tr,td{display:block}tr.head{display:none}
tr{border-bottom:1px solid #999;padding:.4rem 0}
td{border:0;padding:.1rem 0}td:empty{display:none}.long{min-width:0}.nw{white-space:normal}
td::before{content:attr(data-name) ": ";color:#666}
}
"""
STYLE = (
    f"""
body{{{SHEET}margin:2rem auto;max-width:76rem;padding:0 1rem}}{RULES}"""
    + """
@media print{
@page{size:A4 landscape;margin:12mm}
body{margin:0;max-width:none;padding:0;font-size:11px}.wide{overflow:visible}
table{width:100%;font-size:9px}th,td{padding:.15rem .3rem}.long{min-width:9rem}
h2,h3{break-after:avoid}tr,.card,svg{break-inside:avoid}tr.head{break-after:avoid}
.graphs svg{width:24%}details::details-content{content-visibility:visible}
}
"""
)
WITHIN = f"<style>.atlas-report{{{SHEET}padding:.2rem 1rem;{RULES}}}</style>"
"""The same for a part of somebody else's page, such as a notebook: nothing of it is touched."""
OUTCOMES = {
    Outcome.STRONG: "enough models of enough families have it, and families carry the same",
    Outcome.WEAK: "enough models have it to bound the share from below",
    Outcome.REFUTED: "the share of models with it is bounded below what the statement asks for",
    Outcome.UNDECIDED: "neither shown nor refuted: the bounds leave it open",
}
_LONG = 60
"""Letters from which a cell's column is given room."""
_MANY = 8
"""Columns from which letters are smaller."""
_NUMBERS = re.compile(
    r"(?:at most |\b[a-z]\w* )?-?\d[\d.]* \[-?[\d.]+, -?[\d.]+\]|-(?:\w-)?&gt; \w+"
)
"""What must not be parted at a line's end: a number with its interval, an arrow and its end."""


Asking = Callable[[str], str | None]
"""Where a query can be asked: an address; None where it has none."""


def universality_html(found: UniversalityReport) -> str:
    """The whole report as a page."""
    heading = _safe(title(found))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{heading}</title><style>{STYLE}</style></head><body>"
        f"<h1>{heading}</h1>{universality_body(found)}</body></html>"
    )


def universality_body(
    found: UniversalityReport, asking: Asking | None = None, chosen: str | None = None
) -> str:
    """What stands on the page below its heading: verdicts as cards, then section by section.

    Args:
        found: The report.
        asking: Where the page that this becomes a part of asks queries; each then has a link.
        chosen: Id of the verdict whose card stands out.
    """
    found = by_family(found)
    body = "".join(_section(found, section, asking) for section in sections(found))
    return f"{_cards(found, asking, chosen)}{body}"


def universality_part(found: UniversalityReport) -> str:
    """The verdicts and role graphs, and folded behind them the whole report: for a notebook."""
    found = by_family(found)
    graphs = "".join(role_graph_svgs(found.models))
    body = "".join(_section(found, section, None) for section in sections(found))
    return (
        f"<div class='atlas-report'>{WITHIN}<h1>{_safe(title(found))}</h1>{_cards(found)}"
        f"<h2>What roles carry to each other</h2><div class='graphs'>{graphs}</div>"
        f"<details><summary>all that this rests on</summary>{body}</details></div>"
    )


def _cards(
    found: UniversalityReport, asking: Asking | None = None, chosen: str | None = None
) -> str:
    cards = "".join(_card(verdict, asking, chosen) for verdict in found.verdicts)
    return f"<div class='cards'>{cards}</div>"


def _card(verdict: Verdict, asking: Asking | None, chosen: str | None) -> str:
    low, high = verdict.pooled.low, verdict.pooled.high
    bounds = "no bounds" if low is None or high is None else f"bounds {low:.3f} to {high:.3f}"
    kind = verdict.outcome if verdict.outcome in Outcome else Outcome.UNDECIDED
    own = " own" if verdict.verdict_id == chosen else ""
    asked = _link(card_query(verdict), asking, said_of(verdict))
    return (
        f"<div class='card {kind.value}{own}'>{_safe(said_of(verdict))}<br><b>{kind.value}</b> "
        f"<span class='of'>{_safe(k_of_n(verdict.pooled))}</span><br>95 % {bounds}"
        f"<br><small>{OUTCOMES[kind]}</small>{asked}</div>"
    )


def card_query(verdict: Verdict) -> str:
    """Cypher that finds what a verdict's card says."""
    return (
        f"MATCH (v:Verdict {{verdict_id: '{verdict.verdict_id}'}}) "
        "RETURN v.rung, v.path, v.outcome, v.k, v.n, v.untestable, v.low, v.high"
    )


def _link(query: str, asking: Asking | None, of: str) -> str:
    """A link that asks the query; nothing where it cannot be asked by one."""
    address = asking(query) if asking is not None else None
    if address is None:
        return ""
    return f"<p class='ask'><a href=\"{escape(address)}\">ask the graph: {_safe(of)}</a></p>"


def _section(found: UniversalityReport, section: Section, asking: Asking | None) -> str:
    parts = [f"<h2>{_safe(section.title)}</h2>", *_prose(section.lines)]
    if section.title == "Effects":
        drawn = "".join(role_graph_svgs(found.models))
        parts.append(f"<div class='graphs'>{drawn}</div>")
    if section.title == "Depth of roles":
        parts.append(f"<div>{depth_svg(found.models)}</div>")
    if section.rows:
        parts.append(_table(section))
    if section.queries:
        of = (section.title.lower(), f"{section.title.lower()}, continued")
        parts += [
            _link(query, asking, words) for query, words in zip(section.queries, of, strict=False)
        ]
        queries = "".join(f"<pre>{_safe(query)}</pre>" for query in section.queries)
        parts.append(f"<details><summary>Cypher</summary>{queries}</details>")
    return "".join(parts)


def _prose(lines: Sequence[str]) -> list[str]:
    """A paragraph, or a list where there are several lines."""
    if len(lines) > 1:
        return ["<ul>", *(f"<li>{_words(line)}</li>" for line in lines), "</ul>"]
    return [f"<p>{_words(line)}</p>" for line in lines]


def _table(section: Section) -> str:
    """Columns with something in them; on a narrow screen each row is a block of named cells."""
    columns = [
        (name, cells, " class='long'" if max(map(len, cells)) > _LONG else "")
        for name, *cells in zip(section.columns, *section.rows, strict=True)
        if any(cells)
    ]
    head = "".join(f"<th{kind}>{_safe(name)}</th>" for name, _, kind in columns)
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{kind} data-name='{_safe(name)}'>{_words(cells[number])}</td>"
            for name, cells, kind in columns
        )
        + "</tr>"
        for number in range(len(section.rows))
    )
    tight = " class='tight'" if len(columns) > _MANY else ""
    # It may have to be scrolled, from the keyboard too.
    region = f"<div class='wide' tabindex='0' role='region' aria-label='{_safe(section.title)}'>"
    return f"{region}<table{tight}><tr class='head'>{head}</tr>{rows}</table></div>"


def _words(words: str) -> str:
    """Text in which numbers stay beside their intervals."""
    return _NUMBERS.sub(r"<span class='nw'>\g<0></span>", _safe(words))


def _safe(words: str) -> str:
    return escape(printable(words))
