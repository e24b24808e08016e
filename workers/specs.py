"""From what a user types to a job spec; every check that needs no model happens here.

The client and the command line both end in `build_submission`, so a request means the same from
either, and a mistake is told in one line before anything is sent.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from graph_schema.datasets import check_metric, dataset_document, merge_heldout, read_jsonl
from graph_schema.documents import (
    Ablation,
    AblationSpec,
    AnyData,
    AnyMethod,
    AnyTask,
    DatasetData,
    DatasetDocument,
    Document,
    JobSelection,
    Limits,
    Metric,
    ModelId,
    ModelSource,
    PairDocument,
    TaskData,
    Threshold,
    Thresholds,
    TopEdges,
)
from graph_schema.documents.jobs import DiscoverSpec, EvaluateSpec, Placement, Tokenisation
from graph_schema.errors import DatasetError, ModelError, SpecError
from graph_schema.fingerprint import fingerprint, resolve_source
from graph_schema.printable import printable, quoted

Params = Mapping[str, Any]
_Choice = TypeVar("_Choice", bound=StrEnum)
_Model = TypeVar("_Model", bound=BaseModel)


def _by_name(union: Any) -> dict[str, type[Document]]:
    members = get_args(get_args(union)[0])
    return {member.model_fields["name"].default: member for member in members}


METHODS = _by_name(AnyMethod)
TASKS = _by_name(AnyTask)


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """Which pairs to measure on, and where to run: what every request may say."""

    task: str | None = None
    task_params: Params | None = None
    dataset: str | Path | None = None
    heldout: str | Path | None = None
    label: str | None = None
    pairs: int | None = None
    evaluation: str = "quick"
    device: str = "cpu"
    chunk: int | None = None
    priority: int = 5


@dataclass(frozen=True, kw_only=True)
class DiscoverRequest(MeasureRequest):
    """What a user asks for, unchecked. The names are those of `CircuitClient.submit`.

    Exactly one of `task` and `dataset`, and exactly one of `n_edges` and `threshold`, are given.
    """

    model: str
    revision: str | None = None
    method: str = "eap-ig"
    method_params: Params | None = None
    n_edges: int | None = None
    threshold: float | Sequence[float] | None = None
    by: str = "abs"
    metric: str = "logit_diff"
    ablation: str = "corrupt"
    draws: int = 1
    add_bos: bool | None = None
    answers: str = "single"
    misfits: str = "refuse"
    receivers: str = "query_head"
    exact_top: int | None = None
    keep_pair_scores: bool = False
    dtype: str = "float32"
    seed: int = 0


@dataclass(frozen=True)
class Submission:
    """A checked request: the spec, where to run it, and the pairs that travel with it."""

    spec: DiscoverSpec | EvaluateSpec
    placement: Placement
    dataset: DatasetDocument | None


def build_submission(request: DiscoverRequest, limits: Limits, cache_dir: Path) -> Submission:
    """The spec of a request, after every check that needs neither model nor tokenizer.

    The model comes last, because its fingerprint reads its files or asks the hub.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
        ModelError: The model cannot be found.
    """
    metric = choice("metric", Metric, request.metric)
    data, dataset = data_of(request, metric, limits)
    draft = validated(
        DiscoverSpec,
        {
            "model": ModelId(fingerprint="0" * 64),  # the real one replaces it below
            "data": data,
            "tokenisation": validated(
                Tokenisation,
                {
                    "add_bos": request.add_bos,
                    "answers": request.answers,
                    "misfits": request.misfits,
                },
            ),
            "method": named("method", METHODS, request.method, request.method_params),
            "metric": metric,
            "ablation": validated(
                AblationSpec,
                {
                    "kind": choice("ablation", Ablation, request.ablation),
                    "draws": request.draws,
                },
            ),
            "receivers": request.receivers,
            "selection": _selection(request),
            "exact_top": request.exact_top,
            "keep_pair_scores": request.keep_pair_scores,
            "evaluation": request.evaluation,
            "dtype": request.dtype,
            "seed": request.seed,
        },
    )
    if request.n_edges is not None and request.n_edges > limits.circuit_edges:
        raise SpecError(
            f"edges is {request.n_edges:,}; the limit is {limits.circuit_edges:,} edges a circuit"
        )
    source = source_of(request.model, request.revision)
    placement = placement_of(request, source)
    model = ModelId(fingerprint=fingerprint(source, cache_dir))
    return Submission(draft.model_copy(update={"model": model}), placement, dataset)


def placement_of(request: MeasureRequest, source: ModelSource) -> Placement:
    """Where to run: outside the job's identity."""
    return validated(
        Placement,
        {
            "model": source,
            "device": request.device,
            "chunk": request.chunk,
            "priority": request.priority,
        },
    )


def source_of(model: str, revision: str | None) -> ModelSource:
    """Where a model lies.

    Raises:
        ModelError: Neither a hub id nor a path that is there.
    """
    try:
        return resolve_source(model, revision)
    except (OSError, ValueError) as error:
        # What no file system takes: a name too long, or with a null byte in it.
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(
            f"model {model!r} cannot be a path: {reason}; expected a hub id or a folder"
        ) from error


def unknown(what: str, given: str, choices: Collection[str]) -> str:
    """The message for a name that is none of `choices`: the nearest one, then all of them."""
    near = difflib.get_close_matches(given, choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {given!r}; {hint}expected one of: {', '.join(choices)}"


def choice(what: str, enum: type[_Choice], given: str) -> _Choice:
    """The member that a user named.

    Raises:
        SpecError: None has this name; the message lists them.
    """
    names = [member.value for member in enum]
    if given not in names:
        raise SpecError(unknown(what, given, names))
    return enum(given)


def named(
    what: str, classes: Mapping[str, type[Document]], name: str, params: Params | None
) -> Document:
    """The method or task called `name`, with its parameters."""
    if name not in classes:
        raise SpecError(unknown(what, name, classes))
    cls = classes[name]
    takes = [field for field in cls.model_fields if field not in ("name", "version")]
    for key in params or {}:
        if key not in takes:
            listed = f"it takes: {', '.join(takes)}" if takes else "it takes none"
            raise SpecError(f"{what} {name!r} has no parameter {key!r}; {listed}")
    # A parameter that is a method itself may be given by its name alone.
    named = {
        key: {"name": value} if key == "proposed_by" and isinstance(value, str) else value
        for key, value in (params or {}).items()
    }
    return validated(cls, named)


def _selection(request: DiscoverRequest) -> JobSelection:
    if (request.n_edges is None) == (request.threshold is None):
        given = "neither was" if request.n_edges is None else "both were"
        raise SpecError(
            "say how much to keep by exactly one of n_edges (--edges 500) and threshold "
            f"(--threshold 0.01); {given} given"
        )
    if request.n_edges is not None:
        return validated(TopEdges, {"n_edges": request.n_edges, "by": request.by})
    if isinstance(request.threshold, Sequence):
        several = {"thresholds": sorted(set(request.threshold)), "by": request.by}
        return validated(Thresholds, several)
    return validated(Threshold, {"threshold": request.threshold, "by": request.by})


def data_of(
    request: MeasureRequest, metric: Metric, limits: Limits
) -> tuple[AnyData, DatasetDocument | None]:
    """The pairs that a request asks for, and the dataset that travels with it.

    Raises:
        SpecError: Not exactly one of task and dataset, or parameters that do not go with it.
        DatasetError: The file is wrong; the message names the line.
    """
    if (request.task is None) == (request.dataset is None):
        given = "neither was" if request.task is None else "both were"
        raise SpecError(
            "give exactly one of task (--task ioi) and dataset (--dataset FILE.jsonl); "
            f"{given} given. The tasks are: {', '.join(TASKS)}"
        )
    if request.task is not None:
        return _task_data(request, request.task, limits), None
    assert request.dataset is not None
    if request.pairs is not None or request.task_params:
        raise SpecError(
            "pairs and task parameters go with a built-in task; a dataset is used whole: "
            "leave them out"
        )
    file = Path(request.dataset).expanduser()
    label = request.label or file.stem
    if printable(label) != label:
        raise SpecError(
            f"label {quoted(label)} holds control characters; expected a name that can be printed: "
            "give one (--label NAME)"
        )
    pairs = _read_pairs(file, limits)
    if request.heldout is not None:
        # How few are too few is the evaluation's business: its figure is then null, with a reason.
        loose = limits.model_copy(update={"min_pairs": 0})
        pairs = merge_heldout(pairs, _read_pairs(Path(request.heldout).expanduser(), loose))
    check_metric(pairs, metric)
    document = dataset_document(pairs, label)
    data = validated(DatasetData, {"sha256": document.sha256, "task": document.task})
    return data, document


def _task_data(request: MeasureRequest, name: str, limits: Limits) -> TaskData:
    if request.heldout is not None or request.label is not None:
        raise SpecError(
            "heldout and label go with a dataset; a built-in task makes its own held-out pairs: "
            "leave them out"
        )
    task = named("task", TASKS, name, request.task_params)
    asked = {} if request.pairs is None else {"pairs": request.pairs}
    if request.pairs is not None and request.pairs > limits.pairs:
        raise SpecError(f"pairs is {request.pairs:,}; the limit is {limits.pairs:,}")
    return validated(TaskData, {"task": task, **asked})


def _read_pairs(file: Path, limits: Limits) -> tuple[PairDocument, ...]:
    try:
        with file.open("rb") as source:
            data = source.read(limits.dataset_bytes + 1)
            size = max(len(data), os.fstat(source.fileno()).st_size)  # a device's size is 0
    except OSError as error:
        raise DatasetError(
            f"cannot read the dataset {str(file)!r}: {error.strerror}; give the path of a JSONL "
            "file"
        ) from error
    if size > limits.dataset_bytes:
        raise DatasetError(
            f"{file} has {size:,} bytes; the limit for a dataset is "
            f"{limits.dataset_bytes:,} bytes: submit fewer pairs"
        )
    if not data.strip():
        raise DatasetError(
            f'{file} is empty ({len(data)} bytes); expected lines of {{"clean": …, "corrupt": …, '
            '"answers": […], "wrong_answers": […]}'
        )
    try:
        return read_jsonl(data, limits)
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}") from error


def validated(cls: type[_Model], values: Mapping[str, Any]) -> _Model:
    """A document of these values.

    Raises:
        SpecError: They do not fit; the first complaint, in one line.
    """
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        refuse(error)


def refuse(error: ValidationError) -> NoReturn:
    """Tell a document's first complaint in one line, in the words a user typed.

    Raises:
        SpecError: Always.
    """
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if first["type"] == "value_error" and cause is not None:
        raise SpecError(str(cause)) from error
    name = _words(first["loc"])
    value = json.dumps(first["input"], default=str, ensure_ascii=False)
    reason = first["msg"].replace("Input should be", "expected", 1)
    raise SpecError(f"{name} is {value}; {reason}") from error


def _words(loc: Iterable[int | str]) -> str:
    path = [str(part) for part in loc]
    return {"n_edges": "edges"}.get(path[-1], path[-1]) if path else "the value"
