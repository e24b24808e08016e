"""Comparing circuits: what they share inside one model, how they stand side by side across models.

Pure functions on documents. Pearson's correlation assumes that both circuits score in the same
units, so `Comparison.differs` is to be read with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents.circuit import CircuitDocument, CircuitEdge
from graph_schema.documents.comparison import (
    Comparison,
    Overlap,
    PairDifference,
    PairDifferences,
    Scope,
    ScoreAgreement,
    Side,
)
from graph_schema.documents.component import Component, ComponentKind
from graph_schema.errors import SpecError

Scores = Mapping[str, float]
Floats = NDArray[np.float64]

BOOTSTRAP_DRAWS = 1000
LARGEST = 10
_NODES = (ComponentKind.HEAD, ComponentKind.MLP)
_SIZES = ("architecture", "n_layers", "n_heads", "n_kv_heads", "d_model", "d_mlp", "d_vocab")


def compare(
    a: CircuitDocument,
    b: CircuitDocument,
    *,
    checkpoints: bool = False,
    scores: tuple[Scores, Scores] | None = None,
    pairs: tuple[Scores, Scores] | None = None,
    seed: int = 0,
) -> Comparison:
    """Two circuits, compared as far as their models allow.

    Args:
        a: One circuit.
        b: The other.
        checkpoints: The two models are checkpoints of one training run, so that equal names
            stand for the same components.
        scores: The scores of all edges in both, by edge name, as their artifacts have them.
        pairs: The metric of every pair within each circuit, by pair, for pairs in both.
        seed: Of the bootstrap over pairs.

    Raises:
        SpecError: `checkpoints` of models with different sizes.
    """
    scope, differs, notes = _scope(a, b, checkpoints), _differences(a, b), list[str]()
    if pairs and {"dataset", "metric"} & set(differs):
        notes.append("judged on different pairs or metrics: pairs are not compared")
        pairs = None
    if scope is Scope.ACROSS_MODELS:
        notes.append("different models: names of nodes and edges stand for different things")
    plain = Comparison(
        scope=scope,
        a=_side(a),
        b=_side(b),
        differs=differs,
        pairs=pair_differences(*pairs, seed=seed) if pairs else None,
        notes=tuple(notes),
    )
    if scope is Scope.ACROSS_MODELS:
        return plain
    edges_a = {edge.name: edge for edge in a.edges}
    edges_b = {edge.name: edge for edge in b.edges}
    nodes_a, nodes_b = _nodes(a), _nodes(b)
    fine = any(Component.parse(name).fine for name in nodes_a | nodes_b)
    if fine:
        notes.append("feature nodes: the number of possible edges is unknown, so there is no p")
    both = edges_a.keys() & edges_b.keys()
    n_nodes = a.model.n_layers * (a.model.n_heads + 1)
    kept_scores = (
        {name: edges_a[name].score for name in both},
        {name: edges_b[name].score for name in both},
    )
    return plain.model_copy(
        update={
            "edges": overlap(edges_a.keys(), edges_b.keys(), None if fine else a.model.n_edges),
            "nodes": overlap(nodes_a, nodes_b, None if fine else n_nodes),
            "scores": score_agreement(*kept_scores),
            "all_scores": score_agreement(*scores) if scores else None,
            "only_a": _strongest(edges_a[name] for name in edges_a.keys() - both),
            "only_b": _strongest(edges_b[name] for name in edges_b.keys() - both),
            "nodes_only_a": tuple(sorted(nodes_a - nodes_b)),
            "nodes_only_b": tuple(sorted(nodes_b - nodes_a)),
            "notes": tuple(notes),
        }
    )


def compare_all(
    circuits: Sequence[CircuitDocument], *, checkpoints: bool = False
) -> list[Comparison]:
    """Every pair of the circuits, in order."""
    return [compare(a, b, checkpoints=checkpoints) for a, b in combinations(circuits, 2)]


def along_training(circuits: Sequence[CircuitDocument]) -> list[tuple[Comparison, Comparison]]:
    """For each checkpoint but the first: against the one before, and against the last.

    Raises:
        SpecError: Fewer than two, or models that are no checkpoints of one run.
    """
    if len(circuits) < 2:
        raise SpecError(f"{len(circuits)} checkpoints; expected at least two, in training order")
    last = circuits[-1]
    return [
        (compare(before, here, checkpoints=True), compare(here, last, checkpoints=True))
        for before, here in pairwise(circuits)
    ]


def overlap(a: Iterable[str], b: Iterable[str], universe: int | None) -> Overlap:
    """What `a` and `b` share; `universe` is the number of things they were drawn from."""
    first, second = set(a), set(b)
    both, either = len(first & second), len(first | second)
    if universe is not None and either > universe:
        raise SpecError(f"{either} different things in a universe of {universe}")
    return Overlap(
        n_a=len(first),
        n_b=len(second),
        n_both=both,
        universe=universe,
        jaccard=both / either if either else None,
        expected=len(first) * len(second) / universe if universe else None,
        p=_hypergeometric(universe, len(first), len(second), both) if universe else None,
    )


def _hypergeometric(universe: int, n_a: int, n_b: int, n_both: int) -> float:
    """P(X >= n_both), X what a set of n_b drawn evenly shares with a fixed one of n_a."""
    from scipy.stats import hypergeom  # takes most of a second to import

    return float(hypergeom.sf(n_both - 1, universe, n_a, n_b))


def score_agreement(a: Scores, b: Scores) -> ScoreAgreement:
    """How far two scorings of the same edges agree, on the edges in both."""
    names = sorted(a.keys() & b.keys())
    one = np.array([a[name] for name in names], dtype=np.float64)
    two = np.array([b[name] for name in names], dtype=np.float64)
    return ScoreAgreement(
        n=len(names),
        pearson=_correlation(one, two),
        spearman=_correlation(_ranks(one), _ranks(two)),
        same_sign=float((np.sign(one) == np.sign(two)).mean()) if names else None,
    )


def _correlation(one: Floats, two: Floats) -> float | None:
    """Pearson's; None for fewer than three values, or where one of them never changes."""
    if len(one) < 3:
        return None
    # Scaled first, so that very large or small scores neither overflow nor vanish when squared.
    parts: list[Floats] = []
    for values in (one, two):
        scaled = values / (np.abs(values).max() or 1.0)
        centred = scaled - scaled.mean()
        if np.abs(centred).max() < 1e-12:
            return None
        parts.append(centred / np.linalg.norm(centred))
    return float(np.clip(parts[0] @ parts[1], -1.0, 1.0))


def _ranks(values: Floats) -> Floats:
    """Ranks from 0; ties share their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts
    return (first + (counts - 1) / 2)[place.reshape(-1)]


def pair_differences(a: Scores, b: Scores, *, seed: int = 0) -> PairDifferences | None:
    """What the metric of each pair in both is in b less in a; None if they share no pair."""
    names = sorted(a.keys() & b.keys())
    if not names:
        return None
    differences = np.array([b[name] - a[name] for name in names])
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(names), (BOOTSTRAP_DRAWS, len(names)))
    low, high = np.quantile(differences[draws].mean(axis=1), [0.025, 0.975]).tolist()
    order = np.argsort(-np.abs(differences), kind="stable")[:LARGEST].tolist()
    return PairDifferences(
        n=len(names),
        mean=float(differences.mean()),
        ci_low=low,
        ci_high=high,
        largest=tuple(
            PairDifference(
                pair=names[place],
                a=a[names[place]],
                b=b[names[place]],
                difference=float(differences[place]),
            )
            for place in order
        ),
    )


def _scope(a: CircuitDocument, b: CircuitDocument, checkpoints: bool) -> Scope:
    if a.model.fingerprint == b.model.fingerprint:
        return Scope.ONE_MODEL
    if not checkpoints:
        return Scope.ACROSS_MODELS
    for size in _SIZES:
        one, two = getattr(a.model, size), getattr(b.model, size)
        if one != two:
            raise SpecError(
                f"{a.model.name!r} and {b.model.name!r} are no checkpoints of one run: {size} is "
                f"{one} and {two}; leave out the checkpoints option to compare them as models"
            )
    return Scope.CHECKPOINTS


def _side(circuit: CircuitDocument) -> Side:
    model, judged = circuit.model, circuit.evaluation
    return Side(
        circuit_id=circuit.circuit_id,
        model=model.name,
        fingerprint=model.fingerprint,
        family=model.family,
        task=circuit.task,
        method=circuit.method.name,
        metric=circuit.metric and circuit.metric.value,
        ablation=circuit.ablation and circuit.ablation.kind.value,
        n_edges=circuit.n_edges,
        share_of_edges=circuit.n_edges / model.n_edges,
        faithfulness=judged and judged.faithfulness.value,
        heldout_faithfulness=judged and judged.heldout_faithfulness.value,
        cmd=judged and judged.cmd.value,
        cpr=judged and judged.cpr.value,
    )


def _differences(a: CircuitDocument, b: CircuitDocument) -> tuple[str, ...]:
    """The fields of the two jobs that are not the same."""
    fields = ("task_id", "dataset_sha256", "method", "selection", "metric", "ablation", "dtype")
    named = {"task_id": "task", "dataset_sha256": "dataset"}
    return tuple(named.get(f, f) for f in fields if getattr(a, f) != getattr(b, f))


def _nodes(circuit: CircuitDocument) -> set[str]:
    """Heads, MLPs and features; `input` and `logits` are in every circuit."""
    names = {name for edge in circuit.edges for name in (edge.sender, edge.receiver)}
    parts = [Component.parse(name) for name in names]
    return {part.name for part in parts if part.kind in _NODES or part.fine}


def _strongest(edges: Iterable[CircuitEdge]) -> tuple[CircuitEdge, ...]:
    return tuple(sorted(edges, key=lambda edge: (-abs(edge.score), edge.name)))
