"""A circuit chosen from a file's scores is the one that a discovery would select by them."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.eap_ig_pt import read_eap_ig_pt
from discovery.engine.graph import Graph
from discovery.methods.selection import select
from graph_schema.documents import AnySelection, Threshold, TopEdges
from graph_schema.exchange import ExchangeError, chosen, read_eap_ig

GRAPHS = st.builds(
    Graph, st.integers(1, 3), st.integers(1, 3), parallel=st.booleans(), split_embed=st.just(False)
)
SELECTIONS: st.SearchStrategy[AnySelection] = st.one_of(
    st.builds(TopEdges, n_edges=st.integers(1, 80), by=st.sampled_from(["abs", "signed"])),
    st.builds(Threshold, threshold=st.floats(0.1, 3), by=st.sampled_from(["abs", "signed"])),
)


def cfg(graph: Graph) -> dict[str, object]:
    sizes = {"n_layers": graph.n_layers, "n_heads": graph.n_heads}
    return {**sizes, "parallel_attn_mlp": graph.parallel, "d_model": 4}


@settings(deadline=None)
@given(GRAPHS, SELECTIONS, st.integers(0, 2**31))
def test_the_edges_are_those_that_a_discovery_keeps(
    graph: Graph, selection: AnySelection, seed: int
) -> None:
    # Of few values, so that ties are broken too.
    scores = np.random.default_rng(seed).integers(-3, 4, graph.n_edges).astype(np.float32)
    scores[0] = 3
    wanted = graph.names(select(graph, scores, selection).kept)
    in_graph = False
    edges = [
        (name, {"score": float(score), "in_graph": in_graph})
        for name, score in zip(graph.names(), scores, strict=True)
    ]
    np.random.default_rng(seed).shuffle(edges)
    text = json.dumps({"cfg": cfg(graph), "nodes": {}, "edges": dict(edges)}).encode()
    out = io.BytesIO()
    matrix = torch.from_numpy(graph.to_matrix(scores))
    torch.save({"cfg": cfg(graph), "edges_scores": matrix}, out)
    for found in (read_eap_ig(text), read_eap_ig_pt(out.getvalue())):
        if not wanted:
            with pytest.raises(ExchangeError, match=r"keeps nothing: .* keep more"):
                chosen(found, selection)
            continue
        picked = chosen(found, selection)
        assert [edge.name for edge in picked.kept()] == wanted
        assert {edge.name: edge.score for edge in picked.kept()}.items() <= found.scores.items()
