"""Neurons and dictionaries, from the command line to the graph and back."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.discovery.dictionaries.layouts import standard_sae
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient

FIGURES = ("faithfulness", "heldout_faithfulness", "complement_faithfulness", "cmd", "cpr")


def ask(world: World, *more: object) -> tuple[object, ...]:
    return ("--model", world.model, "--dataset", world.pairs, "--edges", 40, *more)


@pytest.fixture
def sae(tmp_path: Path) -> Path:
    return standard_sae(tmp_path / "sae", 32, 48, "blocks.1.hook_mlp_out")


def test_neurons_need_one_word(circuits: Circuits, world: World) -> None:
    words = ask(world, "--granularity", "neuron", "--units", 20)
    ran = circuits("run", *words, world=world)
    assert "by two-leg, metric logit_diff" in ran.out
    assert "of its effect passes errors and rest, not named units; heldout" in ran.out
    assert "20 of 256 units are nodes of their own, chosen by ig" in ran.out
    found = circuits("run", *words, "--json", world=world).json()
    own = found["circuit_id"]
    shown = circuits("show", own, world=world).out
    assert "error, rest" in shown
    document = circuits("show", own, "--format", "json", world=world).json()
    assert document["granularity"] == "neuron"
    with CircuitClient(settings=world.settings) as client:
        rows = client.cypher(
            "MATCH (:Circuit {circuit_id: $own})-[:CONTAINS]->(n:CircuitNode {kind: 'neuron'}) "
            "RETURN n.name AS name, n.effect AS effect, n.activation AS activation",
            own=own,
        ).records()
    assert rows
    figures = {node["name"]: node for node in document["nodes"]}
    for row in rows:
        stored = figures[row["name"]]
        assert (stored["effect"], stored["activation"]) == (row["effect"], row["activation"])


def test_a_circuit_of_neurons_is_judged_again_as_its_job_judged_it(
    circuits: Circuits, world: World
) -> None:
    words = ask(world, "--granularity", "neuron", "--units", 20, "--json")
    found = circuits("run", *words, world=world).json()
    again = circuits("evaluate", found["circuit_id"], "--here", "--json", world=world).json()
    assert {name: again[name] for name in FIGURES} == {name: found[name] for name in FIGURES}


def test_a_dictionary_is_named_by_its_folder(circuits: Circuits, world: World, sae: Path) -> None:
    words = ask(world, "--dictionary", sae, "--units", 12)
    found = circuits("run", *words, "--json", world=world).json()
    document = circuits("show", found["circuit_id"], "--format", "json", world=world).json()
    assert document["granularity"] == "dictionary"
    (dictionary,) = document["dictionaries"]
    assert (dictionary["width"], dictionary["site"]["layer"]) == (48, 1)
    assert any("explains" in note for note in document["notes"])  # random weights: warned, stored
    again = circuits("evaluate", found["circuit_id"], "--here", "--json", world=world).json()
    assert again["faithfulness"] == found["faithfulness"]
    copy = shutil.copytree(sae, sae.parent / "copy")
    same = circuits("run", *ask(world, "--dictionary", copy, "--units", 12), "--json", world=world)
    assert same.json()["job_id"] == found["job_id"]
    with CircuitClient(settings=world.settings) as client:
        features = client.cypher(
            "MATCH (n:CircuitNode {kind: 'feature'})-[:OF]->(:Component)-[:FEATURE_OF]->"
            "(d:Dictionary)-[:ON]->(m:Model) RETURN count(DISTINCT n) AS n, d.warning AS warning"
        ).records()
    assert features[0]["n"] > 0
    assert "explains" in features[0]["warning"]


def test_a_dictionary_that_was_replaced_is_not_used(
    circuits: Circuits, world: World, sae: Path
) -> None:
    words = ask(world, "--dictionary", sae, "--units", 5, "--seed", 3)
    found = circuits("run", *words, "--json", world=world).json()
    standard_sae(sae, 32, 48, "blocks.1.hook_mlp_out", seed=9)
    again = circuits("evaluate", found["circuit_id"], "--here", world=world)
    assert again.code != ExitCode.DONE
    assert "was replaced since the job was submitted" in again.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dictionary", "./nowhere"), "no such file or folder"),
        (("--dictionary", "plain"), "neither a hub id"),
        (("--dictionary", "{sae}?hok=x"), "has no option 'hok'; expected one of revision, hook"),
        (("--dictionary", "{sae}", "--dictionary", "{sae}"), "two dictionaries are of m1"),
        (("--dictionary", "{wide}"), "reads 16 numbers at mlp_added, where model has 32"),
        (("--dictionary", "{deep}"), "has layers 0 to 1"),
        (("--dictionary", "{stream}"), "cut edges that pass by"),
        (("--dictionary", "{code}"), "pickle, which can run code"),
        (("--granularity", "dictionary"), "takes dictionaries"),
        (("--granularity", "neurons"), "did you mean 'neuron'"),
        (("--granularity", "neuron", "--dictionary", "{sae}"), "leave one out"),
        (("--granularity", "neuron", "--units", 0), "n is 0"),
        (("--granularity", "neuron", "--units", "9" * 30), "less than or equal to 1000000"),
        (("--dictionary", "{bare}"), "weights without the files that say how to read them"),
        (("--granularity", "neuron", "--units-by", "luck"), "by is"),
        (("--units", 5), "candidates are units"),
        (("--granularity", "neuron", "--method", "eap-ig"), "'mask-ig'"),
        (("--granularity", "neuron", "--evaluation", "full"), "granularity 'head'"),
        (
            (
                *("--granularity", "neuron", "--units-by", "relp"),
                *("--method", "mask-ig", "--metric", "kl"),
            ),
            "candidates cannot be chosen by 'relp' under metric 'kl'",
        ),
    ],
)
def test_mistakes_are_told_before_a_model_is_loaded(
    circuits: Circuits, world: World, sae: Path, words: tuple[Any, ...], message: str
) -> None:
    places = {
        "sae": sae,
        "wide": standard_sae(sae.parent / "wide", 16, 20, "blocks.1.hook_mlp_out"),
        "deep": standard_sae(sae.parent / "deep", 32, 20, "blocks.7.hook_mlp_out"),
        "stream": standard_sae(sae.parent / "stream", 32, 20, "blocks.1.hook_resid_post"),
        "code": sae.parent / "sae.pkl",
    }
    places["bare"] = standard_sae(sae.parent / "bare", 32, 20, "blocks.1.hook_mlp_out")
    (places["bare"] / "cfg.json").unlink()
    places["code"].write_bytes(pickle.dumps({"W_enc": torch.zeros(2)}))
    named = [word.format(**places) if isinstance(word, str) else word for word in words]
    ran = circuits("submit", *ask(world, *named), world=world)
    assert ran.code == ExitCode.REQUEST, ran.err
    assert message in ran.err
    assert "jobs" not in ran.out


def test_a_plan_counts_units_and_reads_headers_alone(
    circuits: Circuits, world: World, sae: Path
) -> None:
    heads = circuits("plan", *ask(world), "--json", world=world).json()
    few = circuits("plan", *ask(world, "--granularity", "neuron", "--units", 10), "--json")
    many = circuits("plan", *ask(world, "--granularity", "neuron", "--units", 200), "--json")
    assert heads["n_edges"] < few.json()["n_edges"] < many.json()["n_edges"]
    assert few.json()["memory_bytes"] < many.json()["memory_bytes"]
    with_sae = circuits("plan", *ask(world, "--dictionary", sae), "--json").json()
    assert with_sae["weight_bytes"] > heads["weight_bytes"]
    refused = circuits("plan", *ask(world, "--dictionary", "org/name/mlp_out"))
    assert "a plan downloads nothing" in refused.err
