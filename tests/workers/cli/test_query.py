"""`query`: the named questions, listed and asked."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.catalogue import QUESTIONS
from tests.made_world import MadeWorld, fill
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode


@pytest.fixture(scope="module")
def made(world: World) -> MadeWorld:
    """The made world, in the graph."""
    with GraphStore(world.settings.store_address()) as store:
        return fill(store)


def test_all_questions_are_listed_with_what_they_answer(circuits: Circuits) -> None:
    """Without a graph: the list is no answer of it."""
    text = circuits("query").out
    for question in QUESTIONS.values():
        assert f"{question.name}\n    {question.answers}\n" in text + "\n"
    assert "--param circuit=…" in text
    assert "--param [hops=4]" in text
    listed = circuits("query", "--json").json()
    assert [each["name"] for each in listed] == list(QUESTIONS)
    hops = next(each for each in listed if each["name"] == "strongest-paths")["parameters"][1]
    assert (hops["name"], hops["default"], hops["required"]) == ("hops", 4, False)


def test_the_page_has_every_question_with_its_parameters() -> None:
    page = (Path(__file__).parents[3] / "docs" / "queries.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| (.*?) \|$", page, re.MULTILINE))
    expected = {
        name: " ".join(f"**`{p.name}`**" if p.required else f"`{p.name}`" for p in each.parameters)
        for name, each in QUESTIONS.items()
    }
    assert rows == expected


def test_a_question_is_answered_as_table_json_and_csv(
    circuits: Circuits, world: World, made: MadeWorld
) -> None:
    ask = ("query", "strongest-paths", "--param", f"circuit={made.id('g1')[:12]}")
    rows = circuits(*ask, "--param", "hops=2", "--json", world=world).json()
    assert rows[0] == {"path": "input -q-> a1.h2 -r-> logits", "product": 1.0625, "hops": 2}
    table = circuits(*ask, world=world).out.splitlines()
    assert table[0].split() == ["path", "product", "hops"]
    assert table[2].startswith("input -v-> a0.h1 -k-> a1.h2 -r-> logits")
    read = list(csv.DictReader(io.StringIO(circuits(*ask, "--csv", world=world).out)))
    assert [row["hops"] for row in read] == ["3", "2", "2", "1", "2"]


def test_the_cypher_of_a_question_can_be_asked_as_ones_own(
    circuits: Circuits, world: World, made: MadeWorld
) -> None:
    text = circuits("query", "counterexamples", "--cypher").out
    assert text.startswith("MATCH (v:Verdict)")
    as_json = circuits("query", "counterexamples", "--cypher", "--json").json()
    assert as_json == {"name": "counterexamples", "cypher": text.removesuffix("\n")}
    given = [word for name in ("motif", "task", "rung") for word in ("--param", f"{name}=null")]
    own = circuits("cypher", text, *given, "--json", world=world).json()
    assert own == circuits("query", "counterexamples", "--json", world=world).json()
    assert len(own) == 4


def test_csv_spells_a_value_as_json_does_and_keeps_the_columns_of_no_rows(
    circuits: Circuits, world: World, made: MadeWorld
) -> None:
    text = "MATCH (:Component)-[e:PLAYS]->() RETURN DISTINCT e.passes AS passes ORDER BY passes"
    assert circuits("cypher", text, "--csv", world=world).out == "passes\nfalse\ntrue\n"
    ask = ("query", "unstable-edges", "--param", f"circuit={made.id('n1')[:12]}", "--csv")
    assert circuits(*ask, world=world).out == "sender,receiver,channel,score,stability\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("unstable-edge",), "near ones are unstable-edges"),
        (("unstable-edges",), "needs the parameter 'circuit'"),
        (("unstable-edges", "--param", "circiut=ab"), "near ones are circuit"),
        (("unstable-edges", "--param", "circuit"), "not of the form NAME=VALUE"),
        (("unstable-edges", "--json", "--csv"), "cannot go together"),
        (("unstable-edges", "--cypher", "--csv"), "cannot go together"),
        (
            ("unstable-edges", "--param", "below=0.1", "--param", "below=0.2"),
            "--param below is given twice, '0.1' and '0.2'",
        ),
        (("--param", "circuit=ab"), "give its name"),
    ],
)
def test_a_mistake_is_told_before_a_service_is_started(
    circuits: Circuits, words: tuple[str, ...], said: str
) -> None:
    ran = circuits("query", *words)
    assert ran.code == ExitCode.REQUEST
    assert said in ran.err
    assert ran.out == ""


def test_json_has_null_for_what_it_has_no_word_for(circuits: Circuits, world: World) -> None:
    """As browsers, jq and every other reader of JSON ask for."""
    text = (
        "UNWIND [1.5, 0.0/0.0, 1.0/0.0] AS x "
        "RETURN x, [x, -0.0, 9007199254740993] AS list, {a: x} AS map, toString(x) AS text"
    )
    ran = circuits("cypher", text, "--json", world=world)
    found = json.loads(ran.out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert [row["x"] for row in found] == [1.5, None, None]
    assert [row["list"][0] for row in found] == [1.5, None, None]
    assert [row["map"]["a"] for row in found] == [1.5, None, None]
    assert found[1]["list"][2] == 9007199254740993
    assert found[1]["text"] == "NaN"
    table = circuits("cypher", text, world=world)
    assert table.code == 0
    read = list(csv.DictReader(io.StringIO(circuits("cypher", text, "--csv", world=world).out)))
    assert [row["x"] for row in read] == ["1.5", "nan", "inf"]
    assert json.loads(read[1]["map"]) == {"a": None}


def test_a_point_that_is_not_finite_is_no_bug(circuits: Circuits, world: World) -> None:
    ran = circuits("cypher", "RETURN point({x: 1.0, y: 0.0/0.0}) AS p", "--json", world=world)
    assert ran.json()[0]["p"]["coordinates"] == [1.0, None]
