"""p, p_max and q: worked out by hand, calibrated on the null, and able to see a plant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from graph_schema.documents import Motif, MotifResult, MotifState, NullModel, RoleName
from graph_schema.motifs import CircuitGraph, catalogue, find_motif, motif_tests
from graph_schema.motifs.significance import called, mark_untestable
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
    (test,) = motif_tests({"c": PAIR}, [find_motif("induction")]).results
    assert (test.null, test.exact, test.distinct) == (NullModel.ROLES_PERMUTED, True, 9)
    assert (test.observed, test.p, test.p_max) == (1, pytest.approx(1 / 9), pytest.approx(1 / 9))
    assert test.state is MotifState.UNTESTABLE
    assert test.reason == "9 distinct draws cannot reach 0.05 / 1 tests"
    assert test.q is None


def test_a_small_space_can_be_enough() -> None:
    (test,) = motif_tests({"c": PAIR}, [find_motif("induction")], alpha=0.2).results
    assert (test.state, test.q) == (MotifState.CALLED, pytest.approx(1 / 9))


def test_a_motif_whose_count_cannot_vary_is_untestable() -> None:
    (test,) = motif_tests({"c": PAIR}, [find_motif("copy_suppression")]).results
    assert test.state is MotifState.UNTESTABLE
    assert test.reason == "every draw of the null has the same count"
    assert (test.p, test.p_max) == (1.0, 1.0)


def test_sampled_p_counts_the_observed_graph_as_one_draw() -> None:
    graph = random_circuit(np.random.default_rng(0), n_layers=4, n_heads=4, n_edges=60)
    for test in motif_tests({"c": graph}, list(catalogue().values()), draws=99).results:
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
    together = motif_tests({"c": graph}, MOTIFS, draws=50).results
    alone = [motif_tests({"c": graph}, [motif], draws=50).results[0] for motif in MOTIFS]
    assert [test.p for test in together] == [test.p for test in alone]
    assert all(a.p_max <= t.p_max for a, t in zip(alone, together, strict=True))


def test_q_pays_for_every_circuit_and_p_max_for_every_motif() -> None:
    (untestable,) = motif_tests({"c": PAIR}, [find_motif("induction")]).results
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
    (tested,) = motif_tests({"c": PAIR}, [find_motif("induction")], alpha=0.2).results
    untestable = motif_tests({"c": PAIR}, [find_motif("copy_suppression")]).results * n
    assert called(mark_untestable([tested, *untestable], alpha=0.2), alpha=0.2)[0] == tested


def _with_draws(n: int, place: int) -> MotifResult:
    """A result that would be called if its n draws could show it."""
    (result,) = motif_tests({f"c{place}": PAIR}, [find_motif("induction")], alpha=0.2).results
    return result.model_copy(update={"distinct": n, "draws": n, "exact": False, "p": 1 / (n + 1)})


@pytest.mark.parametrize(("circuits", "able"), [(1, True), (2, True), (3, False), (50, False)])
def test_untestable_counts_the_correction_over_all_circuits(circuits: int, able: bool) -> None:
    """Forty draws reach .05 / 2, and no more."""
    results = mark_untestable([_with_draws(40, place) for place in range(circuits)], alpha=0.05)
    assert {result.state is not MotifState.UNTESTABLE for result in results} == {able}
    if not able:
        n = 20 * circuits
        reason = f"40 distinct draws cannot reach 0.05 / {circuits} tests; ask for {n:,} draws"
        assert {result.reason for result in results} == {reason}
        enough = mark_untestable([_with_draws(n, place) for place in range(circuits)], alpha=0.05)
        assert MotifState.UNTESTABLE not in {result.state for result in enough}


def test_those_with_the_fewest_draws_leave_the_family_first() -> None:
    """Five tests ask for 100 draws each, four for 80: without the coarse one the others can."""
    results = [_with_draws(20, 0), *(_with_draws(80, place) for place in range(1, 5))]
    states = [result.state for result in called(mark_untestable(results, alpha=0.05), alpha=0.05)]
    assert states[0] is MotifState.UNTESTABLE
    assert MotifState.UNTESTABLE not in states[1:]


def test_a_family_of_circuits_is_tested_as_one() -> None:
    """The same circuit, alone and among others: only what the family costs is different."""
    rng = np.random.default_rng(0)
    made = {f"c{n}": random_circuit(rng, n_layers=4, n_heads=4, n_edges=60) for n in range(4)}
    alone = motif_tests({"c0": made["c0"]}, MOTIFS, draws=150)
    among = motif_tests(made, MOTIFS, draws=150)
    assert alone.family > 0
    assert among.family == 0
    assert [r.p for r in alone.results] == [r.p for r in among.results[: len(MOTIFS)]]
    assert among.circuit_ids == tuple(made)
    assert among.motifs == tuple(CHOSEN)
    assert among.null == (NullModel.REWIRED, NullModel.ROLES_PERMUTED)


@pytest.mark.slow
def test_at_most_one_null_circuit_in_twenty_is_called() -> None:
    """100 circuits drawn from the null; the bound is the binomial's 97.5 % point at 5 %."""
    rng = np.random.default_rng(7)
    base = random_circuit(rng, n_layers=4, n_heads=6, n_edges=60)
    low_q, low_p_max = 0, 0
    for seed, graph in enumerate(null_circuits(base, 100, rng)):
        tests = motif_tests({"c": graph}, MOTIFS, draws=150, seed=seed).results
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
        tests = motif_tests({"c": plant(base, size, rng)}, MOTIFS, draws=300, seed=seed).results
        found += any(t.state is MotifState.CALLED and t.motif == name for t in tests)
    assert found >= 3


def test_motifs_of_a_circuit_without_edges_are_tested_too() -> None:
    tests = motif_tests(
        {"empty": CircuitGraph((), ())}, list(catalogue().values()), draws=10
    ).results
    assert {test.observed for test in tests} == {0}
    assert {test.state for test in tests} == {MotifState.UNTESTABLE}
