"""Stored results as what a client hands out."""

from __future__ import annotations

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import CircuitEvaluation
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.annotations import read_annotations
from graph_schema.store.records.circuits import read_circuit
from graph_schema.store.records.evaluations import read_evaluation
from graph_schema.store.records.role_tests import read_role_test_of_job
from graph_schema.store.records.runs import run_of_circuit, run_of_evaluation, run_of_role_test
from workers.results.circuit import Circuit
from workers.results.evaluation import Evaluated
from workers.results.roles import Roles


def stored_circuit(store: GraphStore, artifacts: ArtifactStore, circuit_id: str) -> Circuit:
    """The circuit, with the run that produced it and what people wrote on its nodes.

    Raises:
        NotFoundError: None, or more than one, has the id.
    """
    document = read_circuit(store, circuit_id)
    own = document.circuit_id
    return Circuit(document, artifacts, run_of_circuit(store, own), read_annotations(store, own))


def stored_evaluation(store: GraphStore, evaluation_id: str) -> Evaluated:
    """What an `evaluate` job found, with its run."""
    return evaluated(store, read_evaluation(store, evaluation_id))


def evaluated(store: GraphStore, document: CircuitEvaluation) -> Evaluated:
    """A stored evaluation with its run."""
    return Evaluated(document, run_of_evaluation(store, document.evaluation_id))


def stored_roles(store: GraphStore, job_id: str) -> Roles:
    """What a `roles` job found, with its run.

    Raises:
        NotFoundError: No role test was made by this job.
    """
    document = read_role_test_of_job(store, job_id)
    return Roles(document, run_of_role_test(store, document.role_test_id))
