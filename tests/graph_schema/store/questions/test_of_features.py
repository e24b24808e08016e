"""Questions about features have the answers that are known by hand, on both servers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from graph_schema.documents import Annotation, CircuitDocument, neuron_name
from graph_schema.errors import SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.ask import ask
from graph_schema.store.records.annotations import write_annotation, write_labels
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.features import write_features
from graph_schema.store.servers.java import JavaServer
from tests.factories import make_circuit, make_edges, make_model
from tests.feature_circuits import described, dictionary, feature_circuit
from tests.servers import EMPTY

OTHER_TASK = {"task": "ioi", "task_id": "0" * 64}


def _other_task() -> CircuitDocument:
    """Another task of the same model: one feature in common, one of another dictionary."""
    edges = make_edges(
        [
            ("m0.f17", "a1.h2", "k", 0.5),
            ("m0.f3", "a1.h2", "k", -0.75),
            ("m0.f3", "a1.h2", "v", -0.5),
            ("m0.f4", "a1.h2", "v", -0.5),
            ("m0.f9", "m1.n40", "r", 1.0),
            ("a1.h2", "logits", "r", 1.0),
        ]
    )
    made = make_circuit(edges=edges, job="ioi")
    return made.model_copy(
        update={"granularity": "dictionary", "dictionaries": (dictionary(),), **OTHER_TASK}
    )


@pytest.fixture(scope="module")
def filled(server: JavaServer) -> Generator[tuple[GraphStore, dict[str, CircuitDocument]]]:
    one, two, three = feature_circuit(), _other_task(), feature_circuit("three", "two")
    three = three.model_copy(update=OTHER_TASK)
    with GraphStore(server.address) as store:
        store.migrate()
        store.write(lambda tx: tx.run(EMPTY).consume())
        for circuit in (one, two, three):
            store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
        store.write(lambda tx: write_features(tx, one, [described("m0.f17")]))
        said = [("m0.f3", "Names in a LIST"), ("m1.n40", "verbs")]
        labels = [
            Annotation(circuit_id=two.circuit_id, component=a, author="ada", text=b, kind="label")
            for a, b in said
        ]
        store.write(lambda tx: write_labels(tx, labels))
        for text, (first, *also) in {
            "say a name": ("m0.f17", "m0.f3"),
            "read names": ("a1.h2",),
            "alone": ("m0.f9", "m1.n40"),
        }.items():
            group = Annotation(
                circuit_id=two.circuit_id,
                component=first,
                also=tuple(also),
                author="ada",
                text=text,
                kind="group",
            )
            store.write(lambda tx, group=group: write_annotation(tx, group))
        yield store, {"one": one, "two": two, "three": three}
        store.write(lambda tx: tx.run(EMPTY).consume())


def _rows(store: GraphStore, name: str, **parameters: Any) -> list[dict[str, Any]]:
    found = ask(store, name, parameters)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_features_are_found_by_label(filled: Any) -> None:
    store, circuits = filled
    rows = _rows(store, "features-by-label", text="in a list")
    # Of two dictionaries, each called so in its own circuit; and the one that somebody labelled.
    assert [(row["feature"], row["label"], row["circuits"]) for row in rows] == [
        ("m0.f17", "names in a list", 1),
        ("m0.f17", "names in a list", 1),
        ("m0.f3", "Names in a LIST", 1),
    ]
    described_ = [row for row in rows if row["promotes"]]
    assert [(row["density"], row["detection"]) for row in described_] == [(0.25, 0.75)]
    (verbs,) = _rows(store, "features-by-label", text="VERB")
    # Labelled in one circuit, it is the same neuron in the two others.
    assert (verbs["feature"], verbs["circuits"], verbs["dictionary"]) == ("m1.n40", 3, None)
    assert verbs["tasks"] == sorted({each.task for each in circuits.values()})
    model = circuits["one"].model.name
    assert len(_rows(store, "features-by-label", text="list", model=model)) == 3
    assert _rows(store, "features-by-label", text="nothing is called so") == []


def test_features_of_two_tasks_are_told_apart_by_dictionary(filled: Any) -> None:
    store, circuits = filled
    model = circuits["one"].model.name
    rows = _rows(store, "shared-features", model=model)
    tasks = sorted({each.task for each in circuits.values()})
    found = [(row["feature"], row["n_tasks"], row["circuits"], row["tasks"]) for row in rows]
    one, two, head = dictionary(), dictionary("two"), circuits["one"].dictionaries[1]
    assert found == [
        ("m1.n40", 2, 3, tasks),
        ("a0.h1.f3", 2, 2, tasks),
        ("m0.f17", 2, 2, tasks),
    ]
    assert [row["dictionary_id"] for row in rows] == [None, head.dictionary_id, one.dictionary_id]
    every = _rows(store, "shared-features", model=model, tasks=1)
    by_dictionary = {(row["feature"], row["dictionary_id"]): row["n_tasks"] for row in every}
    assert by_dictionary["m0.f17", two.dictionary_id] == 1
    shared = _rows(store, "shared-components", model=model, tasks=1)
    assert [row["n_tasks"] for row in shared if row["component"] == "m0.f17"] == [2, 1]


def test_features_that_oppose_each_other_at_a_head_s_input(filled: Any) -> None:
    store, circuits = filled
    (row,) = _rows(store, "opposing-features", circuit=circuits["two"].circuit_id[:12])
    assert row == {
        "receiver": "a1.h2",
        "channel": "k",
        "positive": ["m0.f17"],
        "raised": 0.5,
        "negative": ["m0.f3 Names in a LIST"],
        "lowered": -0.75,
    }
    # The error and the rest of a dictionary are no features.
    assert _rows(store, "opposing-features", circuit=circuits["one"].circuit_id) == []


def test_supernodes_say_what_they_pass_to_each_other(filled: Any) -> None:
    store, circuits = filled
    rows = _rows(store, "supernodes", circuit=circuits["two"].circuit_id)
    assert [(row["supernode"], row["to"], row["edges"], row["score"]) for row in rows] == [
        ("alone", None, 0, None),
        ("read names", None, 0, None),
        ("say a name", "read names", 3, pytest.approx(0.5 - 0.75 - 0.5)),
    ]
    assert rows[0]["members"] == ["m0.f9", "m1.n40"]
    assert _rows(store, "supernodes", circuit=circuits["one"].circuit_id) == []


def test_the_text_of_a_label_is_text(filled: Any) -> None:
    store, _ = filled
    for bad in ("", 3, "x" * 2_000):
        with pytest.raises(SpecError, match="parameter text"):
            ask(store, "features-by-label", {"text": bad})
    hostile = "x') DETACH DELETE p //"
    assert _rows(store, "features-by-label", text=hostile) == []


@pytest.fixture
def roomy(store: GraphStore) -> Generator[GraphStore]:
    """A graph whose circuits may have long notes, which go before the next test's emptying.

    The embedded server reads a node anew for each of its edges that it deletes.
    """
    yield store
    store.write(lambda tx: tx.run("MATCH (c:Circuit) SET c.notes = []").consume())


@pytest.mark.slow
def test_what_a_model_shares_is_told_of_circuits_with_long_notes(roomy: GraphStore) -> None:
    store = roomy
    units = [neuron_name("m0", at) for at in range(800)]
    circuit = make_circuit(
        make_edges([("input", name, "r", 1.0) for name in units]),
        model=make_model(d_mlp=len(units)),
        notes=("x" * 4_000_000,),  # kept once a unit it is more than a query may hold
    )
    store.write(lambda tx: write_circuit(tx, circuit))
    for question in ("shared-features", "shared-components"):
        rows = _rows(store, question, model=circuit.model.name, tasks=1, limit=1_000)
        assert len(rows) == len(units)
    labels = make_circuit(circuit.edges, model=circuit.model).labelled(dict.fromkeys(units, "hit"))
    store.write(lambda tx: write_circuit(tx, labels.model_copy(update={"notes": circuit.notes})))
    assert len(_rows(store, "features-by-label", text="HIT", limit=1_000)) == len(units)
