"""The table to write labels into: written safely, read back whole or refused by its lines."""

from __future__ import annotations

import csv
import io

import pytest

from graph_schema.documents import (
    Annotation,
    CircuitDocument,
    DetectionScore,
    Features,
    TokenWeight,
)
from graph_schema.documents.label_rule import rule_score, rule_tokens
from graph_schema.errors import SpecError
from graph_schema.exchange.labels import (
    COLUMNS,
    LONGEST,
    LabelRow,
    read_label_table,
    write_label_table,
)
from tests.feature_circuits import described, feature_circuit, traced_circuit


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _read(*lines: str) -> list[LabelRow]:
    return read_label_table("\n".join(["node,new_label,score", *lines]).encode())


def _label(circuit: CircuitDocument, text: str, **changes: object) -> Annotation:
    fields: dict[str, object] = {
        "circuit_id": circuit.circuit_id,
        "component": "m0.f17",
        "author": "ada",
        "kind": "label",
        "at": 1,
    }
    return Annotation.model_validate({**fields, "text": text, **changes})


def test_one_row_a_unit_node_with_what_is_known() -> None:
    circuit = feature_circuit()
    said = [
        _label(circuit, "names in a list", author="eva", score=0.75, at=2),
        _label(circuit, "names in a list", at=1),
        _label(circuit, "something older", at=3, author="old"),
        _label(circuit, "a note", kind="note", at=4),
    ]
    text = write_label_table(circuit, said, Features(units=(described("m0.f17"),)))
    rows = _rows(text)
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert [row["node"] for row in rows] == ["a0.h1.f3", "m0.f17", "m1.n40"]
    assert rows[1] == {
        "node": "m0.f17",
        "position": "",
        "label": "names in a list",
        "label_score": "0.75",
        "author": "eva",
        "density": "0.25",
        "max_activation": "2.5",
        "detection": "0.750",
        "promotes": "Mary",
        "suppresses": "it",
        "examples": f"…{'x' * 76} and« Mary» went",
        "new_label": "",
        "score": "",
    }
    assert rows[2]["density"] == rows[2]["label"] == ""


def test_nodes_at_positions_have_a_row_each() -> None:
    text = write_label_table(traced_circuit(), [], Features(units=(described("m0.f17"),)))
    assert [(row["node"], row["position"], row["density"]) for row in _rows(text)] == [
        ("m0.f17@1", "1", "0.25"),
        ("m0.f17@2", "2", "0.25"),
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula_and_it_comes_back_as_it_was(start: str) -> None:
    evil = f'{start}HYPERLINK("http://x","y")'
    circuit = feature_circuit()
    node = circuit.nodes[0].model_copy(update={"label": evil})
    circuit = circuit.model_copy(update={"nodes": (node, *circuit.nodes[1:])})
    unit = described("m0.f17", promotes=(TokenWeight(token=1, text=f" {evil}", weight=1.0),))
    said = [_label(circuit, evil, author=evil)]
    row = _rows(write_label_table(circuit, said, Features(units=(unit,))))[1]
    for column in ("label", "author", "promotes"):
        assert row[column] == f"'{evil}"
    # Whoever copies the cell over means the text without the apostrophe.
    cell = row["label"].replace('"', '""')
    assert [each.text for each in _read(f'm0.f17,"{cell}"')] == [evil]
    (typed,) = _read("m0.f17,'t Hooft")
    assert typed.text == "'t Hooft"


def test_control_characters_of_tokens_are_written_out() -> None:
    unit = described("m0.f17", word="\x1b[31m\n")
    row = _rows(write_label_table(feature_circuit(), [], Features(units=(unit,))))[1]
    assert row["promotes"] == "\\x1b[31m"
    assert "\\x1b[31m\\n" in row["examples"]


def test_lines_with_a_label_are_read_and_others_are_not() -> None:
    assert _read("m0.f17, names ,0.5", "m1.n40,,", "a0.h1.f3,  ,0.5", "m1.n41,verbs") == [
        LabelRow(2, "m0.f17", "names", 0.5),
        LabelRow(5, "m1.n41", "verbs"),
    ]
    saved = "\ufeffscore;new_label;node;mine\r\n;names, two;m0.f17;x\r\n"  # as a spreadsheet does
    assert read_label_table(saved.encode()) == [LabelRow(2, "m0.f17", "names, two")]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["m0.f17,names,high"], "line 2 has the score 'high'"),
        (["m0.f17,names,1.5"], "line 2 has the score 1.5; expected 0 to 1"),
        (["m0.f17,names,nan"], "line 2 has the score nan"),
        (["m0.f17,a", f"m1.n40,{'x' * (LONGEST + 1)}"], "line 3 has a label of 501 characters"),
        (['m0.f17,"two\nlines"'], "line 3 has the label .*control"),
        (["m0.f17,\x1b[31mred"], "line 2 has the label .*control"),
        (["m0.f17,a", "m0.f17,b"], "line 3 labels 'm0.f17', as line 2 does"),
        (["m0.f17,a,,,extra"], "line 2 has more cells"),
        (['m0.f17,"a'], "no row of a CSV file"),
        (["m0.f17,a,2"] * 9, "; and 4 lines more; nothing was written"),
    ],
)
def test_a_bad_line_refuses_the_table(lines: list[str], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        _read(*lines)


def test_other_files_are_no_table() -> None:
    for data, said in (
        (b"", "no column 'node'"),
        (b"node,label\nm0.f17,a\n", "no column 'new_label'"),
        (b"node,new_label,new_label\nm0.f17,a,b\n", "two columns 'new_label'"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"node,new_label\nm0.f17,\x00\n", "CSV file|control"),
    ):
        with pytest.raises(SpecError, match=said):
            read_label_table(data)


def test_the_same_label_twice_is_one() -> None:
    assert len({(row.node, row.text) for row in _read("m0.f17,a", "m0.f17,a")}) == 1


def test_a_label_that_names_tokens_is_a_rule() -> None:
    assert rule_tokens('tokens: Mary, " John","," , Anna') == {"Mary", "John", ",", "Anna"}
    assert rule_tokens("Tokens:Mary") == {"Mary"}
    for text in ("names in a list", "tokens", "tokens:", "tokens: ,", 'tokens: "a', "my tokens: a"):
        assert rule_tokens(text) is None


def test_a_rule_is_scored_on_heldout_prompts() -> None:
    """Active on the four prompts with Mary or John past the first token; not on the four others."""
    heldout = (
        ("a", " Mary", " b"),
        ("a", " b", " Mary"),
        ("a", " John", " b"),
        ("a", " c", " John"),
        (" Mary", " b", " c"),
        ("a", " b", " c"),
        ("a", " mary", " c"),
        ("a", " c", " c"),
    )
    unit = described("m0.f17", heldout_active=(0, 1, 2, 3))
    features = Features(units=(unit,), heldout=heldout)

    def score(text: str, known: Features = features) -> DetectionScore | None:
        return rule_score(text, "m0.f17", known)

    assert score("names") is None
    assert rule_score("tokens: Mary", "m1.n40", features) is None
    for text, value in (
        ("tokens: Mary, John", 1.0),
        ("tokens: Mary", 0.75),
        ("tokens: a", 0.5),
        ("tokens: c", (0.25 + 0) / 2),
    ):
        found = score(text)
        assert found is not None
        assert found.value == value, text
    everywhere = Features(
        units=(described("m0.f17", heldout_active=tuple(range(8))),), heldout=heldout
    )
    found = score("tokens: Mary", everywhere)
    assert found is not None
    assert found.value is None
