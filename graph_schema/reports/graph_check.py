"""What a validator found of an attribution graph's file, in words."""

from __future__ import annotations

from graph_schema.documents import GraphCheck
from graph_schema.printable import printable
from graph_schema.reports.tables import fact_lines


def graph_words(check: GraphCheck) -> str:
    """A complaint a line, or what the file holds, a fact a line."""
    if not check.valid:
        lines = [printable(each) for each in check.complaints]
        if (more := check.n_complaints - len(lines)) > 0:
            lines.append(f"… and {more:,} more")
        return "\n".join([f"not valid: {_counted(check.n_complaints, 'complaint')}", *lines])
    facts = [
        ("valid", "Neuronpedia's graph JSON"),
        ("scan", check.scan or ""),
        ("nodes", f"{check.n_nodes:,}, {check.n_features:,} of them features"),
        ("links", f"{check.n_links:,}"),
        ("errors", f"{check.n_errors:,}"),
        ("tokens", f"{check.n_tokens:,}"),
        ("logits", f"{check.n_logits:,}"),
        ("supernodes", f"{check.n_supernodes:,}"),
    ]
    if (scores := check.scores) is not None:
        facts += [
            ("replacement", f"{scores.replacement:.4f}"),
            ("completeness", f"{scores.completeness:.4f}, of the graph as it is"),
        ]
    facts += [("note", note) for note in check.notes]
    return fact_lines(facts)


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
