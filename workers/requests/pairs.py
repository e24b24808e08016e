"""What every request says: which pairs to measure on, and where to run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from graph_schema.datasets.file import check_metric, dataset_document, merge_heldout, read_jsonl
from graph_schema.documents import (
    AnyData,
    DatasetData,
    DatasetDocument,
    Limits,
    Metric,
    ModelSource,
    PairDocument,
    TaskData,
)
from graph_schema.documents.jobs import Placement
from graph_schema.errors import DatasetError, ModelError, SpecError
from graph_schema.models.fingerprint import resolve_source
from graph_schema.printable import printable, quoted, whole_number
from graph_schema.private_files import expanded
from workers.requests.asked import Asked
from workers.requests.checking import TASKS, Params, choice, device_named, named, validated

NOWHERE = ModelSource(name="/")
"""Where a request is checked that has no model yet: looking for one may take long."""


@dataclass(frozen=True, kw_only=True)
class MeasureRequest(Asked):
    """Which pairs to measure on, and where to run: what every request may say."""

    task: str | None = None
    task_params: Params | None = None
    dataset: str | Path | None = None
    heldout: str | Path | None = None
    label: str | None = None
    pairs: int | None = None
    evaluation: str = "quick"
    device: str = "cpu"
    memory: int | None = None
    chunk: int | None = None
    priority: int = 5


def placement_of(request: MeasureRequest, source: ModelSource) -> Placement:
    """Where to run: outside the job's identity."""
    return validated(
        Placement,
        {
            "model": source,
            "device": device_named(request.device),
            "memory_gib": request.memory,
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


Measured = tuple[Metric, AnyData, DatasetDocument | None]
"""What is measured, on which pairs, and the dataset that travels with them."""


def measured(request: MeasureRequest, metric: str | None, limits: Limits) -> Measured:
    """The metric, the task's own where none is named, and `data_of` under it.

    Raises:
        SpecError: There is no such metric, or as `data_of`.
        DatasetError: The file is wrong; the message names the line.
    """
    named = None if metric is None else choice("metric", Metric, metric)
    data, dataset = data_of(request, named, limits)
    return named or data.default_metric, data, dataset


def data_of(
    request: MeasureRequest, metric: Metric | None, limits: Limits
) -> tuple[AnyData, DatasetDocument | None]:
    """The pairs that a request asks for, and the dataset that travels with it.

    Args:
        request: What the user said.
        metric: What the pairs must carry the tokens for; None for the default metric.
        limits: Bounds of datasets and pairs.

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
    file = expanded(request.dataset)
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
        pairs = merge_heldout(pairs, _read_pairs(expanded(request.heldout), loose))
    document = dataset_document(pairs, label)
    data = validated(DatasetData, {"sha256": document.sha256, "task": document.task})
    check_metric(pairs, metric or data.default_metric)
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
        asked_for = whole_number(request.pairs, ",")
        raise SpecError(f"pairs is {asked_for}; the limit is {limits.pairs:,}")
    return validated(TaskData, {"task": task, **asked})


def _read_pairs(file: Path, limits: Limits) -> tuple[PairDocument, ...]:
    try:
        with file.open("rb") as source:
            data = source.read(limits.dataset_bytes + 1)
            size = max(len(data), os.fstat(source.fileno()).st_size)  # a device's size is 0
    except (OSError, ValueError) as error:  # a ValueError of a null character in its name
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(
            f"cannot read the dataset {str(file)!r}: {reason}; give the path of a JSONL file"
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
        raise type(error)(f"{file}: {error}") from error
