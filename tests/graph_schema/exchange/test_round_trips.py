"""What is written comes back equal, in every format, for generated circuits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema.documents import CircuitDocument, Threshold, TopEdges
from graph_schema.errors import SpecError
from graph_schema.exchange import (
    ExchangeFormat,
    Layout,
    from_networkx,
    imported_id,
    read_circuit_file,
    read_eap_ig,
    to_networkx,
    write_circuit_file,
    write_eap_ig,
)
from graph_schema.exchange.base import metadata_of
from tests.factories import make_circuit
from tests.feature_circuits import feature_circuit, traced_circuit
from tests.graph_schema.exchange.made import FINITE, circuits, model_of

ANY_NODE = [ExchangeFormat.GRAPHML, ExchangeFormat.NODE_LINK, ExchangeFormat.CSV]


def by_name(edges) -> list:
    return sorted(edges, key=lambda edge: edge.name)


@pytest.mark.parametrize("format", ANY_NODE)
@settings(deadline=None, max_examples=60)
@given(circuit=circuits(features=True))
def test_edges_come_back_equal(format: ExchangeFormat, circuit: CircuitDocument) -> None:
    found = read_circuit_file(write_circuit_file(circuit, format), format)
    assert by_name(found.edges) == by_name(circuit.edges)
    assert found.scores == {edge.name: edge.score for edge in circuit.edges}


@pytest.mark.parametrize("format", [ExchangeFormat.GRAPHML, ExchangeFormat.NODE_LINK])
def test_graph_formats_say_what_the_circuit_is(format: ExchangeFormat) -> None:
    circuit = make_circuit()
    found = read_circuit_file(write_circuit_file(circuit, format), format)
    assert found.metadata == metadata_of(circuit)


@settings(deadline=None)
@given(circuits(), st.data())
def test_eap_ig_brings_back_edges_scores_and_sizes(
    circuit: CircuitDocument, data: st.DataObject
) -> None:
    layout = Layout.of(circuit.model)
    names = [edge.name for edge in layout.edges()]
    others = data.draw(st.dictionaries(st.sampled_from(names), FINITE, max_size=6))
    found = read_eap_ig(write_eap_ig(circuit, others).encode())
    kept = {edge.name: edge.score for edge in circuit.edges}
    scores = {**dict.fromkeys(names, 0.0), **others, **kept}
    if not any(scores.values()):  # EAP-IG writes 0 for what it did not score
        scores, kept = {}, dict.fromkeys(kept)
    assert {edge.name: edge.score for edge in found.edges} == kept
    assert found.scores == scores
    assert found.layout == layout
    found.check_fits(circuit.model)


@settings(deadline=None)
@given(circuits(features=True))
def test_networkx_graphs_come_back_equal(circuit: CircuitDocument) -> None:
    graph = to_networkx(circuit)
    assert by_name(from_networkx(graph).edges) == by_name(circuit.edges)
    assert graph.number_of_edges() == circuit.n_edges


def test_eap_ig_of_gpt2_has_its_158_nodes_and_32491_edges() -> None:
    layout = Layout(12, 12)
    circuit = make_circuit((), model=model_of(layout, d_model=768))
    file = json.loads(write_eap_ig(circuit))
    assert (len(file["nodes"]), len(file["edges"])) == (158, 32_491)
    assert list(file["edges"]) == [edge.name for edge in layout.edges()]
    assert all(edge.keys() == {"score", "in_graph"} for edge in file["edges"].values())
    assert file["cfg"] == {
        "n_layers": 12,
        "n_heads": 12,
        "parallel_attn_mlp": False,
        "d_model": 768,
    }


@pytest.mark.parametrize(
    ("layout", "n_edges"),
    [
        (Layout(30, 9), 123_211),
        (Layout(18, 4), 10_342),
        (Layout(2, 2, parallel=True), 42),
        (Layout(2, 2, split_embed=True), 61),
    ],
)
def test_layouts_count_their_edges(layout: Layout, n_edges: int) -> None:
    assert layout.n_edges == n_edges == sum(1 for _ in layout.edges())


def test_a_model_with_split_embeddings_has_no_eap_ig_file() -> None:
    model = model_of(Layout(2, 2)).model_copy(update={"n_edges": 999})
    with pytest.raises(SpecError, match=r"has 999 edges.*node-link, graphml and csv"):
        write_eap_ig(make_circuit((), model=model))


def test_imported_ids_depend_on_format_content_model_and_what_chose() -> None:
    chose = (None, TopEdges(n_edges=5), TopEdges(n_edges=6), Threshold(threshold=5))
    ids = {
        imported_id(format, data, model, selection)
        for format in ExchangeFormat
        for data in (b"", b"x")
        for model in ("a" * 64, "b" * 40)
        for selection in chose
    }
    assert len(ids) == len(ExchangeFormat) * 2 * 2 * len(chose)
    assert all(len(found) == 64 for found in ids)


@pytest.mark.parametrize("circuit", [feature_circuit(), traced_circuit()])
def test_a_circuit_of_parts_or_positions_has_no_eap_ig_file(circuit: CircuitDocument) -> None:
    with pytest.raises(SpecError, match=r"hold heads and MLPs.*export it as neuronpedia"):
        write_eap_ig(circuit)
