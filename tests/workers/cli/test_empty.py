"""What lists, over an empty graph, says what is empty and what to do next."""

from __future__ import annotations

import re

import pytest
import typer

from tests.workers.cli.conftest import Circuits, World
from workers.cli import app
from workers.cli.exits import ExitCode

COUNT = "MATCH (c:Circuit) RETURN c.circuit_id"
EMPTY = [
    (("jobs",), "no job yet: circuits submit"),
    (("jobs", "--task", "ioi"), "no such job"),
    (("list",), "no circuit yet: circuits demo, circuits submit"),
    (("list", "--task", "ioi"), "no such circuit: circuits list"),
    (("report",), "no verdict yet: circuits universality"),
    (("motifs", "tests"), "no motif test is stored: circuits motifs test CIRCUIT"),
    (("cypher", COUNT), "no circuit yet: circuits demo, circuits submit"),
    (("query", "role-depth"), "no circuit yet: circuits demo, circuits submit"),
]


@pytest.mark.parametrize(("words", "said"), EMPTY, ids=lambda value: " ".join(value[:2]))
def test_an_empty_answer_says_so(
    circuits: Circuits, world: World, words: tuple[str, ...], said: str
) -> None:
    ran = circuits(*words, world=world)
    assert (ran.code, ran.out.strip()) in [(ExitCode.DONE, ""), (ExitCode.DONE, "(no rows)")]
    assert said in ran.err
    named = re.findall(r"circuits (\w+)", ran.err)
    assert set(named) <= set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    scripted = circuits(*words, "--json", world=world)
    assert (scripted.code, scripted.json(), scripted.err) == (ExitCode.DONE, [], "")
