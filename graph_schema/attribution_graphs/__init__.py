"""Attribution graphs of one prompt: influence on the logits, pruning and scores, as published."""

from graph_schema.attribution_graphs.influence import (
    AttributionGraph,
    cumulative_shares,
    node_influence,
    normalised,
    through,
)
from graph_schema.attribution_graphs.pruning import Pruned, pruned
from graph_schema.attribution_graphs.scores import graph_scores

__all__ = [
    "AttributionGraph",
    "Pruned",
    "cumulative_shares",
    "graph_scores",
    "node_influence",
    "normalised",
    "pruned",
    "through",
]
