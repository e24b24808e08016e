"""Role graphs in the graph, on both servers."""

from __future__ import annotations

import pytest

from graph_schema.documents import RoleGraph
from graph_schema.documents.role import Behaviour, Share
from graph_schema.documents.role_graph import Mediator, Restored, SuperEdge
from graph_schema.errors import NotFoundError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.role_graphs import (
    read_role_graph,
    read_role_graph_of_job,
    write_role_graph,
)
from tests.findings import role_graph
from tests.graph_schema.store.records.made import twice


def test_a_role_graph_survives_and_is_updated(store: GraphStore) -> None:
    graph = role_graph()
    twice(store, lambda tx: write_role_graph(tx, graph))
    assert read_role_graph(store, graph.role_graph_id) == graph
    again = role_graph(share=0.25)
    twice(store, lambda tx: write_role_graph(tx, again))
    assert read_role_graph(store, graph.role_graph_id) == again
    carried = "MATCH ()-[e:CARRIES {channel: 'k'}]->() RETURN e.share AS s, e.controls AS c"
    assert store.rows(carried) == [{"s": 0.25, "c": ["wrong_position", "v"]}]


def _measured() -> RoleGraph:
    """A role graph as an effects job measures it: whole, direct, mediated, restored."""
    graph = role_graph()
    half = Share(share=0.5, ci_low=0.25, ci_high=0.75)
    through = Mediator(component="m0", **half.model_dump())
    key = graph.edges[0].model_copy(
        update={"direct": half, "mediators": (through,), "everywhere": half, "on_discovery": half}
    )
    bound = SuperEdge.model_validate(graph.edges[1].model_dump() | {"is_bound": True})
    told = Behaviour(accuracy={"period-6": 1.0}, gap=20, gap_low=19, gap_high=21)
    restored = Restored.model_validate({"wiring": "direct", **half.model_dump()})
    return graph.model_copy(
        update={
            "edges": (key, bound),
            "restored": (restored,),
            "behaviour": told,
            "conditions": ("period-6",),
            "job_id": "5" * 64,
            "motif_id": "6" * 64,
        }
    )


def test_a_measured_role_graph_is_read_by_its_job(store: GraphStore) -> None:
    graph = _measured()
    twice(store, lambda tx: write_role_graph(tx, graph))
    assert read_role_graph_of_job(store, "5" * 64) == graph
    with pytest.raises(NotFoundError, match="no role graph is of job '77"):
        read_role_graph_of_job(store, "7" * 64)


def test_the_parts_of_a_share_are_asked_for_in_the_graph(store: GraphStore) -> None:
    twice(store, lambda tx: write_role_graph(tx, _measured()))
    carried = """
    MATCH (g:RoleGraph {job_id: $job_id})-[:HAS_ROLE]->(a)-[e:CARRIES]->(b)
    RETURN e.channel AS c, e.direct AS direct, e.direct_ci_low AS low, e.mediators AS who,
           e.mediator_shares AS parts, e.is_bound AS bound, g.restored_direct AS restored,
           g.conditions AS conditions, g.untestable AS why ORDER BY c
    """
    shared = {"restored": 0.5, "conditions": ["period-6"], "why": None}
    key = {"c": "k", "direct": 0.5, "low": 0.25, "who": ["m0"], "parts": [0.5], "bound": False}
    out = {"c": "r", "direct": None, "low": None, "who": [], "parts": [], "bound": True}
    assert store.rows(carried, job_id="5" * 64) == [key | shared, out | shared]
