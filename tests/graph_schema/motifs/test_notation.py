"""Motifs in YAML: what is read, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.documents import Channel, ComponentKind, DepthRelation, RoleName, Sign
from graph_schema.errors import SpecError
from graph_schema.motifs import parse_motif

ROOT = Path(__file__).parents[3]

WHOLE = """
name: relayed
description: Everything the notation has.
nodes:
  early: {kind: head}
  relay: {kinds: [mlp, neuron]}
  mover: {role: name_mover}
  out: {kind: logits}
edges:
  - early -> relay -q|k-> mover
  - {from: mover, to: out, channel: r, sign: "-"}
depth:
  - early < mover
signs:
  - {product: [early -> relay, relay -> mover], sign: "+"}
induced: true
"""


def test_everything_in_the_notation_is_read() -> None:
    motif = parse_motif(WHOLE)
    assert motif.variables == ("early", "relay", "mover", "out")
    assert motif.nodes[1].kinds == (ComponentKind.MLP, ComponentKind.NEURON)
    assert motif.nodes[2].roles == (RoleName.NAME_MOVER,)
    assert [edge.name for edge in motif.edges] == [
        "early -> relay",
        "relay -k|q-> mover",
        "mover -r-> out",
    ]
    assert motif.edges[1].channels == (Channel.K, Channel.Q)
    assert motif.edges[2].sign is Sign.NEGATIVE
    assert motif.depth[0].relation is DepthRelation.BEFORE
    assert motif.signs[0].edges == (0, 1)
    assert motif.induced
    assert motif.output == "mover"


def test_a_motif_survives_its_json() -> None:
    motif = parse_motif(WHOLE)
    assert type(motif).model_validate_json(motif.model_dump_json()) == motif


def test_the_id_covers_the_pattern_and_not_the_prose() -> None:
    motif = parse_motif(WHOLE)
    other_words = parse_motif(WHOLE.replace("Everything the notation has.", "Other words."))
    other_pattern = parse_motif(WHOLE.replace("early < mover", "early <= mover"))
    assert other_words.motif_id == motif.motif_id
    assert other_pattern.motif_id != motif.motif_id


SHORT = "name: m\nnodes:\n  a: {role: induction}\n  b: {kind: mlp}\nedges:\n  - a -> b\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "motif is None; expected a mapping"),
        ("- a", "expected a mapping of keys to values"),
        ("name: [", "not YAML: line 1"),
        ("name: m\nname: n", "line 2, column 1: the key 'name' is given twice"),
        ("a: &x [1]\nb: *x", "aliases are not read here"),
        ("nodes: {a: {}}", "'name' is missing"),
        (SHORT.replace("edges:\n  - a -> b", "edges: []"), "'edges' is missing or empty"),
        (SHORT.replace("name: m", "name: My Motif"), "name: String should match"),
        (SHORT.replace("edges", "egdes"), "unknown key 'egdes'; did you mean 'edges'"),
        (SHORT.replace("induction", "indution"), "nodes.a: role 'indution' is not known; did you"),
        (SHORT.replace("kind: mlp", "kind: attention"), "expected one of input, embed"),
        (SHORT.replace("role:", "rol:"), "nodes.a: unknown key 'rol'; did you mean 'role'"),
        (SHORT.replace("a -> b", "a - b"), r"edges\[0\]: 'a - b' is not an edge"),
        (SHORT.replace("a -> b", "a -x-> b"), "channel 'x' is not known"),
        (SHORT.replace("a -> b", "a -> c"), "'c' is not one of the motif's nodes: a, b"),
        (SHORT.replace("a -> b", "a -> b -> a"), "a cycle through 'a'"),
        (SHORT.replace("a -> b", "a -> a"), "a cycle through 'a'"),
        (SHORT.replace("  - a -> b", "  - a -> b\n  - a -q-> b"), "shares a channel"),
        (SHORT.replace("b: {kind: mlp}", "b: {}\n  c: {}"), "'c' hangs on no edge"),
        (SHORT.replace("b: {kind", "B: {kind"), "nodes.B: variable: String should match"),
        (SHORT.replace("b: {kind", "no: {kind"), "put it in quotes"),
        (SHORT + "depth:\n  - a before b", "'a before b' is not an order"),
        (SHORT + "depth:\n  - a < z", "'z' is not one of the motif's nodes"),
        (SHORT + "depth:\n  - a < a", "'a < a' puts a node before itself"),
        (SHORT + "depth:\n  - a = a", "'a = a' compares a with itself"),
        (SHORT + "depth:\n  - b < a", "'b < a' contradicts the edges, which lead from a to b"),
        (SHORT + "depth:\n  - a < b\n  - a = b", "contradict each other: a < b, a = b put"),
        (SHORT + "signs:\n  - {product: [b -> a], sign: '+'}", "'b -> a' is none of the motif's"),
        (SHORT + "signs:\n  - {product: [a -> b], sign: plus}", "sign 'plus' is not known"),
        (SHORT + "signs:\n  - {product: [], sign: '+'}", "product is empty"),
        (SHORT + "induced: maybe", "induced is 'maybe'; expected true or false"),
        ("nodes: {a: {}}\nname: 7\nedges: [a -> b]", "name is 7; expected text"),
        ("name: m\nnodes: {a: {}}\nedges: [a -> a]", "nodes: Tuple should have at least 2"),
        ("x" * 70_000, "70000 bytes; expected at most 65536"),
        ("[" * 10_000, "not YAML"),
        ("name: !!python/object:os.system x", "tags are not read here"),
        ("? [a, b]\n: c", "unhashable key"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_motif(text)


@pytest.mark.parametrize("source", ["docs/motifs.md", "graph_schema/motifs/notation.py"])
def test_the_examples_that_explain_the_notation_are_read(source: str) -> None:
    text = (ROOT / source).read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    assert parse_motif(example).edges
