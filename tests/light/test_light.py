"""The base install, without torch: what a client's machine has.

Collected only where torch is missing; `.ci/run` makes such an environment.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import graph_schema
from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import ExchangeFormat, ModelSource
from graph_schema.errors import MissingExtraError
from graph_schema.models.config import read_model
from tests.factories import make_circuit
from workers.client import Circuit, CircuitClient
from workers.requests.exchange import ImportRequest, read_request, written
from workers.settings import read_settings

CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]


def _modules() -> list[str]:
    found = pkgutil.walk_packages(graph_schema.__path__, prefix="graph_schema.")
    return [module.name for module in found]


@pytest.mark.parametrize("name", _modules())
def test_all_of_graph_schema_imports(name: str) -> None:
    importlib.import_module(name)


def test_help_is_there() -> None:
    ran = subprocess.run([*CIRCUITS, "--help"], capture_output=True, text=True)
    assert ran.returncode == 0
    assert "submit" in ran.stdout


def _model(folder: Path) -> Path:
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    (folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    return folder


def test_the_local_service_names_the_extra_it_needs(tmp_path: Path) -> None:
    settings = read_settings(home=tmp_path / "home")
    with (
        CircuitClient(settings=settings) as client,
        pytest.raises(MissingExtraError, match=r"pip install .*\[worker\]"),
    ):
        client.submit(model=str(_model(tmp_path)), task="induction", method="eap", n_edges=10)


def test_pages_name_the_extra_they_need(tmp_path: Path) -> None:
    ran = subprocess.run(
        [*CIRCUITS, "web", "--no-open"],
        capture_output=True,
        text=True,
        env={**os.environ, "CIRCUITS_HOME": str(tmp_path / "home")},
    )
    assert ran.returncode == 4
    assert "pip install 'circuit-atlas[web]'" in ran.stderr
    assert not (tmp_path / "home").exists()


def test_a_circuit_shows_itself_and_its_widget_names_the_extra(tmp_path: Path) -> None:
    circuit = Circuit(make_circuit(), ArtifactStore(str(tmp_path)))
    assert "<svg" in circuit._repr_html_()
    with pytest.raises(MissingExtraError, match=r"pip install 'circuit-atlas\[notebook\]'"):
        circuit.widget()


def test_bad_input_is_told_without_torch(tmp_path: Path) -> None:
    command = ["submit", "--model=./m", "--task=induction", "--method=eap", "--edges=-5"]
    ran = subprocess.run(
        [*CIRCUITS, *command],
        capture_output=True,
        text=True,
        env={**os.environ, "CIRCUITS_HOME": str(tmp_path)},
    )
    assert ran.returncode == 2
    assert "-5" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_circuits_come_and_go_as_json_without_torch(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "gpt2", "n_layer": 2, "n_head": 4, "n_embd": 32, "vocab_size": 40}'
    )
    model = read_model(ModelSource(name=str(tmp_path)), "a" * 64)
    assert model.n_edges == 110
    file = tmp_path / "circuit.csv"
    file.write_text("sender,receiver,channel,score\ninput,m0,r,1.5\nm0,logits,r,-0.5\n")
    limits = read_settings(home=tmp_path / "home").limits
    first = read_request(ImportRequest(file=file, model="aaaaaa"), limits).circuit(
        model, None, None
    )
    file = tmp_path / "circuit.json"
    file.write_bytes(written(first, ExchangeFormat.EAP_IG, {}))
    again = read_request(ImportRequest(file=file, model="aaaaaa"), limits)
    assert len(again.found.scores) == 110
    edges = again.circuit(model, None, None).edges
    assert {edge.name: edge.score for edge in edges} == {"input->m0": 1.5, "m0->logits": -0.5}
    with pytest.raises(MissingExtraError, match=r"eap-ig \(JSON\), or run: pip install"):
        written(first, ExchangeFormat.EAP_IG_PT, {})
