"""Which units become nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from discovery.dictionaries import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.models import DecoderAdapter
from discovery.tracing import trace
from discovery.tracing.choosing import columns_of
from discovery.tracing.cut import Cut
from discovery.tracing.frozen import FrozenModel
from discovery.tracing.logits import logits_of
from discovery.tracing.reach import reach
from graph_schema.attribution_graphs import AttributionGraph, node_influence
from graph_schema.documents import Channel, Trace
from graph_schema.documents.dictionary import Place, Site
from tests.discovery.dictionaries_made import made
from tests.discovery.models.families import tiny

TOKENS = (3, 17, 8, 3, 22, 11)


def dictionaries(adapter: DecoderAdapter, kind: str) -> list[Dictionary]:
    if kind == "neurons":
        return [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]
    writes = Place.MLP_ADDED if adapter.post_norms else Place.MLP_OUT
    site = Site(reads=Place.MLP_IN, writes=writes, layer=0)
    return [made(adapter, site, skip=True), NeuronBasis(adapter, 1)]


@pytest.mark.parametrize("kind", ["neurons", "transcoder"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3", "olmo2", "neox-parallel"])
def test_reach_is_what_flows_from_a_unit_on_all_paths(family: str, kind: str) -> None:
    adapter = tiny(family, torch.float64)
    basis = dictionaries(adapter, kind)
    whole = trace(adapter, TOKENS, basis, Trace(max_feature_nodes=20_000))
    n, n_logits = whole.sources.n_units, len(whole.logits.token)
    values = torch.from_numpy(whole.values[:n])
    slopes = whole.weights[Channel.R][:, :n] / values
    through = torch.linalg.inv(torch.eye(n, dtype=torch.float64) - slopes[:n])
    total = (slopes[-n_logits:] @ through).abs() * values.abs()
    wanted = (total * whole.logits.probability[:, None]).sum(0)

    model = FrozenModel.of(adapter, list(TOKENS))
    logits = logits_of(model, (), most=10, probability=0.95)
    found = reach(
        model, [Cut(model, each, 1) for each in basis], logits.vectors, logits.probability
    )
    torch.testing.assert_close(torch.cat(found), wanted)


def test_the_columns_are_the_best_of_all_dictionaries() -> None:
    scores = [torch.tensor([0.1, 5, 3]), torch.tensor([]), torch.tensor([4, 0.2])]
    found = [each.tolist() for each in columns_of(scores, 3)]
    assert found == [[1, 2], [], [0]]
    assert [each.tolist() for each in columns_of(scores, 5)] == [[0, 1, 2], [], [0, 1]]


def test_chosen_units_are_those_of_most_influence_on_the_whole_graph() -> None:
    """In steps, and with rests in the way: not the same set, but nearly all of its influence."""
    adapter = tiny("llama", torch.float64, layers=4)
    basis = dictionaries(adapter, "neurons")
    whole = trace(adapter, TOKENS, basis, Trace(max_feature_nodes=20_000))
    logits = np.array([name.startswith("logits") for name in whole.names])
    chances = np.zeros(len(whole.names))
    chances[logits] = whole.logits.probability.numpy()
    none = np.zeros_like(logits)
    graph = AttributionGraph.of(
        whole.weights[Channel.R].numpy(), chances, tokens=none, errors=none, logits=logits
    )
    influence = dict(zip(whole.names, node_influence(graph), strict=True))
    units = {name: each for name, each in influence.items() if ".n" in name}
    n = len(units) // 5
    best = sum(sorted(units.values(), reverse=True)[:n])
    found = trace(adapter, TOKENS, basis, Trace(max_feature_nodes=n))
    chosen = sum(units[name] for name in found.names if ".n" in name)
    assert chosen > 0.95 * best


def test_the_same_prompt_gives_the_same_weights_again() -> None:
    adapter = tiny("gemma3")
    basis = dictionaries(adapter, "neurons")
    first, second = (trace(adapter, TOKENS, basis, Trace(max_feature_nodes=40)) for _ in "ab")
    assert first.names == second.names
    assert float((first.weights[Channel.R] - second.weights[Channel.R]).abs().max()) == 0.0


def test_targets_take_the_place_of_the_likeliest_tokens() -> None:
    adapter = tiny("gpt2")
    basis = dictionaries(adapter, "neurons")
    found = trace(adapter, TOKENS, basis, Trace(), targets=(4, 19))
    assert [name for name in found.names if name.startswith("logits")] == [
        "logits.t4@5",
        "logits.t19@5",
    ]
    assert found.logits.probability.sum() < 1
    one = trace(adapter, TOKENS, basis, Trace(max_n_logits=1))
    assert int(one.logits.token[0]) == int(one.model.logits.argmax())
