"""Role graphs as pictures, one a model, to lie side by side: roles by depth, what they carry.

An edge is as thick as its share, drawn through where it runs from member to member, dashed where
others carry it, which are named beside; red where it is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph_schema.documents.protocol import super_edge_name
from graph_schema.documents.rungs import Rung, RungState
from graph_schema.documents.universality import ModelEvidence, SuperEdgeFinding
from graph_schema.reports import svg

COLUMN, STEP, TOP, BOX, BOX_HEIGHT = 236, 92, 52, 150, 36
LETTERS = 30
_COLOURS = {
    RungState.PRESENT: svg.BLUE,
    RungState.ABSENT: svg.ORANGE,
    RungState.INCONCLUSIVE: svg.FAINT,
    RungState.UNTESTABLE: svg.FAINT,
}


def role_graph_svgs(models: Sequence[ModelEvidence]) -> list[str]:
    """A picture for each model that has a role graph, all of one size, and last what they mean."""
    drawn = [model for model in models if model.super_edges]
    if not drawn:
        empty = [svg.text(12, 30, "no model has a role graph", fill=svg.FAINT)]
        return [svg.sheet(COLUMN, 50, empty, "no role graphs")]
    height = TOP + max(len(_places(model)) for model in drawn) * STEP - STEP + BOX_HEIGHT + 8
    found = [
        svg.sheet(COLUMN, height, _column(model, 8), f"role graph of {model.name}")
        for model in drawn
    ]
    return [*found, _meaning()]


def _meaning() -> str:
    """The legend: colours, width, letters, dashes."""
    shapes = svg.legend(
        8,
        18,
        [(svg.BLUE, "present"), (svg.ORANGE, "absent"), (svg.FAINT, "not settled")],
    )
    lines = (
        "width and number: share carried",
        "q, k, v: by queries, keys, values; r: any",
        "≤: a bound, for a role that nobody plays",
        "dashed: through the component named",
    )
    for number, words in enumerate(lines):
        shapes.append(svg.text(8, 40 + 18 * number, words, size=11))
    return svg.sheet(270, 40 + 18 * len(lines), shapes, "what colours and lines mean")


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
        is_end = place in ("input", "logits")
        names = "" if is_end else " ".join(members.get(place, ())) or "nobody plays it"
        shapes.append(svg.box(x, y, BOX, BOX_HEIGHT))
        shapes.append(svg.text(middle, y + (22 if is_end else 15), place, anchor="middle"))
        shapes.append(svg.text(middle, y + 30, _short(names, 24), size=10, anchor="middle"))
    return shapes


def _edge(finding: SuperEdgeFinding, at: Mapping[str, float], middle: float) -> list[str]:
    edge = finding.edge
    if edge is None:
        return []
    sender, receiver = at[str(edge.sender)], at[str(edge.receiver)]
    low, high = min(sender, receiver) + BOX_HEIGHT, max(sender, receiver)
    words = f"{edge.channel.value} {'≤ ' if edge.is_bound else ''}{edge.share:z.2f}"
    through = finding.wired.startswith("through")
    return [
        svg.curve(
            (middle, low),
            (middle, high),
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
