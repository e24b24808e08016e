"""RelP's rules: relevance is conserved, and a gradient of a model that is linear where it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.engine.experiment import Experiment
from discovery.methods.node_scores import unit_scores
from discovery.models import ModelAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, tiny

PAIRS = made_pairs(6, targets=2, shared=1)


def _neurons(adapter: ModelAdapter) -> list[Dictionary]:
    return [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]


BIAS_FREE = ["llama", "qwen3", "gemma3", "olmo2"]
"""Of the families those without biases that stand in the way of a value."""


@pytest.mark.parametrize("family", BIAS_FREE)
def test_relevance_is_conserved_from_the_logits_to_the_embeddings(family: str) -> None:
    """Nothing ablated but by zero: what the inputs have is the whole loss, made of no biases."""
    pairs = made_pairs(3, targets=1)
    adapter = tiny(family, torch.float64)
    spec = AblationSpec(kind=Ablation.ZERO)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, spec, pairs)
    found = unit_scores(experiment, _neurons(adapter), pairs, by="relp")
    losses = []
    for pair in pairs:
        with torch.no_grad():
            logits = adapter.model(torch.tensor([pair.clean])).logits[0, pair.positions[0]]
        losses.append(
            -float(logits[list(pair.answers[0])].mean() - logits[pair.wrong_answers[0][0]])
        )
    # A score is what the loss would gain: minus what there is.
    assert float(found.inputs.sum()) == pytest.approx(-np.mean(losses), rel=1e-5)
    last = tiny(family, torch.float64).shape.n_layers - 1
    assert np.abs(found.units[last]).max() > 1e-3


@pytest.mark.parametrize("family", list(FAMILIES))
def test_relevance_is_the_gradient_of_a_model_that_is_linear_where_it_stands(family: str) -> None:
    """The slow way: norms, attention and activations as constant factors, one mask a neuron."""
    adapter = tiny(family, torch.float64)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS)
    found = unit_scores(experiment, _neurons(adapter), PAIRS, by="relp")
    total = [np.zeros(adapter.shape.d_mlp) for _ in range(adapter.shape.n_layers)]
    for pair in PAIRS:
        for layer, each in enumerate(_by_hand(adapter, pair)):
            total[layer] += each / len(PAIRS)
    for mine, wanted in zip(found.units, total, strict=True):
        np.testing.assert_allclose(mine, wanted, atol=2e-6, rtol=1e-5)
    assert max(np.abs(each).max() for each in total) > 1e-2


def _by_hand(adapter: ModelAdapter, pair: TokenPair) -> list[NDArray[np.float64]]:
    """Of one pair, by no code of the methods: derivatives by every neuron's mask, at 1."""
    masks = [
        torch.ones(adapter.shape.d_mlp, dtype=torch.float64, requires_grad=True)
        for _ in range(adapter.shape.n_layers)
    ]

    with torch.no_grad():
        gone = _linear(adapter, pair.corrupt, None, [])[1]
    x, _ = _linear(adapter, pair.clean, masks, gone)
    rows = x[:, list(pair.positions)]
    normed = _fixed(partial(adapter.norm, adapter.shape.n_layers, "logits"), rows)
    logits = adapter.logits(normed)[0]
    each = [
        logits[place, list(right)].mean() - logits[place, list(wrong)].mean()
        for place, (right, wrong) in enumerate(zip(pair.answers, pair.wrong_answers, strict=True))
    ]
    grads = torch.autograd.grad(-torch.stack(each).mean(), masks)
    return [-grad.numpy() for grad in grads]


def _fixed(norm: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A norm as an affine map, its scale that of this input: found by probing it."""
    still = x.detach()
    with torch.no_grad():
        y = norm(still)
        if y is still:
            return x
        # LayerNorm's constant part is its value at a constant row; RMSNorm's is 0.
        bias = norm(torch.zeros_like(still))
        centred = bool(
            torch.allclose(norm(still + 5.0), y, atol=1e-5) and not torch.allclose(y, still)
        )
        part = still - still.mean(-1, keepdim=True) if centred else still
        factor = torch.where(part.abs() > 1e-9, (y - bias) / part, 0.0)
    moved = x - x.mean(-1, keepdim=True) if centred else x
    return moved * factor + bias


def _linear(
    adapter: ModelAdapter,
    tokens: tuple[int, ...],
    masks: list[Tensor] | None,
    gone: list[Tensor],
) -> tuple[Tensor, list[Tensor]]:
    batch = adapter.batch(torch.tensor([tokens]))
    x, seen = adapter.embed(batch), list[Tensor]()
    for layer in range(adapter.shape.n_layers):
        normed = _fixed(partial(adapter.norm, layer, "attn"), x)
        q, k = (adapter.project(batch, layer, c, normed.detach()) for c in ("q", "k"))
        v = adapter.project(batch, layer, "v", normed)
        write = adapter.head_out(layer, adapter.mix(batch, layer, q, k, v)).sum(1)
        if (const := adapter.attn_const(layer)) is not None:
            write = write + const
        after = x + _fixed(partial(adapter.post_norm, layer, "attn"), write)
        normed = _fixed(partial(adapter.norm, layer, "mlp"), x if adapter.parallel else after)
        weights = adapter.mlp_weights(layer)
        pre = weights.pre(normed)
        acts = pre * (weights.act(pre) / pre).detach()
        if weights.gate is not None:
            carried = normed @ weights.up.T + (0 if weights.up_bias is None else weights.up_bias)
            acts = (acts * carried.detach() + acts.detach() * carried) / 2
        seen.append(acts.detach())
        if masks is not None:
            # Mask 1 is the model, 0 the neuron ablated, whatever is read before it.
            acts = acts + (masks[layer] - 1) * (acts.detach() - gone[layer])
        write = weights.write(acts)
        x = after + _fixed(partial(adapter.post_norm, layer, "mlp"), write)
    return x, seen
