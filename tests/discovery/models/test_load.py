"""Loading: what comes back from a folder, and what is said of a bad one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from discovery.engine.forward import graph_of, run
from discovery.models import DecoderAdapter, inspect_model, load_model, weight_bytes
from discovery.models import load as loading
from graph_schema.documents import Limits, ModelSource
from graph_schema.errors import LimitError, MissingError, ModelError, NonFiniteError
from graph_schema.models.fingerprint import fingerprint, resolve_source
from tests.discovery.models.families import FAMILIES, tiny


def _save(family: str, folder: Path) -> Path:
    tiny(family).model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 without a tokenizer."""
    return _save("gpt2", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(saved, tmp_path / "tiny"))


def _source(folder: Path) -> ModelSource:
    return ModelSource(name=str(folder))


def _edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def _edit_weight(folder: Path, name: str, value: float | None) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    if value is None:
        del weights[name]
    else:
        weights[name].view(-1)[3] = value
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_saved_model_comes_back_the_same(family: str, tmp_path: Path) -> None:
    source = _source(_save(family, tmp_path / "model"))
    loaded = load_model(source, fingerprint=None)
    tokens = torch.arange(12).reshape(2, 6)
    resids = [
        run(adapter, graph_of(adapter), adapter.batch(tokens), torch.float32).resid
        for adapter in (tiny(family), loaded.adapter)
    ]
    torch.testing.assert_close(*resids)
    assert loaded.document.n_edges == graph_of(loaded.adapter).n_edges
    assert loaded.document.family == loaded.adapter.config.model_type  # pyright: ignore


def test_the_document_says_what_was_loaded(saved: Path, tmp_path: Path) -> None:
    source = _source(saved)
    identity = fingerprint(source)
    loaded = load_model(source, fingerprint=identity, dtype="bfloat16", cache_dir=tmp_path)
    assert loaded.tokenizer is None
    assert isinstance(loaded.adapter, DecoderAdapter)
    assert loaded.adapter.model.dtype is torch.bfloat16
    document = loaded.document
    assert (document.fingerprint, document.name, document.family) == (identity, "tiny", "gpt2")
    assert (document.architecture, document.weights) == ("GPT2LMHeadModel", "safetensors")
    assert (document.n_layers, document.n_heads, document.d_model, document.d_mlp) == (2, 3, 24, 96)


def test_inspection_needs_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    found = inspect_model(_source(folder))
    assert (found.tokenizer, found.d_vocab, found.n_ctx) == (None, 29, 32)
    with pytest.raises(ModelError, match="weights cannot be read"):
        load_model(_source(folder), fingerprint=None, inspected=found)


def test_another_model_than_the_fingerprint_is_refused(folder: Path) -> None:
    source = _source(folder)
    before = fingerprint(source)
    _edit_weight(folder, "transformer.wte.weight", 0.5)
    with pytest.raises(ModelError, match=f"the job asks for {before}: another model lies there"):
        load_model(source, fingerprint=before)


@torch.no_grad()
def test_a_file_written_over_or_cut_short_later_does_not_reach_a_loaded_model(folder: Path) -> None:
    """In place, as `cp` and `save_file` write: maps of it would change, or end the process."""
    adapter = load_model(_source(folder), fingerprint=None).adapter
    assert isinstance(adapter, DecoderAdapter)
    model = adapter.model
    before = [weight.clone() for weight in model.parameters()]
    file = folder / "model.safetensors"
    with file.open("r+b") as data:
        data.seek(file.stat().st_size // 2)
        data.write(bytes(file.stat().st_size // 2))
    assert all(map(torch.equal, before, model.parameters()))
    os.truncate(file, 1000)
    assert all(map(torch.equal, before, model.parameters()))


def test_a_model_that_changes_while_it_is_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = loading._read_weights

    def meanwhile(*given: Any) -> Any:
        _edit_weight(folder, "transformer.wte.weight", 0.5)
        return read(*given)

    monkeypatch.setattr(loading, "_read_weights", meanwhile)
    with pytest.raises(ModelError, match="another model lies there now"):
        load_model(_source(folder), fingerprint=None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_named(folder: Path, value: float) -> None:
    _edit_weight(folder, "transformer.h.1.mlp.c_fc.weight", value)
    with pytest.raises(
        NonFiniteError, match=r"'transformer\.h\.1\.mlp\.c_fc\.weight' has 1 values"
    ):
        load_model(_source(folder), fingerprint=None)


def test_float16_overflow_suggests_another_dtype(folder: Path) -> None:
    _edit_weight(folder, "transformer.wpe.weight", 1e6)
    load_model(_source(folder), fingerprint=None, dtype="bfloat16")
    with pytest.raises(NonFiniteError, match="use dtype bfloat16 or float32"):
        load_model(_source(folder), fingerprint=None, dtype="float16")


def test_missing_weights_are_not_made_up(folder: Path) -> None:
    _edit_weight(folder, "transformer.h.1.attn.c_attn.weight", None)
    with pytest.raises(ModelError, match=r"lacks 1 weights .*'transformer\.h\.1\.attn\.c_attn"):
        load_model(_source(folder), fingerprint=None)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    _edit(folder, n_embd=48)
    shapes = r"'transformer\.h\.0\.attn\.c_attn\.bias': \(72,\), where \(144,\) is expected"
    with pytest.raises(ModelError, match=rf"has \d+ weights of another shape .*{shapes}"):
        load_model(_source(folder), fingerprint=None)


@pytest.mark.parametrize(
    ("family", "change", "said"),
    [
        ("llama", {"hidden_size": 25}, r"hidden size \(25\) is not a multiple"),
        ("llama", {"vocab_size": "29"}, "'vocab_size' expected int, got str"),
        ("llama", {"hidden_act": "banana"}, "'banana' is missing, or no name that is known"),
        ("gemma3", {"sliding_window": None}, "sliding_window is None in its configuration"),
        ("mistral", {"sliding_window": 0}, "sliding_window is 0 in its configuration"),
    ],
)
def test_a_value_that_cannot_be_is_named(
    family: str, change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    tiny(family).model.save_pretrained(tmp_path)
    _edit(tmp_path, **change)
    with pytest.raises(ModelError, match=said):
        load_model(_source(tmp_path), fingerprint=None)


def test_a_family_without_an_adapter_is_named_with_the_page(folder: Path) -> None:
    config = transformers.OPTConfig(architectures=["OPTForCausalLM"])
    config.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"no adapter for OPTForCausalLM.*add-a-model-family\.md"):
        inspect_model(_source(folder))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_head": 5}, "its configuration cannot be read .*divisible by num_heads"),
        ({"n_layer": 10**9}, "has 1,000,000,000 layers by its config.json"),
        ({"n_layer": 0}, "has 0 layers by its config.json; expected 1 to 10,000"),
    ],
)
def test_sizes_that_cannot_be_are_told_before_the_weights_are_read(
    folder: Path, change: dict[str, int], said: str
) -> None:
    _edit(folder, **change)
    with pytest.raises(ModelError, match=said):
        load_model(_source(folder), fingerprint=None)


def test_code_from_a_model_folder_is_not_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    _edit(folder, model_type="evil", auto_map={"AutoConfig": "evil.Evil"})
    with pytest.raises(ModelError, match="configuration cannot be read"):
        inspect_model(_source(folder))


def test_quantised_weights_are_refused(folder: Path) -> None:
    _edit(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(ModelError, match=r"quantised weights \(gptq\)"):
        inspect_model(_source(folder))


def test_wrapped_projections_are_refused() -> None:
    adapter = tiny("llama")

    class Wrapped(torch.nn.Linear):
        pass

    model = transformers.AutoModelForCausalLM.from_config(adapter.config)
    model.model.layers[1].self_attn.k_proj = Wrapped(24, 12)
    with pytest.raises(ModelError, match="layer 1 of LlamaForCausalLM projects with a Wrapped"):
        type(adapter)(model)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": 3}'])
def test_a_damaged_configuration_is_an_error_of_ours(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match="configuration cannot be read"):
        inspect_model(_source(folder))


def test_a_damaged_tokenizer_and_a_damaged_gguf_are_errors_of_ours(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="tokenizer cannot be read"):
        inspect_model(_source(folder))
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"bad\.gguf is not a GGUF file that can be read"):
        inspect_model(_source(tmp_path / "bad.gguf"))


def test_a_model_over_the_memory_limit_is_refused_before_its_weights(folder: Path) -> None:
    config = inspect_model(_source(folder)).config
    needed = weight_bytes(config, "float32")
    assert needed == 4 * sum(weight.numel() for weight in tiny("gpt2").model.parameters())
    assert weight_bytes(config, "bfloat16") == needed // 2
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(LimitError, match=r"GiB for its weights in float32, the limit is"):
        load_model(_source(folder), fingerprint=None, limits=Limits(memory_bytes=needed - 1))


def test_a_device_that_is_not_there_is_named(saved: Path) -> None:
    with pytest.raises(MissingError, match="does not go to device 'cuda:77'"):
        load_model(_source(saved), fingerprint=None, device="cuda:77")


def test_a_hub_id_is_loaded_at_the_commit_of_its_fingerprint(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hub's cache as a download leaves it, with two commits of one model; no network.
    old, new = "0" * 40, "1" * 40
    repo = tmp_path / "models--org--tiny"
    for commit in (old, new):
        shutil.copytree(saved, repo / "snapshots" / commit)
    _edit_weight(repo / "snapshots" / new, "transformer.wte.weight", 9.0)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(new)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    source = resolve_source("org/tiny")
    assert fingerprint(source) == new
    for asked, wanted in ((None, new), (new, new), (old, old)):
        loaded = load_model(source, fingerprint=asked)
        assert (loaded.document.fingerprint, loaded.document.name) == (wanted, "org/tiny")
        weight = loaded.adapter.model.transformer.wte.weight[0, 3]  # pyright: ignore
        assert (float(weight) == 9.0) is (wanted == new)
    with pytest.raises(ModelError, match="not in the local cache"):
        load_model(resolve_source("org/other"), fingerprint=None)


@pytest.mark.slow
@pytest.mark.needs_real_models
@torch.no_grad()
def test_smollm2_equals_transformers(smollm2_folder: Path) -> None:
    loaded = load_model(resolve_source(str(smollm2_folder)), fingerprint=None)
    adapter, tokenizer = loaded.adapter, loaded.tokenizer
    assert tokenizer is not None
    assert loaded.document.n_edges == 123_211
    prompts = [tokenizer(text)["input_ids"] for text in ("The war lasted from 1732 to 17", "A b")]
    width = max(map(len, prompts))
    tokens = torch.tensor([[0] * (width - len(ids)) + ids for ids in prompts])
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts])
    batch = adapter.batch(tokens, mask)
    resid = run(adapter, graph_of(adapter), batch, torch.float32).resid[:, -1]
    found = adapter.logits(adapter.norm(30, "logits", resid))
    model = transformers.AutoModelForCausalLM.from_pretrained(smollm2_folder, dtype="float32")
    wanted = model(tokens, attention_mask=mask, position_ids=batch.position_ids).logits[:, -1]
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.needs_real_models
def test_a_gguf_file_is_the_folder_it_was_converted_to(
    smollm2_folder: Path, smollm2_gguf: Path
) -> None:
    folder, file = (
        load_model(resolve_source(str(path)), fingerprint=None)
        for path in (smollm2_folder, smollm2_gguf)
    )
    weights = dict(file.adapter.model.named_parameters())  # pyright: ignore
    for name, weight in folder.adapter.model.named_parameters():  # pyright: ignore
        assert torch.equal(weights[name], weight), name
    assert file.tokenizer is not None
    assert folder.tokenizer is not None
    assert (
        file.tokenizer("Hello there")["input_ids"] == folder.tokenizer("Hello there")["input_ids"]
    )
    assert file.document.weights == "gguf, de-quantised"
    assert file.document.name == "SmolLM2-135M-Instruct.Q4_1"
    assert file.document.fingerprint != folder.document.fingerprint


@pytest.mark.slow
@pytest.mark.needs_real_models
@torch.no_grad()
def test_gemma3_equals_transformers(gemma3_folder: Path) -> None:
    loaded = load_model(resolve_source(str(gemma3_folder)), fingerprint=None)
    adapter, tokenizer = loaded.adapter, loaded.tokenizer
    assert tokenizer is not None
    assert loaded.document.n_edges == 10_342
    tokens = torch.tensor([tokenizer("Berlin is in Germany. Rome is in")["input_ids"]])
    resid = run(adapter, graph_of(adapter), adapter.batch(tokens), torch.float32).resid
    found = adapter.logits(adapter.norm(18, "logits", resid))
    model = transformers.AutoModelForCausalLM.from_pretrained(gemma3_folder, dtype="float32")
    torch.testing.assert_close(found, model(tokens).logits, atol=2e-3, rtol=1e-3)
    assert tokenizer.decode(found[0, -1].argmax()) == " Italy"
