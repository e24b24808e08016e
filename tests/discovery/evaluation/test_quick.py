"""Figures of merit: what must hold exactly, and a circuit whose figures one can work out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import chi2_contingency

from discovery.engine.experiment import Experiment
from discovery.engine.graph import Graph
from discovery.evaluation.curve import SHARES
from discovery.evaluation.measured import Measured
from discovery.evaluation.quick import evaluate
from discovery.evaluation.random_circuits import PathSampler
from discovery.methods.selection import top
from discovery.tasks.base import TokenPair
from graph_schema.documents import AblationSpec, Metric, Split
from graph_schema.documents.evaluation import PathRule
from graph_schema.errors import NonFiniteError
from graph_schema.intervals import ONE_GROUP, group_interval
from tests.discovery.cases import done_pairs, made_pairs, tiny_gpt2

PAIRS = done_pairs(tiny_gpt2(), 16)


def _measured(pairs: tuple[TokenPair, ...], metric: Metric = Metric.LOGIT_DIFF) -> Measured:
    experiment = Experiment(tiny_gpt2(), metric, AblationSpec(), pairs)
    return Measured(experiment, Split.DISCOVERY, pairs, seed=0)


def test_the_whole_model_is_faithful_and_nothing_is_not() -> None:
    measured = _measured(PAIRS)
    graph = measured.experiment.graph
    assert measured.faithfulness(graph.upstream) == 1
    assert measured.faithfulness(graph.none()) == 0


def test_an_evaluation_says_what_it_was_measured_on() -> None:
    measured, heldout = _measured(PAIRS[:8]), _measured(PAIRS[8:])
    heldout.split = Split.HELDOUT
    graph = measured.experiment.graph
    scores = np.random.default_rng(0).normal(size=graph.n_edges).astype(np.float32)
    kept = top(graph, scores, 60, "abs")
    found = evaluate(measured, heldout, kept, scores, seed=0)
    assert found.faithfulness.split is Split.DISCOVERY
    assert found.heldout_faithfulness.split is found.cmd.split is Split.HELDOUT
    for figure in (found.faithfulness, found.heldout_faithfulness, found.cmd, found.cpr):
        assert figure.n == 8
        assert figure.value is not None
        assert figure.ci_low is not None
        assert figure.ci_high is not None
        assert figure.ci_low <= figure.value <= figure.ci_high
    assert [point.share for point in found.curve] == list(SHARES)
    assert found.curve[-1].faithfulness_abs == found.curve[-1].faithfulness_signed == 1
    assert found.random_circuits is not None
    assert found.random_circuits.n == 10
    assert [losses.split for losses in found.losses] == [Split.DISCOVERY, Split.HELDOUT]


def test_cmd_and_cpr_are_areas_under_the_curve() -> None:
    measured = _measured(PAIRS)
    scores = np.random.default_rng(1).normal(size=measured.experiment.graph.n_edges)
    scores = scores.astype(np.float32)
    kept = top(measured.experiment.graph, scores, 60, "abs")
    found = evaluate(measured, None, kept, scores, seed=0, missing="no pairs")
    by_size = [point.faithfulness_abs for point in found.curve]
    by_sign = [point.faithfulness_signed for point in found.curve]
    wanted = trapezoid(np.abs(1 - np.array(by_size)), SHARES)
    assert found.cmd.value == pytest.approx(wanted)
    assert found.cpr.value == pytest.approx(trapezoid(by_sign, SHARES))
    assert found.heldout_faithfulness.value is None
    assert found.heldout_faithfulness.reason == "no pairs"
    assert found.cmd.split is Split.DISCOVERY


def test_an_empty_circuit_recovers_nothing_and_its_complement_everything() -> None:
    measured = _measured(PAIRS)
    graph = measured.experiment.graph
    found = evaluate(measured, None, graph.none(), None, seed=0)
    assert found.faithfulness.value == 0
    assert found.complement_faithfulness.value == 1
    assert found.random_circuits is None
    assert found.cmd.reason == "this method gives no ranking of edges"


def test_nan_weights_name_the_layer() -> None:
    adapter = tiny_gpt2(seed=7)
    adapter.model.transformer.h[1].mlp.c_fc.weight[0, 0] = float("nan")
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), made_pairs(8))
    with pytest.raises(NonFiniteError, match=r"m1 \(in layer 1\) writes NaN .* in float32"):
        Measured(experiment, Split.DISCOVERY, made_pairs(8), seed=0)


def test_figures_have_the_interval_of_their_groups_or_say_why_not() -> None:
    measured = _measured(PAIRS)
    graph = measured.experiment.graph
    scores = np.random.default_rng(0).normal(size=graph.n_edges).astype(np.float32)
    kept = top(graph, scores, 60, "abs")
    measured.measure([kept])
    found = measured.faithfulness_figure(kept)
    recovered = measured.empty.loss - measured.of(kept).loss
    groups = [pair.group for pair in PAIRS]
    wanted = group_interval(recovered, groups, over=measured.gap, seed=0)
    assert (found.ci_low, found.ci_high, found.reason) == wanted
    assert found.n_groups == len(set(groups))
    alone = _measured(tuple(replace(pair, group="one") for pair in PAIRS))
    alone.measure([kept])
    found = alone.faithfulness_figure(kept)
    assert (found.ci_low, found.ci_high, found.n_groups) == (None, None, 1)
    assert found.reason == ONE_GROUP


def test_random_paths_are_uniform() -> None:
    # 1 layer, 1 head: input->logits; via m0; via the head by q, k or v, and on through m0 or not.
    graph, rng = Graph(1, 1), np.random.default_rng(0)
    sampler = PathSampler(graph, "paths")
    drawn = [tuple(sampler.path(rng)) for _ in range(4000)]
    counts = [drawn.count(path) for path in set(drawn)]
    assert len(counts) == 8
    assert min(counts) > 400
    short = {tuple(sampler.path(rng, longest=1)) for _ in range(20)}
    assert short == {((0, (graph.logits,)),)}


def _walk(graph: Graph, rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    """Shi et al.'s loop, step by step: from the input to a uniform next node till the logits."""
    sender, edges = 0, list[tuple[int, int]]()
    while True:
        receiver = int(rng.choice(np.flatnonzero(graph.upstream[sender])))
        edges.append((sender, receiver))
        if receiver == graph.logits:
            return tuple(edges)
        sender = int(graph.writer[receiver])


@pytest.mark.parametrize("longest", [None, 3])
def test_random_walks_go_to_a_uniform_next_node(longest: int | None) -> None:
    graph, rng, n = Graph(2, 2), np.random.default_rng(0), 6000
    sampler = PathSampler(graph, "walks")
    drawn = Counter(
        tuple((sender, unit[0]) for sender, unit in sampler.path(rng, longest)) for _ in range(n)
    )
    slow: Counter[tuple[tuple[int, int], ...]] = Counter()
    while slow.total() < n:
        walk = _walk(graph, rng)
        slow.update([walk] if longest is None or len(walk) <= longest else [])
    common = [walk for walk, count in slow.items() if count >= 60]
    table = [[counts[walk] for walk in common] for counts in (drawn, slow)]
    assert len(common) > 5
    found: Any = chi2_contingency(table)
    assert found.pvalue > 0.001


def test_walks_are_short_and_paths_are_long() -> None:
    """A random circuit of 100 edges at 30 layers of 9 heads was two paths."""
    graph, rng = Graph(30, 9), np.random.default_rng(0)
    lengths = {
        rule: np.mean([len(PathSampler(graph, rule).path(rng)) for _ in range(20)])
        for rule in get_args(PathRule)
    }
    assert lengths["paths"] > 40
    assert lengths["walks"] < 10


def test_random_circuits_have_the_size_asked_for_and_no_dead_ends() -> None:
    graph, rng = Graph(3, 4), np.random.default_rng(0)
    for n_edges in (1, 7, 60, 150):
        for rule in get_args(PathRule):
            kept = PathSampler(graph, rule).circuit(n_edges, rng)
            assert n_edges - 2 <= kept.sum() <= n_edges
            assert np.array_equal(graph.trim(kept), kept)
