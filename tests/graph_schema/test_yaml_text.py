"""YAML of a person's file: plain values, each with its line, and what is refused."""

from __future__ import annotations

import pytest

from graph_schema.errors import SpecError
from graph_schema.yaml_text import read_yaml

TEXT = """\
models:
  - a
  - {model: b,
     revision: main}
edges: 40
"""


def test_every_value_has_its_line() -> None:
    data, lines = read_yaml(TEXT, "it", 1000)
    assert data == {"models": ["a", {"model": "b", "revision": "main"}], "edges": 40}
    assert lines[("models", 1)] == 3
    assert lines[("models", 1, "revision")] == 4
    assert lines[("edges",)] == 5
    assert read_yaml("", "it", 1000) == (None, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x", "it is not YAML: line 2, column 4: aliases are not read here"),
        ("a: 1\na: 2", "it is not YAML: line 2, column 1: the key 'a' is given twice"),
        ("a: !!python/object/apply:os.system [ls]", "it is not YAML: line 1"),
        ('a: !!int ""', "it is not YAML: line 1, column 4: tags are not read here"),
        ("a: !!timestamp soon", "tags are not read here"),
        ("a: !!bool perhaps", "tags are not read here"),
        ("!!map [a]", "tags are not read here"),
        ("a: 0x" + "f" * 5000, "line 1, column 4: a whole number of 20,000 bits"),
        ("a: 1\n---\nb: 2", "it is not YAML: line 2"),
        ("[" * 20_000, "it is not YAML"),
        ("a: \x07", "it is not YAML"),
        ("a: \udc80", "it is not YAML"),
        ("a" * 50_001, "it: 50001 bytes; expected at most 50000"),
    ],
)
def test_what_is_not_plain_is_refused(text: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        read_yaml(text, "it", 50_000)
    assert said in str(refused.value)
