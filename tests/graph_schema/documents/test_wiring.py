"""A circuit's edges are its model's: names, places and channels, of heads and of their parts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from graph_schema.documents import ModelDocument, Occurrence
from graph_schema.documents.component import Edge
from graph_schema.documents.wiring import check_edge
from graph_schema.errors import SpecError
from graph_schema.exchange import Layout
from tests.factories import INDUCTION_EDGES, make_circuit, make_edges, make_model


def model(parallel: bool = False, split: bool = False) -> ModelDocument:
    return make_model(n_edges=Layout(2, 4, parallel, split).n_edges)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_every_edge_of_the_layout_is_one_and_no_other(parallel: bool, split: bool) -> None:
    layout, of = Layout(2, 4, parallel, split), model(parallel, split)
    there = {edge.name for edge in layout.edges()}
    found: set[str] = set()
    for sender in (*layout.senders, "input", "embed", "logits", "m2", "a0.h4"):
        for receiver, channel in layout.receivers:
            try:
                check_edge(sender, receiver, channel, of)
            except SpecError:
                continue
            found.add(Edge(sender, receiver, channel).name)
    assert found == there


@pytest.mark.parametrize(
    ("sender", "receiver", "channel", "said"),
    [
        ("banana", "m1", "r", "component 'banana' is not a name we know"),
        ("m0", "banana", "r", "component 'banana' is not a name we know"),
        ("logits", "m1", "r", "the logits send nothing"),
        ("m0", "input", "r", "input reads nothing"),
        ("m0", "a1.h2", "r", "say which input: a1.h2<q>"),
        ("m0", "m1", "q", "m1 has no q input"),
        ("embed", "m1", "r", "sends input, not embed"),
        ("m2", "logits", "r", "'m2' is beyond the 2 layers and 4 heads"),
        ("m1", "a1.h2", "q", "runs backwards: 'm1' comes later"),
        ("a1.h0", "a1.h2", "q", "runs backwards"),
        ("m0.f1", "m0.f2", "r", "runs backwards"),
        ("m0.n64", "m1", "r", "'m0.n64' is beyond the 64 neurons of m0"),
    ],
)
def test_an_edge_that_the_model_lacks_is_refused(
    sender: str, receiver: str, channel: str, said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        make_circuit(make_edges([(sender, receiver, channel, 1.0)]), model=model())


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [("a1.h0", "m1"), ("a1.h0.f3", "m1.f2"), ("a1.h0", "m1.n2"), ("a1.h0.error", "m1")],
)
def test_parallel_blocks_have_no_edge_inside_a_layer(sender: str, receiver: str) -> None:
    edges = make_edges([(sender, receiver, "r", 1.0)])
    assert make_circuit(edges).n_edges == 1
    with pytest.raises(ValidationError, match="run in parallel"):
        make_circuit(edges, model=model(parallel=True))


def test_an_edge_is_in_a_circuit_once() -> None:
    with pytest.raises(ValidationError, match="'input->m0' is given twice"):
        make_circuit((*INDUCTION_EDGES, INDUCTION_EDGES[-1]))


def test_an_occurrence_binds_components() -> None:
    with pytest.raises(ValidationError, match="'banana' is not a name we know"):
        Occurrence(motif_id="m", circuit_id="c", binds={"a": "banana"})
