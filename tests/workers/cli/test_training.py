"""`circuits training`: a motif along the checkpoints of one model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from discovery.models.zoo import ensure_model
from graph_schema.documents import Limits, RungState
from graph_schema.motifs import find_motif
from tests.workers.cli.conftest import Circuits, World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient
from workers.requests.training import TrainingRequest, build_training
from workers.requests.universality import UniversalityRequest, build_universality
from workers.running.inline import do_here

RUNGS = ("behaviour", "role", "wiring")


def request(model: Path | str, **options: Any) -> TrainingRequest:
    measuring = UniversalityRequest(
        motif="induction", models=(str(model),), task="induction", pairs=16, stress="none"
    )
    return TrainingRequest(model=str(model), measuring=measuring, **options)


def measured(world: World, asked: TrainingRequest) -> dict[str, Any]:
    """What `client.training` finds where a worker has done the jobs."""
    with CircuitClient(settings=world.settings) as client:
        cache = client.settings.cache_dir
        for job in build_training(asked, find_motif("induction"), Limits(), cache).jobs:
            do_here(client, job)
        found = client.training_request(asked).outcome(progress=False)
        return found.to_json() | {"text": str(found), "html": found.to_html()}


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_model(tmp_path_factory.mktemp("zoo"), "one-layer", 0, n_checkpoints=2, steps=4)


def test_its_jobs_are_those_of_a_universality_question(short: Path, tmp_path: Path) -> None:
    asked = request(short)
    training = build_training(asked, find_motif("induction"), Limits(), tmp_path)
    places = [each.checkpoint.model for each in training.checkpoints]
    assert [each.checkpoint.step for each in training.checkpoints] == [0, 2, 4]
    assert [each.spec.kind_name() for each in training.jobs] == ["roles", "effects"] * 3
    other = UniversalityRequest(motif="induction", models=places, task="induction", pairs=16)
    universality = build_universality(other, find_motif("induction"), Limits(), tmp_path)
    known = {each.spec.job_id for each in universality.before}
    assert {each.spec.job_id for each in training.jobs} <= known
    assert len(training.losses) == 4


def test_an_untrained_model_is_untestable_above_behaviour_and_its_losses_are_shown(
    short: Path, world: World
) -> None:
    found = measured(world, request(short, steps=[0, 4]))
    assert [each["step"] for each in found["checkpoints"]] == [0, 4]
    for each in found["checkpoints"]:
        states = {rung: each["rungs"][rung]["state"] for rung in RUNGS}
        assert states == {"behaviour": "absent", "role": "untestable", "wiring": "untestable"}
        assert all(each["rungs"][rung]["reason"] for rung in RUNGS)
        assert not each["failures"]
    assert found["checkpoints"][0]["loss"] is None
    assert 3.0 < found["checkpoints"][1]["loss"] < 6.0
    assert found["since"] == {rung: {"step": None, "after": 4} for rung in RUNGS}
    assert "wiring: not present at the last step, 4" in found["text"]
    assert "absent" not in json.dumps([e["rungs"]["wiring"] for e in found["checkpoints"]])
    assert "<svg" in found["html"]
    assert "http" not in found["html"].replace("http://www.w3.org/2000/svg", "").replace(
        "http-equiv", ""
    )
    with CircuitClient(settings=world.settings) as client:
        earlier, later = (each["fingerprint"] for each in found["checkpoints"])
        lineage = client.cypher(
            "MATCH (:Model {fingerprint: $of})-[:DERIVED_FROM]->(b:Model) RETURN b.fingerprint",
            of=later,
        )
        assert [row[0] for row in lineage.rows] == [earlier]


def test_a_checkpoint_that_is_kept_twice_is_measured_and_comes_from_nothing_of_itself(
    short: Path, world: World, tmp_path: Path
) -> None:
    """As a last save of what a step saved before: other files, the same weights."""
    for step, name in ((0, "step-000000"), (4, "step-000004"), (5, "step-000004")):
        shutil.copytree(short / "checkpoints" / name, tmp_path / f"checkpoint-{step}")
    config = tmp_path / "checkpoint-5" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"saved": "last"}))
    found = measured(world, request(tmp_path))
    assert [each["step"] for each in found["checkpoints"]] == [0, 4, 5]
    assert len({each["fingerprint"] for each in found["checkpoints"]}) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--checkpoints", "0,9"), "no checkpoint of step 9; there are 0, 2, 4"),
        (("--checkpoints", "0"), "expected 2 to 200"),
        (("--checkpoints", "last"), "expected all, or steps"),
        (("--revisions", "step0"), "of a folder give steps"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: tuple[str, ...], said: str, short: Path, circuits: Circuits, world: World
) -> None:
    ran = circuits(
        "training", "induction", "--task", "induction", "--model", short, *words, world=world
    )
    assert ran.code == ExitCode.REQUEST
    assert said in ran.err


def test_without_wait_it_says_what_was_submitted(
    short: Path, circuits: Circuits, world: World
) -> None:
    words = ("training", "induction", "--task", "induction", "--model", short, "--pairs", 24)
    ran = circuits(*words, "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    told = ran.json()
    assert told["state"] == "running"
    assert list(told["jobs"].values()) == ["queued"] * 6
    assert sorted(circuits(*words, world=world).out.split()) == sorted(told["jobs"])


HUB = """
import json, sys
from graph_schema.documents import Limits
from tests.workers.cli.test_training import measured, request
from tests.workers.world import World
from workers.settings import read_settings
world = World(read_settings(), None, None)
print(json.dumps(measured(world, request("org/pythia", revisions=["step4", "step0"]))))
"""


@pytest.mark.slow
def test_revisions_of_a_hub_model_are_checkpoints(
    short: Path, world: World, tmp_path: Path
) -> None:
    """As huggingface_hub caches them: a ref a revision, a snapshot a commit."""
    repository = tmp_path / "hub" / "models--org--pythia"
    (repository / "refs").mkdir(parents=True)
    for step in (0, 4):
        commit = f"{step:040x}"
        (repository / "refs" / f"step{step}").write_text(commit)
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for name in ("config.json", "model.safetensors"):
            (snapshot / name).symlink_to(short / "checkpoints" / f"step-{step:06d}" / name)
    places = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    environment = {**os.environ, **world.settings.environment(), **places}
    ran = subprocess.run(
        [sys.executable, "-c", HUB], capture_output=True, text=True, env=environment, timeout=500
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    told = [(e["step"], e["revision"], e["fingerprint"]) for e in found["checkpoints"]]
    assert told == [(0, "step0", f"{0:040x}"), (4, "step4", f"{4:040x}")]
    assert found["losses"] == []
    assert "the training's is not known" in found["text"]
    assert {e["rungs"]["role"]["state"] for e in found["checkpoints"]} == {"untestable"}
    assert all(e["accuracy"] is not None for e in found["checkpoints"])


@pytest.mark.slow
def test_induction_comes_along_the_training_of_a_gpt2(zoo_cache: Path, world: World) -> None:
    asked = request(ensure_model(zoo_cache, "gpt2"), steps=[0, 240, 540, 600])
    found = measured(world, asked)
    first, *_, last = found["checkpoints"]
    assert first["rungs"]["wiring"]["state"] == RungState.UNTESTABLE
    assert last["rungs"]["role"]["state"] == RungState.PRESENT
    assert found["since"]["role"]["step"] in (540, 600)
    assert last["super_edges"][0]["ci_low"] > 0.25
    assert last["loss"] < 0.1 < first["gap"] + 1
    assert "█" in found["text"]
