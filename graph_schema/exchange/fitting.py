"""Whether a model has the sizes and the edges that a file says."""

from __future__ import annotations

from collections.abc import Mapping

from graph_schema.documents.circuit import CircuitEdge
from graph_schema.documents.component import Component, ComponentKind
from graph_schema.documents.model import ModelDocument
from graph_schema.errors import SpecError
from graph_schema.models.layout import Layout
from graph_schema.printable import whole_number


def exact_layout(model: ModelDocument) -> Layout | None:
    """The model's layout, where it is one of heads and MLPs that read one input."""
    try:
        return Layout.of(model)
    except SpecError:
        return None


def check_sizes(said: Mapping[str, int | bool], model: ModelDocument) -> None:
    """Refuse a file that says other sizes than the model has, by names of EAP-IG's `cfg`.

    Raises:
        SpecError: Names the size and both values.
    """
    layout = exact_layout(model)
    known: dict[str, int | bool | None] = {
        "n_layers": model.n_layers,
        "n_heads": model.n_heads,
        "n_key_value_heads": model.n_kv_heads,
        "parallel_attn_mlp": None if layout is None else layout.parallel,
        "d_model": model.d_model,
        "d_head": model.d_head,
        "d_mlp": model.d_mlp,
    }
    for name, value in said.items():
        own = known.get(name)
        if own is not None and own != value:
            raise SpecError(
                f"the file is of a model with {name} {_said(value)}, and {model.name!r} has "
                f"{_said(own)}: import it for its own model (--model)"
            )


def _said(value: int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else whole_number(value)


def check_edge(edge: CircuitEdge, model: ModelDocument) -> None:
    """Refuse an edge between components that the model does not have, or backwards."""
    sender, receiver = Component.parse(edge.sender), Component.parse(edge.receiver)
    for part in (sender, receiver):
        if (part.layer or 0) >= model.n_layers or (part.head or 0) >= model.n_heads:
            raise SpecError(
                f"edge {edge.name!r}: {part.name!r} is beyond the {model.n_layers} layers and "
                f"{model.n_heads} heads of {model.name!r}"
            )
        if part.kind is ComponentKind.NEURON and (part.index or 0) >= (n := _width(part, model)):
            raise SpecError(
                f"edge {edge.name!r}: {part.name!r} is beyond the {n} neurons of "
                f"{part.name.rpartition('.')[0]} of {model.name!r}"
            )
    if sender.order(model.n_layers) >= receiver.order(model.n_layers):
        raise SpecError(f"edge {edge.name!r} runs backwards: {edge.sender!r} comes later")


def _width(neuron: Component, model: ModelDocument) -> int:
    """How many neurons there are where this one is: an MLP's, or the values of heads' outputs."""
    if neuron.name.startswith("m"):
        return model.d_mlp
    return model.d_head * (1 if neuron.head is not None else model.n_heads)
