"""Which model a circuit is judged in: its own, or another fingerprint of the same weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from graph_schema.documents import CircuitDocument, Limits, ModelDocument, ModelSource
from graph_schema.documents.jobs import EvaluateSpec
from graph_schema.errors import ModelError, SpecError
from graph_schema.models.fingerprint import fingerprint
from graph_schema.reports import summary
from tests.factories import make_circuit, make_model
from tests.feature_circuits import traced_circuit
from tests.workers.tiny import Tiny, make_tiny
from workers.requests.discover import Submission
from workers.requests.evaluate import EvaluateRequest, build_evaluation

WEIGHTS = "1" * 64


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return make_tiny(tmp_path_factory.mktemp("tiny"), n_layers=1, n_pairs=16)


@pytest.fixture
def copy(tiny: Tiny, tmp_path: Path) -> Path:
    """The model's folder, its configuration laid out otherwise."""
    folder = Path(shutil.copytree(tiny.folder, tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config, indent=7, sort_keys=True))
    return folder


def identity(folder: Path) -> str:
    return fingerprint(ModelSource(name=str(folder)), None)


def circuit_of(folder: Path, weights: str | None = WEIGHTS) -> CircuitDocument:
    model = make_model("tiny", fingerprint=identity(folder), weights_sha256=weights)
    return make_circuit(model=model)


def asked(
    circuit: CircuitDocument, place: Path | str, tmp_path: Path, *known: ModelDocument
) -> Submission:
    request = EvaluateRequest(circuit=circuit.circuit_id, task="induction", model=str(place))
    stored = {model.fingerprint: model for model in known}
    return build_evaluation(request, circuit, None, Limits(), tmp_path / "cache", stored.get)


def fingerprint_in(made: Submission) -> str:
    assert isinstance(made.spec, EvaluateSpec)
    return made.spec.model.fingerprint


def test_a_readme_is_no_other_model(tiny: Tiny, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny.folder, tmp_path / "with readme"))
    (folder / "README.md").write_text("Of the same files.")
    circuit = circuit_of(tiny.folder, weights=None)
    assert fingerprint_in(asked(circuit, folder, tmp_path)) == circuit.model.fingerprint


def test_other_files_are_asked_for_by_their_own_fingerprint(
    tiny: Tiny, copy: Path, tmp_path: Path
) -> None:
    """Whether their weights are the same the worker sees; where the graph knows, it says so."""
    circuit, there = circuit_of(tiny.folder), identity(copy)
    assert there != circuit.model.fingerprint
    same = circuit.model.model_copy(update={"fingerprint": there})
    unknown = same.model_copy(update={"weights_sha256": None})
    for known in ((), (unknown,), (same,)):
        made = asked(circuit, copy, tmp_path, *known)
        assert fingerprint_in(made) == there
        assert made.spec.job_id != asked(circuit, tiny.folder, tmp_path).spec.job_id


def test_weights_that_are_known_to_differ_are_refused_at_once(
    tiny: Tiny, copy: Path, tmp_path: Path
) -> None:
    weights = load_file(copy / "model.safetensors")
    save_file({name: 2 * value for name, value in weights.items()}, copy / "model.safetensors")
    circuit = circuit_of(tiny.folder)
    other = make_model("other", fingerprint=identity(copy), weights_sha256="2" * 64)
    with pytest.raises(ModelError, match=r"'other' .* has other weights .*'tiny'.*--model"):
        asked(circuit, copy, tmp_path, other)


def test_weights_of_the_circuits_own_model_that_nobody_knows_are_said_so(
    tiny: Tiny, copy: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="nobody has loaded 'tiny'"):
        asked(circuit_of(tiny.folder, weights=None), copy, tmp_path)


def test_a_hub_id_is_the_circuits_own_commit_or_the_revision_that_is_named(
    tmp_path: Path,
) -> None:
    model = make_model("org/name", fingerprint="a" * 40, weights_sha256=WEIGHTS)
    circuit = make_circuit(model=model)
    assert fingerprint_in(asked(circuit, "org/name", tmp_path)) == "a" * 40
    request = EvaluateRequest(
        circuit=circuit.circuit_id, task="induction", model="org/name", revision="b" * 40
    )
    made = build_evaluation(request, circuit, None, Limits(), tmp_path, lambda _: None)
    assert fingerprint_in(made) == "b" * 40


def test_a_graph_of_one_prompt_is_not_judged_though_its_prompt_is_lost(
    tiny: Tiny, tmp_path: Path
) -> None:
    whole = traced_circuit().model_copy(update={"evaluation": None})
    lost = whole.model_copy(update={"prompt": None, "nodes": (), "graph_scores": None})
    for circuit in (whole, lost):
        with pytest.raises(SpecError, match="attribution graph of one prompt"):
            asked(circuit, tiny.folder, tmp_path)
        assert "no pairs to be judged on" in summary(circuit)
