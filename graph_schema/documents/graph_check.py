"""What a validator finds of an attribution graph's file."""

from __future__ import annotations

from graph_schema.documents.base import Document
from graph_schema.documents.circuit import GraphScores


class GraphCheck(Document):
    """Whether a file is a graph that the published schema allows and that a circuit can hold.

    Attributes:
        complaints: What is wrong, each with its place; the first so many of `n_complaints`.
        notes: What a reader may want to know of a valid file.
        scan: The model that it names.
        n_errors: Nodes of what features miss.
        n_tokens: Of the prompt.
        scores: Of the graph as it is, which tools prune before they write it; None where it has no
            logit with a probability.
    """

    valid: bool
    complaints: tuple[str, ...] = ()
    n_complaints: int = 0
    notes: tuple[str, ...] = ()
    scan: str | None = None
    n_nodes: int | None = None
    n_links: int | None = None
    n_features: int | None = None
    n_errors: int | None = None
    n_logits: int | None = None
    n_tokens: int | None = None
    n_supernodes: int | None = None
    scores: GraphScores | None = None
