"""Overlap, correlation and differences, worked out by hand and held against scipy."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from graph_schema.comparing.agreement import (
    NO_GROUPS,
    PairMetric,
    overlap,
    pair_differences,
    score_agreement,
)
from graph_schema.comparing.circuits import Known, along_training, compare, compare_all
from graph_schema.documents import Split
from graph_schema.documents.comparison import Comparison, Scope
from graph_schema.errors import SpecError
from graph_schema.intervals import ONE_GROUP
from tests.factories import (
    INDUCTION_EDGES,
    made_edges,
    make_circuit,
    make_edges,
    make_imported,
    make_model,
)
from tests.graph_schema.exchange.neuronpedia.made import data_of, tracer_graph
from tests.graph_schema.exchange.neuronpedia.test_round_trips import circuit_of

A = make_circuit(
    make_edges(
        [
            ("input", "a0.h1", "v", 0.75),
            ("a0.h1", "a1.h2", "k", 1.5),
            ("input", "a1.h2", "q", 0.5),
            ("a1.h2", "logits", "r", 2.0),
        ]
    )
)
B = make_circuit(
    make_edges(
        [
            ("input", "a0.h1", "v", 1.5),
            ("a0.h1", "a1.h2", "k", 3.0),
            ("input", "a1.h2", "q", 1.0),
            ("m0", "logits", "r", -0.1),
            ("input", "m0", "r", 0.3),
        ]
    ),
    job="other",
)


def test_two_circuits_of_a_model_by_hand() -> None:
    found = compare(A, B)
    assert found.scope is Scope.ONE_MODEL
    assert found.edges is not None
    assert (found.edges.n_a, found.edges.n_b, found.edges.n_both) == (4, 5, 3)
    assert found.edges.jaccard == 0.5
    assert found.edges.expected == pytest.approx(20 / 138)
    reached = sum(comb(4, k) * comb(134, 5 - k) for k in (3, 4))
    assert found.edges.p == pytest.approx(reached / comb(138, 5))
    assert found.nodes is not None
    assert (found.nodes.n_a, found.nodes.n_b, found.nodes.n_both) == (2, 3, 2)
    assert found.nodes.universe == 10
    assert found.scores is not None
    assert (found.scores.n, found.scores.same_sign) == (3, 1.0)
    assert found.scores.pearson == pytest.approx(1.0)
    assert [edge.name for edge in found.only_a] == ["a1.h2->logits"]
    assert [edge.name for edge in found.only_b] == ["input->m0", "m0->logits"]
    assert (found.nodes_only_a, found.nodes_only_b) == ((), ("m0",))


def test_a_circuit_is_all_of_itself() -> None:
    found = compare(A, A)
    assert found.edges is not None
    assert found.edges.jaccard == 1.0
    assert (found.only_a, found.only_b, found.differs, found.notes) == ((), (), (), ())


def test_swapping_the_circuits_swaps_the_sides() -> None:
    one, two = compare(A, B), compare(B, A)
    assert (one.only_a, one.only_b) == (two.only_b, two.only_a)
    assert one.edges is not None
    assert two.edges is not None
    assert one.edges.p == pytest.approx(two.edges.p)


def test_a_comparison_survives_its_json() -> None:
    found = compare(A, B)
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_what_else_differs_is_named() -> None:
    other = make_circuit(A.edges, metric="kl", dtype="bfloat16", dataset_sha256="1" * 64)
    assert compare(A, other).differs == ("dataset", "metric", "dtype")
    unknown = make_imported(edges=A.edges, metric="kl")
    assert compare(A, unknown).differs == ("metric",)


def test_across_models_nothing_is_said_of_names() -> None:
    other = make_circuit(A.edges, model=make_model("made/other"))
    found = compare(A, other)
    assert found.scope is Scope.ACROSS_MODELS
    assert found.edges is found.nodes is found.scores is None
    assert (found.only_a, found.only_b) == ((), ())
    assert found.a.faithfulness == found.b.faithfulness == 0.875
    assert "names of nodes and edges stand for different things" in found.notes[0]


def test_checkpoints_compare_like_one_model() -> None:
    later = make_circuit(B.edges, model=make_model("made/tiny-step-2"))
    found = compare(A, later, checkpoints=True)
    assert found.scope is Scope.CHECKPOINTS
    assert found.edges == compare(A, B).edges


def test_models_of_other_sizes_are_no_checkpoints() -> None:
    other = make_circuit(A.edges, model=make_model("made/wide", d_model=64))
    with pytest.raises(SpecError, match="no checkpoints of one run: d_model is 32 and 64"):
        compare(A, other, checkpoints=True)


def test_training_is_followed_from_step_to_step_and_to_its_end() -> None:
    steps = [
        Known(make_circuit(made_edges(n, n_layers=2, n_heads=4), model=make_model(f"made/{n}")))
        for n in (5, 10, 20)
    ]
    found = along_training(steps)
    assert found.scope is Scope.CHECKPOINTS
    shares = [
        tuple(each and each.jaccard for each in (step.edges_before, step.edges_last))
        for step in found.training
    ]
    assert shares == [(None, 0.25), (0.5, 0.5), (0.5, None)]
    assert [pair.b.n_edges for pair in found.pairs] == [10, 20]
    with pytest.raises(SpecError, match="1 circuits; expected at least two"):
        along_training(steps[:1])


def test_several_circuits_are_compared_pair_by_pair() -> None:
    found = compare_all([Known(A), Known(B), Known(A)])
    assert [(c.a.circuit_id, c.b.circuit_id) for c in found.pairs] == [
        (A.circuit_id, B.circuit_id),
        (A.circuit_id, A.circuit_id),
        (B.circuit_id, A.circuit_id),
    ]
    assert found.scope is Scope.ONE_MODEL
    assert found.sides[0].nodes_by_kind == {"head": 2, "input": 1, "logits": 1}
    assert found.sides[0].edges_by_channel == {"k": 1, "q": 1, "r": 1, "v": 1}


def test_models_known_to_be_checkpoints_need_not_be_said_to_be() -> None:
    later = make_circuit(B.edges, model=make_model("made/later"))
    other = make_circuit(B.edges, model=make_model("made/other"))
    prints = {A.model.fingerprint, later.model.fingerprint}
    scores = {edge.name: edge.score for edge in A.edges if edge.score is not None}
    known = [
        Known(circuit, scores, {"heldout 1": PairMetric(0.5, Split.HELDOUT, "a")})
        for circuit in (A, later, other)
    ]
    found = compare_all(known, lambda a, b: {a, b} == prints)
    assert [pair.scope for pair in found.pairs] == [
        Scope.CHECKPOINTS,
        Scope.ACROSS_MODELS,
        Scope.ACROSS_MODELS,
    ]
    assert found.scope is Scope.ACROSS_MODELS
    near, far, _ = found.pairs
    assert near.all_scores is not None
    assert near.pairs is not None
    assert far.all_scores is far.pairs is far.edges is None


def test_features_have_overlap_and_no_p() -> None:
    fine = make_circuit(make_edges([("m0.f1", "m1.f2", "r", 1.0)]))
    found = compare(fine, fine)
    assert found.edges is not None
    assert (found.edges.jaccard, found.edges.p, found.edges.universe) == (1.0, None, None)
    assert "feature nodes" in found.notes[0]


def test_an_empty_circuit_shares_nothing() -> None:
    empty = make_circuit(())
    found = compare(empty, make_circuit(INDUCTION_EDGES))
    assert found.edges is not None
    assert (found.edges.n_both, found.edges.jaccard, found.edges.p) == (0, 0.0, 1.0)
    neither = compare(empty, empty).edges
    assert neither is not None
    assert neither.jaccard is None


@settings(deadline=None)
@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_p_is_scipys_hypergeometric_tail(a: set[int], b: set[int]) -> None:
    found = overlap(map(str, a), map(str, b), 31)
    expected = stats.hypergeom(31, len(a), len(b)).sf(len(a & b) - 1)
    assert found.p == pytest.approx(expected)


SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-5, 5).map(float), min_size=3)


@settings(deadline=None)
@given(SCORES, SCORES)
def test_correlations_are_scipys(a: dict[str, float], b: dict[str, float]) -> None:
    found = score_agreement(a, b)
    names = sorted(a.keys() & b.keys())
    one, two = [a[name] for name in names], [b[name] for name in names]
    assert found.n == len(names)
    if len(names) < 3 or len(set(one)) < 2 or len(set(two)) < 2:
        assert found.pearson is found.spearman is None
    else:
        pearson: Any = stats.pearsonr(one, two)
        spearman: Any = stats.spearmanr(one, two)
        assert found.pearson == pytest.approx(pearson.statistic)
        assert found.spearman == pytest.approx(spearman.statistic)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_correlation_is_free_of_scale(scale: float) -> None:
    a, b = {"x": 1.0, "y": 2.0, "z": 4.0}, {"x": 1.0, "y": 3.0, "z": 4.0}
    scaled = {name: scale * value for name, value in a.items()}
    assert score_agreement(scaled, b).pearson == pytest.approx(score_agreement(a, b).pearson)


def test_all_scores_are_correlated_where_given() -> None:
    names = [f"e{i}" for i in range(10)]
    one, two = dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0)
    found = compare(A, B, scores=(one | {"e0": 2.0}, two | {"e0": 3.0}))
    assert found.all_scores is not None
    assert (found.all_scores.n, found.all_scores.pearson) == (10, pytest.approx(1.0))
    assert found.all_scores.same_sign == 0.1


def _metrics(
    values: np.ndarray, groups: Sequence[str | None], split: Split = Split.HELDOUT
) -> dict[str, PairMetric]:
    columns = zip(values.tolist(), groups, strict=True)
    return {
        f"{split.value} {i}": PairMetric(value, split, group)
        for i, (value, group) in enumerate(columns)
    }


def test_pair_differences_have_mean_interval_and_largest() -> None:
    values = np.random.default_rng(0).normal(size=40)
    groups = [str(i // 2) for i in range(40)]
    a, b = _metrics(values, groups), _metrics(values + 0.5, groups)
    b |= {"heldout 7": PairMetric(9.0, Split.HELDOUT, "3"), "new": b["heldout 1"]}
    found = pair_differences(a, b)
    assert found is not None
    assert (found.n, found.n_groups, found.largest[0].pair) == (40, 20, "heldout 7")
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low <= found.mean <= found.ci_high
    assert found == pair_differences(a, b)
    assert pair_differences(a, {}) is None


def test_differences_of_pairs_are_of_held_out_pairs_alone() -> None:
    seen = _metrics(np.ones(30), ["seen"] * 30, Split.DISCOVERY)
    unseen = _metrics(np.zeros(12), [str(i) for i in range(12)])
    found = pair_differences(_zero(seen | unseen), seen | unseen)
    assert found is not None
    assert (found.split, found.n, found.mean) == (Split.HELDOUT, 12, 0)
    found = pair_differences(_zero(seen), seen)
    assert found is not None
    assert (found.split, found.n, found.mean) == (Split.DISCOVERY, 30, 1)
    assert (found.ci_low, found.reason) == (None, ONE_GROUP)


def _zero(metrics: dict[str, PairMetric]) -> dict[str, PairMetric]:
    return {name: each._replace(value=0.0) for name, each in metrics.items()}


def test_the_interval_of_pair_differences_covers_whole_groups() -> None:
    """Resampling the pairs of both splits covered a third of what it said."""
    rng, hits, tries = np.random.default_rng(0), 0, 200
    for _ in range(tries):
        effects = np.repeat(rng.normal(size=12), 8) + 0.3 * rng.normal(size=96)
        seen = _metrics(1 + rng.normal(size=96), ["seen"] * 96, Split.DISCOVERY)
        there = seen | _metrics(effects, np.repeat(np.arange(12), 8).astype(str).tolist())
        found = pair_differences(_zero(there), there)
        assert found is not None
        assert found.ci_low is not None
        assert found.ci_high is not None
        hits += found.ci_low <= 0 <= found.ci_high
    assert hits / tries == pytest.approx(0.955, abs=0.045)


def test_pairs_stored_without_groups_have_a_mean_and_no_interval() -> None:
    values = np.arange(10.0)
    found = pair_differences(_metrics(values, [None] * 10), _metrics(values + 1, [None] * 10))
    assert found is not None
    assert (found.mean, found.ci_low, found.n_groups) == (1, None, None)
    assert found.reason == NO_GROUPS


def test_pairs_of_other_data_are_not_compared() -> None:
    other = make_circuit(B.edges, dataset_sha256="1" * 64)
    pairs = _metrics(np.ones(3), list("abc")), _metrics(np.zeros(3), list("abc"))
    assert compare(A, B, pairs=pairs).pairs is not None
    found = compare(A, other, pairs=pairs)
    assert found.pairs is None
    assert "pairs are not compared" in found.notes[0]


def test_graphs_of_a_model_known_by_name_have_no_share_and_no_p() -> None:
    graph = tracer_graph()
    one = circuit_of(data_of(graph))
    graph["links"].pop()
    two = circuit_of(data_of(graph))
    found = compare(one, two)
    assert found.scope is Scope.ONE_MODEL
    assert found.a.share_of_edges is None
    assert found.edges is not None
    assert found.edges.p is None
    assert (found.edges.n_a, found.edges.n_b, found.edges.n_both) == (8, 7, 7)
    named = make_model().model_copy(update={"weights": "none", "n_heads": 0, "n_edges": 0})
    whole = make_circuit(model=named)
    assert compare(whole, whole).a.share_of_edges is None
