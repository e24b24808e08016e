"""Whether a file is a valid graph, with every complaint's place."""

from __future__ import annotations

from collections import Counter

from graph_schema.documents import GraphCheck
from graph_schema.exchange.base import ExchangeError
from graph_schema.exchange.neuronpedia.examining import examined, shown
from graph_schema.exchange.neuronpedia.naming import EMBEDDING, ERRORS, LOGIT
from graph_schema.exchange.neuronpedia.opening import opened
from graph_schema.exchange.neuronpedia.reading import groups_of, scores_of_graph


def check_graph(data: bytes) -> GraphCheck:
    """What is wrong with a graph file, or what it holds.

    Held to the published schema, and to what a circuit can be: ids once each, links between nodes
    of the file and forwards, a component for every node.
    """
    try:
        found = examined(opened(data))
    except ExchangeError as error:
        return GraphCheck(valid=False, complaints=(str(error),), n_complaints=1)
    if found.complaints.n:
        told = tuple(found.complaints.told)
        return GraphCheck(valid=False, complaints=told, n_complaints=found.complaints.n)
    notes: list[str] = []
    kinds = Counter(node["feature_type"] for node in found.nodes)
    n_errors = sum(kinds[kind] for kind in ERRORS)
    if not found.links:
        notes.append("the graph has no links, so that it is no circuit")
    return GraphCheck(
        valid=True,
        scan=shown(found.metadata["scan"]),
        n_nodes=len(found.nodes),
        n_links=len(found.links),
        n_features=len(found.nodes) - n_errors - kinds[EMBEDDING] - kinds[LOGIT],
        n_errors=n_errors,
        n_logits=kinds[LOGIT],
        n_tokens=len(found.metadata["prompt_tokens"]),
        n_supernodes=len(groups_of(found, notes)),
        scores=scores_of_graph(found, notes),
        notes=tuple(notes),
    )
