"""An answer as pandas and as networkx, and the named questions through the client."""

from __future__ import annotations

import math
from collections.abc import Generator

import pytest

from graph_schema.errors import SpecError
from graph_schema.store.connection import GraphStore
from tests.made_world import MadeWorld, fill
from tests.workers.world import World
from workers.client import CircuitClient, Rows


@pytest.fixture(scope="module")
def asked(world: World) -> Generator[tuple[CircuitClient, MadeWorld]]:
    """A client of the made world."""
    with GraphStore(world.settings.store_address()) as store:
        made = fill(store)
    with CircuitClient(settings=world.settings) as client:
        yield client, made


def test_an_answer_with_nodes_and_edges_is_a_graph(
    asked: tuple[CircuitClient, MadeWorld],
) -> None:
    client, made = asked
    circuit = made.circuits["g1"]
    text = "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(a)-[e:EDGE]->(b) RETURN a, e, b"
    graph = client.cypher(text, id=circuit.circuit_id).to_networkx()
    found = {
        (graph.nodes[u]["name"], graph.nodes[v]["name"], d["channel"], d["score"])
        for u, v, d in graph.edges(data=True)
    }
    assert found == {(e.sender, e.receiver, e.channel.value, e.score) for e in circuit.edges}
    head = graph.nodes[f"{circuit.circuit_id}:a1.h2"]
    assert (head["labels"], head["roles"]) == (["CircuitNode"], ["induction"])
    assert {d["type"] for *_, d in graph.edges(data=True)} == {"EDGE"}


def test_paths_lists_and_lone_relationships_are_read_too(
    asked: tuple[CircuitClient, MadeWorld],
) -> None:
    client, made = asked
    own = {"id": made.id("g1")}
    start = "MATCH p = (c:Circuit {circuit_id: $id})-[:CONTAINS]->(n {name: 'm0'})-[e:EDGE]->(b) "
    path = client.cypher(start + "RETURN [{walk: p}] AS found", **own).to_networkx()
    assert set(path.nodes) == {own["id"], f"{own['id']}:m0", f"{own['id']}:logits"}
    assert {d["type"] for *_, d in path.edges(data=True)} == {"CONTAINS", "EDGE"}
    lone = client.cypher(start + "RETURN e", **own).to_networkx()
    assert lone.number_of_edges() == 1
    assert lone.number_of_nodes() == 2


def test_an_answer_without_a_graph_says_what_to_return() -> None:
    assert Rows(("x",), ()).to_networkx().number_of_nodes() == 0
    with pytest.raises(SpecError, match="RETURN a, e, b"):
        Rows(("x",), ((1,),)).to_networkx()


def test_a_named_question_is_pandas_and_a_graph(asked: tuple[CircuitClient, MadeWorld]) -> None:
    client, made = asked
    answer = client.query("unstable-edges", circuit=made.id("g1")[:12], below=0.95)
    frame = answer.to_pandas()
    assert frame["stability"].tolist() == [0.4, 0.7]
    graph = answer.to_networkx()
    assert graph.edges["input", "a1.h2", "v"]["score"] == 0.25
    assert set(graph.nodes) == {"input", "a1.h2", "m0", "logits"}


def test_a_question_asked_wrongly_starts_nothing() -> None:
    with CircuitClient(graph="bolt://127.0.0.1:1", broker="redis://127.0.0.1:1") as client:
        with pytest.raises(SpecError, match="near ones are unstable-edges"):
            client.query("unstable-edge")
        with pytest.raises(SpecError, match="no parameter 'name'"):
            client.query("unstable-edges", name="x")


def test_motifs_are_found_and_tested_through_the_client(
    asked: tuple[CircuitClient, MadeWorld],
) -> None:
    client, made = asked
    (found,) = client.motifs.find("induction", made.id("g1")[:12]).occurrences
    assert found.binds == {"previous": "a0.h1", "induction": "a1.h2", "out": "logits"}
    circuit = client.circuit(made.id("l1"))
    assert client.motifs.find(client.motifs.known()["induction"], circuit).total == 2
    (tested,) = client.motifs.test([circuit], ["induction"], draws=20, store=False).results
    assert (tested.circuit_id, tested.observed) == (circuit.circuit_id, 2)
    with pytest.raises(SpecError, match="not YAML"):
        client.motifs.add("a: [")


NUMBERS = "UNWIND [1.5, 0.0/0.0, -1.0/0.0, null, -0.0] AS x RETURN x, [x, [x]] AS nested"


def test_numbers_that_are_not_finite_stay_numbers(
    asked: tuple[CircuitClient, MadeWorld],
) -> None:
    client, _ = asked
    frame = client.cypher(NUMBERS).to_pandas()
    assert frame.x.dtype == "float64"
    assert frame.x.isna().tolist() == [False, True, False, True, False]
    assert frame.x.max() == 1.5
    assert frame.x.min() == -math.inf
    assert math.copysign(1.0, frame.x[4]) == -1.0
    assert math.isnan(frame.nested[1][1][0])


def test_a_frame_loses_no_digit_of_an_integer() -> None:
    large, nan = 2**53 + 1, math.nan
    rows = ((1, large, large, large), (None, None, nan, 2), (3, -large, 1.5, 3))
    frame = Rows(("small", "beside_null", "mixed", "whole"), rows).to_pandas()
    kinds = [str(kind) for kind in frame.dtypes]
    assert kinds == ["float64", "Int64", "object", "int64"]
    assert frame.beside_null.dropna().tolist() == [large, -large]
    assert frame.mixed[0] == large
    assert frame.whole[0] == large
