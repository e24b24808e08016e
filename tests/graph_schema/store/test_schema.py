"""The data model says what is stored, and nothing else is."""

from __future__ import annotations

from graph_schema.documents import Eap, InductionTask, ModelSource, TaskData, TopEdges
from graph_schema.documents.jobs import DiscoverSpec, Placement
from graph_schema.documents.model import ModelId
from graph_schema.store import jobs
from graph_schema.store.circuits import write_circuit
from graph_schema.store.connection import GraphStore
from graph_schema.store.data_model import NODE_KINDS, RELATIONSHIP_KINDS
from graph_schema.store.datasets import write_dataset
from graph_schema.store.evaluations import write_evaluation
from graph_schema.store.query import run_user_query
from graph_schema.store.schema import summarise_schema
from tests.factories import (
    make_circuit,
    make_circuit_evaluation,
    make_dataset,
    make_model,
    make_run,
)


def _fill(store: GraphStore) -> None:
    store.write(lambda tx: write_dataset(tx, make_dataset()))
    store.write(lambda tx: write_circuit(tx, make_circuit(), make_run()))
    found = make_circuit_evaluation(make_circuit())
    store.write(lambda tx: write_evaluation(tx, found, make_run(job="judge")))
    spec = DiscoverSpec(
        model=ModelId(fingerprint=make_model().fingerprint),
        data=TaskData(task=InductionTask()),
        method=Eap(),
        selection=TopEdges(n_edges=5),
    )
    jobs.submit(store, spec, Placement(model=ModelSource(name="org/name")))
    claimed = jobs.claim(store, spec.job_id, token="t", owner="o", lease=30.0, max_attempts=3)
    assert claimed is not None


def test_counts_are_those_of_the_graph(store: GraphStore) -> None:
    _fill(store)
    found = summarise_schema(store)
    counts = {part.name: part.count for part in (*found.nodes, *found.relationships)}
    assert counts["Circuit"] == counts["Model"] == counts["Job"] == 1
    assert counts["CircuitNode"] == counts["CONTAINS"] == counts["OF"] == 5
    assert counts["EDGE"] == 7
    assert counts["Annotation"] == 0
    assert found.version >= 1


def test_everything_stored_is_in_the_data_model(store: GraphStore) -> None:
    _fill(store)
    nodes = {kind.label: set(kind.properties) for kind in NODE_KINDS}
    for row in store.rows("MATCH (n) UNWIND keys(n) AS k RETURN DISTINCT labels(n)[0] AS n, k"):
        assert row["k"] in nodes[row["n"]], row
    links = {kind.type: (kind.sender, kind.receiver) for kind in RELATIONSHIP_KINDS}
    ends = "MATCH (a)-[r]->(b) RETURN DISTINCT type(r) AS r, labels(a)[0] AS a, labels(b)[0] AS b"
    for row in store.rows(ends):
        assert links[row["r"]] == (row["a"], row["b"])
    edge = next(kind for kind in RELATIONSHIP_KINDS if kind.type == "EDGE")
    for row in store.rows("MATCH ()-[e:EDGE]->() UNWIND keys(e) AS k RETURN DISTINCT k"):
        assert row["k"] in edge.properties


def test_every_example_query_answers(store: GraphStore) -> None:
    _fill(store)
    empty = {"Annotation", "ON"}
    for kind in (*NODE_KINDS, *RELATIONSHIP_KINDS):
        name = getattr(kind, "label", None) or getattr(kind, "type", "")
        wanted = {"id": make_circuit().circuit_id} if "$id" in kind.example else {}
        found = run_user_query(store, kind.example, wanted)
        assert bool(found.rows) == (name not in empty), kind.example
