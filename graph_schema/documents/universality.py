"""What a universality job found: models' evidence and states, verdicts, assumptions, stress test.

One document holds all of it, so that a report can be made of it alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graph_schema.documents.alignment import RoleAlignment
from graph_schema.documents.base import Document, later
from graph_schema.documents.model import Fingerprint
from graph_schema.documents.motif_tests import MotifTest
from graph_schema.documents.protocol import Protocol
from graph_schema.documents.role import Behaviour, Transduction
from graph_schema.documents.role_graph import Restored, RoleNode, SuperEdge
from graph_schema.documents.rungs import Rung, RungFinding, RungState
from graph_schema.documents.specificity import Specificity
from graph_schema.documents.verdict import Verdict


class SuperEdgeFinding(Document):
    """A super-edge of the motif in one model, held to the protocol; `edge` null: not measured.

    `wired` says how it runs: `directly`, `through m0`.
    """

    name: str
    state: RungState
    reason: str
    edge: SuperEdge | None
    wired: str = ""


class ModelEvidence(Document):
    """One model: its rungs, and what they stand on.

    `model` is where it lay or its hub id, as it was asked for. `jobs` are the ids of the jobs that
    measured it by what they did, `failures` why those failed that did. `depths`: mean relative
    depth (input 0, logits 1) of a role's members. Of the `circuits` of its discover job,
    `motif_in_circuits` is the share in which the motif occurs, `edge_iou` the mean overlap of their
    edges, both null where they could not be told.
    """

    model: str
    name: str
    fingerprint: Fingerprint
    family: str
    rungs: tuple[RungFinding, ...]
    behaviour: Behaviour | None
    members: tuple[RoleNode, ...]
    depths: dict[str, float]
    super_edges: tuple[SuperEdgeFinding, ...]
    transduction: Transduction | None
    restored: tuple[Restored, ...]
    circuits: tuple[str, ...]
    faithfulness: tuple[float | None, ...]
    motif_in_circuits: Annotated[float, Field(ge=0, le=1)] | None
    edge_iou: Annotated[float, Field(ge=0, le=1)] | None
    role_graph_id: str | None
    role_test_id: str | None
    jobs: dict[str, str]
    failures: dict[str, str]
    specificity: Specificity | None = later(None)
    """What its roles are worth on other tasks; null where none were asked for, or it failed."""

    def at(self, rung: Rung) -> RungFinding:
        return next(found for found in self.rungs if found.rung is rung)


class StateMove(Document):
    """A rung of a model that the stress test states otherwise."""

    fingerprint: Fingerprint
    model: str
    rung: Rung
    before: RungState
    after: RungState
    reason: str


class StressTest(Document):
    """The same models stated again by another protocol, and every state that moved."""

    what: str
    protocol: Protocol
    states: dict[Fingerprint, tuple[RungFinding, ...]]
    moves: tuple[StateMove, ...]


class UniversalityReport(Document):
    """Everything that a universality job found."""

    schema_version: Literal[1] = 1
    job_id: str
    motif: str
    motif_id: str
    notation: str
    task: str
    task_id: str
    protocol: Protocol
    models: tuple[ModelEvidence, ...]
    verdicts: tuple[Verdict, ...]
    assumptions: tuple[str, ...]
    stress: StressTest | None
    alignment: RoleAlignment | None
    """Of all models' role graphs together; null for fewer than two."""
    alignments: tuple[RoleAlignment, ...]
    """Of each pair; none where there are too many pairs."""
    occurrences: MotifTest | None = later(None)
    """Of the motif in every circuit, held against chance; null where no circuit has roles."""
