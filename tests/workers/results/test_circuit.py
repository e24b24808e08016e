"""What the client hands out: circuits, their scores, and answers to queries."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from graph_schema.errors import NotFoundError
from tests.workers.world import N_EDGES, World
from workers.client import Circuit, CircuitClient, Rows
from workers.requests.discover import DiscoverRequest
from workers.running.inline import run_here


@pytest.fixture
def circuit(client: CircuitClient, world: World) -> Circuit:
    request = DiscoverRequest(
        model=str(world.model), dataset=world.pairs, method="exact", n_edges=20
    )
    return run_here(client, request).result()


def test_a_circuit_has_edges_nodes_figures_and_its_run(circuit: Circuit) -> None:
    assert 0 < circuit.n_edges == len(circuit.edges) <= 20
    assert [node.name for node in circuit.nodes][-1] == "logits"
    ends = {end for edge in circuit.edges for end in (edge.sender, edge.receiver)}
    assert {node.name for node in circuit.nodes} == ends
    assert circuit.evaluation is not None
    assert circuit.evaluation.faithfulness.value is not None
    assert circuit.run is not None
    assert circuit.run.job_id == circuit.job_id
    assert circuit.run.cpu_seconds["scores"] > 0


def test_the_run_is_the_last_one(client: CircuitClient, world: World) -> None:
    """Every run by force is the first attempt again."""
    request = DiscoverRequest(model=str(world.model), dataset=world.pairs, method="eap", n_edges=7)
    seen: set[str] = set()
    for number in range(1, 5):
        run = run_here(client, request, force=True).result().run
        assert run is not None
        assert run.attempt == 1
        seen.add(run.run_id)
        assert len(seen) == number


def test_scores_name_every_edge_and_agree_with_the_kept_ones(circuit: Circuit) -> None:
    scores = circuit.scores()
    assert len(scores) == N_EDGES
    assert scores.scores.dtype == np.float32
    known = dict(zip(scores.names.tolist(), scores.scores.tolist(), strict=True))
    assert all(known[edge.name] == pytest.approx(edge.score, rel=1e-6) for edge in circuit.edges)


def test_scores_of_single_pairs_are_there_when_asked_for(
    client: CircuitClient, world: World, circuit: Circuit
) -> None:
    request = DiscoverRequest(
        model=str(world.model),
        dataset=world.pairs,
        method="eap",
        n_edges=20,
        keep_pair_scores=True,
    )
    asked = run_here(client, request).result()
    each, mean = asked.pair_scores(), asked.scores()
    assert each.names.tolist() == mean.names.tolist()
    assert each.scores.shape == (len(each.ids), N_EDGES)
    np.testing.assert_allclose(each.scores.mean(0), mean.scores, atol=1e-6)
    with pytest.raises(NotFoundError, match="--keep-pair-scores"):
        circuit.pair_scores()


def test_a_circuit_is_a_graph_and_a_table(circuit: Circuit) -> None:
    graph = circuit.to_networkx()
    assert graph.number_of_edges() == circuit.n_edges
    assert nx.is_directed_acyclic_graph(graph)
    assert graph.nodes["logits"]["kind"] == "logits"
    first = circuit.edges[0]
    assert graph.edges[first.sender, first.receiver, first.channel.value]["score"] == first.score
    frame = circuit.to_pandas()
    assert frame["edge"].tolist() == [edge.name for edge in circuit.edges]
    assert frame["score"].tolist() == [edge.score for edge in circuit.edges]


def test_a_circuit_shows_itself(circuit: Circuit) -> None:
    assert circuit.circuit_id[:12] in repr(circuit)
    assert "faithfulness" in str(circuit)
    assert circuit._repr_html_().startswith("<div>")


def test_an_answer_is_rows_records_and_a_frame(client: CircuitClient, circuit: Circuit) -> None:
    answer = client.cypher(
        "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(n) RETURN n.name, n.kind",
        id=circuit.circuit_id,
    )
    assert answer.columns == ("n.name", "n.kind")
    assert len(answer) == len(circuit.nodes)
    assert {"n.name": "logits", "n.kind": "logits"} in list(answer)
    frame = answer.to_pandas()
    assert frame.columns.tolist() == ["n.name", "n.kind"]
    assert len(frame) == len(answer)


def test_an_answer_in_a_notebook_is_escaped() -> None:
    rows = Rows(("a<b",), (("x&y",), (None,)))
    html = rows._repr_html_()
    assert html == (
        "<table><tr><th>a&lt;b</th></tr><tr><td>x&amp;y</td></tr><tr><td></td></tr></table>"
    )


def test_circuits_are_listed_by_what_they_are(client: CircuitClient, circuit: Circuit) -> None:
    (found,) = client.circuits(job_id=circuit.job_id)
    assert found.circuit_id == circuit.circuit_id
    assert client.circuits(method="none") == []
