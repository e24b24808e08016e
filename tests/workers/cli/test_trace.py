"""Attribution graphs, from the command line to the graph and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph_schema.exchange import check_graph, read_neuronpedia
from tests.discovery.dictionaries.layouts import standard_sae
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient

TOKENS = "3,17,8,3,11,5"


def ask(world: World, *more: object) -> tuple[object, ...]:
    return ("--model", world.model, "--tokens", TOKENS, "--here", *more)


def test_a_prompt_is_traced_stored_shown_and_queried(circuits: Circuits, world: World) -> None:
    ran = circuits("trace", *ask(world, "--nodes", 40, "--exact-top", 5), world=world)
    assert "replacement" in ran.out
    assert "-> logits.t" in ran.out
    found = circuits(
        "trace", *ask(world, "--nodes", 40, "--exact-top", 5, "--json"), world=world
    ).json()
    own = found["circuit_id"]
    shown = circuits("show", own, world=world).out
    assert "effect" in shown
    assert "exact" in shown
    paths = [line for line in ran.out.splitlines() if "-> logits.t" in line]
    assert [shown.splitlines().count(line) for line in paths] == [1] * len(paths)
    document = circuits("show", own, "--format", "json", world=world).json()
    assert document["prompt"]["tokens"] == TOKENS.split(",")
    assert document["graph_scores"] == {
        "replacement": found["replacement"],
        "completeness": found["completeness"],
        "pruned": False,
    }
    tested = [edge for edge in document["edges"] if edge.get("exact") is not None]
    assert len(tested) == 5
    strongest = sorted(document["edges"], key=lambda edge: -abs(edge["score"]))[:5]
    assert {edge["sender"] for edge in strongest} == {edge["sender"] for edge in tested}
    figures = {node["name"]: node for node in document["nodes"]}
    said = [node for node in figures.values() if node["probability"] is not None]
    assert 0 < sum(node["probability"] for node in said) <= 1.0001
    assert figures["input@2"]["token"] == 8
    with CircuitClient(settings=world.settings) as client:
        rows = client.cypher(
            "MATCH (:Circuit {circuit_id: $own})-[:CONTAINS]->(n:CircuitNode {kind: 'neuron'}) "
            "RETURN n.name AS name, n.position AS position, n.effect AS effect, "
            "n.activation AS activation",
            own=own,
        ).records()
        exact = client.cypher(
            "MATCH (:Circuit {circuit_id: $own})-[:CONTAINS]->(n)-[e:EDGE]->() "
            "WHERE e.exact IS NOT NULL RETURN count(e) AS n",
            own=own,
        ).records()
        circuit = client.circuit(own)
    assert rows
    for row in rows:
        assert row["position"] == int(row["name"].partition("@")[2])
        stored = figures[row["name"]]
        assert (stored["effect"], stored["activation"]) == (row["effect"], row["activation"])
    assert exact[0]["n"] == 5
    assert circuit.document.graph_scores is not None
    graph = json.loads(circuit.export("neuronpedia"))
    ids = {node["node_id"] for node in graph["nodes"]}
    assert all(link["source"] in ids and link["target"] in ids for link in graph["links"])
    features = [node for node in graph["nodes"] if node["ctx_idx"] == 2]
    assert features
    assert graph["metadata"]["prompt_tokens"] == TOKENS.split(",")
    checked = check_graph(circuit.export("neuronpedia"))
    assert checked.valid, checked.complaints
    found = read_neuronpedia(circuit.export("neuronpedia"))
    assert {edge.name: edge for edge in found.edges} == {e.name: e for e in circuit.edges}
    assert found.prompt == circuit.document.prompt
    known = {node.name: node for node in circuit.document.nodes}
    assert {node.name: node for node in found.nodes} == known


def test_asking_again_in_a_worker_is_the_same_graph(circuits: Circuits, world: World) -> None:
    first = circuits("trace", *ask(world, "--nodes", 30, "--json"), world=world).json()
    again = circuits("trace", *ask(world, "--nodes", 30, "--json", "--force"), world=world).json()
    assert again["job_id"] == first["job_id"]
    assert again["circuit_id"] == first["circuit_id"]
    assert again["replacement"] == first["replacement"]


def test_heads_are_nodes_where_they_are_asked_for(circuits: Circuits, world: World) -> None:
    words = ask(world, "--nodes", 60, "--heads", "--exact-top", 8, "--json")
    found = circuits("trace", *words, world=world).json()
    document = circuits("show", found["circuit_id"], "--format", "json", world=world).json()
    channels = {edge["channel"] for edge in document["edges"]}
    assert channels == {"q", "k", "v", "r"}
    assert circuits("show", found["circuit_id"], world=world).out
    with CircuitClient(settings=world.settings) as client:
        assert json.loads(client.circuit(found["circuit_id"]).export("neuronpedia"))["links"]


def test_a_transcoders_features_are_nodes_and_what_it_misses_is_error(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    sae = standard_sae(tmp_path / "sae", 32, 48, "blocks.1.hook_mlp_out")
    found = circuits("trace", *ask(world, "--dictionary", sae, "--json"), world=world).json()
    document = circuits("show", found["circuit_id"], "--format", "json", world=world).json()
    names = [node["name"] for node in document["nodes"]]
    assert any(name.startswith("m1.f") for name in names)
    assert document["granularity"] == "dictionary"
    assert len(document["dictionary_checks"]) == 1
    assert any("have no dictionary" in note for note in document["notes"])


def test_targets_are_the_logits(circuits: Circuits, world: World) -> None:
    words = ask(world, "--target-token", 4, "--target-token", 7, "--nodes", 20, "--json")
    found = circuits("trace", *words, world=world).json()
    document = circuits("show", found["circuit_id"], "--format", "json", world=world).json()
    logits = {each["name"] for each in document["nodes"] if each["name"].startswith("logits")}
    assert logits == {"logits.t4@5", "logits.t7@5"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--tokens", ""), "expected token ids"),
        (("--tokens", "3,x"), "expected token ids"),
        (("--tokens", "3,99999"), "vocabulary has"),
        (("--tokens", "3"), "have no nodes"),
        (("--tokens", ",".join(["3"] * 2000)), "the limit is"),
        (("--prompt", "a text"), "exactly one of --prompt TEXT and --tokens IDS"),
        (("--target", "word"), "give a token's id"),
        (("--target-token", "99999"), "no logit of the model"),
        (("--target-token", "4", "--target-token", "4"), "given twice"),
        (("--nodes", "0"), "max_feature_nodes is 0"),
        (("--edges", "1000000"), "the limit is 50,000 edges"),
        (("--node-threshold", "2"), "node_threshold is 2"),
        (("--dictionary", "/nowhere/sae"), "/nowhere/sae"),
        (("--dtype", "int8"), "dtype"),
    ],
)
def test_bad_requests_are_refused(
    circuits: Circuits, world: World, more: tuple[str, ...], says: str
) -> None:
    words = ["--model", str(world.model), "--here"]
    if "--tokens" not in more:
        words += ["--tokens", TOKENS]
    ran = circuits("trace", *words, *more, world=world)
    assert ran.code == ExitCode.REQUEST, ran.err
    assert says in ran.err


def test_a_text_needs_a_tokenizer(circuits: Circuits, world: World) -> None:
    words = ("--model", world.model, "--prompt", "some text", "--here")
    ran = circuits("trace", *words, world=world)
    assert ran.code == ExitCode.REQUEST, ran.err
    assert "the model has no tokenizer" in ran.err
    empty = ("--model", world.model, "--prompt", "", "--here")
    ran = circuits("trace", *empty, world=world)
    assert ran.code == ExitCode.REQUEST, ran.err
    assert "the prompt is empty" in ran.err


def test_a_dictionary_of_another_place_or_width_is_refused(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    wide = standard_sae(tmp_path / "wide", 40, 48, "blocks.1.hook_mlp_out")
    ran = circuits("trace", *ask(world, "--dictionary", wide), world=world)
    assert ran.code == ExitCode.REQUEST, ran.err
    assert "40" in ran.err
    stream = standard_sae(tmp_path / "stream", 32, 48, "blocks.1.hook_resid_post")
    ran = circuits("trace", *ask(world, "--dictionary", stream), world=world)
    assert ran.code == ExitCode.REQUEST, ran.err
    assert "dictionaries of MLPs" in ran.err
