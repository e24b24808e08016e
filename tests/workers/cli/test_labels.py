"""What units are and what they are called, from a job to a label and back: `show`, `label`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient

NEURONS = ("--granularity", "neuron", "--edges", 40, "--json")


@pytest.fixture
def found(circuits: Circuits, world: World) -> dict[str, Any]:
    """A circuit of neurons in the graph."""
    return circuits("run", *world.ask, *NEURONS, world=world).json()


@pytest.fixture
def units(world: World, found: dict[str, Any]) -> tuple[str, ...]:
    with CircuitClient(settings=world.settings) as client:
        names = client.circuit(found["circuit_id"]).document.unit_names
    assert len(names) > 2
    return names


def _label(circuits: Circuits, world: World, found: dict[str, Any], *words: object) -> Any:
    return circuits("label", found["circuit_id"], *words, world=world)


def test_a_job_tells_what_its_units_are(
    circuits: Circuits, world: World, found: dict[str, Any], units: tuple[str, ...]
) -> None:
    with CircuitClient(settings=world.settings) as client:
        circuit = client.circuit(found["circuit_id"])
        known = circuit.features()
        assert tuple(each.name for each in known.units) == units
        rows = client.cypher(
            "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(:CircuitNode)-[:OF]->(p:Component) "
            "WHERE p.density > 0 AND size(p.promotes) > 0 AND size(p.examples) > 0 "
            "RETURN p.name AS name, p.described_on AS data",
            id=found["circuit_id"],
        ).records()
        assert {row["name"] for row in rows} == set(units)
        assert {row["data"] for row in rows} == {circuit.document.dataset_sha256}
    text = circuits("show", found["circuit_id"], "--features", world=world).out
    assert {line.split()[0] for line in text.splitlines()[2:]} <= set(units)
    assert "density" in text
    assert text.strip() in circuits("show", found["circuit_id"], world=world).out
    shown = circuits(
        "show", found["circuit_id"], "--features", "--format", "json", world=world
    ).json()
    assert [each["name"] for each in shown["units"]] == list(units)
    refused = circuits("show", found["circuit_id"], "--features", "--format", "bibtex", world=world)
    assert refused.code == ExitCode.REQUEST


def test_the_newest_label_shows_and_survives_a_new_run(
    circuits: Circuits, world: World, found: dict[str, Any], units: tuple[str, ...]
) -> None:
    name = units[0]
    for text in ("a name", "the place of a name"):
        ran = _label(circuits, world, found, name, text, "--author", "ada", "--score", 0.8)
        assert ran.code == ExitCode.DONE, ran.err
    assert (
        "labelled so already"
        in _label(circuits, world, found, name, text, "--author", "ada", "--score", 0.8).out
    )
    circuits("run", *world.ask, *NEURONS, "--force", world=world)
    (label,) = _label(circuits, world, found, "--json").json()
    assert (label["component"], label["text"]) == (name, "the place of a name")
    assert (label["author"], label["score"]) == ("ada", 0.8)
    shown = circuits("show", found["circuit_id"], "--format", "json", world=world).json()
    assert {node["name"]: node.get("label") for node in shown["nodes"]}[name] == text
    assert text in circuits("show", found["circuit_id"], "--features", world=world).out
    answer = circuits(
        *("query", "features-by-label", "--param", "text=PLACE OF", "--json"), world=world
    ).json()
    assert [row["feature"] for row in answer] == [name]


def test_a_rule_gets_its_score_on_heldout_prompts(
    circuits: Circuits, world: World, found: dict[str, Any], units: tuple[str, ...]
) -> None:
    with CircuitClient(settings=world.settings) as client:
        known = client.circuit(found["circuit_id"]).features()
    unit = next(each for each in known.units if each.detected("tokens") is not None)
    peaks = sorted({example.tokens[example.position].strip() for example in unit.examples})
    rule = "tokens: " + ", ".join(f'"{peak}"' for peak in peaks)
    ran = _label(circuits, world, found, unit.name, rule, "--json", "--score", 0.01)
    (label,) = ran.json()["labels"]
    assert label["score"] == pytest.approx(unit.detected("tokens"))


def test_labels_in_bulk(
    circuits: Circuits,
    world: World,
    found: dict[str, Any],
    units: tuple[str, ...],
    tmp_path: Path,
) -> None:
    file = tmp_path / "labels.csv"
    assert _label(circuits, world, found, "--write", file).code == ExitCode.DONE
    there = _label(circuits, world, found, "--write", file)
    assert (there.code, "--force" in there.err) == (ExitCode.REQUEST, True)
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [row["node"] for row in rows] == list(units)
    assert all(row["density"] and row["examples"] and not row["new_label"] for row in rows)
    for row in rows[:2]:
        row["new_label"] = f"unit {row['node']}"
    rows[1]["score"] = "0.75"

    def write(rows: list[dict[str, str]]) -> None:
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    # A line that names nothing: nothing of the table is written.
    before = _label(circuits, world, found, "--json").json()
    write([*rows, {**rows[0], "node": "m0.n9999999"}, {**rows[0], "node": "<script>"}])
    bad = _label(circuits, world, found, "--read", file)
    assert bad.code == ExitCode.REQUEST
    for said in (f"line {len(rows) + 2}", f"line {len(rows) + 3}", "m0.n9999999", "nothing was"):
        assert said in bad.err
    assert _label(circuits, world, found, "--json").json() == before
    write(rows)
    done = _label(circuits, world, found, "--read", file, "--author", "ada", "--json").json()
    assert [(each["text"], each.get("score")) for each in done["labels"]] == [
        (f"unit {units[0]}", None),
        (f"unit {units[1]}", 0.75),
    ]
    after = _label(circuits, world, found, "--json").json()
    again = _label(circuits, world, found, "--read", file, "--author", "ada", "--json").json()
    assert again == {"labels": [], "unchanged": 2}
    assert _label(circuits, world, found, "--json").json() == after
    _label(circuits, world, found, "--write", file, "--force")
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [(row["label"], row["label_score"], row["author"]) for row in rows[:2]] == [
        (f"unit {units[0]}", "", "ada"),
        (f"unit {units[1]}", "0.75", "ada"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("m0.n9999", "a"), "has no node 'm0.n9999'"),
        (("m0.n1",), "has no label"),
        (("a0.h0->m0",), "circuits label CIRCUIT 'a0.h0->m0' \"what it is\""),
        (("a0.h0", "x" * 501), "501 characters"),
        (("a0.h0", "red\x1b[31m"), "control"),
        (("a0.h0", "a", "--score", 1.5), "expected 0 to 1"),
        (("a0.h0", "a", "--author", " "), "is no name"),
        (("a0.h0", "a", "--read", "x.csv"), "one of them"),
        (("--score", 0.5), "--score is of one label"),
        (("--read", "nowhere.csv"), "cannot read"),
    ],
)
def test_what_is_no_label_is_refused(
    circuits: Circuits, world: World, found: dict[str, Any], words: tuple[object, ...], said: str
) -> None:
    ran = _label(circuits, world, found, *words)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert said in ran.err
