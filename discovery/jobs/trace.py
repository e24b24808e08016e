"""The trace job: a spec, a model and a prompt go in, an attribution graph comes out, as a circuit.

Knows no queue and no database: progress and cancellation are a callback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.dictionaries import Loaded
from discovery.engine.self_check import check_adapter
from discovery.evaluation.session import Clock
from discovery.jobs.cutting import checked, dictionaries_for
from discovery.models import LoadedModel
from discovery.progress import Progress
from discovery.tracing import Tested, Traced, exact_edges, trace
from discovery.tracing.prompt import Prompt
from discovery.tracing.pruning import Kept, keep
from graph_schema.documents import (
    CircuitDocument,
    CircuitEdge,
    ComponentKind,
    DictionaryCheck,
    NodeFigures,
    ScoreKind,
    TracedPrompt,
    circuit_id,
)
from graph_schema.documents.component import INPUTS
from graph_schema.documents.jobs import TraceSpec

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TracedCircuit:
    """What a job found: the pruned graph, arrays for the artifact store, CPU seconds by stage.

    `arrays["nodes"]` has the name and influence of every node of the graph before it was pruned,
    `exact_top` "exact_edges" (names, weights, exact, and what each logit node's value loses in the
    whole model: logits [edge, logit], with `tokens`).
    """

    circuit: CircuitDocument
    arrays: dict[str, Arrays]
    cpu_seconds: dict[str, float]


def trace_prompt(
    spec: TraceSpec,
    model: LoadedModel,
    prompt: Prompt,
    *,
    progress: Progress,
    say: Callable[[int], str],
    dictionaries: Sequence[Loaded] = (),
) -> TracedCircuit:
    """Trace a prompt and prune its graph.

    Args:
        spec: The job.
        model: The spec's model, loaded in its dtype.
        prompt: The spec's.
        progress: Stages "run", "rows", "pruning" and, where asked for, "exact_top"; what it raises
            passes through.
        say: A logit's token as text.
        dictionaries: The spec's, loaded.

    Raises:
        ModelError: What the model does cannot be held.
        DictionaryError: A dictionary is not the spec's.
        NumericsError: The adapter's logits are not the model's.
        NonFiniteError: NaN or infinite values.
    """
    adapter, clock = model.adapter, Clock()
    cuts = dictionaries_for(spec, adapter, dictionaries)
    with clock.stage("check"):
        check_adapter(adapter, [prompt.tokens])
        checks = checked(adapter, dictionaries, [prompt.tokens])
    with clock.stage("trace"):
        traced = trace(
            adapter, prompt.tokens, cuts, spec.method, targets=prompt.targets, progress=progress
        )
    with clock.stage("pruning"):
        progress("pruning", 0, 1)
        kept = keep(traced, spec.method)
    tested, arrays = None, _influences(traced, kept)
    if spec.exact_top is not None:
        with clock.stage("exact_top"):
            names = traced.names
            edges = [(names[s], names[t], c) for s, t, c, _ in kept.edges[: spec.exact_top]]
            tested = exact_edges(traced, edges, partial(progress, "exact_top"))
            arrays["exact_edges"] = _tests(traced, kept, tested)
    circuit = _document(spec, model, prompt, traced, kept, tested, checks, say)
    return TracedCircuit(circuit, arrays, clock.seconds)


def _influences(traced: Traced, kept: Kept) -> dict[str, Arrays]:
    return {
        "nodes": {
            "names": np.array(traced.names),
            "influence": kept.pruned.influence.astype(np.float32),
        }
    }


def _tests(traced: Traced, kept: Kept, tested: Tested) -> Arrays:
    edges = kept.edges[: len(tested.exact)]
    return {
        "names": np.array([_edge(traced, each, None).name for each in edges]),
        "weights": np.array([each[3] for each in edges], dtype=np.float32),
        "exact": tested.exact.float().cpu().numpy(),
        "logits": tested.logits.float().cpu().numpy(),
        "tokens": traced.logits.token.cpu().numpy(),
    }


def _edge(traced: Traced, found: tuple[int, int, Any, float], exact: float | None) -> CircuitEdge:
    source, target, channel, weight = found
    return CircuitEdge(
        sender=traced.names[source],
        receiver=traced.names[target],
        channel=channel,
        score=weight,
        score_kind=ScoreKind.ESTIMATE,
        exact=exact,
    )


def _figures(
    traced: Traced, kept: Kept, prompt: Prompt, say: Callable[[int], str]
) -> list[NodeFigures]:
    """What is known of the nodes that are kept: of all that edges join, and tokens and logits."""
    chances = dict(
        zip(traced.logits.token.tolist(), traced.logits.probability.tolist(), strict=True)
    )
    found: list[NodeFigures] = []
    for number in np.flatnonzero(kept.pruned.nodes).tolist():
        part, value = kept.parts[number], float(traced.values[number])
        token = probability = label = None
        if part.kind in INPUTS:
            token = prompt.tokens[part.position or 0]
            label = prompt.pieces[part.position or 0]
        if part.kind is ComponentKind.LOGITS and part.index is not None:
            token, probability = part.index, chances[part.index]
            label = say(token)
        found.append(
            NodeFigures(
                name=part.name,
                effect=float(kept.pruned.influence[number]),
                activation=None if np.isnan(value) else value,
                label=label or None,
                token=token,
                probability=probability,
            )
        )
    return found


def _document(
    spec: TraceSpec,
    model: LoadedModel,
    prompt: Prompt,
    traced: Traced,
    kept: Kept,
    tested: Tested | None,
    checks: tuple[DictionaryCheck, ...],
    say: Callable[[int], str],
) -> CircuitDocument:
    exact = [] if tested is None else tested.exact.tolist()
    edges = [
        _edge(traced, each, exact[i] if i < len(exact) else None)
        for i, each in enumerate(kept.edges)
    ]
    names = (edge.name for edge in edges)
    return CircuitDocument(
        circuit_id=circuit_id(spec.job_id, spec.method.node_threshold, names),
        job_id=spec.job_id,
        model=model.document,
        task=None,
        task_id=None,
        dataset_sha256=None,
        method=spec.method,
        selection=None,
        metric=None,
        ablation=None,
        dtype=spec.dtype,
        seed=None,
        granularity=spec.granularity,
        dictionaries=spec.dictionaries,
        dictionary_checks=checks,
        nodes=tuple(_figures(traced, kept, prompt, say)),
        prompt=TracedPrompt(text=prompt.text, tokens=prompt.pieces),
        graph_scores=kept.scores,
        n_edges_scored=kept.n_edges,
        edges=tuple(edges),
        evaluation=None,
        notes=(*model.notes, *_notes(spec, traced, kept, checks)),
    )


def _notes(
    spec: TraceSpec, traced: Traced, kept: Kept, checks: Sequence[DictionaryCheck]
) -> list[str]:
    """What a reader must know."""
    notes = [each.warning for each in checks if each.warning]
    n = len(traced.chosen)
    if n < traced.n_active:
        notes.append(
            f"{n:,} of {traced.n_active:,} active units were nodes before pruning, by influence; "
            "what the others write is 'rest', which counts as error in the scores"
        )
    if kept.without_rests is not None:
        scores = kept.without_rests
        notes.append(
            f"with rest left out, as circuit-tracer leaves out features beyond its limit: "
            f"replacement {scores.replacement:.3f}, completeness {scores.completeness:.3f}"
        )
    if kept.pruned.limited:
        notes.append(
            f"max_edges kept the {spec.method.max_edges:,} edges that carry most, fewer than "
            f"edge_threshold {spec.method.edge_threshold:g} asks for"
        )
    if (skip := spec.method.skip_positions) > 0:
        notes.append(
            f"no unit at the first {f'{skip} positions' if skip > 1 else 'position'} is a node; "
            "what MLPs write there counts as a constant"
        )
    bare = len(traced.model.layers) - len({each.site.layer for each in spec.dictionaries})
    if spec.granularity == "dictionary" and bare:
        notes.append(f"{bare} layers have no dictionary: their MLPs are errors as a whole")
    if not kept.edges:
        notes.append("the thresholds keep no edge")
    return notes
