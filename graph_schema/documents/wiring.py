"""Which edges a model can have: told from the two names, the channel and the model's sizes.

Of heads and MLPs just those that `Layout` lists; neurons, features and errors are judged too, by
where they stand. A layer's MLP does not read its heads where blocks are parallel.
"""

from __future__ import annotations

from functools import lru_cache

from graph_schema.documents.component import (
    INPUTS,
    Channel,
    Component,
    ComponentKind,
    receiver_name,
)
from graph_schema.documents.model import ModelDocument
from graph_schema.errors import SpecError

_parsed = lru_cache(maxsize=2**16)(Component.parse)


def check_names(sender: str, receiver: str, channel: Channel) -> tuple[Component, Component]:
    """The two ends of an edge that some model may have.

    Raises:
        SpecError: An end is no component's name, sends or reads nothing, or has no such channel.
    """
    source, target = _parsed(sender), _parsed(receiver)
    name = f"{sender}->{receiver_name(receiver, channel)}"
    if source.kind is ComponentKind.LOGITS:
        raise SpecError(f"edge {name!r}: the logits send nothing")
    if target.host in INPUTS:
        raise SpecError(f"edge {name!r}: {receiver} reads nothing")
    if target.kind is ComponentKind.HEAD and channel is Channel.R:
        raise SpecError(f"edge {name!r} ends in a head; say which input: {receiver}<q>")
    if channel is not Channel.R and not receiver.startswith("a"):
        raise SpecError(f"edge {name!r}: {receiver} has no {channel.value} input, only heads do")
    return source, target


def check_edge(sender: str, receiver: str, channel: Channel, model: ModelDocument) -> None:
    """Refuse an edge that the model does not have.

    Raises:
        SpecError: A name is none, a component lies beyond the model's sizes, the input is another,
            or the sender does not come before the receiver.
    """
    source, target = check_names(sender, receiver, channel)
    name = f"{sender}->{receiver_name(receiver, channel)}"
    for part in (source, target):
        check_sizes(part, model, name)
    parallel, split = _blocks(model.n_layers, model.n_heads, model.n_edges)
    whole = source.host == ComponentKind.INPUT
    if split is not None and source.host in INPUTS and whole == split:
        there = "embed and pos_embed" if split else "input"
        raise SpecError(f"edge {name!r}: {model.name!r} sends {there}, not {sender}")
    check_positions(source, target, name)
    if source.order(model.n_layers) >= target.order(model.n_layers):
        raise SpecError(f"edge {name!r} runs backwards: {sender!r} comes later")
    if parallel and source.layer is not None and source.layer == target.layer:
        raise SpecError(
            f"edge {name!r}: attention and MLP of {model.name!r} run in parallel, so a layer's MLP "
            "does not read its heads"
        )


def check_sizes(part: Component, model: ModelDocument, name: str) -> None:
    """Refuse a component beyond the model's sizes, as far as they are known.

    Raises:
        SpecError: It is.
    """
    known = model.has_weights
    if (part.layer or 0) >= model.n_layers or (known and (part.head or 0) >= model.n_heads):
        heads = f" and {model.n_heads} heads" if known else ""
        raise SpecError(
            f"edge {name!r}: {part.name!r} is beyond the {model.n_layers} layers{heads} of "
            f"{model.name!r}"
        )
    neuron = known and part.kind is ComponentKind.NEURON
    if neuron and (part.index or 0) >= (n := _width(part, model)):
        raise SpecError(
            f"edge {name!r}: {part.name!r} is beyond the {n} neurons of {part.host} of "
            f"{model.name!r}"
        )


def check_positions(source: Component, target: Component, name: str) -> None:
    """Refuse an edge of which one end has a position and the other not, or that runs back.

    Raises:
        SpecError: It is one.
    """
    if (source.position is None) != (target.position is None):
        raise SpecError(f"edge {name!r}: one end has a position and the other has none")
    if (source.position or 0) > (target.position or 0):
        raise SpecError(
            f"edge {name!r} runs from a later position to an earlier one, which nothing reads"
        )


@lru_cache(maxsize=1024)
def _blocks(n_layers: int, n_heads: int, n_edges: int) -> tuple[bool, bool | None]:
    """(parallel blocks, `embed` and `pos_embed` apart) of a model with so many edges.

    (False, None) where neither explains their number, so that nothing is said of its inputs.
    """
    for split in (False, True):
        before = [1 + split + layer * (n_heads + 1) for layer in range(n_layers + 1)]
        all_parallel = sum(n * (3 * n_heads + 1) for n in before[:-1]) + before[-1]
        for parallel in (False, True):
            if n_edges == all_parallel + (0 if parallel else n_layers * n_heads):
                return parallel, split
    return False, None


def _width(neuron: Component, model: ModelDocument) -> int:
    """How many neurons there are where this one is: an MLP's, or the values of heads' outputs."""
    if neuron.name.startswith("m"):
        return model.d_mlp
    return model.d_head * (1 if neuron.head is not None else model.n_heads)
