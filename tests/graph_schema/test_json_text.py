"""JSON that every reader takes."""

from __future__ import annotations

import json
import math

import pytest

from graph_schema.json_text import json_text


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null_at_any_depth(bad: float) -> None:
    value = {"a": bad, "b": [1.0, (bad, {"c": bad})], "d": "NaN", "e": -0.0, "f": 2**63, "g": True}
    text = json_text(value)
    expected = {"a": None, "b": [1.0, [None, {"c": None}]], "d": "NaN", "e": 0.0, "f": 2**63}
    assert json.loads(text, parse_constant=pytest.fail) == {**expected, "g": True}
    assert '"e": -0.0' in text


def test_what_is_finite_is_written_as_ever() -> None:
    value = {"ä": [1.5, None, "\U0001f600"]}
    assert json_text(value, indent=2) == json.dumps(value, ensure_ascii=False, indent=2)
    assert json_text(value, ascii_only=True) == json.dumps(value)
