"""Half-precision weights that are computed with in float32.

A patched edge moves the loss by a difference of two nearly equal numbers. In bfloat16 the stream
itself carries errors of a part in 256, so on a small model's edges the sign of every third effect
was noise. So only the weights stay in half precision, which is what it saves memory for: inputs,
norms, attention and sums are float32, and a product takes a wide copy of (a piece of) its weight
that lives as long as the product. What is computed is the float32 model with rounded weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

HALF = (torch.bfloat16, torch.float16)
PIECE = 2**24
"""Numbers of a weight that are copied at once: 64 MiB, so an unembedding costs no more."""


def wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype that is computed in: float32, or float64 for a float64 model."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def widen(model: nn.Module) -> None:
    """Have every module with half-precision weights compute in float32; changes `model`.

    The weights stay as they are, the modules' own forward functions too: they meet wide copies.
    """
    for module in model.modules():
        if not any(weight.dtype in HALF for weight in module.parameters(recurse=False)):
            continue
        way: Callable[..., Tensor] = _compute
        if isinstance(module, nn.Linear | Conv1D):
            way = _project
        elif isinstance(module, nn.Embedding):
            way = _embed
        vars(module)["forward"] = partial(way, module)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x` [..., in] by `weight` [out, in], in the dtype of `x`, whatever the weight's."""
    if weight.dtype == x.dtype:
        return F.linear(x, weight, bias)
    found: Tensor = _Product.apply(x, weight)  # pyright: ignore
    return found if bias is None else found + bias.to(x.dtype)


class _Product(torch.autograd.Function):
    """A product with a half-precision weight that keeps no wide copy for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        found = [F.linear(x, weight[part].to(x.dtype)) for part in _pieces(weight)]
        return found[0] if len(found) == 1 else torch.cat(found, dim=-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (grad,), (weight,) = grads, ctx.saved_tensors
        parts = (grad[..., part] @ weight[part].to(grad.dtype) for part in _pieces(weight))
        found = next(parts)
        for part in parts:
            found += part
        return found, None


def _pieces(weight: Tensor) -> Generator[slice]:
    rows = max(1, PIECE // weight.shape[1])
    for start in range(0, weight.shape[0], rows):
        yield slice(start, start + rows)


def _project(module: nn.Linear | Conv1D, x: Tensor) -> Tensor:
    # Conv1D keeps its weight as [in, out].
    weight = module.weight.T if isinstance(module, Conv1D) else module.weight
    return product(x.to(wide(x.dtype)), weight, module.bias)


def _embed(module: nn.Embedding, tokens: Tensor) -> Tensor:
    """The module's forward on the rows that are looked up: not the whole vocabulary made wide."""
    rows, places = tokens.unique(return_inverse=True)
    twin = _twin(module, {"weight": module.weight[rows]})
    twin.padding_idx = None
    return type(module).forward(twin, places)


def _compute(module: nn.Module, *args: Tensor) -> Tensor:
    return type(module).forward(_twin(module, dict(module.named_parameters(recurse=False))), *args)


def _twin(module: Any, weights: dict[str, Tensor]) -> Any:
    """The module with these weights, and with its buffers, made wide."""
    twin = copy.copy(module)
    vars(twin).pop("forward", None)
    vars(twin)["_parameters"] = {name: _widened(weight) for name, weight in weights.items()}
    buffers = module.named_buffers(recurse=False)
    vars(twin)["_buffers"] = {name: _widened(buffer) for name, buffer in buffers}
    return twin


def _widened(tensor: Tensor) -> Tensor:
    return tensor.to(wide(tensor.dtype)) if tensor.is_floating_point() else tensor
