"""The forward pass with somebody looking on."""

from __future__ import annotations

import pytest
import torch

from discovery.engine.attention import attention
from discovery.engine.forward import logits_at
from discovery.roles.watching import AtLayer, watched
from tests.discovery.models.families import FAMILIES, tiny

PROMPTS = torch.tensor(
    [[3, 9, 4, 4, 20, 7, 3, 9, 4, 11, 2, 8], [5, 6, 5, 6, 5, 6, 5, 6, 1, 1, 2, 3]]
)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_is_what_the_library_computes(family: str) -> None:
    adapter = tiny.__wrapped__(family)  # its configuration is changed below
    mask = torch.ones_like(PROMPTS)
    mask[1, 9:] = 0
    batch = adapter.batch(PROMPTS, mask)
    seen: list[torch.Tensor] = []

    def look(at: AtLayer) -> None:
        seen.append(attention(adapter, batch, at.layer, at.q, at.k))

    last = watched(adapter, batch, look)
    # What is fused says nothing of its probabilities; smeared keys have an attention of their own.
    if not adapter.smears_keys:
        adapter.model.set_attn_implementation("eager")
    real = adapter.model(
        PROMPTS, attention_mask=mask, position_ids=batch.position_ids, output_attentions=True
    )
    for found, wanted in zip(seen, real.attentions, strict=True):
        assert torch.allclose(found[0], wanted[0], atol=1e-5)
        assert torch.allclose(found[1, :, :9], wanted[1, :, :9], atol=1e-5)
        assert torch.allclose(found[0].sum(-1), torch.ones(()), atol=1e-5)
    assert torch.allclose(logits_at(adapter, last)[0], real.logits[0], atol=1e-4)


def test_what_is_put_in_place_goes_on_from_there() -> None:
    adapter = tiny("llama")
    batch = adapter.batch(PROMPTS)

    def silence(at: AtLayer) -> torch.Tensor | None:
        return torch.zeros_like(at.z) if at.layer == 0 else None

    assert torch.equal(watched(adapter, batch, lambda at: at.z), watched(adapter, batch))
    assert not torch.allclose(watched(adapter, batch, silence), watched(adapter, batch))
