"""`compare`: ours with each other, with an imported copy, and across models."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from graph_schema.documents import Comparisons
from graph_schema.errors import SpecError
from tests.workers.cli.conftest import Circuits
from tests.workers.world import N_EDGES, World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient


def test_circuits_leave_come_back_are_judged_and_compared(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    """The whole round: find, export, import, evaluate, compare."""
    ask = (*world.ask, "--json")
    ours, fewer = (
        circuits("run", *ask, "--edges", n, world=world).json()["circuit_id"] for n in (20, 8)
    )
    file = tmp_path / "ours.json"
    circuits("export", ours, "--out", file, world=world)
    words = ("--model", world.model, "--dataset", world.pairs, "--json")
    theirs = circuits("import", file, *words, world=world).json()["circuit_id"]
    judged = circuits("evaluate", theirs, "--here", "--json", world=world).json()
    assert judged["state"] == "succeeded"

    ran = circuits("compare", ours[:14], theirs[:14], "--json", world=world)
    document = Comparisons.model_validate(ran.json())
    (same,) = document.pairs
    assert same.edges is not None
    assert same.edges.jaccard == 1.0
    assert same.edges.universe == N_EDGES
    assert same.all_scores is not None
    assert (same.all_scores.n, round(same.all_scores.spearman or 0, 6)) == (N_EDGES, 1.0)
    assert same.pairs is not None
    assert (same.pairs.split, same.pairs.n) == ("heldout", 10)  # of 32 pairs
    assert abs(same.pairs.mean) < 1e-6
    assert same.a.heldout_faithfulness == same.b.heldout_faithfulness
    assert same.differs == ()  # how an imported circuit was found is unknown

    picture = tmp_path / "three.svg"
    words = ("--format", "svg", "--out", picture)
    ran = circuits("compare", ours, fewer, theirs, *words, world=world)
    assert (ran.code, ran.out) == (ExitCode.DONE, "")
    ElementTree.fromstring(picture.read_text())
    assert circuits("compare", ours, fewer, *words, world=world).code == ExitCode.REQUEST
    text = circuits("compare", ours, fewer, world=world).out
    assert "p (hypergeometric)" in text
    assert "metric of a pair, B - A:" in text
    away = world.settings.model_copy(update={"artifacts": str(tmp_path / "nothing")})
    with CircuitClient(settings=away) as client:
        alone = client.compare(ours, fewer)
        assert alone.document.pairs[0].all_scores is None
        assert "is not there" in alone.document.notes[0]
        assert f"note: circuit {ours[:12]}: artifact" in str(alone)
    with CircuitClient(settings=world.settings) as client:
        html = client.compare(ours, fewer)._repr_html_()
        assert html.startswith("<div><svg")
        drawn = client.circuit(ours)._repr_html_()
        assert "<svg" in drawn


def test_another_model_is_compared_by_figures_until_it_is_a_checkpoint(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    ours = circuits("run", *world.ask, "--edges", 20, "--json", world=world).json()["circuit_id"]
    later = tmp_path / "later"
    shutil.copytree(world.model, later)
    weights = load_file(later / "model.safetensors")
    weights["transformer.h.1.mlp.c_proj.weight"] *= 1.001
    save_file(weights, later / "model.safetensors", metadata={"format": "pt"})
    words = ("--model", later, "--dataset", world.pairs, "--method", "eap", "--edges", 20)
    theirs = circuits("run", *words, "--json", world=world).json()["circuit_id"]

    found = circuits("compare", ours, theirs, "--json", world=world).json()
    (pair,) = found["pairs"]
    assert found["scope"] == "across_models"
    assert pair["edges"] is pair["nodes"] is pair["scores"] is pair["pairs"] is None
    assert pair["only_a"] == pair["nodes_only_a"] == []
    text = circuits("compare", ours, theirs, world=world).out
    assert "only figures and kinds stand side by side" in text
    assert "->" not in text

    said = circuits("compare", ours, theirs, "--checkpoints", "--json", world=world).json()
    assert said["scope"] == "checkpoints"
    assert said["training"][1]["edges_before"]["jaccard"] > 0.5
    with CircuitClient(settings=world.settings) as client:
        prints = [client.circuit(each).document.model.fingerprint for each in (theirs, ours)]
        client.derived_from(*prints)
        with pytest.raises(SpecError, match="name the later checkpoint first"):
            client.derived_from(*prints[::-1])
        with pytest.raises(SpecError, match="cannot come from itself"):
            client.derived_from(prints[0], prints[0])
    found = circuits("compare", ours, theirs, "--json", world=world).json()
    assert found["scope"] == "checkpoints"
    assert found["pairs"][0]["edges"]["n_both"] > 10


def test_a_wrong_comparison_is_refused(circuits: Circuits, world: World, tmp_path: Path) -> None:
    ours = circuits("run", *world.ask, "--edges", 20, "--json", world=world).json()["circuit_id"]
    for words, message in (
        ((ours,), "1 circuits; expected 2 to 50"),
        ((ours, "beef"), "beef"),
        ((ours, ours, "--format", "svg"), "--out FILE"),
        ((ours, ours, "--out", tmp_path / "x"), "--format svg"),
        ((ours, ours, "--format", "png", "--out", tmp_path / "x"), "unknown format 'png'"),
    ):
        ran = circuits("compare", *words, world=world)
        assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
        assert message in ran.err
    assert json.loads(circuits("compare", ours, ours, "--json", world=world).out)
