"""Circuits of made models for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from graph_schema.documents import Channel, CircuitDocument, CircuitEdge, ScoreKind
from graph_schema.documents.model import ModelDocument
from graph_schema.documents.wiring import check_edge
from graph_schema.errors import SpecError
from graph_schema.exchange import Layout
from tests.factories import make_circuit, make_model

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LAYOUTS = st.builds(Layout, st.integers(1, 3), st.integers(1, 3), st.booleans())
FEATURES = [
    ("m0.n17", "m1.f1024", Channel.R),
    ("a0.f7", "m1.error", Channel.R),
    ("a0.h0.f12", "a1.h0.f3", Channel.K),
    ("embed", "a0.h0", Channel.Q),
    ("pos_embed", "a0.h0", Channel.Q),
]


def model_of(layout: Layout, **changes: Any) -> ModelDocument:
    return make_model(
        n_layers=layout.n_layers,
        n_heads=layout.n_heads,
        n_kv_heads=layout.n_heads,
        n_edges=layout.n_edges,
        **changes,
    )


@st.composite
def circuits(draw: st.DrawFn, *, features: bool = False) -> CircuitDocument:
    """Any edges of any small model, any finite scores; with `features`, finer nodes too."""
    layout = draw(LAYOUTS)
    possible = [(edge.sender, edge.receiver, edge.channel) for edge in layout.edges()]
    model = model_of(layout)
    possible += [edge for edge in FEATURES if features and _fits(edge, model)]
    chosen = draw(st.lists(st.sampled_from(possible), unique=True, max_size=12))
    edges = tuple(
        CircuitEdge(
            sender=sender,
            receiver=receiver,
            channel=channel,
            score=draw(FINITE),
            score_kind=draw(st.sampled_from(ScoreKind)),
            stability=draw(st.none() | st.floats(0, 1)),
            exact=draw(st.none() | FINITE),
        )
        for sender, receiver, channel in chosen
    )
    return make_circuit(edges, model=model)


def _fits(edge: tuple[str, str, Channel], model: ModelDocument) -> bool:
    try:
        check_edge(*edge, model)
    except SpecError:
        return False
    return True
