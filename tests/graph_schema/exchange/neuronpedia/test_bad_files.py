"""Graph files that are wrong, or meant to do harm: refused with a place, or kept as text."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from graph_schema.exchange import ExchangeError, check_graph, read_neuronpedia
from graph_schema.exchange.neuronpedia.numbers import EXACT, paired, unpaired
from tests.graph_schema.exchange.neuronpedia.made import Graph, data_of, node, tracer_graph

Change = Callable[[Graph], object]


def changed(change: Change) -> bytes:
    graph = tracer_graph()
    change(graph)
    return data_of(graph)


def set_node(place: int, **fields: Any) -> Change:
    return lambda graph: graph["nodes"][place].update(fields)


def set_link(place: int, **fields: Any) -> Change:
    return lambda graph: graph["links"][place].update(fields)


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


BAD: dict[str, tuple[Change, str]] = {
    "dangling": (set_link(3, target="9_9_9"), "links[3].target: '9_9_9' is no node of the file"),
    "both ends away": (set_link(3, source="x", target="y"), "links[3].source: 'x'"),
    "more than certain": (
        set_node(-1, token_prob=5),
        "token_prob: 5 is no probability",
    ),
    "less than impossible": (set_node(-1, token_prob=-0.5), "-0.5 is no probability"),
    "same id": (set_node(4, node_id="0_1_0"), "nodes[4].node_id: '0_1_0' comes twice"),
    "same link": (lambda g: g["links"].append(g["links"][0]), "links[8]: 'E_2_0' to '0_1_0' comes"),
    "to itself": (
        set_link(3, target="1_16380_1"),
        "links[3]: edge 'm1.f16380@1->m1.f16380@1' runs",
    ),
    "backwards": (set_link(3, source="2_16380_1", target="1_16380_1"), "runs backwards"),
    "from a logit": (set_link(3, source="4_9_1"), "the logits send nothing"),
    "to a token": (set_link(3, target="E_2_0"), "reads nothing"),
    "back in time": (set_link(3, target="0_1_0", source="E_651_1"), "later position to an earlier"),
    "one feature twice": (
        lambda g: g["nodes"].append({**g["nodes"][4], "node_id": "same"}),
        "nodes[8].node_id: 'same' and '1_16380_1' are both m1.f16380@1",
    ),
    "one component twice": (
        lambda g: [each.update(component="m3.rest@1") for each in g["nodes"][:2]],
        "nodes[1].node_id: 'E_651_1' and 'E_2_0' are both m3.rest@1",
    ),
    "NaN weight": (set_link(2, weight=float("nan")), "links[2].weight: nan is not a finite number"),
    "endless weight": (set_link(2, weight=float("inf")), "links[2].weight: inf"),
    "text weight": (set_link(2, weight="1.5"), "links[2].weight: '1.5' is no number"),
    "true weight": (set_link(2, weight=True), "links[2].weight: True is no number"),
    "no source": (lambda g: g["links"][1].pop("source"), "links[1]: has no 'source'"),
    "no clerp": (lambda g: g["nodes"][1].pop("clerp"), "nodes[1]: has no 'clerp'"),
    "odd clerp": (set_node(1, clerp=["a"]), "nodes[1].clerp: ['a'] is no string"),
    "half a layer": (set_node(3, layer=1.5), "nodes[3].layer: 1.5 is no string or integer"),
    "no layer": (set_node(3, layer="first"), "nodes[3] ('0_1_0'): layer is 'first'; expected"),
    "layer below": (set_node(3, layer=-2), "nodes[3] ('0_1_0'): layer is -2"),
    "huge layer": (set_node(3, layer=10**30), "nodes[3] ('0_1_0'): layer is 1000000"),
    "half a feature": (set_node(3, feature=2.5), "nodes[3].feature: 2.5 is no integer or null"),
    "no feature": (set_node(3, feature=None), "feature is None, and it is a cross layer transco"),
    "rounded pair": (
        set_node(3, feature=EXACT + 2),
        "nodes[3] ('0_1_0'): feature 9007199254740994",
    ),
    "odd probability": (set_node(6, token_prob="high"), "nodes[6].token_prob: 'high' is no number"),
    "past the prompt": (set_node(3, ctx_idx=2), "nodes[3].ctx_idx: 2 is past the 2 tokens"),
    "before the prompt": (set_node(3, ctx_idx=-1), "nodes[3] ('0_1_0'): ctx_idx -1 is no position"),
    "half a character": (set_node(3, clerp="a\ud800b"), "holds half a character"),
    "no metadata": (lambda g: g.pop("metadata"), ": has no 'metadata'"),
    "no prompt": (lambda g: g["metadata"].pop("prompt"), "metadata: has no 'prompt'"),
    "odd token": (
        lambda g: g["metadata"].update(prompt_tokens=["a", 3]),
        "metadata.prompt_tokens[1]: 3 is no string",
    ),
    "odd group": (
        lambda g: g["qParams"].update(supernodes=[["a", "b"], "c"]),
        "qParams.supernodes[1]: 'c' is no list",
    ),
    "odd member": (
        lambda g: g["qParams"].update(supernodes=[["a", 3]]),
        "qParams.supernodes[0]: holds what is no text",
    ),
    "nested": (lambda g: g["metadata"].update(more=nested(60)), "metadata['more']: is nested more"),
    "endless extra": (set_node(2, mine=[float("inf")]), "nodes[2]['mine']: holds inf"),
    "odd traces": (set_node(2, qk_tracing_results={}), "nodes[2].qk_tracing_results: has no 'pair"),
    "odd pruned node": (
        lambda g: g.update(qk_only_nodes={"1_2_3": {"node_id": "1_2_3"}}),
        "qk_only_nodes['1_2_3']: has no 'feature_type'",
    ),
    "odd component": (set_node(3, component="b3.h1"), "component 'b3.h1' is not a name we know"),
    "odd channels": (set_link(3, channels=[["r", 1.0]]), "links[3].channels: expected [channel"),
}


@pytest.mark.parametrize(("change", "words"), BAD.values(), ids=BAD.keys())
def test_a_wrong_file_is_refused_by_its_place(change: Change, words: str) -> None:
    data = changed(change)
    found = check_graph(data)
    assert not found.valid
    assert any(words in each for each in found.complaints), found.complaints
    with pytest.raises(ExchangeError, match="not valid"):
        read_neuronpedia(data)


def test_what_is_no_graph_is_refused() -> None:
    for data, words in (
        (b"[]", "expected an object"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"a": 1, "a": 2}', "comes twice"),
        (b"[" * 2_000_000, "some 2,000,000 objects and lists; expected at most 1,300,000 (100,000"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deep"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "character 7: 99999999999… is a whole number of 5,000 "),
        (data_of({**tracer_graph(), "links": []}), "links: the graph has none"),
    ):
        with pytest.raises(ExchangeError) as raised:
            read_neuronpedia(data)
        assert words in str(raised.value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"metadata":{},"qParams":{},"links":[],"nodes":[' + b"{}," * 10_000_000 + b"{}]}",
        b'{"metadata":{},"qParams":{},"links":[],"nodes":[' + b"1," * 10_000_000 + b"1]}",
    ],
    ids=["objects", "numbers"],
)
def test_ten_million_nodes_are_refused_before_they_are_any(data: bytes) -> None:
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(ExchangeError, match=r"some 10,000,00\d .*expected at most"):
        read_neuronpedia(data)
    assert time.process_time() - start < 2
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_too_many_nodes_are_refused_by_number() -> None:
    found = check_graph(changed(lambda graph: graph.update(nodes=[{}] * 100_001)))
    assert found.complaints == ("nodes: 100,001 are given; expected at most 100,000",)


def test_complaints_are_bounded_and_counted() -> None:
    def break_all(graph: Graph) -> None:
        graph["links"] = [{"source": "x", "target": "y", "weight": 1}] * 1_000

    found = check_graph(changed(break_all))
    assert len(found.complaints) == 50
    assert found.n_complaints == 2_000


def test_a_script_in_a_label_is_text() -> None:
    words = "<script>alert(1)</script>\x1b[31m"
    circuit = read_neuronpedia(changed(set_node(4, clerp=words)))
    assert {figure.label for figure in circuit.nodes} >= {words}


def test_a_path_longer_than_influence_follows_is_told() -> None:
    """Scores of a graph that a tool wrote with logits without a probability are left out."""
    found = check_graph(changed(lambda g: [each.pop("token_prob", 0) for each in g["nodes"]]))
    assert found.valid
    assert found.scores is None
    assert "no path leads from a token or an error to a logit with a probability" in found.notes[-1]


@pytest.mark.parametrize("layer", [0, 1, 25, 10**4])
@pytest.mark.parametrize("index", [0, 1, 16_383, 10**7, 10**12])
def test_pairs_are_told_apart_at_any_size(layer: int, index: int) -> None:
    assert unpaired(paired(layer, index)) == (layer, index)


def test_numbers_before_pairs_are_split_for_the_scan_that_has_them() -> None:
    graph = tracer_graph()
    graph["metadata"] |= {"schema_version": 0, "scan": "gemma-2-2b"}
    for each in graph["nodes"]:
        if each["feature_type"] == "cross layer transcoder":
            each["feature"] = int(each["layer"]) * 10**5 + 16_380
            each["node_id"] = f"opaque-{each['node_id']}"
    for link in graph["links"]:
        for side in ("source", "target"):
            if link[side].startswith(("0_1_0", "1_1", "2_1")):
                link[side] = f"opaque-{link[side]}"
    graph["nodes"].append(node("0_1_0", -1, "1", 0, "mlp reconstruction error"))
    names = {figure.name for figure in read_neuronpedia(json.dumps(graph).encode()).nodes}
    assert {"m0.f16380@0", "m1.f16380@1", "m2.f16380@1", "m1.error@0"} <= names
