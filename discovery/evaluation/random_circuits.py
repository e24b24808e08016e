"""Random circuits to compare with: unions of random paths from input to logits, under two rules.

`walks` go to a next node drawn uniformly, as Shi et al. (2024, arXiv:2410.13032) draw theirs; a
head's query, key and value inputs are nodes of their own. `paths` are drawn uniformly among all
paths, most of which are long: of 45 edges at 30 layers of 9 heads, where a walk has 5 or 6.

A path is one of query heads' inputs. Where keys and values of several are patched together, each of
its edges brings the others of its group, as in a circuit, so that all are kept or none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import BoolMatrix, Graph
from graph_schema.documents.evaluation import PathRule

PATIENCE = 200
"""Paths in a row that bring no new edge that fits before a circuit is left as it is."""

Joint = tuple[int, tuple[int, ...]]
"""A sender and the receivers that drop it together: most often one."""


class PathSampler:
    """Draws paths from an input to the logits by a rule."""

    def __init__(self, graph: Graph, rule: PathRule) -> None:
        self._graph, self.rule = graph, rule
        self._longest = 2 * graph.n_layers + 1
        onward = _onward(graph)
        n_next = onward.sum(axis=1) + 1  # and the logits
        share = n_next if rule == "walks" else np.ones(graph.n_senders)
        self._onward = onward / share[:, None]
        self._unit = {receiver: unit for unit in graph.units for receiver in unit}
        # ways[s, n]: paths of exactly n edges from sender s to the logits, or their probability.
        ways = np.zeros((graph.n_senders, self._longest + 1))
        ways[:, 1] = 1 / share
        for n in range(2, self._longest + 1):
            ways[:, n] = self._onward @ ways[:, n - 1]
        self._ways = ways

    def path(self, rng: np.random.Generator, longest: int | None = None) -> list[Joint]:
        """A path's edges, each with its group's; by the rule among paths of at most `longest`."""
        graph = self._graph
        most = min(longest or self._longest, self._longest)
        starts = self._ways[: graph.n_inputs, 1 : most + 1]
        drawn = int(rng.choice(starts.size, p=(starts / starts.sum()).ravel()))
        sender, length = drawn // starts.shape[1], drawn % starts.shape[1] + 1
        edges: list[Joint] = []
        while length > 1:
            weights = self._onward[sender] * self._ways[:, length - 1]
            follower = int(rng.choice(graph.n_senders, p=weights / weights.sum()))
            # A head is reached by its query, key or value input alike.
            receivers = np.flatnonzero((graph.writer == follower) & graph.upstream[sender])
            edges.append((sender, self._unit[int(rng.choice(receivers))]))
            sender, length = follower, length - 1
        return [*edges, (sender, (graph.logits,))]

    def circuit(self, n_edges: int, rng: np.random.Generator) -> BoolMatrix:
        """A union of random paths with `n_edges` edges, or the few less that paths allow.

        Groups count as all of their edges, as in a circuit's `n_edges`.
        """
        kept, count, waited = self._graph.none(), 0, 0
        while count < n_edges and waited < PATIENCE:
            room, new = n_edges - count, list[Joint]()
            # A path that brings too much gives way to one that may fit, then to one that does even
            # if all of its edges but the last bring a group.
            for longest in (None, room, (room - 1) // self._graph.kv_group + 1):
                new = [edge for edge in self.path(rng, longest) if not kept[edge[0], edge[1][0]]]
                if sum(len(unit) for _, unit in new) <= room:
                    break
            for sender, unit in new:
                kept[sender, unit] = True
                count += len(unit)
            waited = 0 if new else waited + 1
        return kept


def random_circuits(graph: Graph, n_edges: int, n: int, seed: int) -> list[BoolMatrix]:
    """`n` unions of walks with `n_edges` edges: what a circuit of that size is held against."""
    rng, sampler = np.random.default_rng(seed), PathSampler(graph, "walks")
    return [sampler.circuit(n_edges, rng) for _ in range(n)]


def _onward(graph: Graph) -> NDArray[np.float64]:
    """[sender, sender]: how many edges lead from one component to the next."""
    found = np.zeros((graph.n_senders, graph.n_senders))
    senders, receivers = graph.edges
    inside = receivers != graph.logits
    np.add.at(found, (senders[inside], graph.writer[receivers[inside]]), 1)
    return found
