"""Role graphs of several models side by side: a column a model, roles in the same rows.

Which role graph stands for a model is chosen here: of one motif, by the circuit's own metric and
ablation where there is such a one, the newest. What is said of its edges is what a verdict's
protocol says of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from graph_schema.comparing.protocols import default_protocol
from graph_schema.comparing.states import super_edges
from graph_schema.documents import CircuitDocument, Component, Motif, RoleGraph
from graph_schema.documents.protocol import super_edge_name
from graph_schema.documents.role_graph import SuperEdge
from graph_schema.errors import SpecError
from graph_schema.store.connection import GraphStore, Row
from graph_schema.store.records.measured_roles import (
    MeasuredRoles,
    measured_roles,
    members_worth,
)
from graph_schema.store.records.role_graphs import read_role_graph

ENDS = ("input", "logits")


@dataclass(frozen=True)
class Node:
    """A role in a model: who plays it, how deep they sit, what ablating each costs."""

    role: str
    members: tuple[str, ...]
    depths: tuple[float, ...]
    worth: Mapping[str, Row] = field(default_factory=dict[str, Row])

    @property
    def depth(self) -> float | None:
        """The mean of its members', input 0 and logits 1."""
        return sum(self.depths) / len(self.depths) if self.depths else None


@dataclass(frozen=True)
class Link:
    """A super-edge in a model; `state` is "" where no protocol says what it must carry."""

    name: str
    sender: str
    receiver: str
    edge: SuperEdge
    state: str
    reason: str
    wired: str
    floor: float | None


@dataclass(frozen=True)
class Column:
    """A model on a task, with the circuits of the comparison that are of both.

    `reason` says why nothing could be measured; `graph` is None where nobody measured.
    """

    letters: tuple[str, ...]
    circuit: CircuitDocument
    measured: MeasuredRoles
    graph: RoleGraph | None = None
    nodes: Mapping[str, Node] = field(default_factory=dict[str, Node])
    links: Mapping[str, Link] = field(default_factory=dict[str, Link])
    reason: str = ""


@dataclass(frozen=True)
class RoleColumns:
    """The columns, the roles and super-edges that they have, in order, and the motif chosen.

    `untold` are the letters of circuits for which nobody knows the task, which have no column.
    """

    columns: tuple[Column, ...]
    roles: tuple[str, ...]
    links: tuple[str, ...]
    motif: str | None
    motifs: tuple[str, ...]
    untold: tuple[str, ...]


def role_columns(
    store: GraphStore,
    circuits: Sequence[tuple[str, CircuitDocument]],
    motif: str | None,
    named: Mapping[str, Motif],
) -> RoleColumns:
    """The role graphs of the circuits' models.

    Args:
        store: Where they are.
        circuits: With their letters; those for which nobody knows the task are left out.
        motif: The one asked for; None is the one that most models have a graph of.
        named: Motifs by name.
    """
    by_model: dict[tuple[str, str], list[tuple[str, CircuitDocument]]] = {}
    for letter, circuit in circuits:
        if circuit.task_id is not None:
            by_model.setdefault((circuit.model.identity, circuit.task_id), []).append(
                (letter, circuit)
            )
    bare = [
        Column(
            tuple(letter for letter, _ in own),
            own[0][1],
            measured_roles(store, own[0][1].model, task_id),
        )
        for (_, task_id), own in by_model.items()
    ]
    ids = {each.motif_id: each for each in named.values()}
    known = Counter(
        id for column in bare for id in {row["motif_id"] for row in column.measured.graphs}
    )
    by_name = {_called(id, ids): id for id in known}
    motifs = tuple(sorted(by_name, key=lambda name: (-known[by_name[name]], name)))
    chosen = motif if motif in by_name else next(iter(motifs), None)
    columns = list(bare)
    if chosen is not None:
        id = by_name[chosen]
        columns = [_filled(store, column, id, ids.get(id)) for column in bare]
    columns = _with_worth(store, columns)
    links = list(dict.fromkeys(name for column in columns for name in column.links))
    ends = [
        end
        for column in columns
        for link in column.links.values()
        for end in (link.sender, link.receiver)
    ]
    roles = sorted(dict.fromkeys(ends), key=lambda role: (role == "logits", role != "input"))
    untold = tuple(letter for letter, circuit in circuits if circuit.task_id is None)
    return RoleColumns(tuple(columns), tuple(roles), tuple(links), chosen, motifs, untold)


def _called(id: str | None, motifs: Mapping[str, Motif]) -> str:
    """A motif's name; of one that nobody has any more the first digits of its id."""
    if id is None:
        return "no motif"
    return motifs[id].name if id in motifs else id[:12]


def _filled(store: GraphStore, column: Column, id: str | None, motif: Motif | None) -> Column:
    rows = [row for row in column.measured.graphs if row["motif_id"] == id]
    if not rows:
        return column
    circuit = column.circuit
    how = (
        circuit.metric and circuit.metric.value,
        circuit.ablation and circuit.ablation.kind.value,
    )
    own = next((row for row in rows if (row["metric"], row["ablation"]) == how), rows[0])
    graph = read_role_graph(store, own["role_graph_id"])
    told = graph.behaviour
    reason = told.reason if told else ""
    if not graph.edges and not reason:
        reason = "none of its edges was measured"
    n_layers = graph.model.n_layers
    nodes = {
        str(node.role): Node(
            str(node.role),
            node.members,
            ()
            if str(node.role) in ENDS
            else tuple(Component.parse(name).depth(n_layers) for name in node.members),
        )
        for node in graph.nodes
    }
    links = _links(graph, motif)
    return replace(column, graph=graph, nodes=nodes, links=links, reason=reason)


def _links(graph: RoleGraph, motif: Motif | None) -> dict[str, Link]:
    """The graph's super-edges by name, the motif's first, each held to the motif's protocol."""
    try:
        protocol = motif and default_protocol(motif, metric=graph.metric, ablation=graph.ablation)
    except SpecError:  # a motif without an output role: shares, and nobody says what they must be
        protocol = None
    stated = {f.name: f for f in super_edges(protocol, graph)} if protocol else {}
    floors = {rule.name: rule.floor for rule in protocol.edges} if protocol else {}
    found: dict[str, Link] = {}
    order = {name: place for place, name in enumerate(stated)}
    for edge in sorted(graph.edges, key=lambda each: order.get(super_edge_name(each), len(order))):
        name = super_edge_name(edge)
        said = stated.get(name)
        found[name] = Link(
            name,
            str(edge.sender),
            str(edge.receiver),
            edge,
            said.state.value if said else "",
            said.reason if said else "",
            said.wired if said else "",
            floors.get(name),
        )
    return found


def _with_worth(store: GraphStore, columns: Sequence[Column]) -> list[Column]:
    """The columns, with what ablating each member costs by the role test of its graph."""
    asked = [
        (graph.model.fingerprint, test, node.members)
        for column in columns
        if (graph := column.graph) is not None and (test := graph.role_test_id) is not None
        for node in column.nodes.values()
        if node.role not in ENDS
    ]
    worth = members_worth(store, asked)
    made: list[Column] = []
    for column in columns:
        test = (column.graph and column.graph.role_test_id) or ""
        nodes = {
            role: replace(
                node,
                worth={n: worth[test, n, role] for n in node.members if (test, n, role) in worth},
            )
            for role, node in column.nodes.items()
        }
        made.append(replace(column, nodes=nodes))
    return made
