"""An adapter that computes something else than its model is caught; rounding is not."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from discovery.engine.self_check import TOLERANCE, check_adapter
from discovery.models import Batch, DecoderAdapter, Qkv, Reader, load_model
from discovery.models.half import wide
from discovery.models.rotary import Angles
from graph_schema.errors import NumericsError
from graph_schema.models.fingerprint import resolve_source
from tests.discovery.jobs import test_discover as a_job
from tests.discovery.models.families import D_VOCAB, FAMILIES, of_config, tiny

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def _prompts(*lengths: int) -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(2)
    return [
        tuple(torch.randint(D_VOCAB, (length,), generator=generator).tolist()) for length in lengths
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_passes(family: str) -> None:
    check_adapter(tiny(family), _prompts(7, 3, 20))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_passes_in_every_dtype_at_eight_layers(
    family: str, dtype: torch.dtype
) -> None:
    check_adapter(tiny(family, dtype, 8), _prompts(7, 3, 20))


@pytest.mark.slow
@pytest.mark.needs_real_models
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_real_model_of_thirty_layers_passes(smollm2_folder: Path, dtype: str) -> None:
    loaded = load_model(resolve_source(str(smollm2_folder)), fingerprint=None, dtype=dtype)
    assert loaded.tokenizer is not None
    texts = ("When Mary and John", "When Mary and John went to the store, John gave a drink to")
    check_adapter(loaded.adapter, [tuple(loaded.tokenizer.encode(text)) for text in texts])


def _unscaled(adapter: Any, layer: int, reader: Reader, x: Tensor) -> Tensor:
    """A norm without its scale before the last layer's MLP."""
    y = type(adapter).norm(adapter, layer, reader, x)
    return y / _scale(adapter, layer) if (layer, reader) == (1, "mlp") else y


def _scale(adapter: Any, layer: int) -> Tensor:
    block = adapter._block(layer)
    return (block.ln_2 if hasattr(block, "ln_2") else block.post_attention_layernorm).weight


def _unrotated(adapter: Any, batch: Batch, layer: int, channel: Qkv, y: Tensor) -> Tensor:
    """Keys of one layer without their angles."""
    if (layer, channel) == (1, "k"):
        return y
    return type(adapter).rotate(adapter, batch, layer, channel, y)


def _scaled_twice(
    adapter: Any, batch: Batch, layer: int, q: Tensor, k: Tensor, v: Tensor
) -> Tensor:
    return type(adapter).mix(adapter, batch, layer, q * 0.35, k, v)


BREAKS = {
    "norm": ("gpt2", _unscaled),
    "rotate": ("llama", _unrotated),
    "mix": ("qwen2", _scaled_twice),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("part", BREAKS)
def test_a_broken_adapter_is_caught_with_the_figures(part: str, dtype: torch.dtype) -> None:
    family, broken = BREAKS[part]
    sound = tiny(family, dtype)

    class Broken(type(sound)):
        pass

    made: Any = Broken  # of a family, with all that it must have
    adapter = made(sound.model)
    setattr(adapter, part, lambda *given: broken(sound, *given))
    held = wide(dtype)  # half weights are computed with in float32
    name = str(held).removeprefix("torch.")
    with pytest.raises(
        NumericsError,
        match=rf"Broken does not compute what its model computes: on the longest prompt \(20 tokens"
        rf"\).* by \S+ of their spread \(tolerance {TOLERANCE[held]:g} in {name}\), one by [\d.]+",
    ):
        check_adapter(adapter, _prompts(3, 20))


def test_the_wrong_residual_for_an_mlp_is_caught() -> None:
    adapter = type(tiny("neox-sequential"))(tiny("neox-sequential").model)
    adapter.parallel = True
    with pytest.raises(NumericsError, match="the longest prompt"):
        check_adapter(adapter, _prompts(4, 4))


class _ByBatch(DecoderAdapter):
    """As before angles went by each prompt's own length: by the longest of the batch."""

    def _angles(self, kind: str, like: Tensor, batch: Batch) -> Angles:
        module = self.rotary_module()
        assert module is not None
        return self.angles(module, kind, like, batch.position_ids)


def _longrope(*, by_batch: bool) -> DecoderAdapter:
    sizes = FAMILIES["phi3"].sizes
    rope = {
        "rope_type": "longrope",
        "rope_theta": 100.0,
        "factor": 4.0,
        "original_max_position_embeddings": 8,
        "short_factor": [1.0] * 3,
        "long_factor": [1.0, 5.0, 9.0],
    }
    known = {"original_max_position_embeddings": 8, "max_position_embeddings": 32}
    adapter = of_config(FAMILIES["phi3"].config(**{**sizes, **known}, rope_parameters=rope))
    if not by_batch:
        return adapter
    made = type("ByBatch", (_ByBatch, type(adapter)), {})
    return cast(DecoderAdapter, made(adapter.model))


@pytest.mark.parametrize(
    ("lengths", "together", "said"),
    [
        ((20, 3), True, r"the shortest prompt \(3 tokens\) in a batch with another of 20"),
        ((12, 3), False, r"the first 6 of 12 tokens run apart .* the whole prompt's run"),
    ],
)
def test_angles_by_the_batch_are_caught_in_a_batch_and_in_a_beginning(
    lengths: tuple[int, ...], together: bool, said: str
) -> None:
    prompts = _prompts(*lengths)
    with pytest.raises(NumericsError, match=said):
        check_adapter(_longrope(by_batch=True), prompts, together=together)
    check_adapter(_longrope(by_batch=False), prompts, together=together)


def test_the_models_own_pass_forgets_earlier_lengths() -> None:
    """A dynamic module keeps the frequencies of the longest prompt it has seen."""
    sizes = FAMILIES["llama"].sizes | {"max_position_embeddings": 4}
    rope = {"rope_type": "dynamic", "rope_theta": 100.0, "factor": 8.0}
    adapter = of_config(FAMILIES["llama"].config(**sizes, rope_parameters=rope))
    check_adapter(adapter, _prompts(6, 20))
    check_adapter(adapter, _prompts(6, 6))


def test_a_job_stops_before_it_measures_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = cast(Any, a_job.model().adapter)
    monkeypatch.setattr(adapter, "norm", partial(_unscaled, type(adapter)(adapter.model)))
    stages: list[str] = []
    with pytest.raises(NumericsError, match="No circuit of this model would be right"):
        a_job.run(progress=lambda stage, done, total: stages.append(stage))
    assert not stages
