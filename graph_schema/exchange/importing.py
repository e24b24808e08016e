"""From a file to a circuit of ours: what the file holds, for the model it is said to be of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

import numpy as np

from graph_schema.documents import (
    Ablation,
    AblationSpec,
    AnyData,
    AnySelection,
    CircuitDocument,
    CircuitEdge,
    Component,
    ComponentKind,
    DatasetData,
    ExchangeFormat,
    Granularity,
    Imported,
    Metric,
    ModelDocument,
    ModelSource,
    sha256_hex,
)
from graph_schema.errors import SpecError
from graph_schema.exchange.base import Exchanged, ExchangeError, imported_id, json_of
from graph_schema.exchange.neuronpedia import is_graph

LARGEST = float(np.finfo(np.float32).max)
_SUFFIXES = {
    ".pt": ExchangeFormat.EAP_IG_PT,
    ".graphml": ExchangeFormat.GRAPHML,
    ".xml": ExchangeFormat.GRAPHML,
    ".csv": ExchangeFormat.CSV,
}
_SAID = ("task", "method", "metric", "ablation", "circuit_id")


def format_of(name: str, data: bytes) -> ExchangeFormat:
    """The format of a file, by its ending and, for JSON, by its keys.

    Raises:
        ExchangeError: The ending says nothing.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix != ".json":
        raise ExchangeError(
            f"{name!r} does not say its format; expected a name in .json, .pt, .graphml or .csv, "
            f"or one of: {', '.join(ExchangeFormat)} (--format)"
        )
    try:
        found = json_of(data)
    except ExchangeError as error:
        raise ExchangeError(f"{name!r}: {error}") from error
    if is_graph(found):
        return ExchangeFormat.NEURONPEDIA
    nodes = isinstance(found, dict) and "cfg" not in found
    return ExchangeFormat.NODE_LINK if nodes else ExchangeFormat.EAP_IG


def imported_circuit(
    found: Exchanged,
    format: ExchangeFormat,
    data: bytes,
    model: ModelDocument,
    *,
    source: ModelSource | None = None,
    pairs: AnyData | None = None,
    metric: Metric | None = None,
    ablation: AblationSpec | None = None,
    selection: AnySelection | None = None,
) -> CircuitDocument:
    """The circuit of a file that was read, for `model`. Its id is the file's and the model's.

    Args:
        found: What the file holds.
        format: Its format.
        data: Its bytes.
        model: The model that the circuit is of.
        source: Where that lies.
        pairs: What the circuit is for, where somebody says so.
        metric: What its scores are of; else what the file says.
        ablation: What took an edge's place; else what the file says.
        selection: What chose the circuit by the file's scores (`choosing.chosen`), if anything did.

    Raises:
        SpecError: The circuit does not fit the model, or the file says that it is of another one.
        ExchangeError: A score is beyond float32, no edge is in the circuit, or it is of neurons.
    """
    edges = found.kept()
    found.check_fits(model)
    said = found.metadata.get("fingerprint", model.fingerprint)
    if said != model.fingerprint:
        raise SpecError(
            f"the file says that its circuit is of model {said} "
            f"({found.metadata.get('model', 'unnamed')!r}), not of {model.fingerprint} "
            f"({model.name!r}): import it for its own model"
        )
    for name, score in found.scores.items():
        if abs(score) > LARGEST:
            raise ExchangeError(f"edge {name!r}: score {score!r} is beyond float32")
    told = {key: found.metadata[key] for key in _SAID if key in found.metadata}
    words = ", ".join(f"{key} {value}" for key, value in told.items())
    notes = [f"the file says: {words}"] if words else []
    if n_silent := sum(edge.score is None for edge in edges):
        notes.append(f"the file gives no score for {n_silent:,} of {len(edges):,} kept edges")
    granularity = _granularity(edges)
    if granularity != "head" and found.prompt is None:
        notes.append(
            "which further units were candidates the file does not say: they write with the rest "
            "of their component, so figures differ from those of the job that found the circuit"
        )
    return CircuitDocument(
        circuit_id=imported_id(format, data, model.fingerprint, selection),
        job_id=None,
        model=model,
        task=pairs.task_name if pairs else None,
        task_id=pairs.task_id if pairs else None,
        dataset_sha256=None,
        method=Imported(
            format=format,
            sha256=sha256_hex(data),
            data=pairs,
            source=source,
            foreign=found.foreign,
        ),
        selection=selection,
        metric=metric or _metric(found),
        ablation=ablation or _ablation(found),
        dtype=None,
        seed=None,
        granularity=granularity,
        nodes=found.nodes,
        prompt=found.prompt,
        graph_scores=found.graph_scores,
        n_edges_scored=len(found.scores),
        edges=edges,
        evaluation=None,
        notes=(*notes, *found.notes),
    )


def _granularity(edges: Iterable[CircuitEdge]) -> Granularity:
    """What the file's components are cut into, by the finest that an edge joins."""
    kinds = {Component.parse(end).kind for edge in edges for end in (edge.sender, edge.receiver)}
    if kinds & {ComponentKind.FEATURE, ComponentKind.ERROR}:
        return "dictionary"
    return "neuron" if kinds & {ComponentKind.NEURON, ComponentKind.REST} else "head"


def said_data(found: Exchanged) -> DatasetData | None:
    """The dataset that the file names, if it names one."""
    sha256, task = found.metadata.get("dataset_sha256", ""), found.metadata.get("task", "")
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef") or not 0 < len(task) <= 200:
        return None
    return DatasetData(sha256=sha256, task=task)


def _metric(found: Exchanged) -> Metric | None:
    name = found.metadata.get("metric")
    return Metric(name) if name in [metric.value for metric in Metric] else None


def _ablation(found: Exchanged) -> AblationSpec | None:
    name = found.metadata.get("ablation")
    known = name in [ablation.value for ablation in Ablation]
    return AblationSpec(kind=Ablation(name)) if known else None
