"""Every family's neurons are the inputs of its down projection, and write what the MLP writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from discovery.models import CompiledAdapter, DecoderAdapter, ModelAdapter
from tests.discovery.models.families import FAMILIES, tiny

every_family = pytest.mark.parametrize("family", FAMILIES)
GATED = {"llama", "llama-biased", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "olmo2", "phi3"}


def _inputs(adapter: ModelAdapter, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, 5, adapter.shape.d_model, generator=generator).to(dtype)


def _down(adapter: DecoderAdapter, layer: int) -> nn.Module:
    """The module of the model whose input is the neurons: the last one that is called."""
    mlp = adapter.model.get_submodule(
        next(
            name
            for name, _ in adapter.model.named_modules()
            if name.endswith((f"h.{layer}.mlp", f"layers.{layer}.mlp"))
        )
    )
    names = ("c_proj", "down_proj", "dense_4h_to_h")
    return next(getattr(mlp, name) for name in names if hasattr(mlp, name))


def _recorded(adapter: DecoderAdapter, layer: int, x: Tensor) -> Tensor:
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...]) -> None:
        seen.append(args[0])

    handle = _down(adapter, layer).register_forward_pre_hook(keep)
    try:
        adapter.mlp(layer, x)
    finally:
        handle.remove()
    return seen[0]


@every_family
@pytest.mark.parametrize("layer", [0, 1])
@torch.no_grad()
def test_neurons_are_what_the_down_projection_reads(family: str, layer: int) -> None:
    adapter = tiny(family)
    x, weights = _inputs(adapter), adapter.mlp_weights(layer)
    found = weights.neurons(x)
    assert found.shape == (2, 5, adapter.shape.d_mlp)
    torch.testing.assert_close(found, _recorded(adapter, layer, x), atol=1e-5, rtol=1e-5)
    assert weights.gated == (family in GATED)


@every_family
@torch.no_grad()
def test_neurons_write_what_the_mlp_writes(family: str) -> None:
    adapter = tiny(family, torch.float64)
    x, weights = _inputs(adapter, torch.float64), adapter.mlp_weights(1)
    neurons, bias = weights.neurons(x), weights.down_bias
    torch.testing.assert_close(weights.write(neurons), adapter.mlp(1, x), atol=1e-10, rtol=1e-10)
    directed = torch.stack([neurons[..., [n]] * weights.down[n] for n in range(len(weights.down))])
    summed = directed.sum(0) + (0 if bias is None else bias)
    torch.testing.assert_close(summed, adapter.mlp(1, x), atol=1e-10, rtol=1e-10)


@every_family
@torch.no_grad()
def test_some_neurons_cost_their_rows_alone(family: str) -> None:
    adapter = tiny(family)
    x, weights, units = _inputs(adapter), adapter.mlp_weights(0), torch.tensor([7, 2, 11])
    torch.testing.assert_close(weights.neurons(x, units), weights.neurons(x)[..., units])
    torch.testing.assert_close(weights.neurons(x, slice(3, 6)), weights.neurons(x)[..., 3:6])


@every_family
@torch.no_grad()
def test_weights_of_half_precision_give_float32_neurons(family: str) -> None:
    adapter = tiny(family, torch.bfloat16)
    x, weights = _inputs(adapter), adapter.mlp_weights(0)
    found = weights.neurons(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(weights.write(found), adapter.mlp(0, x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("act", ["relu", "gelu", "gelu_new"])
@pytest.mark.parametrize("biased", [False, True])
@torch.no_grad()
def test_a_compiled_programs_neurons_write_what_its_mlp_writes(act: str, biased: bool) -> None:
    rng = np.random.default_rng(0)
    shapes = {
        **dict.fromkeys(("L0.W_Q", "L0.W_K", "L0.W_V"), (2, 6, 3)),
        "L0.W_O": (2, 3, 6),
        "L0.W_in": (6, 9),
        "L0.W_out": (9, 6),
        "W_E": (4, 6),
        "W_pos": (5, 6),
        "W_U": (6, 4),
    }
    if biased:
        shapes |= {"L0.b_in": (9,), "L0.b_out": (6,)}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    adapter = CompiledAdapter(weights, {"n_layers": 1, "act": act}, dtype=torch.float64)
    x, found = _inputs(adapter, torch.float64), adapter.mlp_weights(0)
    torch.testing.assert_close(found.write(found.neurons(x)), adapter.mlp(0, x))
    assert found.neurons(x).shape == (2, 5, 9)
