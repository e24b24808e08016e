"""EAP-IG's files beyond edges with scores: nodes, neurons, scores alone, a circuit alone."""

from __future__ import annotations

import json

import pytest

from graph_schema.documents import CircuitEdge, Metric, ScoreKind, TopEdges
from graph_schema.errors import SpecError
from graph_schema.exchange import (
    Exchanged,
    ExchangeError,
    ExchangeFormat,
    Layout,
    chosen,
    imported_circuit,
    read_circuit_file,
    read_csv,
    read_eap_ig,
    write_circuit_file,
)
from graph_schema.reports import circuit_html, circuit_svg, layer_table, summary
from graph_schema.reports.text import edge_table
from tests.factories import make_circuit
from tests.graph_schema.exchange.made import model_of

LAYOUT = Layout(2, 2)
KEPT = ("input->a0.h1<v>", "a0.h1->m1", "m1->logits")
Json = dict[str, object]


def file(
    scores: float | None = 0.5, kept: tuple[str, ...] = KEPT, nodes: dict[str, Json] | None = None
) -> Exchanged:
    """EAP-IG's JSON with this score for each edge and these edges in its circuit."""
    edges: dict[str, Json] = {
        edge.name: {"in_graph": edge.name in kept, **({} if scores is None else {"score": scores})}
        for edge in LAYOUT.edges()
    }
    cfg = {"n_layers": 2, "n_heads": 2, "parallel_attn_mlp": False, "d_model": 4}
    named = {name: {"in_graph": True} | (nodes or {}).get(name, {}) for name in LAYOUT.senders}
    return read_eap_ig(json.dumps({"cfg": cfg, "nodes": named, "edges": edges}).encode())


def of(members: int) -> Json:
    return {"neurons": [True] * members + [False] * (4 - members)}


def test_a_circuit_of_neurons_is_refused_unless_every_neuron_is_in() -> None:
    whole = file(nodes={name: of(4) for name in LAYOUT.senders})
    assert [edge.name for edge in whole.kept()] == list(KEPT)
    outside = file(nodes={name: of(4 if name != "m0" else 0) for name in LAYOUT.senders})
    assert outside.kept() == whole.kept()  # m0 sends nothing in this circuit
    half = file(nodes={name: of(2) for name in LAYOUT.senders})
    with pytest.raises(
        ExchangeError,
        match=r"2 of the 4 that 'input' writes .* all of 3 of 3 senders; .*--edges",
    ):
        half.kept()
    some = file(nodes={"input": of(4), "a0.h1": of(4)})
    with pytest.raises(ExchangeError, match="does not say which of 'm1' are in it"):
        some.kept()
    picked = chosen(half, TopEdges(n_edges=100))
    assert len(picked.kept()) == LAYOUT.n_edges
    assert picked.notes == ("chosen by the file's scores; the circuit that it had is left",)


def test_a_file_of_nodes_is_named_and_scores_no_edge() -> None:
    nodes = {name: {"score": 1.5, "in_graph": name in ("input", "m1")} for name in LAYOUT.senders}
    found = file(0.0, ("input->m1", "input->logits", "m1->logits"), nodes)
    assert found.notes == (
        "the file is of nodes: 2 of 7 senders are in its circuit, with every edge between them; it "
        "scores nodes, no edge",
    )
    assert [edge.score for edge in found.kept()] == [None] * 3
    with pytest.raises(ExchangeError, match=r"scores no edge \(the file is of nodes: .*--edges 5"):
        chosen(found, TopEdges(n_edges=5))
    assert file(0.5, nodes=nodes).notes == ()  # edges have scores of their own
    assert "with 3 edges between them" in file(0.0, nodes=nodes).notes[0]


@pytest.mark.parametrize("scores", [None, 0.0])
def test_a_circuit_without_scores_is_a_circuit(scores: float | None) -> None:
    found = file(scores)
    assert found.scores == {}
    model = model_of(LAYOUT, d_model=4)
    circuit = imported_circuit(found, ExchangeFormat.EAP_IG, b"", model, metric=Metric.KL)
    assert [(edge.name, edge.score, edge.score_kind) for edge in circuit.edges] == [
        (name, None, None) for name in KEPT
    ]
    assert circuit.n_edges_scored == 0
    assert circuit.notes == ("the file gives no score for 3 of 3 kept edges",)
    for shown in (summary, layer_table, edge_table, circuit_svg):
        assert "None" not in shown(circuit)
    assert "None" not in circuit_html(circuit)
    for format in ExchangeFormat:
        if format is not ExchangeFormat.EAP_IG_PT:
            back = read_circuit_file(write_circuit_file(circuit, format), format)
            assert {edge.name for edge in back.edges} == set(KEPT)
            assert {edge.score for edge in back.edges} == {None}
            assert back.scores == {}


def test_scores_without_a_circuit_say_how_to_choose() -> None:
    found = file(kept=())
    assert len(found.scores) == LAYOUT.n_edges
    with pytest.raises(ExchangeError, match=f"scores {LAYOUT.n_edges}: choose with --edges N"):
        found.kept()


def test_a_score_and_its_kind_come_together() -> None:
    ends = {"sender": "input", "receiver": "m0", "channel": "r"}
    with pytest.raises(ValueError, match="expected both or neither"):
        CircuitEdge.model_validate(ends | {"score": None, "score_kind": ScoreKind.EXACT})
    with pytest.raises(ValueError, match="expected both or neither"):
        CircuitEdge.model_validate(ends | {"score": 1.0, "score_kind": None})


HOOKS = (
    "hooks,score\n"
    '"blocks.0.hook_resid_pre->blocks.0.hook_v_input[:, :, 1]",1.5\n'
    '"blocks.0.attn.hook_result[:, :, 1]->blocks.1.hook_mlp_in",\n'
    "blocks.1.hook_mlp_out->blocks.1.hook_resid_post,-2\n"
)


def test_csv_is_read_by_its_hooks_where_it_has_nothing_else() -> None:
    found = read_csv(HOOKS.encode())
    assert [(edge.name, edge.score) for edge in found.edges] == list(
        zip(KEPT, (1.5, None, -2.0), strict=True)
    )
    found.check_fits(model_of(LAYOUT))
    with pytest.raises(SpecError, match=r"n_layers 2, and .* has 3"):
        found.check_fits(model_of(Layout(3, 2)))
    split = HOOKS.replace("blocks.0.hook_resid_pre", "hook_pos_embed")
    assert read_csv(split.encode()).edges[0].sender == "pos_embed"


def test_csv_of_ours_has_hooks_that_say_the_same() -> None:
    text = write_circuit_file(make_circuit(), ExchangeFormat.CSV).decode()
    assert "blocks.0.hook_resid_pre->" in text
    assert "hook_embed" not in text
    read_csv(text.encode())
    for old, new, message in (
        ("hook_v_input", "hook_k_input", r"line 2: hooks say '.*<k>', and sender.*on 'v'"),
        ("blocks.0.hook_resid_pre", "hook_mlp_out", "line 2: 'hook_mlp_out' is no hook of a"),
    ):
        assert old in text
        with pytest.raises(ExchangeError, match=message):
            read_csv(text.replace(old, new, 1).encode())
    other = HOOKS + "blocks.0.hook_mlp_out->blocks.0.hook_resid_post,1\n"
    with pytest.raises(ExchangeError, match=r"line 5: hooks end in layer 0, .* in layer 1"):
        read_csv(other.encode())
