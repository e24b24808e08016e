"""One side of a comparison: a circuit with the figures, nodes and edges that it has there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from graph_schema.documents.circuit import CircuitDocument, CircuitEdge
from graph_schema.documents.comparison import Side
from graph_schema.documents.component import Component, ComponentKind
from graph_schema.documents.evaluation import Figure

_NODES = (ComponentKind.HEAD, ComponentKind.MLP)


@dataclass(frozen=True)
class OneSide:
    """A circuit with what every comparison asks of it, worked out once."""

    circuit: CircuitDocument

    @cached_property
    def side(self) -> Side:
        return _side(self.circuit)

    @cached_property
    def edges(self) -> Mapping[str, CircuitEdge]:
        """By name, the strongest first."""
        named = [(edge.name, edge) for edge in self.circuit.edges]
        return dict(sorted(named, key=lambda each: (-each[1].strength, each[0])))

    @cached_property
    def nodes(self) -> frozenset[str]:
        return _nodes(self.circuit)

    @cached_property
    def countless(self) -> str:
        return _countless(self.circuit)


def _side(circuit: CircuitDocument) -> Side:
    model, judged = circuit.model, circuit.evaluation
    return Side(
        circuit_id=circuit.circuit_id,
        model=model.name,
        fingerprint=model.fingerprint,
        family=model.family,
        task=circuit.task,
        method=circuit.method.name,
        metric=circuit.metric and circuit.metric.value,
        ablation=circuit.ablation and circuit.ablation.kind.value,
        n_edges=circuit.n_edges,
        nodes_by_kind=_kinds(circuit),
        edges_by_channel=dict(sorted(Counter(e.channel.value for e in circuit.edges).items())),
        share_of_edges=None if _countless(circuit) else circuit.n_edges / model.n_edges,
        faithfulness=judged and judged.faithfulness.value,
        faithfulness_interval=judged and _interval(judged.faithfulness),
        heldout_faithfulness=judged and judged.heldout_faithfulness.value,
        heldout_interval=judged and _interval(judged.heldout_faithfulness),
        error_share=judged and judged.error_share and judged.error_share.value,
        cmd=judged and judged.cmd.value,
        cpr=judged and judged.cpr.value,
    )


def _countless(circuit: CircuitDocument) -> str:
    """Why nobody knows how many edges there could be; empty where the model's number is it."""
    parts = [Component.parse(name) for name in circuit.node_names]
    if any(part.fine for part in parts):
        return "feature nodes"
    if any(part.position is not None for part in parts):
        return "nodes at positions"
    return "" if circuit.model.has_weights else "a model known by its name alone"


def _interval(figure: Figure) -> tuple[float, float] | None:
    if figure.ci_low is None or figure.ci_high is None:
        return None
    return figure.ci_low, figure.ci_high


def _kinds(circuit: CircuitDocument) -> dict[str, int]:
    names = {end for edge in circuit.edges for end in (edge.sender, edge.receiver)}
    return dict(sorted(Counter(Component.parse(name).kind.value for name in names).items()))


def _nodes(circuit: CircuitDocument) -> frozenset[str]:
    """Heads, MLPs and features; `input` and `logits` are in every circuit."""
    names = {name for edge in circuit.edges for name in (edge.sender, edge.receiver)}
    parts = [Component.parse(name) for name in names]
    return frozenset(part.name for part in parts if part.kind in _NODES or part.fine)
