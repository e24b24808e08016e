"""Which of the last position's logits are nodes, and what each reads of the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discovery.tracing.frozen import FrozenModel
from discovery.tracing.rows import Reads


@dataclass(frozen=True)
class Logits:
    """Logit nodes.

    Attributes:
        value: Each token's logit less the mean over tokens, before soft-capping.
        columns: The gradient of it by what the unembedding reads at the last position.
        vectors: The gradient of it by the final stream there.
    """

    token: Int[Tensor, " logit"]
    probability: Float[Tensor, " logit"]
    value: Float[Tensor, " logit"]
    columns: Float[Tensor, "logit d_model"]
    vectors: Float[Tensor, "logit d_model"]

    def reads(self, model: FrozenModel) -> Reads:
        n = len(self.token)
        position = torch.full((n,), model.n_positions - 1)
        return Reads(len(model.layers), "attn", torch.arange(n), position, self.vectors)


@torch.no_grad()
def logits_of(
    model: FrozenModel,
    targets: Sequence[int],
    *,
    most: int,
    probability: float,
) -> Logits:
    """The tokens of `targets`, or else the likeliest that hold `probability`, at most so many.

    As circuit-tracer, columns of the unembedding less their mean: what all logits share does not
    move a probability.
    """
    chances = model.logits.double().softmax(-1)
    if targets:
        token = torch.tensor(list(targets), device=chances.device)
    else:
        top = chances.topk(min(most, len(chances)))
        n = int((top.values.cumsum(0) < probability).sum()) + 1
        token = top.indices[:n]
    weight, bias = model.adapter.unembedding()
    dtype = model.final.normed.dtype
    columns = weight[token].to(dtype) - weight.mean(0, dtype=torch.float64).to(dtype)
    last = model.n_positions - 1
    value = columns @ model.final.normed[last]
    if bias is not None:
        value = value + bias[token].to(dtype) - bias.mean(dtype=torch.float64).to(dtype)
    position = torch.full((len(token),), last, device=token.device)
    vectors = model.final.back(columns, position)
    return Logits(token, chances[token].to(dtype), value, columns, vectors)
