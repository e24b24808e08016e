"""A request that goes on from what is stored: what is left out is what the earlier job said.

Where its model lies now, and whether that is another fingerprint, is looked at here; whether the
weights are the same is `graph_schema/models/same.py`'s.
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
    Limits,
    Metric,
    ModelDocument,
    ModelSource,
    TaskData,
)
from graph_schema.errors import SpecError
from graph_schema.models.fingerprint import COMMIT, fingerprint, is_path
from graph_schema.models.same import Purpose, require_known, require_same
from workers.requests.checking import choice, validated
from workers.requests.pairs import MeasureRequest, data_of, source_of

Known = Callable[[str], ModelDocument | None]


@dataclass(frozen=True, kw_only=True)
class AgainRequest(MeasureRequest):
    """What such a request may say otherwise; None is what was said before."""

    model: str | None = None
    revision: str | None = None
    metric: str | None = None
    ablation: str | None = None
    draws: int | None = None
    seed: int | None = None


def data_again(
    request: AgainRequest, own: AnyData, metric: Metric | None, limits: Limits
) -> AnyData:
    """The data of before; of a built-in task other parameters or more pairs may be asked for.

    Raises:
        SpecError: They are asked for of a dataset, or do not fit the task.
    """
    if request.pairs is None and not request.task_params:
        return own
    if not isinstance(own, TaskData):
        raise SpecError(
            "pairs and task parameters go with a built-in task; a dataset is used whole: "
            "leave them out"
        )
    # Checked like a task that was named.
    kept: dict[str, Any] = own.task.model_dump(exclude={"name", "version"})
    asked = replace(
        request,
        task=own.task.name,
        task_params=kept | dict(request.task_params or {}),
        pairs=own.pairs if request.pairs is None else request.pairs,
        dataset=None,
    )
    return data_of(asked, metric, limits)[0]


def ablation_again(request: AgainRequest, own: AblationSpec) -> AblationSpec:
    """The ablation of before, or the one asked for; draws go with their kind.

    Raises:
        SpecError: There is no such ablation, or it takes no such draws.
    """
    kind = own.kind
    if request.ablation is not None:
        kind = choice("ablation", Ablation, request.ablation)
    kept = own.draws if kind is own.kind else 1
    draws = kept if request.draws is None else request.draws
    return validated(AblationSpec, {"kind": kind, "draws": draws})


def source_again(request: AgainRequest) -> ModelSource | None:
    """Where the model is said to lie now; None where nothing is said.

    Raises:
        SpecError: A revision without a model.
        ModelError: It lies nowhere.
    """
    if request.model is not None:
        return source_of(request.model, request.revision)
    if request.revision is not None:
        raise SpecError("a revision goes with a model: give --model too, or leave it out")
    return None


def fingerprint_again(
    request: AgainRequest, source: ModelSource, name: str, own: str, before: str, cache_dir: Path
) -> str:
    """The fingerprint of what lies at the source; that of the job before where nobody can tell.

    A path may be one of the worker's machine. A hub id means the model's own commit, unless the
    user names another repository or a revision.

    Args:
        request: What the user said.
        source: Where the model lies, by that or by what was said before.
        name: The model's own name.
        own: Its fingerprint.
        before: That of the job before, which may have been of another copy.
        cache_dir: Keeps the hashes of model files.
    """
    if is_path(source.name):
        return fingerprint(source, cache_dir) if Path(source.name).exists() else before
    if request.model is None:
        return before
    is_own = source.name == name and COMMIT.fullmatch(own) is not None
    if is_own and request.revision is None:
        return own
    return fingerprint(source, cache_dir)


def checked_fingerprint(
    there: str, own: ModelDocument, name: str, known: Known, purpose: Purpose
) -> str:
    """A fingerprint that a model of these weights may have; the worker looks where nobody knows.

    Args:
        there: The fingerprint of what lies where it is to be run.
        own: The model that the circuit was found, or roles assigned, in.
        name: Where the other lies, for the message.
        known: What the graph knows of a model, by its fingerprint.
        purpose: What the other is held to it for.

    Raises:
        ModelError: It has other weights, or nobody knows the own ones.
    """
    if there != own.fingerprint:
        require_known(own, name, purpose)
        found = known(there)
        if found is not None and found.weights_sha256 is not None:
            require_same(own, found, purpose)
    return there
