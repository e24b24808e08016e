"""A kept set that is changed step by step, and what follows from it for a plan.

Tests of edges drop one edge after the other, and plan anew each time: which receivers can still
reach the loss, which senders' other positions matter, what hangs on a change. Over a matrix of
5,000 senders by 15,000 receivers each such question is a walk over 76 million bytes. Here the
matrix has beside it its rows as bits, 64 a word, so that a question is a walk over 1.2 million
words, and the answers of before stand until a dropped edge changes them. Its columns have a mark
each, made of their bits: columns with the same mark are the same (by chance once in 2^64).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import BoolMatrix, Graph
from graph_schema.documents import Channel

Mask = NDArray[np.bool_]
Words = NDArray[np.uint64]
WORD = 64


class Kept:
    """A kept set. `matrix` [sender, receiver] may be read, and is changed by `drop` alone."""

    def __init__(self, graph: Graph, matrix: BoolMatrix) -> None:
        self.graph, self.matrix = graph, matrix.copy()
        self._rows = _packed(self.matrix)
        # [word of senders, receiver]
        self._columns = _stacked(self.matrix)
        places = np.arange(len(self._columns))[:, None]
        self.marks: Words = np.bitwise_xor.reduce(_mixed(self._columns, places), axis=0)
        self._live: Mask | None = None
        self._spread: Mask | None = None
        # As bits: live receivers, and those that carry what is written at any position.
        self._live_bits = self._carry_bits = np.zeros(0, dtype=np.uint64)

    def drop(self, sender: int, receivers: Iterable[int]) -> None:
        """Drop a sender's edges into some receivers, which are kept."""
        place, bit = sender // WORD, np.uint64(1) << np.uint64(sender % WORD)
        row = self._rows[sender]
        for receiver in receivers:
            assert self.matrix[sender, receiver], "only a kept edge can be removed"
            self.matrix[sender, receiver] = False
            row[receiver // WORD] ^= np.uint64(1) << np.uint64(receiver % WORD)
            old = self._columns[place, receiver]
            both = np.array([old, old ^ bit])
            self._columns[place, receiver] = both[1]
            self.marks[receiver] ^= np.bitwise_xor.reduce(_mixed(both, np.array([place])))
        # The last edge to a live reader was worth a new look; before it nothing changes.
        if self._live is not None and not (row & self._live_bits).any():
            self._live = self._spread = None
        elif self._spread is not None and not (row & self._carry_bits).any():
            self._spread = None

    @property
    def live(self) -> Mask:
        """`Graph.live_receivers`: which receivers have a path of kept edges to the logits."""
        if self._live is None:
            graph = self.graph
            found = np.zeros(graph.n_receivers, dtype=np.bool_)
            found[graph.logits] = True
            for layer in reversed(range(graph.n_layers)):
                found[graph.mlp_receivers(layer)] = self._meets(graph.mlp_senders(layer), found)
                heads = self._meets(graph.head_senders(layer), found)
                found[graph.attention_receivers(layer)] = np.tile(heads, 3)
            self._live, self._live_bits = found, _packed(found[None])[0]
        return self._live

    @property
    def spread(self) -> Mask:
        """`Graph.spread_senders`: whose writes matter elsewhere than at the metric's positions."""
        if self._spread is None:
            graph, live = self.graph, self.live
            found = np.zeros(graph.n_senders, dtype=np.bool_)
            carries = np.zeros(graph.n_receivers, dtype=np.bool_)
            for layer in reversed(range(graph.n_layers)):
                mlp, heads = graph.mlp_senders(layer), graph.head_senders(layer)
                found[mlp] = self._meets(mlp, carries)
                carries[graph.mlp_receivers(layer)] = found[mlp]
                found[heads] = self._meets(heads, carries)
                carries[graph.head_receivers(layer, Channel.Q)] = found[heads]
                for channel in (Channel.K, Channel.V):
                    receivers = graph.head_receivers(layer, channel)
                    carries[receivers] = live[receivers]
            inputs = slice(0, graph.n_inputs)
            found[inputs] = self._meets(inputs, carries)
            self._spread, self._carry_bits = found, _packed(carries[None])[0]
        return self._spread

    def _meets(self, senders: slice, receivers: Mask) -> NDArray[np.bool_]:
        """Which of some senders are kept by one of the receivers."""
        first = int(receivers.argmax()) // WORD
        words = _packed(receivers[None])[0, first:]
        return np.any(self._rows[senders, first:] & words, axis=1)

    def columns(self, receivers: Sequence[int] | NDArray[np.intp], n: int) -> BoolMatrix:
        """Columns of some receivers, of the first `n` senders."""
        words = np.ascontiguousarray(self._columns[: -(-n // WORD), receivers].T)
        bits = np.unpackbits(words.view(np.uint8), axis=1, count=n, bitorder="little")
        return bits.view(np.bool_).T

    def readers(self, senders: NDArray[np.intp], first: int) -> Mask:
        """Receivers from number `first` on that keep one of some senders; of others nothing."""
        found = np.zeros(self.graph.n_receivers, dtype=np.bool_)
        start = first // WORD
        if len(senders):
            words = np.bitwise_or.reduce(self._rows[senders, start:], axis=0)
            bits = np.unpackbits(words.view(np.uint8), bitorder="little").view(np.bool_)
            found[start * WORD :] = bits[: len(found) - start * WORD]
        return found


def _packed(matrix: BoolMatrix) -> Words:
    """Rows as bits, the lowest first, in whole words."""
    spare = -matrix.shape[1] % WORD
    bits = np.packbits(np.pad(matrix, ((0, 0), (0, spare))), axis=1, bitorder="little")
    return np.ascontiguousarray(bits).view(np.uint64)


def _stacked(matrix: BoolMatrix) -> Words:
    """Columns as bits, the lowest first: [word, column]."""
    found = np.zeros((-(-len(matrix) // WORD), matrix.shape[1]), dtype=np.uint64)
    for place in range(len(found)):
        bits = np.packbits(matrix[place * WORD : (place + 1) * WORD], axis=0, bitorder="little")
        for byte, row in enumerate(bits):
            found[place] |= row.astype(np.uint64) << np.uint64(8 * byte)
    return found


def _mixed(words: Words, places: NDArray[np.intp]) -> Words:
    """Words made random numbers, others at every place (splitmix64)."""
    x = words + (places.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
