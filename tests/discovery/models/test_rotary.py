"""Rotary angles that go by a prompt's length are those of its own, whatever is beside it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from discovery.engine.experiment import Experiment, pad
from discovery.engine.forward import graph_of, logits_at, run
from discovery.engine.pair_values import values
from discovery.models import DecoderAdapter
from discovery.models.inspecting import context_length
from graph_schema.documents import Ablation, AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import D_VOCAB, FAMILIES, of_config

TRAINED = 5
"""Prompts of up to this many tokens have the short factors, or no dynamic scaling."""
LENGTHS = (3, 5, 6, 9, 12)


def _rope(kind: str, d_rotary: int) -> dict[str, Any]:
    if kind == "dynamic":
        return {"rope_type": "dynamic", "rope_theta": 100.0, "factor": 4.0}
    return {
        "rope_type": "longrope",
        "rope_theta": 100.0,
        "factor": 4.0,
        "original_max_position_embeddings": TRAINED,
        "short_factor": [1.0] * (d_rotary // 2),
        "long_factor": [1.0 + 2 * i for i in range(d_rotary // 2)],
    }


def _adapter(family: str, kind: str) -> DecoderAdapter:
    sizes = dict(FAMILIES[family].sizes)
    wide = sizes.get("head_dim") or sizes["hidden_size"] // sizes["num_attention_heads"]
    if family.startswith("neox"):
        rope = _rope(kind, wide) | {"partial_rotary_factor": 1.0}
    elif family == "gemma3":
        rope = {
            "full_attention": _rope(kind, wide),
            "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
        }
    else:
        rope = _rope(kind, wide)
    sizes["rope_parameters"] = rope
    sizes["max_position_embeddings"] = TRAINED if kind == "dynamic" else 4 * TRAINED
    if family == "phi3":
        sizes["original_max_position_embeddings"] = TRAINED
    return of_config(FAMILIES[family].config(**sizes))


CASES = [
    *((family, "longrope") for family in ("llama", "neox-parallel", "qwen3", "gemma3", "phi3")),
    *((family, "dynamic") for family in ("llama", "neox-sequential", "mistral", "gemma3", "olmo2")),
]
every_case = pytest.mark.parametrize(("family", "kind"), CASES)


def _prompts() -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(1)
    return [
        tuple(torch.randint(D_VOCAB, (length,), generator=generator).tolist()) for length in LENGTHS
    ]


def _alone(adapter: DecoderAdapter, prompt: tuple[int, ...]) -> Tensor:
    """What a model that has seen nothing else makes of one prompt."""
    return copy.deepcopy(adapter.model)(torch.tensor([prompt])).logits[0]


def _logits(adapter: DecoderAdapter, prompts: list[tuple[int, ...]]) -> Tensor:
    found = run(adapter, graph_of(adapter), pad(adapter, prompts), torch.float32)
    return logits_at(adapter, found.resid)


@every_case
@torch.no_grad()
def test_a_mixed_batch_gives_each_prompt_its_own_angles(family: str, kind: str) -> None:
    adapter, prompts = _adapter(family, kind), _prompts()
    wanted = [_alone(adapter, prompt) for prompt in prompts]
    together = _logits(adapter, prompts)
    for row, logits in zip(together, wanted, strict=True):
        torch.testing.assert_close(row[: len(logits)], logits, atol=1e-4, rtol=1e-4)
    # And in any order: nothing stays behind from a longer prompt.
    for prompt, logits in list(zip(prompts, wanted, strict=True))[::-1]:
        found = _logits(adapter, [prompt])[0]
        torch.testing.assert_close(found, logits, atol=1e-4, rtol=1e-4)


@every_case
@torch.no_grad()
def test_lengths_matter_in_these_models(family: str, kind: str) -> None:
    """Else the tests above would pass whatever is done."""
    adapter, prompt = _adapter(family, kind), _prompts()[-1]
    short = _alone(adapter, prompt[:TRAINED])
    beside = _alone(adapter, prompt)[:TRAINED]
    assert float((short - beside).abs().max()) > 0.02


@every_case
@torch.no_grad()
def test_the_beginning_of_a_prompt_has_the_whole_prompts_angles(family: str, kind: str) -> None:
    """Pairs that share more than half: their beginning is computed apart, below the threshold."""
    adapter, pairs = _adapter(family, kind), made_pairs(4, (12, 7), shared=4)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(kind=Ablation.CORRUPT), pairs)
    assert experiment.bench(experiment.chunks(pairs, 4)[0]).window.start == 4
    kept = [experiment.graph.upstream, experiment.graph.none()]
    for chunk in (1, 4):
        for found, side in zip(
            values(experiment, pairs, kept, chunk=chunk), ("clean", "corrupt"), strict=True
        ):
            for i, pair in enumerate(pairs):
                last = _alone(adapter, getattr(pair, side))[-1]
                wanted = last[list(pair.answers[0])].mean() - last[pair.wrong_answers[0][0]]
                assert found.loss[i] == pytest.approx(-float(wanted), abs=2e-4)


def test_dynamic_scaling_reaches_past_the_trained_length() -> None:
    assert context_length(_adapter("llama", "dynamic").config) == 4 * TRAINED
    assert context_length(_adapter("llama", "longrope").config) == 4 * TRAINED
