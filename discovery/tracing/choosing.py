"""Which units become nodes: those with the most influence on the logits, some at a time.

As circuit-tracer chooses: the logits' rows are known first, influence flows back along the rows
that are known, and the units that most of it reaches get rows next. Theirs has a column for every
active feature; neurons are a hundred times as many, so here columns are those that reach the logits
most (`reach`), and what the others write stands in `rest`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.tracing.cut import Cut
from discovery.tracing.frozen import FrozenModel
from discovery.tracing.heads import Heads
from discovery.tracing.rows import Reads, edge_rows
from discovery.tracing.sources import Sources
from graph_schema.documents import Channel

STEPS = 8
"""Times that influence is taken anew while units are chosen."""
POOL = 6
"""Columns for each unit that may become a node."""


def columns_of(scores: Sequence[Tensor], most: int) -> list[Tensor]:
    """The `most` units of all cuts with the highest scores; indices of each cut's, ascending."""
    sizes = [len(each) for each in scores]
    if sum(sizes) <= most:
        return [torch.arange(size) for size in sizes]
    every = torch.cat(list(scores))
    order = torch.argsort(every, descending=True, stable=True)[:most].sort().values
    ends = np.cumsum([0, *sizes]).tolist()
    return [order[(order >= start) & (order < stop)] - start for start, stop in pairwise(ends)]


class Rows:
    """The rows that are known: of the logits, then of units, in the order in which they came.

    A head has three, by query, key and value; of whatever else a node reads `channels` say `r`.
    """

    def __init__(
        self,
        model: FrozenModel,
        cuts: Sequence[Cut],
        sources: Sources,
        logits: Reads,
        probabilities: Float[Tensor, " logit"],
    ) -> None:
        self.model, self.cuts, self.sources = model, cuts, sources
        self.probabilities = probabilities.double().cpu().numpy()
        n = len(self.probabilities)
        self.weights = edge_rows(model, cuts, sources, [logits])
        self.channels = [Channel.R] * n
        self.nodes = torch.arange(n)
        """Of each row: the number of a logit, or of what was chosen, behind the logits."""
        self.chosen: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        """Columns that have rows, after those of the logits."""

    def choose(self, most: int, progress: Callable[[int, int], None] | None = None) -> None:
        """Give rows to `most` units, or to all that there are."""
        wanted = min(most, self.sources.n_units)
        step = -(-wanted // STEPS) if wanted else 0
        while (n := len(self.chosen)) < wanted:
            if progress:
                progress(n, wanted)
            influence = self.influence()[: self.sources.n_units]
            influence[self.chosen] = -1
            order = np.argsort(-influence, kind="stable")[: min(step, wanted - n)]
            self._add(np.sort(order))

    def _add(self, columns: NDArray[np.intp]) -> None:
        reads: list[Reads] = []
        nodes: list[Tensor] = []
        node, row = len(self.probabilities) + len(self.chosen), 0
        for units in self.sources.units:
            mine = columns[(columns >= units.first) & (columns < units.first + len(units.index))]
            if not len(mine):
                continue
            index, cut = units.index[torch.from_numpy(mine - units.first)], units.cut
            position = cut.active.position[index]
            if isinstance(cut, Heads):
                found: dict[Channel, Tensor] = {
                    Channel(channel): each for channel, each in cut.readings(index).items()
                }
            else:
                found = {Channel.R: cut.readings(index)}
            for channel, vectors in found.items():
                rows = torch.arange(row, row + len(mine))
                row += len(mine)
                reads.append(Reads(cut.layer, cut.sublayer, rows, position, vectors))
                nodes.append(torch.arange(node, node + len(mine)))
                self.channels += [channel] * len(mine)
            node += len(mine)
        found_rows = edge_rows(self.model, self.cuts, self.sources, reads)
        self.weights = torch.cat([self.weights, found_rows])
        self.nodes = torch.cat([self.nodes, *nodes])
        self.chosen = np.concatenate([self.chosen, columns])

    def influence(self) -> NDArray[np.float64]:
        """Of every column on the logits, along the rows that are known."""
        n, size = len(self.probabilities), self.weights.abs()
        nodes = self.nodes.to(size.device)
        n_nodes = n + len(self.chosen)
        total = size.new_zeros(n_nodes).index_add(0, nodes, size.sum(1)).clamp(min=1e-10)
        start = size.new_zeros(n_nodes)
        start[:n] = torch.from_numpy(self.probabilities).to(start)
        between = size[:, torch.from_numpy(self.chosen).to(size.device)]
        flow, step = start.clone(), start
        while bool(step.any()):
            step = torch.cat([step.new_zeros(n), (step / total)[nodes] @ between])
            flow += step
        return ((flow / total)[nodes] @ size).double().cpu().numpy()
