"""A circuit as a Jupyter widget: what the pages draw, in a cell's output.

It needs no server: all edges go to the browser once, and what is chosen there comes back.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import anywidget
import traitlets

from graph_schema.documents import CircuitDocument, PackedEdges
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.printable import printable
from graph_schema.reports import circuit_html, node_labels, strongest
from graph_schema.reports.arranged_circuit import Group, pinned, supernode, with_group
from graph_schema.reports.drawn_circuit import DrawnCircuit
from graph_schema.reports.nodes import token_columns
from workers import static
from workers.notebook.one_module import one_module


class TraitRefused(SpecError, traitlets.TraitError):
    """A value that a trait cannot have; of a TraitError traitlets undoes what it was sent."""


class TraitNotFound(NotFoundError, traitlets.TraitError):
    """A trait's value names a node that the circuit has not."""


@contextmanager
def _refusing() -> Generator[None]:
    """Errors of ours are a trait's."""
    try:
        yield
    except NotFoundError as error:
        raise TraitNotFound(str(error)) from error
    except SpecError as error:
        raise TraitRefused(str(error)) from error


class CircuitWidget(anywidget.AnyWidget):
    """A circuit's drawing: `kept` strongest edges, the `chosen` node, `pins` and `groups` of nodes.

    `chosen` is "" for none and `group-1` for the first group, which is
    `{"name": "movers", "members": ["a1.h2", "a1.h3"]}`. All change with what is done in the
    browser, and the browser follows when they are set here; what the circuit has not is refused.
    Where no script runs, and in a notebook that is kept, it is the circuit's picture and tables.
    """

    _esm = one_module("widget.js")
    _css = static.content("widget.css").decode()
    graph = cast(Any, traitlets.Dict()).tag(sync=True)
    kept = cast(Any, traitlets.Int(1)).tag(sync=True)
    chosen = cast(Any, traitlets.Unicode()).tag(sync=True)
    pins = cast(Any, traitlets.List(traitlets.Unicode())).tag(sync=True)
    groups = cast(Any, traitlets.List(traitlets.Dict())).tag(sync=True)

    def __init__(
        self,
        circuit: CircuitDocument,
        kept: int | None = None,
        chosen: str = "",
        pins: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        edges = PackedEdges.of(strongest(circuit.edges))
        drawn = DrawnCircuit.of(edges, circuit.model.n_layers)
        self._circuit, self._drawn = circuit, drawn
        labels = {name: printable(label) for name, label in node_labels(circuit).items()}
        super().__init__(
            graph={
                **drawn.columns(),
                "labels": labels,
                "tokens": [list(each) for each in token_columns(circuit, drawn)],
            },
            groups=[{"name": n, "members": list(own)} for n, own in (groups or {}).items()],
            pins=list(pins),
            kept=len(edges) if kept is None else kept,
            chosen=chosen,
        )

    @traitlets.validate("kept")
    def _kept(self, proposal: Any) -> int:
        """At least one edge, at most all."""
        return max(1, min(int(proposal["value"]), len(self._drawn.edges)))

    @traitlets.validate("chosen")
    def _chosen(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if name and not self._has(name):
            id = self._circuit.circuit_id[:12]
            raise TraitRefused(f"circuit {id} has no node {printable(name)!r}")
        return name

    def _has(self, name: str) -> bool:
        """Whether it is a node of the circuit, or one of the groups."""
        names = {supernode(place) for place in range(len(self.groups))}
        return name in self._drawn.number or name in names

    @traitlets.validate("pins")
    def _pins(self, proposal: Any) -> list[str]:
        with _refusing():
            groups = _groups(self.groups, self._drawn)
            return list(pinned(proposal["value"], groups, self._drawn))

    @traitlets.validate("groups")
    def _checked_groups(self, proposal: Any) -> list[dict[str, Any]]:
        with _refusing():
            found = _groups(proposal["value"], self._drawn)
        return [{"name": each.name, "members": list(each.members)} for each in found]

    @traitlets.observe("groups")
    def _regrouped(self, change: Any) -> None:
        """No group is chosen that is there no more, and no node pinned that a group has."""
        self.pins = list(self.pins)
        if not self._has(self.chosen):
            self.chosen = ""

    def __repr__(self) -> str:
        return f"<CircuitWidget of circuit {self._circuit.circuit_id[:12]}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        found = cast(Any, super())._repr_mimebundle_(**kwargs)
        if found is None:
            return None
        data, about = found
        return {**data, "text/html": circuit_html(self._circuit)}, about


def _groups(said: Sequence[Mapping[str, Any]], drawn: DrawnCircuit) -> tuple[Group, ...]:
    """The groups of a trait, checked.

    Raises:
        NotFoundError: The circuit has no such node.
        SpecError: One is none, or a node is in two.
    """
    found: tuple[Group, ...] = ()
    for each in said:
        name, members = each.get("name"), each.get("members")
        if not isinstance(name, str) or not isinstance(members, list | tuple):
            raise SpecError("a group is {'name': 'movers', 'members': ['a1.h2', 'a1.h3']}")
        listed = cast(Sequence[Any], members)
        found = with_group(found, [str(member) for member in listed], name, drawn)
    return found
