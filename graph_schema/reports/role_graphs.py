"""A role graph as text: who plays what, what they carry to each other, and what that hangs on."""

from __future__ import annotations

from graph_schema.documents import RoleGraph
from graph_schema.documents.component import Channel
from graph_schema.documents.role_graph import SuperEdge
from graph_schema.printable import printable
from graph_schema.reports.tables import table

MOST_MEMBERS = 12


def role_graph_text(graph: RoleGraph, motif: str | None = None) -> str:
    """What an effects job measured, as a terminal shows it."""
    facts = [
        *([("motif", motif)] if motif else []),
        ("model", f"{graph.model.name} ({graph.model.family})"),
        ("task", f"{graph.task}, {graph.n_pairs} pairs"),
        ("by", f"{graph.metric.value}, ablation {graph.ablation.kind.value}, seed {graph.seed}"),
    ]
    if (told := graph.behaviour) is not None:
        worst = min(told.accuracy, key=lambda name: told.accuracy[name])
        facts.append(("accuracy", f"at least {told.worst:.2f} ({worst})"))
        facts.append(("gap", f"{told.gap:.3g} [{told.gap_low:.3g}, {told.gap_high:.3g}]"))
    facts += [(str(node.role), _members(node.members)) for node in graph.nodes]
    width = max(len(label) for label, _ in facts) + 2
    lines = [f"  {label:<{width}}{printable(text)}" for label, text in facts]
    parts = [f"role graph {graph.role_graph_id}", *lines]
    if graph.edges:
        rows = [_row(edge) for edge in graph.edges]
        parts += ["", table(("carries", "share", "direct", "mediated", "controls"), rows)]
    for each in graph.restored:
        parts.append(f"\nrestored by the {each.wiring} wiring alone: {each.text}")
    if told is not None and told.reason:
        parts.append(f"\nnothing can be measured: {told.reason}")
    if graph.job_id is not None and graph.edges:
        parts.append("\nshares of the gap, on held-out pairs; 95 % intervals over groups of pairs")
    parts += [f"note: {printable(note)}" for note in graph.notes]
    return "\n".join(parts)


def _row(edge: SuperEdge) -> tuple[str, str, str, str, str]:
    arrow = "->" if edge.channel is Channel.R else f"-{edge.channel.value}->"
    mediated = ", ".join(f"{each.component} {each.share:.2f}" for each in edge.mediators)
    controls = ", ".join(f"{each.name} {each.share:.3f}" for each in edge.controls)
    bound = " at most" if edge.is_bound else ""
    return (
        f"{edge.sender} {arrow} {edge.receiver}",
        f"{edge.text}{bound}",
        edge.direct.text if edge.direct else "",
        mediated,
        controls,
    )


def _members(names: tuple[str, ...]) -> str:
    if not names:
        return "nobody plays it"
    more = len(names) - MOST_MEMBERS
    return " ".join([*names[:MOST_MEMBERS], *([f"and {more} more"] if more > 0 else [])])
