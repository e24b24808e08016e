"""Comparing circuits: what they share inside one model, how they stand side by side across models.

Pure functions on documents; `agreement.py` has the figures for two circuits of one model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from graph_schema.comparing.agreement import (
    PairMetrics,
    Scores,
    overlap,
    pair_differences,
    score_agreement,
)
from graph_schema.comparing.one_side import OneSide
from graph_schema.documents.circuit import CircuitDocument, CircuitEdge
from graph_schema.documents.comparison import Comparison, Comparisons, Scope, TrainingStep
from graph_schema.documents.model import ModelDocument
from graph_schema.errors import SpecError

Related = Callable[[str, str], bool]

_CONDITIONS = ("task_id", "dataset_sha256", "method", "selection", "metric", "ablation", "dtype")
_SIZES = (
    "family",
    "architecture",
    "n_layers",
    "n_heads",
    "n_kv_heads",
    "d_model",
    "d_mlp",
    "d_vocab",
)


def compare(
    a: CircuitDocument,
    b: CircuitDocument,
    *,
    checkpoints: bool = False,
    scores: tuple[Scores, Scores] | None = None,
    pairs: tuple[PairMetrics, PairMetrics] | None = None,
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
        seed: Of the draws of groups of pairs.

    Raises:
        SpecError: `checkpoints` of models with different sizes.
    """
    return _compare(OneSide(a), OneSide(b), checkpoints, scores, pairs, seed)


def _compare(
    one: OneSide,
    other: OneSide,
    checkpoints: bool,
    scores: tuple[Scores, Scores] | None,
    pairs: tuple[PairMetrics, PairMetrics] | None,
    seed: int = 0,
) -> Comparison:
    a, b = one.circuit, other.circuit
    scope, differs, notes = _scope(a, b, checkpoints), _differences(a, b), list[str]()
    if pairs and (a.dataset_sha256, a.metric) != (b.dataset_sha256, b.metric):
        notes.append("judged on different pairs or metrics: pairs are not compared")
        pairs = None
    if scope is Scope.ACROSS_MODELS:
        pairs = None  # the metrics of two models have no common scale
        notes.append(
            "different models: names of nodes and edges stand for different things, so neither "
            "they nor scores are compared, only figures and kinds"
        )
    plain = Comparison(
        scope=scope,
        a=one.side,
        b=other.side,
        differs=differs,
        pairs=pair_differences(*pairs, seed=seed) if pairs else None,
        notes=tuple(notes),
    )
    if scope is Scope.ACROSS_MODELS:
        return plain
    edges_a, edges_b = one.edges, other.edges
    nodes_a, nodes_b = one.nodes, other.nodes
    countless = [each.countless for each in (one, other) if each.countless]
    if countless:
        notes.append(f"{countless[0]}: the number of possible edges is unknown, so there is no p")
    both = edges_a.keys() & edges_b.keys()
    n_nodes = a.model.n_layers * (a.model.n_heads + 1)
    kept_scores = _scores(edges_a, both), _scores(edges_b, both)
    return plain.model_copy(
        update={
            "edges": overlap(
                edges_a.keys(), edges_b.keys(), None if countless else a.model.n_edges
            ),
            "nodes": overlap(nodes_a, nodes_b, None if countless else n_nodes),
            "scores": score_agreement(*kept_scores),
            "all_scores": score_agreement(*scores) if scores else None,
            "only_a": tuple(edge for name, edge in edges_a.items() if name not in both),
            "only_b": tuple(edge for name, edge in edges_b.items() if name not in both),
            "nodes_only_a": tuple(sorted(nodes_a - nodes_b)),
            "nodes_only_b": tuple(sorted(nodes_b - nodes_a)),
            "notes": tuple(notes),
        }
    )


@dataclass(frozen=True)
class Known:
    """A circuit with what its artifacts hold, as far as they are there.

    `scores` are those of all edges by name, `pairs` the metric of every pair within the circuit.
    """

    circuit: CircuitDocument
    scores: Scores | None = None
    pairs: PairMetrics | None = None


def compare_all(circuits: Sequence[Known], related: Related | None = None) -> Comparisons:
    """Every two of the circuits, in order.

    Args:
        circuits: At least two.
        related: Whether two models, by fingerprint, are known to be checkpoints of one run.

    Raises:
        SpecError: Fewer than two; models said to be checkpoints with different sizes.
    """
    _at_least_two(circuits)
    own = [(known, OneSide(known.circuit)) for known in circuits]
    pairs = [_pair(a, b, related) for a, b in combinations(own, 2)]
    sides = tuple(each.side for _, each in own)
    return Comparisons(scope=_narrowest(pairs), sides=sides, pairs=tuple(pairs))


def along_training(circuits: Sequence[Known]) -> Comparisons:
    """Checkpoints of one run, in training order: each against the one before, and the last.

    Raises:
        SpecError: Fewer than two, or models that are no checkpoints of one run.
    """
    _at_least_two(circuits)

    def same_run(a: str, b: str) -> bool:
        return True

    own = [(known, OneSide(known.circuit)) for known in circuits]
    pairs = [_pair(before, here, same_run) for before, here in pairwise(own)]
    to_last = [_pair(here, own[-1], same_run) for here in own[:-1]]
    steps = [
        TrainingStep(
            circuit_id=known.circuit.circuit_id,
            edges_before=before and before.edges,
            scores_before=before and (before.all_scores or before.scores),
            edges_last=last and last.edges,
            scores_last=last and (last.all_scores or last.scores),
        )
        for known, before, last in zip(circuits, [None, *pairs], [*to_last, None], strict=True)
    ]
    return Comparisons(
        scope=_narrowest(pairs),
        sides=tuple(each.side for _, each in own),
        pairs=tuple(pairs),
        training=tuple(steps),
    )


def _at_least_two(circuits: Sequence[Known]) -> None:
    if len(circuits) < 2:
        raise SpecError(f"{len(circuits)} circuits; expected at least two to compare")


def _pair(
    one: tuple[Known, OneSide], other: tuple[Known, OneSide], related: Related | None
) -> Comparison:
    (a, own_a), (b, own_b) = one, other
    first, second = a.circuit.model, b.circuit.model
    prints = first.fingerprint, second.fingerprint
    return _compare(
        own_a,
        own_b,
        checkpoints=not first.is_same(second) and related is not None and related(*prints),
        scores=(a.scores, b.scores) if a.scores and b.scores else None,
        pairs=(a.pairs, b.pairs) if a.pairs and b.pairs else None,
    )


def _narrowest(pairs: Sequence[Comparison]) -> Scope:
    found = {pair.scope for pair in pairs}
    order = (Scope.ACROSS_MODELS, Scope.CHECKPOINTS, Scope.ONE_MODEL)
    return next(scope for scope in order if scope in found)


def _scope(a: CircuitDocument, b: CircuitDocument, checkpoints: bool) -> Scope:
    if a.model.is_same(b.model):
        return Scope.ONE_MODEL
    if not checkpoints:
        return Scope.ACROSS_MODELS
    check_checkpoints(a.model, b.model)
    return Scope.CHECKPOINTS


def check_checkpoints(a: ModelDocument, b: ModelDocument) -> None:
    """Refuse to take two models for checkpoints of one run when their sizes or families differ.

    Raises:
        SpecError: They differ; the message says in what.
    """
    for size in _SIZES:
        one, two = getattr(a, size), getattr(b, size)
        if one != two:
            raise SpecError(
                f"{a.name!r} and {b.name!r} are no checkpoints of one run: {size} is {one!r} and "
                f"{two!r}; leave out --checkpoints to compare them as models"
            )


def _differences(a: CircuitDocument, b: CircuitDocument) -> tuple[str, ...]:
    """The fields of the two jobs that are not the same, as far as both are known."""
    named = {"task_id": "task", "dataset_sha256": "dataset"}
    known = [_known(circuit) for circuit in (a, b)]
    return tuple(
        named.get(f, f)
        for f in _CONDITIONS
        if all(f in values for values in known) and known[0][f] != known[1][f]
    )


def _known(circuit: CircuitDocument) -> dict[str, object]:
    """The fields that somebody said; of an imported circuit nobody knows the method."""
    unknown = {"method"} if circuit.imported else set[str]()
    values = {name: getattr(circuit, name) for name in _CONDITIONS if name not in unknown}
    return {name: value for name, value in values.items() if value is not None}


def _scores(edges: Mapping[str, CircuitEdge], names: Iterable[str]) -> Scores:
    """The scores of those of the named edges that have one."""
    found = {name: edges[name].score for name in names}
    return {name: score for name, score in found.items() if score is not None}
