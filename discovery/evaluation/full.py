"""Preset `full`: redundancy, chance, hypothesis tests and stability, on top of preset `quick`.

Redundancy and tests are taken where CMD is: on the held-out split where there is one. Chance and
specificity are on the discovery split, whose pairs the circuit was found on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from discovery.engine.graph import BoolMatrix
from discovery.evaluation.chance import (
    activation_differences,
    alike_by_layer,
    by_activation_difference,
    compared,
)
from discovery.evaluation.hypothesis_tests import (
    equivalence,
    independence,
    minimality,
    non_equivalence,
)
from discovery.evaluation.measured import Measured
from discovery.evaluation.quick import N_RANDOM
from discovery.evaluation.random_circuits import PathSampler, random_circuits
from discovery.evaluation.removals import Removal, changes, edges_of, inflated, redundant_share
from discovery.evaluation.stability import EdgeStability, GroupScores, jaccard, stability
from discovery.progress import Report
from graph_schema.documents import (
    AnySelection,
    Chance,
    Evaluation,
    Figure,
    HypothesisTest,
    Metric,
    Specificity,
    Stability,
)


@dataclass(frozen=True)
class Shuffled:
    """The circuit found on shuffled answers, and how many pairs got the like of their own."""

    kept: BoolMatrix
    n_kept: int


@dataclass(frozen=True)
class Evidence:
    """What `full` needs of the method; where something cannot be had, a text says why."""

    shuffled: Shuffled | str
    groups: GroupScores | str


def complete(
    quick: Evaluation,
    discovery: Measured,
    heldout: Measured | None,
    kept: BoolMatrix,
    selection: AnySelection | None,
    evidence: Evidence,
    *,
    seed: int,
    chunk: int | None = None,
    progress: Callable[[str], Report],
) -> tuple[Evaluation, EdgeStability | None]:
    """The evaluation with all that `full` adds, and each edge's stability where it is known.

    Args:
        quick: What `evaluate(…, preset="full")` found.
        discovery: The split the circuit was found on.
        heldout: The other one, or None.
        kept: The circuit.
        selection: How it was chosen; None where `evidence` has no scores by group.
        evidence: The method run on shuffled pairs and group by group.
        seed: Draws everything random.
        chunk: Examples at a time.
        progress: Gives the callback of stages "chance" and "removals".

    An empty circuit is left as it is: there is nothing to remove and nothing to compare.
    """
    if not kept.any():
        return quick, None
    each = None
    if isinstance(evidence.groups, str):
        found = Stability(draws=0, n_groups=0, seed=seed, reason=evidence.groups)
    else:
        assert selection is not None
        each = stability(discovery.experiment.graph, evidence.groups, kept, selection, seed=seed)
        found = each.figures
    judge = heldout or discovery
    tested, redundant = _removals(judge, kept, seed, chunk, progress("removals"))
    update = {
        "chance": _chance(discovery, kept, seed, chunk, progress("chance")),
        "specificity": _specificity(discovery, kept, evidence.shuffled),
        "redundant_share": redundant,
        "tests": (*_pair_tests(judge, kept, seed), *tested),
        "stability": found,
    }
    return quick.model_copy(update=update), each


def _chance(
    discovery: Measured, kept: BoolMatrix, seed: int, chunk: int | None, progress: Report
) -> tuple[Chance, ...]:
    graph, n_kept = discovery.experiment.graph, int(kept.sum())
    # The very draws that `evaluate` has measured.
    walks = random_circuits(graph, n_kept, N_RANDOM["full"], seed)
    rng, sampler = np.random.default_rng(seed), PathSampler(graph, "paths")
    paths = [sampler.circuit(n_kept, rng) for _ in range(N_RANDOM["full"])]
    alike = [alike_by_layer(graph, kept, rng) for _ in range(N_RANDOM["full"])]
    sizes = activation_differences(discovery.experiment, discovery.pairs, chunk=chunk)
    largest = by_activation_difference(graph, sizes, n_kept, rng)
    discovery.measure([*walks, *paths, *alike, largest], progress)
    return (
        compared("walks", discovery, kept, walks),
        compared("paths", discovery, kept, paths),
        compared("layer_pairs", discovery, kept, alike),
        compared("activation_difference", discovery, kept, [largest]),
    )


def _specificity(discovery: Measured, kept: BoolMatrix, shuffled: Shuffled | str) -> Specificity:
    if isinstance(shuffled, str):
        return Specificity(split=discovery.split, reason=shuffled)
    discovery.measure([shuffled.kept])
    return Specificity(
        n_pairs=discovery.n,
        n_kept=shuffled.n_kept,
        n_edges=int(shuffled.kept.sum()),
        faithfulness=discovery.faithfulness(shuffled.kept),
        jaccard=jaccard(shuffled.kept, kept),
        split=discovery.split,
    )


def _pair_tests(judge: Measured, kept: BoolMatrix, seed: int) -> tuple[HypothesisTest, ...]:
    complement = judge.experiment.graph.upstream & ~kept
    circuit, full = judge.of(kept).loss, judge.full.loss
    tests = (
        equivalence(circuit, full, judge.split),
        non_equivalence(circuit, full, judge.split),
        independence(judge.of(complement).loss, full, judge.split, seed=seed),
    )
    if judge.experiment.metric is not Metric.KL:
        return tests
    # KL of the model to itself is 0: it always does better, and its loss varies with nothing.
    why = "kl is measured against the model itself, so it cannot rank circuit and model"
    left_out = {"statistic": None, "p_value": None, "power": None, "reason": why}
    return tuple(test.model_copy(update=left_out) for test in tests)


def _removals(
    judge: Measured, kept: BoolMatrix, seed: int, chunk: int | None, progress: Report
) -> tuple[list[HypothesisTest], Figure]:
    graph, rng = judge.experiment.graph, np.random.default_rng(seed)
    sampler = PathSampler(graph, "walks")
    drawn = [inflated(sampler, kept, rng) for _ in range(N_RANDOM["full"])]
    larger: list[Removal] = [removal for removal in drawn if removal is not None]
    own = edges_of(graph, kept)
    found = changes(
        judge.experiment, judge.pairs, [(kept, own), *larger], chunk=chunk, progress=progress
    )
    mine, random = np.abs(found).mean(axis=1)[: len(own)], np.abs(found).mean(axis=1)[len(own) :]
    tests = [minimality(mine, random, judge.split, judge.n)] if larger else []
    return tests, redundant_share(judge, found[: len(own)], [len(unit) for _, unit in own])
