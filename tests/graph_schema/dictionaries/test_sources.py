"""Dictionaries of the hub: only what was asked for is fetched, and works without the hub after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.graph_schema.hub import COMMIT, Hub, serving

ASK = """
import json, sys
from graph_schema.dictionaries import describe, document_of, resolve
from graph_schema.errors import CircuitServiceError
assert "torch" not in sys.modules
try:
    found = describe(resolve(sys.argv[1], sys.argv[2], sys.argv[3] or None))
    said = [[each.site.component, each.release, each.source.revision, each.width] for each in found]
    said.append(document_of(found[0]).dictionary_id)
except CircuitServiceError as error:
    said = f"{type(error).__name__}: {error}"
assert "torch" not in sys.modules
print(json.dumps(said))
"""
NAME = "google/gemma-scope-2-270m-pt"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Generator[Hub]:
    folder = tmp_path_factory.mktemp("repository")
    for kind in ("mlp_out", "attn_out"):
        for layer in (3, 12):
            _write(folder / kind / f"layer_{layer}_width_16k_l0_big", layer)
    (folder / "mlp_out" / "layer_3_width_16k_l0_big" / "evil.pkl").write_bytes(b"pickle")
    tracer = tmp_path_factory.mktemp("tracer")
    _layer(tracer / "elsewhere" / "layer_1.safetensors")
    (tracer / "config.yaml").write_text(
        "model_kind: transcoder_set\nfeature_input_hook: mlp.hook_in\n"
        f"transcoders: ['hf://org/tracer/elsewhere/layer_1.safetensors?revision={COMMIT}']\n"
    )
    with serving() as hub:
        hub.folders[NAME] = folder
        hub.folders["org/tracer"] = tracer
        yield hub


def _arrays(upper: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {"w_enc": (6, 15), "w_dec": (15, 6), "b_enc": (15,), "b_dec": (6,), "threshold": (15,)}
    arrays = {name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    return {name.replace("w_", "W_"): array for name, array in arrays.items()} if upper else arrays


def _write(folder: Path, layer: int) -> None:
    folder.mkdir(parents=True)
    save_file(_arrays(), folder / "params.safetensors")
    hook = "mlp_out" if folder.parent.name == "mlp_out" else "attn_out"
    ends = {"mlp_out": "post_feedforward_layernorm.output", "attn_out": "self_attn.o_proj.input"}
    said = {"architecture": "jump_relu", "hf_hook_point_in": f"model.layers.{layer}.{ends[hook]}"}
    (folder / "config.json").write_text(json.dumps(said))


def _layer(file: Path) -> None:
    file.parent.mkdir(parents=True)
    arrays = _arrays(upper=True)
    del arrays["threshold"]
    save_file({n: a.T.copy() if n == "W_enc" else a for n, a in arrays.items()}, file)


def _ask(hub: Hub, home: Path, name: str, path: str, revision: str = "", **env: str) -> Any:
    # huggingface_hub reads its environment when it is imported: a fresh interpreter.
    ran = subprocess.run(
        [sys.executable, "-c", ASK, name, path, revision],
        env={**os.environ, **hub.environment(home), **env},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_only_the_folder_that_was_asked_for_is_fetched_and_kept(hub: Hub, tmp_path: Path) -> None:
    hub.fetched.clear()
    path = "mlp_out/layer_3_width_16k_l0_big"
    said, of = _ask(hub, tmp_path, NAME, path)
    assert said == ["m3", NAME, COMMIT, 15]
    assert sorted(hub.fetched) == [f"{path}/config.json", f"{path}/params.safetensors"]
    for revision in ("", COMMIT):
        again = _ask(hub, tmp_path, NAME, path, revision, HF_HUB_OFFLINE="1")
        assert again == [said, of], "from the cache, without the hub"
    local = str(hub.folders[NAME])
    here, same = _ask(hub, tmp_path, local, path)
    assert here == ["m3", None, None, 15]
    assert same == of, "a copy on this machine is the same dictionary"


def test_a_folder_that_the_hub_lacks_names_the_near_ones(hub: Hub, tmp_path: Path) -> None:
    said = _ask(hub, tmp_path, NAME, "mlp_out/layer_12_width_65k_l0_big")
    assert said.startswith("DictionaryError:")
    assert "'mlp_out/layer_12_width_16k_l0_big'" in said


def test_what_the_hub_does_not_have_or_say_is_told_apart(hub: Hub, tmp_path: Path) -> None:
    gone = _ask(hub, tmp_path, "org/none", "mlp_out/layer_3")
    assert gone.startswith("DictionaryError: dictionary 'org/none' is not on the hub")
    away = _ask(hub, tmp_path, NAME, "mlp_out/x", HF_HUB_OFFLINE="1")
    assert away.startswith("ModelUnavailable: dictionary"), away


def test_files_that_a_configuration_names_on_the_hub_are_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.fetched.clear()
    said = _ask(hub, tmp_path, "org/tracer", "")
    assert said[0][:2] == ["m1", "org/tracer"]
    assert sorted(hub.fetched) == ["config.yaml", "elsewhere/layer_1.safetensors"]
