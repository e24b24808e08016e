"""Where components read and write: a table of sites, with the numbers of senders and receivers.

A component's parts (site.py) each write as a sender and read for themselves, so receivers mirror
senders. Both are numbered in the order of the forward pass, so what a receiver can read is always a
prefix of the senders. Senders are the inputs, then per layer its heads and its MLP, part by part;
receivers are per layer the heads' q, k and v inputs and the MLP's, and the logits last. This is the
one place that knows: others ask for a layer's slices, or for the layer of a number. Without splits
the names are those of `graph_schema.models.layout`, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from discovery.engine.site import LayerSites, Site, Split
from graph_schema.documents import Channel
from graph_schema.documents.component import head_name, mlp_name
from graph_schema.errors import SpecError
from graph_schema.models.layout import HEAD_CHANNELS

N_CHANNELS = len(HEAD_CHANNELS)


@dataclass(frozen=True)
class Sites:
    """Senders and receivers of a transformer, from its sizes and what of it is split.

    `parallel`: a layer's MLP reads what its attention reads, so heads of the same layer are not
    upstream of it. `split_embed`: `embed` and `pos_embed` send apart instead of as one `input`.

    Raises:
        SpecError: A split is of a component that there is not, of one twice, or has a unit twice.
    """

    n_layers: int
    n_heads: int
    parallel: bool = False
    split_embed: bool = False
    _: KW_ONLY
    splits: tuple[Split, ...] = ()

    def __post_init__(self) -> None:
        if not self.splits:
            return
        found = {site.split.component for site in self.sites if site.split is not None}
        for split in self.splits:
            if split.component not in found:
                raise SpecError(
                    f"component {split.component!r} cannot be split: it is none of this model's, "
                    "or its layer's attention is split too; the model has "
                    f"{self.n_layers} layers of {self.n_heads} heads"
                )
            if len(set(split.units)) < len(split.units) or min(split.units, default=0) < 0:
                raise SpecError(f"units of {split.component!r} are not numbers, each once")
        if len(found) < len(self.splits):
            raise SpecError("a component is split twice; expected one dictionary for each")

    # The table.

    @cached_property
    def input_sites(self) -> tuple[Site, ...]:
        names = ("embed", "pos_embed") if self.split_embed else ("input",)
        found: list[Site] = []
        for name in names:
            found.append(self._site(name, -1, (), found[-1].senders.stop if found else 0))
        return tuple(found)

    @cached_property
    def layers(self) -> tuple[LayerSites, ...]:
        found: list[LayerSites] = []
        start, receiver = self.n_inputs, 0
        for layer in range(self.n_layers):
            attention: list[Site] = []
            heads = range(self.n_heads)
            named = [(head_name(layer, head), (head,)) for head in heads]
            if f"a{layer}" in self._split:
                named = [(f"a{layer}", tuple(heads))]
            for name, runs in named:
                attention.append(self._site(name, layer, runs, start))
                start = attention[-1].senders.stop
            mlp = self._site(mlp_name(layer), layer, (), start)
            start = mlp.senders.stop
            found.append(LayerSites(tuple(attention), mlp, receiver))
            receiver += N_CHANNELS * found[-1].n_parts + len(mlp.senders)
        return tuple(found)

    @property
    def sites(self) -> Iterator[Site]:
        """All, in the order of the forward pass."""
        yield from self.input_sites
        for layer in self.layers:
            yield from layer.attention
            yield layer.mlp

    @cached_property
    def _split(self) -> dict[str, Split]:
        return {split.component: split for split in self.splits}

    def _site(self, name: str, layer: int, heads: tuple[int, ...], start: int) -> Site:
        split = self._split.get(name)
        n = 1 if split is None else len(split.parts)
        return Site(name, layer, heads, range(start, start + n), split)

    # Senders.

    @cached_property
    def n_inputs(self) -> int:
        """How many senders are the inputs'."""
        return self.input_sites[-1].senders.stop

    @cached_property
    def n_senders(self) -> int:
        return self.layers[-1].mlp.senders.stop

    def before(self, layer: int) -> int:
        """How many senders write before `layer`: what its attention can read."""
        return self.layers[layer].before if layer < self.n_layers else self.n_senders

    def head_senders(self, layer: int) -> slice:
        """What a layer's attention writes as: its heads, part by part."""
        return slice(self.layers[layer].before, self.layers[layer].mlp.senders.start)

    def head_sender(self, layer: int, head: int) -> int:
        found = self.layers[layer]
        if found.is_whole:
            return found.before + head
        site = found.attention[head]
        assert site.split is None, "a split head is several senders"
        return site.senders.start

    def mlp_senders(self, layer: int) -> slice:
        senders = self.layers[layer].mlp.senders
        return slice(senders.start, senders.stop)

    def mlp_sender(self, layer: int) -> int:
        assert self.layers[layer].mlp.split is None, "a split MLP is several senders"
        return self.layers[layer].mlp.senders.start

    def before_mlp(self, layer: int) -> int:
        """How many senders a layer's MLP can read."""
        found = self.layers[layer]
        return found.before if self.parallel else found.mlp.senders.start

    @cached_property
    def sender_layers(self) -> NDArray[np.intp]:
        """Each sender's layer; -1 for the inputs."""
        found = np.full(self.n_senders, -1, dtype=np.intp)
        for layer in range(self.n_layers):
            found[self.before(layer) : self.before(layer + 1)] = layer
        return found

    # Two kinds of writes: dense ones, and coefficients of units along their directions.

    @cached_property
    def directed(self) -> NDArray[np.bool_]:
        """Which senders are units: each writes a coefficient times a direction of its own."""
        found = np.zeros(self.n_senders, dtype=np.bool_)
        for site in self.sites:
            found[site.senders.start : site.senders.start + site.n_units] = True
        return found

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """Each sender's place among those of its kind, dense or directed."""
        every = np.arange(self.n_senders)
        before = np.concatenate([[0], np.cumsum(self.directed)])[:-1]
        return np.where(self.directed, before, every - before).astype(np.intp)

    def rows_among(self, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Each chosen sender's place among those chosen of its kind; of others nothing is said.

        `chosen` may be of a prefix of the senders.
        """
        if not self.n_directed:
            return np.cumsum(chosen) - 1
        units = self.directed[: len(chosen)]
        return np.where(units, np.cumsum(chosen & units), np.cumsum(chosen & ~units)) - 1

    @cached_property
    def n_directed(self) -> int:
        return int(self.directed.sum())

    @property
    def n_dense(self) -> int:
        return self.n_senders - self.n_directed

    def blocks(self, senders: range | slice) -> tuple[slice, slice]:
        """The rows, dense and directed, of senders that follow each other."""
        start, stop = int(senders.start), int(senders.stop)
        if not self.splits:
            return slice(start, stop), slice(0, 0)
        first, last = (self._n_directed_before[i] for i in (start, stop))
        return slice(start - first, stop - last), slice(first, last)

    @cached_property
    def _n_directed_before(self) -> list[int]:
        return [0, *np.cumsum(self.directed).tolist()]

    # Receivers.

    @cached_property
    def n_receivers(self) -> int:
        return self._first_receiver(self.n_layers) + 1

    def _first_receiver(self, layer: int) -> int:
        if layer < self.n_layers:
            return self.layers[layer].first_receiver
        return self.mlp_receivers(layer - 1).stop

    def attention_receivers(self, layer: int) -> slice:
        """All q, k and v inputs of a layer, in this order."""
        found = self.layers[layer]
        return slice(found.first_receiver, found.first_receiver + N_CHANNELS * found.n_parts)

    def head_receivers(self, layer: int, channel: Channel) -> slice:
        """One channel's inputs of a layer, part by part."""
        found = self.layers[layer]
        start = found.first_receiver + HEAD_CHANNELS.index(channel) * found.n_parts
        return slice(start, start + found.n_parts)

    def mlp_receivers(self, layer: int) -> slice:
        start = self.attention_receivers(layer).stop
        return slice(start, start + len(self.layers[layer].mlp.senders))

    def mlp_receiver(self, layer: int) -> int:
        assert self.layers[layer].mlp.split is None, "a split MLP is several receivers"
        return self.attention_receivers(layer).stop

    @property
    def logits(self) -> int:
        return self.n_receivers - 1

    def layer(self, receiver: int) -> int:
        """A receiver's layer; of the logits, how many layers there are."""
        return int(self.receiver_layers[receiver])

    def attention_part(self, receiver: int) -> tuple[Channel, int] | None:
        """The channel and the part of its layer's attention whose input a receiver is.

        None: an MLP's, or the logits. Where nothing is split, a part is a head.
        """
        layer = self.layer(receiver)
        if layer == self.n_layers or receiver >= self.attention_receivers(layer).stop:
            return None
        found = self.layers[layer]
        channel, part = divmod(receiver - found.first_receiver, found.n_parts)
        return HEAD_CHANNELS[channel], part

    @cached_property
    def receiver_layers(self) -> NDArray[np.intp]:
        """Each receiver's layer; `n_layers` for the logits."""
        found = np.full(self.n_receivers, self.n_layers, dtype=np.intp)
        for layer in range(self.n_layers):
            found[self._first_receiver(layer) : self._first_receiver(layer + 1)] = layer
        return found

    # Who reads whom.

    @cached_property
    def writer(self) -> NDArray[np.intp]:
        """The sender that a receiver's component writes as; -1 for the logits."""
        found = np.full(self.n_receivers, -1, dtype=np.intp)
        for layer in range(self.n_layers):
            heads = np.arange(self.n_senders)[self.head_senders(layer)]
            found[self.attention_receivers(layer)] = np.tile(heads, N_CHANNELS)
            found[self.mlp_receivers(layer)] = np.arange(self.n_senders)[self.mlp_senders(layer)]
        return found

    @cached_property
    def n_upstream(self) -> NDArray[np.intp]:
        """For each receiver, how many senders come before it."""
        found = np.full(self.n_receivers, self.n_senders, dtype=np.intp)
        for layer in range(self.n_layers):
            found[self.attention_receivers(layer)] = self.before(layer)
            found[self.mlp_receivers(layer)] = self.before_mlp(layer)
        return found
