"""What pages read of the graph, on both servers: packed edges, plays of a node, a board of jobs."""

from __future__ import annotations

import pytest

from graph_schema.documents import DatasetData, Eap, ModelId, ModelSource, TopEdges
from graph_schema.documents.jobs import DiscoverSpec, JobState, Placement
from graph_schema.errors import StoreError
from graph_schema.store import GraphStore, jobs
from graph_schema.store.jobs.board import Place, count_by_state, digest, read_page, stirring
from graph_schema.store.records.circuit_list import CircuitFilter, list_circuits, stored_names
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.node_evidence import read_plays
from graph_schema.store.records.packed_edges import read_packed_edges
from graph_schema.store.records.role_tests import write_roles
from tests.factories import make_circuit, make_dataset
from tests.findings import roles_played


def test_packed_edges_are_the_circuits_the_strongest_first(store: GraphStore) -> None:
    circuit = make_circuit()
    store.write(lambda tx: write_circuit(tx, circuit))
    packed = read_packed_edges(store, circuit.circuit_id)
    ends = zip(packed.senders, packed.receivers, packed.channels, packed.scores, strict=True)
    own = {(e.sender, e.receiver, e.channel.value, e.score) for e in circuit.edges}
    assert set(ends) == own
    sizes = [abs(score or 0.0) for score in packed.scores]
    assert sizes == sorted(sizes, reverse=True)
    assert set(packed.nodes) == circuit.node_names
    store.write(lambda tx: tx.run("MATCH ()-[e:EDGE]->(:CircuitNode {name: 'm0'}) DELETE e"))
    with pytest.raises(StoreError, match="torn: 6 edges are stored of 7"):
        read_packed_edges(store, circuit.circuit_id)


def test_a_nodes_plays_are_those_of_its_role_tests(store: GraphStore) -> None:
    found = roles_played()
    store.write(lambda tx: write_roles(tx, found))
    (play,) = read_plays(store, found.model.fingerprint, "a0.h2", found.task_id)
    assert (play.role, play.passes, play.effect) == ("previous_token", False, 0.25)
    assert read_plays(store, found.model.fingerprint, "a0.h2", None) == (play,)
    assert read_plays(store, found.model.fingerprint, "a0.h2", "another") == ()


def test_a_list_of_circuits_goes_on_where_it_ended(store: GraphStore) -> None:
    for job in ("a", "b", "c"):
        circuit = make_circuit(job=job, task=f"task {job}", task_id=job)
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
    whole = [each.circuit_id for each in list_circuits(store)]
    pages = [list_circuits(store, CircuitFilter(limit=1, skip=skip)) for skip in range(4)]
    assert [[each.circuit_id for each in page] for page in pages] == [*([id] for id in whole), []]
    assert stored_names(store) == {"task": ["task a", "task b", "task c"], "model": ["made/tiny"]}


def _submit(store: GraphStore, seed: int) -> str:
    spec = DiscoverSpec(
        model=ModelId(fingerprint="f" * 64),
        data=DatasetData(sha256=make_dataset().sha256, task="made"),
        method=Eap(),
        selection=TopEdges(n_edges=5),
        seed=seed,
    )
    jobs.submit(store, spec, Placement(model=ModelSource(name="/m")))
    return spec.job_id


def test_a_board_is_paged_without_gap_or_repeat(store: GraphStore) -> None:
    ids = [_submit(store, seed) for seed in range(5)]
    for n, id in enumerate(ids):  # two at the same moment, on both sides of a page's end
        at = 1_000 + n // 2
        store.write(
            lambda tx, id=id, at=at: tx.run(
                "MATCH (j:Job {job_id: $id}) SET j.submitted_at = $at", id=id, at=at
            ).consume()
        )
    seen: list[str] = []
    older: Place | None = None
    while page := read_page(store, state=None, older_than=older, limit=1):
        seen.append(page[0].job_id)
        older = Place.parse(str(Place(page[0].submitted_at, page[0].job_id)))
        if len(seen) == 2:
            _submit(store, 9)  # newer than all: no page that is still to come is another
    assert sorted(seen) == sorted(ids)
    assert len(seen) == 5
    jobs.cancel(store, ids[0])
    cancelled = read_page(store, state=JobState.CANCELLED, older_than=None, limit=9)
    assert [record.job_id for record in cancelled] == [ids[0]]
    assert count_by_state(store)[JobState.QUEUED] == 5


def test_a_digest_changes_with_what_is_shown_and_with_nothing_else(store: GraphStore) -> None:
    first, second = _submit(store, 0), _submit(store, 1)

    def shown() -> str:
        return digest([jobs.get(store, first)])

    def board() -> str:
        return digest([jobs.get(store, first)], stirring(store))

    before = shown(), board()
    assert before == (shown(), board())
    jobs.cancel(store, second)
    assert shown() == before[0]
    assert board() != before[1]
    before = shown(), board()
    _submit(store, 2)
    assert (shown() == before[0], board() == before[1]) == (True, False)
    before = shown(), board()
    jobs.cancel(store, first)
    assert shown() != before[0]
