"""How much of the logits an attribution graph accounts for by features instead of by errors."""

from __future__ import annotations

import numpy as np

from graph_schema.attribution_graphs.influence import AttributionGraph, normalised, through
from graph_schema.documents import GraphScores
from graph_schema.errors import SpecError


def graph_scores(graph: AttributionGraph, *, pruned: bool = False) -> GraphScores:
    """Replacement and completeness as circuit-tracer defines them, both from 0 to 1.

    With I a node's influence, p a logit's probability and R the shares of what a node reads:
    replacement is I(tokens) / (I(tokens) + I(errors)), completeness the mean over nodes of the
    share that is not read from errors, weighted by I + p.

    Args:
        graph: The whole graph, before anything is pruned, for figures that compare with published.
        pruned: Whether it is not whole; only said on.

    Raises:
        SpecError: No influence reaches a token or an error, or the graph has a cycle.
    """
    shares = normalised(graph.weights)
    influence = through(shares, graph.probabilities)
    tokens, errors = influence[graph.tokens].sum(), influence[graph.errors].sum()
    if not tokens + errors > 0:
        raise SpecError(
            "no path leads from a token or an error to a logit with a probability, so the graph "
            "has no scores"
        )
    flow = influence + graph.probabilities
    explained = 1 - shares @ graph.errors.astype(np.float64)
    return GraphScores(
        replacement=float(tokens / (tokens + errors)),
        completeness=float((explained * flow).sum() / flow.sum()),
        pruned=pruned,
    )
