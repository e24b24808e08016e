"""What heads would write about the answer's name where they read it: copy it, or suppress it.

Wang et al. 2022 (arXiv:2211.00593): a name mover's value and output at a name put that name among
the five highest logits. Negated, among the lowest, it is copy suppression (McDougall et al. 2023,
arXiv:2310.04625). Taken of the stream as it is before the head's layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from discovery.engine.experiment import pad
from discovery.engine.forward import logits_at
from discovery.models import ModelAdapter
from discovery.roles.causal import Head
from discovery.roles.names import Named
from discovery.roles.patterns import Heads, fitting
from discovery.roles.watching import AtLayer, watched

BEST = 5
"""Of how many highest, or lowest, logits the name must be one; of a small vocabulary, the tenth."""


@dataclass(frozen=True)
class Copying:
    """Shares of a condition's prompts [layer, head]."""

    copied: Heads
    suppressed: Heads


def copying(
    adapter: ModelAdapter,
    prompts: Mapping[str, Sequence[Named]],
    heads: Sequence[Head],
    chunk: int | None = None,
) -> dict[str, Copying]:
    """By condition, how often each of `heads` copies the answer's name, or suppresses it.

    A head costs a row of logits a prompt; of the others the shares are 0.
    """
    return {name: _on(adapter, found, heads, chunk) for name, found in prompts.items()}


def _on(
    adapter: ModelAdapter, prompts: Sequence[Named], heads: Sequence[Head], chunk: int | None
) -> Copying:
    by_layer = {layer: [head for at, head in heads if at == layer] for layer, _ in heads}
    sizes = adapter.shape
    best = max(1, min(BEST, sizes.d_vocab // 10))
    length = max(len(each.clean.tokens) for each in prompts)
    # A row of logits a head stands beside the pass itself.
    logits = max(1, 2**28 // (4 * sizes.n_heads * sizes.d_vocab))
    size = min(chunk or fitting(adapter, length), logits)
    high, low = (np.zeros((sizes.n_layers, sizes.n_heads)) for _ in range(2))
    for start in range(0, len(prompts), size):
        part = prompts[start : start + size]
        if not heads:
            break
        batch = pad(adapter, [each.clean.tokens for each in part])
        rows = torch.arange(len(part), device=adapter.device)
        at = torch.tensor([each.clean.places["io"] for each in part], device=adapter.device)
        io = torch.tensor([each.io for each in part], device=adapter.device)

        def look(
            here: AtLayer, rows: torch.Tensor = rows, at: torch.Tensor = at, io: torch.Tensor = io
        ) -> None:
            if (wanted := by_layer.get(here.layer)) is None:
                return
            value = here.v[rows, :, at][:, wanted, None]
            written = adapter.head_out(here.layer, value, wanted)[:, :, 0]
            found = logits_at(adapter, adapter.post_norm(here.layer, "attn", written)).float()
            own = found[rows, :, io][..., None]
            high[here.layer, wanted] += ((found > own).sum(-1) < best).sum(0).cpu().double().numpy()
            low[here.layer, wanted] += ((found < own).sum(-1) < best).sum(0).cpu().double().numpy()

        watched(adapter, batch, look)
    return Copying(high / len(prompts), low / len(prompts))
