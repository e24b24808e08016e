"""The roles job: a spec, a model and pairs go in, who plays which role comes out.

Behaviour first; then patterns on probes, effects on the job's pairs, tests of all heads and roles
together, and what the output roles' heads carry. Knows no queue and no database.
"""

from __future__ import annotations

from dataclasses import dataclass

from discovery.evaluation.session import Session
from discovery.models import LoadedModel
from discovery.progress import Progress
from discovery.roles.behaviour import performance
from discovery.roles.examining import Examination
from discovery.roles.probing import probed
from discovery.tasks.base import PairSet
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import Limits, RolesPlayed
from graph_schema.documents.jobs import RolesSpec
from graph_schema.errors import SpecError


@dataclass(frozen=True)
class Examined:
    """What a job found, and CPU seconds by stage."""

    played: RolesPlayed
    cpu_seconds: dict[str, float]


def examine(
    spec: RolesSpec,
    model: LoadedModel,
    pairs: PairSet,
    vocabulary: Vocabulary,
    *,
    limits: Limits,
    progress: Progress,
    chunk: int | None = None,
) -> Examined:
    """Say which heads play which roles.

    A model that does not do the task, and a role that this model, vocabulary or task cannot be
    tested for, are findings: `behaviour.reason` and `untested` say why.

    Args:
        spec: The job.
        model: The spec's model, loaded in its dtype.
        pairs: The spec's data.
        vocabulary: Of the model: what probes are made of.
        limits: `accuracy_floor` is read here.
        progress: Stages "behaviour", "patterns", "effects", "movers" and "transduction"; what it
            raises passes through.
        chunk: Examples at a time (default: what fits the device).

    Raises:
        SpecError: The spec is of an earlier version of the method.
        DatasetError: The data lack what the metric or the ablation needs.
        NumericsError: The adapter's logits are not the model's.
        NonFiniteError: NaN or infinite values; names the layer.
    """
    current = RolesSpec.model_fields["method_version"].default
    if spec.method_version != current:
        raise SpecError(
            f"roles by method version {spec.method_version} are no longer measured; ask again, "
            f"now by version {current}"
        )
    session = Session.of(spec, model, pairs, limits=limits, progress=progress, chunk=chunk)
    done = performance(session, vocabulary)
    examination = Examination(session, done.discovery, probed(spec, session, vocabulary))
    if done.behaviour.reason:
        why = f"the task is not done well enough: {done.behaviour.reason}"
        examination.untested = dict.fromkeys(spec.roles, why)
    else:
        examination.run()
    played = RolesPlayed(
        model=model.document,
        task=pairs.task,
        task_id=pairs.task_id,
        dataset_sha256=pairs.document.sha256,
        metric=spec.metric,
        ablation=spec.ablation,
        n_pairs=len(pairs.discovery),
        seed=spec.seed,
        job_id=spec.job_id,
        behaviour=done.behaviour,
        notes=(*model.notes, *pairs.notes),
        plays=tuple(examination.plays),
        transductions=tuple(examination.transductions),
        columns=examination.columns,
        method_version=spec.method_version,
        untested=examination.untested,
    )
    return Examined(played, session.clock.seconds)
