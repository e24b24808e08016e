"""The discover job: a spec, a model and pairs go in, circuits come out.

Baseline (does the model do the task at all?), scores of every edge, selection, evaluation. Knows
no queue and no database: progress, cancellation and checkpoints are callbacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from discovery.dictionaries import Loaded
from discovery.engine.graph import BoolMatrix
from discovery.evaluation.full_work import FullWork
from discovery.evaluation.measured import Measured
from discovery.evaluation.quick import evaluate
from discovery.features import describe_units
from discovery.jobs.beginning import Begun
from discovery.jobs.circuit_documents import document_of, grouped
from discovery.methods.alternatives import Faithfulness, with_alternatives
from discovery.methods.exact_top import exact_top
from discovery.methods.finding import find
from discovery.methods.scoring import Arrays
from discovery.methods.shards import Part, merged
from discovery.models import LoadedModel
from discovery.progress import Checkpoint, Progress, Report
from discovery.tasks.base import PairSet
from graph_schema.circuit_arrays import FEATURES, UNITS, feature_arrays
from graph_schema.documents import (
    CircuitDocument,
    Features,
    Limits,
)
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import LimitError


@dataclass(frozen=True)
class Discovery:
    """What a job found: circuits, arrays for the artifact store, CPU seconds by stage.

    `arrays["scores"]` has the name and score of every edge that the method looked at,
    `arrays["pairs"]` the metric of every pair under the full model, the circuit and with everything
    ablated; `acdc` adds the decisions at each threshold, preset `full` each edge's "stability",
    `keep_pair_scores` "pair_scores" (names, ids, scores [pair, edge]), `exact_top` "exact_top"
    (names, scores, estimates), ablation `resample` "drawn" (see `Splits.draws`), a job of features
    "units" (the names of all that are nodes). `features`, which the arrays have as "features", say
    what the circuits' units are.
    """

    circuits: tuple[CircuitDocument, ...]
    arrays: dict[str, Arrays]
    cpu_seconds: dict[str, float]
    features: Features | None = None


def discover(
    spec: DiscoverSpec,
    model: LoadedModel,
    pairs: PairSet,
    *,
    limits: Limits,
    progress: Progress,
    checkpoint: Checkpoint,
    chunk: int | None = None,
    dictionaries: Sequence[Loaded] = (),
    parts: Sequence[Part] = (),
) -> Discovery:
    """Find and judge circuits: one, one for each threshold of a sweep, or `alternatives` of each.

    Args:
        spec: The job.
        model: The spec's model, loaded in its dtype.
        pairs: The spec's data.
        limits: `accuracy_floor`, `min_pairs`, `circuit_edges` and `pair_score_bytes` are read here.
        progress: Stages "baseline", "dictionaries" and "units" (of features), "candidates" (acdc
            with proposed edges), "blocks" (acdc of features), "scores", "exact_top"
            (where asked for), "evaluation" and, of features, "features", and under `full`
            "shuffled", "stability", "removals" and "chance"; what it raises passes through.
        checkpoint: Where `exact` and `acdc` keep what they have.
        chunk: Examples at a time (default: what fits the device).
        dictionaries: The spec's, loaded.
        parts: The scores of parts of the pairs, where shards have computed them.

    Raises:
        DictionaryError: They are others than the spec's.
        TaskNotPerformedError: The model does not do the task; raised before the scores.
        DatasetError: The data lack what the metric or the ablation needs.
        LimitError: A circuit has more edges than the limit, or the pairs' scores more bytes.
        NonFiniteError: NaN or infinite values; names the layer.
        NumericsError: The parts are not of these pairs, each once, or of another model.
    """
    begun = Begun.of(
        spec,
        model,
        pairs,
        limits=limits,
        progress=progress,
        chunk=chunk,
        dictionaries=dictionaries,
    )
    session, splits, cut = begun.session, begun.splits, begun.cut
    experiment, clock, report = session.experiment, session.clock, session.report
    discovery, heldout = splits.discovery, splits.heldout
    work = begun.work(checkpoint)
    with clock.stage("scores"):
        scored = None
        if parts:
            scored = merged(parts, begun.identity(model, pairs), len(pairs.discovery))
        found, arrays = find(spec, work, scored)
        if spec.alternatives > 1:
            found = [
                circuit
                for each in found
                for circuit in with_alternatives(
                    experiment.graph, each, spec.alternatives, faithful(discovery)
                )
            ]
        if spec.exact_top is not None:
            found, tested = exact_top(spec.exact_top, found, work)
            arrays |= {"exact_top": tested} if tested else {}
    for each in found:
        if (n_kept := int(each.kept.sum())) > limits.circuit_edges:
            raise LimitError(
                f"the circuit has {n_kept} edges, more than the limit of {limits.circuit_edges} "
                "(setting limits.circuit_edges): ask for fewer edges or a larger threshold"
            )
    circuits: list[CircuitDocument] = []
    with clock.stage("evaluation"):
        full = None
        if spec.evaluation == "full":
            full = FullWork(spec, work, discovery, arrays.get("pair_scores"))
        for number, each in enumerate(found):
            evaluation = evaluate(
                discovery,
                heldout,
                each.kept,
                each.scores if each.ranks else None,
                seed=spec.seed,
                missing=splits.missing,
                preset=spec.evaluation,
                progress=_share(report("evaluation"), number, len(found)),
            )
            stable = None
            if full is not None:
                evaluation, stable = full.complete(evaluation, heldout, each)
            notes = (
                *model.notes,
                *pairs.notes,
                *grouped(spec, model),
                *cut.notes,
                *each.notes,
                *splits.notes,
            )
            circuits.append(
                document_of(
                    spec, model, pairs, experiment.graph, each, evaluation, notes, cut, stable
                )
            )
            if stable is not None:
                arrays[f"stability-{number}" if number else "stability"] = {
                    "names": np.array(experiment.graph.names()),
                    "frequency": stable.frequency.astype(np.float32),
                    "sign": stable.sign.astype(np.float32),
                }
    arrays["pairs"] = splits.per_pair([each.kept for each in found])
    arrays |= splits.draws()
    features = None
    if cut.splices:
        arrays[UNITS] = {"names": np.array(cut.units, dtype=np.str_)}
        with clock.stage("features"):
            features = describe_units(circuits, cut.splices, model, pairs, report("features"))
    if features is not None:
        arrays |= {FEATURES: feature_arrays(features)}
    seconds = clock.seconds | ({"shards": sum(each.cpu_seconds for each in parts)} if parts else {})
    return Discovery(tuple(circuits), arrays, seconds, features)


def faithful(split: Measured) -> Faithfulness:
    """Faithfulness of kept sets on a split, run together."""

    def values(circuits: Sequence[BoolMatrix]) -> list[float]:
        split.measure(circuits)
        return [split.faithfulness(kept) for kept in circuits]

    return values


def _share(progress: Report, number: int, of: int) -> Report:
    """Progress of the piece of work `number` of several alike."""
    return lambda done, total: progress(number * total + done, of * total)
