"""Graph files in and out again: nothing is lost, and ours are valid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from graph_schema.documents import (
    Annotation,
    Channel,
    CircuitDocument,
    CircuitEdge,
    ExchangeFormat,
    NodeFigures,
    ScoreKind,
    TopEdges,
    TracedPrompt,
)
from graph_schema.exchange import (
    Exchanged,
    check_graph,
    chosen,
    format_of,
    imported_circuit,
    read_neuronpedia,
    write_neuronpedia,
)
from tests.factories import make_circuit, make_model
from tests.graph_schema.exchange.made import circuits
from tests.graph_schema.exchange.neuronpedia.made import (
    Graph,
    data_of,
    lorsa_graph,
    opaque_graph,
    tracer_graph,
)
from tests.graph_schema.peers import HAIKU, SCHEMA, peer

MADE = pytest.mark.parametrize(
    "graph", [tracer_graph(), lorsa_graph(), opaque_graph()], ids=["tracer", "lorsa", "opaque"]
)


def circuit_of(data: bytes, found: Exchanged | None = None) -> CircuitDocument:
    found = found or read_neuronpedia(data)
    assert found.model is not None
    return imported_circuit(found, ExchangeFormat.NEURONPEDIA, data, found.model)


def assert_same(data: bytes) -> None:
    """A file comes back with all that it said, and again the same circuit."""
    before = circuit_of(data)
    out = write_neuronpedia(before).encode()
    was, now = json.loads(data), json.loads(out)
    assert now == was
    again = circuit_of(out)
    same = {"circuit_id", "method"}
    assert again.model_dump(exclude=same) == before.model_dump(exclude=same)
    assert read_neuronpedia(out).groups == read_neuronpedia(data).groups


@MADE
def test_files_come_back_as_they_were(graph: Graph) -> None:
    assert_same(data_of(graph))


def test_published_file_comes_back_as_it_was() -> None:
    data = peer(HAIKU).read_bytes()
    assert_same(data)
    circuit = circuit_of(data)
    assert circuit.n_edges == 2205
    assert len(circuit.nodes) == 94
    assert circuit.graph_scores is not None
    assert circuit.graph_scores.replacement == pytest.approx(0.6947, abs=5e-5)
    assert circuit.graph_scores.completeness == pytest.approx(0.9342, abs=5e-5)
    groups = read_neuronpedia(data).groups
    assert [len(group.members) for group in groups] == [9, 5, 6, 10, 6, 12]
    assert groups[0].label == "capital"
    assert circuit.model.name == "jackl-circuits-runs-1-4-sofa-v3_0"
    assert not circuit.model.has_weights


def test_what_a_file_says_is_where_we_keep_it() -> None:
    circuit = circuit_of(data_of(tracer_graph()))
    figures = {figure.name: figure for figure in circuit.nodes}
    assert figures["m1.f16380@1"] == NodeFigures(
        name="m1.f16380@1", effect=0.48267510533332825, activation=12.25, label="capitals"
    )
    assert figures["logits.t22605@1"].probability == 0.75
    assert figures["input@1"].token == 651
    assert set(figures) >= {"m0.f1@0", "m1.error@1", "logits.t9@1"}
    edges = {edge.name: edge.score for edge in circuit.edges}
    assert edges["m0.f1@0->m1.f16380@1"] == -0.25
    assert circuit.prompt == TracedPrompt(text="<bos> capital", tokens=("<bos>", " capital"))
    assert circuit.granularity == "dictionary"


def test_opaque_numbers_are_kept_as_they_are() -> None:
    names = {figure.name for figure in circuit_of(data_of(opaque_graph())).nodes}
    assert {"m0.f1000000014@0", "m1.f1000000049@1", "m2.f1000000008@1"} <= names


def test_features_of_attention_and_biases_are_told_apart() -> None:
    circuit = circuit_of(data_of(lorsa_graph()))
    edges = {edge.name: edge.score for edge in circuit.edges}
    assert edges["a1.f7@1->m2.f16380@1"] == 0.75
    assert edges["a1.error@1->m2.f16380@1"] == 0.2
    assert edges["m0.rest@1->a1.f7@1"] == 0.375, "two biases of one component write together"
    assert edges["a0.rest@1->m2.f16380@1"] == 0.1
    assert edges["m1.rest@1->m2.f16380@1"] == 0.75


def test_what_is_too_much_to_keep_is_told_and_the_graph_goes_out_by_our_words() -> None:
    graph = tracer_graph()
    graph["metadata"]["more"] = ["x" * 1000] * 5000
    circuit = circuit_of(data_of(graph))
    assert "characters long and is not kept" in circuit.notes[-1]
    data = write_neuronpedia(circuit).encode()
    assert check_graph(data).valid
    assert len(data) < 10_000
    again = circuit_of(data)
    assert (again.edges, again.prompt) == (circuit.edges, circuit.prompt)
    assert {node.label for node in again.nodes} == {node.label for node in circuit.nodes}


def test_supernodes_whose_members_are_gone_are_told() -> None:
    found = read_neuronpedia(data_of(tracer_graph()))
    assert [group.members for group in found.groups] == [("m1.f16380@1", "m2.f16380@1")]
    assert found.notes == ("supernode 'gone': 1 of 1 members are no nodes of the file",)


def test_scans_and_feature_sets_are_models_of_their_own() -> None:
    def fingerprint(**metadata: Any) -> str:
        graph = tracer_graph()
        graph["metadata"] |= metadata
        model = read_neuronpedia(data_of(graph)).model
        assert model is not None
        return model.fingerprint

    other = {"feature_details": {"neuronpedia_source_set": "clt-hp"}}
    assert fingerprint(slug="another", prompt="x") == fingerprint()
    assert len({fingerprint(), fingerprint(scan="other"), fingerprint(**other)}) == 3


def test_the_format_is_told_from_the_keys() -> None:
    assert format_of("graph.json", data_of(tracer_graph())) is ExchangeFormat.NEURONPEDIA


def test_a_choice_by_scores_keeps_the_nodes_it_has() -> None:
    data = data_of(tracer_graph())
    found = chosen(read_neuronpedia(data), TopEdges(n_edges=5))
    assert [edge.name for edge in found.edges] == [
        "input@1->m1.f16380@1",
        "m1.f16380@1->m2.f16380@1",
        "m2.f16380@1->logits.t22605@1",
        "m2.f16380@1->logits.t9@1",
    ]
    # An error is where a path begins as well.
    found_more = chosen(read_neuronpedia(data), TopEdges(n_edges=6))
    assert "m1.error@1->m2.f16380@1" in {edge.name for edge in found_more.edges}
    circuit = imported_circuit(
        found,
        ExchangeFormat.NEURONPEDIA,
        data,
        found.model or make_model(),
        selection=TopEdges(n_edges=5),
    )
    out = json.loads(write_neuronpedia(circuit))
    ids = {node["node_id"] for node in out["nodes"]}
    assert ids == {end for link in out["links"] for end in (link["source"], link["target"])}


FIGURES = (
    NodeFigures(name="m0.f17", effect=0.5, activation=1.25, label="plurals"),
    NodeFigures(name="m1.n217", effect=-0.25),
)


def our_circuit(**changes: Any) -> CircuitDocument:
    ends = [
        ("input", "m0.f17", Channel.R, 0.5),
        ("m0.f17", "a1.h0", Channel.Q, 0.25),
        ("m0.f17", "a1.h0", Channel.K, -0.125),
        ("m0.error", "a1.h0", Channel.V, 0.0625),
        ("m0.rest", "m1.n217", Channel.R, 0.03125),
        ("a1.h0", "m1.n217", Channel.R, 1.0),
        ("a1.f3", "m1.n217", Channel.R, 1.5),
        ("m1.n217", "logits", Channel.R, 2.0),
    ]
    edges = tuple(
        CircuitEdge(
            sender=sender,
            receiver=receiver,
            channel=channel,
            score=score,
            score_kind=ScoreKind.EXACT,
        )
        for sender, receiver, channel, score in ends
    )
    model = make_model(n_layers=2, n_heads=2, d_mlp=512)
    return make_circuit(edges, model=model, granularity="neuron", nodes=FIGURES, **changes)


def traced_circuit() -> CircuitDocument:
    ends = [
        ("input@1", "m0.n7@1", 0.5),
        ("m0.n7@1", "m1.n7@2", 0.75),
        ("m1.error@1", "logits.t5@2", 0.25),
        ("m1.n7@2", "logits.t5@2", 2.0),
    ]
    edges = tuple(
        CircuitEdge(sender=s, receiver=r, channel=Channel.R, score=w, score_kind=ScoreKind.ESTIMATE)
        for s, r, w in ends
    )
    nodes = (
        NodeFigures(name="input@1", token=42, effect=0.3),
        NodeFigures(name="m1.n7@2", effect=0.6, activation=2.5),
        NodeFigures(name="logits.t5@2", token=5, probability=0.875),
    )
    return make_circuit(
        edges,
        model=make_model(n_layers=2, n_heads=2),
        granularity="neuron",
        nodes=nodes,
        prompt=TracedPrompt(text="a b c", tokens=("a", " b", " c")),
    )


@pytest.mark.parametrize("circuit", [our_circuit(), traced_circuit()], ids=["summed", "traced"])
def test_our_circuits_come_back(circuit: CircuitDocument) -> None:
    data = write_neuronpedia(circuit).encode()
    checked = check_graph(data)
    assert checked.valid, checked.complaints
    found = read_neuronpedia(data)
    assert sorted(found.edges, key=lambda e: e.name) == sorted(circuit.edges, key=lambda e: e.name)
    figures = {figure.name: figure for figure in found.nodes}
    assert all(figures[figure.name] == figure for figure in circuit.nodes)
    assert found.prompt == circuit.prompt
    assert found.model is not None
    assert found.model.fingerprint == circuit.model.fingerprint
    ids = [each["node_id"] for each in json.loads(data)["nodes"]]
    assert len(set(ids)) == len(ids)


@given(circuits(features=True))
def test_any_circuit_is_valid_and_comes_back(circuit: CircuitDocument) -> None:
    data = write_neuronpedia(circuit).encode()
    assert check_graph(data).valid
    if circuit.edges:
        found = read_neuronpedia(data)
        assert {edge.name: edge for edge in found.edges} == {e.name: e for e in circuit.edges}


def test_influence_is_the_cumulative_share_that_tools_prune_by() -> None:
    nodes = {
        each["component"]: each for each in json.loads(write_neuronpedia(traced_circuit()))["nodes"]
    }
    assert nodes["m1.n7@2"]["influence"] == pytest.approx(0.6 / 0.9)
    assert nodes["input@1"]["influence"] == pytest.approx(1.0)
    assert nodes["input@1"]["node_id"] == "E_42_1"
    assert nodes["logits.t5@2"]["node_id"] == "3_5_2"


def test_labels_and_groups_of_people_go_into_the_file() -> None:
    def remark(component: str, text: str, **more: Any) -> Annotation:
        return Annotation(circuit_id="c", component=component, author="me", text=text, **more)

    circuit = circuit_of(data_of(tracer_graph()))
    remarks = [
        remark("m2.f16380@1", "said at the end", kind="label"),
        remark("m1.f16380@1", "say a capital", kind="group", also=("m2.f16380@1",)),
        remark("m1.f16380@1", "mine", kind="group", also=("m0.f1@0",)),
        remark("m1.f16380@1", "a note is not written"),
    ]
    out = json.loads(write_neuronpedia(circuit, remarks))
    clerps = {each["node_id"]: each["clerp"] for each in out["nodes"]}
    assert clerps["2_16380_1"] == "said at the end"
    assert clerps["1_16380_1"] == "capitals"
    assert out["qParams"]["supernodes"] == [
        *tracer_graph()["qParams"]["supernodes"],
        ["mine", "1_16380_1", "0_1_0"],
    ]


def test_files_of_ours_pass_the_published_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads(peer(SCHEMA).read_text())
    made = [data_of(each()) for each in (tracer_graph, lorsa_graph, opaque_graph)]
    ours = [write_neuronpedia(each).encode() for each in (our_circuit(), traced_circuit())]
    for data in (*made, *ours, peer(HAIKU).read_bytes()):
        jsonschema.validate(json.loads(data), schema)
