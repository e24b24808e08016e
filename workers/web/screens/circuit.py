"""One circuit: its figures, its drawing, and what is known of the node that was chosen."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from graph_schema.documents import Annotation, CircuitDocument
from graph_schema.errors import SpecError
from graph_schema.printable import printable
from graph_schema.reports.arranged_circuit import Group, shown_edges, supernode, with_group
from graph_schema.reports.circuit_picture import circuit_picture
from graph_schema.reports.drawn_circuit import DrawnCircuit
from graph_schema.reports.nodes import token_columns
from graph_schema.reports.quality import quality_facts
from graph_schema.reports.text import conditions, headline
from graph_schema.store.records.annotations import read_annotations, write_annotation
from graph_schema.store.records.circuits import read_header
from graph_schema.store.records.packed_edges import read_packed_edges
from graph_schema.store.records.remarks import read_remarks
from workers.requests.checking import validated
from workers.requests.labels import author_or_user
from workers.requests.remarks import checked_note
from workers.web.circuit_node import group_facts, node_facts
from workers.web.curve import DrawnCurve
from workers.web.downloads import NAMES, download
from workers.web.pages import address
from workers.web.site import Site, as_json
from workers.web.taking import call, with_client
from workers.web.view import View

MOST_EDGES = 40
"""Of a table; the rest is in the drawing and behind each node."""
MOST_STROKES = 250
"""Of the picture that is there without a script."""


def show(site: Site, request: Request) -> Response:
    """The page of a circuit, as its address arranges it (`view.py`)."""
    header = header_of(site, request.path_params["circuit"])
    own = f"/circuits/{header.circuit_id}"
    if header.circuit_id != request.path_params["circuit"]:
        return RedirectResponse(address(own, _lists(request.query_params)), 303)
    drawn = drawn_of(site, header)
    view = View.of(own, request.query_params, drawn)
    if "called" in request.query_params:
        return RedirectResponse(view.here, 303)
    annotations = read_annotations(site.service.store, header.circuit_id)
    group = group_facts(drawn, view, view.node) if view.node else None
    chosen = None
    if view.node and group is None:
        shown = shown_edges(drawn, view.kept, view.pins)
        chosen = node_facts(site, header, drawn, view.node, shown)
    stored = view.with_stored(annotations, drawn)
    return site.page(
        request,
        "circuit.html",
        circuit=header,
        facts=_facts(header, drawn),
        n_edges=len(drawn.edges),
        n_nodes=len(drawn.nodes),
        view=view,
        kept=view.kept,
        edges=drawn.rows(range(min(view.kept, MOST_EDGES))),
        chosen=chosen,
        group=group,
        stored=stored.here if stored != view else None,
        kept_groups={
            (each.text, frozenset((each.component, *each.also)))
            for each in annotations
            if each.kind == "group"
        },
        supernode=supernode,
        annotations=annotations,
        remarks=read_remarks(site.service.store, [header.circuit_id]),
        names=[part.name for part in drawn.nodes],
        curve=DrawnCurve.of(header, len(drawn.edges)),
        code=_code(header, view, view.node if chosen else None),
        formats=NAMES,
    )


def graph(site: Site, request: Request) -> Response:
    """The drawing's nodes and edges, for a script."""
    header = header_of(site, request.path_params["circuit"])
    drawn = drawn_of(site, header)
    labels = {node.name: printable(node.label) for node in header.nodes if node.label}
    tokens = token_columns(header, drawn)
    return as_json({**drawn.columns(), "labels": labels, "tokens": tokens})


def picture(site: Site, request: Request) -> Response:
    """The strongest edges as an SVG picture, for a page without a script."""
    header = header_of(site, request.path_params["circuit"])
    drawn = drawn_of(site, header)
    view = View.of("", request.query_params, drawn)
    kept = min(view.kept, MOST_STROKES)
    svg = circuit_picture(drawn, header, kept, view.node, pins=view.pins, groups=view.groups)
    return Response(svg, media_type="image/svg+xml")


def take(site: Site, request: Request) -> Response:
    """The circuit as a file of another tool; `?what=` says whether all of it or what is drawn."""
    header = header_of(site, request.path_params["circuit"])
    what, edges = request.query_params.get("what", "whole"), None
    groups: tuple[Annotation, ...] = ()
    if what != "whole":
        drawn = drawn_of(site, header)
        view = View.of("", request.query_params, drawn)
        numbers = shown_edges(drawn, view.kept, view.pins)
        if what == "node":
            group = view.group_of(view.node)
            of = {view.node} if group is None else set(group.members)
            ends = drawn.edges
            numbers = [i for i in numbers if of & {ends.senders[i], ends.receivers[i]}]
        elif what != "shown":
            raise SpecError(f"what is {printable(what)!r}; expected whole, shown or node")
        edges = drawn.edge_names(numbers)
        groups = tuple(_as_remark(header, each) for each in view.groups)
    file = download(site, header.circuit_id, request.query_params.get("format", ""), edges, groups)
    headers = {"content-disposition": f'attachment; filename="{file.name}"'}
    return Response(file.data, media_type=file.media_type, headers=headers)


def annotate(site: Site, request: Request, fields: Mapping[str, str]) -> Response:
    """Write a note on a node, say what it stands for, or keep a group; leads back to the page."""
    header = header_of(site, request.path_params["circuit"])
    node, text, kind = (fields.get(name, "") for name in ("node", "text", "kind"))
    if kind == "label":
        site.client.label(header.circuit_id, node, text)
    elif kind == "note":
        said = {"component": node, "text": checked_note(text), "author": author_or_user(None)}
        note = validated(Annotation, {**said, "circuit_id": header.circuit_id})
        site.service.store.write(lambda tx: write_annotation(tx, note))
    elif kind == "group":
        members = fields.get("members", "").split(",")
        (group,) = with_group((), members, text, drawn_of(site, header))
        kept = _as_remark(header, group)
        site.service.store.write(lambda tx: write_annotation(tx, kept))
    else:
        raise HTTPException(400, "kind is neither note nor label nor group")
    before = _lists(QueryParams(fields.get("view", "")))
    where = address(f"/circuits/{header.circuit_id}", before, node=node)
    return RedirectResponse(f"{where}#node", 303)


def header_of(site: Site, id: str) -> CircuitDocument:
    """What describes a circuit as a whole, without its edges; its id may be the first digits."""
    return read_header(site.service.store, id)


def drawn_of(site: Site, header: CircuitDocument) -> DrawnCircuit:
    """The circuit's edges with their places; remembered, for neither changes."""

    def make() -> DrawnCircuit:
        edges = read_packed_edges(site.service.store, header.circuit_id)
        return DrawnCircuit.of(edges, header.model.n_layers)

    return site.drawn.get(header.circuit_id, make)


def _lists(given: QueryParams) -> dict[str, list[str]]:
    """A query with every value of each name."""
    return {name: given.getlist(name) for name in given}


def _as_remark(header: CircuitDocument, group: Group) -> Annotation:
    """A group as it is stored, and written into a file."""
    return Annotation(
        circuit_id=header.circuit_id,
        component=group.members[0],
        also=group.members[1:],
        author=author_or_user(None),
        text=group.name,
        kind="group",
    )


def _facts(header: CircuitDocument, drawn: DrawnCircuit) -> list[tuple[str, str]]:
    """Figures with what they were measured on."""
    scored = f"{len(drawn.edges):,} of {header.n_edges_scored:,} scored"
    facts = [
        ("method", ", ".join([header.method.name, *conditions(header)])),
        ("edges", f"{scored}, between {len(drawn.nodes):,} nodes"),
        *headline(header),
    ]
    return facts + (quality_facts(header.evaluation) if header.evaluation else [])


def _code(header: CircuitDocument, view: View, chosen: str | None) -> dict[str, str]:
    """What asks for the same elsewhere. A component's name needs no quoting."""
    id = header.circuit_id
    where = f" {{name: '{chosen}'}}" if chosen else ""
    shown = f".head({view.kept})" if view.kept < view.n_edges else ""
    lines = [
        f'circuit = client.circuit("{id}")',
        f'edges = circuit.to_pandas().sort_values("score", key=abs, ascending=False){shown}',
    ]
    lines += [f'edges = edges[edges.sender == "{chosen}"]'] if chosen else []
    groups = {group.name: group.members for group in view.groups}
    widget = {
        "kept": view.kept if shown else None,
        "chosen": view.node,
        "pins": view.pins,
        "groups": groups,
    }
    drawn = call("circuit.widget", **{name: value for name, value in widget.items() if value})
    return {
        "Cypher": (
            f"MATCH (:Circuit {{circuit_id: '{id}'}})-[:CONTAINS]->(a:CircuitNode{where})"
            "-[e:EDGE]->(b:CircuitNode)\n"
            "RETURN a.name AS sender, b.name AS receiver, e.channel AS channel, e.score AS score\n"
            f"ORDER BY abs(e.score) DESC LIMIT {max(1, view.kept)}"
        ),
        "Python": with_client(*lines, "print(edges)"),
        "a notebook's drawing": with_client(f'circuit = client.circuit("{id}")') + drawn + "\n",
    }
