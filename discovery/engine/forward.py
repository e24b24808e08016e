"""The plain forward pass, with what every sender writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor

from discovery.engine.graph import Graph
from discovery.engine.metrics import Objective
from discovery.engine.splice import Basis
from discovery.models import Batch, ModelAdapter, Qkv


def graph_of(adapter: ModelAdapter) -> Graph:
    """The computational graph of a model at the level of heads and MLPs."""
    shape = adapter.shape
    return Graph(shape.n_layers, shape.n_heads, adapter.parallel, adapter.split_embed)


def inputs(adapter: ModelAdapter, batch: Batch) -> Float[Tensor, "input batch pos d_model"]:
    """What the embeddings write: one sender, or `embed` and `pos_embed` apart."""
    return torch.stack(list(adapter.embed_parts(batch).values()))


def add_const(
    adapter: ModelAdapter, layer: int, heads: Float[Tensor, "*rows d_model"]
) -> Float[Tensor, "*rows d_model"]:
    """A layer's attention output from the sum of its heads: with the bias no sender owns."""
    const = adapter.attn_const(layer)
    return heads if const is None else heads + const


def put_heads(
    adapter: ModelAdapter,
    layer: int,
    z: Float[Tensor, "batch head pos d_head"],
    into: Float[Tensor, "head batch pos d_model"],
    *,
    subtract: bool = False,
) -> None:
    """Write what each head writes over `into`, or subtract it from what is there.

    In place: fresh memory for every head's write costs as much as the product.
    """
    if into.dtype == z.dtype:
        rows = rearrange(z, "batch head pos d_head -> head (batch pos) d_head")
        # A view, where a copy would lose the result.
        flat = into.view(*rows.shape[:2], -1)
        weight = adapter.out_weights(layer).to(z.dtype)
        flat.baddbmm_(rows, weight, beta=int(subtract), alpha=1 - 2 * subtract)
        return
    writes = rearrange(
        adapter.head_out(layer, z), "batch head pos d_model -> head batch pos d_model"
    )
    if subtract:
        into.sub_(writes)
    else:
        into.copy_(writes)


def logits_at(
    adapter: ModelAdapter,
    rows: Float[Tensor, "*rows d_model"],
    tokens: Int[Tensor, "*rows token"] | None = None,
) -> Float[Tensor, "*rows d_vocab"]:
    """Logits from rows of the final residual stream: every token's, or each row's `tokens`."""
    return adapter.logits(adapter.norm(adapter.shape.n_layers, "logits", rows), tokens)


def loss_at(
    adapter: ModelAdapter, objective: Objective, rows: Float[Tensor, "batch target d_model"]
) -> Float[Tensor, " batch"]:
    """The loss from rows of the final residual stream, by the few logits that the metric reads."""
    if (tokens := objective.tokens) is None:
        return objective.loss(logits_at(adapter, rows))
    return objective.loss_of_tokens(logits_at(adapter, rows, tokens.ids))


def at_positions(x: Tensor, positions: Tensor) -> Tensor:
    """`x` [..., batch, pos, d_model] at each prompt's own `positions` [batch, target]."""
    return x[..., torch.arange(positions.shape[0], device=x.device)[:, None], positions, :]


@dataclass(frozen=True)
class Run:
    """What every sender writes on a batch, raw, and the final residual stream.

    `writes` are of the dense senders, in order: of all, where no component is split. `units` are
    the coefficients of the directed ones.
    """

    writes: Float[Tensor, "sender batch pos d_model"]
    resid: Float[Tensor, "batch pos d_model"]
    units: Float[Tensor, "unit batch pos"]


Heads = Float[Tensor, "batch head _ d_head"]
KeysValues = tuple[Float[Tensor, "batch head _ d_head"], Float[Tensor, "batch head _ d_head"]]
KV: tuple[Qkv, ...] = ("k", "v")


def mix(
    adapter: ModelAdapter,
    batch: Batch,
    layer: int,
    q: Heads,
    k: Heads,
    v: Heads,
    before: KeysValues | None,
) -> Heads:
    """Attention of some heads at the batch's positions, which look back at those `before` too."""
    if before is not None:
        k, v = (torch.cat(both, dim=2) for both in zip(before, (k, v), strict=True))
    return adapter.mix(batch, layer, q, k, v)


@torch.no_grad()
def keys_values(adapter: ModelAdapter, graph: Graph, batch: Batch) -> tuple[KeysValues, ...]:
    """Every layer's keys and values."""
    found: list[KeysValues] = []
    resid = adapter.embed(batch)
    for layer in range(graph.n_layers):
        normed = adapter.norm(layer, "attn", resid)
        k, v = (adapter.project(batch, layer, channel, normed) for channel in KV)
        found.append((k, v))
        if layer == graph.n_layers - 1:
            break
        z = adapter.mix(batch, layer, adapter.project(batch, layer, "q", normed), k, v)
        total = add_const(adapter, layer, adapter.attn_sum(layer, z))
        after = resid + adapter.post_norm(layer, "attn", total)
        mlp = adapter.mlp(layer, adapter.norm(layer, "mlp", resid if graph.parallel else after))
        resid = after + adapter.post_norm(layer, "mlp", mlp)
    return tuple(found)


@torch.no_grad()
def run(
    adapter: ModelAdapter,
    graph: Graph,
    batch: Batch,
    dtype: torch.dtype,
    before: Sequence[KeysValues] = (),
    pinned: Mapping[int, Float[Tensor, "batch pos d_model"]] = MappingProxyType({}),
    basis: Basis | None = None,
) -> Run:
    """Run the model as it is; writes are kept as `dtype`.

    `before` are each layer's keys and values of positions before the batch's. The senders that are
    `pinned` write what is given in place of their own, and all else follows; they are whole
    components. A graph with split components has a `basis`.
    """
    assert not (pinned and graph.splits), "what is pinned is a whole component's write"
    first = inputs(adapter, batch)
    for sender in pinned:
        if sender < graph.n_inputs:
            first[sender] = pinned[sender]
    like = first.new_empty(0, dtype=dtype)
    writes = like.new_empty((graph.n_dense, *first.shape[1:]))
    units = like.new_empty((graph.n_directed, *first.shape[1:3]))
    put_inputs(graph, basis, first, writes, units)
    resid = reduce(first, "input batch pos d_model -> batch pos d_model", "sum")
    for layer in range(graph.n_layers):
        normed = adapter.norm(layer, "attn", resid)
        q = adapter.project(batch, layer, "q", normed)
        k = adapter.project(batch, layer, "k", normed)
        v = adapter.project(batch, layer, "v", normed)
        z = mix(adapter, batch, layer, q, k, v, before[layer] if before else None)
        if graph.layers[layer].is_whole:
            heads_at = graph.head_senders(layer)
            heads = writes[graph.blocks(heads_at)[0]]
            put_heads(adapter, layer, z, heads)
            for sender in pinned:
                if heads_at.start <= sender < heads_at.stop:
                    heads[sender - heads_at.start] = pinned[sender]
            total = heads.sum(0).to(resid.dtype)
        else:
            assert basis is not None
            total = put_split_heads(adapter, graph, basis, layer, z, writes, units)
        after = resid + adapter.post_norm(layer, "attn", add_const(adapter, layer, total))
        read = resid if graph.parallel else after
        normed = adapter.norm(layer, "mlp", read)
        mlp = adapter.mlp(layer, normed)
        site = graph.layers[layer].mlp
        if site.split is None:
            mlp = pinned.get(site.senders.start, mlp).to(resid.dtype)
            writes[graph.rows[site.senders.start]] = mlp
        else:
            assert basis is not None
            parts = range(len(site.senders))
            basis.put(site, basis.of_mlp(site, read[None], normed[None], parts), writes, units)
        resid = after + adapter.post_norm(layer, "mlp", mlp)
    return Run(writes, resid, units)


def put_inputs(
    graph: Graph,
    basis: Basis | None,
    first: Float[Tensor, "input batch pos d_model"],
    writes: Float[Tensor, "sender batch pos d_model"],
    units: Float[Tensor, "unit batch pos"],
) -> None:
    """Write what the embeddings write over the rows of their senders."""
    for site, write in zip(graph.input_sites, first, strict=True):
        if site.split is None:
            writes[graph.rows[site.senders.start]] = write
        else:
            assert basis is not None
            basis.put(site, basis.of_input(write), writes, units)


def put_split_heads(
    adapter: ModelAdapter,
    graph: Graph,
    basis: Basis,
    layer: int,
    z: Float[Tensor, "batch head pos d_head"],
    writes: Float[Tensor, "sender batch pos d_model"],
    units: Float[Tensor, "unit batch pos"],
) -> Float[Tensor, "batch pos d_model"]:
    """Write what the parts of a layer's attention write; what they write together."""
    for site in graph.layers[layer].attention:
        mine = z[:, adapter.index(site.heads)]
        if site.split is None:
            writes[graph.rows[site.senders.start]] = adapter.head_out(layer, mine, site.heads)[:, 0]
        else:
            source = basis.of_heads(site, mine, range(len(site.senders)))
            basis.put(site, source, writes, units)
    return adapter.attn_sum(layer, z)
