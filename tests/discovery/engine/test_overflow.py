"""Numbers too large for half precision are told with the layer that writes them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import torch

from discovery.engine.experiment import Experiment
from discovery.models import GPT2Adapter
from graph_schema.documents import AblationSpec, Metric
from tests.discovery.cases import made_pairs, tiny_gpt2

LARGE = 3
"""The token whose embedding half precision cannot hold."""
PAIRS = tuple(
    replace(pair, clean=(0, *pair.clean[1:]), corrupt=(0, *pair.corrupt[1:]))
    for pair in made_pairs(4)
)


def _told(pairs: tuple[object, ...]) -> str:
    model = deepcopy(tiny_gpt2().model)
    with torch.no_grad():
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.transformer.wte.weight[LARGE] = 6e4
        model.transformer.wpe.weight[0] = 1e4
    adapter = GPT2Adapter(model.to(torch.float16))
    found = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS)
    return found.describe_overflow(pairs)  # pyright: ignore[reportArgumentType]


def test_the_first_write_that_overflows_is_named_whichever_prompt_it_is_on() -> None:
    clean = replace(PAIRS[2], clean=(LARGE, *PAIRS[2].clean[1:]))
    corrupt = replace(PAIRS[2], corrupt=(LARGE, *PAIRS[2].corrupt[1:]))
    for pair in (clean, corrupt):
        told = _told((*PAIRS[:2], pair))
        assert told.startswith("input (before layer 0) writes NaN or infinite values in float16")
        assert "use dtype bfloat16 or float32" in told


def test_where_every_write_is_finite_logits_or_loss_are_named() -> None:
    assert _told(PAIRS).startswith("logits or loss (after the last layer)")
