"""Exact tests of edges, against the same intervention done plainly, one edge at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from discovery.dictionaries import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.models import DecoderAdapter
from discovery.tracing import Traced, exact_edges, trace
from discovery.tracing.nodes import written_of
from graph_schema.documents import Channel, Component, ComponentKind, Trace
from graph_schema.documents.dictionary import Place, Site
from tests.discovery.dictionaries_made import made
from tests.discovery.models.families import tiny

TOKENS = (3, 17, 8, 3, 22, 11)


class OneEdge:
    """The model run with a source's write taken out, other units' writes as they were."""

    def __init__(self, traced: Traced, adapter: DecoderAdapter, dictionaries: list[Dictionary]):
        self.traced, self.adapter = traced, adapter
        self.by_layer = {each.document.site.layer: each for each in dictionaries}
        self.batch = adapter.batch(torch.tensor([TOKENS]))
        self.heads = traced.sources.heads

    def value(self, edge: tuple[str, str, Channel] | None, target: str, *, read: Channel) -> float:
        """The target's value; without an edge on the clean run."""
        adapter = self.adapter
        part = Component.parse(target)
        gone = {} if edge is None else written_of(self.traced, edge[0]).writes
        at = 0 if edge is None else written_of(self.traced, edge[0]).position
        past = edge is not None and written_of(self.traced, edge[0]).past
        x = torch.stack([each[0] for each in adapter.embed_parts(self.batch).values()]).sum(0)
        clean = x.clone()
        if (-1, "mlp") in gone:
            x[at] -= gone[-1, "mlp"]
        for layer in range(adapter.shape.n_layers):
            if part.kind is ComponentKind.HEAD and part.layer == layer:
                return self._head(layer, part, dict.fromkeys("qkv", clean) | {read.value: x})
            here = self._attention(layer, clean)
            raw = self._attention(layer, clean if self.heads else x)
            if (layer, "attn") in gone:
                raw = raw.clone()
                raw[at] -= gone[layer, "attn"]
            mid = x + adapter.post_norm(layer, "attn", raw)
            clean_mid = clean + adapter.post_norm(layer, "attn", here)
            stream, clean_stream = (x, clean) if adapter.parallel else (mid, clean_mid)
            if part.layer == layer and part.kind in (ComponentKind.NEURON, ComponentKind.FEATURE):
                dictionary = self.by_layer[layer]
                found = dictionary.encode(self._place(layer, stream, dictionary))
                return float(found[part.position, part.index])
            write = adapter.mlp(layer, adapter.norm(layer, "mlp", clean_stream)[None])[0]
            clean = clean_mid + adapter.post_norm(layer, "mlp", write)
            dictionary = self.by_layer.get(layer)
            extra = torch.zeros_like(write)
            if dictionary is not None and getattr(dictionary, "skip", None) is not None:
                now, before = (
                    self._place(layer, each, dictionary) for each in (stream, clean_stream)
                )
                extra = (now - before) @ dictionary.skip  # pyright: ignore
            if (layer, "mlp") in gone:
                extra = extra.clone()
                extra[at] -= gone[layer, "mlp"]
            if past or (dictionary and dictionary.document.site.writes is Place.MLP_ADDED):
                x = mid + adapter.post_norm(layer, "mlp", write) + extra
            else:
                x = mid + adapter.post_norm(layer, "mlp", write + extra)
        return self.logit(x, part.index or 0)

    def logit(self, x: Tensor, token: int) -> float:
        adapter = self.adapter
        weight, bias = adapter.unembedding()
        final = adapter.norm(adapter.shape.n_layers, "logits", x)[-1]
        logits = final @ weight.T + (0 if bias is None else bias)
        return float(logits[token] - logits.mean())

    def whole(self, target: str, share: float, token: int) -> float:
        """A logit of the whole model where a target writes so much less of what it writes."""
        adapter, written = self.adapter, written_of(self.traced, target)
        x = torch.stack([each[0] for each in adapter.embed_parts(self.batch).values()]).sum(0)
        for layer in range(adapter.shape.n_layers):
            raw = self._attention(layer, x).clone()
            if (layer, "attn") in written.writes:
                raw[written.position] -= share * written.writes[layer, "attn"]
            mid = x + adapter.post_norm(layer, "attn", raw)
            stream = x if adapter.parallel else mid
            write = adapter.mlp(layer, adapter.norm(layer, "mlp", stream)[None])[0].clone()
            less = torch.zeros_like(write)
            if (layer, "mlp") in written.writes:
                less[written.position] = share * written.writes[layer, "mlp"]
            if written.past:
                x = mid + adapter.post_norm(layer, "mlp", write) - less
            else:
                x = mid + adapter.post_norm(layer, "mlp", write - less)
        return self.logit(x, token)

    def _attention(self, layer: int, x: Tensor) -> Tensor:
        adapter = self.adapter
        normed = adapter.norm(layer, "attn", x[None])
        q, k, v = (adapter.project(self.batch, layer, c, normed) for c in ("q", "k", "v"))
        found = adapter.attn_sum(layer, adapter.mix(self.batch, layer, q, k, v))[0]
        const = adapter.attn_const(layer)
        return found if const is None else found + const

    def _head(self, layer: int, part: Component, streams: dict[str, Tensor]) -> float:
        adapter = self.adapter
        q, k, v = (
            adapter.project(self.batch, layer, c, adapter.norm(layer, "attn", streams[c][None]))
            for c in ("q", "k", "v")
        )
        write = adapter.head_out(layer, adapter.mix(self.batch, layer, q, k, v))
        own = write[0, part.head or 0, part.position or 0]
        along = written_of(self.traced, part.name).writes[layer, "attn"]
        return float(own @ along / along.norm())

    def _place(self, layer: int, stream: Tensor, dictionary: Dictionary) -> Tensor:
        adapter, reads = self.adapter, dictionary.document.site.reads
        if reads is Place.RESID_MID:
            return stream
        x = adapter.norm(layer, "mlp", stream)
        if reads is Place.MLP_IN:
            return x
        return adapter.post_norm(layer, "mlp", adapter.mlp(layer, x[None])[0])


CASES = ["neurons", "transcoders", "saes"]


def cut(adapter: DecoderAdapter, case: str) -> list[Dictionary]:
    if case == "neurons":
        return [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]
    writes = Place.MLP_ADDED if adapter.post_norms else Place.MLP_OUT
    reads = [Place.MLP_IN, Place.RESID_MID] if case == "transcoders" else [writes, writes]
    skip = case == "transcoders"
    return [
        made(adapter, Site(reads=place, writes=writes, layer=layer), seed=layer, skip=skip, top=5)
        for layer, place in enumerate(reads)
    ]


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", ["gpt2", "llama-biased", "gemma2", "neox-parallel", "qwen3"])
@torch.no_grad()
def test_an_edges_test_is_the_intervention_that_it_says(
    family: str, case: str, heads: bool
) -> None:
    adapter = tiny(family, torch.float64)
    dictionaries = cut(adapter, case)
    traced = trace(adapter, TOKENS, dictionaries, Trace(max_feature_nodes=25, heads=heads))
    strong: list[tuple[float, tuple[str, str, Channel]]] = []
    for channel, square in traced.weights.items():
        for target, source in square.nonzero().tolist():
            edge = (traced.names[source], traced.names[target], channel)
            strong.append((abs(float(square[target, source])), edge))
    strong.sort(reverse=True)
    edges = [edge for _, edge in strong[:: max(1, len(strong) // 15)]]
    assert len({edge[0].partition("@")[0].rpartition(".")[2][:1] for edge in edges}) > 2
    found = exact_edges(traced, edges)
    plain = OneEdge(traced, adapter, dictionaries)
    for number, edge in enumerate(edges):
        target, channel = edge[1], edge[2]
        before = plain.value(None, target, read=channel)
        wanted = before - plain.value(edge, target, read=channel)
        assert abs(wanted - float(found.exact[number])) < 1e-4, edge
        if not target.startswith("logits"):
            value = float(traced.values[traced.names.index(target)])
            assert abs(before - value) < 1e-5
            for i, token in enumerate(traced.logits.token.tolist()[:2]):
                clean = plain.whole(target, 0, token)
                lost = clean - plain.whole(target, wanted / value, token)
                assert abs(lost - float(found.logits[number, i])) < 1e-4, edge
