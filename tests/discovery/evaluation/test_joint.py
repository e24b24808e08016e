"""Evaluation where keys and values of grouped queries are patched together, against slow twins."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix, Graph
from discovery.engine.pair_values import values
from discovery.evaluation.chance import alike_by_layer, by_activation_difference
from discovery.evaluation.full import Evidence, complete
from discovery.evaluation.measured import Measured
from discovery.evaluation.quick import N_RANDOM, evaluate
from discovery.evaluation.random_circuits import PathSampler
from discovery.evaluation.removals import Removal, changes, edges_of, inflated
from discovery.methods.eap import eap
from discovery.methods.selection import top
from graph_schema.documents import AblationSpec, Metric, Split
from graph_schema.documents.evaluation import PathRule
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import tiny
from tests.discovery.textbook_acdc import patched_together

GROUP = 2
PAIRS = made_pairs(4)
GRAPH = Graph(3, 4, kv_group=GROUP)


def whole(graph: Graph, kept: BoolMatrix) -> bool:
    """Whether every group is kept or dropped as one, looked up receiver by receiver."""
    return all(
        (kept[:, patched_together(graph, receiver, GROUP)] == kept[:, [receiver]]).all()
        for receiver in range(graph.n_receivers)
    )


@pytest.mark.slow
def test_removals_equal_runs_of_the_circuit_without_each_whole_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(N_RANDOM, "full", 10)  # circuits and inflated ones: 100 take long
    experiment = Experiment(
        tiny("llama", torch.float64), Metric.LOGIT_DIFF, AblationSpec(), PAIRS, receivers="kv_group"
    )
    graph = experiment.graph
    assert graph.kv_group == GROUP
    kept = top(graph, eap(experiment, PAIRS), 40, "abs")
    own = edges_of(graph, kept)
    assert sum(len(unit) for _, unit in own) == kept.sum() > len(own)
    removals: list[Removal] = [(kept, own)]
    sampler, rng = PathSampler(graph, "walks"), np.random.default_rng(0)
    while not any(len(unit) == GROUP for _, [(_, unit)] in removals[1:]):
        added = inflated(sampler, kept, rng)
        assert added is not None
        removals.append(added)
    found = changes(experiment, PAIRS, removals, chunk=2)
    wanted: list[np.ndarray] = []
    sizes: list[int] = []
    for larger, edges in removals:
        assert whole(graph, larger)
        for sender, unit in edges:
            without = larger.copy()
            without[sender, patched_together(graph, unit[0], GROUP)] = False
            before, after = values(experiment, PAIRS, [larger, without])
            wanted.append(after.loss - before.loss)
            sizes.append(int(larger.sum() - without.sum()))
    assert found == pytest.approx(np.stack(wanted), abs=1e-9)
    assert sizes[: len(own)] == [len(unit) for _, unit in own]

    # The share of redundant edges, edge by edge: each is redundant if its whole group is.
    measured = Measured(experiment, Split.DISCOVERY, PAIRS, seed=0)
    quick = evaluate(measured, None, kept, None, seed=0, preset="full")
    told, _ = complete(
        quick,
        measured,
        None,
        kept,
        None,
        Evidence("no method", "no method"),
        seed=0,
        progress=lambda _: lambda done, of: None,
    )
    moved = {
        (sender, receiver): abs(effect.sum() / measured.gap.sum())
        for (sender, unit), effect in zip(own, wanted, strict=False)
        for receiver in unit
    }
    redundant = [moved[sender, receiver] < 0.01 for sender, receiver in np.argwhere(kept)]
    assert told.redundant_share is not None
    assert told.redundant_share.value == pytest.approx(np.mean(redundant))
    assert 0 < np.mean(redundant) < 1
    minimality = next(test for test in told.tests if test.name == "minimality")
    assert f"each of {len(own)} edges" in minimality.null
    assert quick.random_circuits is not None
    by_rule = {chance.rule: chance for chance in told.chance}
    assert by_rule["walks"].mean == pytest.approx(quick.random_circuits.mean)
    for rule in ("walks", "paths"):
        assert kept.sum() - GROUP <= by_rule[rule].n_edges <= kept.sum()


@pytest.mark.parametrize("rule", get_args(PathRule))
@pytest.mark.parametrize("n_edges", [1, 8, 61, 150])
def test_random_circuits_are_of_whole_groups_and_have_the_size_asked_for(
    n_edges: int, rule: PathRule
) -> None:
    rng, sampler = np.random.default_rng(0), PathSampler(GRAPH, rule)
    for _ in range(5):
        kept = sampler.circuit(n_edges, rng)
        assert whole(GRAPH, kept)
        assert n_edges - 2 <= kept.sum() <= n_edges
        assert np.array_equal(GRAPH.trim(kept), kept)


def test_circuits_alike_by_layer_are_of_whole_groups() -> None:
    rng = np.random.default_rng(0)
    kept = GRAPH.to_matrix(rng.random(GRAPH.n_edges) < 0.1)
    kept = GRAPH.joint(kept.astype(np.intp)) > 0
    other = alike_by_layer(GRAPH, kept, rng)
    assert whole(GRAPH, other)
    assert not np.array_equal(other, kept)

    def counts(matrix: BoolMatrix) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for name in GRAPH.names(matrix):
            sender, receiver = name.split("->")
            # Layers; k and v, which go in groups, apart from what does not.
            grouped = receiver.endswith(("<k>", "<v>"))
            key = sender.split(".")[0][1:], f"{receiver.split('.')[0][1:]} {grouped}"
            found[key] = found.get(key, 0) + 1
        return found

    assert counts(other) == counts(kept)


def test_the_largest_senders_bring_whole_groups() -> None:
    sizes = np.random.default_rng(0).random(GRAPH.n_senders)
    kept = by_activation_difference(GRAPH, sizes, 60, np.random.default_rng(0))
    assert whole(GRAPH, kept)
