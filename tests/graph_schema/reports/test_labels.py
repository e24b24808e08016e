"""What nodes are called, in pictures, tables and drawings: shown beside the name, and harmless."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

from graph_schema.exchange import check_graph
from graph_schema.reports import (
    circuit_html,
    circuit_svg,
    graph_words,
    layer_table,
    node_table,
    picture,
    summary,
)
from tests.factories import make_circuit, make_edges, make_model
from tests.graph_schema.exchange.neuronpedia.made import data_of, tracer_graph
from tests.graph_schema.exchange.neuronpedia.test_round_trips import circuit_of
from tests.graph_schema.exchange.test_figures import SCRIPT, labelled


def test_the_picture_has_labels_and_positions() -> None:
    lines = picture(labelled(), 100).splitlines()
    assert any(line.startswith("m0.f17@0            plurals, after 'the'") for line in lines)
    assert any(line.startswith("input@0             'a'") for line in lines)
    assert lines[0].startswith("input@0")
    assert max(map(len, lines[:-1])) <= 100


def test_a_narrow_picture_has_no_labels() -> None:
    assert "plurals" not in picture(labelled(), 40)
    assert picture(make_circuit(), 100) == picture(make_circuit(nodes=labelled().nodes), 100)


def test_nothing_steers_the_reader() -> None:
    circuit = labelled(SCRIPT)
    for text in (picture(circuit), node_table(circuit), summary(circuit)):
        assert "\x1b" not in text
    for text in (circuit_svg(circuit), circuit_html(circuit)):
        assert "<script>" not in text
        assert "\x1b" not in text
    ElementTree.fromstring(circuit_svg(circuit))


def test_the_drawing_shows_labels_and_widens() -> None:
    assert "plurals, after" in circuit_svg(labelled())
    svg = circuit_svg(circuit_of(data_of(tracer_graph())))
    assert ">capitals</text>" in svg
    assert "width='960'" in svg
    wide = [("input", f"a1.h{head}", "q", 1.0) for head in range(20)]
    many = make_model(n_heads=20, n_kv_heads=20)
    drawn = ElementTree.fromstring(circuit_svg(make_circuit(make_edges(wide), model=many)))
    boxes = sorted(
        (float(box.get("x", "")), float(box.get("width", "")))
        for box in drawn.iter("{http://www.w3.org/2000/svg}rect")
        if len(box) and (box[0].text or "").startswith("a1")
    )
    assert len(boxes) == 20
    assert all(x + width < after for (x, width), (after, _) in pairwise(boxes))
    assert float(drawn.get("width", "")) > 960


def test_logits_of_tokens_stand_in_the_last_row() -> None:
    rows = layer_table(circuit_of(data_of(tracer_graph()))).splitlines()
    assert rows[-1].split()[0] == "logits"
    assert "logits.t22605@1" in rows[-1]


def test_the_summary_says_what_a_graph_of_one_prompt_is() -> None:
    text = summary(circuit_of(data_of(tracer_graph())))
    assert "known by its name alone, 3 layers" in text
    assert "<bos> capital (2 tokens)" in text
    assert "completeness" in text


def test_a_check_in_words() -> None:
    text = graph_words(check_graph(data_of(tracer_graph())))
    assert text.startswith("valid")
    assert "\nnodes         8, 3 of them features\n" in text
    bad = tracer_graph()
    bad["links"] = [{"source": "\x1b[31m", "target": "E_2_0", "weight": 1.0}] * 70
    lines = graph_words(check_graph(data_of(bad))).splitlines()
    assert lines[0] == "not valid: 70 complaints"
    assert lines[-1] == "… and 20 more"
    assert "\x1b" not in "".join(lines)
