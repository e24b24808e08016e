"""Sets of units, each in one forward pass, against the engine's kept sets of their edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.engine.experiment import Experiment
from discovery.engine.pair_values import values
from discovery.engine.splice import Splice
from discovery.evaluation.node_sets import mlp_set_losses, unit_set_losses
from graph_schema.documents import Ablation, AblationSpec, Metric
from graph_schema.documents.dictionary import Place, Site
from graph_schema.errors import SpecError
from tests.discovery.cases import made_pairs
from tests.discovery.dictionaries_made import made
from tests.discovery.models.families import tiny

PAIRS = made_pairs(5, targets=2, shared=1)
POOL = (*PAIRS, *made_pairs(14, seed=9))
CHOSEN = ((0, 2, 7), (1, 4))


def _masks(dictionaries: list[Dictionary]) -> list[NDArray[np.bool_]]:
    return [
        np.isin(np.arange(each.document.width), units)
        for each, units in zip(dictionaries, CHOSEN, strict=True)
    ]


@pytest.mark.parametrize("family", ["gpt2", "llama-biased", "neox-parallel", "gemma3", "olmo2"])
@pytest.mark.parametrize("ablation", [Ablation.CORRUPT, Ablation.MEAN])
@pytest.mark.parametrize("trained", [False, True])
def test_a_set_of_units_is_the_kept_set_of_their_edges(
    family: str, ablation: Ablation, trained: bool
) -> None:
    adapter = tiny(family, torch.float64)
    out = [Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=layer) for layer in range(2)]
    dictionaries: list[Dictionary] = [
        made(adapter, out[layer], seed=layer, top=4) if trained else NeuronBasis(adapter, layer)
        for layer in range(2)
    ]
    spec = AblationSpec(kind=ablation)
    splices = [Splice(each, units) for each, units in zip(dictionaries, CHOSEN, strict=True)]
    spliced = Experiment(adapter, Metric.LOGIT_DIFF, spec, POOL, splices=splices)
    graph = spliced.graph
    names = graph.sender_names
    units = np.array([".n" in name or ".f" in name for name in names])
    rests = np.array([name.endswith(".rest") for name in names])
    errors = np.array([name.endswith(".error") for name in names])
    own, others = graph.upstream.copy(), graph.upstream.copy()
    own[rests | errors] = others[units | errors] = False
    wanted = [each.loss for each in values(spliced, PAIRS, [own, others])]
    whole = Experiment(adapter, Metric.LOGIT_DIFF, spec, POOL)
    masks = _masks(dictionaries)
    sets = [masks, [~mask for mask in masks]]
    found = unit_set_losses(whole, dictionaries, PAIRS, sets, chunk=3)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_set_of_mlps_is_the_kept_set_of_their_edges() -> None:
    adapter = tiny("gemma3", torch.float64)
    experiment = Experiment(adapter, Metric.KL, AblationSpec(), PAIRS)
    graph = experiment.graph
    kept = graph.upstream.copy()
    kept[graph.mlp_sender(0)] = False
    wanted = [each.loss for each in values(experiment, PAIRS, [graph.upstream, kept])]
    sets = [np.array([True, True]), np.array([False, True])]
    np.testing.assert_allclose(mlp_set_losses(experiment, PAIRS, sets), wanted, atol=1e-6)


def test_dictionaries_of_other_places_are_refused() -> None:
    adapter = tiny("gpt2")
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS)
    head = made(adapter, Site(reads=Place.HEAD_OUT, writes=Place.HEAD_OUT, layer=0, head=0))
    neurons = NeuronBasis(adapter, 0)
    for dictionaries, says in (([head], "raw output"), ([neurons, neurons], "two dictionaries")):
        with pytest.raises(SpecError, match=says):
            unit_set_losses(experiment, dictionaries, PAIRS, [])
