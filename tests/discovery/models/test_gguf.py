"""A GGUF file is read as it says, key by key and tensor by tensor, or refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from discovery.models import inspect_model, load_model
from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError
from tests.discovery.models.gguf_files import CONFIGS, random_model, write_gguf

TOKENS = torch.arange(2, 42)[None]
ROPE: dict[str, Any] = {"rope_theta": 10_000.0}
FACTORS = [1.0, 2.0, 4.0, 8.0]


def _source(file: Path) -> ModelSource:
    return ModelSource(name=str(file))


@torch.no_grad()
def _logits(file: Path) -> torch.Tensor:
    loaded: Any = load_model(_source(file), fingerprint=None)
    return loaded.adapter.model(TOKENS).logits


@pytest.mark.parametrize("architecture", CONFIGS)
@torch.no_grad()
def test_a_plain_file_is_the_model_it_was_written_from(architecture: str, tmp_path: Path) -> None:
    model = random_model(architecture)
    file = write_gguf(model, tmp_path / "tiny.gguf", architecture)
    torch.testing.assert_close(_logits(file), model(TOKENS).logits, atol=1e-5, rtol=1e-5)


_NESTED = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
    "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
}
_LONGROPE = {
    **ROPE,
    "rope_type": "longrope",
    "short_factor": [1.0] * 4,
    "long_factor": FACTORS,
    "original_max_position_embeddings": 16,
    "attention_factor": 1.25,
}
APPLIED: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, list[float]]]] = {
    "linear": (
        "llama",
        {"rope_parameters": {**ROPE, "rope_type": "linear", "factor": 4.0}},
        {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
        {},
    ),
    "linear without its type": (
        "qwen2",
        {"rope_parameters": {**ROPE, "rope_type": "linear", "factor": 4.0}},
        {"rope.scaling.factor": 4.0},
        {},
    ),
    "no scaling whatever the factor": (
        "llama",
        {},
        {"rope.scaling.type": "none", "rope.scaling.factor": 4.0, "rope.scaling.finetuned": True},
        {},
    ),
    "yarn": (
        "qwen3",
        {
            "rope_parameters": {
                **ROPE,
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 16,
            }
        },
        {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 4.0,
            "rope.scaling.original_context_length": 16,
        },
        {},
    ),
    "another base": (
        "llama",
        {"rope_parameters": {"rope_theta": 500.0, "rope_type": "default"}},
        {},
        {},
    ),
    "part of a head": (
        "phi3",
        {"rope_parameters": {**ROPE, "rope_type": "default", "partial_rotary_factor": 0.5}},
        {"rope.dimension_count": 4},
        {},
    ),
    "a factor for each frequency": (
        "llama",
        {
            "rope_parameters": {
                **ROPE,
                "rope_type": "longrope",
                "short_factor": FACTORS,
                "long_factor": FACTORS,
                "original_max_position_embeddings": 64,
                "attention_factor": 1.0,
            }
        },
        {},
        {"rope_freqs.weight": FACTORS},
    ),
    "longrope": (
        "phi3",
        {"rope_parameters": _LONGROPE, "original_max_position_embeddings": 16},
        {"rope.scaling.original_context_length": 16, "rope.scaling.attn_factor": 1.25},
        {"rope_factors_long.weight": FACTORS, "rope_factors_short.weight": [1.0] * 4},
    ),
    "rotary of both kinds of layer": (
        "gemma3",
        {"rope_parameters": _NESTED, "sliding_window": 4, "query_pre_attn_scalar": 8},
        {
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 8.0,
            "rope.freq_base_swa": 500.0,
            "attention.sliding_window": 4,
            "attention.scale": 8**-0.5,
        },
        {},
    ),
    "soft caps": (
        "gemma2",
        {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
        {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
        {},
    ),
    "no soft caps": (
        "gemma2",
        {"attn_logit_softcapping": None, "final_logit_softcapping": None},
        {"attn_logit_softcapping": 0.0, "final_logit_softcapping": 0.0},
        {},
    ),
    "which layers look through a window": (
        "gemma3",
        {
            "sliding_window": 4,
            "layer_types": ["full_attention", "sliding_attention"],
            "query_pre_attn_scalar": 8,
        },
        {
            "attention.sliding_window": 4,
            "attention.sliding_window_pattern": [False, True],
            "attention.scale": 8**-0.5,
        },
        {},
    ),
    "every second layer looks at all": (
        "gemma3",
        {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]},
        {"attention.sliding_window": 4, "attention.sliding_window_pattern": 2},
        {},
    ),
    "a window in every layer": (
        "phi3",
        {"sliding_window": 4},
        {"attention.sliding_window": 4},
        {},
    ),
    "a window longer than the context": ("llama", {}, {"attention.sliding_window": 64}, {}),
    "heads of their own size": ("qwen3", {"head_dim": 12}, {}, {}),
    "positions and a hidden size": ("gpt2", {"n_inner": 40}, {"feed_forward_length": 40}, {}),
    "biases": ("llama", {"attention_bias": True, "mlp_bias": True}, {}, {}),
    "no experts": ("llama", {}, {"expert_count": 0, "expert_used_count": 0}, {}),
}


@pytest.mark.parametrize("case", APPLIED)
@torch.no_grad()
def test_what_a_file_says_is_computed(case: str, tmp_path: Path) -> None:
    architecture, config, keys, tensors = APPLIED[case]
    model = random_model(architecture, **config)
    arrays = {name: np.array(values) for name, values in tensors.items()}
    file = write_gguf(model, tmp_path / "tiny.gguf", architecture, keys, arrays)
    torch.testing.assert_close(_logits(file), model(TOKENS).logits, atol=1e-5, rtol=1e-5)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "part of a head": (
        "llama",
        {"rope.dimension_count": 4},
        r"key 'llama\.rope\.dimension_count' is 4; this family rotates whole heads",
    ),
    "a longer value": (
        "llama",
        {"attention.value_length": 16},
        r"'llama\.attention\.value_length'",
    ),
    "other heads": ("qwen2", {"attention.key_length": 16}, r"'qwen2\.attention\.key_length' is 16"),
    "a window": (
        "llama",
        {"attention.sliding_window": 8},
        r"'llama\.attention\.sliding_window' is 8",
    ),
    "a cap": (
        "llama",
        {"final_logit_softcapping": 30.0},
        r"'llama\.final_logit_softcapping' is 30",
    ),
    "a cap on attention": (
        "gemma3",
        {"attn_logit_softcapping": 50.0},
        r"'gemma3\.attn_logit_softcapping' is 50\.0",
    ),
    "alibi": ("gpt2", {"attention.max_alibi_bias": 8.0}, r"'gpt2\.attention\.max_alibi_bias' is 8"),
    "a scale of logits": ("llama", {"logit_scale": 0.5}, r"'llama\.logit_scale' is 0\.5"),
    "a scale of attention": (
        "qwen2",
        {"attention.scale": 0.5},
        r"'qwen2\.attention\.scale' is 0\.5",
    ),
    "experts": ("llama", {"expert_count": 8}, r"'llama\.expert_count' is 8"),
    "looking ahead": ("llama", {"attention.causal": False}, r"'llama\.attention\.causal' is False"),
    "an unknown scaling": (
        "llama",
        {"rope.scaling.type": "su"},
        r"'llama\.rope\.scaling\.type' is su; expected none, linear, yarn or longrope",
    ),
    "more of yarn": (
        "llama",
        {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 2.0,
            "rope.scaling.yarn_log_multiplier": 0.1,
        },
        r"'llama\.rope\.scaling\.yarn_log_multiplier' is 0\.1",
    ),
    "longrope without its factors": (
        "phi3",
        {"rope.scaling.type": "longrope"},
        "no tensor 'rope_factors_long.weight'",
    ),
    "rotary without positions to rotate": (
        "gpt2",
        {"rope.freq_base": 100.0},
        r"'gpt2\.rope\.freq_base' is 100\.0",
    ),
    "sections": (
        "qwen2",
        {"rope.dimension_sections": [2, 1, 1, 0]},
        r"'qwen2\.rope\.dimension_sections' is \[2, 1, 1, 0\]",
    ),
    "what nobody knows": (
        "llama",
        {"new.bias": 1.5},
        r"'llama\.new\.bias' is 1\.5; it is not read",
    ),
    "a cap of the wrong kind": (
        "gemma2",
        {"attn_logit_softcapping": "high"},
        r"'gemma2\.attn_logit_softcapping' is high; Gemma2Config takes no such",
    ),
    "an adapter": ("llama", {"general.type": "adapter"}, "'general.type' is adapter"),
    "an adapter's key": ("llama", {"adapter.lora.alpha": 8.0}, r"'adapter\.lora\.alpha' is 8\.0"),
}


ANGLES = (
    *("rope.freq_base", "rope.scaling.factor", "rope.scale_linear"),
    "rope.scaling.original_context_length",
)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -4.0])
@pytest.mark.parametrize("key", ANGLES)
def test_angles_are_scaled_by_finite_numbers_above_0(
    key: str, value: float, tmp_path: Path
) -> None:
    file = write_gguf(random_model("llama"), tmp_path / "tiny.gguf", "llama", {key: value})
    said = rf"'llama\.{re.escape(key)}' is {value}; expected a finite number above 0"
    with pytest.raises(ModelError, match=said):
        inspect_model(_source(file))


@pytest.mark.parametrize("case", REFUSED)
def test_a_key_that_is_not_read_refuses_the_file(case: str, tmp_path: Path) -> None:
    architecture, keys, said = REFUSED[case]
    file = write_gguf(random_model(architecture), tmp_path / "tiny.gguf", architecture, keys)
    with pytest.raises(ModelError, match=rf"tiny\.gguf.*{said}"):
        inspect_model(_source(file))


@pytest.mark.parametrize(
    ("architecture", "tensor"),
    [
        ("llama", "blk.1.attn_q_norm.weight"),
        ("qwen2", "blk.0.attn_output.bias"),
        ("gemma2", "blk.0.attn_q.bias"),
        ("llama", "blk.0.ffn_gate_inp.weight"),
        ("llama", "blk.2.attn_norm.weight"),
        ("phi3", "blk.0.attn_rot_embd.weight"),
    ],
)
def test_a_tensor_that_is_not_read_refuses_the_file(
    architecture: str, tensor: str, tmp_path: Path
) -> None:
    more = {tensor: np.ones(32)}
    file = write_gguf(random_model(architecture), tmp_path / "t.gguf", architecture, None, more)
    with pytest.raises(ModelError, match=f"tensor '{tensor}' would not be read into"):
        inspect_model(_source(file))


def test_factors_of_another_number_are_refused(tmp_path: Path) -> None:
    more = {"rope_freqs.weight": np.ones(7)}
    file = write_gguf(random_model("llama"), tmp_path / "tiny.gguf", "llama", None, more)
    with pytest.raises(ModelError, match="has 7 factors; expected one for each of 4 frequencies"):
        inspect_model(_source(file))


def test_a_scale_that_the_file_does_not_say_is_noted(tmp_path: Path) -> None:
    file = write_gguf(random_model("gemma2"), tmp_path / "tiny.gguf", "gemma2")
    (note,) = inspect_model(_source(file)).notes
    assert "the root of 256 was taken, the family's default, though its heads have 8" in note
    assert load_model(_source(file), fingerprint=None).notes == (note,)
    stated = {"attention.scale": 8**-0.5}
    file = write_gguf(random_model("gemma2"), tmp_path / "said.gguf", "gemma2", stated)
    found = inspect_model(_source(file))
    assert (found.notes, found.config.query_pre_attn_scalar) == ((), 8)
