"""Weights in half precision are computed with in float32: the scores of the rounded model."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.methods.acdc import Pruner
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.integrated_gradients import eap_ig
from discovery.models import DecoderAdapter
from discovery.models import half as half_module
from graph_schema.documents import AblationSpec, EapIg, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, tiny

PAIRS = made_pairs(6, targets=2, shared=1)
every_family = pytest.mark.parametrize("family", FAMILIES)
either_half = pytest.mark.parametrize("dtype", half_module.HALF)
Score = Callable[[Experiment], NDArray[np.float32]]
METHODS: dict[str, Score] = {
    "exact": lambda experiment: exact(experiment, PAIRS),
    "eap": lambda experiment: eap(experiment, PAIRS),
    "eap-ig": lambda experiment: eap_ig(experiment, PAIRS, EapIg(steps=2)),
    "paths": lambda experiment: eap_ig(experiment, PAIRS, EapIg(steps=2, over="activations")),
}


def _both(family: str, dtype: torch.dtype) -> tuple[DecoderAdapter, DecoderAdapter]:
    """A model with half-precision weights, and the float32 model with the same rounded weights."""
    half, rounded = tiny(family, dtype), deepcopy(tiny(family).model)
    with torch.no_grad():
        for tensor in (*rounded.parameters(), *rounded.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(tensor.to(dtype))
    return half, type(half)(rounded)


@every_family
@either_half
def test_weights_stay_half_and_everything_else_is_wide(family: str, dtype: torch.dtype) -> None:
    half, _ = _both(family, dtype)
    assert {weight.dtype for weight in half.model.parameters()} == {dtype}
    assert half.dtype == torch.float32
    batch = half.batch(torch.tensor([[1, 2, 3]]))
    assert half.embed(batch).dtype == torch.float32
    for pair in batch.rotary.values():
        assert {part.dtype for part in pair} == {torch.float32}
    assert half.model(batch.tokens).logits.dtype == torch.float32


@pytest.mark.slow
@every_family
@either_half
@pytest.mark.parametrize("method", METHODS)
def test_scores_are_those_of_the_rounded_model(
    family: str, dtype: torch.dtype, method: str
) -> None:
    found, wanted = (
        METHODS[method](Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS))
        for adapter in _both(family, dtype)
    )
    size = float(np.abs(wanted).max())
    np.testing.assert_allclose(found, wanted, atol=2e-6 * size)
    wrong = (np.sign(found) != np.sign(wanted)) & (np.abs(wanted) > 1e-6 * size)
    assert not wrong.any()


@pytest.mark.slow
@every_family
@either_half
def test_acdc_decides_as_on_the_rounded_model(family: str, dtype: torch.dtype) -> None:
    found, wanted = (
        Pruner(Experiment(adapter, Metric.KL, AblationSpec(), PAIRS), PAIRS).run(0.06)
        for adapter in _both(family, dtype)
    )
    assert (found.kept == wanted.kept).all()
    assert found.error < 1e-4


def test_a_wide_copy_is_of_a_piece_and_does_not_outlive_its_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(half_module, "PIECE", 40)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(23, 8, generator=generator).bfloat16()
    x = torch.randn(3, 8, generator=generator, requires_grad=True)
    grad = torch.randn(3, 23, generator=generator)
    saved: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = half_module.product(x, weight)
    assert [each.dtype for each in saved] == [torch.bfloat16]
    torch.testing.assert_close(y, x @ weight.float().T)
    (found,) = torch.autograd.grad(y, x, grad)
    torch.testing.assert_close(found, grad @ weight.float())
