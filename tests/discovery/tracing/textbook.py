"""The slow plain way: a model with everything held, run forward, and differentiated by autograd.

Each source's write is a constant times a leaf that is 1. A target's value is then affine in the
leaves: its derivative by one is the edge, at 1 it is the clean value, at 0 what constants give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.models import DecoderAdapter
from discovery.models.norms import Norm
from graph_schema.documents.dictionary import DictionaryKind, Normalisation, Place


@dataclass
class Held:
    """A norm's size on the clean run, by place."""

    form: Norm | None
    size: Tensor | None = None

    def __call__(self, x: Tensor, *, unit: bool = False) -> Tensor:
        form = self.form
        if form is None:
            return x
        if form.centred:
            x = x - x.mean(-1, keepdim=True)
        if self.size is None:
            self.size = (x.square().mean(-1, keepdim=True) + form.eps).sqrt().detach()
        x = x / self.size
        return x if unit else x * form.weight + (0 if form.bias is None else form.bias)


class Plain:
    """One prompt; the first call to `run` is the clean run, which later ones hold to."""

    def __init__(
        self,
        adapter: DecoderAdapter,
        tokens: Sequence[int],
        dictionaries: Sequence[Dictionary],
        skip: int,
        heads: bool = False,
    ) -> None:
        self.adapter, self.skip, self.dictionaries = adapter, skip, dictionaries
        self.heads = heads
        self.qkv: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self.head_writes: dict[int, Tensor] = {}
        self.head_sizes: dict[tuple[int, str], Tensor] = {}
        self.batch = adapter.batch(torch.tensor([list(tokens)]))
        self.norms: dict[tuple[int, str, bool], Held] = {}
        self.patterns: dict[int, Tensor] = {}
        self.factors: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.clean: dict[tuple[int, Place], Tensor] = {}
        self.codes: dict[int, Tensor] = {}
        self.left: dict[int, Tensor] = {}
        with torch.no_grad():
            self._run_clean()
        self.leaves = {
            name: torch.ones((), dtype=adapter.dtype, requires_grad=True) for name in self._names()
        }

    def norm(self, layer: int, place: str, after: bool = False) -> Held:
        key = (layer, place, after)
        if key not in self.norms:
            self.norms[key] = Held(self.adapter.closed_form(layer, place, after=after))  # pyright: ignore
        return self.norms[key]

    def _places(self, layer: int, stream: Tensor) -> dict[Place, Tensor]:
        """What stands at an MLP, linearly, from the stream that it reads."""
        weights = self.adapter.mlp_weights(layer)
        norm = self.norm(layer, "mlp")
        x = norm(stream)
        pre = x @ (weights.up if weights.gate is None else weights.gate).T
        bias = weights.up_bias if weights.gate is None else weights.gate_bias
        pre = pre if bias is None else pre + bias
        value = None
        if weights.gate is not None:
            value = x @ weights.up.T + (0 if weights.up_bias is None else weights.up_bias)
        if layer not in self.factors:
            held = (weights.act(pre) / pre).detach()
            self.factors[layer] = (held, None)
            if value is not None:
                self.factors[layer] = (held * value.detach(), weights.act(pre).detach())
        first, second = self.factors[layer]
        neurons = first * pre
        if value is not None:
            assert second is not None
            neurons = neurons / 2 + second * value / 2
        out = neurons @ weights.down + (0 if weights.down_bias is None else weights.down_bias)
        return {
            Place.RESID_MID: stream,
            Place.MLP_IN: x,
            Place.MLP_UNIT: norm(stream, unit=True),
            Place.NEURONS: neurons,
            Place.MLP_OUT: out,
            Place.MLP_ADDED: self.norm(layer, "mlp", True)(out),
        }

    def _attention(self, layer: int, x: Tensor) -> Tensor:
        adapter, batch = self.adapter, self.batch
        normed = self.norm(layer, "attn")(x)
        v = adapter.project(batch, layer, "v", normed[None])
        if layer not in self.patterns:
            q, k = (adapter.project(batch, layer, c, normed[None]) for c in ("q", "k"))
            self.qkv[layer] = (q, k, v)
            n = len(x)
            wide = torch.zeros(*k.shape[:2], n, max(n, k.shape[3]), dtype=k.dtype)
            wide[..., range(n), range(n)] = 1
            assert n <= k.shape[3], "prompts of the tests are short"
            self.patterns[layer] = adapter.mix(batch, layer, q, k, wide)[0, ..., :n].detach()
        z = self.patterns[layer] @ v[0]
        if layer not in self.head_writes:
            self.head_writes[layer] = adapter.head_out(layer, z[None])[0]
        raw = torch.einsum("hpe,hed->pd", z, adapter.out_weights(layer))
        const = adapter.attn_const(layer)
        raw = raw if const is None else raw + const
        return self.norm(layer, "attn", True)(raw)

    def _head_sum(self, layer: int, leaves: dict[str, Tensor]) -> Tensor:
        """What attention adds where every head's write is a source."""
        writes = self.head_writes[layer]
        one = torch.ones((), dtype=writes.dtype)
        rows: list[Tensor] = []
        for at in range(writes.shape[1]):
            names = [f"a{layer}.h{head}@{at}" for head in range(len(writes))]
            shares = torch.stack([one if at < self.skip else leaves[name] for name in names])
            rows.append(shares @ writes[:, at])
        raw, const = torch.stack(rows), self.adapter.attn_const(layer)
        return self.norm(layer, "attn", True)(raw if const is None else raw + const)

    def _qk(self, layer: int, channel: str, x: Tensor) -> Tensor:
        """Queries or keys with the size of their norm held."""
        adapter = self.adapter
        cut = adapter.qkv_weights(layer, channel)  # pyright: ignore
        y = torch.einsum("pd,hed->hpe", x, cut.weight)
        y = y if cut.bias is None else y + cut.bias[:, None]
        module = getattr(adapter.attention_module(layer), f"{channel}_norm", None)
        if module is not None:
            form = Norm.of(module)
            assert form is not None
            every = len(form.weight) != y.shape[-1]
            square = y.square().mean((0, 2), keepdim=True) if every else y.square().mean(-1, True)
            size = self.head_sizes.setdefault((layer, channel), (square + form.eps).sqrt().detach())
            weight = form.weight.view(-1, 1, y.shape[-1]) if every else form.weight
            y = y / size * weight
        if adapter.rotary_module() is not None:
            y = adapter.rotary(self.batch, layer, y[None])[0]
        return y.repeat_interleave(adapter.shape.n_heads // len(y), dim=0)

    def head_values(self, layer: int, x: Tensor) -> dict[str, Tensor]:
        """What heads read of a stream by each channel, the others as on the clean run."""
        adapter, found = self.adapter, dict[str, Tensor]()
        normed = self.norm(layer, "attn")(x)
        z = self.patterns[layer] @ adapter.project(self.batch, layer, "v", normed[None])[0]
        q, k, v = (each.detach().requires_grad_() for each in self.qkv[layer])
        with torch.enable_grad():
            mixed = adapter.head_out(layer, adapter.mix(self.batch, layer, q, k, v))[0]
        writes = adapter.head_out(layer, z[None])[0]
        now = {"q": self._qk(layer, "q", normed), "k": self._qk(layer, "k", normed)}
        for head in range(adapter.shape.n_heads):
            for at in range(self.skip, len(x)):
                clean = self.head_writes[layer][head, at]
                along = clean / clean.norm()
                name = f"a{layer}.h{head}@{at}"
                found[f"{name}<v>"] = along @ writes[head, at]
                with torch.enable_grad():
                    own = along @ mixed[head, at]
                grads = torch.autograd.grad(own, (q, k), retain_graph=True)
                for channel, grad in zip("qk", grads, strict=True):
                    found[f"{name}<{channel}>"] = (grad[0] * now[channel]).sum()
        return found

    def _run_clean(self) -> None:
        adapter = self.adapter
        x = torch.stack([each[0] for each in adapter.embed_parts(self.batch).values()]).sum(0)
        for layer in range(adapter.shape.n_layers):
            after = x + self._attention(layer, x)
            places = self._places(layer, x if adapter.parallel else after)
            for place, value in places.items():
                self.clean[layer, place] = value
            x = after + places[Place.MLP_ADDED]
        self.final = self.norm(adapter.shape.n_layers, "logits")(x)
        for number, each in enumerate(self.dictionaries):
            site = each.document.site
            code = each.encode(self.clean[site.layer or 0, site.reads]).clone()
            self.codes[number] = code
        for layer in range(adapter.shape.n_layers):
            if (past := self._past(layer)) is None:
                self.left[layer] = self.clean[layer, Place.MLP_OUT]
                continue
            left = self.clean[layer, Place.MLP_ADDED if past else Place.MLP_OUT]
            for number, each in enumerate(self.dictionaries):
                site = each.document.site
                if layer in site.written:
                    x = self.clean[site.layer or 0, site.reads]
                    left = left - self._to_stream(
                        each, each.decode(self.codes[number], x, layer), layer
                    )
            self.left[layer] = left

    def _past(self, layer: int) -> bool | None:
        found = [d.document.site for d in self.dictionaries if layer in d.document.site.written]
        return found[0].writes is Place.MLP_ADDED if found else None

    def _to_stream(self, dictionary: Dictionary, written: Tensor, layer: int) -> Tensor:
        if dictionary.document.site.writes is not Place.NEURONS:
            return written
        weights = self.adapter.mlp_weights(layer)
        return written @ weights.down + (0 if weights.down_bias is None else weights.down_bias)

    def letter(self, dictionary: Dictionary) -> str:
        return "n" if isinstance(dictionary, NeuronBasis) else "f"

    @cached_property
    def units(self) -> list[tuple[str, int, int, int]]:
        """(name, number of the dictionary, position, unit) of every unit that may be a node."""
        found: list[tuple[str, int, int, int]] = []
        for number, each in enumerate(self.dictionaries):
            for at, unit in self.codes[number].nonzero().tolist():
                if at >= self.skip:
                    layer = each.document.site.layer
                    name = f"m{layer}.{self.letter(each)}{unit}@{at}"
                    found.append((name, number, at, unit))
        return found

    def _names(self) -> list[str]:
        n = self.batch.tokens.shape[1]
        parts = self.adapter.embed_parts(self.batch)
        names = [f"{part}@{at}" for part in parts for at in range(n)]
        names += [name for name, *_ in self.units]
        for layer in self.left:
            names += [f"m{layer}.error@{at}" for at in range(self.skip, n)]
            if self.heads:
                heads = range(self.adapter.shape.n_heads)
                names += [f"a{layer}.h{h}@{at}" for h in heads for at in range(self.skip, n)]
        return names

    def run(self, leaves: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every target's value with the sources' writes scaled by their leaves."""
        adapter, n = self.adapter, self.batch.tokens.shape[1]
        values: dict[str, Tensor] = {}
        x = torch.zeros_like(self.final)
        for part, each in adapter.embed_parts(self.batch).items():
            x = x + torch.stack([leaves[f"{part}@{at}"] * each[0, at] for at in range(n)])
        streams: dict[int, dict[Place, Tensor]] = {}
        for layer in range(adapter.shape.n_layers):
            if self.heads:
                values |= self.head_values(layer, x)
                after = x + self._head_sum(layer, leaves)
            else:
                after = x + self._attention(layer, x)
            places = streams[layer] = self._places(layer, x if adapter.parallel else after)
            for number, each in enumerate(self.dictionaries):
                if each.document.site.layer == layer:
                    for name, found, at, unit in self.units:
                        if found == number:
                            values[name] = self._value(each, number, places, at, unit)
            past = self._past(layer)
            write = torch.stack(
                [
                    self.left[layer][at] * (1 if at < self.skip else leaves[f"m{layer}.error@{at}"])
                    for at in range(n)
                ]
            )
            for number, each in enumerate(self.dictionaries):
                site = each.document.site
                if layer not in site.written:
                    continue
                clean = self.clean[site.layer or 0, site.reads]
                mine = [each for each in self.units if each[1] == number]
                shares = torch.ones_like(self.codes[number])
                if mine:
                    where = torch.tensor([[at, unit] for _, _, at, unit in mine]).T
                    own = torch.stack([leaves[name] for name, *_ in mine])
                    shares = shares.index_put(tuple(where), own)
                rows = (shares * self.codes[number]) @ each.directions(None, layer)
                rows = rows + each.constant(clean, None if layer == site.layer else layer)
                if isinstance(each, LinearDictionary) and each.skip is not None:
                    rows = rows + (places[site.reads] - clean) @ each.skip
                write = write + self._to_stream(each, rows, layer)
            if not past:
                write = self.norm(layer, "mlp", True)(write)
            x = after + write
        final = self.norm(adapter.shape.n_layers, "logits")(x)[-1]
        weight, bias = adapter.unembedding()
        logits = final @ weight.T + (0 if bias is None else bias)
        for token in range(adapter.shape.d_vocab):
            values[f"logits.t{token}@{n - 1}"] = logits[token] - logits.mean()
        return values

    def _value(
        self, dictionary: Dictionary, number: int, places: dict[Place, Tensor], at: int, unit: int
    ) -> Tensor:
        if isinstance(dictionary, NeuronBasis):
            return places[Place.NEURONS][at, unit]
        assert isinstance(dictionary, LinearDictionary)
        site, reading = dictionary.document.site, dictionary.document.reading
        x, clean = places[site.reads][at], self.clean[site.layer or 0, site.reads][at]
        size: Tensor | float = 1.0
        if reading.normalisation is Normalisation.LAYER_NORM:
            size = (clean - clean.mean()).std()
            x = (x - x.mean()) / (size + 1e-5)
        elif reading.normalisation is Normalisation.CONSTANT_NORM:
            size = clean.norm() / len(clean) ** 0.5
            x = x / size
        if reading.subtracts_bias:
            x = x - dictionary.decoder_bias
        value = dictionary.encoder[unit] @ x
        if dictionary.encoder_bias is not None:
            value = value + dictionary.encoder_bias[unit]
        if dictionary.gate is not None:
            value = value * dictionary.gate.magnitude_scale[unit]
            value = value + dictionary.gate.magnitude_bias[unit]
        if dictionary.scale is not None:
            value = value * dictionary.scale[unit]
        return value * size if dictionary.document.kind is DictionaryKind.SAE else value

    def rows(self, targets: Sequence[str]) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
        """Each target's edges by autograd, and what constants give it."""
        values = self.run(self.leaves)
        names = list(self.leaves)
        edges: dict[str, dict[str, float]] = {}
        for target in targets:
            grads = torch.autograd.grad(
                values[target],
                [self.leaves[name] for name in names],
                retain_graph=True,
                materialize_grads=True,
            )
            edges[target] = {
                name: float(grad)
                for name, grad in zip(names, grads, strict=True)
                if abs(float(grad)) > 1e-13
            }
        with torch.no_grad():
            nothing = self.run({name: torch.zeros_like(leaf) for name, leaf in self.leaves.items()})
        return edges, {target: float(nothing[target]) for target in targets}
