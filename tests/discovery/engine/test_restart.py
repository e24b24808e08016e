"""Tries made in one go equal tries made one by one, and leave what was accepted alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Bench, Experiment
from discovery.engine.restart import ROWS, Restart
from discovery.engine.state import State
from graph_schema.documents import AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import tiny

FAMILIES = ["gpt2", "llama", "neox-parallel", "gemma3"]
"""One of each kind: biases, grouped queries, parallel blocks, post-norms with windows."""
PAIRS = made_pairs(8)


def _bench(family: str, metric: Metric = Metric.KL) -> Bench:
    """Where keys and values are patched by group."""
    experiment = Experiment(tiny(family), metric, AblationSpec(), PAIRS, receivers="kv_group")
    return experiment.bench(experiment.chunks(PAIRS, 8)[0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gone", [False, True])
def test_several_tries_equal_running_without_each_edge(family: str, gone: bool) -> None:
    bench = _bench(family)
    graph = bench.experiment.graph
    state = State(bench, graph.upstream, restartable=True)
    before, delta = state.loss.clone(), state.delta.clone()
    for unit in [*graph.units[::4], graph.units[-1]]:
        senders = np.flatnonzero(graph.upstream[:, unit[0]])[::-1][:3].tolist()
        with Restart(state, *unit) as restart:
            losses = restart.ahead(senders, gone=gone)
        without = graph.upstream.copy()
        for number, loss in enumerate(losses):
            if not gone:
                without = graph.upstream.copy()
            without[senders[number], unit] = False
            torch.testing.assert_close(loss, State(bench, without).loss, atol=3e-5, rtol=1e-4)
    assert (state.loss == before).all()
    assert (state.delta == delta).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_accepted_of_several_tries_stays_and_nothing_else(family: str) -> None:
    bench = _bench(family)
    graph, rng = bench.experiment.graph, np.random.default_rng(1)
    state = State(bench, graph.upstream, restartable=True)
    for unit in reversed(graph.units):
        with Restart(state, *unit) as restart:
            senders = np.flatnonzero(graph.upstream[:, unit[0]])[::-1].tolist()
            while senders:
                together, gone = senders[:3], bool(rng.random() < 0.5)
                losses = restart.ahead(together, gone=gone)
                # The first `right` come to what was said, the one after them to the opposite.
                right = int(rng.integers(len(together) + 1))
                accepted = range(right) if gone else range(right, min(right + 1, len(together)))
                for number in accepted:
                    restart.accept(number)
                    assert restart.loss is losses[number]
                senders = senders[right + 1 :]
    fresh = State(bench, state.kept)
    torch.testing.assert_close(state.loss, fresh.loss, atol=3e-5, rtol=1e-4)
    torch.testing.assert_close(state.last, fresh.last, atol=3e-5, rtol=1e-4)
    assert 0.3 < state.kept.sum() / graph.n_edges < 0.7


def test_only_tries_that_share_an_unembedding_are_made_in_one_go() -> None:
    for metric, wanted in ((Metric.KL, ROWS // 8), (Metric.LOGIT_DIFF, 1)):
        bench = _bench("gpt2", metric)
        graph = bench.experiment.graph
        with Restart(State(bench, graph.upstream, restartable=True), graph.logits) as restart:
            assert restart.width == wanted
        with Restart(State(bench, graph.none(), restartable=True), 0) as restart:
            assert restart.width == 1, "a dead receiver's tries cost nothing"
