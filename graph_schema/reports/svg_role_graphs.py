"""Role graphs side by side, as one SVG: a column a model, its roles by depth, what they carry.

An edge is as thick as its share, drawn through where it runs from member to member, dashed where
others carry it, which are named beside; red where it is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph_schema.documents.protocol import super_edge_name
from graph_schema.documents.universality import ModelEvidence, SuperEdgeFinding
from graph_schema.documents.verdict import Rung, RungState
from graph_schema.reports import svg

COLUMN, STEP, TOP, BOX = 250, 92, 64, 150
LETTERS = 30
_COLOURS = {
    RungState.PRESENT: svg.BLUE,
    RungState.ABSENT: svg.ORANGE,
    RungState.INCONCLUSIVE: svg.FAINT,
    RungState.UNTESTABLE: svg.FAINT,
}


def role_graphs_svg(models: Sequence[ModelEvidence]) -> str:
    """The role graphs of all models that have one."""
    drawn = [model for model in models if model.super_edges]
    if not drawn:
        empty = [svg.text(12, 30, "no model has a role graph", fill=svg.FAINT)]
        return svg.sheet(COLUMN, 50, empty, "no role graphs")
    tallest = max(len(_places(model)) for model in drawn)
    shapes: list[str] = []
    for number, model in enumerate(drawn):
        shapes += _column(model, 12 + number * COLUMN)
    height = TOP + tallest * STEP + 34
    shapes += svg.legend(
        12,
        height - 12,
        [(svg.BLUE, "present"), (svg.ORANGE, "absent"), (svg.FAINT, "not settled")],
    )
    return svg.sheet(max(360, 12 + len(drawn) * COLUMN), height, shapes, "role graphs of models")


def depth_svg(models: Sequence[ModelEvidence]) -> str:
    """Where roles sit: a line a role and family, a mark a model, input left and logits right."""
    by_place: dict[tuple[str, str], list[float]] = {}
    for model in models:
        for role, depth in model.depths.items():
            by_place.setdefault((role, model.family), []).append(depth)
    left, width, rows = 230, 420, sorted(by_place.items())
    shapes = [
        svg.text(left, 18, "input", size=11, anchor="middle"),
        svg.text(left + width, 18, "logits", size=11, anchor="middle"),
    ]
    for number, ((role, family), each) in enumerate(rows):
        y = 40 + 22 * number
        shapes.append(svg.text(8, y + 4, _short(f"{role}, {family}", 38)))
        shapes.append(svg.line([(left, y), (left + width, y)], svg.FAINT))
        shapes += [
            svg.box(left + width * depth - 3, y - 6, 6, 12, fill=svg.BLUE, stroke=svg.BLUE)
            for depth in each
        ]
    return svg.sheet(left + width + 40, 50 + 22 * len(rows), shapes, "depth of roles by family")


def _column(model: ModelEvidence, x: float) -> list[str]:
    wiring = model.at(Rung.WIRING)
    places = _places(model)
    at = {place: TOP + number * STEP for number, place in enumerate(places)}
    middle = x + BOX / 2
    shapes = [
        svg.text(x, 20, _short(model.name, LETTERS), size=13),
        svg.text(x, 38, f"{_short(model.family, 16)}: wiring {wiring.state.value}", size=11),
    ]
    for finding in model.super_edges:
        shapes += _edge(finding, at, middle)
    members = {str(node.role): node.members for node in model.members}
    for place, y in at.items():
        names = " ".join(members.get(place, ())) if place not in ("input", "logits") else ""
        shapes.append(svg.box(x, y, BOX, 36))
        shapes.append(svg.text(middle, y + 15, place, anchor="middle"))
        shapes.append(svg.text(middle, y + 30, _short(names, 24), size=10, anchor="middle"))
    return shapes


def _edge(finding: SuperEdgeFinding, at: Mapping[str, float], middle: float) -> list[str]:
    edge = finding.edge
    if edge is None:
        return []
    sender, receiver = at[str(edge.sender)], at[str(edge.receiver)]
    low, high = (sender + 36, receiver) if sender < receiver else (sender, receiver + 36)
    words = f"{edge.channel.value} {'≤ ' if edge.is_bound else ''}{edge.share:.2f}"
    through = finding.wired.startswith("through")
    return [
        svg.curve(
            (middle, min(low, high)),
            (middle, max(low, high)),
            _COLOURS[finding.state],
            width=1 + 8 * min(1.0, max(0.0, edge.share)),
            dashed=through,
            hint=f"{super_edge_name(edge)}: {finding.reason}",
        ),
        svg.text(middle + 10, (low + high) / 2, words, size=11),
        svg.text(middle + 10, (low + high) / 2 + 14, _short(finding.wired, 22), size=10),
    ]


def _places(model: ModelEvidence) -> list[str]:
    """Senders above receivers, in the order of the motif's edges."""
    names: dict[str, None] = {}
    for finding in model.super_edges:
        if finding.edge is not None:
            names.setdefault(str(finding.edge.sender))
            names.setdefault(str(finding.edge.receiver))
    return sorted(names, key=lambda name: (name == "logits", name != "input"))


def _short(words: str, letters: int) -> str:
    return words if len(words) <= letters else f"{words[: letters - 1]}…"
