"""The evaluate job: a stored circuit, a model and pairs go in, an evaluation comes out.

The same measurements as after a discovery, on whatever pairs the job names. No method is run: what
preset `full` would ask of it (shuffled pairs, stability) is not available and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from discovery.dictionaries import Loaded
from discovery.engine.graph import Graph
from discovery.evaluation.full import Evidence, complete
from discovery.evaluation.quick import evaluate
from discovery.evaluation.session import Session
from discovery.jobs.cutting import splices_of
from discovery.methods.scoring import Arrays
from discovery.methods.selection import Scores
from discovery.models import LoadedModel
from discovery.progress import Progress
from discovery.tasks.base import PairSet, TokenIds
from graph_schema.datasets.pair import parse_object, parse_pair
from graph_schema.documents import (
    Acdc,
    CircuitDocument,
    CircuitEvaluation,
    DatasetDocument,
    Limits,
    Split,
)
from graph_schema.documents.jobs import EvaluateSpec
from graph_schema.models.same import require_same

NO_CANDIDATES = (
    "which units were candidates is not stored: those that the circuit does not name write with "
    "the rest of their component, so figures may differ from those of the job that found it"
)
NO_METHOD = "an evaluation does not run the method that found the circuit"


@dataclass(frozen=True)
class Judgement:
    """What a job found; `arrays["pairs"]` has the metric of every pair, as after a discovery."""

    evaluation: CircuitEvaluation
    arrays: dict[str, Arrays]
    cpu_seconds: dict[str, float]


def judge(
    spec: EvaluateSpec,
    circuit: CircuitDocument,
    scores: Mapping[str, float],
    model: LoadedModel,
    pairs: PairSet,
    *,
    limits: Limits,
    progress: Progress,
    found_on: DatasetDocument | None = None,
    chunk: int | None = None,
    dictionaries: Sequence[Loaded] = (),
    units: Iterable[str] = (),
) -> Judgement:
    """Judge a circuit under the spec's metric and ablation, on the spec's pairs.

    A held-out pair with a prompt, clean or corrupt, that the circuit's own job discovered on is
    left out, whatever split the spec's pairs come in: a held-out figure is of pairs that discovery
    did not see.

    Args:
        spec: The job.
        circuit: The circuit it names.
        scores: Of all edges, by name, as they were stored with it; they rank the edges for CMD and
            CPR where each edge of the model has one.
        model: The circuit's model, or another fingerprint of its weights, loaded in the spec's
            dtype.
        pairs: The spec's data.
        limits: `accuracy_floor` and `min_pairs` are read here.
        found_on: The stored pairs of the circuit's own job; None where there is no job, or its
            pairs are gone (a note then says that nobody can tell).
        progress: Stages "baseline" and "evaluation", under `full` "removals" and "chance".
        chunk: Examples at a time (default: what fits).
        dictionaries: The circuit's, loaded.
        units: Names of all units that were candidates of the circuit's job; where none are known,
            those that scored edges leave, or else that the circuit itself names.

    Raises:
        DictionaryError: They are others than the circuit's.
        SpecError: The circuit has an edge that the model has not.
        ModelError: Other weights, or the same ones in another shape; or nobody knows.
        TaskNotPerformedError: The model does not do the task.
        DatasetError: The data lack what the metric or the ablation needs.
        NonFiniteError: NaN or infinite values; names the layer.
    """
    require_same(circuit.model, model.document)
    if circuit.job_id is not None:
        tokenizer = model.tokenizer
        pairs = _unseen(pairs, found_on, tokenizer.bos_token_id if tokenizer else None)
    session = Session.of(
        spec,
        model,
        pairs,
        receivers=circuit.receivers,
        limits=limits,
        progress=progress,
        chunk=chunk,
    )
    units = tuple(units)
    nodes = units or (name.partition("->")[0] for name in scores)
    if splices := splices_of(circuit, nodes, model.adapter, dictionaries):
        session = session.spliced(splices)
    experiment, clock, report = session.experiment, session.clock, session.report
    kept = experiment.graph.kept(edge.name for edge in circuit.edges)
    ranking, no_ranking = _ranking(circuit, scores, experiment.graph)
    splits = session.baseline()
    with clock.stage("evaluation"):
        found = evaluate(
            splits.discovery,
            splits.heldout,
            kept,
            ranking,
            seed=spec.seed,
            missing=splits.missing,
            no_ranking=no_ranking,
            preset=spec.evaluation,
            progress=report("evaluation"),
        )
        if spec.evaluation == "full":
            found, _ = complete(
                found,
                splits.discovery,
                splits.heldout,
                kept,
                circuit.selection,
                Evidence(shuffled=NO_METHOD, groups=NO_METHOD),
                seed=spec.seed,
                chunk=chunk,
                progress=report,
            )
    evaluation = CircuitEvaluation(
        evaluation_id=spec.job_id,
        circuit_id=circuit.circuit_id,
        task=pairs.task,
        task_id=pairs.task_id,
        dataset_sha256=pairs.document.sha256,
        metric=spec.metric,
        ablation=spec.ablation,
        dtype=spec.dtype,
        seed=spec.seed,
        evaluation=found,
        notes=(
            *_elsewhere(circuit, model),
            *([NO_CANDIDATES] if splices and not units else []),
            *model.notes,
            *pairs.notes,
            *splits.notes,
        ),
    )
    return Judgement(evaluation, {"pairs": splits.per_pair([kept])} | splits.draws(), clock.seconds)


def _elsewhere(circuit: CircuitDocument, model: LoadedModel) -> tuple[str, ...]:
    """A note where the model is not the circuit's own by its fingerprint."""
    own, there = circuit.model, model.document
    if own.fingerprint == there.fingerprint:
        return ()
    return (
        f"judged in model {there.name!r} ({there.fingerprint[:12]}), which has the weights of the "
        f"circuit's own, {own.name!r} ({own.fingerprint[:12]}): configuration and tokenizer are "
        "those of the former",
    )


def _unseen(pairs: PairSet, found_on: DatasetDocument | None, bos: object) -> PairSet:
    """The pairs without those held out that the circuit was found on."""
    if found_on is None:
        note = (
            "the pairs that the circuit was found on are not stored: held-out pairs may be among "
            "them"
        )
        return replace(pairs, notes=(*pairs.notes, note)) if pairs.heldout else pairs

    def bare(prompt: TokenIds) -> TokenIds:
        return prompt[1:] if prompt[:1] == (bos,) else prompt

    known = (
        parse_pair("stored pair", parse_object("stored pair", line))
        for line in found_on.jsonl.splitlines()
    )
    # Stored prompts are token ids, with the special tokens that the job put before them.
    seen = {
        bare(tuple(map(int, prompt)))
        for pair in known
        if pair.split is Split.DISCOVERY
        for prompt in (pair.clean, pair.corrupt)
    }
    heldout = tuple(pair for pair in pairs.heldout if seen.isdisjoint(map(bare, pair.prompts)))
    if not (n_seen := len(pairs.heldout) - len(heldout)):
        return pairs
    note = (
        f"{n_seen} of {len(pairs.heldout)} held-out pairs left out: the circuit was found on their "
        "prompts, clean or corrupt"
    )
    return replace(pairs, heldout=heldout, notes=(*pairs.notes, note))


def _ranking(
    circuit: CircuitDocument, scores: Mapping[str, float], graph: Graph
) -> tuple[Scores | None, str]:
    """One score an edge, in the order of the edge list; or None and why there is no ranking."""
    if isinstance(circuit.method, Acdc):
        return None, "acdc gives no ranking of edges"
    names = graph.names()
    n_scored = sum(name in scores for name in names)
    if n_scored < len(names):
        return None, f"no ranking: {n_scored} of {len(names)} edges have a stored score"
    return np.array([scores[name] for name in names], dtype=np.float32), ""
