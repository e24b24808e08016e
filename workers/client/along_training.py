"""What the jobs of a training's checkpoints left in the graph, put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from graph_schema.comparing.along_training import loss_at, since, thinned
from graph_schema.comparing.protocols import output_role
from graph_schema.comparing.states import rungs
from graph_schema.documents import Rung
from graph_schema.documents.role_graph import RoleNode
from graph_schema.documents.training import CheckpointFinding, TrainingReport
from graph_schema.store.records.models import stored_model
from workers.client.service import Service
from workers.kinds.universality_evidence import measurements
from workers.kinds.universality_judging import super_edges
from workers.requests.training import Asking, TrainingSubmission
from workers.results.training import Training


def gathered(service: Service, submission: TrainingSubmission) -> Training:
    """The report over all checkpoints, which are then known to be of one lineage.

    Raises:
        SpecError: Their sizes or families differ.
    """
    asked = submission.asked
    measured = [each.fingerprint for each in submission.checkpoints]
    found = [_finding(service, submission, each) for each in submission.checkpoints]
    known = [of for of, each in zip(measured, found, strict=True) if "roles" not in each.failures]
    for earlier, later in pairwise(_different(service, known)):
        service.derived(later, earlier)
    return Training(
        TrainingReport(
            motif=asked.motif.name,
            motif_id=asked.motif.motif_id,
            task=asked.data.task_name,
            task_id=asked.data.task_id,
            model=submission.model,
            protocol=asked.protocol,
            checkpoints=tuple(found),
            losses=thinned(submission.losses),
            since=tuple(since(found, rung) for rung in Rung),
        )
    )


def _different(service: Service, known: Sequence[str]) -> list[str]:
    """The fingerprints of different weights, in their order: nothing comes from itself."""
    first: dict[str, str] = {}
    for of in known:
        model = stored_model(service.store, of)
        first.setdefault((model and model.weights_sha256) or of, of)
    return list(first.values())


def _finding(service: Service, submission: TrainingSubmission, asking: Asking) -> CheckpointFinding:
    protocol, role = submission.asked.protocol, output_role(submission.asked.motif)
    found, checkpoint = measurements(service.store, asking.jobs), asking.checkpoint
    measured = [each for each in (found.roles, found.graph) if each is not None]
    moved = found.roles.transductions if found.roles else ()
    return CheckpointFinding(
        step=checkpoint.step,
        model=checkpoint.model,
        revision=checkpoint.revision,
        fingerprint=asking.fingerprint,
        loss=loss_at(submission.losses, checkpoint.step),
        trained_accuracy=checkpoint.accuracy,
        rungs=rungs(found, protocol, role),
        behaviour=next((each.behaviour for each in measured if each.behaviour), None),
        members=tuple(
            RoleNode(role=node.role, members=node.members)
            for node in (found.graph.nodes if found.graph else ())
        ),
        super_edges=super_edges(protocol, found.graph),
        transduction=next((each for each in moved if each.role is role), None),
        jobs={"roles": asking.jobs.roles, "effects": asking.jobs.effects},
        failures=dict(found.failed or {}),
    )
