"""Keys and values of grouped queries patched together: against loops that patch the whole group."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix, Graph
from discovery.engine.restart import Restart
from discovery.engine.state import State
from discovery.methods.acdc import Pruner
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.integrated_gradients import eap_ig
from discovery.methods.selection import select
from discovery.models import ModelAdapter
from graph_schema.documents import AblationSpec, EapIg, Metric, Threshold, TopEdges
from graph_schema.documents.method import Receivers
from tests.discovery import textbook, textbook_acdc
from tests.discovery.cases import made_pairs, tiny_gpt2, tiny_llama
from tests.discovery.models.families import tiny
from tests.discovery.textbook_acdc import patched_together

PAIRS = made_pairs(4)
GROUP = 2
"""Query heads that share keys and values in both models."""


def _experiment(adapter: ModelAdapter, receivers: Receivers = "kv_group") -> Experiment:
    return Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS, receivers=receivers)


def _closed(graph: Graph, kept: BoolMatrix) -> bool:
    return all(
        (kept[:, patched_together(graph, receiver, GROUP)] == kept[:, [receiver]]).all()
        for receiver in range(graph.n_receivers)
    )


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_exact_scores_equal_patching_the_whole_group_by_hand(family: str) -> None:
    experiment = _experiment(tiny(family, torch.float64))
    graph = experiment.graph
    each = np.zeros((len(PAIRS), graph.n_edges), dtype=np.float32)
    scores = graph.to_matrix(exact(experiment, PAIRS, chunk=3, per_pair=each))
    bench = experiment.bench(experiment.chunks(PAIRS, 4)[0])
    clean = bench.objective.loss(textbook.logits(bench, graph.upstream)).mean()
    for sender, receiver in np.argwhere(graph.upstream)[::7]:
        kept = graph.upstream.copy()
        kept[sender, patched_together(graph, receiver, GROUP)] = False
        loss = bench.objective.loss(textbook.logits(bench, kept)).mean()
        assert scores[sender, receiver] == pytest.approx(float(loss - clean), abs=2e-5)
    np.testing.assert_allclose(graph.to_list(scores), each.mean(0), atol=1e-6)
    alone = graph.to_matrix(exact(_experiment(tiny(family, torch.float64), "query_head"), PAIRS))
    lead, other = patched_together(graph, graph.receiver_names.index("a1.h1<k>"), GROUP)
    together, apart = scores[0, lead], alone[0, lead] + alone[0, other]
    assert abs(together - apart) > 1e-4  # exact effects do not add up


def test_linear_scores_are_summed_over_the_group() -> None:
    together, apart = _experiment(tiny_llama()), _experiment(tiny_llama(), "query_head")
    graph = together.graph
    for score in (eap, partial(eap_ig, method=EapIg(steps=2))):
        alone = graph.to_matrix(score(apart, PAIRS))
        found = graph.to_matrix(score(together, PAIRS))
        for receiver in range(graph.n_receivers):
            wanted = alone[:, patched_together(graph, receiver, GROUP)].sum(1)
            np.testing.assert_allclose(found[:, receiver], wanted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "threshold"), [("llama", 0.1), ("gemma3", 0.1)])
def test_acdc_keeps_what_a_loop_over_whole_groups_keeps(family: str, threshold: float) -> None:
    experiment = _experiment(tiny(family, torch.float64))
    graph = experiment.graph
    benches = [experiment.bench(examples) for examples in experiment.chunks(PAIRS, 2)]
    pruned = Pruner(experiment, PAIRS, chunk=2).run(threshold)
    wanted = textbook_acdc.acdc(benches, threshold, group=GROUP)
    assert graph.names(pruned.kept) == graph.names(wanted)
    assert 0 < pruned.n_edges < graph.n_edges
    assert _closed(graph, pruned.kept)


def test_a_restart_follows_the_live_heads_of_a_group_alone() -> None:
    experiment = _experiment(tiny_llama())
    graph = experiment.graph
    bench = experiment.bench(experiment.chunks(PAIRS, 4)[0])
    kept = graph.upstream.copy()
    kept[graph.sender_names.index("a0.h1")] = False  # of the group a0.h0, a0.h1
    for first in ("a0.h0<k>", "a0.h2<v>", "a1.h2<v>"):
        unit = patched_together(graph, graph.receiver_names.index(first), GROUP)
        with Restart(State(bench, kept, restartable=True), *unit) as restart:
            found = restart.without(0)
            without = kept.copy()
            without[0, unit] = False
            wanted = bench.objective.loss(textbook.logits(bench, without))
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
            restart.accept()
            torch.testing.assert_close(restart.loss, wanted, atol=1e-5, rtol=0)


def test_a_circuit_keeps_or_drops_a_groups_edges_together() -> None:
    experiment = _experiment(tiny_llama())
    graph, scores = experiment.graph, exact(experiment, PAIRS)
    seen: set[int] = set()
    for n_edges in range(1, 40):
        selected = select(graph, scores, TopEdges(n_edges=n_edges))
        assert _closed(graph, selected.kept)
        assert selected.kept.sum() <= n_edges
        if any("group" in note for note in selected.notes):
            seen.add(n_edges)
    assert seen  # some sizes would cut a group in two
    limit = float(np.sort(np.abs(scores))[-30])
    assert _closed(graph, select(graph, scores, Threshold(threshold=limit)).kept)


def test_without_grouped_queries_nothing_changes() -> None:
    assert _experiment(tiny_gpt2()).graph == _experiment(tiny_gpt2(), "query_head").graph
