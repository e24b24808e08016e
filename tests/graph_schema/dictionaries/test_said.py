"""Configuration files of dictionaries are read as plain values, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.dictionaries.said import Said
from graph_schema.errors import DictionaryError


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x [1]\nb: *x", "line 2, column 4: aliases are not read here"),
        ("k: 32\nk: 64", "line 2, column 1: the key 'k' is given twice"),
        ("a: !!python/object/apply:os.getcwd []", "line 1, column 4: tags are not read"),
        ("[" * 5_000, "more than 100 lists"),
        ("- k", "expected an object"),
    ],
)
def test_yaml_that_is_not_plain_is_refused_by_the_file(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(DictionaryError) as caught:
        Said.of(file)
    assert str(file) in str(caught.value)
    assert why in str(caught.value)


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("k: 32\nbias: true\nname: sae")
    (tmp_path / "a.json").write_text('{"k": 32, "bias": true, "name": "sae"}')
    said = [Said.of(tmp_path / name) for name in ("a.yaml", "a.json")]
    assert said[0].fields == said[1].fields == {"k": 32, "bias": True, "name": "sae"}
