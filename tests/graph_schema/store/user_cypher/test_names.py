"""A name that nothing has is an error that shows the near ones; a user's own names pass."""

from __future__ import annotations

import time

import pytest

from graph_schema.errors import CypherError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.user_cypher.guard import guard
from graph_schema.store.user_cypher.names import check_names, names_in
from graph_schema.store.user_cypher.run import run_user_query
from graph_schema.store.vocabulary.data_model import LABELS, NODE_KINDS, RELATIONSHIP_KINDS, TYPES
from tests.factories import make_circuit, make_run

MISTAKES = {
    "MATCH (c:Circuits) RETURN c": ("'Circuits'", "Circuit"),
    "MATCH (c:circuit) RETURN c": ("'circuit'", "Circuit"),
    "MATCH (:Circuit)-[:CONTAIN]->(n) RETURN n": ("'CONTAIN'", "CONTAINS"),
    "MATCH (n) WHERE n:CircuitNod RETURN n": ("'CircuitNod'", "CircuitNode"),
    "MATCH (n:Circuit|Modell) RETURN n": ("'Modell'", "Model"),
    "MATCH (n:!Circit&Model) RETURN n": ("'Circit'", "Circuit"),
    "MATCH (a)-[e:EDGE|EDGES*1..3]->(b) RETURN a": ("'EDGES'", "EDGE"),
    "MATCH (c:Circuit) RETURN c.faithfullness": ("'faithfullness'", "faithfulness"),
    "MATCH (c:Circuit {taks: 'ioi'}) RETURN c": ("'taks'", "task"),
    "MATCH ()-[e:EDGE {chanel: 'k'}]->() RETURN e.score": ("'chanel'", "channel"),
    "MATCH ()-[e:EDGE]->() WHERE e.scoer > 1 RETURN e": ("'scoer'", "score"),
    "MATCH (c:Circuit) RETURN c {.task, .modle}": ("'modle'", "model"),
    "MATCH p = (a)-->() RETURN [x IN nodes(p) WHERE x:Circit | x.name]": ("'Circit'", "Circuit"),
    "MATCH (n:`CircuitNodes`) RETURN n": ("'CircuitNodes'", "CircuitNode"),
    "MATCH (c:Circuit) WHERE EXISTS { (c)-[:CONTAINS]->(m:CircuitNodde) } RETURN c": (
        "'CircuitNodde'",
        "CircuitNode",
    ),
    "MATCH (c:Xyzzy) RETURN c": ("'Xyzzy'", "circuits schema"),
}

FINE = [
    "MATCH (c:Circuit)-[:CONTAINS]->(n) RETURN {anything: c.task, other: n.name} AS x",
    "WITH {foo: 1} AS c RETURN c.foo",
    "UNWIND [{a: 1}] AS row RETURN row.a",
    "MATCH (c:Circuit) WITH collect(c) AS c RETURN size(c)",
    "RETURN [x IN [{a: 1}] WHERE x.a = 1 | x.a]",
    "MATCH (c) RETURN c {.task, own: c.task}",
    "WITH {foo: 1} AS c RETURN c {.foo}",
    "MATCH p = (:CircuitNode)-[:EDGE]->() RETURN [x IN nodes(p) WHERE x:CircuitNode | x.name]",
    "MATCH (c:Circuit) RETURN c {.*, own: 1} AS c",
    "MATCH p = (:CircuitNode)-[:EDGE*1..2]->(:CircuitNode) RETURN length(p)",
    "RETURN date({year: 2026, month: 1}).year AS year",
    "MATCH (a:CircuitNode)-[e:EDGE {channel: 'q'}]->{1,2}(b) RETURN count(*)",
]


def _never() -> list[str]:
    raise AssertionError("the data model knows every name; the database need not be asked")


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[:50])
def test_a_name_that_nothing_has_is_refused_with_its_neighbour(text: str) -> None:
    wrong, near = MISTAKES[text]
    with pytest.raises(CypherError) as caught:
        check_names(guard(text).tokens, list, list)
    assert wrong in str(caught.value)
    assert near in str(caught.value)


@pytest.mark.parametrize("text", FINE, ids=lambda text: text[:50])
def test_a_users_own_names_pass(text: str) -> None:
    check_names(guard(text).tokens, _never, _never)


def test_what_the_database_has_beside_the_data_model_passes() -> None:
    check_names(guard("MATCH (n:Mine) RETURN n.own").tokens, lambda: ["Mine"], lambda: ["own"])


def test_names_are_found_in_the_order_of_the_text() -> None:
    text = "MATCH (c:Circuit {task: 'x'})-[:CONTAINS]->(n:A|B) WHERE n.kind = 'y' RETURN c.cmd"
    found = names_in(guard(text).tokens)
    assert found.kinds == ("Circuit", "CONTAINS", "A", "B")
    assert found.properties == ("task", "kind", "cmd")


def test_a_long_label_expression_is_read_once() -> None:
    tokens = guard("MATCH (n" + ":!" * 49_000 + "X) RETURN n").tokens
    start = time.process_time()
    assert names_in(tokens).kinds == ("X",)
    assert time.process_time() - start < 5


def test_labels_and_types_share_no_name() -> None:
    assert not LABELS & TYPES


def test_every_example_names_only_what_there_is() -> None:
    for kind in (*NODE_KINDS, *RELATIONSHIP_KINDS):
        check_names(guard(kind.example).tokens, _never, _never)


@pytest.mark.parametrize("text", [*list(MISTAKES)[:3], *FINE])
def test_a_query_is_held_to_the_names(store: GraphStore, text: str) -> None:
    store.write(lambda tx: write_circuit(tx, make_circuit(), make_run()))
    if text in MISTAKES:
        with pytest.raises(CypherError, match="near ones are"):
            run_user_query(store, text)
    else:
        run_user_query(store, text)
