"""What EAP-IG's files say beyond edges: circuits of nodes and of neurons, and files without scores.

At the level of *nodes* a file has a score for each node, and its circuit has every edge between the
nodes chosen. At the level of *neurons* (coordinates of what a node writes) an edge carries only the
neurons that are in; a circuit here carries all that its senders write. EAP-IG writes 0 where no
edge was scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from graph_schema.documents.circuit import CircuitEdge
from graph_schema.models.layout import Layout


def edge_scores(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores by edge; none where all are 0, as EAP-IG has them before anything is scored."""
    return dict(scores) if any(scores.values()) else {}


def without_scores(edges: Iterable[CircuitEdge]) -> tuple[CircuitEdge, ...]:
    """The edges of a file that scores none."""
    nothing = {"score": None, "score_kind": None}
    return tuple(edge.model_copy(update=nothing) for edge in edges)


def missing_neurons(masks: Mapping[str, Sequence[bool]], edges: Iterable[CircuitEdge]) -> str:
    """Why a circuit is one of neurons; empty where every sender's are all in.

    Args:
        masks: Which of a sender's neurons are in, by its name; no mask at all is no restriction.
        edges: The circuit's.
    """
    senders = list(dict.fromkeys(edge.sender for edge in edges))
    if not masks:
        return ""
    for name in senders:
        if name not in masks:
            return (
                f"the file's circuit is of neurons, and does not say which of {name!r} are in it; "
                f"{_NEXT}"
            )
    partial = [name for name in senders if not all(masks[name])]
    if not partial:
        return ""
    name = partial[0]
    return (
        f"the file's circuit is of neurons: {sum(masks[name])} of the {len(masks[name])} that "
        f"{name!r} writes are in it, and not all of {len(partial)} of {len(senders)} senders; "
        f"{_NEXT}"
    )


_NEXT = (
    "a circuit here carries all that a sender writes: write the file at the level of edges, or "
    "choose by its edges' scores with --edges N or --threshold X"
)


def node_note(
    layout: Layout,
    nodes: Mapping[str, bool],
    node_scores: Mapping[str, float],
    kept: Sequence[CircuitEdge],
    scores: Mapping[str, float],
) -> tuple[str, ...]:
    """That a file is of nodes, where it scores nodes and no edge."""
    scored = any(score for score in node_scores.values() if not math.isnan(score))
    if scores or not scored:
        return ()
    inside = {name for name, member in nodes.items() if member} | {"logits"}
    between = {edge.name for edge in layout.edges() if {edge.sender, edge.receiver} <= inside}
    how = "every edge" if {edge.name for edge in kept} == between else f"{len(kept):,} edges"
    return (
        f"the file is of nodes: {len(inside) - 1} of {len(layout.senders)} senders are in its "
        f"circuit, with {how} between them; it scores nodes, no edge",
    )
