"""EAP-IG's `.pt` files come back equal, hold what EAP-IG's do, and run no code."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.eap_ig_pt import read_eap_ig_pt, write_eap_ig_pt
from discovery.engine.graph import Graph
from graph_schema.documents import CircuitDocument
from graph_schema.exchange import Exchanged, ExchangeError, Layout, read_eap_ig, write_eap_ig
from tests.factories import make_circuit
from tests.graph_schema.exchange.made import circuits, model_of

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def saved(content: object) -> bytes:
    out = io.BytesIO()
    torch.save(content, out)
    return out.getvalue()


def loaded(data: bytes) -> dict[str, object]:
    return torch.load(io.BytesIO(data), weights_only=True)


def in_float32(circuit: CircuitDocument) -> CircuitDocument:
    limit = torch.finfo(torch.float32).max
    edges = tuple(
        edge.model_copy(update={"score": float(torch.tensor(max(-limit, min(edge.score, limit))))})
        for edge in circuit.edges
    )
    return circuit.model_copy(update={"edges": edges})


@settings(deadline=None)
@given(circuits(), st.data())
def test_pt_brings_back_what_json_does(circuit: CircuitDocument, data: st.DataObject) -> None:
    circuit = in_float32(circuit)
    names = [edge.name for edge in Layout.of(circuit.model).edges()]
    scores = data.draw(st.dictionaries(st.sampled_from(names), FLOAT32, max_size=6))
    found = read_eap_ig_pt(write_eap_ig_pt(circuit, scores))
    assert found == read_eap_ig(write_eap_ig(circuit, scores).encode())


def test_gpt2_has_157_senders_and_445_receivers() -> None:
    model = model_of(Layout(12, 12), d_model=768)
    file = loaded(write_eap_ig_pt(make_circuit((), model=model)))
    assert file["edges_scores"].shape == file["edges_in_graph"].shape == (157, 445)
    assert file["nodes_in_graph"].shape == (157,)
    assert (file["src_nodes"][0], file["src_nodes"][-1]) == ("input", "m11")
    assert (file["dst_nodes"][0], file["dst_nodes"][-1]) == ("a0.h0<q>", "logits")


def test_the_order_is_that_of_the_computational_graph() -> None:
    """Two places know it: light code without torch, and the engine."""
    for parallel in (False, True):
        layout, graph = Layout(3, 2, parallel), Graph(3, 2, parallel=parallel)
        assert layout.senders == graph.sender_names
        assert layout.receiver_names == graph.receiver_names
        assert layout.n_edges == graph.n_edges
        rows = [layout.n_read(component) for component, _ in layout.receivers]
        assert rows == graph.n_upstream.tolist()


WHOLE = loaded(write_eap_ig_pt(make_circuit((), model=model_of(Layout(2, 2)))))


def test_an_edge_that_was_not_scored_is_left_out() -> None:
    scores = torch.full_like(WHOLE["edges_scores"], torch.nan)
    assert read_eap_ig_pt(saved(WHOLE | {"edges_scores": scores})).scores == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a dict"),
        ({"cfg": {}}, "the key 'edges_scores' is missing; found cfg"),
        (WHOLE | {"cfg": {"n_layers": 2}}, r"cfg\.n_heads is None"),
        (WHOLE | {"edges_scores": torch.zeros(3, 3)}, r"is \(3, 3\); expected a tensor \(7, 15\)"),
        (
            WHOLE | {"edges_scores": torch.zeros(1, 1).expand(7, 15)},
            "edges_scores does not hold its own values",
        ),
        (WHOLE | {"edges_scores": torch.zeros(7, 15, device="meta")}, "holds no values"),
        (WHOLE | {"edges_scores": torch.zeros(7, 15).cfloat()}, "expected floating numbers"),
        (WHOLE | {"edges_scores": torch.zeros(7, 15).long()}, "expected floating numbers"),
        (WHOLE | {"edges_in_graph": torch.full((7, 15), 0.5)}, "or 0 and 1, alone"),
        (WHOLE | {"edges_in_graph": torch.zeros(7, 15).cfloat()}, "or 0 and 1, alone"),
        (WHOLE | {"edges_in_graph": [1]}, "edges_in_graph is list; expected a tensor"),
        (WHOLE | {"src_nodes": ["input"]}, "src_nodes does not list input, a0.h0, ..., m1"),
        (
            WHOLE | {"edges_in_graph": torch.ones(7, 15, dtype=torch.bool)},
            "a0.h0->a0.h0<q>, which runs backwards",
        ),
        (
            WHOLE
            | {
                "edges_scores": WHOLE["edges_scores"].index_fill(0, torch.tensor([0]), torch.inf),
                "edges_in_graph": WHOLE["edges_in_graph"].index_fill(0, torch.tensor([0]), True),
            },
            "'input->a0.h0<q>': score: inf is not a finite number",
        ),
    ],
)
def test_mistakes_are_named(content: object, message: str) -> None:
    with pytest.raises(ExchangeError, match=message):
        read_eap_ig_pt(saved(content))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"{}", saved(WHOLE)[:200]])
def test_what_torch_cannot_read_is_refused(data: bytes) -> None:
    with pytest.raises(ExchangeError):
        read_eap_ig_pt(data)


def test_a_zip_that_says_it_spans_disks_is_refused() -> None:
    whole = saved(WHOLE)
    place = whole.rindex(b"PK\x06\x07") + 16  # how many disks, in the zip64 locator
    with pytest.raises(ExchangeError, match="multiple disks"):
        read_eap_ig_pt(whole[:place] + b"\x09" + whole[place + 1 :])


@given(circuits())
@settings(deadline=None, max_examples=10)
def test_a_score_beyond_float32_is_named(circuit: CircuitDocument) -> None:
    bare = circuit.model_copy(update={"edges": ()})
    edge = next(iter(Layout.of(circuit.model).edges())).name
    with pytest.raises(ExchangeError, match=rf"edge {edge} has score -1e\+39, too large"):
        write_eap_ig_pt(bare, {edge: -1e39})


@settings(deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    whole = saved(WHOLE)
    start = data.draw(st.integers(0, len(whole)))
    changed = whole[:start] + data.draw(st.binary(max_size=4)) + whole[start + 4 :]
    try:
        found = read_eap_ig_pt(changed)
    except ExchangeError:
        return
    assert isinstance(found, Exchanged)


class Leaves:
    """Pickled, it would write a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickled_object_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "ran"
    for data in (saved(WHOLE | {"cfg": Leaves(path)}), pickle.dumps(Leaves(path))):
        with pytest.raises(ExchangeError, match="pickled objects, which can run code"):
            read_eap_ig_pt(data)
    assert not path.exists()
