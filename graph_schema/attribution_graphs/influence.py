"""How much each node of an attribution graph has to do with the logits.

As circuit-tracer defines it (Ameisen et al. 2025, "Circuit Tracing"; Hanna et al.'s open version):
|weights| into each node are made to sum to 1, R, and a node's influence is what of the logits'
probabilities flows back to it on all paths, p (R + R² + …).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graph_schema.errors import NumericsError, SpecError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST = 1e-10
"""What a node's incoming |weights| are divided by at least, as published."""
MOST_STEPS = 1_000
"""Links on the longest path that we follow; a model has far fewer sublayers."""


@dataclass(frozen=True)
class AttributionGraph:
    """Nodes and the direct effect of each on each, in any order of the nodes.

    Attributes:
        weights: [node, node], row = target, column = source; a `csr_array` in float64.
        probabilities: [node], what the model gives a logit node's token; 0 of all others.
        tokens: [node], which are embeddings of the prompt's tokens.
        errors: [node], which are what features miss.
        logits: [node], which are logits. What is none of the three is a feature.
    """

    weights: Any
    probabilities: Floats
    tokens: Bools
    errors: Bools
    logits: Bools

    @classmethod
    def of(
        cls, weights: Any, probabilities: Any, *, tokens: Any, errors: Any, logits: Any
    ) -> AttributionGraph:
        """A graph of a dense or sparse matrix, row = target.

        Raises:
            SpecError: The shapes do not fit, or a node is of two kinds.
            NumericsError: A weight or probability is not finite.
        """
        matrix: Any = sparse.csr_array(weights, dtype=np.float64)
        matrix.eliminate_zeros()
        chances = np.asarray(probabilities, dtype=np.float64)
        kinds = [np.asarray(kind, dtype=np.bool_) for kind in (tokens, errors, logits)]
        n = matrix.shape[0]
        if matrix.shape != (n, n) or any(part.shape != (n,) for part in (chances, *kinds)):
            shapes = [part.shape for part in (chances, *kinds)]
            raise SpecError(
                f"weights are {matrix.shape}, probabilities, tokens, errors and logits {shapes}; "
                "expected [node, node] and [node] each"
            )
        if (np.sum(kinds, axis=0) > 1).any():
            raise SpecError("a node is two of token, error and logit; expected one at most")
        if not (np.isfinite(matrix.data).all() and np.isfinite(chances).all()):
            raise NumericsError("a weight or probability of the graph is not finite")
        return cls(matrix, np.where(kinds[2], chances, 0.0), *kinds)

    @classmethod
    def of_links(
        cls,
        sources: Any,
        targets: Any,
        weights: Any,
        probabilities: Any,
        *,
        tokens: Any,
        errors: Any,
        logits: Any,
    ) -> AttributionGraph:
        """A graph of its links, [link] each; several between two nodes add up."""
        n = len(probabilities)
        ends = (np.asarray(targets, dtype=np.int64), np.asarray(sources, dtype=np.int64))
        matrix = sparse.coo_array((np.asarray(weights, dtype=np.float64), ends), shape=(n, n))
        return cls.of(matrix, probabilities, tokens=tokens, errors=errors, logits=logits)

    @property
    def features(self) -> Bools:
        """[node], which are none of tokens, errors and logits."""
        return ~(self.tokens | self.errors | self.logits)


def normalised(weights: Any) -> Any:
    """|weights| of each row divided by their sum (at least `LEAST`): shares of what a node reads.

    A `csr_array` [node, node], row = target.

    Raises:
        NumericsError: What a node reads sums to more than a float can hold.
    """
    size = abs(sparse.csr_array(weights))
    with np.errstate(over="ignore"):
        total = np.maximum(np.asarray(size.sum(axis=1)).reshape(-1), LEAST)
    if not np.isfinite(total).all():
        raise NumericsError("|weights| into a node sum to more than a float can hold")
    return sparse.csr_array(sparse.diags_array(1 / total) @ size)


def through(shares: Any, start: Floats) -> Floats:
    """What of `start` flows back to each node on all paths: start (R + R² + …), [node].

    Raises:
        SpecError: The graph has a cycle, or a path of more than `MOST_STEPS` links.
    """
    back = sparse.csr_array(shares.T)
    step = back @ start
    found = step.copy()
    for _ in range(MOST_STEPS):
        if not step.any():
            return found
        step = back @ step
        found += step
    raise SpecError(
        f"influence still flows after {MOST_STEPS:,} links: the graph has a cycle; expected links "
        "from earlier nodes to later ones"
    )


def node_influence(graph: AttributionGraph) -> Floats:
    """How much of the logits' probabilities flows back to each node, [node]."""
    return through(normalised(graph.weights), graph.probabilities)


def cumulative_shares(influence: Floats) -> Floats:
    """The share of all influence of the nodes with at least as much as each, [node].

    What circuit-tracer writes into its files as `influence`: small for what matters most, so that
    the nodes at or under a threshold are those that pruning at it keeps.
    """
    order = np.argsort(-influence, kind="stable")
    total = influence.sum()
    shares = np.zeros_like(influence)
    shares[order] = np.cumsum(influence[order]) / (total if total > 0 else 1.0)
    return shares
