"""What stands at a place is what a hook on the model's own module sees there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from discovery.dictionaries import values_at
from discovery.models import DecoderAdapter
from graph_schema.dictionaries import place_of, width_at
from graph_schema.documents import Place
from tests.discovery.models.families import D_VOCAB, FAMILIES, tiny

every_family = pytest.mark.parametrize("family", FAMILIES)
LAYER = 1


def _tokens() -> Tensor:
    return torch.randint(D_VOCAB, (3, 7), generator=torch.Generator().manual_seed(1))


def _seen(adapter: DecoderAdapter, hooks: list[str]) -> dict[str, Tensor]:
    """What goes into, or comes out of, modules of the model by their own names."""
    found: dict[str, Tensor] = {}
    handles: list[Any] = []
    for hook in hooks:
        name, _, side = hook.rpartition(".")
        module = adapter.model.get_submodule(name)

        def before(_: nn.Module, args: tuple[Any, ...], hook: str = hook) -> None:
            found[hook] = args[0]

        def after(_: nn.Module, __: Any, out: Any, hook: str = hook) -> None:
            found[hook] = out[0] if isinstance(out, tuple) else out

        into = side == "input"
        handles.append(
            module.register_forward_pre_hook(before)
            if into
            else module.register_forward_hook(after)
        )
    try:
        adapter.model(_tokens())
    finally:
        for handle in handles:
            handle.remove()
    return found


def _hooks(adapter: DecoderAdapter) -> list[str]:
    """Every module hook of the second block that is read as a place."""
    block = next(
        name
        for name, _ in adapter.model.named_modules()
        if name.endswith((f".h.{LAYER}", f".layers.{LAYER}"))
    )
    found: list[str] = []
    for module in ("", *(name for name, _ in adapter.model.get_submodule(block).named_modules())):
        for side in ("input", "output"):
            hook = f"{block}{'.' if module else ''}{module}.{side}"
            try:
                place_of(hook)
            except Exception:
                continue
            found.append(hook)
    return list(dict.fromkeys(found))


@every_family
@torch.no_grad()
def test_places_are_what_modules_see(family: str) -> None:
    adapter = tiny(family)
    hooks = _hooks(adapter)
    # Attention's and the blocks' arguments are named, so hooks before them see nothing.
    hooks = [h for h in hooks if not h.endswith(("attn.input", "attention.input"))]
    seen = _seen(adapter, hooks)
    places = {hook: place_of(hook) for hook in hooks}
    found = values_at(adapter, adapter.batch(_tokens()), [(*at, None) for at in places.values()])
    checked = set[Place]()
    for hook, (layer, place) in places.items():
        torch.testing.assert_close(found[layer, place, None], seen[hook], atol=1e-4, rtol=1e-4)
        assert found[layer, place, None].shape[-1] == width_at(place, adapter.shape)
        checked.add(place)
    assert {Place.RESID_PRE, Place.RESID_POST, Place.MLP_OUT, Place.ATTN_OUT} <= checked
    assert {Place.MLP_IN, Place.NEURONS, Place.ATTN_Z} <= checked
    assert (Place.MLP_ADDED in checked) == adapter.post_norms


@every_family
@torch.no_grad()
def test_what_is_added_makes_the_stream(family: str) -> None:
    adapter = tiny(family)
    spots = [(LAYER, place, None) for place in Place if place not in (Place.EMBED, Place.HEAD_OUT)]
    if adapter.closed_form(LAYER, "mlp") is None:
        spots.remove((LAYER, Place.MLP_UNIT, None))
    found = values_at(adapter, adapter.batch(_tokens()), spots)
    at = {place: found[LAYER, place, None] for _, place, _ in spots}
    total = at[Place.RESID_PRE] + at[Place.ATTN_ADDED] + at[Place.MLP_ADDED]
    torch.testing.assert_close(total, at[Place.RESID_POST], atol=1e-5, rtol=1e-5)
    if Place.MLP_UNIT in at:
        norm = adapter.closed_form(LAYER, "mlp")
        assert norm is not None
        scaled = at[Place.MLP_UNIT] * norm.weight + (0 if norm.bias is None else norm.bias)
        torch.testing.assert_close(scaled, at[Place.MLP_IN], atol=1e-4, rtol=1e-4)


@every_family
@torch.no_grad()
def test_heads_side_by_side_are_the_heads(family: str) -> None:
    adapter = tiny(family)
    heads = range(adapter.shape.n_heads)
    spots = [(LAYER, place, head) for place in (Place.ATTN_Z, Place.HEAD_OUT) for head in heads]
    spots += [(LAYER, Place.ATTN_Z, None), (LAYER, Place.ATTN_OUT, None)]
    found = values_at(adapter, adapter.batch(_tokens()), spots)
    beside = torch.cat([found[LAYER, Place.ATTN_Z, head] for head in heads], dim=-1)
    torch.testing.assert_close(beside, found[LAYER, Place.ATTN_Z, None])
    total = torch.stack([found[LAYER, Place.HEAD_OUT, head] for head in heads]).sum(0)
    if (const := adapter.attn_const(LAYER)) is not None:
        total = total + const
    torch.testing.assert_close(total, found[LAYER, Place.ATTN_OUT, None], atol=1e-5, rtol=1e-5)
