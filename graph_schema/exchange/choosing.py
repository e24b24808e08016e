"""A circuit chosen from the scores of a file: what EAP-IG and MIB do after reading one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graph_schema.documents.circuit import CircuitEdge
from graph_schema.documents.component import (
    INPUTS,
    UNNAMED,
    Channel,
    Component,
    ComponentKind,
    Edge,
)
from graph_schema.documents.method import AnySelection, Ranking, ScoreKind, Threshold
from graph_schema.exchange.base import Exchanged, ExchangeError


def chosen(found: Exchanged, selection: AnySelection) -> Exchanged:
    """The file with the circuit that `selection` picks by its scores, dead ends left out.

    By the same rule as after a discovery: the best n or those of at least a threshold, by |score|
    or the signed one; among equals the first in the order of the model's edges. A note says what
    became of the circuit that the file had.

    Raises:
        ExchangeError: The file scores no edge, or nothing is kept.
    """
    if not found.scores:
        why = "".join(f" ({note})" for note in found.notes)
        raise ExchangeError(
            f"the file scores no edge{why}, so {_asked(selection)} cannot choose; expected a score "
            "for each edge"
        )
    ordered = {name: found.scores[name] for name in _order(found) if name in found.scores}
    strength = {name: _strength(score, selection.by) for name, score in ordered.items()}
    if isinstance(selection, Threshold):
        picked = {name for name, value in strength.items() if value >= selection.threshold}
    else:
        best = sorted(strength, key=lambda name: -strength[name])
        picked = set(best[: selection.n_edges])
    kept = on_a_path(Edge.parse(name) for name in ordered if name in picked)
    if not kept:
        largest = max(strength.values())
        raise ExchangeError(
            f"{_asked(selection)} keeps nothing: {len(picked)} of {len(strength):,} edges are "
            f"chosen, none lies on a path from the input to the logits (the largest score is "
            f"{largest:.3g}); keep more"
        )
    dead = len(picked) - len(kept)
    notes = [f"{dead} of {len(picked)} edges were dead ends and are left out"] if dead else []
    if found.edges or found.unread:
        notes.append("chosen by the file's scores; the circuit that it had is left")
    edges = tuple(
        CircuitEdge(
            sender=edge.sender,
            receiver=edge.receiver,
            channel=Channel(edge.channel),
            score=ordered[edge.name],
            score_kind=ScoreKind.ESTIMATE,
        )
        for edge in kept
    )
    ends = {end for edge in edges for end in (edge.sender, edge.receiver)}
    return replace(
        found,
        edges=edges,
        notes=tuple(notes),
        unread="",
        nodes=tuple(node for node in found.nodes if node.name in ends),
        graph_scores=None,  # those of the file's own graph
    )


def on_a_path(edges: Iterable[Edge]) -> list[Edge]:
    """Those edges that lie on a path of them from an input to the logits.

    In an attribution graph errors, and what no feature stands for, are where paths begin as well.
    """
    given = list(edges)
    by_sender = sorted(given, key=lambda edge: _depth(edge.sender))
    read = {edge.receiver for edge in given}
    reached = {edge.sender for edge in given if _begins(edge.sender, edge.sender in read)}
    for edge in by_sender:
        if edge.sender in reached:
            reached.add(edge.receiver)
    live = {each for each in read if Component.parse(each).kind is ComponentKind.LOGITS}
    for edge in reversed(by_sender):
        if edge.receiver in live:
            live.add(edge.sender)
    return [edge for edge in given if edge.sender in reached and edge.receiver in live]


def _begins(sender: str, reads: bool) -> bool:
    part = Component.parse(sender)
    leaf = part.kind in UNNAMED and part.position is not None and not reads
    return part.kind in INPUTS or leaf


def _order(found: Exchanged) -> Iterable[str]:
    """Edges in the order of the model's, where the file says its sizes, else in its own."""
    if found.layout is None:
        return found.scores
    return (edge.name for edge in found.layout.edges())


def _strength(score: float, by: Ranking) -> float:
    return abs(score) if by == "abs" else score


def _asked(selection: AnySelection) -> str:
    if isinstance(selection, Threshold):
        return f"--threshold {selection.threshold:g}"
    return f"--edges {selection.n_edges}"


def _depth(component: str) -> tuple[int, int]:
    """Where a component stands in the forward pass; a layer's MLP comes after its heads."""
    part = Component.parse(component)
    if part.kind is ComponentKind.LOGITS:
        return (2**31, 0)
    return (-1, 0) if part.layer is None else (part.layer, int(part.name.startswith("m")))
