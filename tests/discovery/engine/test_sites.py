"""Numbers of senders and receivers say what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from discovery.engine.graph import Graph
from discovery.engine.site import Split
from discovery.engine.sites import Sites
from graph_schema.documents import Component
from graph_schema.models.layout import Layout


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("split_embed", [False, True])
def test_a_number_stands_for_the_component_of_that_name(parallel: bool, split_embed: bool) -> None:
    sites, layout = Sites(3, 2, parallel, split_embed), Layout(3, 2, parallel, split_embed)
    assert (sites.n_senders, sites.n_receivers) == (len(layout.senders), len(layout.receivers))
    for number, name in enumerate(layout.senders):
        layer = Component.parse(name).layer
        assert sites.sender_layers[number] == (-1 if layer is None else layer)
    for number, (name, channel) in enumerate(layout.receivers):
        component = Component.parse(name)
        layer = sites.n_layers if component.layer is None else component.layer
        assert sites.layer(number) == layer
        head = sites.attention_part(number)
        assert head == (None if component.head is None else (channel, component.head))
        if head is not None:
            assert number == sites.head_receivers(layer, channel).start + head[1]
        writer = sites.writer[number]
        assert (layout.senders[writer] if writer >= 0 else "logits") == name
        assert sites.n_upstream[number] == layout.n_read(name)
    assert np.array_equal(np.unique(sites.receiver_layers), np.arange(4))


def test_parts_are_numbered_in_place_of_their_component() -> None:
    splits = (
        Split("embed", (5, 2), error=False),
        Split("a0.h1", (3,)),
        Split("m0", (1, 0), "n", error=False),
        Split("a1", (7,)),
    )
    graph = Graph(2, 2, split_embed=True, splits=splits)
    assert graph.sender_names == (
        *("embed.f5", "embed.f2", "embed.rest", "pos_embed"),
        *("a0.h0", "a0.h1.f3", "a0.h1.rest", "a0.h1.error", "m0.n1", "m0.n0", "m0.rest"),
        *("a1.f7", "a1.rest", "a1.error", "m1"),
    )
    first = [f"{part}<{channel}>" for channel in "qkv" for part in graph.sender_names[4:8]]
    assert graph.receiver_names[: len(first)] == tuple(first)
    assert graph.receiver_names[-2:] == ("m1", "logits")
    for receiver, (part, _) in enumerate(graph.receivers[:-1]):
        assert graph.sender_names[graph.writer[receiver]] == part
        layer = Component.parse(part).layer
        assert layer == graph.layer(receiver)
    assert graph.kept(graph.names()).sum() == graph.n_edges
    dense, directed = (np.flatnonzero(graph.directed == kind) for kind in (False, True))
    assert np.array_equal(graph.rows[dense], np.arange(graph.n_dense))
    assert np.array_equal(graph.rows[directed], np.arange(graph.n_directed))
