"""Dictionaries on heads: one on all heads side by side is split into each head's part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from discovery.dictionaries import ByHead, describe_all, load, stream_directions, values_at
from graph_schema.dictionaries import resolve
from graph_schema.documents import Place
from tests.discovery.dictionaries import layouts
from tests.discovery.models.families import D_VOCAB, tiny

FAMILIES = ["gpt2", "llama", "llama-biased", "gemma3", "neox-parallel"]


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_heads_parts_sum_to_the_whole(family: str, tmp_path: Path) -> None:
    adapter = tiny(family)
    sizes = adapter.shape
    width = sizes.n_heads * sizes.d_head
    case = layouts.gemma_scope_2(tmp_path, "attn_out", d=width)
    (loaded,) = load(describe_all([resolve(str(case.folder), case.path)], sizes))
    dictionary = loaded.dictionary
    split = ByHead(dictionary, sizes.n_heads)
    tokens = torch.randint(D_VOCAB, (2, 6), generator=torch.Generator().manual_seed(0))
    spots = [(1, Place.ATTN_Z, head) for head in range(sizes.n_heads)]
    found = values_at(adapter, adapter.batch(tokens), [*spots, (1, Place.ATTN_Z, None)])
    z, beside = torch.stack([found[spot] for spot in spots], 1), found[1, Place.ATTN_Z, None]
    parts = split.contributions(z)
    assert dictionary.encoder_bias is not None
    torch.testing.assert_close(
        parts.sum(1) + dictionary.encoder_bias, dictionary.pre_activations(beside)
    )
    some = torch.tensor([4, 1])
    torch.testing.assert_close(split.contributions(z, some), parts[..., some])
    for head in range(sizes.n_heads):
        torch.testing.assert_close(z[:, head] @ split.encoder(head).T, parts[:, head])
    # What the units write, head by head, is what the reconstruction writes to the stream.
    directions = torch.stack([split.directions(adapter, head) for head in range(sizes.n_heads)])
    torch.testing.assert_close(
        directions.sum(0), stream_directions(dictionary, adapter), atol=1e-5, rtol=1e-5
    )
    rebuilt = dictionary.encode(beside) @ dictionary.directions()
    written = adapter.attn_sum(1, rebuilt.unflatten(-1, (sizes.n_heads, -1)).transpose(1, 2))
    torch.testing.assert_close(
        dictionary.encode(beside) @ directions.sum(0), written, atol=1e-4, rtol=1e-4
    )


@torch.no_grad()
def test_a_dictionary_of_one_head_reads_and_writes_that_head(tmp_path: Path) -> None:
    adapter = tiny("llama-biased")
    case = layouts.saelens_before_6(
        tmp_path, hook_point="blocks.1.attn.hook_z", hook_point_head_index=2, d_in=8
    )
    w = layouts.weights(8, seed=60)
    layouts.save(
        case.folder / "sae_weights.safetensors",
        {name: w[name] for name in ("W_enc", "W_dec", "b_enc", "b_dec")},
    )
    (loaded,) = load(describe_all([resolve(str(tmp_path))], adapter.shape))
    assert loaded.document.site.component == "a1.h2"
    tokens = torch.randint(D_VOCAB, (2, 6), generator=torch.Generator().manual_seed(0))
    spot = (1, Place.ATTN_Z, 2)
    x = values_at(adapter, adapter.batch(tokens), [spot])[spot]
    dictionary = loaded.dictionary
    written = adapter.head_out(1, (dictionary.encode(x) @ dictionary.directions())[:, None], [2])
    found = dictionary.encode(x) @ stream_directions(dictionary, adapter)
    torch.testing.assert_close(found, written[:, 0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_dictionary_of_neurons_writes_through_the_down_projection(tmp_path: Path) -> None:
    adapter = tiny("llama")
    d_mlp = adapter.shape.d_mlp
    layouts.saelens(tmp_path, metadata={"hook_name": "blocks.1.mlp.hook_post"}, d_in=d_mlp)
    w = layouts.weights(d_mlp, seed=40)
    del w["threshold"]
    layouts.save(tmp_path / "sae_weights.safetensors", w)
    (loaded,) = load(describe_all([resolve(str(tmp_path))], adapter.shape))
    assert loaded.document.site.component == "m1"
    found = stream_directions(loaded.dictionary, adapter, torch.tensor([3]))
    torch.testing.assert_close(found, w["W_dec"][[3]] @ adapter.mlp_weights(1).down)
