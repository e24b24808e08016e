"""The slow exact way for spliced models: by names, each part's every input a mixture of its own.

Nothing of the engine's numbering, planning or blocks is used. What a sender writes is a whole
[batch, pos, d_model]; a part of a component is made by running the component on what that part
reads, and taking the part out of what comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from discovery.engine.experiment import Bench, pad
from discovery.engine.forward import at_positions
from discovery.engine.splice import Splice
from discovery.models import Batch, ModelAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation
from graph_schema.documents.dictionary import Place

Writes = dict[str, Tensor]


class Spliced:
    """A model with dictionaries, run part by part.

    A part's write is what it adds to its sublayer's sum: raw, or past the norm that follows where
    its dictionary lies there.
    """

    def __init__(self, adapter: ModelAdapter, splices: Sequence[Splice]) -> None:
        self.adapter, self.splices = adapter, {each.split.component: each for each in splices}

    def parts(self, component: str) -> tuple[str, ...]:
        found = self.splices.get(component)
        return (component,) if found is None else found.split.parts

    def past_norm(self, component: str) -> bool:
        found = self.splices.get(component)
        return found is not None and found.dictionary.document.site.writes in (
            Place.MLP_ADDED,
            Place.ATTN_ADDED,
        )

    def attention(self, layer: int) -> list[str]:
        if f"a{layer}" in self.splices:
            return [f"a{layer}"]
        return [f"a{layer}.h{head}" for head in range(self.adapter.shape.n_heads)]

    def run(
        self,
        batch: Batch,
        kept: set[str] | None = None,
        ablated: Mapping[str, Tensor] | None = None,
        masks: Mapping[str, Tensor] | None = None,
        plus: Mapping[str, Tensor] | None = None,
    ) -> tuple[Writes, Tensor]:
        """Every part's write, and the final stream, with the `kept` edges (None: all).

        Edges with `masks` are kept to that share; `plus` is added to what parts write.
        """
        adapter, now = self.adapter, Writes()

        def sent(sender: str, receiver: str) -> Tensor:
            mask = None if masks is None else masks.get(f"{sender}->{receiver}")
            if mask is not None:
                assert ablated is not None
                return ablated[sender] + mask * (now[sender] - ablated[sender])
            if kept is None or f"{sender}->{receiver}" in kept:
                return now[sender]
            assert ablated is not None
            return ablated[sender]

        def read(receiver: str, layer: int, attention: bool) -> Tensor:
            """The stream before a layer, or past its attention."""
            names = [part for name in adapter.embed_parts(batch) for part in self.parts(name)]
            x = torch.stack([sent(name, receiver) for name in names]).sum(0)
            for each in range(layer + attention):
                names = [part for name in self.attention(each) for part in self.parts(name)]
                total = torch.stack([sent(name, receiver) for name in names]).sum(0)
                if not self.past_norm(f"a{each}"):
                    const = adapter.attn_const(each)
                    total = total if const is None else total + const
                    total = adapter.post_norm(each, "attn", total)
                x = x + total
                if each == layer:
                    break
                total = torch.stack([sent(p, receiver) for p in self.parts(f"m{each}")]).sum(0)
                if not self.past_norm(f"m{each}"):
                    total = adapter.post_norm(each, "mlp", total)
                x = x + total
            return x

        for name, write in adapter.embed_parts(batch).items():
            for part in self.parts(name):
                now[part] = self.take(name, part, None, None, write)
        for layer in range(adapter.shape.n_layers):
            found = Writes()
            for name in self.attention(layer):
                heads = [int(name.split(".h")[1])] if ".h" in name else None
                for part in self.parts(name):
                    q, k, v = (
                        adapter.project(
                            batch,
                            layer,
                            channel,
                            adapter.norm(layer, "attn", read(f"{part}<{channel}>", layer, False)),
                            heads,
                        )
                        for channel in ("q", "k", "v")
                    )
                    z = adapter.mix(batch, layer, q, k, v)
                    write = adapter.head_out(layer, z, heads).sum(1)
                    found[part] = self.take(name, part, None, z, write) + (plus or {}).get(part, 0)
            now |= found
            for part in self.parts(f"m{layer}"):
                x = adapter.norm(layer, "mlp", read(part, layer, not adapter.parallel))
                write = self.take(f"m{layer}", part, x, None, adapter.mlp(layer, x))
                found[part] = write + (plus or {}).get(part, 0)
            now |= found
        return now, read("logits", adapter.shape.n_layers, False)

    def take(
        self, component: str, part: str, x: Tensor | None, z: Tensor | None, write: Tensor
    ) -> Tensor:
        """What a part writes where its component reads `x` or mixes `z`, and writes `write`."""
        found = self.splices.get(component)
        if found is None:
            return write
        adapter, dictionary = self.adapter, found.dictionary
        site, units = dictionary.document.site, list(found.split.units)
        layer = site.layer or 0
        const = adapter.attn_const(layer)
        with_const = write if const is None else write + const

        def given() -> Tensor:
            match site.reads:
                case Place.MLP_IN:
                    assert x is not None
                    return x
                case Place.NEURONS:
                    assert x is not None
                    return adapter.mlp_weights(layer).neurons(x)
                case Place.ATTN_Z:
                    assert z is not None
                    return torch.cat(list(z.unbind(1)), -1)
                case Place.ATTN_OUT:
                    return with_const
                case Place.ATTN_ADDED:
                    return adapter.post_norm(layer, "attn", with_const)
                case _:
                    return write

        def stream(written: Tensor) -> Tensor:
            """What is written in the dictionary's own space, in the stream's, without biases."""
            if site.writes is Place.NEURONS:
                return written @ adapter.mlp_weights(layer).down
            if site.writes is Place.ATTN_Z:
                heads = [site.head] if site.head is not None else None
                d_head, n = adapter.shape.d_head, written.shape[-1] // adapter.shape.d_head
                rows = torch.stack(written.split([d_head] * n, -1), 1)
                return adapter.head_out(layer, rows, heads).sum(1)
            return written

        if site.writes is Place.MLP_ADDED:
            write = adapter.post_norm(layer, "mlp", write)
        if site.writes is Place.ATTN_ADDED:
            write = adapter.post_norm(layer, "attn", with_const)
        acts = dictionary.encode(given())
        last = part.rpartition(".")[2]
        if last not in ("rest", "error"):
            unit = int(last[1:])
            return stream(acts[..., unit, None] * dictionary.directions()[unit])
        candidates = stream(acts[..., units] @ dictionary.directions()[units])
        if site.writes is Place.ATTN_OUT:
            every = dictionary.decode(acts, given()) - (with_const - write)
        else:
            every = stream(dictionary.decode(acts, given()))
            if (
                site.writes is Place.NEURONS
                and (bias := adapter.mlp_weights(layer).down_bias) is not None
            ):
                every = every + bias
        return write - every if last == "error" else every - candidates


@torch.no_grad()
def ablated(spliced: Spliced, bench: Bench, discovery: Sequence[TokenPair]) -> Writes:
    """Every part's ablated write on a bench's examples; means are of the pairs of `discovery`."""
    adapter, kind, examples = spliced.adapter, bench.experiment.ablator.kind, bench.examples
    if kind in (Ablation.CORRUPT, Ablation.RESAMPLE):
        return spliced.run(pad(adapter, [each.source or () for each in examples]))[0]
    if kind is Ablation.ZERO:
        writes = spliced.run(pad(adapter, [each.pair.clean for each in examples]))[0]
        return {name: torch.zeros_like(write) for name, write in writes.items()}
    batch = pad(adapter, [each.pair.clean for each in examples])
    found = {name: torch.zeros_like(write) for name, write in spliced.run(batch)[0].items()}
    for row, example in enumerate(examples):
        own, length = example.pair.clean, len(example.pair.clean)
        others = [p.clean for p in discovery if len(p.clean) == length and p.clean != own]
        for name, write in spliced.run(pad(adapter, others))[0].items():
            found[name][row, :length] = write.mean(0)
    return found


def logits(
    spliced: Spliced,
    bench: Bench,
    kept: set[str] | None,
    writes: Writes,
    masks: Mapping[str, Tensor] | None = None,
    plus: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """At the metric's positions, under a kept set of edges' names."""
    stream = spliced.run(bench.batch, kept, writes, masks, plus)[1]
    rows = at_positions(stream, bench.objective.target.positions)
    adapter = spliced.adapter
    return adapter.logits(adapter.norm(adapter.shape.n_layers, "logits", rows))
