"""Commands that read the graph: `list`, `show`, `cypher`."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph_schema.documents import CircuitDocument
from tests.workers.cli.conftest import Circuits
from tests.workers.world import N_EDGES, World
from workers.cli.exits import ExitCode


@pytest.fixture
def found(circuits: Circuits, world: World) -> dict[str, Any]:
    """A circuit in the graph."""
    return circuits("run", *world.ask, "--edges", 12, "--json", world=world).json()


def test_show_has_figures_layers_a_picture_and_edges(
    circuits: Circuits, world: World, found: dict[str, Any]
) -> None:
    text = circuits("show", found["circuit_id"][:10], world=world).out
    assert found["circuit_id"] in text
    assert f"{found['n_edges']} kept of {N_EDGES} scored" in text
    assert re.search(r"faithfulness +\d\.\d{3} \[.*\]  discovery, \d+ pairs", text)
    assert re.search(r"^logits +\d+", text, re.MULTILINE)
    assert re.search(r"^input +●", text, re.MULTILINE)
    assert re.search(r"a\d\.h\d->", text)
    assert max(map(len, text.splitlines())) <= 120


def test_show_as_json_is_the_circuit_document(
    circuits: Circuits, world: World, found: dict[str, Any]
) -> None:
    ran = circuits("show", found["circuit_id"], "--format", "json", world=world)
    document = CircuitDocument.model_validate(ran.json())
    assert document.circuit_id == found["circuit_id"]
    assert document.n_edges == found["n_edges"]


def test_all_scores_name_every_edge(
    circuits: Circuits, world: World, found: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "scores.npz"
    ran = circuits("show", found["circuit_id"], "--all-scores", file, world=world)
    assert ran.code == ExitCode.DONE
    with np.load(file, allow_pickle=False) as scores:
        assert scores["names"].shape == scores["scores"].shape == (N_EDGES,)
        by_name = dict(zip(scores["names"].tolist(), scores["scores"].tolist(), strict=True))
    shown = circuits("show", found["circuit_id"], "--format", "json", world=world).json()
    for edge in CircuitDocument.model_validate(shown).edges:
        assert by_name[edge.name] == pytest.approx(edge.score, rel=1e-6)
    away = circuits("show", found["circuit_id"], "--all-scores", tmp_path / "a/b", world=world)
    assert away.code == ExitCode.REQUEST
    assert "there is no folder" in away.err
    there = circuits("show", found["circuit_id"], "--all-scores", file, world=world)
    assert (there.code, there.out) == (ExitCode.REQUEST, "")
    assert "--force replaces it" in there.err
    words = ("--all-scores", file, "--force")
    assert circuits("show", found["circuit_id"], *words, world=world).code == ExitCode.DONE


def test_list_filters(circuits: Circuits, world: World, found: dict[str, Any]) -> None:
    listed = circuits("list", "--task", "pairs", "--method", "eap", "--json", world=world).json()
    assert [circuit["circuit_id"] for circuit in listed] == [found["circuit_id"]]
    assert circuits("list", "--task", "none", "--json", world=world).json() == []
    assert found["circuit_id"][:12] in circuits("list", world=world).out
    assert circuits("list", "--limit", 0, world=world).code == ExitCode.REQUEST


QUERY = (
    "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(n) RETURN n.name AS name, n.layer AS layer "
    "ORDER BY name"
)


def test_cypher_answers_as_table_json_and_csv(
    circuits: Circuits,
    world: World,
    found: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameter = f"id={found['circuit_id']}"
    rows = circuits("cypher", QUERY, "--param", parameter, "--json", world=world).json()
    assert {"name": "input", "layer": None} in rows
    table = circuits("cypher", QUERY, "--param", parameter, world=world).out
    assert table.splitlines()[0].split() == ["name", "layer"]
    assert len(table.splitlines()) == len(rows) + 2
    monkeypatch.setattr("sys.stdin", io.StringIO(QUERY))
    text = circuits("cypher", "--param", parameter, "--csv", world=world).out
    read = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in read] == [row["name"] for row in rows]


def test_cypher_shows_nodes_and_says_when_there_is_nothing(
    circuits: Circuits, world: World, found: dict[str, Any]
) -> None:
    node = circuits("cypher", "MATCH (m:Model) RETURN m", "--json", world=world).json()[0]["m"]
    assert node["labels"] == ["Model"]
    assert node["properties"]["n_layers"] == 2
    empty = circuits("cypher", "MATCH (n:Model {name: 'none'}) RETURN n", world=world)
    assert empty.out == "(no rows)\n"
    assert empty.code == ExitCode.DONE


def test_a_cut_answer_says_so(
    circuits: Circuits, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUITS_LIMITS__QUERY_ROWS", "5")
    limits = world.settings.limits.model_copy(update={"query_rows": 5})
    small = World(world.settings.model_copy(update={"limits": limits}), world.model, world.pairs)
    ran = circuits("cypher", "UNWIND range(1, 20) AS n RETURN n", "--json", world=small)
    assert [row["n"] for row in ran.json()] == [1, 2, 3, 4, 5]
    assert "only the first 5 rows" in ran.err


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("CREATE (n:Circuit) RETURN n", "CREATE"),
        ("MATCH (n) DETACH DELETE n", "DETACH"),
        ("LOAD CSV FROM 'file:///etc/passwd' AS row RETURN row", "LOAD"),
        ("RETURN $missing", "missing"),
        ("MATCH (n RETURN n", "fails"),
        (" ", "empty"),
    ],
)
def test_a_query_that_may_not_run_is_refused_by_name(
    circuits: Circuits, world: World, query: str, word: str
) -> None:
    ran = circuits("cypher", query, world=world)
    assert ran.code == ExitCode.REQUEST
    assert ran.out == ""
    assert word in ran.err


def test_schema_counts_what_is_stored_and_its_examples_run(
    circuits: Circuits, world: World, found: dict[str, Any]
) -> None:
    summary = circuits("schema", "--json", world=world).json()
    counts = {part["name"]: part["count"] for part in summary["nodes"]}
    assert counts["Circuit"] >= 1
    assert counts["CircuitNode"] > 1
    text = circuits("schema", world=world).out
    assert re.search(r"^\(CircuitNode\)-\[:EDGE\]->\(CircuitNode\) +\d", text, re.MULTILINE)
    example = next(part["example"] for part in summary["nodes"] if part["name"] == "Circuit")
    assert circuits("cypher", example, world=world).code == ExitCode.DONE


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "no query: write it as an argument"),
        (b"RETURN \xff", "is no text: invalid start byte"),
        (b" \n", "is empty"),
        (b"x" * 200_000, "has 100,001 characters; expected at most 100,000"),
    ],
    ids=["closed", "no text", "nothing", "too long"],
)
def test_standard_input_that_is_no_query_is_refused(
    circuits: Circuits,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    given: bytes | None,
    said: str,
) -> None:
    """Not read to its end where that is far, and perhaps nowhere (`< /dev/zero`)."""
    for words in (("cypher",), ("cypher", "-")):
        source = None if given is None else io.TextIOWrapper(io.BytesIO(given), "utf-8")
        monkeypatch.setattr("sys.stdin", source)
        refused = circuits(*words, world=world)
        assert (refused.code, refused.out) == (ExitCode.REQUEST, "")
        assert said in refused.err
