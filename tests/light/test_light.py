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
from graph_schema.errors import MissingExtraError
from workers.client import CircuitClient
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
