"""Images of each other count once, however a pattern is written."""

from __future__ import annotations

import pytest

from graph_schema.documents import Motif
from graph_schema.motifs import bindings, find, parse_motif
from graph_schema.motifs.symmetry import automorphisms
from tests.graph_schema.motifs.made import graph_of

FAN = "name: fan\nnodes: {s: {}, a: {}, b: {}}\nedges: [s -> a, s -> b]\n"
# Two receivers of one layer, one before them and one after.
GRAPH = graph_of("m0->a1.h0<q>", "m0->a1.h1<q>", "m0->m2", "input->a1.h0<q>", "input->m2")


def fan(more: str) -> Motif:
    return parse_motif(FAN + more)


@pytest.mark.parametrize(
    "more",
    [
        "depth: [a = b]",
        "depth: [b = a]",
        "depth: [a = b, b = a]",
        "depth: [a <= b, b <= a]",
    ],
)
def test_nodes_of_equal_depth_are_bound_once(more: str) -> None:
    """One pair, and not once each way round."""
    assert bindings(GRAPH, fan(more)) == [{"s": "m0", "a": "a1.h0", "b": "a1.h1"}]
    found = find(GRAPH, fan(more), "c")
    assert [each.binds for each in found.occurrences] == bindings(GRAPH, fan(more))


@pytest.mark.parametrize(
    "more",
    [
        "depth: [s <= a]",  # which the edge says already
        "depth: [s < a, s < b, s <= a]",
        "signs: [{product: [s -> a, s -> b], sign: '-'}]",
        "signs: [{product: [s -> a], sign: '+'}, {product: [s -> b], sign: '+'}]",
    ],
)
def test_what_follows_anyway_breaks_no_symmetry(more: str) -> None:
    assert len(automorphisms(fan(more))) == 2


@pytest.mark.parametrize("more", ["depth: [a < b]", "depth: [a <= b]", "depth: [s < a]"])
def test_an_order_that_tells_nodes_apart_breaks_it(more: str) -> None:
    assert len(automorphisms(fan(more))) == 1


def test_a_sign_is_the_same_on_an_edge_and_in_a_rule() -> None:
    text = FAN.replace("s -> b]", "{from: s, to: b, sign: '+'}]")
    assert len(automorphisms(parse_motif(text + "signs: [{product: [s -> a], sign: '+'}]"))) == 2
    both = "signs: [{product: [s -> a, s -> b], sign: '+'}]"  # which asks + of s -> a
    assert len(automorphisms(parse_motif(text + both))) == 2


def test_all_kinds_and_all_channels_are_as_none() -> None:
    kinds = "[input, embed, pos_embed, head, mlp, logits, neuron, feature, error, rest]"
    assert len(automorphisms(parse_motif(FAN.replace("a: {}", f"a: {{kinds: {kinds}}}")))) == 2
    assert len(automorphisms(parse_motif(FAN.replace("s -> a", "s -q|k|v|r-> a")))) == 2
