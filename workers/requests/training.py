"""From a motif, a task and one model's checkpoints to the jobs that measure each of them.

They are the roles and effects jobs that a universality job needs, spec by spec, so what one of the
two has asked the other finds done. Circuits are not searched for: no rung rests on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph_schema.documents import Limits, Motif
from graph_schema.documents.jobs import MeasuringJobs
from graph_schema.errors import SpecError
from graph_schema.models.checkpoints import (
    Checkpoint,
    Curve,
    checkpoints_in,
    loss_curve,
    step_of,
)
from graph_schema.models.fingerprint import fingerprint, is_path
from graph_schema.printable import quoted
from graph_schema.private_files import expanded
from workers.requests.asked import Asked
from workers.requests.discover import Submission
from workers.requests.pairs import source_of
from workers.requests.universality import (
    AskedOfAll,
    UniversalityRequest,
    asked_of,
    roles_and_effects,
)
from workers.requests.zoo_names import place_of

MOST_CHECKPOINTS = 200


@dataclass(frozen=True, kw_only=True)
class TrainingRequest(Asked):
    """What a user asks for, unchecked.

    `measuring` is what is asked of each checkpoint, as of a model in a universality question; its
    own `models` are left aside. Of a folder's checkpoints those of `steps` are taken, or all; of a
    hub model those of `revisions`.
    """

    model: str
    measuring: UniversalityRequest
    steps: Sequence[int] | None = None
    revisions: Sequence[str] = ()


@dataclass(frozen=True)
class Asking:
    """A checkpoint and the jobs that measure it."""

    checkpoint: Checkpoint
    fingerprint: str
    jobs: MeasuringJobs


@dataclass(frozen=True)
class TrainingSubmission:
    """All checkpoints by step, the jobs in the order to submit them, the training's losses."""

    model: str
    asked: AskedOfAll
    checkpoints: tuple[Asking, ...]
    jobs: tuple[Submission, ...]
    losses: Curve


def build_training(
    request: TrainingRequest, motif: Motif, limits: Limits, cache_dir: Path
) -> TrainingSubmission:
    """The jobs of a request.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
        ModelError: The model or a checkpoint cannot be found.
    """
    asked = asked_of(request.measuring, motif, limits)
    place = place_of(request.model, cache_dir)
    chosen = _chosen(request, place)
    checkpoints: list[Asking] = []
    jobs: dict[str, Submission] = {}
    for each in chosen:
        source = source_of(each.model, each.revision)
        of = fingerprint(source, cache_dir)
        roles, effects = roles_and_effects(asked, of, source, asked.protocol)
        for job in (roles, effects):
            jobs.setdefault(job.spec.job_id, job)
        pair = MeasuringJobs(roles=roles.spec.job_id, effects=effects.spec.job_id)
        checkpoints.append(Asking(each, of, pair))
    losses = loss_curve(expanded(place)) if is_path(place) else ()
    return TrainingSubmission(
        request.model, asked, tuple(checkpoints), tuple(jobs.values()), losses
    )


def _chosen(request: TrainingRequest, place: str) -> list[Checkpoint]:
    if not is_path(place):
        if not request.revisions:
            raise SpecError(
                f"model {quoted(request.model)} is a hub id: name the revisions that are its "
                "checkpoints (--revisions step0,step512,step1000)"
            )
        if request.steps is not None:
            raise SpecError("checkpoints by step are a folder's; of a hub id give revisions")
        found = [Checkpoint(step_of(each), place, each) for each in request.revisions]
    else:
        if request.revisions:
            raise SpecError("revisions are a hub id's; of a folder give steps (--checkpoints)")
        there = checkpoints_in(Path(source_of(place, None).name))
        steps = [each.step for each in there]
        wanted = steps if request.steps is None else request.steps
        if missing := [step for step in wanted if step not in steps]:
            raise SpecError(
                f"no checkpoint of step {quoted(missing[0])}; there are "
                f"{', '.join(map(str, steps))}"
            )
        found = [each for each in there if each.step in wanted]
    found.sort(key=lambda each: each.step)
    taken = [each.step for each in found]
    if repeated := sorted({step for step in taken if taken.count(step) > 1}):
        raise SpecError(f"step {repeated[0]} is given twice; each checkpoint counts once")
    if not 2 <= len(found) <= MOST_CHECKPOINTS:
        raise SpecError(
            f"{len(found)} checkpoints; expected 2 to {MOST_CHECKPOINTS}: choose steps "
            "(--checkpoints 0,100,200) or revisions (--revisions step0,step512)"
        )
    return found
