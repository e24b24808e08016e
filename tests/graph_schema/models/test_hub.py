"""What is fetched of a model on the hub; a server of this process stands for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from graph_schema.models.files import INDEX_FILE
from tests.graph_schema.hub import Hub, serving

ASK = """
import json, sys
from graph_schema.documents import ModelSource
from graph_schema.errors import CircuitServiceError
from graph_schema.models.hub import fetch_from_hub
try:
    folder = fetch_from_hub(ModelSource(name=sys.argv[1]), None, weights=True)
    said = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.*"))
except CircuitServiceError as error:
    said = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def hub() -> Generator[Hub]:
    with serving() as hub:
        yield hub


def _fetch(hub: Hub, home: Path, name: str, **environment: str) -> Any:
    # huggingface_hub reads its environment when it is imported: a fresh interpreter.
    ran = subprocess.run(
        [sys.executable, "-c", ASK, name],
        env={**os.environ, **hub.environment(home), **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def _repository(hub: Hub, folder: Path, *names: str, shards: tuple[str, ...] = ()) -> str:
    folder.mkdir()
    for name in ("config.json", *names, *shards):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"file": name}))  # else one blob for all
    if shards:
        named = {f"w{number}": name for number, name in enumerate(shards)}
        (folder / INDEX_FILE).write_text(json.dumps({"weight_map": named}))
    hub.folders[f"org/{folder.name}"] = folder
    return f"org/{folder.name}"


def test_exactly_the_weights_that_are_read_are_fetched(hub: Hub, tmp_path: Path) -> None:
    others = ("consolidated.safetensors", "model-00001-of-00002.safetensors", "pytorch_model.bin")
    shards = ("lm_head.safetensors", "model[1].safetensors", "parts/b.safetensors")
    kept = {"config.json", INDEX_FILE, *shards, "tokenizer.json"}
    hub.fetched.clear()
    parted = _repository(hub, tmp_path / "parted", "tokenizer.json", *others, shards=shards)
    assert set(_fetch(hub, tmp_path / "home", parted)) == kept
    assert set(hub.fetched) == kept
    whole = _repository(hub, tmp_path / "whole", "model.safetensors", *others)
    assert set(_fetch(hub, tmp_path / "home", whole)) == {"config.json", "model.safetensors"}
    (tmp_path / "parted" / "config.json").write_text('{"transformers_weights": "own.safetensors"}')
    (tmp_path / "parted" / "own.safetensors").write_text("own")
    named = set(_fetch(hub, tmp_path / "other", parted))
    assert named == {"config.json", INDEX_FILE, "tokenizer.json", "own.safetensors"}


def test_a_hub_that_lacks_a_file_and_one_that_is_away_are_told_apart(
    hub: Hub, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    pickled = _repository(hub, tmp_path / "pickled", "pytorch_model.bin")
    said = _fetch(hub, home, pickled)
    assert said.startswith("ModelError: model 'org/pickled' has no model.safetensors")
    away = _fetch(hub, home, pickled, HF_HUB_OFFLINE="1")  # its configuration is in the cache
    assert away.startswith("ModelUnavailable: model.safetensors of model 'org/pickled'")
    assert str(home) not in said + away
    named = _repository(hub, tmp_path / "torn", shards=("a.safetensors", "b.safetensors"))
    (tmp_path / "torn" / "b.safetensors").unlink()
    assert "ModelError: model 'org/torn' has no b.safetensors" in _fetch(hub, home, named)
    outside = _repository(hub, tmp_path / "outside", shards=("../x.safetensors",))
    said = _fetch(hub, home, outside)
    assert said.startswith("ModelError: model folder 'org/outside'")
    assert "names '../x.safetensors'" in said
    assert str(home) not in said
    assert "'org/unknown' is not on the hub" in _fetch(hub, home, "org/unknown")
