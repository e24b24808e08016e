"""One hash for the same weights, however they lie; another for any other weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from discovery.models import load, weights
from discovery.models.inspecting import Place
from discovery.models.load import load_model
from graph_schema.documents import ModelDocument, ModelSource
from tests.discovery.models.families import FAMILIES, tiny

ONE_FILE = "model.safetensors"


def _saved(folder: Path, family: str = "gpt2", dtype: torch.dtype = torch.float32) -> Path:
    tiny(family, dtype=dtype).model.save_pretrained(folder)
    return folder


def _document(folder: Path, dtype: str = "float32") -> ModelDocument:
    return load_model(ModelSource(name=str(folder)), fingerprint=None, dtype=dtype).document


def _edit(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / ONE_FILE)
    change(tensors)
    save_file(tensors, folder / ONE_FILE, metadata={"format": "pt"})


def test_the_hash_is_worked_out_once_a_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache, read = _saved(tmp_path / "model"), tmp_path / "cache", list[object]()

    def loaded_weights(model: object, place: Place) -> str:
        read.append(place)
        return weights.loaded_weights(model, place)

    monkeypatch.setattr(load, "loaded_weights", loaded_weights)

    def document() -> ModelDocument:
        source = ModelSource(name=str(folder))
        return load_model(source, fingerprint=None, cache_dir=cache).document

    first = document()
    assert document() == first
    assert len(read) == 1
    _edit(folder, lambda tensors: tensors["transformer.wpe.weight"].mul_(2))
    other = document()
    assert not other.is_same(first)
    assert len(read) == 2
    for entry in cache.iterdir():
        entry.write_text("damaged")
    assert document() == other
    assert len(read) == 3


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_sharding_does_not_count(family: str, tmp_path: Path) -> None:
    adapter = tiny(family)
    adapter.model.save_pretrained(tmp_path / "one")
    adapter.model.save_pretrained(tmp_path / "many", max_shard_size="10KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    one, many = _document(tmp_path / "one"), _document(tmp_path / "many")
    assert one.fingerprint != many.fingerprint
    assert one.weights_sha256 == many.weights_sha256
    assert one.is_same(many)


@pytest.mark.parametrize("left", [True, False])
def test_weights_that_the_configuration_names_are_those_hashed(left: bool, tmp_path: Path) -> None:
    _saved(tmp_path / "one", "llama")
    other = _saved(tmp_path / "other", "llama")
    _edit(other, lambda tensors: tensors["model.norm.weight"].mul_(-1))
    named = tmp_path / "one"
    (other / ONE_FILE).rename(named / "own.safetensors")
    wanted = _document(named).weights_sha256  # model.safetensors lies there and nothing names own
    config = json.loads((named / "config.json").read_text())
    (named / "config.json").write_text(
        json.dumps({**config, "transformers_weights": "own.safetensors"})
    )
    if not left:
        (named / ONE_FILE).unlink()
    found = _document(named).weights_sha256
    assert found != wanted
    (named / "own.safetensors").rename(other / ONE_FILE)
    assert found == _document(other).weights_sha256


def test_what_is_no_weight_does_not_count(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    before = _document(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "note": "another file"}))
    after = _document(folder)
    assert before.fingerprint != after.fingerprint
    assert before.weights_sha256 == after.weights_sha256
    # As the hub has GPT-2: names of the base, and masks beside the weights.
    mask = torch.ones(4, 4)
    _edit(folder, lambda tensors: tensors.update({"transformer.h.0.attn.bias": mask}))
    assert _document(folder).weights_sha256 == before.weights_sha256


def test_a_file_of_the_base_alone_is_the_same_model(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    before = _document(folder)

    def strip(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)

    _edit(folder, strip)
    assert "wte.weight" in load_file(folder / ONE_FILE)
    assert _document(folder).weights_sha256 == before.weights_sha256


def test_tied_weights_count_once(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    assert "lm_head.weight" not in load_file(folder / ONE_FILE)
    before = _document(folder)

    def write_twice(tensors: dict[str, torch.Tensor]) -> None:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()

    _edit(folder, write_twice)
    assert _document(folder).weights_sha256 == before.weights_sha256


def test_a_lossless_copy_in_a_wider_type_is_the_same_and_a_rounded_one_is_not(
    tmp_path: Path,
) -> None:
    exact = deepcopy(tiny("llama", dtype=torch.bfloat16).model)
    exact.save_pretrained(tmp_path / "half")
    exact.float().save_pretrained(tmp_path / "wide")
    half, wide = _document(tmp_path / "half"), _document(tmp_path / "wide")
    assert half.weights_sha256 == wide.weights_sha256
    full = deepcopy(tiny("llama").model)
    full.save_pretrained(tmp_path / "full")
    full.bfloat16().save_pretrained(tmp_path / "rounded")
    hashes = {_document(tmp_path / name).weights_sha256 for name in ("full", "rounded")}
    assert len(hashes) == 2


def test_the_type_that_a_job_runs_in_does_not_count(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    kinds = ("float32", "bfloat16", "float64")
    assert len({_document(folder, kind).weights_sha256 for kind in kinds}) == 1


def test_any_other_value_is_another_model(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    before = _document(folder)

    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["transformer.h.1.mlp.c_fc.bias"][3] += 1e-6

    _edit(folder, change)
    assert _document(folder).weights_sha256 != before.weights_sha256

    def swap(tensors: dict[str, torch.Tensor]) -> None:
        one, two = (f"transformer.h.{layer}.ln_1.weight" for layer in (0, 1))
        tensors[one] = tensors[one] + 1
        first = tensors[one].clone()
        tensors[one], tensors[two] = tensors[two].clone(), first

    _edit(folder, swap)
    assert _document(folder).weights_sha256 != before.weights_sha256
