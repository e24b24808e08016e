"""Numbers that are not finite are told with the component that writes them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.methods.exact import exact
from discovery.models import GPT2Adapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import AblationSpec, Metric
from tests.discovery.cases import made_pairs, tiny_gpt2

LARGE = 3
"""The token whose embedding is no number."""
PAIRS = tuple(
    replace(pair, clean=(0, *pair.clean[1:]), corrupt=(0, *pair.corrupt[1:]))
    for pair in made_pairs(4)
)


def _told(pairs: Sequence[TokenPair]) -> str:
    model = deepcopy(tiny_gpt2().model)
    with torch.no_grad():
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.transformer.wte.weight[LARGE] = torch.inf
    found = Experiment(GPT2Adapter(model), Metric.LOGIT_DIFF, AblationSpec(), PAIRS)
    return found.describe_overflow(pairs)


def test_the_first_write_that_is_not_finite_is_named_whichever_prompt_it_is_on() -> None:
    clean = replace(PAIRS[2], clean=(LARGE, *PAIRS[2].clean[1:]))
    corrupt = replace(PAIRS[2], corrupt=(LARGE, *PAIRS[2].corrupt[1:]))
    for pair in (clean, corrupt):
        told = _told((*PAIRS[:2], pair))
        assert told.startswith("input (before layer 0) writes NaN or infinite values")
        assert "check the weights" in told


def test_where_every_write_is_finite_logits_or_loss_are_named() -> None:
    assert _told(PAIRS).startswith("logits or loss (after the last layer)")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_what_half_precision_cannot_hold_does_not_overflow(dtype: torch.dtype) -> None:
    model = deepcopy(tiny_gpt2().model)
    with torch.no_grad():
        model.transformer.wte.weight[0] = 6e4
        model.transformer.wpe.weight[0] = 1e4
    rounded, wide = GPT2Adapter(model.to(dtype)), GPT2Adapter(deepcopy(model).float())
    found, wanted = (
        exact(Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS), PAIRS)
        for adapter in (rounded, wide)
    )
    assert float(rounded.embed(rounded.batch(torch.tensor([[0]]))).abs().max()) > 65504
    np.testing.assert_allclose(found, wanted, atol=1e-5 * float(np.abs(wanted).max()))
