"""TopK SAEs trained here, in seconds: for tests, benchmarks, and models that nobody has SAEs of.

Gao et al. 2024 (arXiv:2406.04093): the k largest pre-activations of a row rebuild it, directions
have norm 1, and units that have been silent learn from what is missed. Large dictionaries are the
work of other tools, whose files are read here (loading.py).
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.linear import LinearDictionary
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Reading,
    Site,
)

BATCH = 256
"""Rows a step."""
LEARNING_RATE = 3e-3
SILENT = 100
"""Steps without an activation after which a unit counts as silent."""
AUXILIARY = 1 / 32
"""What rebuilding the rest with silent units weighs beside rebuilding."""


def train_topk(
    rows: Float[Tensor, "row d_in"],
    site: Site,
    *,
    width: int,
    k: int,
    steps: int = 1000,
    seed: int = 0,
) -> LinearDictionary:
    """A dictionary of `width` units, `k` a row, of what stands at `site` (`rows_at`)."""
    assert site.reads is site.writes, "an SAE rebuilds what it reads"
    generator = torch.Generator().manual_seed(seed)
    x, size = rows.float(), rows.float().norm(dim=-1).mean()
    x = x / size
    decoder = torch.randn(width, x.shape[1], generator=generator)
    decoder = (decoder / decoder.norm(dim=-1, keepdim=True)).to(x.device)
    parts = [decoder.clone(), decoder, torch.zeros(width, device=x.device), x.mean(0)]
    encoder, decoder, bias, centre = (part.requires_grad_() for part in parts)
    optimiser = torch.optim.Adam([encoder, decoder, bias, centre], lr=LEARNING_RATE)
    silent = torch.zeros(width, device=x.device)
    with torch.enable_grad():
        for step in range(steps):
            for group in optimiser.param_groups:
                # Falls to 0 over the last fifth.
                group["lr"] = LEARNING_RATE * min(1.0, 5 * (1 - step / steps))
            drawn = torch.randint(len(x), (BATCH,), generator=generator).to(x.device)
            batch = x[drawn]
            pre = (batch - centre) @ encoder.T + bias
            acts = _largest(pre, k)
            missed = batch - centre - acts @ decoder
            loss = missed.square().sum(-1).mean()
            silent = torch.where((acts > 0).any(0), 0.0, silent + 1)
            if bool((asleep := silent > SILENT).any()):
                woken = _largest(pre.masked_fill(~asleep, 0.0), 2 * k) @ decoder
                loss = loss + AUXILIARY * (missed.detach() - woken).square().sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                decoder /= decoder.norm(dim=-1, keepdim=True)
    tensors = [encoder.detach(), decoder.detach() * size, bias.detach(), centre.detach() * size]
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().numpy().tobytes())
    document = DictionaryDocument(
        kind=DictionaryKind.SAE,
        site=site,
        width=width,
        reading=Reading(activation=Activation.TOPK, k=k, subtracts_bias=True),
        sha256=digest.hexdigest(),
    )
    dtype, layer = rows.dtype, 0 if site.layer is None else site.layer
    encoder, decoder, bias, centre = (tensor.to(dtype) for tensor in tensors)
    return LinearDictionary(document, encoder / size.to(dtype), {layer: decoder}, centre, bias)


def _largest(pre: Float[Tensor, "row unit"], k: int) -> Float[Tensor, "row unit"]:
    values, places = pre.topk(min(k, pre.shape[-1]), dim=-1, sorted=False)
    return torch.zeros_like(pre).scatter(-1, places, values.relu())
