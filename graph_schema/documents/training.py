"""A motif along one training: what is there at each checkpoint, and from when on.

Checkpoints are one lineage, so nothing is counted over them and no verdict is passed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graph_schema.documents.base import Document
from graph_schema.documents.model import Fingerprint
from graph_schema.documents.protocol import Protocol
from graph_schema.documents.role import Behaviour, Transduction
from graph_schema.documents.role_graph import RoleNode
from graph_schema.documents.rungs import Rung, RungFinding
from graph_schema.documents.universality import SuperEdgeFinding

Step = Annotated[int, Field(ge=0)]


class CheckpointFinding(Document):
    """One checkpoint: its rungs, and what they stand on.

    `loss` is the training's own at this step, null where it is not known; `behaviour` is how well
    the task is done, on held-out pairs. `jobs` and `failures` as in `ModelEvidence`.
    """

    step: Step
    model: str
    revision: str | None
    fingerprint: Fingerprint
    loss: float | None
    trained_accuracy: float | None
    rungs: tuple[RungFinding, ...]
    behaviour: Behaviour | None
    members: tuple[RoleNode, ...]
    super_edges: tuple[SuperEdgeFinding, ...]
    transduction: Transduction | None
    jobs: dict[str, str]
    failures: dict[str, str]

    def at(self, rung: Rung) -> RungFinding:
        return next(found for found in self.rungs if found.rung is rung)


class Since(Document):
    """From which checkpoint on a rung is present at every later one; null: not at the last.

    It came after `after`, the checkpoint before, where it was not yet (null: it was there from the
    first on).
    """

    rung: Rung
    step: Step | None
    after: Step | None


class TrainingReport(Document):
    """Everything that was found along one training. `losses` are (step, loss), thinned."""

    schema_version: Literal[1] = 1
    motif: str
    motif_id: str
    task: str
    task_id: str
    model: str
    protocol: Protocol
    checkpoints: Annotated[tuple[CheckpointFinding, ...], Field(min_length=1)]
    losses: tuple[tuple[Step, float], ...]
    since: tuple[Since, ...]
