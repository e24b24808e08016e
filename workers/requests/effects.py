"""From a roles job and a motif to an effects job.

What the user leaves out is the roles job's own: model, task, pairs, metric, ablation, dtype, seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from graph_schema.documents import Limits, Metric, ModelId, Motif, RoleName
from graph_schema.documents.jobs import (
    EffectsSpec,
    JobRecord,
    JobState,
    Need,
    Placement,
    RolesSpec,
    read_spec,
)
from graph_schema.errors import ModelError, SpecError
from graph_schema.models.same import EFFECTS
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
from workers.requests.pairs import placement_of


@dataclass(frozen=True, kw_only=True)
class EffectsRequest(AgainRequest):
    """What a user asks for, unchecked; None is what the roles job says itself."""

    roles_job: str
    motif: str | Motif = "induction"


def build_effects(
    request: EffectsRequest,
    job: JobRecord,
    named: Callable[[str], Motif],
    limits: Limits,
    cache_dir: Path,
    known: Known,
) -> Submission:
    """The effects job of a request.

    It needs the roles job, and waits for it where that has not ended.

    Args:
        request: What the user said.
        job: The roles job that it names.
        named: From a motif's name to the motif.
        limits: Bounds of pairs.
        cache_dir: Keeps the hashes of model files.
        known: What the graph knows of a model, by its fingerprint.

    Raises:
        SpecError: The request is wrong, or the job has found no roles and will not.
        ModelError: A model of other weights lies where the roles job's should. Weights that nobody
            knows yet are looked at by the worker.
    """
    short = job.job_id[:12]
    asked = read_spec(job.spec)
    if not isinstance(asked, RolesSpec):
        raise SpecError(
            f"job {short} is of kind {job.kind!r}; expected a roles job, which says who plays what "
            "(circuits roles)"
        )
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise SpecError(
            f"roles job {short} is {job.state.value}, so nobody knows who plays what; see why "
            f"(circuits job {short}) and run it again"
        )
    motif = request.motif if isinstance(request.motif, Motif) else named(request.motif)
    spec = validated(
        EffectsSpec,
        {
            "model": asked.model,
            "data": data_again(request, asked.data, None, limits),
            "tokenisation": asked.tokenisation,
            "metric": choice("metric", Metric, request.metric) if request.metric else asked.metric,
            "ablation": ablation_again(request, asked.ablation),
            "dtype": asked.dtype,
            "seed": asked.seed if request.seed is None else request.seed,
            "motif": motif,
            "roles_job": job.job_id,
        },
    )
    untold = [
        place for place in spec.places if isinstance(place, RoleName) and place not in asked.roles
    ]
    if untold:
        raise SpecError(
            f"roles job {short} was not asked for {', '.join(untold)}, which motif {motif.name!r} "
            "names: who plays it is not known, and not that nobody does; ask for all roles "
            "(circuits roles without --role)"
        )
    lay = Placement.model_validate_json(job.placement).model
    source = source_again(request) or lay
    placement = placement_of(request, source)
    own = asked.model.fingerprint
    there = fingerprint_again(request, source, lay.name, own, own, cache_dir)
    if there != own:
        model = known(own)
        if model is None:
            raise ModelError(
                f"model {source.name!r} has fingerprint {there}, roles job {short} is of {own}, "
                "whose weights nobody knows before it has ended: wait for it, or say where its "
                "own model lies now (--model)"
            )
        checked_fingerprint(there, model, source.name, known, EFFECTS)
        spec = spec.model_copy(update={"model": ModelId(fingerprint=there)})
    needs = () if job.state is JobState.SUCCEEDED else (Need(job_id=job.job_id),)
    return Submission(spec, placement, None, needs)
