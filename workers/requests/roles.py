"""From what a user types to a roles job: who plays which role in a model's behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph_schema.documents import (
    Ablation,
    AblationSpec,
    DatasetDocument,
    Limits,
    ModelId,
    RoleName,
)
from graph_schema.documents.jobs import (
    JobRecord,
    MeasuredSpec,
    Placement,
    RolesSpec,
    Tokenisation,
    read_spec,
)
from graph_schema.errors import SpecError
from graph_schema.models.fingerprint import fingerprint
from workers.requests.checking import choice, validated
from workers.requests.discover import Submission
from workers.requests.pairs import MeasureRequest, measured, placement_of, source_of
from workers.requests.zoo_names import place_of

_KEPT = ("model", "data", "tokenisation", "metric", "ablation", "dtype", "seed")


@dataclass(frozen=True, kw_only=True)
class RolesRequest(MeasureRequest):
    """What a user asks for, unchecked. The names are those of `CircuitClient.roles`."""

    model: str
    revision: str | None = None
    roles: Sequence[str] | None = None
    probes: int = 32
    metric: str | None = None
    ablation: str = "corrupt"
    draws: int = 1
    add_bos: bool | None = None
    answers: str = "single"
    misfits: str = "refuse"
    dtype: str = "float32"
    seed: int = 0


def drafted_roles(
    request: RolesRequest, limits: Limits
) -> tuple[RolesSpec, DatasetDocument | None]:
    """The spec of a request with a model's fingerprint of zeros, and the pairs of its file.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
    """
    metric, data, dataset = measured(request, request.metric, limits)
    how = {"add_bos": request.add_bos, "answers": request.answers, "misfits": request.misfits}
    kind = choice("ablation", Ablation, request.ablation)
    asked: dict[str, object] = {
        "model": ModelId(fingerprint="0" * 64),
        "data": data,
        "tokenisation": validated(Tokenisation, how),
        "metric": metric,
        "ablation": validated(AblationSpec, {"kind": kind, "draws": request.draws}),
        "probes": request.probes,
        "dtype": request.dtype,
        "seed": request.seed,
    }
    if request.roles:
        asked["roles"] = tuple(choice("role", RoleName, name) for name in request.roles)
    return validated(RolesSpec, asked), dataset


def build_roles(request: RolesRequest, limits: Limits, cache_dir: Path) -> Submission:
    """The roles job of a request, after every check that needs neither model nor tokenizer.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
        ModelError: The model cannot be found.
    """
    draft, dataset = drafted_roles(request, limits)
    source = source_of(place_of(request.model, cache_dir), request.revision)
    placement = placement_of(request, source)
    model = ModelId(fingerprint=fingerprint(source, cache_dir))
    return Submission(draft.model_copy(update={"model": model}), placement, dataset)


def roles_of(job: JobRecord) -> Submission:
    """The roles job on the model and pairs of a job that found or judged a circuit.

    Metric, ablation, tokenisation, dtype and seed are that job's too, and so is where it ran.

    Raises:
        SpecError: It is no such job, or its roles cannot be asked for so.
    """
    asked = read_spec(job.spec)
    if not isinstance(asked, MeasuredSpec):
        raise SpecError(f"job {job.job_id[:12]} is of kind {job.kind!r}, which measures no pairs")
    kept = {name: getattr(asked, name) for name in MeasuredSpec.model_fields if name in _KEPT}
    placed = Placement.model_validate_json(job.placement)
    where = placed.model_copy(update={"dictionaries": ()})
    return Submission(validated(RolesSpec, kept), where, None)
