"""Labels, figures, positions and prompts in formats that have room for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graph_schema.documents import (
    Channel,
    CircuitDocument,
    CircuitEdge,
    ExchangeFormat,
    GraphScores,
    NodeFigures,
    ScoreKind,
    TracedPrompt,
)
from graph_schema.exchange import (
    ExchangeError,
    imported_circuit,
    read_circuit_file,
    read_csv,
    read_node_link,
    to_networkx,
    write_circuit_file,
    write_csv,
)
from tests.factories import make_circuit, make_model

SCRIPT = "</title><script>alert('x')</script>, \"of\"\n\x1b[31m"
FREE = (ExchangeFormat.NODE_LINK, ExchangeFormat.GRAPHML)


def labelled(label: str = "plurals, after 'the'") -> CircuitDocument:
    ends = [
        ("input@0", "m0.f17@0"),
        ("m0.f17@0", "m1.f123456789012@2"),
        ("m0.error@0", "logits.t9@2"),
    ]
    edges = [
        CircuitEdge(
            sender=sender,
            receiver=receiver,
            channel=Channel.R,
            score=0.5,
            score_kind=ScoreKind.ESTIMATE,
        )
        for sender, receiver in ends
    ]
    nodes = (
        NodeFigures(name="m0.f17@0", label=label, effect=-0.25, activation=3.5),
        NodeFigures(name="logits.t9@2", token=9, probability=0.75),
        NodeFigures(name="m1.f5@1", label="without an edge"),
    )
    return make_circuit(
        tuple(edges),
        model=make_model(n_layers=2),
        granularity="dictionary",
        nodes=nodes,
        prompt=TracedPrompt(text="a b c", tokens=("a", " b", " \u2028c")),
        graph_scores=GraphScores(replacement=0.25, completeness=0.75, pruned=True),
    )


@pytest.mark.parametrize("form", FREE)
def test_figures_and_prompt_come_back(form: ExchangeFormat) -> None:
    circuit = labelled()
    data = write_circuit_file(circuit, form)
    found = read_circuit_file(data, form)
    assert sorted(found.nodes, key=lambda n: n.name) == sorted(circuit.nodes, key=lambda n: n.name)
    assert found.graph_scores == circuit.graph_scores
    assert found.prompt is not None
    assert found.prompt.text == "a b c"
    assert len(found.prompt.tokens) == 3
    again = imported_circuit(found, form, data, circuit.model)
    assert {edge.name for edge in again.edges} == {edge.name for edge in circuit.edges}
    assert again.granularity == "dictionary"


def test_nodes_say_where_they_stand() -> None:
    graph = to_networkx(labelled())
    nodes: dict[str, dict[str, Any]] = {name: graph.nodes[name] for name in graph}
    placed = nodes["m1.f123456789012@2"]
    assert (placed["layer"], placed["index"], placed["position"]) == (1, 123456789012, 2)
    assert nodes["logits.t9@2"]["index"] == 9
    assert nodes["m1.f5@1"]["label"] == "without an edge"


def test_labels_come_back_from_csv() -> None:
    circuit = labelled()
    found = read_csv(write_csv(circuit).encode())
    assert found.nodes == (NodeFigures(name="m0.f17@0", label="plurals, after 'the'"),)
    assert {edge.name for edge in found.edges} == {edge.name for edge in circuit.edges}
    assert "sender_label" not in write_csv(make_circuit())


@pytest.mark.parametrize("form", [*FREE, ExchangeFormat.CSV, ExchangeFormat.NEURONPEDIA])
def test_a_script_in_a_label_is_text(form: ExchangeFormat) -> None:
    data = write_circuit_file(labelled(SCRIPT), form)
    assert form is not ExchangeFormat.GRAPHML or b"<script>" not in data
    labels = {node.label for node in read_circuit_file(data, form).nodes}
    safe = form is ExchangeFormat.GRAPHML  # XML has no room for codes to a terminal
    kept = SCRIPT.replace("\n", "\ufffd").replace("\x1b", "\ufffd") if safe else SCRIPT
    assert (kept.strip() if form is ExchangeFormat.NEURONPEDIA else kept) in labels


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"effect": "much"}, "effect is 'much'"),
        ({"token": 1.5}, "token is 1.5"),
        ({"label": 3}, "label is 3"),
    ],
)
def test_odd_figures_are_refused(fields: dict[str, Any], words: str) -> None:
    graph = json.loads(write_circuit_file(labelled(), ExchangeFormat.NODE_LINK))
    graph["nodes"][0] |= fields
    with pytest.raises(ExchangeError, match=f"node .*{words}"):
        read_node_link(json.dumps(graph).encode())


def test_two_labels_of_one_node_are_refused() -> None:
    lines = write_csv(labelled()).splitlines()
    lines[2] = lines[2].replace("plurals", "singulars")
    with pytest.raises(ExchangeError, match=r"line 3: m0\.f17@0 is called"):
        read_csv("\n".join(lines).encode())
