"""From a stored circuit and what a user types to an evaluate job.

What the user leaves out is taken from the circuit: the pairs of its own job or of its import, the
metric, ablation, dtype and seed that its figures stand on, and the place its model lay at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graph_schema.documents import (
    AblationSpec,
    AnyData,
    CircuitDocument,
    DatasetDocument,
    DictionarySource,
    Limits,
    Metric,
    ModelId,
    ModelSource,
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
from graph_schema.models.fingerprint import COMMIT, is_path
from graph_schema.models.same import JUDGING
from workers.requests.again import (
    AgainRequest,
    Known,
    ablation_again,
    checked_fingerprint,
    data_again,
    fingerprint_again,
    source_again,
)
from workers.requests.checking import choice, validated
from workers.requests.discover import Submission
from workers.requests.pairs import data_of, placement_of


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(AgainRequest):
    """What a user asks for, unchecked; None is what the circuit says itself."""

    circuit: str
    add_bos: bool | None = None
    answers: str | None = None
    misfits: str | None = None
    dtype: str | None = None


def build_evaluation(
    request: EvaluateRequest,
    circuit: CircuitDocument,
    job: JobRecord | None,
    limits: Limits,
    cache_dir: Path,
    known: Known,
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
    _check_judgeable(circuit)
    if circuit.granularity != "head" and request.evaluation == "full":
        raise SpecError(
            "evaluation 'full' goes with granularity 'head'; a circuit of features is judged on "
            "its held-out pairs ('quick')"
        )
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
            "ablation": ablation_again(request, circuit.ablation or AblationSpec()),
            "evaluation": request.evaluation,
            "dtype": request.dtype or circuit.dtype or "float32",
            "seed": circuit.seed or 0 if request.seed is None else request.seed,
        },
    )
    source = _source(request, circuit, job)
    placement = placement_of(request, source).model_copy(
        update={"dictionaries": _dictionaries(circuit, job)}
    )
    model = circuit.model
    before = own.model.fingerprint if own else model.fingerprint
    there = fingerprint_again(request, source, model.name, model.fingerprint, before, cache_dir)
    there = checked_fingerprint(there, model, source.name, known, JUDGING)
    spec = spec.model_copy(update={"model": ModelId(fingerprint=there)})
    return Submission(spec, placement, dataset)


def _check_judgeable(circuit: CircuitDocument) -> None:
    """Refuse what no pairs can judge.

    Raises:
        SpecError: It is a graph of one prompt, or its model is a name that a file gave.
    """
    short, model = circuit.circuit_id[:12], circuit.model
    if circuit.of_one_prompt:
        raise SpecError(
            f"circuit {short} is an attribution graph of one prompt; pairs judge circuits that "
            "hold over prompts (circuits submit --granularity neuron)"
        )
    if not model.has_weights:
        raise SpecError(
            f"circuit {short} is of {model.name!r}, which is known by its name alone: nobody here "
            "has weights to run it with; import its file for a model that is here (--model)"
        )


def _measured(job: JobRecord) -> MeasuredSpec:
    """The spec of the job that found or judged a circuit."""
    spec = read_spec(job.spec)
    assert isinstance(spec, MeasuredSpec), "only jobs that measure circuits have any"
    return spec


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
    return data_again(request, data, metric, limits), None


def _dictionaries(circuit: CircuitDocument, job: JobRecord | None) -> tuple[DictionarySource, ...]:
    """Where the circuit's dictionaries lay when it was found.

    Raises:
        SpecError: It has some, and nobody knows.
    """
    found = Placement.model_validate_json(job.placement).dictionaries if job else ()
    if circuit.dictionaries and not found:
        raise SpecError(
            f"nobody has said where the dictionaries of circuit {circuit.circuit_id[:12]} lie: it "
            "comes from a file; find it again with `circuits submit --dictionary SOURCE`"
        )
    return found


def _tokenisation(request: EvaluateRequest, own: MeasuredSpec | None) -> Tokenisation:
    kept = own.tokenisation if own else Tokenisation()
    given = {
        "add_bos": request.add_bos,
        "answers": request.answers,
        "misfits": request.misfits,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    return validated(Tokenisation, kept.model_dump() | asked)


def _source(
    request: EvaluateRequest, circuit: CircuitDocument, job: JobRecord | None
) -> ModelSource:
    if (source := source_again(request)) is not None:
        return source
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
