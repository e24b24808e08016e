"""Corrupt files are refused with the place and what was expected."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema.documents import CircuitEdge
from graph_schema.errors import SpecError
from graph_schema.exchange import (
    Exchanged,
    ExchangeError,
    ExchangeFormat,
    Layout,
    read_circuit_file,
    write_circuit_file,
)
from tests.factories import INDUCTION_EDGES, make_circuit, make_edges
from tests.graph_schema.exchange.made import model_of

EAP_IG = ExchangeFormat.EAP_IG
TEXT = [f for f in ExchangeFormat if f is not ExchangeFormat.EAP_IG_PT]
SIZES = {"n_layers": 2, "n_heads": 4, "parallel_attn_mlp": False, "d_model": 8}
CSV = "sender,receiver,channel,score\n"


def eap_ig(**changes: object) -> bytes:
    edge = {"score": 1.0, "in_graph": True}
    return json.dumps({"cfg": SIZES, "nodes": {}, "edges": {"input->m0": edge}} | changes).encode()


def edges(name: str, **body: object) -> dict[str, object]:
    return {"edges": {name: {"score": 1.0, "in_graph": True} | body}}


def graphml(line: str) -> bytes:
    text = write_circuit_file(make_circuit(), ExchangeFormat.GRAPHML).decode()
    return text.replace('source="input" target="a0.h1"', line, 1).encode()


@pytest.mark.parametrize("format", TEXT)
@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"{", b"<", b"[" * 5000, b"null"])
def test_what_is_no_such_file_is_refused(format: ExchangeFormat, data: bytes) -> None:
    with pytest.raises(ExchangeError):
        read_circuit_file(data, format)


@pytest.mark.parametrize("format", TEXT)
@settings(deadline=None)
@given(data=st.data())
def test_a_cut_or_changed_file_is_read_or_refused_and_nothing_else(
    format: ExchangeFormat, data: st.DataObject
) -> None:
    model = model_of(Layout(2, 4))
    whole = write_circuit_file(make_circuit(INDUCTION_EDGES, model=model), format)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(len(whole), start + 40)))
    changed = whole[:start] + data.draw(st.binary(max_size=4)) + whole[stop:]
    try:
        found = read_circuit_file(changed, format)
    except ExchangeError:
        return
    assert all(isinstance(edge, CircuitEdge) for edge in found.edges)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (eap_ig(cfg=None), "cfg is None"),
        (eap_ig(cfg={}), "cfg.n_layers is None; expected a whole number"),
        (eap_ig(cfg=SIZES | {"n_heads": 10**9}), "no sizes of a transformer"),
        (eap_ig(cfg=SIZES | {"parallel_attn_mlp": 1}), "expected true or false"),
        (b'{"cfg": {}}', "the key 'edges' is missing"),
        (eap_ig(edges=[]), "edges is not an object"),
        (eap_ig(**edges("input->x3")), r"edges\['input->x3'\]: component 'x3'"),
        (eap_ig(**edges("input->a0.h9<q>")), "'a0.h9' is no receiver of a model of 2 layers"),
        (eap_ig(**edges("m1->m0")), "'m1->m0' runs backwards"),
        (eap_ig(**edges("input->a0.h0")), "say which input"),
        (eap_ig(**edges("input->m0", score="big")), "'big' is not a finite number"),
        (eap_ig(**edges("input->m0", score=True)), "True is not a finite number"),
        (eap_ig(**edges("input->m0", score=float("nan"))), "nan is not a finite number"),
        (eap_ig(**edges("input->m0", score=[[1.0]])), "is not a finite number"),
        (eap_ig(cfg=SIZES | {"d_model": "8"}), "cfg.d_model is '8'; expected a whole number"),
        (eap_ig(cfg=SIZES | {"n_layers": True}), "cfg.n_layers is True; expected a whole number"),
        (eap_ig(nodes=["input"]), r"nodes is \['input'\]; expected an object"),
        (eap_ig(nodes={"input": 1}), r"nodes\['input'\] is 1; expected in_graph"),
        (eap_ig(nodes={"input": {"in_graph": "yes"}}), "in_graph is 'yes'; expected true or false"),
        (eap_ig(nodes={"input": {"score": "x"}}), r"nodes\['input'\]: score: 'x' is not a finite"),
        (eap_ig(nodes={"input": {"neurons": 3}}), "neurons is 3; expected a list, 8 long"),
        (eap_ig(nodes={"input": {"neurons": [True] * 7}}), "expected a list, 8 long"),
        (eap_ig(nodes={"input": {"neurons": [[1]] * 8}}), "neurons holds other than true and"),
        (eap_ig(**edges("input->m0", in_graph=1)), "in_graph is 1; expected true or false"),
        (eap_ig(edges={"input->m0": 3}), "is 3; expected score and in_graph"),
        (b'{"cfg": {}, "edges": {}', "not JSON"),
        (b'{"cfg": {}, "edges": {}, "edges": {}}', "the key 'edges' comes twice"),
        (
            eap_ig(edges={key: {"score": 1.0} for key in ("input->a0.h0.q", "input->a0.h0<q>")}),
            r"'input->a0.h0<q>' comes twice, in two spellings",
        ),
        (eap_ig(**edges("input->" + "x" * 100_000)), r"^.{,500}$"),
        (eap_ig(cfg=["x" * 100_000]), r"^cfg is \['x{20,77}…; expected"),
        (eap_ig(**edges("input->m0", score=float("inf"))), "not a finite number"),
    ],
)
def test_mistakes_in_eap_ig_are_named(data: bytes, message: str) -> None:
    with pytest.raises(ExchangeError, match=message):
        read_circuit_file(data, ExchangeFormat.EAP_IG)


def test_an_edge_that_was_not_scored_is_left_out() -> None:
    data = eap_ig(edges={"input->m0": {"score": float("nan"), "in_graph": False}})
    found = read_circuit_file(data, ExchangeFormat.EAP_IG)
    assert (found.edges, found.scores) == ((), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sender,receiver\ninput,m0\n", "line 1: no column 'channel'"),
        (CSV + "input,m0,r\n", "line 2: not as many values"),
        (CSV + "input,m0,r,1,2\n", "line 2: not as many values"),
        (CSV + "input,m0,r,1_0\n", "line 2: score: '1_0' is not a finite number"),
        (CSV + "input,m0,r,\u0663\n", "is not a finite number"),
        (CSV[:-1] + ",score\n", "line 1: column 'score' comes twice"),
        (CSV[:-1] + ",stability\ninput,m0,r,1,7\n", "line 2: stability is 7.0; expected a share"),
        (CSV + "input,m01,r,1\n", "line 2: component 'm01'"),
        (CSV + "m0.n\u0663,logits,r,1\n", "line 2: component"),
        (CSV + "input,m0,r,x\n", "line 2: score: 'x' is not a finite number"),
        (CSV + "input,m0,r,nan\n", "'nan' is not a finite number"),
        (CSV + "input,m0,z,1\n", "line 2: channel: Input should be"),
        (CSV + "input,m0,q,1\n", "line 2: edge 'input->m0<q>'"),
        (CSV + "input,m0,r,1\ninput,m0,r,2\n", "'input->m0' comes twice"),
        (CSV + '"input,m0,r,1\n', "line 2: unexpected end of data"),
    ],
)
def test_mistakes_in_csv_are_named(text: str, message: str) -> None:
    with pytest.raises(ExchangeError, match=message):
        read_circuit_file(text.encode(), ExchangeFormat.CSV)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x/>', "document type"),
        (graphml('source="input" target="nowhere"'), "component 'nowhere'"),
        (b'<graphml xmlns="http://graphml.graphdrawing.org/xmlns"/>', "not GraphML"),
    ],
)
def test_mistakes_in_graphml_are_named(data: bytes, message: str) -> None:
    with pytest.raises(ExchangeError, match=message):
        read_circuit_file(data, ExchangeFormat.GRAPHML)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"edges": []}, "directed multigraph"),
        ({"directed": True, "multigraph": True, "graph": [], "edges": []}, r"graph is \[\];"),
        ({"directed": True, "multigraph": True, "graph": "x", "edges": []}, "graph is 'x';"),
        ({"directed": True, "multigraph": True, "nodes": 3, "edges": []}, "not node-link JSON"),
        (
            {
                "directed": True,
                "multigraph": True,
                "graph": {},
                "nodes": [],
                "edges": [{"source": "input", "target": "m0", "key": 0}],
            },
            "edge input->m0 has no channel",
        ),
    ],
)
def test_mistakes_in_node_link_are_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ExchangeError, match=message):
        read_circuit_file(json.dumps(data).encode(), ExchangeFormat.NODE_LINK)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("input", "a5.h0", "q", 1.0), "'a5.h0' is beyond the 2 layers and 4 heads"),
        (("m0.n64", "logits", "r", 1.0), "'m0.n64' is beyond the 64 neurons of m0"),
        (("a0.h1.n8", "logits", "r", 1.0), "'a0.h1.n8' is beyond the 8 neurons of a0.h1"),
        (("a0.n32", "logits", "r", 1.0), "'a0.n32' is beyond the 32 neurons of a0"),
        (("m1", "a0.h0", "q", 1.0), "runs backwards: 'm1' comes later"),
    ],
)
def test_a_circuit_of_another_model_is_refused(row, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Exchanged(make_edges([row]), {}).check_fits(model_of(Layout(2, 4)))


def test_a_file_of_other_sizes_is_refused() -> None:
    for layout, message in (
        (Layout(3, 4), "n_layers 3, and 'made/model' has 2: import it for its own model"),
        (Layout(2, 5), "n_heads 5, and 'made/model' has 4"),
        (Layout(2, 4, parallel=True), "parallel_attn_mlp true, and 'made/model' has false"),
    ):
        with pytest.raises(SpecError, match=message):
            Exchanged((), {}, layout).check_fits(model_of(Layout(2, 4), name="made/model"))


@pytest.mark.parametrize(
    ("size", "said", "own"),
    [("d_model", 8, 32), ("d_head", 4, 8), ("d_mlp", 99, 64), ("n_key_value_heads", 2, 4)],
)
def test_every_size_that_cfg_gives_is_held_to_the_model(size: str, said: int, own: int) -> None:
    """An edge circuit of the same layers and heads would go into any model of this shape."""
    model = model_of(Layout(2, 4), name="made/model")
    read_circuit_file(eap_ig(cfg=SIZES | {size: own, "d_model": 32}), EAP_IG).check_fits(model)
    found = read_circuit_file(eap_ig(cfg=SIZES | {"d_model": 32} | {size: said}), EAP_IG)
    with pytest.raises(SpecError, match=f"{size} {said}, and 'made/model' has {own}"):
        found.check_fits(model)
    unsaid = {key: value for key, value in SIZES.items() if key != "d_model"} | {size: None}
    read_circuit_file(eap_ig(cfg=unsaid), EAP_IG).check_fits(model)


def test_the_torch_format_says_where_it_is() -> None:
    with pytest.raises(SpecError, match="needs torch"):
        read_circuit_file(b"", ExchangeFormat.EAP_IG_PT)
