"""Which small patterns of roles and channels recur over the circuits of several models.

Every model is asked by itself, against its own roles dealt anew (`dealing`); `recurrence` puts the
models together. What comes out lists, for every pattern, the models for and against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph_schema.documents.base import sha256_hex
from graph_schema.documents.motif_discovery import (
    MotifDiscovery,
    PatternInModel,
    PatternState,
    RecurringPattern,
    SearchedModel,
)
from graph_schema.documents.motif_tests import MotifState
from graph_schema.motifs.dealing import ModelCounts, PatternCount, dealt_counts, places_of
from graph_schema.motifs.graph import CircuitGraph
from graph_schema.motifs.patterns import Pattern, arrows, as_motif
from graph_schema.motifs.places import MAX_NODES, TooManyError
from graph_schema.motifs.recurrence import (
    MODELS,
    adjusted,
    conjunction_p,
    holm,
    how_many,
    reachable,
)

DRAWS = 1000
ALPHA = 0.05
MAX_PLACES, MAX_PATTERNS = 100_000, 20_000
"""Of one model. Where one has more, patterns have a node less in all of them."""
LISTED = 1000


@dataclass(frozen=True)
class ModelCircuits:
    """The circuits of one model, by id, with the roles of their nodes."""

    fingerprint: str
    name: str
    family: str
    circuits: Mapping[str, CircuitGraph]


@dataclass(frozen=True)
class _Judged:
    """The tests of a pattern: its p, its q where it is in the family, p by model."""

    by_model: dict[str, float]
    p: float | None
    q: float | None


def discover(
    models: Sequence[ModelCircuits],
    *,
    task: str,
    draws: int = DRAWS,
    seed: int = 0,
    alpha: float = ALPHA,
    max_nodes: int = MAX_NODES,
    listed: int = LISTED,
    left_out: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> MotifDiscovery:
    """The patterns that occur in the circuits, and which of them recur more than chance has it.

    Args:
        models: Independent ones, one entry each; fewer than two make everything untestable.
        task: What their circuits do.
        draws: Deals of roles a model.
        seed: Of the deals; a model's are its own, whatever others are searched with it.
        alpha: What q must reach.
        max_nodes: Of a pattern: 2 to 4.
        listed: Patterns in the answer at most.
        left_out: Models that do not count, and why.
        notes: What was cut before.
    """
    sized, counts = _counts(models, max_nodes, draws, seed)
    said = list(notes)
    if sized < max_nodes:
        said.append(
            f"patterns have at most {sized} nodes, not {max_nodes}: a model has more than "
            f"{MAX_PLACES:,} places for larger ones, or more than {MAX_PATTERNS:,} of them; take "
            "smaller circuits or fewer of a model"
        )
    every = dict.fromkeys(pattern for each in counts.values() for pattern in each.patterns)
    judged = _judged(list(every), counts, alpha)
    family = [each for each in judged.values() if each.q is not None]
    n_called = sum(each.q is not None and each.q <= alpha for each in family)
    level = alpha * n_called / max(1, len(family))
    seen = [pattern for pattern in judged if _total(pattern, counts)]
    seen.sort(key=lambda one: (_rank(judged[one]), one.shape.size, -_total(one, counts), one))
    if len(seen) > listed:
        said.append(f"listed are {listed:,} of {len(seen):,} patterns, the least p first")
    return MotifDiscovery(
        task=task,
        draws=draws,
        seed=seed,
        alpha=alpha,
        max_nodes=sized,
        models=tuple(_searched(model, counts[model.fingerprint]) for model in models),
        left_out=dict(left_out or {}),
        n_enumerated=len(every),
        family=len(family),
        n_patterns=len(seen),
        patterns=tuple(
            _described(pattern, judged[pattern], models, counts, alpha, level)
            for pattern in seen[:listed]
        ),
        notes=tuple(said),
    )


def _counts(
    models: Sequence[ModelCircuits], max_nodes: int, draws: int, seed: int
) -> tuple[int, dict[str, ModelCounts]]:
    """The largest size of patterns that can be counted in every model, and the counts.

    What decides on the size is the same however the roles are dealt.
    """
    for size in range(max_nodes, 2, -1):
        try:
            return size, _sized(models, size, draws, seed, MAX_PLACES, MAX_PATTERNS)
        except TooManyError:
            continue
    # Of pairs there are no more than edges.
    edges = max(sum(len(g.edges) for g in each.circuits.values()) for each in models)
    return 2, _sized(models, 2, draws, seed, edges, edges * draws)


def _sized(
    models: Sequence[ModelCircuits], size: int, draws: int, seed: int, places: int, patterns: int
) -> dict[str, ModelCounts]:
    graphs = {each.fingerprint: list(each.circuits.values()) for each in models}
    where = {name: places_of(mine, max_nodes=size, limit=places) for name, mine in graphs.items()}
    counts: dict[str, ModelCounts] = {}
    for name, mine in graphs.items():
        rng = np.random.default_rng([seed, int(sha256_hex(name)[:15], 16)])
        counts[name] = dealt_counts(mine, where[name], draws=draws, rng=rng, limit=patterns)
    return counts


def _judged(
    patterns: Sequence[Pattern], counts: Mapping[str, ModelCounts], alpha: float
) -> dict[Pattern, _Judged]:
    """Every pattern's p over the models in which its count varies, q over the family."""
    by_model: dict[Pattern, dict[str, PatternCount]] = {
        pattern: {
            name: found
            for name, each in counts.items()
            if (found := each.patterns.get(pattern)) is not None and found.varies
        }
        for pattern in patterns
    }
    least = {
        pattern: conjunction_p([each.least_p for each in found.values()])
        for pattern, found in by_model.items()
        if len(found) >= MODELS
    }
    family = reachable(least, alpha)
    p = {
        pattern: conjunction_p([each.p for each in by_model[pattern].values()])
        for pattern in patterns
        if pattern in least
    }
    q = adjusted({pattern: p[pattern] for pattern in patterns if pattern in family})
    return {
        pattern: _Judged({n: each.p for n, each in found.items()}, p.get(pattern), q.get(pattern))
        for pattern, found in by_model.items()
    }


def _rank(judged: _Judged) -> tuple[bool, float, float]:
    """Called ones first: those in the family by q, then the others."""
    p = 1.0 if judged.p is None else judged.p
    return (judged.q is None, p if judged.q is None else judged.q, p)


def _total(pattern: Pattern, counts: Mapping[str, ModelCounts]) -> int:
    found = (each.patterns.get(pattern) for each in counts.values())
    return sum(each.observed for each in found if each is not None)


def _described(
    pattern: Pattern,
    judged: _Judged,
    models: Sequence[ModelCircuits],
    counts: Mapping[str, ModelCounts],
    alpha: float,
    level: float,
) -> RecurringPattern:
    """The pattern with its state, and what each model says of it."""
    motif = as_motif(pattern)
    called = judged.q is not None and judged.q <= alpha
    names, p = list(judged.by_model), list(judged.by_model.values())
    beyond = {name for name, each in zip(names, holm(p), strict=True) if called and each <= alpha}
    state, reason = (MotifState.CALLED if called else MotifState.NOT_CALLED), ""
    if judged.q is None:
        state = MotifState.UNTESTABLE
        reason = (
            f"its count hangs on the roles in {len(p)} of the models; expected {MODELS} at least"
            if judged.p is None
            else f"the least p that its draws allow cannot reach {alpha:g} among so many tests; "
            "ask for more draws or for smaller patterns"
        )
    return RecurringPattern(
        motif=motif,
        pattern=", ".join(arrows(motif)),
        state=state,
        occurrences=_total(pattern, counts),
        p=judged.p,
        q=judged.q,
        at_least=how_many(p, level) if called else 0,
        models=tuple(
            _in_model(pattern, model, counts[model.fingerprint], model.fingerprint in beyond)
            for model in models
        ),
        reason=reason,
    )


def _in_model(
    pattern: Pattern, model: ModelCircuits, counts: ModelCounts, beyond: bool
) -> PatternInModel:
    found = counts.patterns.get(pattern) or PatternCount(0, 0.0, 1.0, 1.0, varies=False)
    missing = sorted({role.value for role in pattern.roles} - {role.value for role in counts.roles})
    state, reason = PatternState.OCCURS, ""
    if missing:
        state, reason = PatternState.UNTESTABLE, f"no node plays {', '.join(missing)}"
    elif not found.observed:
        state = PatternState.AGAINST
    elif not found.varies:
        state, reason = PatternState.UNTESTABLE, "every deal of its roles has the same count"
    elif beyond:
        state = PatternState.FOR
    return PatternInModel(
        fingerprint=model.fingerprint,
        family=model.family,
        state=state,
        observed=found.observed,
        null_mean=found.mean,
        p=found.p if found.varies else None,
        reason=reason,
    )


def _searched(model: ModelCircuits, counts: ModelCounts) -> SearchedModel:
    return SearchedModel(
        fingerprint=model.fingerprint,
        name=model.name,
        family=model.family,
        circuit_ids=tuple(model.circuits),
        places=counts.places,
        draws=counts.draws,
        exact=counts.exact,
        reason="" if counts.roles else "no node of its circuits has a role",
    )
