"""The `.pt` files of EAP-IG (arXiv:2403.17806) and MIB: the JSON's content as tensors.

`edges_scores` and `edges_in_graph` are matrices [sender, receiver] in the order of
`graph_schema.exchange.Layout`, of which one may be missing; `nodes_in_graph` and `nodes_scores` are
vectors over senders, `neurons_in_graph` a matrix [sender, d_model]. A cell of a matrix that is no
edge of the model is ignored: a circuit of nodes marks all cells between them. Files are read with
`weights_only`, so a pickled object in one is refused and never built. The sign is ours.
"""

from __future__ import annotations

import io
import math
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from graph_schema.documents import CircuitDocument, CircuitEdge, Edge, ScoreKind
from graph_schema.exchange import Exchanged, ExchangeError, Layout
from graph_schema.exchange.base import MAX_BYTES, make_edge, number
from graph_schema.exchange.eap_ig import cfg_of, check_whole, layout_of, sizes_of
from graph_schema.exchange.levels import edge_scores, missing_neurons, node_note, without_scores
from graph_schema.printable import quoted

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def write_eap_ig_pt(circuit: CircuitDocument, scores: Mapping[str, float] | None = None) -> bytes:
    """The circuit as EAP-IG's `.pt`; the arguments are those of `write_eap_ig`.

    Raises:
        ExchangeError: A score is too large for float32, which EAP-IG holds.
        SpecError: As `write_eap_ig`.
    """
    check_whole(circuit)
    layout = Layout.of(circuit.model)
    rows = {name: row for row, name in enumerate(layout.senders)}
    columns = {receiver: column for column, receiver in enumerate(layout.receivers)}
    shape = (len(rows), len(columns))
    matrix = torch.zeros(shape, dtype=torch.float64)
    in_graph = torch.zeros(shape, dtype=torch.bool)
    nodes = torch.zeros(len(rows), dtype=torch.bool)
    for name, score in (scores or {}).items():
        edge = Edge.parse(name)
        layout.check(edge)
        matrix[rows[edge.sender], columns[edge.receiver, edge.channel]] = score
    for kept in circuit.edges:
        layout.check(Edge(kept.sender, kept.receiver, kept.channel))
        row, column = rows[kept.sender], columns[kept.receiver, kept.channel]
        matrix[row, column] = kept.score or 0.0
        in_graph[row, column] = True
        nodes[row] = True
        if kept.receiver in rows:
            nodes[rows[kept.receiver]] = True
    # EAP-IG holds float32; a score written here loses the digits beyond that.
    single = matrix.float()
    if outside := (~single.isfinite()).nonzero().tolist():
        row, column = outside[0]
        edge = f"{layout.senders[row]}->{layout.receiver_names[column]}"
        raise ExchangeError(
            f"edge {edge} has score {matrix[row, column]:g}, too large for the float32 of "
            "eap-ig-pt; write another format"
        )
    out = io.BytesIO()
    torch.save(
        {
            "cfg": cfg_of(layout, circuit.model.d_model),
            "src_nodes": list(layout.senders),
            "dst_nodes": list(layout.receiver_names),
            "edges_scores": single,
            "edges_in_graph": in_graph,
            "nodes_in_graph": nodes,
        },
        out,
    )
    return out.getvalue()


def read_eap_ig_pt(data: bytes, *, score_kind: ScoreKind = ScoreKind.ESTIMATE) -> Exchanged:
    """Read EAP-IG's or MIB's `.pt`.

    Raises:
        ExchangeError: No such file, a pickled object in it, a key missing, or a tensor that does
            not have the shape of the sizes given.
    """
    _check_size(data)
    try:
        with warnings.catch_warnings():
            # Of another pickle protocol torch warns, then reads or refuses it all the same.
            warnings.simplefilter("ignore", UserWarning)
            file = io.BytesIO(data)
            found = cast(object, torch.load(file, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise ExchangeError(
            "the file holds pickled objects, which can run code, or is damaged: it is not read; "
            "expected plain tensors, lists and numbers as EAP-IG writes them"
        ) from error
    except Exception as error:  # a damaged file ends in nearly any of Python's errors
        first = str(error).partition("\n")[0]
        raise ExchangeError(f"the file is not a .pt that torch can read: {first}") from error
    if not isinstance(found, dict):
        raise ExchangeError("the file is not EAP-IG's: expected a dict with cfg and edges_scores")
    return _exchanged(cast("dict[str, object]", found), score_kind)


def _exchanged(fields: Mapping[str, object], score_kind: ScoreKind) -> Exchanged:
    if "cfg" not in fields or not {"edges_scores", "edges_in_graph"} & fields.keys():
        raise ExchangeError(
            "the file is not EAP-IG's: expected cfg and edges_scores, edges_in_graph or both; "
            f"found {', '.join(quoted(key) for key in list(fields)[:8])}"
        )
    sizes = sizes_of(fields["cfg"])
    layout = layout_of(sizes)
    _check_order(fields.get("src_nodes"), layout.senders, "src_nodes")
    _check_order(fields.get("dst_nodes"), layout.receiver_names, "dst_nodes")
    kept, given = _edges(fields, layout, score_kind)
    n_senders, d_model = len(layout.senders), sizes.get("d_model")
    members = _vector(fields.get("nodes_in_graph"), n_senders, "nodes_in_graph")
    strengths = _vector(fields.get("nodes_scores"), n_senders, "nodes_scores")
    neurons = fields.get("neurons_in_graph")
    masks = {}
    if neurons is not None:
        tensor = _tensor(neurons, (n_senders, d_model), "neurons_in_graph", layout)
        masks = dict(zip(layout.senders, _mask(tensor, "neurons_in_graph").tolist(), strict=True))
    scores = edge_scores(given)
    return Exchanged(
        kept if scores else without_scores(kept),
        scores,
        layout,
        sizes=sizes,
        notes=node_note(
            layout,
            {name: bool(value) for name, value in zip(layout.senders, members, strict=False)},
            dict(zip(layout.senders, strengths, strict=False)),
            kept,
            scores,
        ),
        unread=missing_neurons(masks, kept),
    )


def _edges(
    fields: Mapping[str, object], layout: Layout, score_kind: ScoreKind
) -> tuple[tuple[CircuitEdge, ...], dict[str, float]]:
    """The edges of the circuit, and the score of every edge that has one."""
    shape = (len(layout.senders), len(layout.receivers))
    table: list[list[float]] | None = None
    member: list[list[bool]] | None = None
    if (scores := fields.get("edges_scores")) is not None:
        matrix = _tensor(scores, shape, "edges_scores", layout)
        if matrix.dtype not in _FLOATS:
            raise ExchangeError(f"edges_scores is of {matrix.dtype}; expected floating numbers")
        table = matrix.double().tolist()
    if (in_graph := fields.get("edges_in_graph")) is not None:
        matrix = _tensor(in_graph, shape, "edges_in_graph", layout)
        member = _mask(matrix, "edges_in_graph").tolist()
    rows = {name: row for row, name in enumerate(layout.senders)}
    columns = {receiver: column for column, receiver in enumerate(layout.receivers)}
    kept: list[CircuitEdge] = []
    known: dict[str, float] = {}
    for edge in layout.edges():
        row, column = rows[edge.sender], columns[edge.receiver, edge.channel]
        score = None if table is None else table[row][column]
        inside = member is not None and member[row][column]
        if score is not None and math.isnan(score) and not inside:
            continue  # not scored
        where = f"edge {edge.name!r}"
        if score is not None:
            known[edge.name] = number(score, f"{where}: score")
        if inside:
            ends = (edge.sender, edge.receiver, edge.channel)
            kept.append(make_edge(*ends, score, where, score_kind=score_kind))
    return tuple(kept), known


def _check_size(data: bytes) -> None:
    """Refuse what is too large, packed or not: a `.pt` is a zip file, and may be a bomb."""
    size = len(data)
    try:
        if zipfile.is_zipfile(file := io.BytesIO(data)):
            with zipfile.ZipFile(file) as parts:
                size = max(size, sum(part.file_size for part in parts.infolist()))
    except Exception as error:  # as below
        raise ExchangeError(f"the file is not a .pt that torch can read: {error}") from error
    if size > MAX_BYTES:
        raise ExchangeError(f"the file has {size} bytes unpacked; expected at most {MAX_BYTES}")


def _tensor(value: object, shape: tuple[int | None, ...], key: str, layout: Layout) -> Tensor:
    """A tensor of this shape that holds its own values; None stands for any size."""
    found = tuple(value.shape) if isinstance(value, Tensor) else None
    if not isinstance(value, Tensor) or found is None or not _alike(found, shape):
        told = type(value).__name__ if found is None else found
        raise ExchangeError(f"{key} is {told}; expected a tensor {shape} for {layout.words}")
    if value.is_meta or value.layout != torch.strided:
        raise ExchangeError(f"{key} holds no values; expected a plain tensor")
    if value.untyped_storage().nbytes() < value.nbytes:
        # A view that repeats one number can claim any size.
        raise ExchangeError(f"{key} does not hold its own values; expected a plain tensor")
    return value


def _alike(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(found) == len(shape) and all(
        size is None or size == own for own, size in zip(found, shape, strict=True)
    )


def _vector(value: object, n: int, key: str) -> list[float]:
    """A value for each sender; empty where the file has none."""
    if value is None:
        return []
    if not isinstance(value, Tensor) or tuple(value.shape) != (n,) or value.is_complex():
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ExchangeError(f"{key} is {found}; expected a tensor ({n},) of numbers")
    if value.is_meta or value.layout != torch.strided or value.is_quantized:
        raise ExchangeError(f"{key} holds no values; expected a plain tensor")
    return value.double().tolist()


def _mask(value: Tensor, key: str) -> Tensor:
    """A tensor of members, from truth values or from 0 and 1."""
    if value.dtype is torch.bool:
        return value
    exact = value.dtype in (*_FLOATS, *_INTEGERS) and bool(((value == 0) | (value == 1)).all())
    if not exact:
        raise ExchangeError(
            f"{key} is of {value.dtype} and not of true and false, or 0 and 1, alone"
        )
    return value.bool()


def _check_order(value: object, expected: Sequence[str], key: str) -> None:
    """Rows and columns must stand for what we take them for."""
    if value is not None and value != list(expected):
        raise ExchangeError(f"{key} does not list {layout_words(expected)} in EAP-IG's order")


def layout_words(names: Sequence[str]) -> str:
    return f"{names[0]}, {names[1]}, ..., {names[-1]}"
