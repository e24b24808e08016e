"""SECURITY.md names, for each attack, files that are there and tests that are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAD = "| attack | defence | test |"


def _rows() -> list[tuple[str, str, str]]:
    """The cells of each attack."""
    _, table = (ROOT / "SECURITY.md").read_text().split(f"{HEAD}\n| --- | --- | --- |\n")
    cells = [line.strip("| ").split(" | ") for line in table.strip().splitlines()]
    return [(attack, defence, test) for attack, defence, test in cells]


ROWS = _rows()


def _tests_of(file: Path) -> list[str]:
    tree = ast.parse(file.read_text())
    found = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [name for name in found if name.startswith("test_")]


def test_there_are_attacks() -> None:
    assert len(ROWS) > 15


@pytest.mark.parametrize("row", ROWS, ids=[attack[:40] for attack, _, _ in ROWS])
def test_an_attack_has_its_tests(row: tuple[str, str, str]) -> None:
    named = re.findall(r"`([^`]+)`", row[2])
    assert named, "no test is named"
    for path in named:
        assert path.startswith("tests/"), f"{path}: give the whole path"
        assert _tests_of(ROOT / path), f"{path} holds no test"


@pytest.mark.parametrize("row", ROWS, ids=[attack[:40] for attack, _, _ in ROWS])
def test_a_defence_is_where_it_is_said_to_be(row: tuple[str, str, str]) -> None:
    named = re.findall(r"`([^`]+(?:\.py|/[^`]*))`", row[1])
    for path in named:
        assert (ROOT / path).exists(), f"{path}: there is no such file; give the whole path"
