"""The `.pt` files of EAP-IG (arXiv:2403.17806) and MIB: the JSON's content as tensors.

`edges_scores` and `edges_in_graph` are matrices [sender, receiver] in the order of
`graph_schema.exchange.Layout`, `nodes_in_graph` a vector over senders. Files are read with
`weights_only`, so a pickled object in one is refused and never built. The sign is ours.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from graph_schema.documents import CircuitDocument, Edge, ScoreKind
from graph_schema.exchange import Exchanged, ExchangeError, Layout
from graph_schema.exchange.base import MAX_BYTES, make_edge
from graph_schema.exchange.eap_ig import cfg_of, layout_of

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def write_eap_ig_pt(circuit: CircuitDocument, scores: Mapping[str, float] | None = None) -> bytes:
    """The circuit as EAP-IG's `.pt`; the arguments are those of `write_eap_ig`.

    Raises:
        ExchangeError: A score is too large for float32, which EAP-IG holds.
    """
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
        matrix[row, column] = kept.score
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
        ExchangeError: No such file, a pickled object in it, a key missing, or matrices that do
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
    fields = cast("dict[str, object]", found)
    for key in ("cfg", "edges_scores", "edges_in_graph"):
        if key not in fields:
            raise ExchangeError(f"the key {key!r} is missing; found {', '.join(map(str, fields))}")
    layout = layout_of(fields["cfg"])
    scores = _matrix(fields["edges_scores"], layout, "edges_scores")
    if scores.dtype not in _FLOATS:
        raise ExchangeError(f"edges_scores is of {scores.dtype}; expected floating numbers")
    in_graph = _mask(_matrix(fields["edges_in_graph"], layout, "edges_in_graph"))
    _check_order(fields.get("src_nodes"), layout.senders, "src_nodes")
    _check_order(fields.get("dst_nodes"), layout.receiver_names, "dst_nodes")
    return _exchanged(layout, scores.double(), in_graph, score_kind)


def _exchanged(
    layout: Layout, scores: Tensor, in_graph: Tensor, score_kind: ScoreKind
) -> Exchanged:
    known: dict[str, float] = {}
    kept = []
    rows = {name: row for row, name in enumerate(layout.senders)}
    columns = {receiver: column for column, receiver in enumerate(layout.receivers)}
    outside = in_graph.clone()
    table, member = scores.tolist(), in_graph.tolist()
    for edge in layout.edges():
        row, column = rows[edge.sender], columns[edge.receiver, edge.channel]
        outside[row, column] = False
        score = table[row][column]
        if score == score:  # NaN: not scored
            known[edge.name] = score
        if member[row][column]:
            kept.append(
                make_edge(
                    edge.sender,
                    edge.receiver,
                    edge.channel,
                    score,
                    f"edge {edge.name!r}",
                    score_kind=score_kind,
                )
            )
    if bool(outside.any()):
        row, column = (int(place) for place in outside.nonzero()[0])
        raise ExchangeError(
            f"edges_in_graph holds {layout.senders[row]}->{layout.receiver_names[column]}, "
            "which runs backwards"
        )
    return Exchanged(tuple(kept), known, layout)


def _check_size(data: bytes) -> None:
    """Refuse what is too large, packed or not: a `.pt` is a zip file, and may be a bomb."""
    size = len(data)
    try:
        if zipfile.is_zipfile(file := io.BytesIO(data)):
            with zipfile.ZipFile(file) as parts:
                size = max(size, sum(part.file_size for part in parts.infolist()))
    except (zipfile.BadZipFile, ValueError) as error:
        raise ExchangeError(f"the file is not a .pt that torch can read: {error}") from error
    if size > MAX_BYTES:
        raise ExchangeError(f"the file has {size} bytes unpacked; expected at most {MAX_BYTES}")


def _matrix(value: object, layout: Layout, key: str) -> Tensor:
    shape = (len(layout.senders), len(layout.receivers))
    if not isinstance(value, Tensor) or tuple(value.shape) != shape:
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ExchangeError(f"{key} is {found}; expected a tensor {shape} for {layout.words}")
    if value.is_meta or value.layout != torch.strided:
        raise ExchangeError(f"{key} holds no values; expected a plain tensor")
    if value.untyped_storage().nbytes() < value.nbytes:
        # A view that repeats one number can claim any size.
        raise ExchangeError(f"{key} does not hold its own values; expected a plain tensor")
    return value


def _mask(value: Tensor) -> Tensor:
    """A matrix of members, from truth values or from 0 and 1."""
    if value.dtype is torch.bool:
        return value
    exact = value.dtype in (*_FLOATS, *_INTEGERS) and bool(((value == 0) | (value == 1)).all())
    if not exact:
        raise ExchangeError(
            f"edges_in_graph is of {value.dtype} and not of true and false, or 0 and 1, alone"
        )
    return value.bool()


def _check_order(value: object, expected: Sequence[str], key: str) -> None:
    """Rows and columns must stand for what we take them for."""
    if value is not None and value != list(expected):
        raise ExchangeError(f"{key} does not list {layout_words(expected)} in EAP-IG's order")


def layout_words(names: Sequence[str]) -> str:
    return f"{names[0]}, {names[1]}, ..., {names[-1]}"
