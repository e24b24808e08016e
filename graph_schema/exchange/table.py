"""A circuit's edges as comma-separated values, one a line, with a header.

`edge` is the name, for reading by eye, `hooks` the same edge between TransformerLens hooks, where
it has them; the reader takes `sender`, `receiver` and `channel`.
"""

from __future__ import annotations

import csv
import io

from graph_schema.documents.circuit import CircuitDocument, CircuitEdge
from graph_schema.documents.component import Component, Edge
from graph_schema.exchange.base import Exchanged, ExchangeError, make_edge, text_of, without_repeats
from graph_schema.exchange.hooks import hook_edge

COLUMNS = ("edge", "sender", "receiver", "channel", "score", "score_kind", "stability", "hooks")
_NEEDED = ("sender", "receiver", "channel", "score")


def write_csv(circuit: CircuitDocument) -> str:
    """The circuit's edges, in their order; numbers in full, so that they come back equal."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for edge in circuit.edges:
        stability = "" if edge.stability is None else repr(edge.stability)
        row = [edge.name, edge.sender, edge.receiver, edge.channel.value, repr(edge.score)]
        hooks = _hooks(edge, circuit.model.n_layers)
        writer.writerow([*row, edge.score_kind.value, stability, hooks])
    return out.getvalue()


def _hooks(edge: CircuitEdge, n_layers: int) -> str:
    if any(Component.parse(end).fine for end in (edge.sender, edge.receiver)):
        return ""
    return hook_edge(Edge(edge.sender, edge.receiver, edge.channel), n_layers)


def read_csv(data: bytes) -> Exchanged:
    """Read edges back; columns may come in any order, and others are ignored.

    Raises:
        ExchangeError: A column or value is missing or wrong; the message names the line.
    """
    reader = csv.DictReader(io.StringIO(text_of(data), newline=""), strict=True)
    edges: list[CircuitEdge] = []
    try:
        for column in _NEEDED:
            if column not in (reader.fieldnames or ()):
                raise ExchangeError(f"line 1: no column {column!r}; expected {', '.join(COLUMNS)}")
        for column in COLUMNS:
            if list(reader.fieldnames or ()).count(column) > 1:
                raise ExchangeError(f"line 1: column {column!r} comes twice; leave one out")
        for row in reader:
            where = f"line {reader.line_num}"
            if None in row or None in row.values():
                raise ExchangeError(f"{where}: not as many values as the header has columns")
            edges.append(
                make_edge(
                    row["sender"],
                    row["receiver"],
                    row["channel"],
                    row["score"],
                    where,
                    score_kind=row.get("score_kind") or "estimate",
                    stability=row.get("stability") or None,
                )
            )
    except csv.Error as error:
        raise ExchangeError(f"line {reader.line_num + 1}: {error}") from error
    kept = without_repeats(edges)
    return Exchanged(kept, {edge.name: edge.score for edge in kept})
