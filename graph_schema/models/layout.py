"""Which nodes and edges a model of given sizes has, in the order that other tools list them.

Senders: `input` (or `embed` and `pos_embed`), then per layer its heads and its MLP. Receivers: per
layer the heads' q, k and v inputs and the MLP, then `logits`. EAP-IG and MIB index their matrices
this way, and so does `discovery.engine.graph`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from graph_schema.documents.component import (
    Channel,
    Component,
    ComponentKind,
    Edge,
    head_name,
    mlp_name,
    receiver_name,
)
from graph_schema.documents.model import ModelDocument
from graph_schema.errors import SpecError
from graph_schema.printable import whole_number

HEAD_CHANNELS = (Channel.Q, Channel.K, Channel.V)
_MAX_NODES = 200_000


@dataclass(frozen=True)
class Layout:
    """A transformer's sizes.

    `parallel`: an MLP does not read its own layer's heads. `split_embed`: `embed` and `pos_embed`
    send apart instead of as one `input`, which no file format here has.
    """

    n_layers: int
    n_heads: int
    parallel: bool = False
    split_embed: bool = False

    def __post_init__(self) -> None:
        if self.n_layers < 1 or self.n_heads < 1 or self.n_layers * self.n_heads > _MAX_NODES:
            raise SpecError(
                f"{whole_number(self.n_layers)} layers of {whole_number(self.n_heads)} heads are "
                "no sizes of a transformer"
            )

    @classmethod
    def of(cls, model: ModelDocument) -> Layout:
        """The layout whose number of edges is the model's.

        Raises:
            SpecError: Neither has; the model sends `embed` and `pos_embed` apart.
        """
        for parallel in (False, True):
            layout = cls(model.n_layers, model.n_heads, parallel)
            if layout.n_edges == model.n_edges:
                return layout
        raise SpecError(
            f"model {model.name!r} has {model.n_edges} edges, not those of heads and MLPs that "
            "read one input; node-link, graphml and csv can hold its circuits"
        )

    @property
    def n_inputs(self) -> int:
        return 2 if self.split_embed else 1

    def before(self, layer: int) -> int:
        """How many of `senders` come before a layer's."""
        return self.n_inputs + layer * (self.n_heads + 1)

    @cached_property
    def senders(self) -> tuple[str, ...]:
        names = ["embed", "pos_embed"] if self.split_embed else ["input"]
        for layer in range(self.n_layers):
            names += [head_name(layer, head) for head in range(self.n_heads)]
            names.append(mlp_name(layer))
        return tuple(names)

    @cached_property
    def receivers(self) -> tuple[tuple[str, Channel], ...]:
        found: list[tuple[str, Channel]] = []
        for layer in range(self.n_layers):
            heads = range(self.n_heads)
            found += [(head_name(layer, h), c) for c in HEAD_CHANNELS for h in heads]
            found.append((mlp_name(layer), Channel.R))
        return (*found, ("logits", Channel.R))

    @cached_property
    def receiver_names(self) -> tuple[str, ...]:
        return tuple(receiver_name(*receiver) for receiver in self.receivers)

    def n_read(self, component: str) -> int:
        """How many of `senders` the component's receivers can read: always the first so many."""
        part = Component.parse(component)
        if part.kind is ComponentKind.LOGITS or part.layer is None:
            return len(self.senders)
        reads_heads = part.kind is ComponentKind.MLP and not self.parallel
        return self.before(part.layer) + (self.n_heads if reads_heads else 0)

    @cached_property
    def n_edges(self) -> int:
        per_layer = [self.before(layer) for layer in range(self.n_layers)]
        to_mlp = 0 if self.parallel else self.n_heads
        each = len(HEAD_CHANNELS) * self.n_heads
        return sum(n * each + n + to_mlp for n in per_layer) + self.before(self.n_layers)

    def edges(self) -> Iterator[Edge]:
        """Every edge, receiver by receiver, senders in order."""
        for component, channel in self.receivers:
            for sender in self.senders[: self.n_read(component)]:
                yield Edge(sender, component, channel)

    def check(self, edge: Edge) -> None:
        """Refuse an edge that such a model does not have.

        Raises:
            SpecError: A component is beyond its sizes, or the edge runs backwards.
        """
        if (edge.receiver, edge.channel) not in self._receiver_set:
            raise SpecError(f"edge {edge.name!r}: {edge.receiver!r} is no receiver of {self.words}")
        place = self._sender_places.get(edge.sender)
        if place is None:
            raise SpecError(f"edge {edge.name!r}: {edge.sender!r} is no sender of {self.words}")
        if place >= self.n_read(edge.receiver):
            raise SpecError(f"edge {edge.name!r} runs backwards: {edge.sender!r} comes later")

    @property
    def words(self) -> str:
        return f"a model of {self.n_layers} layers with {self.n_heads} heads"

    @cached_property
    def _receiver_set(self) -> frozenset[tuple[str, Channel]]:
        return frozenset(self.receivers)

    @cached_property
    def _sender_places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.senders)}
