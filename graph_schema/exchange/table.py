"""A circuit's edges as comma-separated values, one a line, with a header.

`edge` is the name, for reading by eye, `hooks` the same edge between TransformerLens hooks, where
it has them. The reader takes `sender`, `receiver` and `channel`, and holds `hooks` to them; a file
that has `hooks` alone is read by these. An empty score is none. Where nodes are called something,
two more columns say what (behind an apostrophe where a spreadsheet would compute it), and where
edges were tested one more has it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from graph_schema.documents.circuit import CircuitDocument, CircuitEdge, NodeFigures
from graph_schema.documents.component import Component, Edge
from graph_schema.errors import SpecError
from graph_schema.exchange.base import (
    MAX_LABEL,
    Exchanged,
    ExchangeError,
    make_edge,
    scores_of,
    text_of,
    without_repeats,
)
from graph_schema.exchange.hooks import hook_edge, last_layer, read_hook_edge
from graph_schema.printable import as_cell, from_cell, quoted

COLUMNS = ("edge", "sender", "receiver", "channel", "score", "score_kind", "stability", "hooks")
LABELS = ("sender_label", "receiver_label")
EXACT = "exact"
_ENDS = ("sender", "receiver", "channel")


def write_csv(circuit: CircuitDocument) -> str:
    """The circuit's edges, in their order; numbers in full, so that they come back equal."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    labels = {node.name: node.label for node in circuit.nodes if node.label}
    exact = any(edge.exact is not None for edge in circuit.edges)
    writer.writerow([*COLUMNS, *(LABELS if labels else ()), *((EXACT,) if exact else ())])
    for edge in circuit.edges:
        score, stability, tested = (
            "" if value is None else repr(value)
            for value in (edge.score, edge.stability, edge.exact)
        )
        row = [edge.name, edge.sender, edge.receiver, edge.channel.value, score]
        hooks = _hooks(edge, circuit.model.n_layers)
        ends = (edge.sender, edge.receiver) if labels else ()
        called = [as_cell(labels.get(end, "")) for end in ends]
        more = [*called, *([tested] if exact else [])]
        writer.writerow([*row, edge.score_kind or "", stability, hooks, *more])
    return out.getvalue()


def _hooks(edge: CircuitEdge, n_layers: int) -> str:
    parts = [Component.parse(end) for end in (edge.sender, edge.receiver)]
    if any(part.fine or part.position is not None or part.index is not None for part in parts):
        return ""
    return hook_edge(Edge(edge.sender, edge.receiver, edge.channel), n_layers)


def read_csv(data: bytes) -> Exchanged:
    """Read edges back; columns may come in any order, and others are ignored.

    Raises:
        ExchangeError: A column or value is missing or wrong, or a line's hooks are another edge's;
            the message names the line.
    """
    text = text_of(data)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    edges: list[CircuitEdge] = []
    labels: dict[str, str] = {}
    last: int | None = None
    try:
        header = list(reader.fieldnames or ())
        _check_header(header)
        split = "hook_pos_embed" in text  # then hook_embed is the tokens' alone
        for row in reader:
            where = f"line {reader.line_num}"
            if None in row or None in row.values():
                raise ExchangeError(f"{where}: not as many values as the header has columns")
            try:
                edge = _edge(row, split)
            except SpecError as error:
                raise ExchangeError(f"{where}: {error}") from error
            if (layer := last_layer(row.get("hooks", ""))) is not None:
                if last is not None and layer != last:
                    raise ExchangeError(
                        f"{where}: hooks end in layer {layer}, those of an earlier line in layer "
                        f"{last}; only the last layer's hook_resid_post is the logits' input"
                    )
                last = layer
            edges.append(
                make_edge(
                    *edge,
                    row["score"] or None,
                    where,
                    score_kind=row.get("score_kind") or "estimate",
                    stability=row.get("stability") or None,
                    exact=row.get(EXACT) or None,
                )
            )
            _read_labels(row, edges[-1], labels, where)
    except csv.Error as error:
        raise ExchangeError(f"line {reader.line_num + 1}: {error}") from error
    kept = without_repeats(edges)
    sizes = {} if last is None else {"n_layers": last + 1}
    nodes = tuple(NodeFigures(name=name, label=label) for name, label in labels.items())
    return Exchanged(kept, scores_of(kept), sizes=sizes, nodes=nodes)


def _read_labels(
    row: Mapping[str, str], edge: CircuitEdge, labels: dict[str, str], where: str
) -> None:
    for end, column in zip((edge.sender, edge.receiver), LABELS, strict=True):
        label = from_cell(row.get(column, ""))[:MAX_LABEL]
        if label and labels.setdefault(end, label) != label:
            raise ExchangeError(
                f"{where}: {end} is called {quoted(label)}, and {quoted(labels[end])} above"
            )


def _check_header(header: Sequence[str]) -> None:
    by_hooks = "hooks" in header and not set(_ENDS) & set(header)
    for column in (*(("hooks",) if by_hooks else _ENDS), "score"):
        if column not in header:
            raise ExchangeError(f"line 1: no column {column!r}; expected {', '.join(COLUMNS)}")
    for column in (*COLUMNS, *LABELS, EXACT):
        if header.count(column) > 1:
            raise ExchangeError(f"line 1: column {column!r} comes twice; leave one out")


def _edge(row: Mapping[str, str], split: bool) -> tuple[str, str, str]:
    """Sender, receiver and channel of a line.

    Raises:
        SpecError: Its hooks are none, or another edge's.
    """
    hooks = row.get("hooks", "")
    if "sender" not in row:
        edge = read_hook_edge(hooks, None, split_embed=split)
        return edge.sender, edge.receiver, edge.channel.value
    ends = row["sender"], row["receiver"], row["channel"]
    if hooks:
        apart = row["sender"] in ("embed", "pos_embed")
        edge = read_hook_edge(hooks, None, split_embed=apart)
        if (edge.sender, edge.receiver, edge.channel.value) != ends:
            raise SpecError(
                f"hooks say {edge.name!r}, and sender, receiver and channel "
                f"{quoted('->'.join(ends[:2]))} on {quoted(ends[2])}; leave one of them out"
            )
    return ends
