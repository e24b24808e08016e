"""Preset `full`: redundancy, chance and stability against slow twins and by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.engine.forward import run as run_model
from discovery.engine.graph import Graph
from discovery.engine.pair_values import values
from discovery.evaluation.chance import (
    activation_differences,
    alike_by_layer,
    by_activation_difference,
)
from discovery.evaluation.measured import Measured
from discovery.evaluation.random_circuits import PathSampler
from discovery.evaluation.removals import changes, edges_of, inflated, redundant_share
from discovery.evaluation.specificity import n_kept, shuffled
from discovery.evaluation.stability import GroupScores, jaccard, stability
from discovery.methods.eap import eap
from discovery.methods.selection import top
from graph_schema.documents import Ablation, AblationSpec, Evaluation, Metric, Split, TopEdges
from tests.discovery.cases import done_pairs, judged, made_pairs, tiny_gpt2, tiny_llama
from tests.discovery.jobs.test_discover import data, run

PAIRS = done_pairs(tiny_gpt2(), 12)


def _experiment(ablation: AblationSpec | None = None) -> Experiment:
    return Experiment(tiny_gpt2(), Metric.LOGIT_DIFF, ablation or AblationSpec(), PAIRS)


def _circuit(experiment: Experiment, n_edges: int) -> np.ndarray:
    return top(experiment.graph, eap(experiment, PAIRS), n_edges, "abs")


@pytest.mark.parametrize(
    "ablation", [AblationSpec(), AblationSpec(kind=Ablation.RESAMPLE, draws=2)]
)
def test_removals_equal_runs_of_the_circuit_without_each_edge(ablation: AblationSpec) -> None:
    experiment = _experiment(ablation)
    kept = _circuit(experiment, 25)
    own = edges_of(experiment.graph, kept)
    sampler, rng = PathSampler(experiment.graph, "walks"), np.random.default_rng(0)
    added = inflated(sampler, kept, rng)
    assert added is not None
    larger, [(sender, unit)] = added
    assert not kept[sender, unit].any()
    assert (larger & kept).sum() == kept.sum()
    found = changes(experiment, PAIRS, [(kept, own), added], chunk=5)
    wanted = []
    for whole, edges in ((kept, own), added):
        for edge in edges:
            without = whole.copy()
            without[edge] = False
            before, after = values(experiment, PAIRS, [whole, without])
            wanted.append(after.loss - before.loss)
    assert found == pytest.approx(np.stack(wanted), abs=2e-5)


def test_an_edge_is_redundant_when_faithfulness_moves_by_less_than_a_hundredth() -> None:
    measured = Measured(_experiment(), Split.DISCOVERY, PAIRS, seed=0)
    gap = measured.gap
    effects = np.stack([0.5 * gap, -0.02 * gap, 0.009 * gap, 0 * gap])
    found = redundant_share(measured, effects, [1, 1, 1, 1])
    assert found.value == found.ci_low == found.ci_high == 0.5
    assert found.n == 12
    # An effect that only some groups have may or may not be under a hundredth.
    unsure = np.stack([0 * gap, 0.02 * gap * (np.arange(12) % 2), 0.5 * gap])
    found = redundant_share(measured, unsure, [1, 1, 2])
    assert (found.ci_low, found.ci_high) == (0.25, 0.5)
    # The third takes three edges away: four of six that are redundant.
    assert redundant_share(measured, effects, [1, 1, 3, 1]).value == pytest.approx(2 / 3)


def test_circuits_alike_by_layer_have_the_same_edges_per_layer_pair() -> None:
    graph, rng = Graph(3, 4), np.random.default_rng(0)
    kept = graph.to_matrix(rng.random(graph.n_edges) < 0.2)
    other = alike_by_layer(graph, kept, rng)

    def counts(matrix: np.ndarray) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for name in graph.names(matrix):
            sender, receiver = (part.split(".")[0][1:] for part in name.split("->"))
            key = sender, receiver.split("<")[0]
            found[key] = found.get(key, 0) + 1
        return found

    assert counts(other) == counts(kept)
    assert not np.array_equal(other, kept)


def test_activation_differences_are_norms_of_what_ablation_changes() -> None:
    experiment = _experiment(AblationSpec(kind=Ablation.ZERO))
    found = activation_differences(experiment, PAIRS)
    batch = experiment.adapter.batch(torch.tensor([pair.clean for pair in PAIRS]))
    wanted = experiment.adapter.embed(batch).norm(dim=-1).mean()
    assert found[0] == pytest.approx(float(wanted), rel=1e-5)
    writes = run_model(experiment.adapter, experiment.graph, batch, torch.float32).writes
    last = experiment.graph.mlp_sender(1)
    assert found[last] == pytest.approx(float(writes[last].norm(dim=-1).mean()), rel=1e-5)
    padded = Experiment(tiny_llama(), Metric.LOGIT_DIFF, AblationSpec(), made_pairs(4))
    both = activation_differences(padded, made_pairs(4), chunk=4)
    alone = activation_differences(padded, made_pairs(4), chunk=1)
    assert both == pytest.approx(alone, rel=1e-4, abs=1e-6)  # norms near 0 are float32's rounding


def test_the_largest_senders_come_first() -> None:
    graph = Graph(1, 2)  # input, a0.h0, a0.h1, m0
    kept = by_activation_difference(
        graph, np.array([1.0, 0.0, 5.0, 3.0]), 11, np.random.default_rng(0)
    )
    names = set(graph.names(kept))
    assert {"a0.h1->m0", "a0.h1->logits", "m0->logits"} <= names
    assert not any(name.startswith("a0.h0->") for name in names)


def test_shuffled_pairs_keep_prompts_and_nobody_keeps_their_answers() -> None:
    numbered = tuple(
        replace(pair, answers=((i,),), wrong_answers=((i + 12,),)) for i, pair in enumerate(PAIRS)
    )
    found = shuffled(numbered, Metric.LOGIT_DIFF, np.random.default_rng(0))
    assert [pair.clean for pair in found] == [pair.clean for pair in numbered]
    assert sorted(pair.answers for pair in found) == sorted(pair.answers for pair in numbered)
    assert all(a.answers != b.answers for a, b in zip(found, numbered, strict=True))
    assert all(pair.wrong_answers[0][0] == pair.answers[0][0] + 12 for pair in found)
    assert n_kept(numbered, found, Metric.LOGIT_DIFF) == 0
    by_kl = shuffled(numbered, Metric.KL, np.random.default_rng(0))
    assert [pair.answers for pair in by_kl] == [pair.answers for pair in numbered]
    assert all(a.corrupt != b.corrupt for a, b in zip(by_kl, numbered, strict=True))


def test_pairs_that_are_dealt_an_answer_like_their_own_are_counted() -> None:
    """With two answers about half of the pairs keep theirs: no level of chance."""
    two = tuple(replace(pair, answers=((i % 2,),)) for i, pair in enumerate(PAIRS))
    found = shuffled(two, Metric.LOGIT_DIFF, np.random.default_rng(0))
    kept = sum(a.answers == b.answers for a, b in zip(two, found, strict=True))
    assert n_kept(two, found, Metric.LOGIT_DIFF) == kept
    assert 2 <= kept <= 10
    same = tuple(replace(pair, corrupt=PAIRS[0].corrupt) for pair in PAIRS)
    found = shuffled(same, Metric.KL, np.random.default_rng(0))
    assert n_kept(same, found, Metric.KL) == 12


def test_a_resample_of_groups_has_the_scores_of_its_pairs() -> None:
    experiment = _experiment()
    groups = GroupScores.of(PAIRS, lambda pairs: eap(experiment, pairs))
    assert groups.n == 6
    assert groups.mean(np.ones(6)) == pytest.approx(eap(experiment, PAIRS), abs=1e-5)
    twice = [*PAIRS[:2], *PAIRS[:2], *PAIRS[6:8]]
    counts = np.array([2.0, 0, 0, 1, 0, 0])
    assert groups.mean(counts) == pytest.approx(eap(experiment, twice), abs=1e-5)


def test_edges_that_every_group_agrees_on_are_stable() -> None:
    # One layer, one head: three edges that are strong in every group.
    graph = Graph(1, 1)
    scores = np.zeros((6, graph.n_edges), dtype=np.float32)
    names = graph.names()
    scores[:, names.index("input->logits")] = 3
    scores[:, names.index("input->m0")] = 2
    scores[:, names.index("m0->logits")] = 2
    groups = GroupScores(scores, np.ones(6))
    kept = graph.kept(["input->logits", "input->m0", "m0->logits"])
    found = stability(graph, groups, kept, TopEdges(n_edges=3), seed=0)
    assert found.figures.frequency == pytest.approx(1)
    assert found.figures.sign_stability == pytest.approx(1)
    assert found.figures.jaccard_halves == found.figures.jaccard_groups == 1
    assert found.frequency.sum() == pytest.approx(3)
    # Now m0 counts in one group alone: a draw without that group keeps input->logits only.
    scores[1:, names.index("input->m0")] = scores[1:, names.index("m0->logits")] = 0
    found = stability(graph, groups, kept, TopEdges(n_edges=3), seed=0)
    missing = (5 / 6) ** 6
    place = names.index("m0->logits")
    assert found.frequency[place] == pytest.approx(1 - missing, abs=0.12)


def test_jaccard_counts_edges_of_both_by_edges_of_either() -> None:
    a, b = np.array([1, 1, 0, 0], dtype=bool), np.array([1, 0, 1, 0], dtype=bool)
    assert jaccard(a, b) == pytest.approx(1 / 3)
    assert jaccard(a & ~a, b & ~b) == 1


@pytest.mark.slow
def test_a_job_with_preset_full_tells_all() -> None:
    found = run(evaluation="full")
    [circuit] = found.circuits
    told = judged(circuit)
    assert told.preset == "full"
    assert told.random_circuits is not None
    assert told.random_circuits.n == 100
    by_rule = {chance.rule: chance for chance in told.chance}
    assert set(by_rule) == {"walks", "paths", "layer_pairs", "activation_difference"}
    assert told.random_circuits.rule == "walks"
    assert by_rule["walks"].mean == pytest.approx(told.random_circuits.mean)
    assert by_rule["paths"].n == 100
    assert told.specificity is not None
    assert told.specificity.n_pairs == len(data().discovery)
    assert told.specificity.n_kept is not None
    assert told.specificity.jaccard is not None
    assert 0 <= told.specificity.jaccard <= 1
    assert told.specificity.faithfulness is not None
    names = ["equivalence", "non_equivalence", "independence", "minimality"]
    assert [test.name for test in told.tests] == names
    assert all(test.split is Split.HELDOUT and test.power is not None for test in told.tests)
    assert told.redundant_share is not None
    assert told.redundant_share.split is Split.HELDOUT
    assert told.stability is not None
    assert told.stability.n_groups == 5
    assert all(edge.stability is not None for edge in circuit.edges)
    assert len(found.arrays["stability"]["sign"]) == 75
    assert Evaluation.model_validate_json(told.model_dump_json()) == told


@pytest.mark.slow
def test_full_says_what_acdc_and_kl_cannot_have() -> None:
    selection = {"kind": "threshold", "threshold": 0.05}
    found = run(evaluation="full", method={"name": "acdc"}, selection=selection, metric="kl")
    told = judged(found.circuits[0])
    assert told.stability is not None
    assert told.stability.reason == "acdc would need a run for every resample of the groups"
    assert [test.outcome for test in told.tests][:3] == ["not available"] * 3
    assert data().notes[0] in found.circuits[0].notes


def test_an_evaluation_of_before_is_read() -> None:
    told = judged(run().circuits[0]).model_dump(mode="json")
    for name in ("redundant_share", "chance", "specificity", "tests", "stability"):
        del told[name]
    assert Evaluation.model_validate(told).tests == ()
    del told["random_circuits"]["rule"]
    shuffled = {"rule": "shuffled_pairs", "n": 1, "n_edges": 60.0, "mean": 0.9, "low": 0.9}
    layers = {"rule": "layer_pairs", "n": 100, "mean": 0.1, "low": 0, "high": 0.2}
    told["chance"] = [layers, shuffled]
    found = Evaluation.model_validate_json(json.dumps(told))
    assert [chance.rule for chance in found.chance] == ["layer_pairs"]
    assert found.specificity is not None
    assert (found.specificity.faithfulness, found.specificity.n_edges) == (0.9, 60)
    assert found.specificity.n_kept is None
    assert found.random_circuits is not None
    assert found.random_circuits.rule == "paths"
