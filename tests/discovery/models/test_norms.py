"""A norm's slope in closed form equals autograd through the module, in every family."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import nn
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from discovery.engine.experiment import Experiment
from discovery.methods.eap import eap
from discovery.models import Norm, Sublayer
from graph_schema.documents import AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, tiny

PLACES = [("attn", False), ("mlp", False), ("attn", True), ("mlp", True)]
"""A sublayer; whether the norm is the one after it."""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("sublayer", "after"), PLACES)
def test_a_closed_form_equals_autograd(family: str, sublayer: Sublayer, after: bool) -> None:
    adapter = tiny(family, torch.float64)
    module = (adapter.post_norm_module if after else adapter.norm_module)(1, sublayer)
    form = adapter.closed_form(1, sublayer, after=after)
    if module is None:
        assert form is None
        return
    assert form is not None, "a family of today has norms that are known"
    generator = torch.Generator().manual_seed(0)
    sizes = (3, 5, adapter.shape.d_model)
    x, grad = (torch.randn(sizes, generator=generator, dtype=torch.float64) for _ in "xg")
    x[0] *= 1e-2  # eps counts
    x.requires_grad_()
    y = cast(torch.Tensor, module(x))
    slope = form.at(x.detach())
    # RMSNorms compute in float32 whatever they are given.
    torch.testing.assert_close(form(x.detach()), y.detach(), atol=1e-5, rtol=1e-5)
    (wanted,) = torch.autograd.grad(y, x, grad, retain_graph=True)
    torch.testing.assert_close(slope.backward(grad), wanted, atol=1e-4, rtol=1e-5)
    _, along = torch.autograd.functional.jvp(module, x.detach(), grad)
    torch.testing.assert_close(slope.forward(grad[None])[0], along, atol=1e-4, rtol=1e-5)


class _Half(LlamaRMSNorm):
    """A norm of another kind, with the names of a known one."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return super().forward(hidden_states) / 2


def test_a_norm_is_known_by_what_it_computes() -> None:
    scaled = Gemma2RMSNorm(8)
    nn.init.normal_(scaled.weight)
    found = Norm.of(scaled)
    assert found is not None
    torch.testing.assert_close(found.weight, 1 + scaled.weight.detach())
    centred = Norm.of(nn.LayerNorm(8))
    assert centred is not None
    assert centred.centred
    assert Norm.of(_Half(8)) is None
    assert Norm.of(nn.Linear(8, 8)) is None


def test_scores_are_the_same_where_no_closed_form_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    pairs = made_pairs(3, targets=2)
    for family in FAMILIES:
        adapter = tiny(family)
        experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
        found = eap(experiment, pairs)
        with monkeypatch.context() as patched:
            patched.setattr(type(adapter), "closed_form", lambda *_, after=False: None)
            wanted = eap(experiment, pairs)
        size = float(abs(wanted).max())
        torch.testing.assert_close(
            torch.from_numpy(found), torch.from_numpy(wanted), atol=2e-6 * size, rtol=0, msg=family
        )
