"""A universality report as Markdown, with whatever a model may be called made harmless."""

from __future__ import annotations

import re
from html import escape

from graph_schema.documents.universality import UniversalityReport
from graph_schema.printable import printable
from graph_schema.reports.universality_sections import Section
from graph_schema.reports.universality_tables import sections, title

_MARKS = re.compile(r"([\\`*_{}\[\]()#!|~])")


def universality_markdown(found: UniversalityReport) -> str:
    """The whole report; its tables are GitHub's."""
    parts = [f"# {_safe(title(found))}", *map(_section, sections(found))]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    parts = [f"## {section.title}"]
    if len(section.lines) > 1:
        parts.append("\n".join(f"- {_safe(line)}" for line in section.lines))
    else:
        parts += map(_safe, section.lines)
    if section.rows:
        rows = [section.columns, ("---",) * len(section.columns), *section.rows]
        parts.append("\n".join(_row(row, number == 1) for number, row in enumerate(rows)))
    parts += [f"```cypher\n{query}\n```" for query in section.queries]
    return "\n\n".join(parts)


def _row(cells: tuple[str, ...], is_rule: bool) -> str:
    shown = cells if is_rule else tuple(map(_safe, cells))
    return f"| {' | '.join(shown)} |"


def _safe(words: str) -> str:
    """Text that stays text: no HTML, no marks, one line."""
    return _MARKS.sub(r"\\\1", escape(printable(" ".join(words.split())), quote=False))
