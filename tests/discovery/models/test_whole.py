"""A checkpoint that is more or less than the model made of it is refused, or said in its notes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from discovery.jobs.sizes import read_config
from discovery.models import LoadedModel, inspect_model, load_model
from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError
from graph_schema.models.fingerprint import fingerprint
from tests.discovery.jobs import test_discover as a_job
from tests.discovery.models.families import FAMILIES, of_config, tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny("llama").model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def _load(folder: Path) -> LoadedModel:
    return load_model(ModelSource(name=str(folder)), fingerprint=None)


def _edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def _edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("beside", [True, False], ids=["beside a model", "alone"])
def test_an_adapter_is_refused_before_anything_is_submitted(
    name: str, beside: bool, folder: Path
) -> None:
    if not beside:
        shutil.rmtree(folder)
        folder.mkdir()
    (folder / name).write_text("{}")
    source = ModelSource(name=str(folder))
    for refused in (fingerprint, inspect_model):
        with pytest.raises(
            ModelError, match=rf"has an adapter \({name}\).*merge it into its model"
        ):
            refused(source)
    if beside:
        with pytest.raises(ModelError, match="has an adapter"):
            read_config(source)


def test_an_adapter_of_a_hub_model_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0" * 40
    snapshot = tmp_path / "hub" / "models--org--tuned" / "snapshots" / commit
    shutil.copytree(folder, snapshot)
    (snapshot / "adapter_config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    source = ModelSource(name="org/tuned", revision=commit)
    with pytest.raises(ModelError, match=r"has an adapter \(adapter_config.json\)") as raised:
        inspect_model(source, fingerprint=commit)
    assert str(tmp_path) not in str(raised.value)
    assert "'org/tuned'" in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.2.mlp.up_proj.weight",
        "model.layers.1.self_attn.q_proj.lora_A.weight",
        "layers.0.self_attn.q_norm.weight",
        "lm_head.bias",
    ],
)
def test_a_weight_of_the_model_that_is_not_read_refuses_it(name: str, folder: Path) -> None:
    _edit_weights(folder, lambda weights: weights.update({name: torch.ones(24)}))
    with pytest.raises(
        ModelError, match=rf"1 weights that LlamaForCausalLM does not read .*'{name}'"
    ):
        _load(folder)


def test_fewer_layers_than_the_file_has_are_refused(folder: Path) -> None:
    _edit(folder, num_hidden_layers=1)
    with pytest.raises(ModelError, match=r"such as 'model\.layers\.1"):
        _load(folder)


def test_weights_beside_the_model_are_noted(folder: Path) -> None:
    extra = {"v_head.summary.weight": torch.ones(1, 24), "score.weight": torch.ones(2, 24)}
    _edit_weights(folder, lambda weights: weights.update(extra))
    notes = _load(folder).notes
    assert notes == ("2 weights of the model's files were not read, such as score.weight",)


def test_what_old_checkpoints_store_though_it_is_computed_is_no_matter(tmp_path: Path) -> None:
    tiny("gpt2").model.save_pretrained(tmp_path)
    extra = {f"transformer.h.{i}.attn.masked_bias": torch.tensor(-1e4) for i in range(2)}
    extra["transformer.h.0.attn.bias"] = torch.ones(1, 1, 32, 32)
    _edit_weights(tmp_path, lambda weights: weights.update(extra))
    assert _load(tmp_path).notes == ()


def _tied(folder: Path, change: float) -> Path:
    sizes = FAMILIES["llama"].sizes | {"tie_word_embeddings": True}
    of_config(FAMILIES["llama"].config(**sizes)).model.save_pretrained(folder)

    def untie(weights: dict[str, Tensor]) -> None:
        assert "lm_head.weight" not in weights
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"] + change

    _edit_weights(folder, untie)
    return folder


def test_tied_weights_that_are_not_tied_are_refused(tmp_path: Path) -> None:
    folder = _tied(tmp_path, 0.5)
    with pytest.raises(ModelError, match=r"output weights of its own.*tie_word_embeddings"):
        _load(folder)
    _edit(folder, tie_word_embeddings=False)
    assert _load(folder).notes == ()


def test_tied_weights_that_are_stored_twice_are_taken(tmp_path: Path) -> None:
    assert _load(_tied(tmp_path, 0.0)).notes == ()


def test_code_of_its_own_and_another_class_are_noted(folder: Path) -> None:
    _edit(folder, auto_map={"AutoModelForCausalLM": "modeling_x.XForCausalLM"})
    (note,) = _load(folder).notes
    assert "code of its own (modeling_x.XForCausalLM); it was not run" in note
    _edit(folder, auto_map={}, architectures=["LlamaForSequenceClassification"])
    (note,) = inspect_model(ModelSource(name=str(folder))).notes
    assert note == (
        "config.json names LlamaForSequenceClassification; the model was read as LlamaForCausalLM"
    )


def test_a_circuit_carries_the_notes_of_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = replace(a_job.model(), notes=("read from a strange file",))
    monkeypatch.setattr(a_job, "model", lambda: noted)
    (circuit,) = a_job.run().circuits
    assert circuit.notes[0] == "read from a strange file"
