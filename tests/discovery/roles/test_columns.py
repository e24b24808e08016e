"""Figures that describe heads, against slow ways of computing them."""

from __future__ import annotations

import pytest
import torch

from discovery.engine.forward import logits_at
from discovery.models import ModelAdapter, Qkv
from discovery.roles.columns import composition, direct_logits
from discovery.roles.watching import AtLayer, watched
from discovery.tasks.base import TokenPair
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, tiny

STEP = 1e-2


@pytest.mark.parametrize("family", ["gemma2", "neox-parallel", "llama"])
def test_direct_logits_are_what_heads_add_on_their_own(family: str) -> None:
    """By differences: a little more of a head's write at the stream's end, past the post-norm."""
    adapter, pairs = tiny(family), made_pairs(3, lengths=(6,))
    found = torch.from_numpy(direct_logits(adapter, pairs))
    wanted = torch.stack([_by_differences(adapter, pair) for pair in pairs]).mean(0)
    assert torch.allclose(found, wanted, atol=2e-3)


def _by_differences(adapter: ModelAdapter, pair: TokenPair) -> torch.Tensor:
    at, writes = pair.positions[0], list[torch.Tensor]()

    def look(here: AtLayer) -> None:
        writes.append(adapter.head_out(here.layer, here.z)[0, :, at])

    last = watched(adapter, adapter.batch(torch.tensor([pair.clean])), look)[0, at]

    def value(row: torch.Tensor) -> float:
        logits = logits_at(adapter, row).double()
        right, wrong = pair.answers[0], pair.wrong_answers[0]
        return float(logits[list(right)].mean() - logits[list(wrong)].mean())

    found = torch.zeros(adapter.shape.n_layers, adapter.shape.n_heads, dtype=torch.float64)
    for layer, heads in enumerate(writes):
        const = adapter.attn_const(layer)
        whole = heads.sum(0) if const is None else heads.sum(0) + const
        still = adapter.post_norm(layer, "attn", whole)
        for head, write in enumerate(heads):
            more, less = (
                value(last + adapter.post_norm(layer, "attn", whole + by * write) - still)
                for by in (STEP, -STEP)
            )
            found[layer, head] = (more - less) / (2 * STEP)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_composition_is_the_ratio_of_norms(family: str) -> None:
    adapter = tiny(family)
    sender, receiver = (0, 1), (1, 2)
    ov = _out(adapter, sender).T @ _weights(adapter, sender, "v")
    qk = _weights(adapter, receiver, "q").T @ _weights(adapter, receiver, "k")
    own = _out(adapter, receiver).T @ _weights(adapter, receiver, "v")
    reads: dict[Qkv, torch.Tensor] = {"q": qk.T, "k": qk, "v": own}
    for channel, read in reads.items():
        wanted = float((read @ ov).norm() / (read.norm() * ov.norm()))
        assert composition(adapter, sender, receiver, channel) == pytest.approx(wanted, abs=1e-6)


def _weights(adapter: ModelAdapter, head: tuple[int, int], channel: Qkv) -> torch.Tensor:
    norm = adapter.closed_form(head[0], "attn")
    place = head[1] if channel == "q" else head[1] // adapter.shape.kv_group
    found = adapter.qkv_weights(head[0], channel).weight[place]
    return (found if norm is None else found * norm.weight).double()


def _out(adapter: ModelAdapter, head: tuple[int, int]) -> torch.Tensor:
    norm = adapter.closed_form(head[0], "attn", after=True)
    found = adapter.out_weights(head[0])[head[1]]
    return (found if norm is None else found * norm.weight).double()
