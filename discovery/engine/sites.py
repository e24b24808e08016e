"""Where components read and write: the numbers of a model's senders and receivers.

Both are numbered in the order of the forward pass, so what a receiver can read is always a prefix
of the senders. Senders are the inputs, then per layer its heads and its MLP; receivers are per
layer the heads' q, k and v inputs and the MLP, and the logits last. This is the one place that
knows: others ask for a layer's slices, or for the layer of a number. Names are in
`graph_schema.models.layout`, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents import Channel
from graph_schema.models.layout import HEAD_CHANNELS


@dataclass(frozen=True)
class Sites:
    """Senders and receivers of a transformer, from its sizes alone.

    `parallel`: a layer's MLP reads what its attention reads, so heads of the same layer are not
    upstream of it. `split_embed`: `embed` and `pos_embed` send apart instead of as one `input`.
    """

    n_layers: int
    n_heads: int
    parallel: bool = False
    split_embed: bool = False

    # Senders.

    @property
    def n_inputs(self) -> int:
        return 2 if self.split_embed else 1

    @property
    def n_senders(self) -> int:
        return self.before(self.n_layers)

    def before(self, layer: int) -> int:
        """How many senders write before `layer`: what its attention can read."""
        return self.n_inputs + layer * (self.n_heads + 1)

    def head_senders(self, layer: int) -> slice:
        start = self.before(layer)
        return slice(start, start + self.n_heads)

    def head_sender(self, layer: int, head: int) -> int:
        return self.before(layer) + head

    def mlp_sender(self, layer: int) -> int:
        return self.before(layer) + self.n_heads

    def before_mlp(self, layer: int) -> int:
        """How many senders a layer's MLP can read."""
        return self.before(layer) + (0 if self.parallel else self.n_heads)

    @cached_property
    def sender_layers(self) -> NDArray[np.intp]:
        """Each sender's layer; -1 for the inputs."""
        found = np.full(self.n_senders, -1, dtype=np.intp)
        for layer in range(self.n_layers):
            found[self.before(layer) : self.before(layer + 1)] = layer
        return found

    # Receivers.

    @property
    def n_receivers(self) -> int:
        return self._first_receiver(self.n_layers) + 1

    def _first_receiver(self, layer: int) -> int:
        return layer * (len(HEAD_CHANNELS) * self.n_heads + 1)

    def attention_receivers(self, layer: int) -> slice:
        """All q, k and v inputs of a layer, in this order."""
        start = self._first_receiver(layer)
        return slice(start, start + len(HEAD_CHANNELS) * self.n_heads)

    def head_receivers(self, layer: int, channel: Channel) -> slice:
        start = self._first_receiver(layer) + HEAD_CHANNELS.index(channel) * self.n_heads
        return slice(start, start + self.n_heads)

    def mlp_receiver(self, layer: int) -> int:
        return self.attention_receivers(layer).stop

    @property
    def logits(self) -> int:
        return self.n_receivers - 1

    def layer(self, receiver: int) -> int:
        """A receiver's layer; of the logits, how many layers there are."""
        return int(self.receiver_layers[receiver])

    def head(self, receiver: int) -> tuple[Channel, int] | None:
        """The channel and head whose input a receiver is; None: an MLP's, or the logits."""
        within = receiver - self._first_receiver(self.layer(receiver))
        if receiver == self.logits or within == len(HEAD_CHANNELS) * self.n_heads:
            return None
        channel, head = divmod(within, self.n_heads)
        return HEAD_CHANNELS[channel], head

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
            found[self.attention_receivers(layer)] = np.tile(heads, len(HEAD_CHANNELS))
            found[self.mlp_receiver(layer)] = self.mlp_sender(layer)
        return found

    @cached_property
    def n_upstream(self) -> NDArray[np.intp]:
        """For each receiver, how many senders come before it."""
        found = np.full(self.n_receivers, self.n_senders, dtype=np.intp)
        for layer in range(self.n_layers):
            found[self.attention_receivers(layer)] = self.before(layer)
            found[self.mlp_receiver(layer)] = self.before_mlp(layer)
        return found
