"""An attribution graph in words: its prompt and scores, what matters most, by which paths."""

from __future__ import annotations

from collections.abc import Mapping

from graph_schema.documents import CircuitDocument, CircuitEdge, Component, ComponentKind
from graph_schema.documents.component import INPUTS
from graph_schema.printable import clipped
from graph_schema.reports.tables import fact_lines, number

PATHS = 3
PROMPT = 200
"""Characters of a prompt that are shown."""


def trace_text(circuit: CircuitDocument) -> str:
    """A trace as the end of its job tells it."""
    short = circuit.circuit_id[:12]
    return "\n".join(
        [
            fact_lines(
                [
                    ("circuit", circuit.circuit_id),
                    *trace_facts(circuit),
                    ("edges", f"{circuit.n_edges:,} of {circuit.n_edges_scored:,}"),
                    ("nodes", f"{len(circuit.node_names):,}"),
                    *(("note", note) for note in circuit.notes),
                ]
            ),
            "",
            path_lines(circuit),
            "",
            f"look at it: circuits show {short}",
            f"or on neuronpedia.org: circuits export {short} --format neuronpedia --out FILE.json",
        ]
    )


def trace_facts(circuit: CircuitDocument) -> list[tuple[str, str]]:
    """The prompt, what the model says, and the graph's scores, as far as they are known."""
    facts: list[tuple[str, str]] = []
    if circuit.prompt is not None:
        words = clipped(" ".join(circuit.prompt.text.split()), PROMPT)
        facts.append(("prompt", f"{words} ({len(circuit.prompt.tokens):,} tokens)"))
    said = [node for node in circuit.nodes if node.probability is not None]
    said.sort(key=lambda node: -(node.probability or 0.0))
    if said:
        words = (f"{node.label or node.token!r} {node.probability:.2f}" for node in said)
        facts.append(("says", ", ".join(words)))
    if (scores := circuit.graph_scores) is not None:
        of = "the pruned graph" if scores.pruned else "the whole graph"
        facts.append(("replacement", f"{scores.replacement:.4f}, of {of}"))
        facts.append(("completeness", f"{scores.completeness:.4f}"))
    return facts


def path_lines(circuit: CircuitDocument, top: int = PATHS) -> str:
    """From the likeliest logits back along the strongest edge into each node, to a token or error.

    A line a logit; numbers are the edges' weights.
    """
    into: dict[str, CircuitEdge] = {}
    for edge in circuit.edges:
        best = into.get(edge.receiver)
        if best is None or edge.strength > best.strength:
            into[edge.receiver] = edge
    logits = [node for node in circuit.nodes if node.probability is not None]
    logits.sort(key=lambda node: -(node.probability or 0.0))
    return "\n".join(_path(node.name, into, circuit) for node in logits[:top])


def _path(name: str, into: Mapping[str, CircuitEdge], circuit: CircuitDocument) -> str:
    words = _words(name, circuit)
    while (edge := into.get(name)) is not None:
        channel = f"<{edge.channel.value}>" if edge.channel.value != "r" else ""
        name = edge.sender
        words = f"{_words(name, circuit)} -{number(edge.score or 0.0)}-> {channel}{words}"
    return words


def _words(name: str, circuit: CircuitDocument) -> str:
    part = Component.parse(name)
    if part.kind is ComponentKind.LOGITS:
        labels = {node.name: node.label for node in circuit.nodes}
        return f"{name} {labels.get(name) or ''!r}"
    return f"{name} {circuit.token_at(name)!r}" if part.kind in INPUTS else name
