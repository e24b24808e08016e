"""Ablated values of what is no sender: units' coefficients, heads' mixtures, whole sublayers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.protocol import Dictionary
from discovery.engine.ablation import Example
from discovery.engine.experiment import Experiment, pad
from discovery.engine.forward import KeysValues, mix
from discovery.engine.window import Window
from discovery.methods.node_run import Heads, Mix, NodeRun, Stream, Totals, node_run
from discovery.methods.rules import Gradients
from discovery.models import Batch, Sublayer
from graph_schema.documents import Ablation

SUBLAYERS: tuple[Sublayer, ...] = ("attn", "mlp")


@dataclass(frozen=True)
class Ablated:
    """One chunk's ablated values: by dictionary, by layer, and of whole sublayers."""

    units: Sequence[Float[Tensor, "batch pos _"]]
    z: Sequence[Heads]
    totals: Totals


class AblatedNodes:
    """Ablated values under an experiment's ablation.

    A sublayer in `past` has a dictionary past the norm that follows it: its parts add up there.
    """

    def __init__(
        self,
        experiment: Experiment,
        dictionaries: Sequence[Dictionary],
        past: Collection[tuple[int, Sublayer]],
    ) -> None:
        self._experiment, self._adapter = experiment, experiment.adapter
        self._dictionaries, self._past = tuple(dictionaries), past
        self._means = experiment.ablator.means(self._shown)

    def of(self, examples: Sequence[Example], batch: Batch, window: Window) -> Ablated:
        """At the window's positions; `batch` holds the examples' whole clean prompts."""
        if sources := [each.source for each in examples if each.source is not None]:
            whole = pad(self._adapter, sources)
            part = self._adapter.cut(whole, window.start) if window.start else whole
            return self._parted(self._shown(part, window.before))
        found = self._nothing(batch)
        if self._experiment.ablator.kind is Ablation.MEAN:
            prompts = [example.pair.clean for example in examples]
            own = self._shown(batch) if self._means.need_own(prompts) else None
            self._means.put(prompts, own, found)
        return self._parted(found)

    @torch.no_grad()
    def _shown(self, batch: Batch, before: Sequence[KeysValues] = ()) -> list[Tensor]:
        """All that is ablated, as a run of the model has it; the batch is the second axis."""
        run = node_run(self._adapter, Gradients(self._adapter), batch, self._mix(batch, before))
        return [
            *(each.encode(run.encoded(each))[None] for each in self._dictionaries),
            *(layer.z.movedim(1, 0) for layer in run.layers),
            run.own_inputs,
            *(self._total(run, *key)[None] for key in self._sublayers),
        ]

    def _nothing(self, batch: Batch) -> list[Tensor]:
        """Zeros in their place."""
        shape, like = self._adapter.shape, torch.zeros(0, dtype=self._experiment.dtype)
        like = like.to(self._adapter.device)
        sizes = [(1, each.document.width) for each in self._dictionaries]
        sizes += [(shape.n_heads, shape.d_head)] * shape.n_layers
        sizes += [(self._experiment.graph.n_inputs, shape.d_model)]
        sizes += [(1, shape.d_model)] * len(self._sublayers)
        return [like.new_zeros((rows, *batch.tokens.shape, width)) for rows, width in sizes]

    def _parted(self, found: Sequence[Tensor]) -> Ablated:
        n_units, n_layers = len(self._dictionaries), self._adapter.shape.n_layers
        units, rest = found[:n_units], found[n_units:]
        z, first, sums = rest[:n_layers], rest[n_layers], rest[n_layers + 1 :]
        layers: list[dict[Sublayer, Stream]] = [{} for _ in range(n_layers)]
        for (layer, sublayer), total in zip(self._sublayers, sums, strict=True):
            layers[layer][sublayer] = total[0]
        return Ablated(
            [each[0] for each in units],
            [each.movedim(0, 1) for each in z],
            Totals(first, layers, self._past),
        )

    def _total(self, run: NodeRun, layer: int, sublayer: Sublayer) -> Stream:
        """What a sublayer writes: past its norm where its parts add up there, else raw."""
        here = run.layers[layer]
        if (layer, sublayer) in self._past:
            return here.attn_added if sublayer == "attn" else here.mlp_added
        return here.own_attn if sublayer == "attn" else here.own_mlp

    @property
    def _sublayers(self) -> list[tuple[int, Sublayer]]:
        return list(product(range(self._adapter.shape.n_layers), SUBLAYERS))

    def _mix(self, batch: Batch, before: Sequence[KeysValues]) -> Mix:
        def mixed(layer: int, q: Heads, k: Heads, v: Heads) -> Heads:
            return mix(self._adapter, batch, layer, q, k, v, before[layer] if before else None)

        return mixed
