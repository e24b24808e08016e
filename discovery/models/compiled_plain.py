"""A compiled program's forward pass as its format says it, one prompt and one head at a time.

What the adapter's own way, in batches and with shared kernels, is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Weight = Callable[[str], Tensor | None]


@torch.no_grad()
def plain_logits(
    weight: Weight,
    n_layers: int,
    act: Callable[[Tensor], Tensor],
    causal: bool,
    prompt: Sequence[int],
) -> Float[Tensor, "pos d_vocab"]:
    """Every position's outputs, computed in float64.

    Args:
        weight: A weight by its name in the file; None for a bias that is not there.
        n_layers: How many layers the program has.
        act: The activation of its MLPs.
        causal: Whether attention looks back alone.
        prompt: Token ids.
    """

    def get(name: str) -> Tensor:
        found = weight(name)
        assert found is not None, name
        return found.double()

    def bias(name: str, head: int | None = None) -> Tensor | float:
        found = weight(name)
        if found is None:
            return 0.0
        return (found if head is None else found[head]).double()

    n = len(prompt)
    first = get("W_E")[list(prompt)]
    x = first + get("W_pos")[:n]
    later = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
    for layer in range(n_layers):
        name = f"L{layer}."
        query, key, value, out = (get(f"{name}W_{part}") for part in "QKVO")
        written = torch.zeros_like(x)
        for head in range(query.shape[0]):
            q = x @ query[head] + bias(f"{name}b_Q", head)
            k = x @ key[head] + bias(f"{name}b_K", head)
            v = x @ value[head] + bias(f"{name}b_V", head)
            scores = q @ k.T / query.shape[2] ** 0.5
            if causal:
                scores = scores.masked_fill(later, -torch.inf)
            written += scores.softmax(-1) @ v @ out[head]
        x = x + written + bias(f"{name}b_O")
        hidden = act(x @ get(f"{name}W_in") + bias(f"{name}b_in"))
        x = x + hidden @ get(f"{name}W_out") + bias(f"{name}b_out")
    return x @ get("W_U") + bias("b_U")
