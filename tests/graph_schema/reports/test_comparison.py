"""Circuits side by side: as text that says what may be compared, and as pictures that parse."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from graph_schema.comparing.agreement import PairMetric
from graph_schema.comparing.circuits import Known, along_training, compare_all
from graph_schema.documents import CircuitDocument, Comparisons, Split
from graph_schema.reports import circuit_svg, comparison_html, comparison_svg, comparison_text
from graph_schema.reports.circuit_picture import NEGATIVE
from tests.factories import INDUCTION_EDGES, make_circuit, make_edges, make_imported, make_model
from tests.graph_schema.reports.made import made_circuit

NASTY = "made/<script>&'\""
OTHER = make_edges([("input", "a0.h1", "v", 0.7), ("m0", "logits", "r", 0.2)])


PAIRS = {f"heldout {i}": PairMetric(i / 2, Split.HELDOUT, f"group {i % 3}") for i in range(6)}


def _circuits(kind: str) -> list[CircuitDocument]:
    a = make_circuit(model=make_model(NASTY))
    match kind:
        case "two":
            return [a, make_circuit(OTHER, model=make_model(NASTY), job="b")]
        case "several":
            return [a, make_circuit(OTHER, model=make_model(NASTY), job="b"), a]
        case "training":
            return [a, make_circuit(OTHER, model=make_model("made/2")), a]
        case _:
            return [a, make_imported(model=make_model("made/other", family="llama"))]


def _compared(kind: str) -> tuple[Comparisons, list[CircuitDocument]]:
    circuits = _circuits(kind)
    known = [Known(circuit, None, PAIRS) for circuit in circuits]
    return (along_training(known) if kind == "training" else compare_all(known)), circuits


KINDS = ["two", "several", "training", "models"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_xml_on_which_names_are_text(kind: str) -> None:
    found, circuits = _compared(kind)
    picture = comparison_svg(found, circuits)
    root = ElementTree.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "<script" not in picture
    html = comparison_html(found, circuits)
    assert "<script" not in html
    assert picture.removeprefix("<svg ") in html  # with a style that lets it shrink


def test_a_drawing_names_components_and_edges_and_says_how_many_are_missing() -> None:
    circuit = made_circuit()
    root = ElementTree.fromstring(circuit_svg(circuit, most=3))
    words = ["".join(each.itertext()) for each in root.iter()]
    assert {"input", "a0.h1", "a1.h2", "logits"} <= set(words)
    assert any(word.startswith("a1.h2->logits  1.500") for word in words)
    assert any(word.startswith("the strongest 3 of 5 edges, 2 left out;") for word in words)
    paths = [each for each in root.iter() if each.tag.endswith("path")]
    assert len(paths) == 3
    whole = ElementTree.fromstring(circuit_svg(circuit))
    drawn = [each for each in whole.iter() if each.tag.endswith("path")]
    assert len(drawn) == 5
    dashed = [each for each in drawn if each.get("stroke-dasharray")]
    assert len(dashed) == 3  # two values and a key
    assert [each.get("stroke") for each in drawn].count(NEGATIVE) == 1
    assert "all 5 edges" in "".join(whole.itertext())
    empty = ElementTree.fromstring(circuit_svg(made_circuit([])))
    assert any("no edges" in "".join(each.itertext()) for each in empty.iter())


def test_two_circuits_in_one_picture_are_told_apart() -> None:
    found, circuits = _compared("two")
    words = comparison_svg(found, circuits)
    assert "both (2)" in words
    assert re.search(r"only A, [0-9a-f]{12} \(5\)", words)
    assert re.search(r"only B, [0-9a-f]{12} \(0\)", words)


def test_text_of_two_circuits_of_a_model_says_everything() -> None:
    text = comparison_text(_compared("two")[0])
    assert text.startswith("one model: nodes, edges and scores are compared")
    assert re.search(r"^edges +7 +2 +2 +0\.1014 +0\.2857 +0\.00\d+$", text, re.MULTILINE)
    assert "only in A" in text
    assert "nodes only in A: a1.h2" in text
    assert "metric of a pair, B - A: 0 [0, 0], 6 heldout pairs in 3 groups" in text


def test_text_across_models_has_figures_and_nothing_of_names() -> None:
    text = comparison_text(_compared("models")[0])
    assert "only figures and kinds stand side by side" in text
    assert re.search(r"^nodes +2 head, 1 input, 1 logits, 1 mlp", text, re.MULTILINE)
    assert "Jaccard" not in text
    assert "Pearson" not in text
    assert not any(edge.name in text for edge in INDUCTION_EDGES)


def test_text_along_training_has_a_row_a_checkpoint() -> None:
    text = comparison_text(_compared("training")[0])
    assert "Jaccard with the one before" in text
    rows = [line.split() for line in text.splitlines() if re.match(r"^[ABC] ", line)]
    assert [row[0] for row in rows] == ["A", "B", "C"]
    assert rows[1][1] == rows[2][1] == "0.2857"
