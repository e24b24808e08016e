"""Attribution graphs from file to graph and back: `import`, `show`, `export`, `validate`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.graph_schema.exchange.neuronpedia.made import data_of, lorsa_graph, tracer_graph
from tests.graph_schema.peers import HAIKU, peer
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "made.json"
    file.write_bytes(data_of(lorsa_graph()))
    return file


def imported(circuits: Circuits, world: World, file: Path, *words: object) -> dict[str, Any]:
    return circuits("import", file, *words, "--json", world=world).json()


def assert_comes_back(circuits: Circuits, world: World, file: Path, tmp_path: Path) -> str:
    """Imported, exported and imported again: the file as it was, and an equal circuit."""
    own = imported(circuits, world, file)["circuit_id"]
    out = tmp_path / "out.json"
    circuits("export", own, "--format", "neuronpedia", "--out", out, world=world)
    assert json.loads(out.read_bytes()) == json.loads(file.read_bytes())
    assert circuits("validate", out, world=world).code == ExitCode.DONE
    again = imported(circuits, world, out)["circuit_id"]
    documents = [
        circuits("show", each, "--format", "json", world=world).json() for each in (own, again)
    ]
    for document in documents:
        del document["circuit_id"], document["method"]
    assert documents[0] == documents[1]
    return own


def test_a_graph_comes_back_from_the_store(
    circuits: Circuits, world: World, made: Path, tmp_path: Path
) -> None:
    own = assert_comes_back(circuits, world, made, tmp_path)
    text = circuits("show", own, world=world).out
    assert "made-model (known by its name alone, 3 layers" in text
    assert re.search(r"^m1\.f16380@1 +capitals ", text, re.MULTILINE)
    assert "say a capital  m1.f16380@1 m2.f16380@1" in text
    listed = circuits("list", "--model", "made-model", "--json", world=world).json()
    assert {each["circuit_id"] for each in listed} >= {own}
    assert own[:12] in circuits("list", world=world).out
    refused = circuits("evaluate", own, "--dataset", world.pairs, "--here", world=world)
    assert (refused.code, refused.out) == (ExitCode.REQUEST, "")
    assert "attribution graph of one prompt" in refused.err
    assert "made-model" in circuits("show", own, "--format", "bibtex", world=world).out


@pytest.mark.slow
def test_the_published_graph_comes_back(circuits: Circuits, world: World, tmp_path: Path) -> None:
    own = assert_comes_back(circuits, world, peer(HAIKU), tmp_path)
    words = ("--motif", "triad_feed_forward", "--without", "error", "--draws", 200, "--json")
    test = circuits("motifs", "test", own, *words, world=world).json()
    assert test["without"] == ["error"]
    result = test["results"][0]
    assert result["observed"] == 16_125
    assert result["null_mean"] == pytest.approx(15_554, abs=12)
    # The observed count is one of the null's members here: 32 without it.
    assert result["null_sd"] == pytest.approx(50, abs=5)
    assert result["state"] == "called"
    again = circuits("motifs", "show", test["test_id"], "--json", world=world).json()
    assert again == test
    words = ("--motif", "triad_feed_forward", "--draws", 20, "--json")
    whole = circuits("motifs", "test", own, *words, world=world).json()
    assert whole["results"][0]["observed"] == 23_920


def test_supernodes_are_groups_in_the_graph(circuits: Circuits, world: World, made: Path) -> None:
    own = imported(circuits, world, made)["circuit_id"]
    query = (
        "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(n)<-[:ON]-(a:Annotation {kind: 'group'}) "
        "RETURN a.text AS text, a.author AS author, collect(n.name) AS members"
    )
    rows = circuits("cypher", query, "--param", f"id={own}", "--json", world=world).json()
    assert [{**row, "members": sorted(row["members"])} for row in rows] == [
        {
            "text": "say a capital",
            "author": "neuronpedia file",
            "members": ["m1.f16380@1", "m2.f16380@1"],
        }
    ]


def test_a_graph_may_be_of_a_model_that_is_here(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    graph = tracer_graph()
    for each in graph["nodes"]:
        if each["layer"] == "2":
            each["layer"] = "1"
            each["node_id"] = each["node_id"].replace("2_", "1_", 1)
    refused = tmp_path / "made.json"
    refused.write_bytes(data_of(tracer_graph()))
    ran = circuits("import", refused, "--model", world.model, world=world)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert "is beyond the 2 layers and 4 heads" in ran.err
    del graph["links"][3:6], graph["nodes"][5]
    graph["links"] = [link for link in graph["links"] if not link["source"].startswith("2_")]
    fits = tmp_path / "fits.json"
    fits.write_bytes(data_of(graph))
    words = ("--model", world.model)
    assert imported(circuits, world, fits, *words)["model"] == Path(world.model).name
    other = imported(circuits, world, fits)
    assert other["model"] == "made-model"


def test_a_file_of_ours_is_of_the_model_that_it_names(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "edges.csv"
    file.write_text("sender,receiver,channel,score\ninput,m0,r,1\nm0,a1.h0,q,2\na1.h0,logits,r,3\n")
    first = imported(circuits, world, file, "--model", world.model)
    out = tmp_path / "ours.json"
    circuits("export", first["circuit_id"], "--format", "neuronpedia", "--out", out, world=world)
    there = imported(circuits, world, out)
    assert there["fingerprint"] == first["fingerprint"]
    graph = json.loads(out.read_bytes())
    graph["metadata"]["circuit_atlas"]["fingerprint"] = "0" * 64
    out.write_bytes(data_of(graph))
    away = imported(circuits, world, out)
    assert (away["fingerprint"], away["model"]) == ("0" * 64, first["model"])
    refused = circuits("evaluate", away["circuit_id"], "--dataset", world.pairs, world=world)
    assert (refused.code, refused.out) == (ExitCode.REQUEST, "")
    assert "known by its name alone: nobody here has weights" in refused.err
    found = circuits("show", there["circuit_id"], "--format", "json", world=world).json()
    known = circuits("show", first["circuit_id"], "--format", "json", world=world).json()
    assert found["model"] == known["model"]
    compared = circuits("compare", first["circuit_id"], there["circuit_id"], world=world)
    assert compared.code == ExitCode.DONE
    other = circuits("compare", there["circuit_id"], away["circuit_id"], world=world)
    assert "different models" in other.out


def test_files_that_name_no_model_need_one(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "edges.csv"
    file.write_text("sender,receiver,channel,score\ninput,m0,r,1\n")
    ran = circuits("import", file, world=world)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert "say whose circuit it is (--model)" in ran.err
    assert (
        "revision is given and no model"
        in circuits("import", file, "--revision", "main", world=world).err
    )


def test_validate_sums_up_or_complains(circuits: Circuits, made: Path, tmp_path: Path) -> None:
    ran = circuits("validate", made)
    assert ran.code == ExitCode.DONE
    assert ran.out.startswith("valid ")
    found = circuits("validate", made, "--json").json()
    assert (found["n_nodes"], found["n_links"], found["n_errors"]) == (16, 17, 3)
    assert 0 < found["scores"]["replacement"] < 1
    graph = tracer_graph()
    graph["links"][2]["target"] = "away"
    del graph["metadata"]["scan"]
    bad = tmp_path / "bad.json"
    bad.write_bytes(data_of(graph))
    ran = circuits("validate", bad, "--json")
    assert ran.code == ExitCode.FAILED
    assert ran.json()["complaints"] == ["metadata: has no 'scan'"]
    graph["metadata"]["scan"] = "x"
    bad.write_bytes(data_of(graph))
    ran = circuits("validate", bad)
    assert (ran.code, ran.out) == (
        ExitCode.FAILED,
        "not valid: 1 complaint\nlinks[2].target: 'away' is no node of the file\n",
    )
    assert circuits("validate", tmp_path / "none.json").code == ExitCode.REQUEST


def test_a_bad_graph_leaves_nothing_behind(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    count = "MATCH (n) RETURN count(n) AS n"
    before = circuits("cypher", count, "--json", world=world).json()
    graph = tracer_graph()
    graph["links"][5]["weight"] = float("nan")
    file = tmp_path / "bad.json"
    file.write_bytes(data_of(graph))
    ran = circuits("import", file, world=world)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert "links[5].weight: nan is not a finite number" in ran.err
    file.write_bytes(b'{"qParams":{},"metadata":{},"links":[],"nodes":[' + b"{}," * 10**7 + b"{}]}")
    ran = circuits("import", file, world=world)
    assert "some 10,000,0" in ran.err
    assert circuits("cypher", count, "--json", world=world).json() == before


def test_the_client_does_the_same(world: World, made: Path) -> None:
    with CircuitClient(settings=world.settings) as client:
        circuit = client.import_circuit(made)
        assert [each.text for each in circuit.annotations] == ["say a capital"]
        assert json.loads(circuit.export("neuronpedia")) == json.loads(made.read_bytes())
        assert circuit.document.graph_scores is not None


@pytest.mark.slow
@pytest.mark.parametrize("form", ["neuronpedia", "node-link", "graphml", "csv"])
def test_a_circuit_of_neurons_goes_out_and_comes_back(
    circuits: Circuits, world: World, tmp_path: Path, form: str
) -> None:
    words = ("--model", world.model, "--dataset", world.pairs, "--edges", 40, "--units", 20)
    found = circuits("run", *words, "--granularity", "neuron", "--json", world=world).json()
    ending = {"csv": "csv", "graphml": "graphml"}.get(form, "json")
    out = tmp_path / f"circuit.{ending}"
    circuits("export", found["circuit_id"], "--format", form, "--out", out, world=world)
    if form == "neuronpedia":
        assert circuits("validate", out, world=world).code == ExitCode.DONE
    back = imported(circuits, world, out, "--model", world.model)
    own, other = (
        circuits("show", each["circuit_id"], "--format", "json", world=world).json()
        for each in (found, back)
    )
    assert other["granularity"] == "neuron"
    for key in ("edges", *(["nodes"] if form != "csv" else [])):
        ours, theirs = (
            sorted(each[key], key=lambda part: json.dumps(part, sort_keys=True))
            for each in (own, other)
        )
        assert theirs == ours
    assert "which further units were candidates" in other["notes"][-1]
    judged = ("--dataset", world.pairs, "--here", "--json")
    assert circuits("evaluate", back["circuit_id"], *judged, world=world).code == ExitCode.DONE
