"""From a stored circuit and what a user types to an evaluate job.

What the user leaves out is taken from the circuit: the pairs of its own job or of its import, the
metric, ablation, dtype and seed that its figures stand on, and the place its model lay at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graph_schema.documents import (
    Ablation,
    AblationSpec,
    AnyData,
    CircuitDocument,
    DatasetDocument,
    Limits,
    Metric,
    ModelDocument,
    ModelId,
    ModelSource,
    TaskData,
)
from graph_schema.documents.jobs import (
    EvaluateSpec,
    JobRecord,
    MeasuredSpec,
    Placement,
    Tokenisation,
    read_spec,
)
from graph_schema.errors import SpecError
from graph_schema.models.fingerprint import COMMIT, fingerprint, is_path
from graph_schema.models.same import require_known, require_same
from workers.requests.checking import choice, validated
from workers.requests.discover import Submission
from workers.requests.pairs import MeasureRequest, data_of, placement_of, source_of


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(MeasureRequest):
    """What a user asks for, unchecked; None is what the circuit says itself."""

    circuit: str
    model: str | None = None
    revision: str | None = None
    metric: str | None = None
    ablation: str | None = None
    draws: int | None = None
    add_bos: bool | None = None
    answers: str | None = None
    misfits: str | None = None
    dtype: str | None = None
    seed: int | None = None


def build_evaluation(
    request: EvaluateRequest,
    circuit: CircuitDocument,
    job: JobRecord | None,
    limits: Limits,
    cache_dir: Path,
    known: Callable[[str], ModelDocument | None],
) -> Submission:
    """The evaluate job of a request.

    Args:
        request: What the user said.
        circuit: The circuit it names.
        job: The job that found it, or that judged it first, where there is one.
        limits: Bounds of datasets and pairs.
        cache_dir: Keeps the hashes of model files.
        known: What the graph knows of a model, by its fingerprint.

    Raises:
        SpecError: The request is wrong, or nobody has said what the circuit is for.
        DatasetError: The dataset is; the message names the line.
        ModelError: A model of other weights lies where the circuit's should, or nobody has said
            where. Weights that nobody knows yet are looked at by the worker.
    """
    own = _measured(job) if job else None
    metric = circuit.metric
    if request.metric is not None:
        metric = choice("metric", Metric, request.metric)
    data, dataset = _data(request, circuit, own, metric, limits)
    spec = validated(
        EvaluateSpec,
        {
            "circuit_id": circuit.circuit_id,
            "model": ModelId(fingerprint=circuit.model.fingerprint),
            "data": data,
            "tokenisation": _tokenisation(request, own),
            "metric": metric or data.default_metric,
            "ablation": _ablation(request, circuit),
            "evaluation": request.evaluation,
            "dtype": request.dtype or circuit.dtype or "float32",
            "seed": circuit.seed or 0 if request.seed is None else request.seed,
        },
    )
    source = _source(request, circuit, job)
    placement = placement_of(request, source)
    there = _fingerprint(request, source, circuit.model, own, cache_dir)
    if there != circuit.model.fingerprint:
        require_known(circuit.model, source.name)
        model = known(there)
        if model is not None and model.weights_sha256 is not None:
            require_same(circuit.model, model)
        spec = spec.model_copy(update={"model": ModelId(fingerprint=there)})
    return Submission(spec, placement, dataset)


def _measured(job: JobRecord) -> MeasuredSpec:
    """The spec of the job that found or judged a circuit."""
    spec = read_spec(job.spec)
    assert isinstance(spec, MeasuredSpec), "only jobs that measure circuits have any"
    return spec


def _fingerprint(
    request: EvaluateRequest,
    source: ModelSource,
    model: ModelDocument,
    own: MeasuredSpec | None,
    cache_dir: Path,
) -> str:
    """The fingerprint of what lies at the source; that of the job before where nobody can tell.

    A path may be one of the worker's machine. A hub id means the circuit's own commit, unless the
    user names another repository or a revision.
    """
    before = own.model.fingerprint if own else model.fingerprint
    if is_path(source.name):
        return fingerprint(source, cache_dir) if Path(source.name).exists() else before
    if request.model is None:
        return before
    is_own = source.name == model.name and COMMIT.fullmatch(model.fingerprint) is not None
    if is_own and request.revision is None:
        return model.fingerprint
    return fingerprint(source, cache_dir)


def _data(
    request: EvaluateRequest,
    circuit: CircuitDocument,
    own: MeasuredSpec | None,
    metric: Metric | None,
    limits: Limits,
) -> tuple[AnyData, DatasetDocument | None]:
    if request.task is not None or request.dataset is not None:
        return data_of(request, metric, limits)
    imported = circuit.imported
    data = imported.data if imported else None
    data = data or (own.data if own else None)
    if data is None:
        raise SpecError(
            f"nobody has said what circuit {circuit.circuit_id[:12]} is for: give the task or the "
            "pairs to judge it on (--task ioi, or --dataset FILE.jsonl)"
        )
    if request.heldout is not None or request.label is not None or request.task_params:
        raise SpecError(
            "heldout, label and task parameters go with a task or a dataset: give --task or "
            "--dataset with them"
        )
    if request.pairs is None:
        return data, None
    if not isinstance(data, TaskData):
        raise SpecError("pairs go with a built-in task; a dataset is used whole: leave them out")
    # Checked like a task that was named.
    asked = replace(request, task=data.task.name, task_params=_parameters(data), dataset=None)
    return data_of(asked, metric, limits)


def _parameters(data: TaskData) -> dict[str, Any]:
    return data.task.model_dump(exclude={"name", "version"})


def _tokenisation(request: EvaluateRequest, own: MeasuredSpec | None) -> Tokenisation:
    kept = own.tokenisation if own else Tokenisation()
    given = {
        "add_bos": request.add_bos,
        "answers": request.answers,
        "misfits": request.misfits,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    return validated(Tokenisation, kept.model_dump() | asked)


def _ablation(request: EvaluateRequest, circuit: CircuitDocument) -> AblationSpec:
    kept = circuit.ablation or AblationSpec()
    if request.ablation is None:
        draws = kept.draws if request.draws is None else request.draws
        return validated(AblationSpec, {"kind": kept.kind, "draws": draws})
    kind = choice("ablation", Ablation, request.ablation)
    draws = 1 if request.draws is None else request.draws
    return validated(AblationSpec, {"kind": kind, "draws": draws})


def _source(
    request: EvaluateRequest, circuit: CircuitDocument, job: JobRecord | None
) -> ModelSource:
    if request.model is not None:
        return source_of(request.model, request.revision)
    if request.revision is not None:
        raise SpecError("a revision goes with a model: give --model too, or leave it out")
    model, imported = circuit.model, circuit.imported
    if job is not None:
        return Placement.model_validate_json(job.placement).model
    if imported is not None and imported.source is not None:
        return imported.source
    if COMMIT.fullmatch(model.fingerprint) and not is_path(model.name):
        return ModelSource(name=model.name, revision=model.fingerprint)
    raise SpecError(
        f"nobody has said where model {model.name!r} ({model.fingerprint[:12]}) lies: give its "
        "folder or hub id (--model)"
    )
