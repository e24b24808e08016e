"""Whole components ablated: the engine's loss without their edges, from one state."""

from __future__ import annotations

import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.engine.silence import silenced
from discovery.engine.state import State
from graph_schema.documents import AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_silencing_is_dropping_every_edge_out(family: str) -> None:
    metric = Metric.KL if family == "llama" else Metric.LOGIT_DIFF
    pairs = made_pairs(4, shared=1)
    experiment = Experiment(tiny(family), metric, AblationSpec(), pairs)
    graph = experiment.graph
    (examples,) = experiment.chunks(pairs, 8)
    bench = experiment.bench(examples)
    state = State(bench, graph.upstream, restartable=True)
    before, clean = state.delta.dense.clone(), state.loss.clone()
    for senders in ([s] for s in range(graph.n_senders)):
        _check(state, senders)
    _check(state, [graph.n_inputs, graph.n_senders - 2])
    assert torch.equal(state.delta.dense, before)
    assert torch.equal(state.loss, clean)


def _check(state: State, senders: list[int]) -> None:
    kept = state.graph.upstream.copy()
    kept[senders] = False
    wanted = State(state.bench, kept)
    found = silenced(state, senders)
    assert torch.allclose(found.loss, wanted.loss, atol=1e-5)
    assert torch.allclose(found.last, wanted.last, atol=1e-5)
