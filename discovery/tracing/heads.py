"""Attention heads of one prompt as nodes: a head at a position writes along its own direction.

A head's value there is the length of what it writes. By values that is linear in what stands at the
positions that it looks at, with its probabilities held. Its query and its keys move probabilities:
those edges are what each source gives to ∂value/∂query · query, and to the same of keys, with the
other and the values held. A row of a query therefore sums to that product, not to the value.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from discovery.models import DecoderAdapter
from discovery.models.base import Qkv
from discovery.models.norms import Norm
from discovery.models.projection import shared_input
from discovery.tracing.cut import Active
from discovery.tracing.frozen import FrozenModel, Stream
from graph_schema.errors import ModelError


class Heads:
    """A layer's heads at the positions from `skip` on; as a `Cut` it is asked for what it writes.

    Raises:
        ModelError: What stands between projection and attention cannot be held.
    """

    sublayer: Literal["attn"] = "attn"
    past_norm = False
    letter: Literal["h"] = "h"

    def __init__(self, model: FrozenModel, layer: int, skip: int) -> None:
        self.model, self.layer, self.skip = model, layer, skip
        self.written = (layer,)

    @cached_property
    @torch.no_grad()
    def _writes(self) -> Float[Tensor, "head pos d_model"]:
        return self.model.adapter.head_out(self.layer, self.model.layers[self.layer].z[None])[0]

    @cached_property
    def active(self) -> Active:
        value = self._writes[:, self.skip :].norm(dim=-1).T
        position, head = value.nonzero(as_tuple=True)
        return Active(position + self.skip, head, value[position, head])

    def writes_of(self, index: Tensor, layer: int) -> Float[Tensor, "n d_model"]:
        """What single heads write at their positions."""
        return self._writes[self.active.unit[index], self.active.position[index]]

    def total(self, layer: int) -> Stream:
        """What all of them write together."""
        found = self._writes.sum(0)
        found[: self.skip] = 0
        return found

    @torch.no_grad()
    def readings(self, index: Tensor) -> dict[Qkv, Float[Tensor, "n pos d_model"]]:
        """The gradients of single heads' values by the stream before their layer, by channel."""
        adapter, here = self.model.adapter, self.model.layers[self.layer]
        head, at = self.active.unit[index], self.active.position[index]
        along = self.writes_of(index, self.layer) / self.active.value[index, None]
        out = adapter.out_weights(self.layer)[head].to(along.dtype)
        z = einsum(out, along, "n d_head d_model, n d_model -> n d_head")
        v = here.pattern[head, at][..., None] * z[:, None]
        q, k = self._slopes(head, at, z)
        return {
            "q": self._back("q", head, q),
            "k": self._back("k", head, k),
            "v": self._back("v", head, v),
        }

    def _slopes(
        self, head: Tensor, at: Tensor, z: Float[Tensor, "n d_head"]
    ) -> tuple[Float[Tensor, "n pos d_head"], Float[Tensor, "n pos d_head"]]:
        """Gradients of heads' values by queries and keys as attention takes them."""
        here, model = self.model.layers[self.layer], self.model
        n = model.n_positions
        found = [z.new_zeros((len(head), n, z.shape[1])) for _ in "qk"]
        q, k = (each[None].detach().requires_grad_() for each in (here.q, here.k))
        with torch.enable_grad():
            mixed = model.adapter.mix(model.batch, self.layer, q, k, here.v[None])[0]
            for position in at.unique().tolist():
                mine = (at == position).nonzero()[:, 0]
                slope = torch.zeros_like(mixed)
                slope[head[mine], position] = z[mine]
                grads = torch.autograd.grad(mixed, (q, k), slope, retain_graph=True)
                for into, grad in zip(found, grads, strict=True):
                    into[mine] = grad[0, head[mine]]
        return found[0], found[1]

    def _back(
        self, channel: Qkv, head: Tensor, grad: Float[Tensor, "n pos d_head"]
    ) -> Float[Tensor, "n pos d_model"]:
        """From a gradient of queries, keys or values to one of the stream."""
        adapter, here = self.model.adapter, self.model.layers[self.layer]
        cut = adapter.qkv_weights(self.layer, channel)
        own = head if channel == "q" else head // adapter.shape.kv_group
        if channel != "v":
            grad = self._normed_back(channel, own, self._rotated_back(grad))
        rows = einsum(
            grad, cut.weight[own].to(grad.dtype), "n pos d_head, n d_head d_model -> n pos d_model"
        )
        return here.attn_norm.back(rows, slice(0, grad.shape[1]))

    def _rotated_back(self, grad: Float[Tensor, "n pos d_head"]) -> Float[Tensor, "n pos d_head"]:
        adapter = self.model.adapter
        if not isinstance(adapter, DecoderAdapter) or adapter.rotary_module() is None:
            return grad
        with torch.enable_grad():
            start = torch.zeros_like(grad)[:, None].requires_grad_()
            rotated = adapter.rotary(self.model.batch, self.layer, start)
            (found,) = torch.autograd.grad(rotated, start, grad[:, None])
        return found[:, 0]

    def _normed_back(
        self, channel: Qkv, own: Tensor, grad: Float[Tensor, "n pos d_head"]
    ) -> Float[Tensor, "n pos d_head"]:
        """Back through a norm of queries or keys, of each head's (Qwen 3) or of all (OLMo 2)."""
        adapter, here = self.model.adapter, self.model.layers[self.layer]
        if not isinstance(adapter, DecoderAdapter):
            return grad
        module: Any = getattr(adapter.attention_module(self.layer), f"{channel}_norm", None)
        if module is None:
            return grad
        form = Norm.of(module)
        if form is None or form.centred:
            raise ModelError(
                f"the norm of layer {self.layer}'s {channel} is no RMSNorm, and what it does "
                "cannot be held; trace without heads"
            )
        y = shared_input(adapter.qkv_weights(self.layer, channel), here.attn_norm.normed[None])[0]
        if len(form.weight) == grad.shape[-1]:
            return grad * form.weight * form.at(y).per_size[own]
        whole = rearrange(y, "head pos d_head -> pos (head d_head)")
        weight = form.weight.view(-1, grad.shape[-1])[own]
        return grad * weight[:, None] * form.at(whole).per_size
