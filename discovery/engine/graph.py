"""The computational graph of a model: senders, receivers and the edges that join them.

Senders and receivers are numbered as `sites` says. A set of edges is a boolean matrix
`[sender, receiver]`; a list of edges is receiver by receiver, senders ascending. Names meet numbers
here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.engine.sites import HEAD_CHANNELS, Sites
from graph_schema.documents import Channel, Edge, receiver_name
from graph_schema.errors import SpecError

BoolMatrix = NDArray[np.bool_]


@dataclass(frozen=True)
class Graph(Sites):
    """Nodes and edges of a transformer, from its sizes alone.

    `kv_group`: keys and values of this many query heads in a row are patched together; edges are
    those of query heads all the same.

    Raises:
        SpecError: Query heads are patched together, and attention is split.
    """

    kv_group: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kv_group > 1 and not all(layer.is_whole for layer in self.layers):
            raise SpecError(
                "keys and values are patched by key-value head (receivers='kv_group'), which a "
                "dictionary on heads or on attention outputs cuts apart; use 'query_head'"
            )

    # Receivers that are patched together.

    @cached_property
    def lead(self) -> NDArray[np.intp]:
        """For each receiver, the first of those that are patched together with it."""
        found, group = np.arange(self.n_receivers, dtype=np.intp), self.kv_group
        for layer in range(self.n_layers):
            for channel in (Channel.K, Channel.V):
                heads = self.head_receivers(layer, channel)
                found[heads] = heads.start + np.arange(heads.stop - heads.start) // group * group
        return found

    @cached_property
    def units(self) -> tuple[tuple[int, ...], ...]:
        """Receivers in order, those that are patched together in one."""
        leads, sizes = np.unique(self.lead, return_counts=True)
        return tuple(
            tuple(range(lead, lead + size))
            for lead, size in zip(leads.tolist(), sizes.tolist(), strict=True)
        )

    def joint(self, values: NDArray[Any]) -> NDArray[Any]:
        """`values` [..., receiver]: each the sum over the receivers that are patched together."""
        if self.kv_group == 1:
            return values
        leads, sizes = np.unique(self.lead, return_counts=True)
        return np.repeat(np.add.reduceat(values, leads, axis=-1), sizes, axis=-1)

    # Edges.

    @cached_property
    def upstream(self) -> BoolMatrix:
        """Every edge there is: the kept set of the full model."""
        return np.arange(self.n_senders)[:, None] < self.n_upstream[None, :]

    def none(self) -> BoolMatrix:
        """The kept set in which everything is ablated."""
        return np.zeros((self.n_senders, self.n_receivers), dtype=np.bool_)

    @property
    def n_edges(self) -> int:
        return int(self.n_upstream.sum())

    @cached_property
    def edges(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(senders, receivers) of every edge, in the order of the edge list."""
        receivers, senders = np.nonzero(self.upstream.T)
        return senders, receivers

    def to_list(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """One value an edge, from a matrix `[sender, receiver]`."""
        return matrix[self.edges]

    def to_matrix(self, values: NDArray[Any]) -> NDArray[Any]:
        """The matrix of one value an edge; zero where there is no edge."""
        matrix = np.zeros((self.n_senders, self.n_receivers), dtype=values.dtype)
        matrix[self.edges] = values
        return matrix

    def trim(self, kept: BoolMatrix) -> BoolMatrix:
        """The kept edges that lie on a path of kept edges from an input to the logits.

        Edges patched together stay together, where one of them does.
        """
        kept = kept & self.upstream
        kept &= self._reached(kept)[:, None]
        on_a_path = kept & self.live_receivers(kept)[None, :]
        return kept & (self.joint(on_a_path.astype(np.intp)) > 0)

    def live_receivers(self, kept: BoolMatrix) -> NDArray[np.bool_]:
        """Receivers with a path of kept edges to the logits: the others cannot change the loss."""
        live = np.zeros(self.n_receivers, dtype=np.bool_)
        live[self.logits] = True
        for layer in reversed(range(self.n_layers)):
            mlp = (kept[self.mlp_senders(layer)] & live).any(axis=1)
            live[self.mlp_receivers(layer)] = mlp
            heads = (kept[self.head_senders(layer)] & live).any(axis=1)
            live[self.attention_receivers(layer)] = np.tile(heads, 3)
        return live

    def spread_senders(self, kept: BoolMatrix) -> NDArray[np.bool_]:
        """Senders with a kept path to the logits through a key or value input.

        Attention alone carries what is written at one position to another, so of other senders'
        writes only those at the metric's positions matter.
        """
        live, spread = self.live_receivers(kept), np.zeros(self.n_senders, dtype=np.bool_)
        carries = np.zeros(self.n_receivers, dtype=np.bool_)
        for layer in reversed(range(self.n_layers)):
            mlp = self.mlp_senders(layer)
            spread[mlp] = (kept[mlp] & carries).any(axis=1)
            carries[self.mlp_receivers(layer)] = spread[mlp]
            heads = self.head_senders(layer)
            spread[heads] = (kept[heads] & carries).any(axis=1)
            carries[self.head_receivers(layer, Channel.Q)] = spread[heads]
            for channel in (Channel.K, Channel.V):
                receivers = self.head_receivers(layer, channel)
                carries[receivers] = live[receivers]
        inputs = slice(0, self.n_inputs)
        spread[inputs] = (kept[inputs] & carries).any(axis=1)
        return spread

    def _reached(self, kept: BoolMatrix) -> NDArray[np.bool_]:
        """Senders with a path of kept edges from an input."""
        reached = np.zeros(self.n_senders, dtype=np.bool_)
        reached[: self.n_inputs] = True
        for layer in range(self.n_layers):
            n = self.before(layer)
            inputs = (kept[:n, self.attention_receivers(layer)] & reached[:n, None]).any(axis=0)
            reached[self.head_senders(layer)] = inputs.reshape(3, -1).any(axis=0)
            mlp = kept[:, self.mlp_receivers(layer)] & reached[:, None]
            reached[self.mlp_senders(layer)] = mlp.any(axis=0)
        return reached

    # Names.

    @cached_property
    def sender_names(self) -> tuple[str, ...]:
        return tuple(name for site in self.sites for name in site.names)

    @cached_property
    def receivers(self) -> tuple[tuple[str, Channel], ...]:
        """(component, channel) of every receiver."""
        found: list[tuple[str, Channel]] = []
        for layer in self.layers:
            parts = [name for site in layer.attention for name in site.names]
            found += [(name, channel) for channel in HEAD_CHANNELS for name in parts]
            found += [(name, Channel.R) for name in layer.mlp.names]
        return (*found, ("logits", Channel.R))

    @cached_property
    def receiver_names(self) -> tuple[str, ...]:
        return tuple(receiver_name(*receiver) for receiver in self.receivers)

    def edge(self, sender: int, receiver: int) -> Edge:
        return Edge(self.sender_names[sender], *self.receivers[receiver])

    def names(self, kept: BoolMatrix | None = None) -> list[str]:
        """Names of the kept edges (default: of all), in the order of the edge list."""
        senders, receivers = self.edges
        if kept is not None:
            chosen = kept[senders, receivers]
            senders, receivers = senders[chosen], receivers[chosen]
        names, inputs = self.sender_names, self.receiver_names
        return [f"{names[s]}->{inputs[r]}" for s, r in zip(senders, receivers, strict=True)]

    def kept(self, names: Iterable[str]) -> BoolMatrix:
        """The kept set with these edges; both spellings of a head's input are read.

        Raises:
            SpecError: A name is no edge, or none of this model.
        """
        kept = self.none()
        for name in names:
            edge = Edge.parse(name)
            sender = self._numbers.get(edge.sender)
            receiver = self._numbers.get(receiver_name(edge.receiver, edge.channel) + " in")
            if sender is None or receiver is None or not self.upstream[sender, receiver]:
                raise SpecError(
                    f"edge {name!r} is not in this model, which has {self.n_layers} layers of "
                    f"{self.n_heads} heads; its senders begin with {self.sender_names[0]!r}"
                )
            kept[sender, receiver] = True
        return kept

    def between(
        self, senders: Iterable[str], receivers: Iterable[str], channels: Iterable[Channel]
    ) -> BoolMatrix:
        """The kept set of all edges from some components to others' inputs on some channels.

        `input` stands for all inputs. Heads read on q, k and v, what else reads on r; a channel
        that a receiver has not adds nothing.

        Raises:
            SpecError: The model has no such sender or receiver.
        """
        found = self.none()
        inputs = self.inputs_of(receivers, channels)
        if inputs:
            found[np.ix_(self.senders_of(senders), inputs)] = True
        return found & self.upstream

    def senders_of(self, names: Iterable[str]) -> list[int]:
        """Numbers of senders; `input` stands for all inputs.

        Raises:
            SpecError: The model has no such sender.
        """
        found: set[int] = set()
        for name in names:
            if name == "input":
                found.update(range(self.n_inputs))
            elif (number := self._numbers.get(name)) is not None:
                found.add(number)
            else:
                raise self._unknown("sender", name)
        return sorted(found)

    def inputs_of(self, names: Iterable[str], channels: Iterable[Channel]) -> list[int]:
        """Numbers of the receivers that components read by on some channels.

        Raises:
            SpecError: The model has no such receiver.
        """
        wanted, found = set(channels), set[int]()
        for name in names:
            own = {
                channel: number
                for channel in Channel
                if (number := self._numbers.get(receiver_name(name, channel) + " in")) is not None
            }
            if not own:
                raise self._unknown("receiver", name)
            found.update(number for channel, number in own.items() if channel in wanted)
        return sorted(found)

    def _unknown(self, what: str, name: str) -> SpecError:
        return SpecError(
            f"{what} {name!r} is not in this model, which has {self.n_layers} layers of "
            f"{self.n_heads} heads"
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Numbers by name; receivers are filed as "NAME in", for an MLP is a sender too."""
        found = {name: number for number, name in enumerate(self.sender_names)}
        return found | {f"{name} in": i for i, name in enumerate(self.receiver_names)}
