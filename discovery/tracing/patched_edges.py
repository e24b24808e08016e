"""What the strongest edges do in truth: a source's write taken out of what its target reads.

An edge of the graph runs through attention and through no other unit. So what other units write is
held, and heads where they are nodes; whatever else lies between, norms, attention and the target's
own nonlinearity, is computed anew. What the target's value loses is the edge's exact counterpart,
equal to its weight as far as the graph's linearity holds. Then the changed target is put into the
whole model, where nothing is held, and the logits are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.models import Batch
from discovery.models.half import product
from discovery.tracing.cut import Cut
from discovery.tracing.frozen import FrozenNorm, Grad
from discovery.tracing.heads import Heads
from discovery.tracing.nodes import Reader, Written, reader_of, written_of
from discovery.tracing.tracing import Traced
from graph_schema.documents import Channel

TOGETHER = 32
"""Edges that are tested side by side."""
Report = Callable[[int, int], None]
Test = tuple[Written, Reader, Channel]


@dataclass(frozen=True)
class Tested:
    """Of each edge: what its target's value loses, and what each logit node's value does.

    The logits' loss is of the whole model with the target's value changed; of an edge into a logit
    it is that logit's alone.
    """

    exact: Float[Tensor, " edge"]
    logits: Float[Tensor, "edge logit"]


@torch.no_grad()
def exact_edges(
    traced: Traced,
    edges: Sequence[tuple[str, str, Channel]],
    progress: Report | None = None,
) -> Tested:
    """Test edges, given by sender, receiver and channel."""
    values = traced.logits.value
    found = Tested(values.new_zeros(len(edges)), values.new_zeros((len(edges), len(values))))
    tests = [(written_of(traced, s), reader_of(traced, t), channel) for s, t, channel in edges]
    order = sorted(range(len(edges)), key=lambda i: tests[i][0].first)
    for start in range(0, len(order), TOGETHER):
        if progress:
            progress(start, len(order))
        index = order[start : start + TOGETHER]
        run = _Run(traced, [tests[i] for i in index])
        found.exact[index] = run.lost()
        found.logits[index] = run.at_logits(found.exact[index])
    return found


class _Run:
    """Tests side by side: `change` is what the stream is more than on the clean run."""

    def __init__(self, traced: Traced, tests: Sequence[Test]) -> None:
        self.traced, self.model, self.tests = traced, traced.model, tests
        self.adapter = traced.model.adapter
        tokens = self.model.batch.tokens.expand(len(tests), -1)
        self.batch: Batch = self.adapter.batch(tokens)
        self.last = max(test[1].layer for test in tests)

    def _nothing(self) -> Grad:
        return torch.zeros_like(self.model.final.normed).repeat(len(self.tests), 1, 1)

    def lost(self) -> Float[Tensor, " test"]:
        """What each target's value loses where its source is taken out."""
        change, found = self._nothing(), self.model.final.normed.new_zeros(len(self.tests))
        self._take(-1, "mlp", change, past=None)
        first = max(0, min(test[0].first for test in self.tests))
        for layer in range(first, min(self.last + 1, len(self.model.layers))):
            self._heads(layer, change, found)
            before = change
            change = before + self._attention_change(layer, before)
            read = before if self.adapter.parallel else change
            self._units(layer, read, found)
            change = change + self._mlp_change(layer, read)
        self._logits(change, found)
        return found

    def _take(self, layer: int, sublayer: str, into: Tensor, *, past: bool | None) -> bool:
        """Take the sources' writes at a place out of `into`; whether there were any."""
        some = False
        for row, (source, _, _) in enumerate(self.tests):
            write = source.writes.get((layer, sublayer))
            if write is not None and past in (None, source.past):
                into[row, source.position] -= write
                some = True
        return some

    def _attention_change(self, layer: int, change: Grad) -> Grad:
        """What attention adds more, or the heads alone that are taken out where heads are nodes."""
        here = self.model.layers[layer]
        if self.traced.sources.heads:
            raw = self._nothing()
            if not self._take(layer, "attn", raw, past=None):
                return raw
            return _added(here.attn_added, self._raw_attention(layer) + raw)
        if not bool(change.any()):
            return change
        return self._attention(layer, change)

    def _raw_attention(self, layer: int) -> Tensor:
        raw = self.adapter.attn_sum(layer, self.model.layers[layer].z[None])[0]
        const = self.adapter.attn_const(layer)
        return raw if const is None else raw + const

    def _attention(self, layer: int, change: Grad) -> Grad:
        """What attention adds more where it reads more, nothing held."""
        adapter, here = self.adapter, self.model.layers[layer]
        normed = _normed(here.attn_norm, here.resid + change)
        q = adapter.project(self.batch, layer, "q", normed)
        k = adapter.project(self.batch, layer, "k", normed)
        v = adapter.project(self.batch, layer, "v", normed)
        raw = adapter.attn_sum(layer, adapter.mix(self.batch, layer, q, k, v))
        const = adapter.attn_const(layer)
        return _added(here.attn_added, raw if const is None else raw + const)

    def _mlp_change(self, layer: int, read: Grad) -> Grad:
        """What an MLP adds more: less the source, and what passes its units where they are cut."""
        here = self.model.layers[layer]
        raw, past = self._nothing(), self._nothing()
        some = self._take(layer, "mlp", raw, past=False)
        self._take(layer, "mlp", past, past=True)
        for units in self.traced.sources.units:
            cut = units.cut
            if isinstance(cut, Cut) and cut.layer == layer and cut.skip_weights is not None:
                more = cut.at(here.stream + read) - cut.x
                (past if cut.past_norm else raw).add_(product(more, cut.skip_weights.T))
                some = some or not cut.past_norm
        return past + _added(here.mlp_added, here.write + raw) if some else past

    def _heads(self, layer: int, change: Grad, found: Tensor) -> None:
        adapter, here = self.adapter, self.model.layers[layer]
        for channel in (Channel.Q, Channel.K, Channel.V):
            rows = [
                row
                for row, (_, target, on) in enumerate(self.tests)
                if target.layer == layer and isinstance(target.cut, Heads) and on is channel
            ]
            if not rows:
                continue
            normed = _normed(here.attn_norm, here.resid + change[rows])
            batch = adapter.batch(self.model.batch.tokens.expand(len(rows), -1))
            clean = {Channel.Q: here.q, Channel.K: here.k, Channel.V: here.v}
            given = [
                adapter.project(batch, layer, each.value, normed)  # pyright: ignore
                if each is channel
                else value.expand(len(rows), *value.shape)
                for each, value in clean.items()
            ]
            z = adapter.mix(batch, layer, *given)
            writes = adapter.head_out(layer, z)
            for i, row in enumerate(rows):
                target = self.tests[row][1]
                assert target.written is not None, "heads write"
                (own,) = target.written.writes.values()
                now = writes[i, target.unit, target.position] @ own / target.value
                found[row] = target.value - now

    def _units(self, layer: int, read: Grad, found: Tensor) -> None:
        here = self.model.layers[layer]
        rows = [
            row
            for row, (_, target, _) in enumerate(self.tests)
            if target.layer == layer and isinstance(target.cut, Cut)
        ]
        if not rows:
            return
        targets = [self.tests[row][1] for row in rows]
        cut = targets[0].cut
        assert isinstance(cut, Cut), "chosen above"
        unit = torch.tensor([each.unit for each in targets])
        position = torch.tensor([each.position for each in targets])
        x = cut.at(here.stream + read[rows])[torch.arange(len(rows)), position]
        now = cut.dictionary.encode(x, unit).diagonal()
        found[rows] = torch.tensor([each.value for each in targets]).to(now) - now

    def _logits(self, change: Grad, found: Tensor) -> None:
        lost = self._logits_lost(change)
        for row, (_, target, _) in enumerate(self.tests):
            if target.cut is None:
                found[row] = lost[row, target.unit]

    def _logits_lost(self, change: Grad) -> Float[Tensor, "test logit"]:
        """What each logit node's value loses under a change of the final stream."""
        final = self.model.final
        more = _normed(final, self.traced.model.resid + change)[:, -1] - final.normed[-1]
        return -(more @ self.traced.logits.columns.T)

    def at_logits(self, lost: Float[Tensor, " test"]) -> Float[Tensor, "test logit"]:
        """What the logits lose in the whole model where each target's value is what it lost."""
        change = self._nothing()
        layers = [test[1].layer for test in self.tests if test[1].cut is not None]
        for layer in range(min(layers, default=len(self.model.layers)), len(self.model.layers)):
            here, before = self.model.layers[layer], change
            started = bool(before.any())
            raw, past = self._put(layer, "attn", lost)
            attn = self._attention(layer, before) if started else torch.zeros_like(before)
            if raw is not None:
                attn = attn + _added(here.attn_added, self._raw_attention(layer) + raw)
            change = before + attn + past
            read = before if self.adapter.parallel else change
            if bool(read.any()):
                weights = here.mlp.weights
                write = weights.write(weights.neurons(_normed(here.mlp_norm, here.stream + read)))
            else:
                write = here.write.expand_as(read)
            raw, past = self._put(layer, "mlp", lost)
            change = change + past
            change = change + _added(here.mlp_added, write if raw is None else write + raw)
        found = self._logits_lost(change)
        for row, (_, target, _) in enumerate(self.tests):
            if target.cut is None:
                found[row] = 0
                found[row, target.unit] = lost[row]
        return found

    def _put(
        self, layer: int, sublayer: str, lost: Float[Tensor, " test"]
    ) -> tuple[Grad | None, Grad]:
        """Changes of targets' own writes at a place: before the norm that follows, and past it."""
        raw, past, some = self._nothing(), self._nothing(), False
        for row, (_, target, _) in enumerate(self.tests):
            write = target.written and target.written.writes.get((layer, sublayer))
            if write is None or target.written is None:
                continue
            share = lost[row] / target.value
            (past if target.written.past else raw)[row, target.position] -= share * write
            some = some or not target.written.past
        return raw if some else None, past


def _normed(norm: FrozenNorm, x: Grad) -> Grad:
    """The norm with its size computed anew."""
    return x if norm.norm is None else norm.norm(x)


def _added(norm: FrozenNorm, raw: Grad) -> Grad:
    """What a sublayer adds to the stream more than on the clean run, from its own output."""
    return _normed(norm, raw) - norm.normed
