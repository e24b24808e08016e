"""Folders that are given relative, to a local service whose processes work elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.graph_schema.hub import serving
from tests.workers.tiny import make_tiny

pytestmark = pytest.mark.slow

CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]
PLACES = {"CIRCUITS_HOME": "home", "HF_HUB_CACHE": "hub", "CIRCUITS_ARTIFACTS": "arrays"}


def test_relative_caches_and_homes_are_where_the_user_stands(tmp_path: Path) -> None:
    tiny = make_tiny(tmp_path / "model", n_layers=1, n_pairs=16)
    (tmp_path / "pairs.jsonl").write_bytes(tiny.jsonl)
    with serving() as hub:
        hub.folders["org/tiny"] = tiny.folder
        environment = {**os.environ, **hub.environment(tmp_path / "hf"), **PLACES}

        def run(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*CIRCUITS, *words],
                cwd=tmp_path,
                env={**environment, **changes},
                capture_output=True,
                text=True,
                timeout=500,
            )

        ask = ("submit", "--model", "org/tiny", "--dataset", "pairs.jsonl", "--method", "eap")
        try:
            done = run(*ask, "--edges", "9", "--wait", "--json")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["state"] == "succeeded"
            assert "was started with other settings" not in done.stderr
            (cached,) = (tmp_path / "hub" / "models--org--tiny" / "snapshots").iterdir()
            assert (cached / "model.safetensors").is_file()
            assert list((tmp_path / "arrays").rglob("*.safetensors"))
            assert not list((tmp_path / "home" / "service").rglob("*.safetensors"))
            other = run(*ask, "--edges", "8", HF_HUB_CACHE="elsewhere", HF_TOKEN="hf_secret")
            assert f"HF_HUB_CACHE is {tmp_path / 'hub'} there" in other.stderr
            assert "HF_TOKEN is not set there, set here" in other.stderr
            assert "hf_secret" not in other.stderr
        finally:
            run("down")
