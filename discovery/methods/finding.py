"""From a spec's method and selection to kept sets, each with the scores that led to it.

Methods that score every edge are followed by a selection; ACDC decides edges itself, at each
threshold asked for or at one that keeps as many edges as asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix, Graph
from discovery.methods.acdc import Pruned, Pruner
from discovery.methods.acdc_search import MAX_RUNS, prune_to
from discovery.methods.blocks import within
from discovery.methods.scoring import Arrays, Scored, Work, attribute, score, score_kind
from discovery.methods.selection import Scores, best, select, strength
from graph_schema.documents import (
    Acdc,
    AnySelection,
    ScoreKind,
    Threshold,
    Thresholds,
    TopEdges,
)
from graph_schema.documents.jobs import DiscoverSpec

NAMED = 20
"""How many borderline edges a note names; the artifact "acdc" marks them all."""


@dataclass(frozen=True)
class Found:
    """A kept set, one selection's outcome.

    Attributes:
        scores: One an edge, in the order of the edge list, of `kind`.
        ranks: Whether the scores order all edges, so that CMD and CPR mean something.
        n_scored: How many edges the method looked at.
        notes: What a reader would otherwise trip over.
        tested: Exact scores of some edges, in the order of the edge list; NaN for the others.
    """

    kept: BoolMatrix
    selection: AnySelection
    scores: Scores
    kind: ScoreKind
    ranks: bool
    n_scored: int
    notes: tuple[str, ...] = ()
    tested: Scores | None = None


def find(
    spec: DiscoverSpec, work: Work, scored: Scored | None = None
) -> tuple[list[Found], dict[str, Arrays]]:
    """The kept set of each selection asked for, and arrays for the artifact store.

    `scored` are the scores of all pairs where they are known already; acdc has none.
    """
    graph = work.experiment.graph
    if isinstance(spec.method, Acdc):
        return _prune(spec.method, spec.selection, work)
    if scored is None:
        scored = score(spec.method, work, keep_pair_scores=spec.keep_pair_scores)
    found: list[Found] = []
    for selection in _each(spec.selection):
        selected = select(graph, scored.scores, selection)
        found.append(
            Found(
                selected.kept,
                selection,
                scored.scores,
                score_kind(spec.method),
                True,
                graph.n_edges,
                selected.notes,
            )
        )
    names = np.array(graph.names())
    arrays: dict[str, Arrays] = {"scores": {"names": names, "scores": scored.scores}}
    if scored.per_pair is not None:
        ids = np.array([pair.id for pair in work.pairs])
        arrays["pair_scores"] = {"names": names, "ids": ids, "scores": scored.per_pair}
    return found, arrays


def _each(selection: AnySelection | Thresholds) -> tuple[AnySelection, ...]:
    return selection.each if isinstance(selection, Thresholds) else (selection,)


# ACDC.


def _prune(
    method: Acdc, selection: AnySelection | Thresholds, work: Work
) -> tuple[list[Found], dict[str, Arrays]]:
    graph = work.experiment.graph
    candidates, notes = graph.upstream, list[str]()
    if method.candidates is not None and method.candidates < graph.n_edges:
        candidates = _candidates(method, method.candidates, work)
        n_candidates = int(candidates.sum())
        notes.append(
            f"acdc decided {n_candidates} edges proposed by {method.proposed_by.name}; the "
            f"other {graph.n_edges - n_candidates} are ablated throughout"
        )
    elif work.whole is not None:
        candidates, note = _blocks(selection, work, work.whole)
        notes.append(note)
    tell, begun, n_runs = work.report("scores"), 0, MAX_RUNS
    if not isinstance(selection, TopEdges):
        n_runs = len(_each(selection))

    def on_run(number: int) -> None:
        nonlocal begun
        begun = number

    pruner = Pruner(
        work.experiment,
        work.pairs,
        candidates,
        chunk=work.chunk,
        progress=lambda done, total: tell(begun * total + done, n_runs * total),
        checkpoint=work.checkpoint,
    )
    runs: list[tuple[AnySelection, Pruned]] = []
    if isinstance(selection, TopEdges):
        runs.append((selection, prune_to(pruner, selection.n_edges, on_run=on_run)))
    else:
        for number, each in enumerate(_each(selection)):
            assert isinstance(each, Threshold)
            on_run(number)
            runs.append((each, pruner.run(each.threshold)))
    found = [
        Found(
            pruned.kept,
            each,
            graph.to_list(pruned.rises).astype(np.float32),
            ScoreKind.ACDC_DELTA,
            False,
            int(candidates.sum()),
            (*notes, *_notes(graph, candidates, each, pruned)),
        )
        for each, pruned in runs
    ]
    return found, _arrays(graph, candidates, [pruned for _, pruned in runs])


def _blocks(
    selection: AnySelection | Thresholds, work: Work, whole: Experiment
) -> tuple[BoolMatrix, str]:
    """Edges whose components' edge acdc keeps by the same selection, the smallest of several τ."""
    graph, blocks = work.experiment.graph, whole.graph
    if (saved := work.checkpoint.load("blocks")) is not None:
        kept = saved["kept"].astype(np.bool_)
    else:
        pruner = Pruner(
            whole,
            work.pairs,
            blocks.upstream,
            chunk=work.chunk,
            progress=work.report("blocks"),
        )
        first = _each(selection)[0]
        if isinstance(first, TopEdges):
            kept = prune_to(pruner, first.n_edges).kept
        else:
            kept = pruner.run(first.threshold).kept
        work.checkpoint.save("blocks", {"kept": kept})
    candidates = within(blocks, kept, graph)
    return candidates, (
        f"acdc decided edges between whole components first and kept {int(kept.sum()):,} of "
        f"{blocks.n_edges:,}; of the {graph.n_edges:,} edges between parts that leaves "
        f"{int(candidates.sum()):,} to decide"
    )


def _candidates(method: Acdc, n_edges: int, work: Work) -> BoolMatrix:
    """The edges that attribution scores highest, dead ends included; the same after a restart."""
    graph = work.experiment.graph
    if (saved := work.checkpoint.load("candidates")) is not None:
        return saved["candidates"].astype(np.bool_)
    scores = strength(attribute(method.proposed_by, work, "candidates"), "abs")
    candidates = graph.to_matrix(best(graph, scores, n_edges))
    work.checkpoint.save("candidates", {"candidates": candidates})
    return candidates


def _notes(
    graph: Graph, candidates: BoolMatrix, selection: AnySelection, pruned: Pruned
) -> list[str]:
    """What τ did that a reader should know."""
    notes, tau = list[str](), f"threshold {pruned.threshold:g}"
    if isinstance(selection, TopEdges):
        notes.append(f"{tau} keeps {pruned.n_edges} edges")
        if pruned.n_edges != selection.n_edges:
            notes[0] += f"; no threshold was found that keeps {selection.n_edges}"
    if pruned.n_edges == 0:
        best = float(pruned.rises.max())
        notes.append(f"{tau} keeps nothing: the largest rise of the loss is {best:.3g}")
    elif pruned.n_edges == candidates.sum():
        notes.append(f"{tau} keeps everything: all of {pruned.n_edges} edges")
    dead = int((pruned.kept & ~graph.trim(pruned.kept)).sum())
    if dead > 0:
        notes.append(f"{dead} of {pruned.n_edges} kept edges are dead ends")
    names = graph.names(pruned.borderline)
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        notes.append(
            f"within rounding error ({pruned.error:.2g}) of {tau}, so another machine may decide "
            f"them otherwise: {', '.join(names[:NAMED])}{more}"
        )
    return notes


def _arrays(graph: Graph, candidates: BoolMatrix, runs: Sequence[Pruned]) -> dict[str, Arrays]:
    """Of the edges decided: rises, kept and borderline at each τ; and one score an edge.

    The score is the rise at the only τ, or the largest τ that keeps the edge (0 for none).
    """
    decided = graph.to_list(candidates)

    def each(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.stack([graph.to_list(value)[decided] for value in values])

    names = np.array(graph.names(candidates))
    thresholds = np.array([run.threshold for run in runs])
    rises, kept = each([run.rises for run in runs]), each([run.kept for run in runs])
    scores = rises[0] if len(runs) == 1 else (thresholds[:, None] * kept).max(axis=0)
    return {
        "scores": {"names": names, "scores": scores.astype(np.float32)},
        "acdc": {
            "names": names,
            "thresholds": thresholds,
            "errors": np.array([run.error for run in runs]),
            "rises": rises,
            "kept": kept,
            "borderline": each([run.borderline for run in runs]),
        },
    }
