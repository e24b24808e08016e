"""What is deleted goes with what hangs on it, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graph_schema.documents import CircuitDocument
from graph_schema.documents.jobs import ErrorDocument, JobProgress, JobState, Need, RolesSpec
from graph_schema.errors import NotFoundError, SpecError, StoreUnavailable
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records import circuit_drafts, circuit_edges
from graph_schema.store.records.circuit_drafts import parts_of
from graph_schema.store.records.circuit_edges import stored_nodes
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.evaluations import write_evaluation
from graph_schema.store.records.role_graphs import write_role_graph
from graph_schema.store.records.role_tests import write_roles
from graph_schema.store.records.verdicts import read_verdict
from tests.factories import (
    INDUCTION_EDGES,
    made_edges,
    make_circuit,
    make_circuit_evaluation,
    make_imported,
    make_model,
    make_run,
)
from tests.findings import role_graph, roles_played
from tests.graph_schema.store.test_jobs import PLACEMENT, a_spec, claim
from tests.made_universality import DATA, end
from tests.made_world import fill
from workers.client import deleting
from workers.client.deleting import delete, deletion
from workers.client.service import Service
from workers.settings import Settings

UNUSED: dict[str, Any] = {"graph": "bolt://unused"}
A_JOB = """
CREATE (:Job {job_id: $job_id, kind: 'universality', state: 'succeeded', spec: '{}', attempts: 1,
              placement: '{}', cancel_requested: false, submitted_at: 1})
"""
COUNTS = "MATCH (n) WHERE NOT n:Schema RETURN labels(n)[0] AS label, count(n) AS n"


@pytest.fixture
def service(store: GraphStore, tmp_path: Path) -> Service:
    return Service(Settings(home=tmp_path, **UNUSED), store.address, store)


def counts(store: GraphStore) -> dict[str, int]:
    return {row["label"]: row["n"] for row in store.rows(COUNTS)}


def sweep(store: GraphStore, *sizes: int) -> tuple[str, list[CircuitDocument]]:
    """A job that ended well, and the circuits that it found."""
    spec = a_spec()
    circuits = [
        make_circuit(INDUCTION_EDGES[:n], job=f"{spec.job_id} {n}", job_id=spec.job_id)
        for n in sizes
    ]

    def write(tx: Any) -> None:
        for circuit in circuits:
            write_circuit(tx, circuit, make_run(spec.job_id))

    end(store, spec, "made", write, [each.circuit_id for each in circuits])
    return spec.job_id, circuits


def test_a_circuit_goes_with_what_hangs_on_it_and_others_stay(
    store: GraphStore, service: Service
) -> None:
    world = fill(store)
    before = counts(store)
    g1, others = world.circuits["g1"], [c for name, c in world.circuits.items() if name != "g1"]
    told = deletion(service, g1.circuit_id[:12])
    assert told.circuits == (g1.circuit_id,)
    assert (told.edges, told.annotations) == (g1.n_edges, 1)
    assert told.occurrences > 0
    assert len(told.motif_tests) == 1
    assert told.artifacts == ("a/scores.safetensors",)
    assert {world.role.verdict_id, world.wiring.verdict_id} <= set(told.resting_verdicts)
    assert told.resting_reports
    with pytest.raises(SpecError, match=r"(?s)rest on \(.*verdicts: .*--even-evidence"):
        delete(service, g1.circuit_id, even_evidence=False)
    assert counts(store) == before
    assert read_circuit(store, g1.circuit_id) == g1

    assert delete(service, g1.circuit_id, even_evidence=True) == told
    gone = {label: n - counts(store).get(label, 0) for label, n in before.items()}
    assert {label: n for label, n in gone.items() if n} == {
        "Circuit": 1,
        "CircuitNode": len(g1.node_names),
        "Occurrence": told.occurrences,
        "MotifTest": 1,
        "Annotation": 1,
        "CircuitDocument": 1,
        "Run": 1,
    }
    assert stored_nodes(store, g1.circuit_id) == ()
    with pytest.raises(NotFoundError):
        read_circuit(store, g1.circuit_id)
    assert [read_circuit(store, each.circuit_id) for each in others] == others
    assert read_verdict(store, world.wiring.verdict_id) == world.wiring


def test_of_a_sweep_one_circuit_goes_and_with_the_last_one_the_job(
    store: GraphStore, service: Service
) -> None:
    job_id, (one, two) = sweep(store, 7, 5)
    assert delete(service, one.circuit_id, even_evidence=False).jobs == ()
    assert jobs.get(store, job_id).circuit_ids == (two.circuit_id,)
    assert delete(service, two.circuit_id, even_evidence=False).jobs == (job_id,)
    with pytest.raises(NotFoundError):
        jobs.get(store, job_id)
    assert {"Circuit", "CircuitNode", "Run", "Job"}.isdisjoint(counts(store))


def test_a_job_goes_with_its_circuits_and_with_the_jobs_that_judged_them(
    store: GraphStore, service: Service
) -> None:
    job_id, circuits = sweep(store, 7, 5)
    judge = a_spec()
    judged = make_circuit_evaluation(circuits[0], evaluation_id=judge.job_id)
    end(store, judge, "made", lambda tx: write_evaluation(tx, judged, make_run(judge.job_id)))
    told = delete(service, job_id[:16], even_evidence=False)
    assert set(told.circuits) == {each.circuit_id for each in circuits}
    assert told.evaluations == (judge.job_id,)
    assert set(told.jobs) == {job_id, judge.job_id}
    assert {"Circuit", "Evaluation", "Run", "Job"}.isdisjoint(counts(store))


def test_what_is_live_or_needed_by_what_is_live_stays(store: GraphStore, service: Service) -> None:
    job_id, (circuit,) = sweep(store, 7)
    waiting = jobs.submit(store, a_spec(), PLACEMENT, needs=[Need(job_id=job_id)]).record.job_id
    for id in (job_id, circuit.circuit_id, waiting):
        with pytest.raises(SpecError, match=f"circuits cancel {waiting[:12]}"):
            delete(service, id, even_evidence=True)
    assert claim(store, waiting, "t")
    with pytest.raises(SpecError, match="in use"):
        delete(service, waiting, even_evidence=True)
    jobs.fail(store, waiting, "t", ErrorDocument(type="JobFailed", message="made"))
    assert delete(service, waiting, even_evidence=False).jobs == (waiting,)
    assert delete(service, job_id, even_evidence=False).circuits == (circuit.circuit_id,)


def test_one_circuit_of_a_job_that_is_live_or_needed_stays(
    store: GraphStore, service: Service
) -> None:
    job_id, (one, two) = sweep(store, 7, 5)
    waiting = jobs.submit(store, a_spec(), PLACEMENT, needs=[Need(job_id=job_id)]).record.job_id
    with pytest.raises(SpecError, match=f"circuits cancel {waiting[:12]}"):
        delete(service, one.circuit_id, even_evidence=True)
    assert [read_circuit(store, each.circuit_id) for each in (one, two)] == [one, two]


def test_a_job_that_is_submitted_again_meanwhile_keeps_what_it_stores(
    store: GraphStore, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its attempt anew the nodes have the same ids."""
    job_id, (circuit,) = sweep(store, 7)
    live = "MATCH (j:Job {job_id: $job_id}) SET j.state = 'running'"
    steps = deleting.remove_circuit

    def again(store: GraphStore, circuit_id: str, write: Any) -> None:
        store.write(lambda tx: tx.run(live, job_id=job_id).consume())
        steps(store, circuit_id, write)

    monkeypatch.setattr(deleting, "remove_circuit", again)
    with pytest.raises(SpecError, match="submitted again meanwhile"):
        delete(service, job_id, even_evidence=False)
    assert read_circuit(store, circuit.circuit_id) == circuit
    assert store.rows("MATCH (r:Run) RETURN count(r) AS n") == [{"n": 1}]


def test_a_job_whose_circuit_is_gone_goes_by_the_same_words(
    store: GraphStore, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, (circuit,) = sweep(store, 7)

    def lost(*_: Any) -> None:
        raise StoreUnavailable("made")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "remove", lost)
        with pytest.raises(StoreUnavailable):
            delete(service, circuit.circuit_id, even_evidence=False)
    with pytest.raises(NotFoundError):
        read_circuit(store, circuit.circuit_id)
    assert delete(service, circuit.circuit_id[:16], even_evidence=False).jobs == (job_id,)
    assert "Job" not in counts(store)


def test_the_last_one_is_not_deleted_by_that_name(store: GraphStore, service: Service) -> None:
    sweep(store, 7)
    with pytest.raises(SpecError, match="give the id"):
        delete(service, "last", even_evidence=False)


def test_a_role_test_takes_the_roles_it_gave_and_is_kept_for_its_role_graph(
    store: GraphStore, service: Service
) -> None:
    circuit = make_circuit()
    store.write(lambda tx: write_circuit(tx, circuit))
    spec = RolesSpec.model_validate(
        {"model": {"fingerprint": make_model().fingerprint}, "data": DATA}
    )
    played = roles_played(make_model()).model_copy(update={"job_id": spec.job_id})
    end(store, spec, "made", lambda tx: write_roles(tx, played, make_run(spec.job_id)))
    graph = role_graph(make_model())
    graph = graph.model_copy(update={"role_test_id": played.role_test_id})
    store.write(lambda tx: write_role_graph(tx, graph))
    with_roles = "MATCH (n:CircuitNode) WHERE size(n.roles) > 0 RETURN count(n) AS n"
    assert store.rows(with_roles)[0]["n"] > 0
    with pytest.raises(SpecError, match="role graph"):
        delete(service, spec.job_id, even_evidence=False)
    told = delete(service, spec.job_id, even_evidence=True)
    assert told.role_tests == (played.role_test_id,)
    assert told.resting_role_graphs == (graph.role_graph_id,)
    assert store.rows(with_roles) == [{"n": 0}]
    assert store.rows("MATCH ()-[e:PLAYS]->() RETURN count(e) AS n") == [{"n": 0}]
    assert read_circuit(store, circuit.circuit_id) == circuit


def test_a_universality_job_goes_with_the_verdicts_that_are_its_own(
    store: GraphStore, service: Service
) -> None:
    world = fill(store)
    (report,) = [row["id"] for row in store.rows("MATCH (r:Report) RETURN r.job_id AS id")]
    store.write(lambda tx: tx.run(A_JOB, job_id=report).consume())
    told = delete(service, report, even_evidence=False)
    assert told.reports == (report,)
    assert told.verdicts == (world.wiring.verdict_id,)
    assert counts(store).get("Report") is None
    assert read_verdict(store, world.role.verdict_id) == world.role


def test_a_failed_job_goes_with_what_it_left(
    store: GraphStore, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_drafts, "MOST_EDGES", 20)
    monkeypatch.setattr(circuit_edges, "MOST_REMOVED", 20)
    job_id = jobs.submit(store, a_spec(), PLACEMENT).record.job_id
    assert claim(store, job_id, "t")
    wide = make_model("made/wide", n_layers=4, n_heads=8)
    circuit = make_circuit(made_edges(60, n_layers=4, n_heads=8), model=wide)
    for part in parts_of([circuit], make_run()):
        step = JobProgress(stage="storing", done=0, total=1)
        jobs.write_part(
            store, job_id, "t", part.write, draft=part.circuit_id, lease=60, progress=step
        )
    jobs.fail(store, job_id, "t", ErrorDocument(type="JobFailed", message="made"))
    assert jobs.get(store, job_id).state is JobState.FAILED
    assert stored_nodes(store, circuit.circuit_id)
    assert delete(service, job_id, even_evidence=False).jobs == (job_id,)
    assert stored_nodes(store, circuit.circuit_id) == ()
    assert "Job" not in counts(store)


def test_an_evaluation_that_a_circuit_shows_stays(store: GraphStore, service: Service) -> None:
    circuit = make_imported()
    store.write(lambda tx: write_circuit(tx, circuit))
    spec = a_spec()
    judged = make_circuit_evaluation(circuit, evaluation_id=spec.job_id)
    end(store, spec, "made", lambda tx: write_evaluation(tx, judged))
    with pytest.raises(SpecError, match=f"circuit {circuit.circuit_id[:12]} shows the figures"):
        delete(service, spec.job_id, even_evidence=True)
    assert delete(service, circuit.circuit_id, even_evidence=False).jobs == (spec.job_id,)


def test_a_half_removed_circuit_is_removed_by_the_same_words(
    store: GraphStore, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_edges, "MOST_REMOVED", 2)
    job_id, (circuit,) = sweep(store, 7)
    first = next(circuit_edges.removing(stored_nodes(store, circuit.circuit_id)))
    assert not store.write(first), "there is more to do"
    assert delete(service, circuit.circuit_id, even_evidence=False).jobs == (job_id,)
    assert "CircuitNode" not in counts(store)


@pytest.mark.parametrize("id", ["f" * 64, ""])
def test_an_id_of_nothing_is_said(store: GraphStore, service: Service, id: str) -> None:
    with pytest.raises(NotFoundError, match=r"(?s)circuits list.*circuits jobs"):
        deletion(service, id)
