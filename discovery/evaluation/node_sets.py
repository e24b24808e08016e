"""What sets of units are worth: every other unit of the dictionaries ablated for every reader.

A set keeps its units' edges, all of them, and drops those of all other units; heads, embeddings and
components without a dictionary are left as they are. So everybody reads the same stream, and a set
costs one forward pass, however many units there are. It says how many nodes a behaviour needs
before any edge between them is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.dictionaries.protocol import Dictionary
from discovery.engine.experiment import Experiment
from discovery.engine.forward import at_positions
from discovery.engine.metrics import Objective
from discovery.engine.window import Window
from discovery.methods.ablated_nodes import Ablated, AblatedNodes
from discovery.methods.node_run import node_run
from discovery.methods.rules import Gradients, Stream
from discovery.models import ModelAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import Metric
from graph_schema.documents.dictionary import Place
from graph_schema.errors import SpecError

Kept = Sequence[NDArray[np.bool_]]
"""For each dictionary, which of its units are kept."""
READS = (Place.MLP_IN, Place.MLP_OUT)


def unit_set_losses(
    experiment: Experiment,
    dictionaries: Sequence[Dictionary],
    pairs: Sequence[TokenPair],
    sets: Sequence[Kept],
    *,
    chunk: int | None = None,
) -> Float[np.ndarray, "set pair"]:
    """Each set's loss on every pair, mean over the ablation's draws.

    What a dictionary misses is ablated in every set: with trained dictionaries even all units
    together do not give the model back.

    Raises:
        SpecError: A dictionary that is not of an MLP's raw output, or two of one MLP.
    """
    by_layer: dict[int, int] = {}
    for number, dictionary in enumerate(dictionaries):
        site = dictionary.document.site
        if site.reads not in READS or site.writes is not Place.MLP_OUT or len(site.written) > 1:
            raise SpecError(
                f"{dictionary.document.words} is no dictionary of an MLP's raw output, of which "
                "sets of units are judged"
            )
        layer = site.layer
        assert layer is not None, "an MLP is of a layer"
        if layer in by_layer:
            raise SpecError(f"two dictionaries of m{layer}: sets of units are of one")
        by_layer[layer] = number
    nodes = AblatedNodes(experiment, dictionaries, ())
    return _losses(experiment, nodes, pairs, len(sets), chunk, _Units(dictionaries, by_layer, sets))


def mlp_set_losses(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    sets: Sequence[NDArray[np.bool_]],
    *,
    chunk: int | None = None,
) -> Float[np.ndarray, "set pair"]:
    """The same of whole MLPs: a set says which layers' are kept."""
    nodes = AblatedNodes(experiment, (), ())
    return _losses(experiment, nodes, pairs, len(sets), chunk, _Mlps(sets))


@dataclass(frozen=True)
class _Mlps:
    sets: Sequence[NDArray[np.bool_]]

    def rules(self, adapter: ModelAdapter, ablated: Ablated, number: int) -> Gradients:
        gone = {
            layer: ablated.totals.sublayers[layer]["mlp"]
            for layer in np.flatnonzero(~self.sets[number]).tolist()
        }
        return _SomeMlps(adapter, gone)


@dataclass(frozen=True)
class _Units:
    dictionaries: Sequence[Dictionary]
    by_layer: Mapping[int, int]
    sets: Sequence[Kept]

    def rules(self, adapter: ModelAdapter, ablated: Ablated, number: int) -> Gradients:
        parts: dict[int, _Part] = {}
        for layer, place in self.by_layer.items():
            units = torch.from_numpy(np.flatnonzero(self.sets[number][place])).to(adapter.device)
            base = ablated.totals.sublayers[layer]["mlp"]
            less = ablated.units[place][..., units]
            parts[layer] = _Part(self.dictionaries[place], units, base, less)
        return _SomeUnits(adapter, parts)


@dataclass(frozen=True)
class _SomeMlps(Gradients):
    """The model with some MLPs' writes in place of their own."""

    gone: Mapping[int, Stream]

    def mlp(self, layer: int, normed: Stream) -> Stream:
        found = self.gone.get(layer)
        return super().mlp(layer, normed) if found is None else found


@dataclass(frozen=True)
class _Part:
    """Units that are kept of a dictionary, beside all that is ablated."""

    dictionary: Dictionary
    units: Tensor
    base: Stream
    less: Float[Tensor, "batch pos unit"]


@dataclass(frozen=True)
class _SomeUnits(Gradients):
    """The model with MLPs that write ablated values but for some units."""

    parts: Mapping[int, _Part]

    def mlp(self, layer: int, normed: Stream) -> Stream:
        part = self.parts.get(layer)
        if part is None:
            return super().mlp(layer, normed)
        if not len(part.units):
            return part.base
        encoded = normed
        if part.dictionary.document.site.reads is Place.MLP_OUT:
            encoded = super().mlp(layer, normed)
        moved = part.dictionary.encode(encoded, part.units) - part.less
        return part.base + moved @ part.dictionary.directions(part.units).to(moved.dtype)


@torch.no_grad()
def _losses(
    experiment: Experiment,
    nodes: AblatedNodes,
    pairs: Sequence[TokenPair],
    n_sets: int,
    chunk: int | None,
    sets: _Units | _Mlps,
) -> Float[np.ndarray, "set pair"]:
    adapter, found = experiment.adapter, np.zeros((n_sets, len(pairs)))
    share = 1 / experiment.ablator.draws
    for examples in experiment.chunks(pairs, chunk or experiment.fitting(pairs)):
        batch, target, window = experiment.opened(examples)
        ablated = nodes.of(examples, batch, window)
        clean = None
        if experiment.metric is Metric.KL:
            clean = _logits(adapter, Gradients(adapter), window)
        objective = Objective.at(experiment.metric, target, clean)
        index = [example.index for example in examples]
        for number in range(n_sets):
            logits = _logits(adapter, sets.rules(adapter, ablated, number), window)
            loss = objective.loss(logits).double().cpu().numpy()
            np.add.at(found[number], index, share * loss)
    return found


def _logits(adapter: ModelAdapter, rules: Gradients, window: Window) -> Tensor:
    run = node_run(adapter, rules, window.batch, window.mix)
    rows = at_positions(run.resid, window.positions)
    return adapter.logits(adapter.norm(adapter.shape.n_layers, "logits", rows))
