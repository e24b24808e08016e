"""p, p_max and q: worked out by hand, calibrated on the null, and able to see a plant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, false_discovery_control

from graph_schema.documents import Motif, MotifState, NullModel, RoleName
from graph_schema.motifs import CircuitGraph, catalogue, find_motif, motif_tests
from graph_schema.motifs.significance import benjamini_hochberg, called
from tests.graph_schema.motifs.made import graph_of
from tests.graph_schema.motifs.simulated import (
    null_circuits,
    plant_induction,
    plant_loops,
    random_circuit,
)

CHOSEN = ["triad_feed_forward", "triad_chain", "bi_fan", "mlp_relay", "k_composition", "induction"]
MOTIFS: list[Motif] = [find_motif(name) for name in CHOSEN]

# Of four like heads, one has each role; only one of the twelve deals puts them on the K edge.
PAIR = graph_of(
    "a0.h0->a1.h0<k>",
    "a0.h1->a1.h1<q>",
    "a0.h2->a1.h2<q>",
    "a1.h0->logits",
    "a1.h1->logits",
    "a1.h2->logits",
    roles={"a0.h0": RoleName.PREVIOUS_TOKEN, "a1.h0": RoleName.INDUCTION},
)


def test_p_of_a_small_space_is_its_share() -> None:
    """Three heads could be the previous-token head and three the induction head: 9 deals."""
    (test,) = motif_tests({"c": PAIR}, [find_motif("induction")])
    assert (test.null, test.exact, test.distinct) == (NullModel.ROLES_PERMUTED, True, 9)
    assert (test.observed, test.p, test.p_max) == (1, pytest.approx(1 / 9), pytest.approx(1 / 9))
    assert test.state is MotifState.UNTESTABLE
    assert test.reason == "9 distinct draws cannot reach 0.05 / 1 motifs"
    assert test.q is None


def test_a_small_space_can_be_enough() -> None:
    (test,) = motif_tests({"c": PAIR}, [find_motif("induction")], alpha=0.2)
    assert (test.state, test.q) == (MotifState.CALLED, pytest.approx(1 / 9))


def test_a_motif_whose_count_cannot_vary_is_untestable() -> None:
    (test,) = motif_tests({"c": PAIR}, [find_motif("copy_suppression")])
    assert test.state is MotifState.UNTESTABLE
    assert test.reason == "every draw of the null has the same count"
    assert (test.p, test.p_max) == (1.0, 1.0)


def test_sampled_p_counts_the_observed_graph_as_one_draw() -> None:
    graph = random_circuit(np.random.default_rng(0), n_layers=4, n_heads=4, n_edges=60)
    for test in motif_tests({"c": graph}, list(catalogue().values()), draws=99):
        assert test.exact or (test.p * 100) == pytest.approx(round(test.p * 100))
        assert test.q is None or test.p <= min(test.p_max, test.q)


def test_the_same_seed_gives_the_same_tests() -> None:
    graph = random_circuit(np.random.default_rng(0), n_layers=4, n_heads=4, n_edges=60)
    once, again, other = (
        motif_tests({"c": graph}, MOTIFS, draws=50, seed=seed) for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


def test_a_motif_keeps_its_p_when_others_are_left_out() -> None:
    graph = random_circuit(np.random.default_rng(0), n_layers=4, n_heads=4, n_edges=60)
    together = motif_tests({"c": graph}, MOTIFS, draws=50)
    alone = [motif_tests({"c": graph}, [motif], draws=50)[0] for motif in MOTIFS]
    assert [test.p for test in together] == [test.p for test in alone]
    assert all(a.p_max <= t.p_max for a, t in zip(alone, together, strict=True))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_is_benjamini_and_hochbergs(p_values: list[float]) -> None:
    expected = false_discovery_control(p_values, method="bh")
    assert benjamini_hochberg(p_values) == pytest.approx(expected.tolist())


def test_q_pays_for_every_circuit_and_p_max_for_every_motif() -> None:
    (untestable,) = motif_tests({"c": PAIR}, [find_motif("induction")])
    strong = untestable.model_copy(
        update={"state": MotifState.NOT_CALLED, "p": 0.01, "p_max": 0.04, "reason": ""}
    )
    chance = [strong.model_copy(update={"p": 0.9, "p_max": 0.99})] * 9
    alone, together = called([strong])[0], called([strong, *chance])[0]
    assert (alone.q, alone.state) == (0.01, MotifState.CALLED)
    assert (together.q, together.state) == (pytest.approx(0.1), MotifState.NOT_CALLED)
    crowded = called([strong.model_copy(update={"p_max": 0.06})])[0]
    assert (crowded.q, crowded.state) == (0.01, MotifState.NOT_CALLED)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 9))
def test_untestable_motifs_cost_the_others_nothing(n: int) -> None:
    tested = motif_tests({"c": PAIR}, [find_motif("induction")], alpha=0.2)
    untestable = motif_tests({"c": PAIR}, [find_motif("copy_suppression")]) * n
    assert called([*tested, *untestable], alpha=0.2)[0] == tested[0]


@pytest.mark.slow
def test_at_most_one_null_circuit_in_twenty_is_called() -> None:
    """100 circuits drawn from the null; the bound is the binomial's 97.5 % point at 5 %."""
    rng = np.random.default_rng(7)
    base = random_circuit(rng, n_layers=4, n_heads=6, n_edges=60)
    low_q, low_p_max = 0, 0
    for seed, graph in enumerate(null_circuits(base, 100, rng)):
        tests = motif_tests({"c": graph}, MOTIFS, draws=150, seed=seed)
        low_q += any(test.q is not None and test.q <= 0.05 for test in tests)
        low_p_max += any(test.p_max <= 0.05 for test in tests)
    bound = binom.ppf(0.975, 100, 0.05)
    assert low_q <= bound
    assert low_p_max <= bound


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "size", "name"),
    [(plant_loops, 25, "triad_feed_forward"), (plant_induction, 4, "induction")],
)
def test_plants_are_found(plant, size: int, name: str) -> None:
    """`python -m benchmarks.motifs` reports the power by size of the plant."""
    rng = np.random.default_rng(11)
    found = 0
    for seed in range(5):
        base = random_circuit(rng, n_layers=6, n_heads=8, n_edges=100)
        tests = motif_tests({"c": plant(base, size, rng)}, MOTIFS, draws=300, seed=seed)
        found += any(t.state is MotifState.CALLED and t.motif == name for t in tests)
    assert found >= 3


def test_motifs_of_a_circuit_without_edges_are_tested_too() -> None:
    tests = motif_tests({"empty": CircuitGraph((), ())}, list(catalogue().values()), draws=10)
    assert {test.observed for test in tests} == {0}
    assert {test.state for test in tests} == {MotifState.UNTESTABLE}
