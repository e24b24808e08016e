"""The data model says what is stored, and nothing else is."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from graph_schema.documents import Eap, InductionTask, ModelSource, TaskData, TopEdges
from graph_schema.documents.jobs import DiscoverSpec, Placement
from graph_schema.documents.model import ModelId
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.migrations import VERSION
from graph_schema.store.questions.summary import summarise_schema
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.evaluations import write_evaluation
from graph_schema.store.records.features import write_features
from graph_schema.store.records.models import ancestors, write_derived
from graph_schema.store.records.specificity import write_specificity
from graph_schema.store.records.workers import announce_worker
from graph_schema.store.servers.java import JavaServer
from graph_schema.store.user_cypher.run import run_user_query
from graph_schema.store.vocabulary.data_model import NODE_KINDS, RELATIONSHIP_KINDS
from tests.factories import make_circuit_evaluation, make_model, make_run
from tests.feature_circuits import described, feature_circuit
from tests.findings import roles_played, specificity
from tests.made_world import MadeWorld, fill
from tests.servers import EMPTY


@pytest.fixture(scope="module")
def filled(server: JavaServer) -> Generator[tuple[GraphStore, MadeWorld]]:
    """A graph in which every part of the data model occurs, written once for all tests here."""
    with GraphStore(server.address) as store:
        store.migrate()
        store.write(lambda tx: tx.run(EMPTY).consume())
        world = fill(store)
        judged = make_circuit_evaluation(world.circuits["g1"])
        store.write(lambda tx: write_evaluation(tx, judged, make_run(job="judge")))
        models = [world.circuits[name].model.fingerprint for name in ("g1", "l1")]
        write_derived(store, *models)
        played = roles_played(world.circuits["g1"].model)
        matrix = specificity(played)
        store.write(lambda tx: write_circuit(tx, feature_circuit()))
        store.write(lambda tx: write_features(tx, feature_circuit(), [described("m0.f17")]))
        run = make_run(job="specificity")
        store.write(lambda tx: write_specificity(tx, matrix, run))
        spec = DiscoverSpec(
            model=ModelId(fingerprint=make_model().fingerprint),
            data=TaskData(task=InductionTask()),
            method=Eap(),
            selection=TopEdges(n_edges=5),
        )
        jobs.submit(store, spec, Placement(model=ModelSource(name="org/name")))
        announce_worker(store, "o", host="h", pid=1, serves="cpu:8", lease=600.0)
        claimed = jobs.claim(store, spec.job_id, token="t", owner="o", lease=30.0, max_attempts=3)
        assert claimed is not None
        yield store, world
        store.write(lambda tx: tx.run(EMPTY).consume())


def test_counts_are_those_of_the_graph(filled: tuple[GraphStore, MadeWorld]) -> None:
    store, world = filled
    found = summarise_schema(store)
    counts = {part.name: part.count for part in (*found.nodes, *found.relationships)}
    circuits = [*world.circuits.values(), feature_circuit()]
    assert counts["Circuit"] == len(circuits) == 6
    assert counts["EDGE"] == sum(circuit.n_edges for circuit in circuits)
    assert counts["Dictionary"] == counts["USES"] == 2
    assert counts["CircuitNode"] == counts["CONTAINS"] == counts["OF"]
    assert counts["Model"] == 6
    assert counts["Job"] == counts["Occurrence"] == counts["Annotation"] == 1
    assert counts["ON"] == counts["Annotation"] + counts["Dictionary"]
    assert counts["Verdict"] == 5
    assert counts["Report"] == counts["REPORTS"] == 1
    assert counts["CARRIES"] == 4
    assert counts["ALIGNED"] == 3
    assert [name for name, count in counts.items() if count == 0] == []
    assert found.version == VERSION


def test_a_model_remembers_what_it_comes_from(filled: tuple[GraphStore, MadeWorld]) -> None:
    store, world = filled
    later, earlier = (world.circuits[name].model.fingerprint for name in ("g1", "l1"))
    assert ancestors(store) == {later: {earlier}}


def test_everything_stored_is_in_the_data_model(filled: tuple[GraphStore, MadeWorld]) -> None:
    store, _ = filled
    nodes = {kind.label: set(kind.properties) for kind in NODE_KINDS}
    for row in store.rows("MATCH (n) UNWIND keys(n) AS k RETURN DISTINCT labels(n)[0] AS n, k"):
        assert row["k"] in nodes[row["n"]], row
    links = {
        (kind.type, a, b)
        for kind in RELATIONSHIP_KINDS
        for a in kind.senders
        for b in kind.receivers
    }
    ends = "MATCH (a)-[r]->(b) RETURN DISTINCT type(r) AS r, labels(a)[0] AS a, labels(b)[0] AS b"
    for row in store.rows(ends):
        assert (row["r"], row["a"], row["b"]) in links
    own = {kind.type: set(kind.properties) for kind in RELATIONSHIP_KINDS}
    named = "MATCH ()-[r]->() UNWIND keys(r) AS k RETURN DISTINCT type(r) AS r, k"
    for row in store.rows(named):
        assert row["k"] in own[row["r"]], row


def test_the_id_of_every_label_is_unique(filled: tuple[GraphStore, MadeWorld]) -> None:
    """Its first property is the id, and a constraint of the database holds it."""
    store, _ = filled
    held = {
        (row["labels"][0], row["properties"][0])
        for row in store.rows(
            "SHOW CONSTRAINTS YIELD labelsOrTypes, properties "
            "RETURN labelsOrTypes AS labels, properties"
        )
    }
    assert {(kind.label, kind.key) for kind in NODE_KINDS} == held


def test_every_example_query_answers(filled: tuple[GraphStore, MadeWorld]) -> None:
    store, world = filled
    for kind in (*NODE_KINDS, *RELATIONSHIP_KINDS):
        wanted = {"id": world.id("g1")} if "$id" in kind.example else {}
        assert run_user_query(store, kind.example, wanted).rows, kind.example
