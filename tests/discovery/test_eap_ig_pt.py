"""EAP-IG's `.pt` files come back equal, hold what EAP-IG's do, and run no code."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

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


def loaded(data: bytes) -> dict[str, Any]:
    return torch.load(io.BytesIO(data), weights_only=True)


WHOLE = loaded(write_eap_ig_pt(make_circuit((), model=model_of(Layout(2, 2)))))


def in_float32(circuit: CircuitDocument) -> CircuitDocument:
    limit = torch.finfo(torch.float32).max

    def held(score: float | None) -> float:
        assert score is not None
        return float(torch.tensor(max(-limit, min(score, limit))))

    edges = tuple(edge.model_copy(update={"score": held(edge.score)}) for edge in circuit.edges)
    return circuit.model_copy(update={"edges": edges})


@settings(deadline=None)
@given(circuits(), st.data())
def test_pt_brings_back_what_json_does(circuit: CircuitDocument, data: st.DataObject) -> None:
    circuit = in_float32(circuit)
    names = [edge.name for edge in Layout.of(circuit.model).edges()]
    scores = data.draw(st.dictionaries(st.sampled_from(names), FLOAT32, max_size=6))
    found = read_eap_ig_pt(write_eap_ig_pt(circuit, scores))
    assert found == read_eap_ig(write_eap_ig(circuit, scores).encode())
    assert found.unread == ""


def marked(scored: float, *cells: tuple[int, int]) -> dict[str, Any]:
    """Every edge with this score, and these cells in the circuit."""
    member = torch.zeros(7, 15, dtype=torch.bool)
    for cell in cells:
        member[cell] = True
    return WHOLE | {"edges_scores": torch.full((7, 15), scored), "edges_in_graph": member}


def test_a_circuit_of_nodes_is_named_and_its_cells_that_are_no_edges_ignored() -> None:
    """EAP-IG marks all cells between the nodes chosen, backwards ones too."""
    rows = [0, 1, 6]  # input, a0.h0, m1
    columns = [0, 2, 4, 13, 14]  # a0.h0's q, k and v, m1, logits
    file = marked(0.0, *((row, column) for row in rows for column in columns))
    nodes = torch.zeros(7, dtype=torch.bool).index_fill(0, torch.tensor(rows), True)
    found = read_eap_ig_pt(saved(file | {"nodes_in_graph": nodes, "nodes_scores": torch.ones(7)}))
    assert [edge.name for edge in found.edges] == [
        *("input->a0.h0<q>", "input->a0.h0<k>", "input->a0.h0<v>"),
        *("input->m1", "a0.h0->m1", "input->logits", "a0.h0->logits", "m1->logits"),
    ]
    assert {edge.score for edge in found.edges} == {None}
    assert found.scores == {}
    assert found.notes == (
        "the file is of nodes: 3 of 7 senders are in its circuit, with every edge between them; it "
        "scores nodes, no edge",
    )


def test_a_circuit_of_neurons_is_refused_unless_every_neuron_of_its_senders_is_in() -> None:
    file = marked(0.5, (0, 0), (1, 14))
    mask = torch.ones(7, 32, dtype=torch.bool)
    mask[5] = False  # of a node outside
    found = read_eap_ig_pt(saved(file | {"neurons_in_graph": mask}))
    assert (len(found.kept()), found.unread) == (2, "")
    mask[1, :16] = False
    found = read_eap_ig_pt(saved(file | {"neurons_in_graph": mask.float()}))
    with pytest.raises(ExchangeError, match=r"of neurons: 16 of the 32 that 'a0\.h0' .* 1 of 2"):
        found.kept()


def test_either_of_scores_and_circuit_may_be_all_there_is() -> None:
    file = marked(0.5, (0, 0))
    bare = read_eap_ig_pt(saved({key: file[key] for key in ("cfg", "edges_in_graph")}))
    assert [(edge.name, edge.score) for edge in bare.kept()] == [("input->a0.h0<q>", None)]
    scores = read_eap_ig_pt(saved({key: file[key] for key in ("cfg", "edges_scores")}))
    assert (scores.edges, set(scores.scores.values())) == ((), {0.5})


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


def test_an_edge_that_was_not_scored_is_left_out() -> None:
    scores = torch.full_like(WHOLE["edges_scores"], torch.nan)
    assert read_eap_ig_pt(saved(WHOLE | {"edges_scores": scores})).scores == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a dict"),
        ({"cfg": {}}, "expected cfg and edges_scores, edges_in_graph or both; found 'cfg'"),
        ({"edges_scores": torch.zeros(7, 15), 3: 1}, "or both; found 'edges_scores', 3"),
        (WHOLE | {"cfg": {"n_layers": 2}}, r"cfg\.n_heads is None"),
        (WHOLE | {"cfg": torch.zeros(9, 9)}, r"^cfg is tensor\([^\n]*…; expected n_layers"),
        (WHOLE | {"edges_scores": torch.zeros(3, 3)}, r"is \(3, 3\); expected a tensor \(7, 15\)"),
        (
            WHOLE | {"edges_scores": torch.zeros(1, 1).expand(7, 15)},
            "edges_scores does not hold its own values",
        ),
        (WHOLE | {"edges_scores": torch.zeros(7, 15, device="meta")}, "holds no values"),
        (WHOLE | {"edges_scores": torch.zeros(7, 15) * 1j}, "expected floating numbers"),
        (WHOLE | {"edges_scores": torch.zeros(7, 15).long()}, "expected floating numbers"),
        (WHOLE | {"edges_in_graph": torch.full((7, 15), 0.5)}, "or 0 and 1, alone"),
        (WHOLE | {"edges_in_graph": torch.zeros(7, 15) * 1j}, "or 0 and 1, alone"),
        (WHOLE | {"edges_in_graph": [1]}, "edges_in_graph is list; expected a tensor"),
        (WHOLE | {"src_nodes": ["input"]}, "src_nodes does not list input, a0.h0, ..., m1"),
        (
            WHOLE | {"nodes_in_graph": torch.zeros(3)},
            r"nodes_in_graph is \(3,\); expected .*\(7,\)",
        ),
        (WHOLE | {"nodes_scores": ["x"]}, "nodes_scores is list; expected a tensor"),
        (WHOLE | {"neurons_in_graph": torch.zeros(7, 3)}, r"is \(7, 3\); expected .*\(7, 32\)"),
        (WHOLE | {"neurons_in_graph": torch.full((7, 32), 0.5)}, "or 0 and 1, alone"),
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


def test_lists_in_lists_are_named_and_not_shown() -> None:
    """A pickle builds them without recursion, and Python's repr does not."""
    depth, key = 100_000, b"cfg"
    deep = b"]" * depth + b"a" * (depth - 1)
    name = b"X" + len(key).to_bytes(4, "little") + key
    edges = b"X" + (12).to_bytes(4, "little") + b"edges_scores"
    content = b"\x80\x02}" + name + deep + b"s" + edges + b"Ns."
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({}))) as empty,
        zipfile.ZipFile(out, "w") as parts,
    ):
        for part in empty.infolist():
            data = content if part.filename.endswith("data.pkl") else empty.read(part)
            parts.writestr(part.filename, data)
    with pytest.raises(ExchangeError, match="cfg is a list nested too deep to show; expected"):
        read_eap_ig_pt(out.getvalue())


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"{}", saved(WHOLE)[:200]])
def test_what_torch_cannot_read_is_refused(data: bytes) -> None:
    with pytest.raises(ExchangeError):
        read_eap_ig_pt(data)


def test_a_zip_that_asks_for_a_later_version_is_refused() -> None:
    whole = saved(WHOLE)
    place = whole.index(b"PK\x01\x02") + 6  # the version needed, in the first central entry
    with pytest.raises(ExchangeError, match="zip file version 10"):
        read_eap_ig_pt(whole[:place] + b"\x65" + whole[place + 1 :])


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
