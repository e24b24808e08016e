"""A forward pass over whole components, with what dictionaries on them read and how it matters.

No unit is a sender here, and no component is cut: the coefficients of a dictionary are encoded from
what its component read or wrote, and the gradient of a unit's coefficient is its direction times
the gradient of the loss with respect to what the component writes. So a pass costs the same however
many units there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.protocol import Dictionary
from discovery.engine.forward import add_const, inputs
from discovery.engine.lanes import PROJECTION
from discovery.methods.rules import Rules, Stream
from discovery.models import Batch, ModelAdapter, Sublayer
from discovery.models.half import product
from graph_schema.documents.dictionary import Place

Heads = Float[Tensor, "batch head pos d_head"]
Mix = Callable[[int, Heads, Heads, Heads], Heads]
"""Attention of a layer's heads, from q, k and v."""
PAST_NORM = (Place.MLP_ADDED, Place.ATTN_ADDED)


@dataclass(frozen=True)
class LayerRun:
    """What happened in a layer.

    Attributes:
        z: What its heads mixed.
        read: What the MLP reads; `normed` past its norm.
        own_attn, own_mlp: Raw writes.
        attn, mlp: The same as others read them: mixed with the ablated ones, in a run of a share.
        attn_added, mlp_added: What is added to the stream.
    """

    z: Heads
    read: Stream
    normed: Stream
    own_attn: Stream
    own_mlp: Stream
    attn: Stream
    attn_added: Stream
    mlp: Stream
    mlp_added: Stream


@dataclass(frozen=True)
class Totals:
    """Ablated writes by whole sublayer: raw, or in those of `past` past the norm that follows."""

    inputs: Float[Tensor, "input batch pos d_model"]
    sublayers: Sequence[dict[Sublayer, Stream]]
    past: Collection[tuple[int, Sublayer]] = ()


@dataclass(frozen=True)
class NodeRun:
    """A pass: what the inputs write, layer by layer what happened, and the final stream.

    `inputs` are as others read them.
    """

    adapter: ModelAdapter
    own_inputs: Float[Tensor, "input batch pos d_model"]
    inputs: Float[Tensor, "input batch pos d_model"]
    layers: Sequence[LayerRun]
    resid: Stream

    def encoded(self, dictionary: Dictionary) -> Float[Tensor, "batch pos d_in"]:
        """What a dictionary encodes."""
        site, adapter = dictionary.document.site, self.adapter
        if site.embedding is not None:
            return self.own_inputs[_input(adapter, site.embedding)]
        assert site.layer is not None, "a dictionary that is on no input has a layer"
        here = self.layers[site.layer]
        match site.reads:
            case Place.MLP_IN:
                found = here.normed
            case Place.MLP_UNIT:
                form = adapter.closed_form(site.layer, "mlp")
                assert form is not None, "checked before the run"
                found = form.at(here.read).unit
            case Place.NEURONS:
                found = adapter.mlp_weights(site.layer).neurons(here.normed)
            case Place.RESID_MID:
                found = here.read
            case Place.MLP_OUT:
                found = here.own_mlp
            case Place.MLP_ADDED:
                found = adapter.post_norm(site.layer, "mlp", here.own_mlp)
            case Place.ATTN_OUT:
                found = add_const(adapter, site.layer, here.own_attn)
            case Place.ATTN_ADDED:
                with_const = add_const(adapter, site.layer, here.own_attn)
                found = adapter.post_norm(site.layer, "attn", with_const)
            case Place.HEAD_OUT:
                assert site.head is not None, "checked by its document"
                found = adapter.head_out(site.layer, here.z[:, [site.head]], [site.head])[:, 0]
            case Place.ATTN_Z if site.head is not None:
                found = here.z[:, site.head]
            case Place.ATTN_Z:
                found = rearrange(here.z, "batch head pos d_head -> batch pos (head d_head)")
            case _:
                raise AssertionError(f"no component writes {site.reads}")
        return found

    def detached(self) -> NodeRun:
        """The values alone."""
        layers = [
            LayerRun(**{name: value.detach() for name, value in vars(layer).items()})
            for layer in self.layers
        ]
        return NodeRun(
            self.adapter, self.own_inputs, self.inputs.detach(), layers, self.resid.detach()
        )


@dataclass(frozen=True)
class Slopes:
    """The loss's gradients with respect to what inputs, heads and MLPs write, raw and as added."""

    adapter: ModelAdapter
    inputs: Stream
    layers: Sequence[dict[str, Stream]]

    @classmethod
    def of(cls, loss: Tensor, run: NodeRun) -> Slopes:
        """One backward pass."""
        names: tuple[str, ...] = ("attn", "attn_added", "mlp", "mlp_added")
        wanted = [getattr(layer, name) for layer in run.layers for name in names]
        first, *found = torch.autograd.grad(loss, [run.inputs, *wanted])
        n = len(names)
        layers: list[dict[str, Stream]] = [
            dict(zip(names, found[start : start + n], strict=True))
            for start in range(0, len(found), n)
        ]
        # All inputs are summed, so their gradients are the same.
        return cls(run.adapter, first[0], layers)

    def heads(self, layer: int) -> Heads:
        """With respect to what each head mixes."""
        return einsum(
            self.layers[layer]["attn"],
            self.adapter.out_weights(layer).to(self.inputs.dtype),
            "batch pos d_model, head d_head d_model -> batch head pos d_head",
        )

    def coefficients(self, dictionary: Dictionary) -> Float[Tensor, "batch pos unit"]:
        """With respect to the coefficient of each unit of a dictionary."""
        site = dictionary.document.site
        if site.layer is None:
            return product(self.inputs, dictionary.directions())
        total: Tensor | None = None
        for layer in site.written:
            found = product(self._written(dictionary, layer), dictionary.directions(layer=layer))
            total = found if total is None else total + found
        assert total is not None, "a dictionary writes to its own layer at least"
        return total

    def _written(self, dictionary: Dictionary, layer: int) -> Float[Tensor, "batch pos d_out"]:
        """With respect to what a dictionary writes, in its own space."""
        site, here = dictionary.document.site, self.layers[layer]
        match site.writes:
            case Place.MLP_OUT:
                return here["mlp"]
            case Place.MLP_ADDED:
                return here["mlp_added"]
            case Place.NEURONS:
                return product(here["mlp"], self.adapter.mlp_weights(layer).down)
            case Place.ATTN_ADDED:
                return here["attn_added"]
            case Place.ATTN_Z if site.head is not None:
                return self.heads(layer)[:, site.head]
            case Place.ATTN_Z:
                return rearrange(
                    self.heads(layer), "batch head pos d_head -> batch pos (head d_head)"
                )
            case _:
                return here["attn"]


def node_run(
    adapter: ModelAdapter,
    rules: Rules,
    batch: Batch,
    mix: Mix,
    *,
    share: float = 1.0,
    ablated: Totals | None = None,
) -> NodeRun:
    """Run the model on what `batch` holds, ready to be differentiated where autograd is on.

    With `ablated` everybody reads ablated + share * (written - ablated), of every sender alike.
    """
    own = inputs(adapter, batch)
    first = own if ablated is None else ablated.inputs + share * (own - ablated.inputs)
    first = first.detach().requires_grad_(torch.is_grad_enabled())
    x, layers = first.sum(0), list[LayerRun]()

    def added(layer: int, sublayer: Sublayer, own: Stream) -> tuple[Stream, Stream]:
        """What a sublayer writes, raw and as it is added, in the mixture."""
        less = None if ablated is None else ablated.sublayers[layer][sublayer]
        past = ablated is not None and (layer, sublayer) in ablated.past
        raw = own if less is None or past else less + share * (own - less)
        whole = add_const(adapter, layer, raw) if sublayer == "attn" else raw
        found = rules.post_norm(layer, sublayer, whole)
        return raw, less + share * (found - less) if less is not None and past else found

    for layer in range(adapter.shape.n_layers):
        normed = rules.norm(layer, "attn", x)
        q, k, v = (adapter.project(batch, layer, c, normed) for c in PROJECTION.values())
        z = mix(layer, rules.attended(q), rules.attended(k), v)
        own_attn = adapter.attn_sum(layer, z)
        attn, attn_added = added(layer, "attn", own_attn)
        after = x + attn_added
        read = x if adapter.parallel else after
        normed = rules.norm(layer, "mlp", read)
        own_mlp = rules.mlp(layer, normed)
        mlp, mlp_added = added(layer, "mlp", own_mlp)
        x = after + mlp_added
        layers.append(
            LayerRun(z, read, normed, own_attn, own_mlp, attn, attn_added, mlp, mlp_added)
        )
    return NodeRun(adapter, own, first, layers, x)


def _input(adapter: ModelAdapter, name: str) -> int:
    return ("embed", "pos_embed").index(name) if adapter.split_embed else 0
