"""Every edge's score by a method that scores each edge alone: a mean over pairs.

ACDC decides edges one after another, and is not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.integrated_gradients import eap_ig
from discovery.methods.mask_gradients import attribution, mask_ig
from discovery.methods.selection import Scores
from discovery.methods.two_leg import two_leg
from discovery.progress import Checkpoint, Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import Eap, EapIg, Exact, MaskIg, ScoreKind, TwoLeg

Arrays = dict[str, NDArray[Any]]
Scoring = Eap | EapIg | TwoLeg | MaskIg | Exact
"""Methods whose score of an edge is a mean over pairs."""


@dataclass(frozen=True)
class Work:
    """What a method works on, and where it reports (`report` gives a stage's callback).

    `whole` is the same experiment without splits, where the graph's components are cut.
    """

    experiment: Experiment
    pairs: Sequence[TokenPair]
    chunk: int | None
    report: Callable[[str], Report]
    checkpoint: Checkpoint
    whole: Experiment | None = None


@dataclass(frozen=True)
class Scored:
    """What a method makes of every edge, in the order of the edge list.

    Attributes:
        scores: Means over the pairs.
        per_pair: [pair, edge], each pair's own, where they are kept.
    """

    scores: Scores
    per_pair: Scores | None = None


def score(method: Scoring, work: Work, *, keep_pair_scores: bool = False) -> Scored:
    """Every edge's score, mean over the work's pairs, reported as stage "scores".

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    per_pair = None
    if keep_pair_scores:
        per_pair = np.zeros((len(work.pairs), work.experiment.graph.n_edges), dtype=np.float32)
    if not isinstance(method, Exact):
        return Scored(attribute(method, work, "scores", per_pair), per_pair)
    scores = exact(
        work.experiment,
        work.pairs,
        chunk=work.chunk,
        progress=work.report("scores"),
        checkpoint=work.checkpoint,
        per_pair=per_pair,
    )
    return Scored(scores, per_pair)


def score_kind(method: Scoring) -> ScoreKind:
    """What its scores are."""
    match method:
        case Exact():
            return ScoreKind.EXACT
        case MaskIg():
            return ScoreKind.MASK
        case _:
            return ScoreKind.ESTIMATE


def attribute(
    method: Eap | EapIg | TwoLeg | MaskIg, work: Work, stage: str, per_pair: Scores | None = None
) -> Scores:
    """Every edge's score by an estimate, mean over the work's pairs.

    `per_pair` [pair, edge], zeros, receives each pair's own, of `eap` and `eap-ig` between heads.
    """
    options: Any = {"chunk": work.chunk, "progress": work.report(stage)}
    match method:
        case TwoLeg():
            return two_leg(work.experiment, work.pairs, **options)
        case MaskIg():
            return mask_ig(work.experiment, work.pairs, steps=method.steps, **options)
        case Eap():
            if work.experiment.graph.splits:
                return attribution(work.experiment, work.pairs, **options)
            return eap(work.experiment, work.pairs, per_pair=per_pair, **options)
        case EapIg():
            return eap_ig(work.experiment, work.pairs, method, per_pair=per_pair, **options)
