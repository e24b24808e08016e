"""Methods judged against truths between features (features.py), as `recovery` does on heads.

The edges judged are a case's candidates, all edges between its nodes. `exact` patches each alone
and ranks by the largest change that this makes to any output, over pairs and positions after the
first, as the files do; the other methods rank by |score|. What is left of the graph, a component's
coordinates that are no nodes and heads without any, is kept while one edge is tested and ablated
when a kept set is judged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.restart import Restart
from discovery.engine.state import State
from discovery.known.features import FeatureCase
from discovery.known.recovery import (
    KEPT,
    ROUNDING,
    Effects,
    Judged,
    auroc,
    max_logit_change,
    mean_gap,
    prune,
    share_of,
)
from discovery.methods.acdc import Pruner
from discovery.methods.mask_gradients import attribution, mask_ig
from discovery.methods.two_leg import two_leg
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, Metric
from graph_schema.errors import SpecError

FEATURE_METHODS = ("exact", "attribution", "two-leg", "mask-ig", "acdc")
MINIMAL = {Ablation.CORRUPT: "resample_minimal", Ablation.ZERO: "zero_minimal"}
RULE = "weights_nonzero"
CHUNK = 50


@dataclass(frozen=True)
class FeatureJudged(Judged):
    """What a method found between features; the keys of `--json`.

    Attributes:
        level: `feature`.
        candidates: How many edges are ranked.
        max_d_logit_error: Of `exact`, the largest difference from the file's `max_d_logit`; None of
            others, and where the file has none for the ablation.
        outside_rule: Of `exact`, how many edges that the file does not have change an output by
            more than its tolerance.
    """

    level: str
    candidates: int
    max_d_logit_error: float | None
    outside_rule: int | None


def judge_features(found: FeatureCase, method: str, ablation: Ablation) -> FeatureJudged:
    """Run a method on all pairs of a case, and judge its candidates by the file's truths.

    Raises:
        SpecError: The method is unknown.
        NonFiniteError: A loss or a score is NaN or infinite.
    """
    pairs = everywhere(found.case.pairs)
    experiment = Experiment(
        found.case.adapter,
        Metric.LINEAR,
        AblationSpec(kind=ablation),
        pairs,
        splices=found.splices,
    )
    graph = experiment.graph
    candidates = graph.kept(found.candidates)
    asked = graph.to_list(candidates)
    rule = graph.to_list(graph.kept(found.rule))[asked]
    truths = {RULE: rule}
    if ablation in found.minimal:
        truths[MINIMAL[ablation]] = graph.to_list(graph.kept(found.minimal[ablation]))[asked]
    started = time.process_time()
    strengths, chosen = _find(experiment, pairs, method, candidates, found.tolerance)
    seconds = time.process_time() - started
    kept = graph.to_matrix(chosen) & candidates
    strengths, chosen = strengths[asked], chosen[asked]
    error = outside = None
    if method == "exact":
        outside = int((strengths[~rule] > found.tolerance).sum())
        if effects := found.effects.get(ablation):
            by_name = dict(zip(graph.names(candidates), strengths.tolist(), strict=True))
            error = max(abs(by_name[name] - effect) for name, effect in effects.items())
    return FeatureJudged(
        case=found.name,
        method=method,
        ablation=ablation.value,
        auroc={name: auroc(strengths, inside) for name, inside in truths.items()},
        kept=int(chosen.sum()),
        precision={name: share_of(inside, chosen) for name, inside in truths.items()},
        recall={name: share_of(chosen, inside) for name, inside in truths.items()},
        max_logit_change=max_logit_change(experiment, pairs, kept),
        cpu_seconds=seconds,
        level="feature",
        candidates=int(asked.sum()),
        max_d_logit_error=error,
        outside_rule=outside,
    )


def everywhere(pairs: Sequence[TokenPair]) -> list[TokenPair]:
    """The pairs with the same metric, read at every position after the first.

    A position without an output for both prompts has no weight.
    """
    found: list[TokenPair] = []
    for pair in pairs:
        places = tuple(range(1, len(pair.clean))) or pair.positions
        weights = dict(zip(pair.positions, pair.weights or (), strict=True))
        # The metric is a mean over positions, and there are more of them.
        more = len(places) / len(pair.positions)
        found.append(
            replace(
                pair,
                positions=places,
                answers=((),) * len(places),
                wrong_answers=((),) * len(places),
                weights=tuple(
                    tuple((token, weight * more) for token, weight in weights.get(place, ()))
                    for place in places
                ),
            )
        )
    return found


def _find(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    method: str,
    candidates: BoolMatrix,
    tolerance: float,
) -> tuple[Effects, NDArray[np.bool_]]:
    """How strong each edge is, and which are kept; one value an edge of the graph."""
    graph, scale = experiment.graph, abs(mean_gap(experiment, pairs))
    chunk = min(CHUNK, experiment.fitting(pairs))
    match method:
        case "exact":
            effects = graph.to_list(largest_changes(experiment, pairs, candidates))
            return effects, effects > tolerance
        case "attribution":
            scores = attribution(experiment, pairs, only=candidates, chunk=chunk)
        case "two-leg":
            scores = two_leg(experiment, pairs, only=candidates, chunk=chunk)
        case "mask-ig":
            scores = mask_ig(experiment, pairs, only=candidates, chunk=chunk)
        case "acdc":
            return prune(Pruner(experiment, pairs, candidates), scale)
        case _:
            raise SpecError(
                f"method {method!r} is unknown; expected one of {', '.join(FEATURE_METHODS)}"
            )
    strengths = np.abs(scores).astype(np.float64)
    strengths[strengths <= ROUNDING * scale] = 0
    return strengths, strengths > KEPT * scale


@torch.no_grad()
def largest_changes(
    experiment: Experiment, pairs: Sequence[TokenPair], only: BoolMatrix
) -> Effects:
    """[sender, receiver]: the largest change of an output when an edge alone is ablated.

    Over pairs and the positions that they name. Exact; 0 for edges that are not in `only`.
    """
    graph, adapter = experiment.graph, experiment.adapter
    found = np.zeros((graph.n_senders, graph.n_receivers))
    for examples in experiment.chunks(pairs, experiment.fitting(pairs)):
        bench = experiment.bench(examples)
        state, real = State(bench, graph.upstream, restartable=True), bench.objective.target.shares
        clean = state.logits
        for unit in graph.units:
            senders = np.flatnonzero(only[:, unit].any(axis=1)).tolist()
            if not senders:
                continue
            with Restart(state, *unit) as restart:
                rows = restart.rows(senders)
            normed = adapter.norm(graph.n_layers, "logits", rows)
            # A pair with fewer positions than others repeats its first.
            moved = (adapter.logits(normed) - clean).abs() * (real > 0)[..., None]
            largest = moved.amax((1, 2, 3)).cpu().double().numpy()
            for receiver in unit:
                found[senders, receiver] = np.maximum(found[senders, receiver], largest)
    return np.where(only, found, 0)
