"""From a motif, a task and models to one universality job and the jobs that it needs.

Of each model a discover job (several low-overlap circuits), a roles job and an effects job, and the
latter two again under the stress test's ablation. Specs are content, so what ended well before is
the same job and is not done again. A job that fails holds nothing up: its model is untestable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from graph_schema.comparing.protocols import default_protocol
from graph_schema.documents import (
    Ablation,
    AblationSpec,
    AnyData,
    AnyMethod,
    DatasetDocument,
    Limits,
    ModelId,
    ModelSource,
    Motif,
    TopEdges,
)
from graph_schema.documents.jobs import (
    DiscoverSpec,
    EffectsSpec,
    MeasuredSpec,
    MeasuringJobs,
    ModelJobs,
    Need,
    RolesSpec,
    Tokenisation,
    UniversalitySpec,
)
from graph_schema.documents.jobs.universality import MOST_MODELS
from graph_schema.documents.protocol import Protocol
from graph_schema.errors import ModelError, SpecError
from graph_schema.models.config import read_model
from graph_schema.models.fingerprint import fingerprint
from workers.requests.checking import METHODS, choice, named, refuse, validated
from workers.requests.discover import Submission, check_edges
from workers.requests.pairs import NOWHERE, MeasureRequest, measured, placement_of, source_of
from workers.requests.specificity import other_task, specificity_beside
from workers.requests.zoo_names import place_of

SHARE_OF_EDGES, FEWEST_EDGES, MOST_EDGES = 0.1, 40, 1000
"""Edges of a circuit where nobody says how many: a share of the model's, within bounds."""
UNKNOWN_EDGES = 200
"""Where the sizes of a model are not known before it is loaded."""
PAIRS = 64
"""Of a built-in task where nobody says how many, twice what a circuit is searched on: a control's
interval must end below a ceiling of .05 of the gap."""
STRESS = {Ablation.CORRUPT: Ablation.MEAN}
"""The other ablation of the stress test; `corrupt` where the protocol has another."""


@dataclass(frozen=True, kw_only=True)
class UniversalityRequest(MeasureRequest):
    """What a user asks for, unchecked. The names are those of `CircuitClient.universality`."""

    motif: str
    models: Sequence[str]
    method: str = "eap-ig"
    n_edges: int | None = None
    circuits: int = 3
    metric: str | None = None
    ablation: str = "corrupt"
    stress: str | None = None
    also_tasks: Sequence[str] = ()
    probes: int = 32
    add_bos: bool | None = None
    answers: str = "single"
    misfits: str = "refuse"
    dtype: str = "float32"
    seed: int = 0


@dataclass(frozen=True)
class AskedOfAll:
    """What all models are asked alike."""

    motif: Motif
    data: AnyData
    dataset: DatasetDocument | None
    tokenisation: Tokenisation
    protocol: Protocol
    stress: Protocol | None
    method: AnyMethod
    others: tuple[tuple[AnyData, DatasetDocument | None], ...]
    request: UniversalityRequest


def build_universality(
    request: UniversalityRequest, motif: Motif, limits: Limits, cache_dir: Path
) -> Submission:
    """The universality job of a request, with the jobs that it needs before it.

    Args:
        request: What the user said.
        motif: The one that it names.
        limits: Bounds of datasets and pairs.
        cache_dir: Keeps the hashes of model files.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
        ModelError: A model cannot be found.
    """
    asked = asked_of(request, motif, limits)
    sources = [source_of(place_of(model, cache_dir), None) for model in _models(request)]
    found: dict[str, ModelSource] = {}
    for source in sources:  # the same model at two places is one
        found.setdefault(fingerprint(source, cache_dir), source)
    before: list[Submission] = []
    jobs: list[ModelJobs] = []
    for of, source in found.items():
        own, of_model = _of_model(asked, of, source)
        before += own
        jobs.append(of_model)
    spec = validated(
        UniversalitySpec,
        {
            "motif": asked.motif,
            "data": asked.data,
            "tokenisation": asked.tokenisation,
            "protocol": asked.protocol,
            "stress": asked.stress,
            "models": jobs,
            "seed": request.seed,
        },
    )
    needs = tuple(
        Need(job_id=job_id, on_failure="proceed") for each in spec.models for job_id in each.job_ids
    )
    placement = placement_of(request, next(iter(found.values())))
    # It loads no model: any worker can put it together.
    placement = placement.model_copy(update={"device": "cpu", "memory_gib": None})
    return Submission(spec, placement, asked.dataset, needs=needs, before=tuple(before))


def fingerprints(models: Sequence[str], cache_dir: Path) -> dict[str, str]:
    """The fingerprint of each model, by the name it was given."""
    places = {model: place_of(model, cache_dir) for model in models}
    return {
        model: fingerprint(source_of(place, None), cache_dir) for model, place in places.items()
    }


def _models(request: UniversalityRequest) -> Sequence[str]:
    models = list(request.models)
    if not 1 <= len(models) <= MOST_MODELS:
        raise SpecError(
            f"{len(models)} models; expected 1 to {MOST_MODELS}: name each (--model A --model B)"
        )
    return models


def asked_of(request: UniversalityRequest, motif: Motif, limits: Limits) -> AskedOfAll:
    """What a request asks of every model, its models left aside.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
    """
    if request.pairs is None and request.dataset is None:
        request = replace(request, pairs=min(PAIRS, limits.pairs))
    placement_of(request, NOWHERE)
    if request.n_edges is not None:
        validated(TopEdges, {"n_edges": request.n_edges})
        check_edges(request.n_edges, limits)
    metric, data, dataset = measured(request, request.metric, limits)
    tokenisation = validated(
        Tokenisation,
        {"add_bos": request.add_bos, "answers": request.answers, "misfits": request.misfits},
    )
    kind = choice("ablation", Ablation, request.ablation)
    method: Any = named("method", METHODS, request.method, None)
    if method.name == "acdc":
        raise SpecError(
            "several circuits a model are selected by scores of all edges, which acdc does not "
            "give; choose exact, eap or eap-ig"
        )
    options: dict[str, Any] = {
        "metric": metric,
        "ablation": AblationSpec(kind=kind),
        "circuits": request.circuits,
        "methods": {method.name: method.version},
    }
    protocol = _protocol(motif, options)
    other = _other_ablation(request, kind)
    stress = None
    if other is not None:
        stress = _protocol(motif, options | {"ablation": AblationSpec(kind=other)})
    others = tuple(other_task(each, request, limits) for each in dict.fromkeys(request.also_tasks))
    return AskedOfAll(motif, data, dataset, tokenisation, protocol, stress, method, others, request)


def _protocol(motif: Motif, options: dict[str, Any]) -> Protocol:
    try:
        return default_protocol(motif, **options)
    except ValidationError as error:
        refuse(error)


def _other_ablation(request: UniversalityRequest, kind: Ablation) -> Ablation | None:
    if request.stress == "none":
        return None
    if request.stress is None:
        return STRESS.get(kind, Ablation.CORRUPT)
    other = choice("stress", Ablation, request.stress)
    if other is kind:
        raise SpecError(
            f"stress is {request.stress!r}, the protocol's own ablation; choose another, or none"
        )
    return other


def _of_model(
    asked: AskedOfAll, of: str, source: ModelSource
) -> tuple[list[Submission], ModelJobs]:
    """The jobs of one model, each after those it needs."""
    request = asked.request
    placement = placement_of(request, source)
    discover = validated(
        DiscoverSpec,
        {
            **_measuring(asked, of, asked.protocol),
            "method": asked.method,
            "selection": validated(TopEdges, {"n_edges": _n_edges(request, source, of)}),
            "alternatives": asked.protocol.circuits,
            "evaluation": request.evaluation,
        },
    )
    submissions = [Submission(discover, placement, asked.dataset)]
    pairs: list[MeasuringJobs] = []
    tested: list[RolesSpec] = []
    for protocol in (asked.protocol, asked.stress):
        if protocol is None:
            continue
        roles, effects = roles_and_effects(asked, of, source, protocol)
        submissions += [roles, effects]
        pairs.append(MeasuringJobs(roles=roles.spec.job_id, effects=effects.spec.job_id))
        assert isinstance(roles.spec, RolesSpec)
        tested.append(roles.spec)
    matrix = specificity_beside(tested[0], asked.others, placement) if asked.others else []
    submissions += matrix
    return submissions, ModelJobs(
        fingerprint=of,
        discover=discover.job_id,
        main=pairs[0],
        stress=pairs[1] if len(pairs) > 1 else None,
        specificity=matrix[-1].spec.job_id if matrix else None,
    )


def roles_and_effects(
    asked: AskedOfAll, of: str, source: ModelSource, protocol: Protocol
) -> tuple[Submission, Submission]:
    """The two jobs that measure a model, of fingerprint `of`, under a protocol."""
    placement = placement_of(asked.request, source)
    fields = _measuring(asked, of, protocol)
    roles = validated(RolesSpec, {**fields, "probes": asked.request.probes})
    effects = validated(EffectsSpec, {**fields, "motif": asked.motif, "roles_job": roles.job_id})
    need = (Need(job_id=roles.job_id, on_failure="fail"),)
    return (
        Submission(roles, placement, asked.dataset),
        Submission(effects, placement, asked.dataset, needs=need),
    )


def _measuring(asked: AskedOfAll, of: str, protocol: Protocol) -> dict[str, Any]:
    """The fields of `MeasuredSpec` that all jobs of a model share."""
    fields = {
        "model": ModelId(fingerprint=of),
        "data": asked.data,
        "tokenisation": asked.tokenisation,
        "metric": protocol.metric,
        "ablation": protocol.ablation,
        "dtype": asked.request.dtype,
        "seed": asked.request.seed,
    }
    assert fields.keys() <= MeasuredSpec.model_fields.keys()
    return fields


def _n_edges(request: UniversalityRequest, source: ModelSource, of: str) -> int:
    if request.n_edges is not None:
        return request.n_edges
    try:
        n_edges = read_model(source, of).n_edges
    except ModelError:  # its own jobs say what is wrong with it
        return UNKNOWN_EDGES
    return max(FEWEST_EDGES, min(MOST_EDGES, round(SHARE_OF_EDGES * n_edges)))
