"""What a job's work gives back, and how it is written inside the transaction that ends the job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graph_schema.documents import (
    CircuitDocument,
    CircuitEvaluation,
    DatasetDocument,
    Features,
    ModelDocument,
    RoleGraph,
    RolesPlayed,
)
from graph_schema.documents.jobs import RunRecord
from graph_schema.motif_search import flag_contradictions, flag_contradictions_of_model
from graph_schema.store.records.circuit_drafts import Part, parts_of, write_found
from graph_schema.store.records.datasets import write_dataset
from graph_schema.store.records.evaluations import write_evaluation
from graph_schema.store.records.features import write_features
from graph_schema.store.records.role_graphs import write_role_graph
from graph_schema.store.records.role_tests import write_roles
from graph_schema.store.records.runs import write_run
from workers.job.in_one_go import InOneGo

if TYPE_CHECKING:
    from neo4j import Transaction


@dataclass(frozen=True)
class Result:
    """What a discover job found."""

    circuits: tuple[CircuitDocument, ...]
    dataset: DatasetDocument
    run: RunRecord
    features: Features | None = None
    """What the circuits' units are."""

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return tuple(circuit.circuit_id for circuit in self.circuits)

    def parts(self) -> tuple[Part, ...]:
        return parts_of(self.circuits, self.run)

    def write(self, tx: Transaction) -> None:
        """Write dataset, circuits, what their units are, and run."""
        write_dataset(tx, self.dataset)
        write_found(tx, self.circuits, self.run)
        for circuit in self.circuits:
            if self.features is not None:
                write_features(tx, circuit, self.features.units)
            flag_contradictions(tx, circuit.circuit_id)


@dataclass(frozen=True)
class EvaluationResult(InOneGo):
    """What an evaluate job found of one stored circuit."""

    evaluation: CircuitEvaluation
    model: ModelDocument
    dataset: DatasetDocument
    run: RunRecord

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return (self.evaluation.circuit_id,)

    def write(self, tx: Transaction) -> None:
        """Write dataset, evaluation and run, and what the model's weights are."""
        write_dataset(tx, self.dataset)
        write_evaluation(tx, self.evaluation, self.run, self.model)
        flag_contradictions(tx, self.evaluation.circuit_id)  # it may have said what the task is


@dataclass(frozen=True)
class EffectsResult(InOneGo):
    """What an effects job measured."""

    graph: RoleGraph
    dataset: DatasetDocument
    run: RunRecord

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return ()

    def write(self, tx: Transaction) -> None:
        """Write dataset, role graph and run."""
        write_dataset(tx, self.dataset)
        write_role_graph(tx, self.graph)
        write_run(tx, self.run)


@dataclass(frozen=True)
class RolesResult(InOneGo):
    """What a roles job found of one model on one task."""

    played: RolesPlayed
    dataset: DatasetDocument
    run: RunRecord

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return ()

    def write(self, tx: Transaction) -> None:
        """Write dataset, role test and run, and flag what the roles make known."""
        write_dataset(tx, self.dataset)
        write_roles(tx, self.played, self.run)
        model, task_id = self.played.model.fingerprint, self.played.task_id
        flag_contradictions_of_model(tx, model, task_id)
