"""A universality report as plain text: each verdict first, then all that it stands on."""

from __future__ import annotations

from graph_schema.documents.universality import UniversalityReport
from graph_schema.printable import printable
from graph_schema.reports.tables import table
from graph_schema.reports.universality_sections import Section
from graph_schema.reports.universality_tables import sections, title


def universality_text(found: UniversalityReport) -> str:
    """The whole report for a terminal or a file."""
    heading = printable(title(found))
    parts = [f"{heading}\n{'=' * len(heading)}", *map(_section, sections(found))]
    return "\n\n".join(parts)


def _section(section: Section) -> str:
    parts = [section.title, "-" * len(section.title)]
    parts += [printable(line) for line in section.lines]
    if section.rows:
        parts += ["", table(section.columns, section.rows)]
    for query in section.queries:
        parts += ["", f"cypher: {query}"]
    return "\n".join(parts)
