"""What attribution takes from a projection equals autograd with one input a head."""

from __future__ import annotations

import pytest
import torch

from discovery.engine.forward import put_heads
from discovery.models import Qkv
from tests.discovery.models.families import D_VOCAB, FAMILIES, tiny

every_family = pytest.mark.parametrize("family", FAMILIES)


def _drawn(*sizes: int, seed: int) -> torch.Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


@every_family
@pytest.mark.parametrize("channel", ["q", "k", "v"])
def test_a_heads_own_gradient_is_that_of_inputs_apart(family: str, channel: Qkv) -> None:
    adapter = tiny(family)
    n_heads, d_model = adapter.shape.n_heads, adapter.shape.d_model
    tokens = torch.randint(D_VOCAB, (3, 7), generator=torch.Generator().manual_seed(1))
    batch, x = adapter.batch(tokens), _drawn(3, 7, d_model, seed=2)
    found = adapter.project_apart(batch, 1, channel, x)
    inputs = x[:, None].repeat(1, n_heads, 1, 1).requires_grad_()
    y = adapter.project(batch, 1, channel, inputs)
    torch.testing.assert_close(found.y, y, atol=1e-5, rtol=1e-5)
    grad = _drawn(*y.shape, seed=3)
    (wanted,) = torch.autograd.grad(y, inputs, grad)
    (at_start,) = torch.autograd.grad(found.y, found.start, grad)
    each = torch.stack([found.input_gradient(at_start, head) for head in range(n_heads)], dim=1)
    torch.testing.assert_close(each, wanted, atol=1e-5, rtol=1e-5)


@every_family
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_heads_writes_are_put_or_subtracted_in_place(family: str, dtype: torch.dtype) -> None:
    adapter = tiny(family)
    n_heads, d_model, d_head = adapter.shape.n_heads, adapter.shape.d_model, adapter.shape.d_head
    z = _drawn(3, n_heads, 7, d_head, seed=1)
    wanted = adapter.head_out(0, z).transpose(0, 1).to(dtype)
    senders = torch.full((n_heads + 2, 3, 7, d_model), torch.nan, dtype=dtype)
    senders[-1] = 4
    put_heads(adapter, 0, z, senders[1:-1])
    torch.testing.assert_close(senders[1:-1], wanted, atol=1e-6, rtol=1e-5)
    before = senders.clone()
    put_heads(adapter, 0, 2 * z, senders[1:-1], subtract=True)
    torch.testing.assert_close(senders[1:-1], before[1:-1] - 2 * wanted, atol=1e-6, rtol=1e-5)
    assert senders[0].isnan().all()
    assert (senders[-1] == 4).all(), "the rows beside are others'"
